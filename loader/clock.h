/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two clocks: boot time, which the kernel's programs use, and wall time, which HTTP uses. */
#ifndef ZS_CLOCK_H
#define ZS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define ZS_NS 1000000000ull

static inline uint64_t zs_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * ZS_NS + (uint64_t)now.tv_nsec;
}

/* Nanoseconds since boot, suspend included: the same as bpf_ktime_get_boot_ns(). */
static inline uint64_t zs_boot_ns(void)
{
	return zs_clock_ns(CLOCK_BOOTTIME);
}

/* Wall-clock seconds since 1970 at the boot-time moment `then`. */
static inline int64_t zs_wall_at(uint64_t then)
{
	return ((int64_t)zs_clock_ns(CLOCK_REALTIME) - (int64_t)(zs_boot_ns() - then)) / (int64_t)ZS_NS;
}

#endif
