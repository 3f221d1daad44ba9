// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Order: an answer overtakes nothing that is native, whether it waits to be read or is still owed;
 * bytes that passed unseen end all certainty; a pause does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include <bpf/libbpf.h>
#include "zs.skel.h"
#include "object.h"

#define STORED	   "/fence"
#define STORED_LEN 222u
#define GET	   "GET " STORED " HTTP/1.1\r\nHost: rig\r\n\r\n"
#define OTHER	   "GET /other HTTP/1.1\r\nHost: rig\r\n\r\n"

static const char first[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst";
static const char second[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond";

static int begin(void **state)
{
	int err = kern_begin(state);

	kern_put(STORED, STORED_LEN, 60);
	return err;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, kern_end)

static void server_says(const char *text)
{
	kern_text(kern.acceptor, text);
	kern_readable(kern.dialer);
}

static void server_has(const char *text)
{
	kern_arrives(kern.acceptor, text, strlen(text));
	kern_silent(kern.acceptor);
}

static void dialer_has(const char *text)
{
	kern_arrives(kern.dialer, text, strlen(text));
}

/* --- native bytes that were not read ---------------------------------------------------------- */

static void test_unread_response(void **state)
{
	(void)state;
	kern_text(kern.dialer, OTHER);
	server_has(OTHER);
	server_says(first);
	kern_text(kern.dialer, GET);
	server_has(GET);
	server_says(second);
	dialer_has(first);
	dialer_has(second);
	kern_silent(kern.dialer);
	assert_int_equal(kern_count(ZS_COUNT_fenced), 1);
	kern_miss(STORED);
}

/* Each number of bytes that may be left over. */
static void test_partly_read(void **state)
{
	(void)state;
	for (size_t left = 1; left <= strlen(first); left += 6) {
		kern_redial();
		kern_text(kern.dialer, OTHER);
		server_has(OTHER);
		server_says(first);
		kern_arrives(kern.dialer, first, strlen(first) - left);
		kern_text(kern.dialer, GET);
		server_has(GET);
		server_says(second);
		dialer_has(first + strlen(first) - left);
		dialer_has(second);
		kern_silent(kern.dialer);
	}
}

/* Bytes that nobody asked for. */
static void test_unasked_bytes(void **state)
{
	(void)state;
	server_says(first);
	kern_text(kern.dialer, GET);
	server_has(GET);
	server_says(second);
	dialer_has(first);
	dialer_has(second);
	kern_silent(kern.dialer);
}

/* --- responses that are owed ------------------------------------------------------------------ */

static void test_owed_response(void **state)
{
	(void)state;
	kern_text(kern.dialer, OTHER);
	kern_text(kern.dialer, GET);
	server_has(OTHER GET);
	kern_silent(kern.dialer);
	server_says(first);
	server_says(second);
	dialer_has(first);
	dialer_has(second);
	kern_silent(kern.dialer);
	kern_miss(STORED);
}

static void test_owed_to_an_upload(void **state)
{
	(void)state;
	kern_text(kern.dialer, "PUT /x HTTP/1.1\r\nHost: rig\r\nContent-Length: 4\r\n\r\n");
	kern_text(kern.dialer, "body");
	kern_text(kern.dialer, GET);
	server_has("PUT /x HTTP/1.1\r\nHost: rig\r\nContent-Length: 4\r\n\r\nbody" GET);
	server_says(first);
	server_says(second);
	dialer_has(first);
	dialer_has(second);
	kern_silent(kern.dialer);
}

/* Two were sent one after the other, and one of two responses was read. */
static void test_one_of_two_is_owed(void **state)
{
	(void)state;
	kern_text(kern.dialer, OTHER);
	kern_text(kern.dialer, OTHER);
	server_has(OTHER OTHER);
	server_says(first);
	dialer_has(first);
	kern_text(kern.dialer, GET);
	kern_silent(kern.dialer);
	server_has(GET);
	server_says(second);
	dialer_has(second);
}

/* --- answers that were not read --------------------------------------------------------------- */

static void test_answers_queue_up(void **state)
{
	(void)state;
	kern_put("/fence/long", 50000, 60);
	for (int i = 0; i < 20; i++)
		kern_ask(kern.dialer, "GET", i % 2 ? STORED : "/fence/long");
	for (int i = 0; i < 20; i++) {
		char head[256];
		size_t len = i % 2 ? STORED_LEN : 50000, n = kern_head_of((uint32_t)len, head);

		assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n + len), n + len);
		assert_true(kern_is_answer(i % 2 ? STORED : "/fence/long", (uint32_t)len, kern.got,
					   kern.body));
	}
	kern_silent(kern.dialer);
	kern_quiet(kern.acceptor);
	assert_int_equal(kern_count(ZS_COUNT_hits), 20);
}

