/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an unsafe request that succeeded voids: the generation of its target, or everything. */
#ifndef ZS_CGSKB_INVALIDATE_H
#define ZS_CGSKB_INVALIDATE_H

#include <zs/bpf/maps.h>

/* [I10] Of a cold origin nothing is stored that was asked for before it is warm, so there is nothing to void. */
static __always_inline void void_all(const struct zs_conn *c, struct zs_ctl *ctl)
{
	struct zs_warmth *w = zs_warmth_get(c->origin);

	if (c->unfollowed && w && w->cold)
		return;
	__sync_fetch_and_add(&ctl->flush, 1);
}

static __always_inline void invalidate(const struct zs_conn *c, struct zs_ctl *ctl)
{
	__u32 bucket = (c->unsafe - 1) & (ZS_GENERATIONS - 1);
	__u64 *generation = bpf_map_lookup_elem(&zs_gens, &bucket);

	if (c->sticky || c->unsafe == ZS_UNSAFE_ANY) /* nobody knows whose response this is, or which target it was */
		void_all(c, ctl);
	if (generation && c->unsafe != ZS_UNSAFE_ANY)
		__sync_fetch_and_add(generation, 1);
	zs_count(ZS_COUNT_invalidated);
}

#endif
