/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recogniser for programs other than the dialer's: what a head voids if its request succeeds. Defined in
 * the dialer's object; the watcher declares it, and the linker joins them.
 */
#ifndef ZS_SKMSG_UNSAFE_H
#define ZS_SKMSG_UNSAFE_H

#include "keying.h"

/* A request that cannot have been stored voids nothing: without room for its target or Host in a key. */
static __always_inline __u32 head_voids(struct zs_work *w, __u32 id, __u32 len, __u32 origin)
{
	if (w->request.flags & ZS_REQ_SAFE)
		return 0;
	if (!zs_has(&w->request, ZS_SLOT_HOST)) /* not there yet, or behind a target that fills all that is looked at */
		return len == ZS_HEAD_MAX && !w->request.lines ? 0 : ZS_UNSAFE_ANY;
	if (head_key(w, id, origin))
		return zs_key_fits(&w->request) ? ZS_UNSAFE_ANY : 0;
	return 1 + (w->bucket & (ZS_GENERATIONS - 1));
}

/* Of the head in the work space, `len` bytes of it: enum zs_scan, with w->request as far as its lines are
 * complete, and w->voids. */
ZS_SHARED int zs_head_judge(__u32 id, __u32 len, __u32 origin)
{
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	int scan;

	if (!w || !ctl || len > ZS_HEAD_MAX)
		return ZS_SCAN_BAD;
	w->half = ctl->tables & 1;
	w->scopes = ctl->scopes;
	w->vary = ctl->vary;
	w->voids = ZS_UNSAFE_ANY;
	scan = zs_head_scan(id, len);
	if (zs_head_fields(id) || zs_head_framing(id))
		return ZS_SCAN_BAD;
	*(volatile __u32 *)&w->voids = head_voids(w, id, len, origin);
	return scan;
}

#endif