/* An answer that waits, and a native response behind it: in the order of the requests. */
static void test_answer_then_native(void **state)
{
	char head[256];
	size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN;

	(void)state;
	kern_text(kern.dialer, GET);
	kern_text(kern.dialer, OTHER);
	server_has(OTHER);
	server_says(first);
	kern_text(kern.dialer, GET);
	server_has(GET);
	server_says(second);
	assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n), n);
	assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	dialer_has(first);
	dialer_has(second);
	kern_silent(kern.dialer);
}

/* --- bytes that passed unseen ------------------------------------------------------------------
 */

static void dialer_program(bool on)
{
	int fd = bpf_program__fd(kern.rig.obj->progs.zs_dialer);

	assert_int_equal(zs_object_switch(kern.rig.maps.fd[ZS_MAP_progs], fd, on), 0);
}

static void test_unseen_head(void **state)
{
	(void)state;
	dialer_program(false);
	kern_text(kern.dialer, "POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: 40\r\n\r\n");
	dialer_program(true);
	kern_text(kern.dialer, GET);
	server_has("POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: 40\r\n\r\n" GET);
	server_says(first);
	dialer_has(first);
	kern_silent(kern.dialer);
	kern_miss(STORED);
	assert_int_equal(kern_count(ZS_COUNT_fenced), 1);
}

static void test_unseen_exchange(void **state)
{
	(void)state;
	kern_hit(STORED, STORED_LEN);
	dialer_program(false);
	kern_miss(STORED);
	dialer_program(true);
	kern_miss(STORED);
	kern_miss(STORED);
	assert_int_equal(kern_count(ZS_COUNT_fenced), 1);
}

/* As many bytes unseen as the body still has: only the count of bytes on the wire tells. */
static void test_unseen_body(void **state)
{
	(void)state;
	kern_text(kern.dialer, "POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: 5\r\n\r\n");
	dialer_program(false);
	kern_text(kern.dialer, "hello");
	dialer_program(true);
	server_has("POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: 5\r\n\r\nhello");
	server_says(first);
	dialer_has(first);
	kern_miss(STORED);
	kern_miss(STORED);
}

static void test_off_and_on(void **state)
{
	(void)state;
	kern_hit(STORED, STORED_LEN);
	for (int i = 0; i < 10; i++) {
		dialer_program(false);
		dialer_program(true);
		kern_hit(STORED, STORED_LEN);
		kern_miss("/other");
	}
}

static void test_epoch(void **state)
{
	(void)state;
	kern_hit(STORED, STORED_LEN);
	kern.rig.ctl->epoch++;
	kern_miss(STORED);
	kern_miss(STORED);
	assert_int_equal(kern_count(ZS_COUNT_fenced), 1);
	kern_redial();
	kern_hit(STORED, STORED_LEN);
}

/* --- pause -------------------------------------------------------------------------------------
 */

static void test_pause(void **state)
{
	(void)state;
	kern_hit(STORED, STORED_LEN);
	kern.rig.ctl->paused = 1;
	kern_miss(STORED);
	kern_miss(STORED);
	kern.rig.ctl->paused = 0;
	kern_hit(STORED, STORED_LEN);
	assert_int_equal(kern_count(ZS_COUNT_bypassed), 2);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

static const char upload[] = "POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: 41\r\n\r\nhalf" GET;

/* Every part of an upload may fall into the pause; its last part is a perfect request. */
static void test_pause_within_a_body(void **state)
{
	size_t head = (size_t)(strstr(upload, "half") - upload), half = head + 4;

	(void)state;
	assert_int_equal(strlen(GET) + 4, 41 - 3); /* three bytes follow */
	for (int paused = 0; paused < 8; paused++) {
		kern.rig.ctl->paused = paused & 1;
		kern_send(kern.dialer, upload, head);
		kern.rig.ctl->paused = paused >> 1 & 1;
		kern_send(kern.dialer, upload + head, 4);
		kern.rig.ctl->paused = paused >> 2 & 1;
		kern_text(kern.dialer, upload + half);
		kern_send(kern.dialer, "end", 3);
		server_has("POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: 41\r\n\r\nhalf" GET
			   "end");
		server_says(first);
		dialer_has(first);
		kern.rig.ctl->paused = 0;
		kern_hit(STORED, STORED_LEN);
	}
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unread_response),
		TEST(test_partly_read),
		TEST(test_unasked_bytes),
		TEST(test_owed_response),
		TEST(test_owed_to_an_upload),
		TEST(test_one_of_two_is_owed),
		TEST(test_answers_queue_up),
		TEST(test_answer_then_native),
		TEST(test_unseen_head),
		TEST(test_unseen_exchange),
		TEST(test_unseen_body),
		TEST(test_off_and_on),
		TEST(test_epoch),
		TEST(test_pause),
		TEST(test_pause_within_a_body),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
