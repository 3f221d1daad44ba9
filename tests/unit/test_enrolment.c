// SPDX-License-Identifier: GPL-2.0-or-later
/* When an origin is cold, when it is warm again, and what may be stored around the change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "clock.h"
#include "enrolment.h"

static struct zs_warmth warmth[ZS_WARMTH];
static struct zs_enrolment *e;
static bool in_use;
static uint64_t now;

static bool asks(void *user, uint32_t slot)
{
	assert_ptr_equal(user, warmth);
	assert_int_equal(slot, 7);
	return in_use;
}

static int begin(bool adaptive)
{
	in_use = false;
	warmth[3].cold = 1; /* of an earlier agent */
	if (zs_enrolment_create(warmth, adaptive, asks, warmth, &e))
		return -1;
	now = zs_boot_ns() + 1;
	return 0;
}

static int open_adaptive(void **state)
{
	(void)state;
	return begin(true);
}

static int open_always(void **state)
{
	(void)state;
	return begin(false);
}

static int end(void **state)
{
	(void)state;
	zs_enrolment_destroy(e);
	return 0;
}

static void refuse(uint32_t count, uint64_t seconds)
{
	for (uint32_t i = 0; i < count; i++)
		zs_enrolment_refused(e, 7, now + seconds * ZS_NS * i / (count - 1));
	now += seconds * ZS_NS;
}

static void test_cold(void **state)
{
	(void)state;
	assert_int_equal(warmth[3].cold, 0);
	refuse(ZS_COLD_JUDGED * 10, ZS_COLD_SECONDS - 1); /* many, but in a short time */
	assert_int_equal(warmth[7].cold, 0);
	zs_enrolment_refused(e, 7, now + 2 * ZS_NS);
	assert_int_equal(warmth[7].cold, 1);
	assert_int_equal(zs_enrolment_cold(e), 1);
	assert_int_equal(warmth[6].cold + warmth[8].cold, 0);
	zs_enrolment_refused(e, 7, now + 3 * ZS_NS);
	assert_int_equal(zs_enrolment_cold(e), 1);
}

static void test_few(void **state)
{
	(void)state;
	refuse(ZS_COLD_JUDGED - 1, 3600); /* a long time, but few */
	assert_int_equal(warmth[7].cold, 0);
	zs_enrolment_refused(e, 7, now);
	assert_int_equal(warmth[7].cold, 1);
}

/* What was asked for while the origin was cold is not stored, what is asked for from then on is. */
static void test_warm_again(void **state)
{
	(void)state;
	refuse(ZS_COLD_JUDGED, ZS_COLD_SECONDS);
	assert_int_equal(warmth[7].cold, 1);
	assert_false(zs_enrolment_may_store(e, 7, now, now + 5));
	assert_int_equal(warmth[7].cold, 0);
	assert_int_equal(zs_enrolment_cold(e), 0);
	assert_false(zs_enrolment_may_store(e, 7, now + 4, now + 9));
	assert_true(zs_enrolment_may_store(e, 7, now + 5, now + 9));
}

/* One stored response begins the count anew, and something that is stored keeps an origin warm. */
static void test_used(void **state)
{
	(void)state;
	refuse(ZS_COLD_JUDGED - 1, ZS_COLD_SECONDS);
	assert_true(zs_enrolment_may_store(e, 7, now, now));
	refuse(ZS_COLD_JUDGED * 4, ZS_COOL_SECONDS - 1);
	assert_int_equal(warmth[7].cold, 0);
	in_use = true;
	refuse(ZS_COLD_JUDGED * 4, ZS_COOL_SECONDS * 3);
	assert_int_equal(warmth[7].cold, 0);
	in_use = false;
	refuse(ZS_COLD_JUDGED * 4, ZS_COOL_SECONDS * 2);
	assert_int_equal(warmth[7].cold, 1);
}

/* Requests whose responses nobody looks at: with cookies, or of other methods. */
static void asks_for(uint32_t requests, uint64_t seconds)
{
	for (uint64_t s = 0; s < seconds; s++) {
		warmth[7].requests += requests / (uint32_t)seconds;
		now += ZS_NS;
		zs_enrolment_tick(e, 9, now);
	}
}

static void test_requests(void **state)
{
	(void)state;
	warmth[7].requests = ~0u - 100; /* it wraps */
	zs_enrolment_warm(e, now);
	asks_for(ZS_COLD_REQUESTS * 10, 2); /* many, but in a short time */
	assert_int_equal(warmth[7].cold, 0);
	asks_for(10, 2);
	assert_int_equal(warmth[7].cold, 1);
	assert_int_equal(zs_enrolment_cold(e), 1);
	assert_int_equal(warmth[6].cold + warmth[8].cold, 0);
}

static void test_few_requests(void **state)
{
	(void)state;
	asks_for(ZS_COLD_REQUESTS - 8, 8);
	asks_for(0, 100);
	assert_int_equal(warmth[7].cold, 0);
	warmth[7].requests += 8;
	zs_enrolment_tick(e, 6, now + 10 * ZS_NS); /* not an origin any more */
	assert_int_equal(warmth[7].cold, 0);
	zs_enrolment_tick(e, 7, now + 10 * ZS_NS);
	assert_int_equal(warmth[7].cold, 1);
}

/* Idle time does not count: the first requests after it are given their seconds, too. */
static void test_idle(void **state)
{
	(void)state;
	asks_for(0, 1000);
	asks_for(ZS_COLD_REQUESTS, 1);
	assert_int_equal(warmth[7].cold, 0);
	asks_for(2, 2);
	assert_int_equal(warmth[7].cold, 1);
}

static void test_requests_of_one_in_use(void **state)
{
	(void)state;
	assert_true(zs_enrolment_may_store(e, 7, now, now));
	asks_for(ZS_COLD_REQUESTS * 299, ZS_COOL_SECONDS - 1);
	assert_int_equal(warmth[7].cold, 0);
	in_use = true;
	asks_for(ZS_COLD_REQUESTS * 900, ZS_COOL_SECONDS * 3);
	assert_int_equal(warmth[7].cold, 0);
	in_use = false;
	asks_for(ZS_COLD_REQUESTS * 301, ZS_COOL_SECONDS + 1);
	assert_int_equal(warmth[7].cold, 1);
}

/* By the operator's word; what was asked for while it was cold is not stored all the same. */
static void test_resumed(void **state)
{
	(void)state;
	refuse(ZS_COLD_JUDGED, ZS_COLD_SECONDS);
	assert_int_equal(warmth[7].cold, 1);
	zs_enrolment_warm(e, now + 5);
	assert_int_equal(warmth[7].cold, 0);
	assert_int_equal(zs_enrolment_cold(e), 0);
	assert_false(zs_enrolment_may_store(e, 7, now + 4, now + 9));
	assert_true(zs_enrolment_may_store(e, 7, now + 5, now + 9));
	refuse(ZS_COLD_JUDGED - 1, ZS_COLD_SECONDS);
	assert_int_equal(warmth[7].cold, 0);
}

static void test_always(void **state)
{
	(void)state;
	asks_for(ZS_COLD_REQUESTS * 10, 10);
	refuse(ZS_COLD_JUDGED * 4, 3600);
	assert_int_equal(warmth[7].cold, 0);
	assert_true(zs_enrolment_may_store(e, 7, now, now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cold, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_few, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_warm_again, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_used, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_requests, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_few_requests, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_idle, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_requests_of_one_in_use, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_resumed, open_adaptive, end),
		cmocka_unit_test_setup_teardown(test_always, open_always, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
