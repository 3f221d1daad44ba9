/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache key of a request, its digest and its generation bucket. Pure; see request.h.
 * The digest only finds a candidate: an answer is given after the whole key was compared.
 */
#ifndef ZS_KEY_H
#define ZS_KEY_H

#include <zs/request.h>

/* SipHash-1-3 (Aumasson, Bernstein) over 64-bit words: keyed, so that nobody who does not know the seed
 * can aim two keys at one digest. The length is part of the words that are hashed. */
struct zs_sip {
	__u64 v0, v1, v2, v3;
};

zs_inline __u64 zs_rotl(__u64 x, int b)
{
	return x << b | x >> (64 - b);
}

zs_inline void zs_sip_round(struct zs_sip *s)
{
	s->v0 += s->v1;
	s->v1 = zs_rotl(s->v1, 13) ^ s->v0;
	s->v0 = zs_rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = zs_rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = zs_rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = zs_rotl(s->v1, 17) ^ s->v2;
	s->v2 = zs_rotl(s->v2, 32);
}

zs_inline void zs_sip_init(struct zs_sip *s, __u64 seed0, __u64 seed1)
{
	s->v0 = seed0 ^ 0x736f6d6570736575ull;
	s->v1 = seed1 ^ 0x646f72616e646f6dull;
	s->v2 = seed0 ^ 0x6c7967656e657261ull;
	s->v3 = seed1 ^ 0x7465646279746573ull;
}

zs_inline void zs_sip_word(struct zs_sip *s, __u64 w)
{
	s->v3 ^= w;
	zs_sip_round(s);
	s->v0 ^= w;
}

