/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request fields that the operator made part of the key, for responses that name them in Vary. Pure.
 *
 * A value is compared byte for byte, or folded (Accept, Accept-Language, Accept-Charset): without the blanks
 * beside ',' and ';', and in lower case (RFC 9111 4.1: what has the same meaning may be made equal). A blank
 * elsewhere, a quote, a backslash or what is not ASCII passes the request on. Some origins compare these fields letter by
 * letter, so a request in whose value a capital stood where nobody writes one (not behind '-', as in en-GB)
 * may be answered, but must not fill the store: its response could be another one than that of the rest.
 */
#ifndef ZS_VARY_H
#define ZS_VARY_H

#include <zs/key.h>

/* Field n's value into the key at `at`, folded. Returns its length. */
zs_inline __u32 zs_vary_fold(struct zs_key *k, struct zs_request *r, const struct zs_tables *t, __u32 at, __u32 start,
			     __u32 len)
{
	__u32 blank_before = 0, comma_before = 1, dash = 0, bad = 0, high = 0, out = 0, i;
	__u64 to = at;

	zs_pin(to);
	if (to > ZS_KEY_TEXT_MAX - ZS_VARY_MAX)
		return 0; /* cannot be: the target has more room behind it */
	ZS_UNROLL
	for (i = 0; i < ZS_VARY_MAX; i += 8)
		zs_store64(&k->text[to + i], 0);
	for (i = 0; i < ZS_VARY_MAX; i++) {
		__u32 c = *zs_request_at(r, start + i), b = t->byte[c];
		__u32 blank = b / ZS_B_BLANK & 1, comma = b / ZS_B_COMMA & 1, upper = b / ZS_B_UPPER & 1;

		if (i >= len)
			break;
		k->text[to + (out & (ZS_VARY_MAX - 1))] = (__u8)(c | upper << 5); /* a blank is written over by what follows it */
		bad |= blank_before & ~(blank | comma | comma_before);
		bad |= ~(t->mark[c] / ZS_M_OCTET | blank | comma);
		high |= upper & ~dash;
		dash = (dash & ~comma) | zs_same(c, '-');
		comma_before = (comma_before & blank) | comma;
		blank_before = blank;
		out += blank ^ 1;
	}
	if (bad & 1)
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
	if (high & 1)
		zs_set_bits(&r->flags, ZS_REQ_NOFILL);
	return out;
}

/* Vary field n, from 0 to ZS_VARY_FIELDS - 1, in this order; Host and X-Forwarded-* are there. Passes the
 * request on if its value cannot be part of the key. */
zs_inline void zs_key_put_vary(struct zs_key *k, struct zs_request *r, const struct zs_tables *t, __u32 n)
{
	__u32 slot = ZS_SLOT_V0 + (n & (ZS_VARY_FIELDS - 1)), bit = 1u << slot;
	__u32 start = r->slot[slot].start, len = zs_span_len(&r->slot[slot]), at;

	if (!(r->seen & bit))
		return;
	if (len > ZS_VARY_MAX || (r->dup & bit)) {
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
		return;
	}
	at = zs_key_target_at(k); /* the fields from n on have no length yet */
	k->vary_seen |= (__u16)(1u << (n & (ZS_VARY_FIELDS - 1)));
	if (t->vary_fold & (1u << (n & (ZS_VARY_FIELDS - 1))))
		len = zs_vary_fold(k, r, t, at, start, len);
	else
		zs_key_copy(k, r, at, start, len, ZS_VARY_MAX, 0);
	k->vary_len[n & (ZS_VARY_FIELDS - 1)] = (__u16)len;
}

#endif
