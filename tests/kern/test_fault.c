// SPDX-License-Identifier: GPL-2.0-or-later
/* Ends that close, reset, or have no room: nothing is lost that was promised, nothing comes twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#define STORED	   "/fault"
#define STORED_LEN 30000u

static int begin(void **state)
{
	int err = kern_begin(state);

	kern_put(STORED, STORED_LEN, 60);
	return err;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, kern_end)

static void ends(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void reset(int fd)
{
	const struct linger rst = {.l_onoff = 1};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst)), 0);
	kern_close_end(fd);
	usleep(2000);
}

/* --- room ------------------------------------------------------------------------------------ */

static void test_tiny_receive_buffer(void **state)
{
	int tiny = 1;

	(void)state;
	assert_int_equal(setsockopt(kern.dialer, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (int i = 0; i < 50; i++) {
		kern_hit(STORED, STORED_LEN);
		kern_miss("/other");
	}
	assert_int_equal(kern_count(ZS_COUNT_hits), 50);
}

/* Answers pile up unread in a tiny buffer, and native bytes come behind them. */
static void test_tiny_buffer_piled_up(void **state)
{
	int tiny = 1;
	char head[256];
	size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN;

	(void)state;
	assert_int_equal(setsockopt(kern.dialer, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (int i = 0; i < 30; i++)
		kern_ask(kern.dialer, "GET", STORED);
	kern_text(kern.dialer, "GET /other HTTP/1.1\r\nHost: rig\r\n\r\n");
	kern_readable(kern.acceptor);
	kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n), n);
		assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	}
	kern_arrives(kern.dialer, kern_ok, KERN_OK_LEN);
	kern_silent(kern.dialer);
}

/* One byte at a time, peeked at before. */
static void test_read_bit_by_bit(void **state)
{
	char head[256];
	size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN, got = 0;

	(void)state;
	kern_ask(kern.dialer, "GET", STORED);
	while (got < n) {
		uint8_t peeked[700];
		size_t want = 1 + kern_random(700);
		ssize_t p = recv(kern.dialer, peeked, want, MSG_PEEK),
			r = recv(kern.dialer, kern.got + got, want, 0);

		assert_true(p > 0 && r >= p);
		assert_memory_equal(peeked, kern.got + got, (size_t)p);
		got += (size_t)r;
	}
	assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	kern_silent(kern.dialer);
}

/* --- ends that close ------------------------------------------------------------------------- */

/* The answer is read, then the end of file, though the server closed before the request was sent.
 */
static void test_server_closed_before(void **state)
{
	(void)state;
	shutdown(kern.acceptor, SHUT_WR);
	kern_readable(kern.dialer);
	kern_text(kern.dialer, "GET " STORED " HTTP/1.1\r\nHost: rig\r\n\r\n");
	if (recv(kern.acceptor, kern.got, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
		char head[256];
		size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN;

		assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n), n);
		assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	}
	ends(kern.dialer);
	ends(kern.dialer);
}

static void test_server_closed_behind(void **state)
{
	char head[256];
	size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN;

	(void)state;
	for (int i = 0; i < 5; i++)
		kern_ask(kern.dialer, "GET", STORED);
	kern_close_end(kern.acceptor);
	usleep(2000);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n), n);
		assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	}
	ends(kern.dialer);
}

/* An answer that was given survives a reset; later writes fail. */
static void test_server_reset_behind(void **state)
{
	char head[256];
	size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN;

	(void)state;
	kern_ask(kern.dialer, "GET", STORED);
	reset(kern.acceptor);
	assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n), n);
	assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	assert_true(recv(kern.dialer, kern.got, 1, 0) <= 0);
	assert_int_equal(send(kern.dialer, "GET", 3, MSG_NOSIGNAL), -1);
}

static void test_server_reset_before(void **state)
{
	char text[64];
	size_t n = zs_rig_request("GET", STORED, text, sizeof(text));

	(void)state;
	reset(kern.acceptor);
	assert_int_equal(send(kern.dialer, text, n, MSG_NOSIGNAL), -1);
	assert_true(errno == ECONNRESET || errno == EPIPE);
	assert_true(recv(kern.dialer, text, 1, 0) <= 0);
	assert_int_equal(kern_count(ZS_COUNT_hits), 0);
}

/* What was answered before the dialer closed its half is read; the server sees the end and no
 * request. */
static void test_dialer_half_closed(void **state)
{
	char head[256];
	size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN;

	(void)state;
	kern_ask(kern.dialer, "GET", STORED);
	shutdown(kern.dialer, SHUT_WR);
	ends(kern.acceptor);
	assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n), n);
	assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
	kern_arrives(kern.dialer, kern_ok, KERN_OK_LEN);
}

/* A request behind its own end: refused, or answered whole. One that is not stored is refused. */
static void test_request_after_half_close(void **state)
{
	char text[64], other[64];
	size_t n = zs_rig_request("GET", STORED, text, sizeof(text));
	size_t m = zs_rig_request("GET", "/other", other, sizeof(other));

	(void)state;
	shutdown(kern.dialer, SHUT_WR);
	if (send(kern.dialer, text, n, MSG_NOSIGNAL) == (ssize_t)n) {
		print_message("  answered\n");
		kern_answered(kern.dialer, "GET", STORED, STORED_LEN);
	} else {
		print_message("  refused\n");
		assert_int_equal(errno, EPIPE);
	}
	assert_int_equal(send(kern.dialer, other, m, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	ends(kern.acceptor);
}

/* The dialer closes with answers unread. The server sees an end, the next connection is as any. */
static void test_dialer_closed_unread(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		char byte;

		kern_ask(kern.dialer, "GET", STORED);
		kern_ask(kern.dialer, "GET", STORED);
		kern_close_end(kern.dialer);
		assert_true(recv(kern.acceptor, &byte, 1, 0) <= 0);
		kern_redial();
		kern_hit(STORED, STORED_LEN);
	}
}

/* A reader that sleeps in recv() is woken by its own connection's answer. */
static void *sleeper(void *user)
{
	size_t *got = user, want = *got;

	*got = zs_rig_recv(kern.dialer, kern.got, want);
	return NULL;
}

static void test_reader_is_woken(void **state)
{
	char head[256];
	size_t want = kern_head_of(STORED_LEN, head) + STORED_LEN;

	(void)state;
	for (int i = 0; i < 20; i++) {
		size_t got = want;
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, sleeper, &got), 0);
		usleep(5000);
		kern_ask(kern.dialer, "GET", STORED);
		pthread_join(thread, NULL);
		assert_int_equal(got, want);
		assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tiny_receive_buffer),	     TEST(test_tiny_buffer_piled_up),
		TEST(test_read_bit_by_bit),	     TEST(test_server_closed_before),
		TEST(test_server_closed_behind),     TEST(test_server_reset_behind),
		TEST(test_server_reset_before),	     TEST(test_dialer_half_closed),
		TEST(test_request_after_half_close), TEST(test_dialer_closed_unread),
		TEST(test_reader_is_woken),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
