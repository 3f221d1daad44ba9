// SPDX-License-Identifier: GPL-2.0-or-later
/* Keys: everything that must tell two requests apart does, nothing else does; digests are
 * SipHash-1-3. */
#include "fields.h"

#include <zs/key.h>

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SEED0	     0x0706050403020100ull
#define SEED1	     0x0f0e0d0c0b0a0908ull

static struct zs_tables tables;
static struct zs_request req;

/* --- SipHash ---------------------------------------------------------------------------------- */

static uint64_t little(const uint8_t *p, size_t n)
{
	uint64_t w = 0;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << 8 * i;
	return w;
}

static uint64_t left(uint64_t x, unsigned int by)
{
	return (x << by) + (x >> (64 - by));
}

/* From the paper's figure 2.1: the two halves of a round are the same but for their rotations. */
static void reference_round(uint64_t v[4])
{
	static const unsigned int turn[2][2] = {{13, 16}, {17, 21}};

	for (int half = 0; half < 2; half++) {
		uint64_t a = v[half ? 2 : 0] + v[1], b = v[half ? 0 : 2] + v[3];

		v[1] = left(v[1], turn[half][0]) ^ a;
		v[3] = left(v[3], turn[half][1]) ^ b;
		v[half ? 2 : 0] = left(a, 32);
		v[half ? 0 : 2] = b;
	}
}

static void reference_block(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	reference_round(v);
	v[0] ^= word;
}

/* Over bytes. `closed`: with the last block of the paper, which holds the length; otherwise the
 * bytes are whole blocks, and tell their length themselves. */
static uint64_t reference(const uint8_t *bytes, size_t len, int closed)
{
	const char *const nothing = "somepseudorandomlygeneratedbytes";
	uint64_t v[4];
	size_t at = 0;

	for (int i = 0; i < 4; i++) {
		v[i] = i % 2 ? SEED1 : SEED0;
		for (int k = 0; k < 8; k++)
			v[i] ^= (uint64_t)(uint8_t)nothing[8 * i + k] << (56 - 8 * k);
	}
	for (; at + 8 <= len; at += 8)
		reference_block(v, little(bytes + at, 8));
	if (closed)
		reference_block(v, little(bytes + at, len - at) | (uint64_t)len << 56);
	v[2] ^= 255;
	for (int i = 0; i < 3; i++)
		reference_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The authors' implementation with one and three rounds: key 00..0f, message 00, 01, ... of this
 * length. */
static const uint64_t published[] = {
	0xabac0158050fc4dcull, 0xc9f49bf37d57ca93ull, 0x82cb9b024dc7d44dull, 0x8bf80ab8e7ddf7fbull,
	0xcf75576088d38328ull, 0xdef9d52f49533b67ull, 0xc50d2b50c59f22a7ull, 0xd3927d989bb11140ull,
	0x369095118d299a8eull, 0x25a48eb36c063de4ull, 0x79de85ee92ff097full, 0x70c118c1f94dc352ull,
	0x78a384b157b4d9a2ull, 0x306f760c1229ffa7ull, 0x605aa111c0f95d34ull, 0xd320d86d2a519956ull,
	0xcc4fdd1a7d908b66ull, 0x9cf2689063dbd80cull,
};

static void test_siphash(void **state)
{
	uint8_t bytes[32];
	(void)state;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t len = 0; len < COUNT(published); len++) {
		struct zs_sip s;
		size_t at = 0;

		assert_true(reference(bytes, len, 1) == published[len]);
		zs_sip_init(&s, SEED0, SEED1);
		for (; at + 8 <= len; at += 8)
			zs_sip_word(&s, little(bytes + at, 8));
		zs_sip_word(&s, little(bytes + at, len - at) | (uint64_t)len << 56);
		assert_true(zs_sip_end(s) == published[len]);
	}
}

/* --- building --------------------------------------------------------------------------------- */

