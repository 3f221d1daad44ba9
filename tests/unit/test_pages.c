// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages: no two extents overlap, and none is used again before a grace period has passed. */
#include "pages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static unsigned int graces;
static int grace_result;

static int grace(void)
{
	graces++;
	return grace_result;
}

static struct zs_pages *pages_new(uint32_t count)
{
	struct zs_pages *p;

	graces = 0;
	grace_result = 0;
	assert_int_equal(zs_pages_create(count, grace, &p), 0);
	return p;
}

static uint32_t take(struct zs_pages *p, uint32_t count)
{
	uint32_t first = 0xdead;

	assert_int_equal(zs_pages_take(p, count, &first), 0);
	return first;
}

static void take_fails(struct zs_pages *p, uint32_t count)
{
	uint32_t first = 0xdead;

	assert_int_equal(zs_pages_take(p, count, &first), -ENOSPC);
	assert_int_equal(first, 0xdead);
}

static void test_exhaust(void **state)
{
	static const uint32_t counts[] = {1, 2, 63, 64, 65, 127, 128, 129, 640};
	(void)state;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct zs_pages *p = pages_new(counts[i]);

		take_fails(p, 0);
		take_fails(p, counts[i] + 1);
		take_fails(p, UINT32_MAX);
		assert_int_equal(take(p, counts[i]), 0);
		take_fails(p, 1);
		zs_pages_give(p, 0, counts[i]);
		assert_int_equal(zs_pages_reclaim(p), 0);
		for (uint32_t k = 0; k < counts[i]; k++)
			assert_int_equal(take(p, 1), k);
		take_fails(p, 1);
		assert_int_equal(zs_pages_used(p), counts[i]);
		zs_pages_destroy(p);
	}
}

static void test_none(void **state)
{
	struct zs_pages *p = pages_new(0);
	(void)state;

	take_fails(p, 0);
	take_fails(p, 1);
	assert_int_equal(zs_pages_reclaim(p), 0);
	zs_pages_destroy(p);
	zs_pages_destroy(NULL);
}

/* Given back is not free: only the reclaim makes it so, and only when the grace period worked. */
static void test_grace(void **state)
{
	struct zs_pages *p = pages_new(8);
	(void)state;

	assert_int_equal(zs_pages_reclaim(p), 0);
	assert_int_equal(graces, 0);
	assert_int_equal(take(p, 8), 0);
	zs_pages_give(p, 2, 3);
	assert_int_equal(zs_pages_waiting(p), 3);
	assert_int_equal(zs_pages_used(p), 8);
	take_fails(p, 1);
	grace_result = -EINVAL;
	assert_int_equal(zs_pages_reclaim(p), -EINVAL);
	assert_int_equal(zs_pages_waiting(p), 3);
	take_fails(p, 1);
	zs_pages_give(p, 7, 1);
	grace_result = 0;
	assert_int_equal(zs_pages_reclaim(p), 0);
	assert_int_equal(graces, 2);
	assert_int_equal(zs_pages_waiting(p), 0);
	assert_int_equal(zs_pages_used(p), 4);
	take_fails(p, 4);
	assert_int_equal(take(p, 3), 2);
	assert_int_equal(take(p, 1), 7);
	assert_int_equal(zs_pages_reclaim(p), 0);
	assert_int_equal(graces, 2);
	zs_pages_destroy(p);
}

/* Runs across the words of the bitmap; the search goes round. */
static void test_runs(void **state)
{
	(void)state;
	for (uint32_t at = 0; at + 70 <= 256; at++) {
		struct zs_pages *p = pages_new(256);

		assert_int_equal(take(p, 256), 0);
		zs_pages_give(p, at, 70);
		assert_int_equal(zs_pages_reclaim(p), 0);
		take_fails(p, 71);
		assert_int_equal(take(p, 70), at);
		take_fails(p, 1);
		zs_pages_destroy(p);
	}
}

