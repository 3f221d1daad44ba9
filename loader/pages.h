/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of the store are in use. Extents that are given back become free only after a grace period:
 * a program may still be copying from them ([I6] in bpf/skmsg/answer.h).
 */
#ifndef ZS_PAGES_H
#define ZS_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zs_extent {
	uint32_t first;
	uint32_t count;
};

/* Waits until every BPF program that runs now has ended. 0 or -errno. */
typedef int zs_grace_fn(void);

/* membarrier(2) MEMBARRIER_CMD_GLOBAL: synchronize_rcu() (v6.18 kernel/sched/membarrier.c). sk_msg programs
 * run inside an RCU read-side section (v6.18 net/core/skmsg.c, sk_psock_msg_verdict). -ENOSYS where the
 * kernel has none, -EINVAL with nohz_full CPUs. */
int zs_grace_membarrier(void);

struct zs_pages;

/* -ENOMEM. */
int zs_pages_create(uint32_t count, zs_grace_fn *grace, struct zs_pages **out);
void zs_pages_destroy(struct zs_pages *pages);

/* Takes `count` consecutive pages. -ENOSPC: no such run is free (some may be waiting: zs_pages_reclaim). */
int zs_pages_take(struct zs_pages *pages, uint32_t count, uint32_t *first);

/* Gives an extent back that no index names any more. It is free after the next reclaim. */
void zs_pages_give(struct zs_pages *pages, uint32_t first, uint32_t count);

/* One grace period, then everything given back before is free. Nothing waiting: does nothing. The errors of
 * the grace function; the extents then go on waiting. */
int zs_pages_reclaim(struct zs_pages *pages);

uint32_t zs_pages_used(const struct zs_pages *pages);    /* waiting ones included */
uint32_t zs_pages_waiting(const struct zs_pages *pages);

#endif