/* The parts of a request that a key is made of; null: absent. */
struct parts {
	const char *target, *host, *xfh, *xfp, *codings;
	uint32_t origin;
};

static size_t field(char *text, const char *name, const char *value)
{
	return value ? (size_t)sprintf(text, "%s: %s\r\n", name, value) : 0;
}

static void build(struct zs_key *k, const struct parts *p, int swapped)
{
	char text[ZS_HEAD_MAX];
	size_t len = (size_t)sprintf(text, "GET %s HTTP/1.1\r\n", p->target);

	if (swapped)
		len += field(text + len, "X-Forwarded-Proto", p->xfp);
	if (swapped)
		len += field(text + len, "x-forwarded-host", p->xfh);
	len += field(text + len, "Host", p->host);
	len += field(text + len, "Accept-Encoding", p->codings);
	if (!swapped)
		len += field(text + len, "X-Forwarded-Host", p->xfh);
	if (!swapped)
		len += field(text + len, "X-Forwarded-Proto", p->xfp);
	len += (size_t)sprintf(text + len, "\r\n");
	memset(&req, 'Z', sizeof(req));
	memset(k, 0xee, sizeof(*k));
	memcpy(req.head, text, len);
	assert_int_equal(zs_request_scan(&req, &tables, (__u32)len), ZS_SCAN_OK);
	zs_request_fields(&req, &tables);
	zs_request_values(&req, &tables);
	assert_true(zs_request_answerable(&req));
	assert_true(zs_key_fits(&req));
	zs_key_build(k, &req, p->origin);
}

static size_t part_put(uint8_t *out, const char *text, int lower)
{
	size_t len = text ? strlen(text) : 0;

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(lower ? tolower(text[i]) : text[i]);
	while (len % 8)
		out[len++] = 0;
	return len;
}

/* The layout of abi.h, byte by byte. */
static size_t expect(uint8_t *out, const struct parts *p, uint32_t ae)
{
	uint16_t lens[] = {(uint16_t)strlen(p->host),
			   (uint16_t)(p->xfh ? strlen(p->xfh) : 0),
			   (uint16_t)(p->xfp ? strlen(p->xfp) : 0),
			   (uint16_t)strlen(p->target)},
		 coding = (uint16_t)ae;
	size_t len = 24;

	memset(out, 0, len);
	memcpy(out, &p->origin, 4);
	memcpy(out + 4, lens, 8);
	memcpy(out + 20, &coding, 2);
	len += part_put(out + len, p->host, 1);
	len += part_put(out + len, p->xfh, 1);
	len += part_put(out + len, p->xfp, 1);
	len += part_put(out + len, p->target, 0);
	return len;
}

static void test_layout(void **state)
{
	static char longest[ZS_TARGET_MAX + 1], host[ZS_HOST_MAX + 1], proto[ZS_PROTO_MAX + 1];
	const struct parts rows[] = {
		{"/", "a", NULL, NULL, NULL, 1},
		{"/Target?Q=%41", "Example.COM:80", "B.example", "HTTPS", "br, gzip", 0xffffffffu},
		{"/1234567", "12345678", "123456789", "1234567", "", 7},
		{longest, host, host, proto, "identity", 1},
		{longest, "a", NULL, proto, NULL, 1},
	};
	const uint32_t ae[] = {0, ZS_AE_PRESENT | ZS_AE_GZIP | ZS_AE_BR, ZS_AE_PRESENT,
			       ZS_AE_PRESENT, 0};
	uint8_t want[sizeof(struct zs_key)];
	(void)state;

	memset(longest, 'T', ZS_TARGET_MAX);
	longest[0] = '/';
	memset(host, 'H', ZS_HOST_MAX);
	memset(proto, 'P', ZS_PROTO_MAX);
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = expect(want, &rows[i], ae[i]);
		struct zs_key k, swapped;

		build(&k, &rows[i], 0);
		assert_int_equal(zs_key_len(&k), len);
		assert_memory_equal(&k, want, len);
		/* nothing behind the key was touched, and the order of fields does not matter */
		for (size_t at = len; at < sizeof(k); at++)
			assert_int_equal(((uint8_t *)&k)[at], 0xee);
		build(&swapped, &rows[i], 1);
		assert_memory_equal(&swapped, &k, sizeof(k));
		assert_true(zs_key_equal(&k, want, (uint32_t)len));
	}
}

