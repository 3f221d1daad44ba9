/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preconditions of a GET or HEAD (RFC 9110 13.1): is the stored response the one that the client has? Pure;
 * a part of request.h, which includes it. Whatever is not strictly formed passes the request on.
 */
#ifndef ZS_CONDITION_H
#define ZS_CONDITION_H

#include <zs/request.h>

#define ZS_INM_MAX 256u /* bytes of If-None-Match */
#define ZS_IMF_LEN 29u  /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Two digits as a number; 100 or more: they are none. */
zs_inline __u32 zs_digits2(const __u8 *p)
{
	__u32 a = (__u32)p[0] - '0', b = (__u32)p[1] - '0';

	return a > 9 || b > 9 ? 100 : a * 10 + b;
}

/* 1 to 12 for the month whose name begins at p; 0: none. */
zs_inline __u32 zs_imf_month(const __u8 *p)
{
	switch ((__u32)p[0] << 16 | (__u32)p[1] << 8 | p[2]) {
	case 0x4a616e: return 1;
	case 0x466562: return 2;
	case 0x4d6172: return 3;
	case 0x417072: return 4;
	case 0x4d6179: return 5;
	case 0x4a756e: return 6;
	case 0x4a756c: return 7;
	case 0x417567: return 8;
	case 0x536570: return 9;
	case 0x4f6374: return 10;
	case 0x4e6f76: return 11;
	case 0x446563: return 12;
	default: return 0;
	}
}

/*
 * IMF-fixdate (RFC 9110 5.6.7) at p, ZS_IMF_LEN bytes, to a number that grows with time; 0: anything else. The
 * name of the day is not looked at. The number is for comparison only: months count as having 31 days.
 */
zs_inline __u64 zs_imf_date(const __u8 *p)
{
	__u32 day = zs_digits2(p + 5), month = zs_imf_month(p + 8), hour = zs_digits2(p + 17);
	__u32 century = zs_digits2(p + 12), year = zs_digits2(p + 14);
	__u32 minute = zs_digits2(p + 20), second = zs_digits2(p + 23);
	__u64 days;

	if (p[3] != ',' || p[4] != ' ' || p[7] != ' ' || p[11] != ' ' || p[16] != ' ' || p[19] != ':' ||
	    p[22] != ':' || p[25] != ' ' || p[26] != 'G' || p[27] != 'M' || p[28] != 'T')
		return 0;
	if (day < 1 || day > 31 || !month || century > 99 || year > 99 || hour > 23 || minute > 59 || second > 60)
		return 0;
	days = ((century * 100 + year) * 12 + month - 1) * 31 + day;
	return ((days * 24 + hour) * 60 + minute) * 61 + second;
}

/* If-Modified-Since to r->since, and the limits of both fields. If-None-Match is looked at when there is an
 * ETag to compare with; it comes first (RFC 9110 13.2.2). */
zs_inline void zs_request_conditions(struct zs_request *r)
{
	__u32 both = 1u << ZS_SLOT_INM | 1u << ZS_SLOT_IMS;

	r->since = 0;
	if (!(r->flags & ZS_REQ_COND))
		return;
	if ((r->dup & both) || zs_span_len(&r->slot[ZS_SLOT_INM]) > ZS_INM_MAX)
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
	if (!zs_has(r, ZS_SLOT_IMS))
		return;
	if (zs_span_len(&r->slot[ZS_SLOT_IMS]) == ZS_IMF_LEN)
		r->since = zs_imf_date(zs_request_at(r, r->slot[ZS_SLOT_IMS].start));
	if (!r->since)
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
}

/*
 * If-None-Match against the opaque-tag in etag[0..len), quotes included, by weak comparison (RFC 9110 8.8.3.2,
 * 13.1.2). 2 * ZS_ETAG_MAX bytes can be read from etag. 1: a member is equal, or it is "*"; 0: none is; -1: not
 * strictly formed up to the member that decides. Driven by zs_tables.etag, so that the verifier sees few ways
 * through a byte.
 */
zs_inline int zs_etag_listed(const struct zs_request *r, const struct zs_tables *t, const __u8 *etag, __u32 len)
{
	__u32 start = r->slot[ZS_SLOT_INM].start, n = zs_span_len(&r->slot[ZS_SLOT_INM]), i;
	__u32 step = ZS_ETAG_BEFORE, at = 0, differ = 0;

	if (n == 1 && *zs_request_at(r, start) == '*')
		return 1;
	for (i = 0; i < ZS_INM_MAX; i++) {
		__u32 c = *zs_request_at(r, start + i), inside;

		if (i >= n)
			break;
		step = t->etag[(step & 7) << 3 | (t->etag_byte[c] & 7)];
		inside = 0u - (step >> 7); /* all bits where the byte is one of the opaque-tag's */
		differ = (differ | (c ^ etag[at & (2 * ZS_ETAG_MAX - 1)])) & inside;
		at = (at + 1) & inside;
		if (step == (ZS_ETAG_CLOSED | ZS_ETAG_TAG) && at == len && !differ)
			return 1;
		if (step == ZS_ETAG_BAD)
			return -1;
	}
	step &= 7;
	return step == ZS_ETAG_BEFORE || step == ZS_ETAG_CLOSED ? 0 : -1;
}

/* Whether a stored 200 with this opaque-tag (len 0: none) and this modification time (zs_imf_date(); 0: none)
 * answers the request with a 304. 1 yes, 0 no, -1: pass the request on. */
zs_inline int zs_not_modified(const struct zs_request *r, const struct zs_tables *t, const __u8 *etag, __u32 len,
			      __u64 modified)
{
	if (!(r->flags & ZS_REQ_COND))
		return 0;
	if (zs_has(r, ZS_SLOT_INM))
		return zs_etag_listed(r, t, etag, len);
	return modified && modified <= r->since;
}

#endif
