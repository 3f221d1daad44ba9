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

static void test_always(void **state)
{
	(void)state;
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
		cmocka_unit_test_setup_teardown(test_always, open_always, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
