// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recording on accepted connections: what is copied is the response to the request that was announced, all of it and
 * nothing else, or nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_client.h"
#include "../lib/kern_events.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int begin(void **state)
{
	const struct zs_recordings_owner owner = {
		.head = events_head,
		.whole = events_whole,
		.end = events_end,
		.max_body = ZS_BODY_MAX + 8000,
		.cap = ZS_ANSWER_MAX,
	};

	(void)state;
	if (client_begin())
		return -1;
	kern.rig.ctl->tokens = 1 << 20;
	kern.rig.ctl->record_cap = ZS_ANSWER_MAX;
	events.ring = ring_buffer__new(kern.rig.maps.fd[ZS_MAP_events], events_one, NULL, NULL);
	if (!events.ring || zs_recordings_create(&owner, &events.recordings))
		return -1;
	events_reset();
	return 0;
}

static int finish(void **state)
{
	(void)state;
	ring_buffer__free(events.ring);
	zs_recordings_destroy(events.recordings);
	events.recordings = NULL;
	kern.rig.ctl->tokens = 0;
	return client_end();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

static uint32_t serial; /* so that no two targets are the same */

/* A request that was never made before, with a response of about that length; true: its recording is whole. */
static bool copied(char kind, uint32_t len)
{
	static uint8_t want[SERVER_OUT];
	char target[64];

	len += serial++ % 7;
	events_reset();
	client_ask("GET", kind, len);
	client_expect(false);
	for (int i = 0; i < 100 && !events.ended[ZS_RECORDING_STORED]; i++) {
		usleep(100);
		events_read();
	}
	assert_int_equal(events.ended[ZS_RECORDING_MALFORMED], 0);
	if (!events.ended[ZS_RECORDING_STORED])
		return false;
	snprintf(target, sizeof(target), "/%c/%u", kind, len);
	kern_fill(target, want, len);
	assert_int_equal(events.body_len, len);
	assert_memory_equal(events.body, want, len);
	return true;
}

static void test_sizes(void **state)
{
	static const uint32_t sizes[] = {0, 1, 100, 1000, 1024, 4000, 16384, 33000, 65536, 90000};
	static const uint32_t pieces[] = {0, 16384, 5000, 700};

	(void)state;
	for (size_t p = 0; p < COUNT(pieces); p++)
		for (size_t i = 0; i < COUNT(sizes) * 3; i++) {
			uint32_t size = sizes[i / 3];

			server.piece = pieces[p];
			if (i % 3 == 1 && size > 33000)
				continue;
			if (!copied("jci"[i % 3], size))
				fail_msg("/%c/%u in pieces of %u was not recorded", "jci"[i % 3], size, pieces[p]);
		}
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
	assert_int_equal(kern_count(ZS_COUNT_events_lost), 0);
	assert_true(kern_count(ZS_COUNT_recorded) > 80);
}

/* A client that reads slowly, losses aside: what is sent again is not taken twice. */
static void test_slow_client(void **state)
{
	(void)state;
	server.sndbuf = 5000;
	client.rcvbuf = 3000;
	client_dial();
	for (int i = 0; i < 6; i++) {
		if (!copied('j', 60000))
			fail_msg("not recorded");
		client_ask("GET", 'j', 1);
		client_take();
	}
	assert_true(server.waits > 0);
}

/* Answers of the kernel and responses of the server take turns: only the latter are recorded. */
static void test_between_answers(void **state)
{
	(void)state;
	client_store('l', 3000);
	for (int i = 0; i < 200; i++) {
		client_ask("GET", 'l', 3000);
		client_expect(true);
		assert_true(copied('j', 500));
		assert_int_equal(events.requests, 1);
	}
	client_settle();
}

/* Of requests in one segment only what comes when nothing is owed could be recorded. */
static void test_pipelined(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		events_reset();
		client_add("GET", 'j', 100, "");
		client_add("GET", 'j', 200, "");
		client_flush();
		client_settle();
		events_none();
	}
	assert_true(copied('j', 100));
}

/* The end of the connection ends a response without a length; HEAD, errors in the key and a spent budget record nothing. */
static void test_not_recorded(void **state)
{
	(void)state;
	events_reset();
	client_ask("HEAD", 'j', 10);
	client_expect(false);
	client_add("GET", 'j', 10, "X-Unknown: 1\r\n");
	client_flush();
	client_expect(false);
	client_add("GET", 'j', 10, "Cookie: a=b\r\n");
	client_flush();
	client_expect(false);
	kern.rig.ctl->tokens = 0;
	client_ask("GET", 'j', 10);
	client_expect(false);
	usleep(2000);
	events_none();
	kern.rig.ctl->tokens = 1 << 20;
	kern.rig.ctl->record_cap = 1000;
	client_ask("GET", 'j', 5000);
	client_expect(false);
	usleep(2000);
	events_read();
	assert_int_equal(events.ended[ZS_RECORDING_LARGE], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sizes), TEST(test_slow_client), TEST(test_between_answers), TEST(test_pipelined), TEST(test_not_recorded),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("acceptor/record", tests, client_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
