/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether every cookie of a request is one that its class ignores (ZS_CLASS_COOKIES_ON). Pure; narrower than
 * RFC 6265 4.2.1, because parsers differ: some split at ',' or at blanks, some take ';' within quotes for a
 * cookie's text. With a byte that any of them might read in its own way, the request is passed on.
 */
#ifndef ZS_COOKIE_H
#define ZS_COOKIE_H

#include <zs/pattern.h>

#define ZS_COOKIES     64u
#define ZS_COOKIE_NAME 32u   /* bytes */
#define ZS_COOKIE_MAX  1024u /* bytes of a value */
#define ZS_COOKIE_GAP  8u    /* blanks around a cookie */

enum zs_cookie { ZS_COOKIE_MORE, ZS_COOKIE_LAST, ZS_COOKIE_NO };

/* Position behind the blanks at `at`, at most ZS_COOKIE_GAP of them. */
zs_inline __u32 zs_cookie_blanks(const struct zs_request *r, const struct zs_tables *t, __u32 at)
{
	__u32 i;

	for (i = 0; i < ZS_COOKIE_GAP; i++)
		if (!(t->byte[*zs_request_at(r, at + i)] & ZS_B_BLANK))
			break;
	return at + i;
}

/* One cookie, from r->at on: blanks, name, '=', value, blanks, ';' or the end. ZS_COOKIE_NO: it is not to be
 * ignored. */
zs_inline enum zs_cookie zs_cookie_next(struct zs_request *r, const struct zs_tables *t, const struct zs_class *class)
{
	__u32 end = r->slot[ZS_SLOT_COOKIE].end, cookies = class->cookies, at, i;
	struct zs_label label;
	__u64 hit = 0;

	r->at = zs_cookie_blanks(r, t, zs_scan_at(r));
	at = zs_scan_at(r);
	for (i = 0; i <= ZS_COOKIE_NAME; i++)
		if (!(t->mark[*zs_request_at(r, at + i)] & ZS_M_COOKIE))
			break;
	if (!i || i > ZS_COOKIE_NAME || at + i >= end || *zs_request_at(r, at + i) != '=')
		return ZS_COOKIE_NO;
	zs_label_load(&label, r, at, i);
	r->at = at + i + 1;
	for (i = 0; i < ZS_CLASS_COOKIES; i++) {
		if (i >= cookies)
			break;
		hit |= zs_pattern_match(&class->cookie[i], &label, 0);
	}
	if (!hit)
		return ZS_COOKIE_NO;
	at = zs_scan_at(r);
	for (i = 0; i < ZS_COOKIE_MAX; i++)
		if (!(t->mark[*zs_request_at(r, at + i)] & ZS_M_OCTET))
			break;
	r->at = at + i;
	at = zs_scan_at(r);
	if (at >= end)
		return ZS_COOKIE_LAST; /* behind the value stands CR, no cookie-octet */
	at = zs_cookie_blanks(r, t, at);
	r->at = at + 1;
	return *zs_request_at(r, at) == ';' ? ZS_COOKIE_MORE : ZS_COOKIE_NO;
}

/* Before the first zs_cookie_next(). 0: there is nothing to look at, the request is settled. */
zs_inline int zs_cookie_begin(struct zs_request *r)
{
	if (!(r->flags & ZS_REQ_COOKIE) || (r->flags & ZS_REQ_BYPASS))
		return 0;
	r->at = r->slot[ZS_SLOT_COOKIE].start;
	if (zs_span_len(&r->slot[ZS_SLOT_COOKIE]) && !(r->dup & (1u << ZS_SLOT_COOKIE)))
		return 1;
	zs_set_bits(&r->flags, ZS_REQ_BYPASS);
	return 0;
}

/* After zs_request_class(): passes the request on unless its class ignores all its cookies. */
zs_inline void zs_request_cookies(struct zs_request *r, const struct zs_tables *t, const struct zs_class *class)
{
	enum zs_cookie next = ZS_COOKIE_MORE;
	__u32 n;

	if (!zs_cookie_begin(r))
		return;
	for (n = 0; n < ZS_COOKIES && next == ZS_COOKIE_MORE; n++)
		next = zs_cookie_next(r, t, class);
	if (next != ZS_COOKIE_LAST)
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
}

#endif