/* The words that are hashed, as bytes, through the reference. */
static void test_digests(void **state)
{
	char target[200], host[100];
	(void)state;

	for (unsigned int t = 1; t < 40; t++) {
		for (unsigned int h = 1; h < 20; h++) {
			struct parts p = {target,
					  host,
					  h % 2 ? "b.c" : NULL,
					  t % 3 ? "https" : NULL,
					  t % 2 ? "gzip" : NULL,
					  t * h};
			uint8_t bytes[512];
			uint16_t lens[4], seen[2];
			uint32_t rest, hosted;
			struct zs_key k;
			size_t len;

			sprintf(target, "/%.*s", (int)t,
				"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
			sprintf(host, "%.*s", (int)h, "bbbbbbbbbbbbbbbbbbbbbbbbb");
			build(&k, &p, 0);
			/* origin, target and host length, big first: as one number */
			lens[0] = k.host_len;
			lens[1] = k.target_len;
			memcpy(bytes, lens, 4);
			memcpy(bytes + 4, &k.origin, 4);
			hosted = zs_pad8(k.host_len);
			len = hosted + zs_pad8(k.target_len);
			memcpy(bytes + 8, k.text, hosted);
			memcpy(bytes + 8 + hosted, k.text + zs_key_target_at(&k),
			       zs_pad8(k.target_len));
			assert_int_equal(zs_key_bucket(&k, SEED0, SEED1),
					 reference(bytes, 8 + len, 0) % ZS_GENERATIONS);
			lens[2] = k.xfp_len;
			lens[3] = k.xfh_len;
			memcpy(bytes + 8 + len, lens + 2, 4);
			seen[0] = k.vary_seen;
			seen[1] = k.ae;
			memcpy(bytes + 12 + len, seen, 4);
			memcpy(bytes + 16 + len, k.vary_len, 8);
			rest = zs_key_target_at(&k) - hosted;
			memcpy(bytes + 24 + len, k.text + hosted, rest);
			assert_true(zs_key_digest(&k, SEED0, SEED1) ==
				    reference(bytes, 24 + len + rest, 0));
		}
	}
}

/* --- what differs ----------------------------------------------------------------------------- */

/* Every two of these are different requests. */
static const struct parts different[] = {
	{"/", "a", NULL, NULL, NULL, 1},
	{"/", "a", NULL, NULL, NULL, 2},
	{"/", "a", NULL, NULL, NULL, 0x10001},
	{"/", "a", NULL, NULL, "", 1},
	{"/", "a", NULL, NULL, "gzip", 1},
	{"/", "a", NULL, NULL, "br", 1},
	{"/", "a", NULL, NULL, "zstd", 1},
	{"/", "a", NULL, NULL, "gzip,br", 1},
	{"/", "a", NULL, NULL, "gzip,br,zstd", 1},
	{"/", "a", "a", NULL, NULL, 1},
	{"/", "a", NULL, "a", NULL, 1},
	{"/", "a", "a", "a", NULL, 1},
	{"/", "aa", "a", NULL, NULL, 1},
	{"/", "a", "aa", NULL, NULL, 1},
	{"/", "aa", NULL, NULL, NULL, 1},
	{"/a", "a", NULL, NULL, NULL, 1},
	{"/A", "a", NULL, NULL, NULL, 1},
	{"/a", "b", NULL, NULL, NULL, 1},
	{"/ab", "c", NULL, NULL, NULL, 1},
	{"/a", "bc", NULL, NULL, NULL, 1},
	{"/a", "a", "bc", "d", NULL, 1},
	{"/a", "a", "b", "cd", NULL, 1},
	{"/a", "ab", "c", "d", NULL, 1},
	{"/a?", "a", NULL, NULL, NULL, 1},
	{"/a/", "a", NULL, NULL, NULL, 1},
	{"//a", "a", NULL, NULL, NULL, 1},
	{"/./a", "a", NULL, NULL, NULL, 1},
	{"/%61", "a", NULL, NULL, NULL, 1},
	{"/a?b&c", "a", NULL, NULL, NULL, 1},
	{"/a?c&b", "a", NULL, NULL, NULL, 1},
	{"/a%2f", "a", NULL, NULL, NULL, 1},
	{"/a%2F", "a", NULL, NULL, NULL, 1},
	{"/", "a:80", NULL, NULL, NULL, 1},
	{"/", "a.", NULL, NULL, NULL, 1},
	{"/aaaaaaa", "aaaaaaaa", NULL, NULL, NULL, 1},
	{"/aaaaaaaaaaaaaaa", "a", NULL, NULL, NULL, 1},
	{"/aaaaaaa", "aaaaaaaaaaaaaaaa", NULL, NULL, NULL, 1},
	{"/aaaaaaa", "aaaaaaaa", "aaaaaaaa", NULL, NULL, 1},
	{"/aaaaaaa", "aaaaaaaa", NULL, "aaaaaaaa", NULL, 1},
	{"/aaaaaa", "aaaaaaaa", NULL, NULL, NULL, 1},
	{"/", "a", "b", "http", NULL, 1},
	{"/", "a", "b", "https", NULL, 1},
};

static int same_target(const struct parts *a, const struct parts *b)
{
	return a->origin == b->origin && !strcmp(a->target, b->target) &&
	       !strcasecmp(a->host, b->host);
}

static void test_different(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(different); i++) {
		for (size_t k = 0; k < COUNT(different); k++) {
			struct zs_key a, b;
			uint32_t len;

			build(&a, &different[i], 0);
			build(&b, &different[k], 0);
			len = zs_key_len(&a) > zs_key_len(&b) ? zs_key_len(&a) : zs_key_len(&b);
			assert_int_equal(zs_key_equal(&a, (uint8_t *)&b, len), i == k);
			assert_int_equal(zs_key_digest(&a, 1, 2) == zs_key_digest(&b, 1, 2),
					 i == k);
			assert_int_equal(zs_key_bucket(&a, 1, 2) == zs_key_bucket(&b, 1, 2),
					 same_target(&different[i], &different[k]));
			/* the head words alone differ where lengths do: a prefix is never equal */
			if (zs_key_len(&a) != zs_key_len(&b))
				assert_false(zs_key_equal(&a, (uint8_t *)&b, ZS_KEY_HEAD));
		}
	}
}

