/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May a stored object answer a request now? Pure: the same lines decide in the kernel and tell `zs-load explain`.
 * [I5] An answer is given only after the whole key was compared with the stored one.
 */
#ifndef ZS_USABLE_H
#define ZS_USABLE_H

#include <zs/key.h>

enum zs_usable {
	ZS_USABLE_NONE,    /* another key, or no object */
	ZS_USABLE_YES,
	ZS_USABLE_EXPIRED, /* not even to be served stale */
	ZS_USABLE_VOID,    /* invalidated */
};

/* Without an agent that lives nothing is revalidated, so nothing stale is served (RFC 5861 3). */
#define ZS_HEARTBEAT_NS 2000000000ull

/* Whether the page that was named with this serial (0: without one) begins an object of this key, for a request
 * with these flags. `page` holds ZS_PAGE_SIZE bytes. Nobody who does not know the seed can write the digest into a body
 * that a page may hold instead. */
zs_inline int zs_object_matches(const __u8 *page, __u32 serial, __u64 digest, const struct zs_key *key, __u32 key_len,
				__u32 flags)
{
	const struct zs_object *o = (const struct zs_object *)page;

	if (o->magic != ZS_OBJECT_MAGIC || (serial && o->serial != serial) || o->digest != digest || o->key_len != key_len ||
	    !zs_key_equal(key, page + ZS_OBJECT_KEY_OFF, key_len))
		return 0;
	return !(flags & ZS_REQ_AUTH) || (o->flags & ZS_OBJECT_AUTHORIZED); /* RFC 9111 3.5 */
}

/* Of an object that matches: `generation` is its bucket's, the rest zs_ctl's; `now` in boot-time ns. */
zs_inline enum zs_usable zs_object_usable(const struct zs_object *o, __u32 generation, __u32 flush, __u64 heartbeat,
					  __u64 now)
{
	if (generation != o->generation || flush != o->flush)
		return ZS_USABLE_VOID;
	if (now < o->fresh_until)
		return ZS_USABLE_YES;
	return now < o->stale_until && now < heartbeat + ZS_HEARTBEAT_NS ? ZS_USABLE_YES : ZS_USABLE_EXPIRED;
}

#endif
