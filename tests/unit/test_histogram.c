// SPDX-License-Identifier: GPL-2.0-or-later
/* The benchmark's histogram: bounds of its buckets, and quantiles of known sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/bench/histogram.h"

static void test_buckets_cover_and_are_narrow(void **state)
{
	uint64_t lower = 0;
	uint32_t bucket;

	(void)state;
	for (bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		uint64_t upper = histogram_upper(bucket);

		assert_true(upper >= lower);
		assert_int_equal(histogram_bucket(lower), bucket);
		assert_int_equal(histogram_bucket(upper), bucket);
		assert_true((upper - lower) * HISTOGRAM_STEPS <= lower || upper == lower);
		lower = upper + 1;
	}
	assert_true(lower > 3600ULL * 1000 * 1000);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void test_quantiles(void **state)
{
	static struct histogram h;
	uint64_t us;

	(void)state;
	memset(&h, 0, sizeof(h));
	assert_int_equal(histogram_quantile(&h, 5000), 0);
	for (us = 1; us <= 100; us++)
		histogram_add(&h, us);
	assert_int_equal(histogram_quantile(&h, 5000), 50);
	assert_int_equal(histogram_quantile(&h, 9900), 99);
	assert_int_equal(histogram_quantile(&h, 9990), 100);
	assert_int_equal(histogram_quantile(&h, 10000), 100);
	histogram_add(&h, 1000000);
	assert_int_equal(histogram_quantile(&h, 10000), 1000000);
	assert_int_equal(histogram_quantile(&h, 9900), 100);
	assert_int_equal(h.most, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_cover_and_are_narrow),
		cmocka_unit_test(test_quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
