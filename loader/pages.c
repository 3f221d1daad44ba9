// SPDX-License-Identifier: GPL-2.0-or-later
/* Page allocation: a bitmap, next fit; and the list of extents that wait for a grace period. */
#include "pages.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct zs_pages {
	uint64_t *bits; /* 1: in use */
	uint32_t count;
	uint32_t used;
	uint32_t next; /* where the next search begins */
	zs_grace_fn *grace;
	struct zs_extent *waiting;
	size_t waiting_n;
	size_t waiting_room;
	uint32_t waiting_pages;
};

int zs_grace_membarrier(void)
{
	return syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) ? -errno : 0;
}

int zs_pages_create(uint32_t count, zs_grace_fn *grace, struct zs_pages **out)
{
	struct zs_pages *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->bits = calloc((count + 63) / 64, sizeof(*p->bits));
	if (!p->bits) {
		free(p);
		return -ENOMEM;
	}
	p->count = count;
	p->grace = grace;
	*out = p;
	return 0;
}

void zs_pages_destroy(struct zs_pages *p)
{
	if (!p)
		return;
	free(p->waiting);
	free(p->bits);
	free(p);
}

static bool in_use(const struct zs_pages *p, uint32_t page)
{
	return p->bits[page / 64] >> (page % 64) & 1;
}

static void mark(struct zs_pages *p, uint32_t first, uint32_t count, bool use)
{
	for (uint32_t i = first; i < first + count; i++) {
		if (use)
			p->bits[i / 64] |= 1ull << (i % 64);
		else
			p->bits[i / 64] &= ~(1ull << (i % 64));
	}
}

/* First run of `count` free pages in [from, to); to itself if there is none. Whole words in use are skipped. */
static uint32_t run_find(const struct zs_pages *p, uint32_t from, uint32_t to, uint32_t count)
{
	uint32_t run = 0;

	for (uint32_t i = from; i < to; i++) {
		if (!run && i % 64 == 0 && p->bits[i / 64] == ~0ull) {
			i += 63;
			continue;
		}
		run = in_use(p, i) ? 0 : run + 1;
		if (run == count)
			return i + 1 - count;
	}
	return to;
}

int zs_pages_take(struct zs_pages *p, uint32_t count, uint32_t *first)
{
	uint32_t at;

	if (!count || count > p->count - p->used)
		return -ENOSPC;
	at = run_find(p, p->next, p->count, count);
	if (at == p->count) {
		at = run_find(p, 0, p->count, count);
		if (at == p->count)
			return -ENOSPC;
	}
	mark(p, at, count, true);
	p->used += count;
	p->next = at + count < p->count ? at + count : 0;
	*first = at;
	return 0;
}

void zs_pages_give(struct zs_pages *p, uint32_t first, uint32_t count)
{
	if (p->waiting_n == p->waiting_room) {
		size_t room = p->waiting_room ? p->waiting_room * 2 : 64;
		struct zs_extent *grown = reallocarray(p->waiting, room, sizeof(*grown));

		if (!grown)
			return; /* no memory to remember it by: the pages stay in use, which is safe */
		p->waiting = grown;
		p->waiting_room = room;
	}
	p->waiting[p->waiting_n++] = (struct zs_extent){first, count};
	p->waiting_pages += count;
}

int zs_pages_reclaim(struct zs_pages *p)
{
	int err;

	if (!p->waiting_n)
		return 0;
	err = p->grace();
	if (err)
		return err;
	for (size_t i = 0; i < p->waiting_n; i++) {
		mark(p, p->waiting[i].first, p->waiting[i].count, false);
		p->used -= p->waiting[i].count;
	}
	p->waiting_n = 0;
	p->waiting_pages = 0;
	return 0;
}

uint32_t zs_pages_used(const struct zs_pages *p)
{
	return p->used;
}

uint32_t zs_pages_waiting(const struct zs_pages *p)
{
	return p->waiting_pages;
}
