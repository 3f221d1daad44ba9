// SPDX-License-Identifier: GPL-2.0-or-later
/* What a purge matches, and that none is overlooked when something is stored while it is announced. */
#include "purge.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <zs/key.h>

#include "clock.h"

static struct zs_purge ring[ZS_PURGES];
static struct zs_ctl ctl;
static const struct zs_purge_view view = {.ring = ring, .ctl = &ctl};

static int begin(void **state)
{
	(void)state;
	memset(ring, 0, sizeof(ring));
	memset(&ctl, 0, sizeof(ctl));
	return 0;
}

static const struct zs_key *key_of(const char *host, const char *xfh, const char *target)
{
	static struct zs_key k;

	memset(&k, 0, sizeof(k));
	k.origin = 1;
	k.host_len = (uint16_t)strlen(host);
	k.xfh_len = (uint16_t)strlen(xfh);
	k.target_len = (uint16_t)strlen(target);
	k.vary_len[0] = 3;
	memcpy(k.text, host, k.host_len);
	memcpy(k.text + zs_pad8(k.host_len), xfh, k.xfh_len);
	memcpy(k.text + zs_pad8(k.host_len) + zs_pad8(k.xfh_len), "/se", 3);
	memcpy(k.text + zs_key_target_at(&k), target, k.target_len);
	return &k;
}

/* --- matching -------------------------------------------------------------------------------- */

static const struct {
	enum zs_purge_kind kind;
	const char *purged_host, *purged, *host, *xfh, *target;
	bool matches;
} rows[] = {
	{ZS_PURGE_PREFIX, "a.org", "/x", "a.org", "", "/x", true},
	{ZS_PURGE_PREFIX, "a.org", "/x", "a.org", "", "/x/y?z", true},
	{ZS_PURGE_PREFIX, "a.org", "/x", "a.org", "", "/xy", true},
	{ZS_PURGE_PREFIX, "a.org", "/x/", "a.org", "", "/x", false},
	{ZS_PURGE_PREFIX, "a.org", "/x", "a.org", "", "/X", false},
	{ZS_PURGE_PREFIX, "a.org", "/x", "a.org", "", "/y/x", false},
	{ZS_PURGE_PREFIX, "a.org", "/x", "b.org", "", "/x", false},
	{ZS_PURGE_PREFIX, "a.org", "/x", "b.org", "a.org", "/x", true},
	{ZS_PURGE_PREFIX, "a.org", "/x", "a.org", "b.org", "/x", true},
	{ZS_PURGE_PREFIX, "a.org", "/x", "b.org", "c.org", "/x", false},
	{ZS_PURGE_PREFIX, "a.org", "", "a.org", "", "/anything", true},
	{ZS_PURGE_PREFIX, "a.org", "", "a.org.evil", "", "/", false},
	{ZS_PURGE_PREFIX, "a.org", "", "xa.org", "", "/", false},
	{ZS_PURGE_PREFIX, "a.org", "", "a.or", "", "/", false},
	{ZS_PURGE_PREFIX, "a.org", "", "", "", "/", false},
	{ZS_PURGE_PREFIX, "a.org", "", "a.org:8443", "", "/", true},
	{ZS_PURGE_PREFIX, "a.org:8443", "", "a.org:8443", "", "/", true},
	{ZS_PURGE_PREFIX, "a.org:8443", "", "a.org", "", "/", false},
	{ZS_PURGE_PREFIX, "a.org:84", "", "a.org:84:1", "", "/", false},
	{ZS_PURGE_PREFIX, "[::1]", "", "[::1]:80", "", "/", true},
	{ZS_PURGE_PREFIX, "[::1]:8", "", "[::1]:80", "", "/", false},
	{ZS_PURGE_PREFIX, NULL, "", "a.org", "", "/", true},
	{ZS_PURGE_PREFIX, NULL, "/x", "a.org", "", "/x1", true},
	{ZS_PURGE_PREFIX, NULL, "/x", "a.org", "", "/y", false},
	{ZS_PURGE_URL, "a.org", "/x", "a.org", "", "/x", true},
	{ZS_PURGE_URL, "a.org", "/x", "b.org", "a.org", "/x", true},
	{ZS_PURGE_URL, "a.org", "/x", "a.org", "", "/x?", false},
	{ZS_PURGE_URL, "a.org", "/x?", "a.org", "", "/x", false},
	{ZS_PURGE_URL, "a.org", "/x", "b.org", "", "/x", false},
	{ZS_PURGE_TAG, NULL, "/x", "a.org", "", "/x", false},
	{ZS_PURGE_TAG, NULL, "a.org", "a.org", "a.org", "/x", false},
};

