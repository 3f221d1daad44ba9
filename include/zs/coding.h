/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accept-Encoding: which of the codings known here a client takes. Pure; a part of request.h, which includes it. */
#ifndef ZS_CODING_H
#define ZS_CODING_H

#include <zs/request.h>

/*
 * Accept-Encoding to its class: the codings known here that the client takes (RFC 9110 12.5.3). A weight
 * counts as far as it is 0 or not; '*' stands for every known coding that is not named. A client that refuses
 * the identity coding, and a list that is not strictly formed, pass the request on. Other codings may be
 * listed: no response in one of them is ever stored, and but for deflate such a request never fills the store.
 */
#define ZS_AE_MAX 128
#define ZS_AE_ANY      0x10u /* while parsing: '*' */
#define ZS_AE_IDENTITY 0x20u /* while parsing */
#define ZS_AE_ODD      0x80u /* while parsing: not strictly formed */
#define ZS_AE_KNOWN    (ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD)
#define ZS_AE_OTHER    (~0ull) /* of zs_request.member: longer than any coding known here */
zs_inline __u32 zs_coding_class(__u64 word)
{
	switch (word) {
	case 0x2aull: /* '*' */
		return ZS_AE_ANY;
	case 0x6964656e74697479ull: /* identity */
		return ZS_AE_IDENTITY;
	case 0x677a6970ull:     /* gzip */
	case 0x782d677a6970ull: /* x-gzip, the same (RFC 9110 8.4.1.3) */
		return ZS_AE_GZIP;
	case 0x6272ull: /* br */
		return ZS_AE_BR;
	case 0x7a737464ull: /* zstd */
		return ZS_AE_ZSTD;
	default:
		return 0;
	}
}

/* Where within a member the parser is. */
enum zs_coding_step {
	ZS_CODING_BEFORE, /* blanks, then the coding */
	ZS_CODING_NAME,
	ZS_CODING_AFTER, /* blanks behind the coding */
	ZS_CODING_PARAM, /* behind ';' */
	ZS_CODING_EQUALS,
	ZS_CODING_WEIGHT, /* '0' or '1' */
	ZS_CODING_POINT,
	ZS_CODING_DIGIT1, /* up to three digits */
	ZS_CODING_DIGIT2,
	ZS_CODING_DIGIT3,
	ZS_CODING_END, /* blanks behind the weight */
};

/* The member ends. Only its last steps may be where it does. */
zs_inline void zs_coding_take(struct zs_request *r, __u32 step)
{
	__u64 text = *(volatile __u64 *)&r->member;
	__u32 bit = zs_coding_class(text);

	/* the class does not tell it from others, but an origin may: it must not answer for them */
	if (text && !bit && text != 0x6465666c617465ull /* deflate */)
		zs_set_bits(&r->flags, ZS_REQ_NOFILL);

	if (step >= ZS_CODING_PARAM && step <= ZS_CODING_WEIGHT)
		zs_set_bits(&r->ae, ZS_AE_ODD);
	else if (*(volatile __u32 *)&r->weight)
		zs_set_bits(&r->ae, bit);
	else
		zs_set_bits(&r->refused, bit);
	*(volatile __u64 *)&r->member = 0;
	*(volatile __u32 *)&r->weight = 1;
}

/* The step behind the byte `c` of a weight (RFC 9110 12.4.2). 1.000 is the most, but 1.5 harms nobody. */
zs_inline __u32 zs_coding_weight(struct zs_request *r, __u32 step, __u8 c)
{
	if (step == ZS_CODING_PARAM)
		return (c | 0x20) == 'q' ? ZS_CODING_EQUALS : ~0u;
	if (step == ZS_CODING_EQUALS)
		return c == '=' ? ZS_CODING_WEIGHT : ~0u;
	if (step == ZS_CODING_POINT)
		return c == '.' ? ZS_CODING_DIGIT1 : ~0u;
	if (step == ZS_CODING_END || c < '0' || c > (step == ZS_CODING_WEIGHT ? '1' : '9'))
		return ~0u;
	if (step == ZS_CODING_WEIGHT)
		*(volatile __u32 *)&r->weight = c != '0';
	else if (c != '0')
		*(volatile __u32 *)&r->weight = 1;
	return step + 1;
}

/* One byte of the list; ',' ends a member. The state is kept in memory for the reason of zs_set_bits(). */
zs_inline void zs_request_coding(struct zs_request *r, const struct zs_tables *t, __u8 c)
{
	volatile __u32 *at = &r->step;
	volatile __u64 *member = &r->member;
	__u32 step = *at, next = step;

	if (c == ',') {
		zs_coding_take(r, step);
		next = ZS_CODING_BEFORE;
	} else if (c == ' ' || c == '\t') {
		if (step == ZS_CODING_NAME)
			next = ZS_CODING_AFTER;
		else if (step >= ZS_CODING_EQUALS)
			next = step == ZS_CODING_EQUALS || step == ZS_CODING_WEIGHT ? ~0u : ZS_CODING_END;
	} else if (c == ';') {
		next = step == ZS_CODING_NAME || step == ZS_CODING_AFTER ? ZS_CODING_PARAM : ~0u;
	} else if (step <= ZS_CODING_NAME && (t->byte[c] & ZS_B_TOKEN)) {
		__u64 text = *member;

		*member = text >> 56 ? ZS_AE_OTHER : text << 8 | (c | 0x20);
		next = ZS_CODING_NAME;
	} else {
		next = step <= ZS_CODING_AFTER ? ~0u : zs_coding_weight(r, step, c);
	}
	if (next == ~0u) {
		zs_set_bits(&r->ae, ZS_AE_ODD);
		next = ZS_CODING_END;
	}
	*at = next;
}

/* What was parsed, as a class. */
zs_inline void zs_codings_settle(struct zs_request *r)
{
	__u32 took = r->ae, refused = r->refused;

	if ((took & ZS_AE_ODD) || (took & refused) || (refused & ZS_AE_IDENTITY) ||
	    ((refused & ZS_AE_ANY) && !(took & ZS_AE_IDENTITY)))
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
	if (took & ZS_AE_ANY)
		took |= ZS_AE_KNOWN & ~refused;
	r->ae = ZS_AE_PRESENT | (took & ZS_AE_KNOWN);
}

zs_inline void zs_request_codings(struct zs_request *r, const struct zs_tables *t)
{
	__u32 start = r->slot[ZS_SLOT_AE].start, len = zs_span_len(&r->slot[ZS_SLOT_AE]), i;

	r->ae = 0;
	if (!zs_has(r, ZS_SLOT_AE))
		return;
	if (len > ZS_AE_MAX || (r->dup & (1u << ZS_SLOT_AE))) {
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
		return;
	}
	r->refused = 0;
	r->member = 0;
	r->weight = 1;
	r->step = ZS_CODING_BEFORE;
	for (i = 0; i <= ZS_AE_MAX; i++) {
		if (i > len)
			break;
		zs_request_coding(r, t, i < len ? *zs_request_at(r, start + i) : ',');
	}
	zs_codings_settle(r);
}

#endif