/* A run that begins before the place where the search begins, and ends behind it, is found. */
static void test_wrap(void **state)
{
	struct zs_pages *p = pages_new(100);
	(void)state;

	assert_int_equal(take(p, 40), 0);
	assert_int_equal(take(p, 60), 40);
	zs_pages_give(p, 30, 40);
	assert_int_equal(zs_pages_reclaim(p), 0);
	assert_int_equal(take(p, 10), 30);
	assert_int_equal(take(p, 5), 40);
	zs_pages_give(p, 30, 10);
	assert_int_equal(zs_pages_reclaim(p), 0);
	assert_int_equal(take(p, 25), 45);
	assert_int_equal(take(p, 10), 30);
	take_fails(p, 1);
	zs_pages_destroy(p);
}

/* --- against a model -------------------------------------------------------------------------- */

#define MODEL_PAGES 300u
#define MODEL_LIVE  64u

static struct {
	char page[MODEL_PAGES]; /* 'f'ree, 'u'sed, 'w'aiting */
	struct zs_extent live[MODEL_LIVE];
	uint32_t n;
} model;

static int model_run(uint32_t first, uint32_t count, char is)
{
	for (uint32_t i = first; i < first + count; i++)
		if (i >= MODEL_PAGES || model.page[i] != is)
			return 0;
	return 1;
}

static int model_fits(uint32_t count)
{
	for (uint32_t i = 0; i + count <= MODEL_PAGES; i++)
		if (model_run(i, count, 'f'))
			return 1;
	return 0;
}

static uint32_t model_count(const char *states)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MODEL_PAGES; i++)
		n += !!strchr(states, model.page[i]);
	return n;
}

static void model_take(struct zs_pages *p)
{
	uint32_t count = 1 + (uint32_t)rand() % (rand() % 4 ? 8 : 150), first;

	if (model.n == MODEL_LIVE)
		return;
	if (!model_fits(count)) {
		take_fails(p, count);
		return;
	}
	first = take(p, count);
	assert_true(model_run(first, count, 'f'));
	memset(model.page + first, 'u', count);
	model.live[model.n++] = (struct zs_extent){first, count};
}

static void model_give(struct zs_pages *p)
{
	uint32_t i = (uint32_t)rand() % (model.n ? model.n : 1);
	struct zs_extent e = model.live[i];

	if (!model.n)
		return;
	zs_pages_give(p, e.first, e.count);
	memset(model.page + e.first, 'w', e.count);
	model.live[i] = model.live[--model.n];
}

static void test_model(void **state)
{
	struct zs_pages *p = pages_new(MODEL_PAGES);
	(void)state;

	srand(5);
	memset(model.page, 'f', sizeof(model.page));
	model.n = 0;
	for (int step = 0; step < 100000; step++) {
		unsigned int before = graces, waits = model_count("w");

		if (rand() % 2) {
			model_take(p);
		} else if (rand() % 8) {
			model_give(p);
		} else {
			grace_result = rand() % 4 ? 0 : -EINTR;
			assert_int_equal(zs_pages_reclaim(p), waits ? grace_result : 0);
			assert_int_equal(graces - before, !!waits);
			for (uint32_t i = 0; !grace_result && i < MODEL_PAGES; i++)
				if (model.page[i] == 'w')
					model.page[i] = 'f';
			before = graces;
		}
		assert_int_equal(graces, before);
		assert_int_equal(zs_pages_used(p), model_count("uw"));
		assert_int_equal(zs_pages_waiting(p), model_count("w"));
	}
	zs_pages_destroy(p);
}

static void test_membarrier(void **state)
{
	int err = zs_grace_membarrier();
	(void)state;

	if (err == -ENOSYS || err == -EINVAL || err == -EPERM) {
		print_message("skipped: membarrier(2) is not to be had here: %s\n", strerror(-err));
		skip();
	}
	assert_int_equal(err, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exhaust),	   cmocka_unit_test(test_none),
		cmocka_unit_test(test_grace),	   cmocka_unit_test(test_runs),
		cmocka_unit_test(test_wrap),	   cmocka_unit_test(test_model),
		cmocka_unit_test(test_membarrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