static void test_targets(void **state)
{
	struct zs_purge p;
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct zs_key *key = key_of(rows[i].host, rows[i].xfh, rows[i].target);

		assert_int_equal(zs_purge_set(&p, rows[i].kind, rows[i].purged_host, rows[i].purged), 0);
		if (zs_purge_matches(&p, key, NULL, 0) != rows[i].matches)
			fail_msg("row %zu: %s%s against %s (%s) %s", i, rows[i].purged_host, rows[i].purged,
				 rows[i].host, rows[i].xfh, rows[i].target);
	}
}

static void test_tags(void **state)
{
	static const uint8_t tags[] = "product-1\0all\0a b\0";
	static const struct {
		const char *tag;
		bool matches;
	} cases[] = {{"product-1", true}, {"all", true},       {"a b", true}, {"product", false}, {"product-12", false},
		     {"ALL", false},      {"roduct-1", false}, {"a", false},  {"b", false},       {"1", false}};
	const struct zs_key *key = key_of("a.org", "", "/");
	struct zs_purge p;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(zs_purge_set(&p, ZS_PURGE_TAG, NULL, cases[i].tag), 0);
		if (zs_purge_matches(&p, key, tags, sizeof(tags) - 1) != cases[i].matches)
			fail_msg("%s", cases[i].tag);
		assert_false(zs_purge_matches(&p, key, NULL, 0));
	}
	/* the last one without its zero is one all the same */
	assert_int_equal(zs_purge_set(&p, ZS_PURGE_TAG, NULL, "a b"), 0);
	assert_true(zs_purge_matches(&p, key, tags, sizeof(tags) - 2));
}

/* Who reads the ring may meet anything: nothing is looked at outside of it, and in doubt it matches. */
static void test_nonsense(void **state)
{
	const struct zs_key *key = key_of("a.org", "", "/");
	struct zs_purge p = {.kind = ZS_PURGE_PREFIX, .host_len = 4, .text_len = 3};
	(void)state;

	assert_true(zs_purge_matches(&p, key, NULL, 0));
	p = (struct zs_purge){.kind = ZS_PURGE_TAG, .text_len = ~0u};
	assert_true(zs_purge_matches(&p, key, (const uint8_t *)"t", 2));
	p = (struct zs_purge){.kind = 99};
	assert_true(zs_purge_matches(&p, key, NULL, 0));
}

static void test_limits(void **state)
{
	static char text[ZS_TARGET_MAX + 2], host[ZS_HOST_MAX + 2];
	struct zs_purge p, before;
	(void)state;

	memset(text, 'x', ZS_TARGET_MAX);
	memset(host, 'h', ZS_HOST_MAX);
	assert_int_equal(zs_purge_set(&p, ZS_PURGE_PREFIX, host, text), 0);
	assert_int_equal(p.text_len, ZS_HOST_MAX + ZS_TARGET_MAX);
	before = p;
	text[ZS_TARGET_MAX] = 'x';
	assert_int_equal(zs_purge_set(&p, ZS_PURGE_PREFIX, host, text), -EINVAL);
	host[ZS_HOST_MAX] = 'h';
	assert_int_equal(zs_purge_set(&p, ZS_PURGE_PREFIX, host, "/"), -EINVAL);
	assert_int_equal(zs_purge_set(&p, ZS_PURGE_TAG, NULL, ""), -EINVAL);
	assert_int_equal(zs_purge_set(&p, ZS_PURGE_TAG, NULL, text), -EINVAL);
	assert_memory_equal(&p, &before, sizeof(p));
}

/* --- the ring -------------------------------------------------------------------------------- */