static void test_same(void **state)
{
	static const struct parts pairs[][2] = {
		{{"/", "a.b", NULL, NULL, NULL, 1}, {"/", "A.B", NULL, NULL, NULL, 1}},
		{{"/", "a", "b", "http", NULL, 1}, {"/", "A", "B", "HTTP", NULL, 1}},
		{{"/", "a", NULL, NULL, "br,gzip", 1},
		 {"/", "a", NULL, NULL, " GZIP , br,deflate", 1}},
		{{"/", "a", NULL, NULL, "", 1}, {"/", "a", NULL, NULL, "identity", 1}},
		{{"/", "a", NULL, NULL, NULL, 1}, {"/", " \ta \t", NULL, NULL, NULL, 1}},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct zs_key a, b;

		build(&a, &pairs[i][0], 0);
		build(&b, &pairs[i][1], 1);
		assert_true(zs_key_equal(&a, (uint8_t *)&b, zs_key_len(&a)));
		assert_true(zs_key_digest(&a, 1, 2) == zs_key_digest(&b, 1, 2));
		assert_false(zs_key_digest(&a, 1, 2) == zs_key_digest(&a, 2, 1));
		assert_false(zs_key_digest(&a, 1, 2) == zs_key_digest(&a, 1, 3));
	}
}