zs_inline __u64 zs_sip_end(struct zs_sip s)
{
	s.v2 ^= 0xff;
	zs_sip_round(&s);
	zs_sip_round(&s);
	zs_sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

zs_inline __u32 zs_pad8(__u32 n)
{
	return (n + 7) & ~7u;
}

#define ZS_KEY_HEAD 24u /* bytes before the text */

/* Where in the text the target begins. */
zs_inline __u32 zs_key_target_at(const struct zs_key *k)
{
	__u32 at = zs_pad8(k->host_len) + zs_pad8(k->xfh_len) + zs_pad8(k->xfp_len), i;

	ZS_UNROLL
	for (i = 0; i < ZS_VARY_FIELDS; i++)
		at += zs_pad8(k->vary_len[i]);
	return at;
}

/* Length of a key in bytes, header words included; a multiple of eight. */
zs_inline __u32 zs_key_len(const struct zs_key *k)
{
	return ZS_KEY_HEAD + zs_key_target_at(k) + zs_pad8(k->target_len);
}

/* Hashes `len` bytes of text from `start` on, at most `most`; all multiples of eight. */
zs_inline void zs_key_hash_text(struct zs_sip *s, const struct zs_key *k, __u32 start, __u32 len, __u32 most)
{
	__u32 o;

	for (o = 0; o < most; o += 8) {
		__u64 at = (__u64)start + o;

		zs_pin(at);
		if (o >= len || at > ZS_KEY_TEXT_MAX - 8)
			break;
		zs_sip_word(s, zs_load64(&k->text[at]));
	}
}

/* The words that all variants of one target share: their hash is the generation bucket. */
zs_inline void zs_key_hash_target(struct zs_sip *s, const struct zs_key *k)
{
	zs_sip_word(s, (__u64)k->origin << 32 | (__u32)k->target_len << 16 | k->host_len);
	zs_key_hash_text(s, k, 0, zs_pad8(k->host_len), ZS_HOST_MAX);
	zs_key_hash_text(s, k, zs_key_target_at(k), zs_pad8(k->target_len), ZS_TARGET_MAX);
}

#define ZS_KEY_REST_MAX (ZS_HOST_MAX + ZS_PROTO_MAX + ZS_VARY_FIELDS * ZS_VARY_MAX)
/* The rest of the key, after zs_key_hash_target(). */
zs_inline void zs_key_hash_rest(struct zs_sip *s, const struct zs_key *k)
{
	__u32 start = zs_pad8(k->host_len);

	zs_sip_word(s, (__u64)k->ae << 48 | (__u64)k->vary_seen << 32 | (__u32)k->xfh_len << 16 | k->xfp_len);
	zs_sip_word(s, zs_load64((const __u8 *)k->vary_len));
	zs_key_hash_text(s, k, start, zs_key_target_at(k) - start, ZS_KEY_REST_MAX);
}

zs_inline __u32 zs_key_bucket(const struct zs_key *k, __u64 seed0, __u64 seed1)
{
	struct zs_sip s;

	zs_sip_init(&s, seed0, seed1);
	zs_key_hash_target(&s, k);
	return (__u32)zs_sip_end(s) & (ZS_GENERATIONS - 1);
}

zs_inline __u64 zs_key_digest(const struct zs_key *k, __u64 seed0, __u64 seed1)
{
	struct zs_sip s;

	zs_sip_init(&s, seed0, seed1);
	zs_key_hash_target(&s, k);
	zs_key_hash_rest(&s, k);
	return zs_sip_end(s);
}

/*
 * The key of an answerable request (request.h), or of any whose target and Host fit: the caller checks
 * with zs_key_fits(). Every byte up to zs_key_len() is written.
 */
zs_inline int zs_key_fits(const struct zs_request *r)
{
	__u32 target = (__u32)r->line[0].end - r->line[0].value;

	return target >= 1 && target <= ZS_TARGET_MAX &&
	       zs_span_len(&r->slot[ZS_SLOT_HOST]) <= ZS_HOST_MAX &&
	       zs_span_len(&r->slot[ZS_SLOT_XFH]) <= ZS_HOST_MAX &&
	       zs_span_len(&r->slot[ZS_SLOT_XFP]) <= ZS_PROTO_MAX;
}

/* The parts of the text, in their order. */
enum zs_key_part {
	ZS_KEY_HOST,
	ZS_KEY_XFH,
	ZS_KEY_XFP,
	ZS_KEY_VARY,
	ZS_KEY_TARGET = ZS_KEY_VARY + ZS_VARY_FIELDS,
	ZS_KEY_PARTS,
};

/* The header words, for a request without a class of its own. The parts below read their places from here:
 * by way of memory, and one at a time, so that the verifier does not follow every length of one part through
 * the loops of the next. */
zs_inline void zs_key_begin(struct zs_key *k, const struct zs_request *r, __u32 origin)
{
	k->origin = origin;
	k->host_len = (__u16)zs_span_len(&r->slot[ZS_SLOT_HOST]);
	k->xfh_len = (__u16)zs_span_len(&r->slot[ZS_SLOT_XFH]);
	k->xfp_len = (__u16)zs_span_len(&r->slot[ZS_SLOT_XFP]);
	k->target_len = (__u16)(r->line[0].end - r->line[0].value);
	k->ae = (__u16)r->ae;
	k->vary_seen = 0;
	ZS_UNROLL
	for (int i = 0; i < ZS_VARY_FIELDS; i++)
		k->vary_len[i] = 0;
}

/* Copies `len` bytes of the head from `start` on into the text at `at`, in lower case if told so; at most
 * `most` bytes. */
zs_inline void zs_key_copy(struct zs_key *k, const struct zs_request *r, __u32 at, __u32 start, __u32 len,
			   __u32 most, int lower)
{
	__u32 o;

	for (o = 0; o < most; o += 8) {
		__u64 to = (__u64)at + o, w;

		zs_pin(to);
		if (o >= len || to > ZS_KEY_TEXT_MAX - 8)
			break;
		w = zs_load64(zs_request_at(r, start + o));
		if (lower)
			w = zs_lower8(w);
		zs_store64(&k->text[to], zs_keep_bytes(w, len - o));
	}
}

/* Host, X-Forwarded-Host or X-Forwarded-Proto. */
zs_inline void zs_key_put_name(struct zs_key *k, const struct zs_request *r, enum zs_key_part part)
{
	__u32 at = 0, start = r->slot[ZS_SLOT_HOST].start, len = k->host_len;

	if (part >= ZS_KEY_XFH) {
		at += zs_pad8(k->host_len);
		start = r->slot[ZS_SLOT_XFH].start;
		len = k->xfh_len;
	}
	if (part >= ZS_KEY_XFP) {
		at += zs_pad8(k->xfh_len);
		start = r->slot[ZS_SLOT_XFP].start;
		len = k->xfp_len;
	}
	zs_key_copy(k, r, at, start, len, ZS_HOST_MAX, 1);
}

/* The target as it was sent; the parts before it are there. */
zs_inline void zs_key_put_target(struct zs_key *k, const struct zs_request *r)
{
	zs_key_copy(k, r, zs_key_target_at(k), r->line[0].value, k->target_len, ZS_TARGET_MAX, 0);
}

zs_inline void zs_key_build(struct zs_key *k, const struct zs_request *r, __u32 origin)
{
	zs_key_begin(k, r, origin);
	zs_key_put_name(k, r, ZS_KEY_HOST);
	zs_key_put_name(k, r, ZS_KEY_XFH);
	zs_key_put_name(k, r, ZS_KEY_XFP);
	zs_key_put_target(k, r);
}

/* Byte for byte, in words. Both hold zs_key_len() bytes; a shorter key differs in its header words. */
zs_inline int zs_key_equal(const struct zs_key *a, const __u8 *b, __u32 len)
{
	const __u8 *p = (const __u8 *)a;
	__u64 diff = 0;
	__u32 o;

	for (o = 0; o < sizeof(struct zs_key); o += 8) {
		if (o >= len)
			break;
		diff |= zs_load64(p + o) ^ zs_load64(b + o);
	}
	return !diff;
}

#endif
