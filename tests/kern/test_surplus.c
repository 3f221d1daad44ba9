// SPDX-License-Identifier: GPL-2.0-or-later
/* The recorder: whose bytes it copies. Those of the request's own response, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_events.h"
#include "../lib/kern_forge.h"

static const char evil[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

/* Surplus bytes behind a response, sent before the next request, unread or read. */
static void test_surplus_before_the_request(void **state)
{
	(void)state;
	for (int read = 0; read < 2; read++) {
		kern_redial();
		kern_miss("/surplus");
		kern_text(kern.acceptor, evil);
		kern_readable(kern.dialer);
		if (read)
			kern_arrives(kern.dialer, evil, strlen(evil));
		events_reset();
		asked("/victim");
		kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
		kern_arrives(kern.dialer, read ? kern_ok : evil, read ? KERN_OK_LEN : strlen(evil));
		events_read();
		assert_true(events.body_len == ~0u || !memcmp(events.body, "hello", 5));
	}
}

/* The request still waits in the dialer's socket when the server's surplus bytes come. */
static void test_surplus_before_a_corked_request(void **state)
{
	int one = 1, zero = 0;

	(void)state;
	kern_miss("/surplus");
	events_reset();
	assert_int_equal(setsockopt(kern.dialer, IPPROTO_TCP, TCP_CORK, &one, sizeof(one)), 0);
	kern_ask(kern.dialer, "GET", "/victim");
	kern_quiet(kern.acceptor);
	kern_text(kern.acceptor, evil);
	kern_readable(kern.dialer);
	assert_int_equal(setsockopt(kern.dialer, IPPROTO_TCP, TCP_CORK, &zero, sizeof(zero)), 0);
	kern_readable(kern.acceptor);
	kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
	events_read();
	assert_int_equal(events.ended[ZS_RECORDING_STORED], 0);
}

/* Bytes that were on their way when the request left: they do not acknowledge it. */
static void test_surplus_that_crosses_the_request(void **state)
{
	struct zs_conn conn;

	(void)state;
	kern_miss("/surplus");
	forge_conn(kern.dialer, &conn);
	asked("/victim");
	events_reset();
	forge_segment(kern.dialer, conn.turn_rcv + KERN_OK_LEN, conn.next_write, evil,
		      strlen(evil));
	kern_arrives(kern.dialer, evil, strlen(evil)); /* the dialer's trouble, not the store's */
	events_none();
}

/* A segment comes twice. Never a wrong recording; at best a whole one. */
static void test_segment_twice(void **state)
{
	size_t n = response_make("/twice", 3000);
	struct zs_conn conn;

	(void)state;
	asked("/twice");
	forge_conn(kern.dialer, &conn);
	kern_send(kern.acceptor, text, 1000);
	kern_arrives(kern.dialer, text, 1000);
	forge_segment(kern.dialer, conn.turn_rcv, conn.next_write, text, 1000);
	kern_silent(kern.dialer);
	kern_send(kern.acceptor, text + 1000, n - 1000);
	kern_arrives(kern.dialer, text + 1000, n - 1000);
	print_message("  %s\n", recorded("/twice", 3000) ? "recorded" : "given up");
}

/* The same with a segment of the response before, between the request and its response. */
static void test_earlier_segment_again(void **state)
{
	size_t n = response_make("/again", 3000);
	struct zs_conn conn;

	(void)state;
	kern_miss("/earlier");
	forge_conn(kern.dialer, &conn);
	events_reset();
	asked("/again");
	forge_segment(kern.dialer, conn.turn_rcv, conn.next_write, kern_ok, KERN_OK_LEN);
	kern_silent(kern.dialer);
	kern_send(kern.acceptor, text, n);
	kern_arrives(kern.dialer, text, n);
	print_message("  %s\n", recorded("/again", 3000) ? "recorded" : "given up");
}

/* Bytes behind a whole response are never part of one. */
static void test_surplus_behind_the_response(void **state)
{
	(void)state;
	for (int apart = 0; apart < 2; apart++) {
		size_t n = response_make("/behind", 10);

		kern_redial();
		events_reset();
		asked("/behind");
		if (apart)
			kern_send(kern.acceptor, text, n);
		else
			n += (size_t)sprintf((char *)text + n, "%s", evil);
		kern_text(kern.acceptor, apart ? evil : (char *)text);
		kern_readable(kern.dialer);
		events_read();
		assert_int_equal(events.ended[ZS_RECORDING_STORED], apart);
		assert_true(!apart || events.body_len == 10);
	}
}

static void test_closed_behind_it(void **state)
{
	(void)state;
	asked("/closed");
	kern_text(kern.acceptor, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
	shutdown(kern.acceptor, SHUT_WR);
	kern_readable(kern.dialer);
	events_read();
	assert_int_equal(events.ended[ZS_RECORDING_STORED], 0);
	assert_int_equal(events.ended[ZS_RECORDING_MALFORMED], 1);
}

/* Closed together with the last byte: the response was whole. */
static void test_closed_with_it(void **state)
{
	int one = 1;
	size_t n = response_make("/last", 5000);

	(void)state;
	asked("/last");
	setsockopt(kern.acceptor, IPPROTO_TCP, TCP_CORK, &one, sizeof(one));
	kern_send(kern.acceptor, text, n);
	kern_close_end(kern.acceptor);
	kern_arrives(kern.dialer, text, n);
	events_read();
	assert_int_equal(events.ended[ZS_RECORDING_STORED], 1);
	assert_int_equal(events.body_len, 5000);
}

/* What was valid when the request left goes with the recording. */
static void test_generation_is_the_requests(void **state)
{
	uint32_t flush = kern.rig.ctl->flush, bucket;
	uint64_t before;

	(void)state;
	asked("/gen");
	events_read();
	kern.rig.ctl->flush++;
	streamed(text, response_make("/gen", 10), 100);
	events_read();
	assert_int_equal(events.asked.flush, flush);
	bucket = events.asked.bucket;
	before = kern.rig.generations[bucket];
	assert_int_equal(events.asked.generation, (uint32_t)before);
	events_reset();
	asked("/gen");
	kern.rig.generations[bucket]++;
	streamed(text, response_make("/gen", 10), 100);
	events_read();
	assert_int_equal(events.asked.bucket, bucket);
	assert_int_equal(events.asked.generation, (uint32_t)before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EVENTS_TEST(test_surplus_before_the_request),
		EVENTS_TEST(test_surplus_before_a_corked_request),
		EVENTS_TEST(test_surplus_that_crosses_the_request),
		EVENTS_TEST(test_segment_twice),
		EVENTS_TEST(test_earlier_segment_again),
		EVENTS_TEST(test_surplus_behind_the_response),
		EVENTS_TEST(test_closed_behind_it),
		EVENTS_TEST(test_closed_with_it),
		EVENTS_TEST(test_generation_is_the_requests),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
