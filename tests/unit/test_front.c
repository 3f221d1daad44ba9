// SPDX-License-Identifier: GPL-2.0-or-later
/* The front of the index: what is named there, what a full line forgets, and two writers at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>

#include <zs/front.h>

#include "front.h"

#define LINES  16u
#define ROUNDS 200000u

static struct zs_front_line lines[LINES];
static const struct zs_front front = {.line = lines, .mask = LINES - 1};

static int begin(void **state)
{
	(void)state;
	memset(lines, 0, sizeof(lines));
	return 0;
}

static uint64_t digest_of(uint32_t tag, uint32_t line)
{
	return (uint64_t)tag << 32 | line;
}

/* As the kernel would look. -1: nothing is named. */
static int64_t named(uint64_t digest)
{
	const struct zs_front_line *l = &lines[(uint32_t)digest & front.mask];

	for (uint32_t i = 0; i < ZS_FRONT_WAYS; i++)
		if (zs_front_matches(l->word[i], digest))
			return zs_front_page(l->word[i]);
	return -1;
}

/* Words that are not empty. */
static uint32_t filled(void)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < LINES; at++)
		for (uint32_t i = 0; i < ZS_FRONT_WAYS; i++)
			n += lines[at].word[i] != 0;
	return n;
}

static void test_lines(void **state)
{
	(void)state;
	assert_int_equal(zs_front_lines(1), 1);
	assert_int_equal(zs_front_lines(4), 1);
	assert_int_equal(zs_front_lines(5), 2);
	assert_int_equal(zs_front_lines(65536), 16384);
	assert_int_equal(zs_front_lines(1000000), 262144);
	assert_int_equal(zs_front_lines(16u << 20), 4u << 20);
}

static void test_put_and_drop(void **state)
{
	(void)state;
	for (uint32_t tag = 0; tag < 4; tag++) /* a tag of 0 and a page of 0 are like any other */
		zs_front_put(&front, digest_of(tag, 3), tag);
	zs_front_put(&front, digest_of(1, LINES + 3),
		     7); /* the same line and tag: takes the place */
	assert_int_equal(filled(), 4);
	assert_int_equal(named(digest_of(0, 3)), 0);
	assert_int_equal(named(digest_of(1, 3)), 7);
	assert_int_equal(named(digest_of(1, 4)), -1);
	zs_front_put(&front, digest_of(3, 3), 9);
	assert_int_equal(named(digest_of(3, 3)), 9);
	zs_front_drop(&front, digest_of(0, 3));
	zs_front_drop(&front, digest_of(9, 3));
	assert_int_equal(named(digest_of(0, 3)), -1);
	assert_int_equal(filled(), 3);
	zs_front_put(&front, digest_of(2, 3),
		     5); /* no second word, though one before it is empty */
	assert_int_equal(filled(), 3);
	zs_front_clear(&front);
	assert_int_equal(filled(), 0);
}

/* The newest is always named; whoever had to go is named nowhere. */
static void test_full_line(void **state)
{
	(void)state;
	for (uint32_t tag = 0; tag < 100; tag++) {
		uint32_t others = 0;

		zs_front_put(&front, digest_of(tag, 5), tag);
		assert_int_equal(named(digest_of(tag, 5)), tag);
		for (uint32_t before = 0; before <= tag; before++)
			others += named(digest_of(before, 5)) == before;
		assert_int_equal(others, tag < ZS_FRONT_WAYS ? tag + 1 : ZS_FRONT_WAYS);
	}
	assert_int_equal(filled(), ZS_FRONT_WAYS);
}

static void test_none(void **state)
{
	const struct zs_front none = {0};

	(void)state;
	zs_front_put(&none, 1, 1);
	zs_front_drop(&none, 1);
	zs_front_clear(&none);
}

static void *drop_all(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_ACQUIRE))
		for (uint32_t tag = 0; tag < ZS_FRONT_WAYS; tag += 2)
			zs_front_drop(&front, digest_of(tag, 0));
	return NULL;
}

/* A purge beside the agent: it takes what it names and nothing else, and never leaves a word twice.
 */
static void test_two_writers(void **state)
{
	int stop = 0;
	pthread_t other;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, drop_all, &stop), 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t tag = round % ZS_FRONT_WAYS;

		zs_front_put(&front, digest_of(tag, 0), round);
		if (tag % 2)
			assert_int_equal(named(digest_of(tag, 0)), round);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(other, NULL);
	for (uint32_t tag = 0; tag < ZS_FRONT_WAYS; tag++)
		zs_front_drop(&front, digest_of(tag, 0));
	assert_int_equal(filled(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test_setup(test_put_and_drop, begin),
		cmocka_unit_test_setup(test_full_line, begin),
		cmocka_unit_test(test_none),
		cmocka_unit_test_setup(test_two_writers, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
