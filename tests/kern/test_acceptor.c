// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The remote lane: clients of a listener are answered by a kernel worker, and everything else goes to the server. Each
 * test compares order, number and content of what comes back, and the counters of the lane that it means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_client.h"

static int begin(void **state)
{
	(void)state;
	return client_begin();
}

static int finish(void **state)
{
	(void)state;
	return client_end();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

/* Hits and misses at random on one connection, thousands of them. */
static void test_keep_alive(void **state)
{
	static const uint32_t sizes[] = {0, 1, 63, 64, 65, 1000, 4000, 9000, 32000, 32768, 40000, 65536};
	uint32_t hits = 0, misses = 0;

	(void)state;
	for (size_t i = 0; i < 12; i++)
		client_store('l', sizes[i]);
	for (int i = 0; i < 3000; i++) {
		bool hit = kern_random(2);
		const char *method = kern_random(8) ? "GET" : "HEAD";

		if (hit)
			client_ask(method, 'l', sizes[kern_random(12)]);
		else
			client_ask(method, "lcnmi"[kern_random(5)], 2 + kern_random(60));
		client_expect(hit);
		hits += hit;
		misses += !hit;
	}
	assert_int_equal(kern_count(ZS_COUNT_remote_hits), hits);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(server.requests, misses);
	assert_int_equal(kern_count(ZS_COUNT_replies), misses);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
	assert_int_equal(kern_count(ZS_COUNT_handed_back), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keep_alive),
	};
	const struct CMUnitTest more[] = {TEST(test_keep_alive)}, last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("acceptor/v4", tests, client_open_v4, kern_close);

	failed += cmocka_run_group_tests_name("acceptor/v6", more, client_open_v6, kern_close);
	failed += cmocka_run_group_tests_name("acceptor/dual", more, client_open_dual, kern_close);
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
