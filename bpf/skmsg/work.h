/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work spaces: taken for the duration of one message, given back on the one way out. */
#ifndef ZS_SKMSG_WORK_H
#define ZS_SKMSG_WORK_H

#include <zs/bpf/fails.h>
#include <zs/bpf/maps.h>

#define ZS_NO_WORK (~0u)

/* A step that several objects share: a global function, which the verifier checks once, for any arguments. Weak,
 * so that the linker keeps one of those that the objects bring along. */
#define ZS_SHARED __attribute__((noinline, weak))

static __always_inline struct zs_work *work_get(__u32 id)
{
	return bpf_map_lookup_elem(&zs_works, &id);
}

/* The id of a free work space of this CPU, now taken, or ZS_NO_WORK. */
static __always_inline __u32 work_take(void)
{
	__u32 first = bpf_get_smp_processor_id() * ZS_WORK_PER_CPU;

	if (fails(ZS_FAIL_WORK))
		return ZS_NO_WORK;
	for (__u32 i = 0; i < ZS_WORK_PER_CPU; i++) {
		struct zs_work *w = work_get(first + i);
		__u32 taken;

		if (!w)
			return ZS_NO_WORK;
		bpf_spin_lock(&w->lock);
		taken = w->taken;
		w->taken = 1;
		bpf_spin_unlock(&w->lock);
		if (!taken)
			return first + i;
	}
	return ZS_NO_WORK;
}

/* Without the lock: nobody but its owner writes to a taken one. */
static __always_inline void work_give(struct zs_work *w)
{
	asm volatile("" ::: "memory");
	*(volatile __u32 *)&w->taken = 0;
}

#endif
