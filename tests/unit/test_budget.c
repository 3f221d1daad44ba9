// SPDX-License-Identifier: GPL-2.0-or-later
/* The recording budget and the hold-off times: bounds, and the direction in which they move. */
#include "budget.h"
#include "holdoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define S 1000000000ull

/* The limit, and the floors: with something stored, with nothing stored. */
static void test_bounds(void **state)
{
	static const uint32_t rows[][3] = {
		{0, 0, 0},   {1, 1, 1},	  {99, 1, 1},	 {100, 1, 1},
		{200, 2, 1}, {999, 9, 1}, {2000, 20, 2}, {1000000, 10000, 1000},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zs_budget b;
		uint64_t n = 1;

		zs_budget_init(&b, rows[i][0], 7 * S);
		assert_int_equal(b.rate, rows[i][0]);
		for (; n < 40; n++) /* recordings without a hit, a tenth of them stored */
			zs_budget_adapt(&b, 0, 10 * n, n, 7 * S + n * S);
		assert_int_equal(b.rate, rows[i][1]);
		for (; n < 80; n++) /* none of them stored any more */
			zs_budget_adapt(&b, 0, 10 * n, 40, 7 * S + n * S);
		assert_int_equal(b.rate, rows[i][2]);
		for (; n < 120; n++) /* hits without a recording */
			zs_budget_adapt(&b, n, 800, 40, 7 * S + n * S);
		assert_int_equal(b.rate, rows[i][0]);
	}
}

static void test_adapt(void **state)
{
	struct zs_budget b;
	(void)state;

	zs_budget_init(&b, 2000, 0);
	/* less than a second: nothing is judged, and nothing forgotten */
	zs_budget_adapt(&b, 0, 100, 100, S - 1);
	assert_int_equal(b.rate, 2000);
	zs_budget_adapt(&b, 0, 100, 100, S);
	assert_int_equal(b.rate, 1000);
	zs_budget_adapt(&b, 99, 200, 200, 2 * S);
	assert_int_equal(b.rate, 500);
	/* as many hits as recordings, then more */
	zs_budget_adapt(&b, 199, 300, 200, 3 * S);
	assert_int_equal(b.rate, 1000);
	zs_budget_adapt(&b, 400, 400, 200, 4 * S);
	assert_int_equal(b.rate, 2000);
	zs_budget_adapt(&b, 1400, 400, 200, 5 * S);
	assert_int_equal(b.rate, 2000);
	/* what was recorded in the second just judged is not held against the next */
	zs_budget_adapt(&b, 1500, 499, 200, 6 * S);
	assert_int_equal(b.rate, 2000);
}

static void test_refill(void **state)
{
	struct zs_budget b;
	(void)state;

	zs_budget_init(&b, 100, 5 * S);
	assert_int_equal(zs_budget_refill(&b, 3, 5 * S), 3);
	assert_int_equal(zs_budget_refill(&b, 3, 5 * S + S / 100 - 1), 3);
	assert_int_equal(zs_budget_refill(&b, 3, 5 * S + S / 100), 4);
	assert_int_equal(zs_budget_refill(&b, -7, 5 * S + S / 10), 9);
	assert_int_equal(zs_budget_refill(&b, 50, 6 * S), 100);
	assert_int_equal(zs_budget_refill(&b, 0, 600 * S), 100);
	assert_int_equal(zs_budget_refill(&b, 100, 601 * S), 100);
	b.rate = 40;
	assert_int_equal(zs_budget_refill(&b, 100, 602 * S), 40);
	assert_int_equal(zs_budget_refill(&b, 100, 602 * S), 40);
	assert_int_equal(zs_budget_refill(&b, -3, 602 * S), -3);
	zs_budget_init(&b, 0, 0);
	assert_int_equal(zs_budget_refill(&b, 0, 1000 * S), 0);
	zs_budget_init(&b, 1000000, 0);
	assert_int_equal(zs_budget_refill(&b, 0, 3600 * S), 1000000);
}

/* However often it is asked for, as many tokens come as the rate says: fractions are not lost. */
static void test_exact(void **state)
{
	static const uint32_t rates[] = {1, 3, 7, 50, 333, 2000};
	(void)state;

	srand(6);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct zs_budget b;
		uint64_t now = 123 * S, taken = 0;

		zs_budget_init(&b, rates[i], now);
		while (now < 223 * S) {
			uint64_t left = 223 * S - now,
				 step = 1 + (uint64_t)rand() % (S / rates[i] / 2);

			now += step < left ? step : left;
			taken += (uint64_t)zs_budget_refill(&b, 0, now);
		}
		assert_in_range(taken, 100ull * rates[i] - 1, 100ull * rates[i]);
	}
}

static void test_holdoff(void **state)
{
	static const uint32_t want[] = {2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600};
	(void)state;

	for (uint32_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(zs_holdoff_seconds(i), want[i]);
	assert_int_equal(zs_holdoff_seconds(31), ZS_HOLDOFF_LAST);
	assert_int_equal(zs_holdoff_seconds(32), ZS_HOLDOFF_LAST);
	assert_int_equal(zs_holdoff_seconds(UINT32_MAX), ZS_HOLDOFF_LAST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),	cmocka_unit_test(test_adapt),
		cmocka_unit_test(test_refill),	cmocka_unit_test(test_exact),
		cmocka_unit_test(test_holdoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