/* Every byte of a key counts, in the comparison as in the digest. */
static void test_every_byte(void **state)
{
	const struct parts p = {
		"/target-of-17-byt", "host.example:81", "other.example", "https", "br", 5};
	struct zs_key k, other;
	uint64_t digest;
	(void)state;

	build(&k, &p, 0);
	digest = zs_key_digest(&k, SEED0, SEED1);
	for (uint32_t bit = 0; bit < 8 * zs_key_len(&k); bit++) {
		other = k;
		((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(zs_key_equal(&k, (uint8_t *)&other, zs_key_len(&k)));
		if (bit / 8 < 4 || bit / 8 >= 12) /* a length's bit would move what is read */
			assert_true(zs_key_digest(&other, SEED0, SEED1) != digest);
	}
}

static void test_fits(void **state)
{
	(void)state;
	memset(&req, 0, sizeof(req));
	assert_false(zs_key_fits(&req));
	req.line[0] = (struct zs_line){.value = 5, .end = 6};
	assert_true(zs_key_fits(&req));
	req.line[0].end = 5 + ZS_TARGET_MAX;
	assert_true(zs_key_fits(&req));
	req.line[0].end++;
	assert_false(zs_key_fits(&req));
	req.line[0].end = 4;
	assert_false(zs_key_fits(&req));
	req.line[0].end = 6;
	for (enum zs_slot slot = ZS_SLOT_HOST; slot <= ZS_SLOT_XFP; slot++) {
		__u16 max = slot == ZS_SLOT_XFP ? ZS_PROTO_MAX : ZS_HOST_MAX;

		req.slot[slot] = (struct zs_span){100, (__u16)(100 + max)};
		assert_true(zs_key_fits(&req));
		req.slot[slot].end++;
		assert_false(zs_key_fits(&req));
		req.slot[slot] = (struct zs_span){100, 7};
		assert_true(zs_key_fits(&req));
	}
}

/* --- bytes.h ---------------------------------------------------------------------------------- */

static void test_lower(void **state)
{
	uint8_t in[8], out[8];
	uint64_t w;
	(void)state;

	srand(4);
	for (int round = 0; round < 256 * 8 * 16; round++) {
		for (int i = 0; i < 8; i++)
			in[i] = (uint8_t)(round % 2 ? rand()
						    : "@AZ[`az{\0\x7f\x80\xc0\xc1\xda\xdb\xff"
							      [rand() % 16]);
		in[round / 256 % 8] = (uint8_t)round;
		memcpy(&w, in, 8);
		w = zs_lower8(w);
		memcpy(out, &w, 8);
		for (int i = 0; i < 8; i++)
			assert_int_equal(out[i], in[i] >= 'A' && in[i] <= 'Z' ? in[i] + 32 : in[i]);
	}
}

static void test_keep(void **state)
{
	const uint8_t in[8] = {0xff, 1, 0xfe, 2, 0xfd, 3, 0xfc, 0x80};
	(void)state;

	for (uint32_t n = 0; n < 70; n++) {
		uint32_t count = n < 60 ? n : 0u - (n - 59);
		uint64_t w = zs_keep_bytes(zs_load64(in), count);
		uint8_t out[8];

		zs_store64(out, w);
		for (uint32_t i = 0; i < 8; i++)
			assert_int_equal(out[i], i < count ? in[i] : 0);
	}
}

static int setup(void **state)
{
	(void)state;
	return zs_fields_build(&tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash), cmocka_unit_test(test_layout),
		cmocka_unit_test(test_digests), cmocka_unit_test(test_different),
		cmocka_unit_test(test_same),	cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_fits),	cmocka_unit_test(test_lower),
		cmocka_unit_test(test_keep),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