static void announce(const char *prefix, uint64_t time)
{
	struct zs_purge p;

	assert_int_equal(zs_purge_set(&p, ZS_PURGE_PREFIX, NULL, prefix), 0);
	zs_purge_announce(&view, &p);
	assert_int_equal(p.seq, ctl.purge_seq);
	ring[p.seq % ZS_PURGES].time = time;
}

static bool newer(uint64_t asked, const char *target)
{
	return zs_purge_newer(&view, asked, key_of("a.org", "", target), NULL, 0);
}

static void test_announce(void **state)
{
	uint64_t before = zs_boot_ns();
	struct zs_purge p, copy;
	(void)state;

	assert_int_equal(zs_purge_set(&p, ZS_PURGE_URL, "a.org", "/x"), 0);
	p.soft = 1;
	zs_purge_announce(&view, &p);
	assert_int_equal(ctl.purge_seq, 1);
	assert_true(p.time >= before && p.time <= zs_boot_ns());
	assert_true(zs_purge_read(&view, 1, &copy));
	assert_memory_equal(&copy, &p, sizeof(p));
	assert_false(zs_purge_read(&view, 2, &copy));
	assert_false(zs_purge_read(&view, 1 + ZS_PURGES, &copy));
}

static void test_newer(void **state)
{
	(void)state;
	assert_false(newer(0, "/a")); /* none was ever announced */
	announce("/a", 100);
	announce("/b", 200);
	assert_true(newer(99, "/a"));
	assert_true(newer(100, "/a"));
	assert_false(newer(101, "/a"));
	assert_true(newer(150, "/b"));
	assert_true(newer(200, "/b"));
	assert_false(newer(201, "/b"));
	assert_false(newer(0, "/c"));
}

/* The newest ZS_PURGES are told apart; what is older than all of them counts as purged. */
static void test_overflow(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= ZS_PURGES; i++)
		announce("/a", i * 10);
	assert_false(newer(0, "/c"));
	announce("/a", 10 * ZS_PURGES + 10);
	assert_true(newer(0, "/c"));
	assert_true(newer(20, "/c"));
	assert_false(newer(21, "/c"));
	assert_true(newer(21, "/a"));
	assert_false(newer(10 * ZS_PURGES + 11, "/a"));
}

/* While an entry is being overwritten nobody knows what it said. */
static void test_being_written(void **state)
{
	(void)state;
	announce("/a", 100);
	announce("/b", 200);
	ring[1].seq = 0;
	assert_true(newer(50, "/c"));
	assert_true(newer(200, "/c"));
	assert_false(newer(201, "/c"));
}

#define ROUNDS 20000
static void *announcer(void *unused)
{
	char text[64];
	struct zs_purge p;

	for (int i = 1; i <= ROUNDS; i++) {
		snprintf(text, sizeof(text), "/%060d", i);
		zs_purge_set(&p, ZS_PURGE_PREFIX, NULL, text);
		zs_purge_announce(&view, &p);
	}
	return unused;
}

/* What is read is whole: the text belongs to the number. */
static void test_whole(void **state)
{
	uint64_t seq, read = 0;
	struct zs_purge p;
	pthread_t thread;
	char text[64];
	(void)state;

	assert_int_equal(pthread_create(&thread, NULL, announcer, NULL), 0);
	do {
		seq = __atomic_load_n(&ctl.purge_seq, __ATOMIC_SEQ_CST);
		for (uint64_t at = seq; at && at + ZS_PURGES > seq; at--) {
			if (!zs_purge_read(&view, at, &p))
				continue;
			snprintf(text, sizeof(text), "/%060d", (int)at);
			assert_int_equal(p.text_len, strlen(text));
			assert_memory_equal(p.text, text, p.text_len);
			read++;
		}
	} while (seq < ROUNDS);
	pthread_join(thread, NULL);
	assert_true(read > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_limits),
		cmocka_unit_test_setup(test_announce, begin),
		cmocka_unit_test_setup(test_newer, begin),
		cmocka_unit_test_setup(test_overflow, begin),
		cmocka_unit_test_setup(test_being_written, begin),
		cmocka_unit_test_setup(test_whole, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
