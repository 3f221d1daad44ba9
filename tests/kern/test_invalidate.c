// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RFC 9111 4.4: a request with an unsafe method that succeeds makes what is stored for its target
 * void, before the dialer can read the response; one that fails does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_forge.h"

#define STORED	   "/doc"
#define STORED_LEN 77u

static const char no_body[] = " HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n";

static void unsafe_send(const char *method)
{
	char text[256];

	snprintf(text, sizeof(text), "%s " STORED "%s", method, no_body);
	kern_text(kern.dialer, text);
	kern_arrives(kern.acceptor, text, strlen(text));
}

/* The generation of the target's bucket, at the moment the dialer could read. */
static uint64_t generation(void)
{
	return kern.rig.generations[kern_object(STORED)->bucket];
}

static uint64_t raised_by(const char *response)
{
	uint64_t before = generation();

	kern_text(kern.acceptor, response);
	kern_readable(kern.dialer);
	before = generation() - before;
	kern_arrives(kern.dialer, response, strlen(response));
	return before;
}

static const struct {
	const char *method, *response;
	bool raises;
} cases[] = {
	{"POST", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
	{"POST", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", true},
	{"POST", "HTTP/1.1 204 No Content\r\n\r\n", true},
	{"POST", "HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n", true},
	{"POST", "HTTP/1.1 303 See Other\r\nContent-Length: 0\r\n\r\n", true},
	{"PUT", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
	{"PATCH", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
	{"DELETE", "HTTP/1.1 204 No Content\r\n\r\n", true},
	{"PURGE", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
	{"x", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
	{"get", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
	{"POST", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true},
	{"POST", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false},
	{"POST", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", false},
	{"DELETE", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", false},
	{"PUT", "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", false},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
	{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
	{"OPTIONS", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
	{"TRACE", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
};

static void test_methods(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		kern_put(STORED, STORED_LEN, 60);
		kern_hit(STORED, STORED_LEN);
		unsafe_send(cases[i].method);
		if (raised_by(cases[i].response) != (cases[i].raises ? 1 : 0))
			fail_msg("%s: %.16s", cases[i].method, cases[i].response);
		if (cases[i].raises)
			kern_miss(STORED);
		else
			kern_hit(STORED, STORED_LEN);
	}
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

/* All variants of the target, and no other target. */
static void test_target_only(void **state)
{
	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	kern_put("/doc/2", 50, 60);
	unsafe_send("POST");
	assert_int_equal(raised_by(kern_ok), 1);
	kern_hit("/doc/2", 50);
	kern_put(STORED, STORED_LEN, 60);
	kern_pass("POST " STORED "?q HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n");
	kern_hit(STORED, STORED_LEN);
	kern_pass("POST " STORED " HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\n\r\n");
	kern_hit(STORED, STORED_LEN);
	kern_pass("POST " STORED
		  " HTTP/1.1\r\nHost: RIG\r\nCookie: a\r\nX-Forwarded-Proto: https\r\n"
		  "Accept-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab");
	kern_miss(STORED);
}

static void test_interim(void **state)
{
	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	unsafe_send("POST");
	assert_int_equal(raised_by("HTTP/1.1 100 Continue\r\n\r\n"), 0);
	assert_int_equal(raised_by("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), 0);
	kern_hit(STORED, STORED_LEN);
	unsafe_send("POST");
	assert_int_equal(raised_by("HTTP/1.1 100 Continue\r\n\r\n"), 0);
	assert_int_equal(raised_by(kern_ok), 1);
	kern_miss(STORED);
	kern_put(STORED, STORED_LEN, 60);
	unsafe_send("POST");
	assert_true(raised_by("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
			      "0\r\n\r\n") > 0);
	kern_miss(STORED);
}

/* However the connection looks by then. */
static void test_passive_connection(void **state)
{
	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	kern_pass("GET /x HTTP/1.0\r\n\r\n");
	unsafe_send("DELETE");
	assert_int_equal(raised_by(kern_ok), 1);
	kern_put(STORED, STORED_LEN, 60);
	unsafe_send("DELETE");
	assert_int_equal(raised_by("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), 0);
}

static void test_framing_that_is_not_certain(void **state)
{
	static const char *const requests[] = {
		"POST " STORED
		" HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"PUT " STORED
		" HTTP/1.1\r\nHost: rig\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
		"POST " STORED
		" HTTP/1.1\r\nHost: rig\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"POST " STORED " HTTP/1.0\r\nHost: rig\r\nContent-Length: 0\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		kern_redial();
		kern_put(STORED, STORED_LEN, 60);
		kern_text(kern.dialer, requests[i]);
		kern_arrives(kern.acceptor, requests[i], strlen(requests[i]));
		assert_int_equal(raised_by(kern_ok), 1);
		kern_redial();
		kern_miss(STORED);
	}
}

/* A piece of a body that looks like an unsafe request must not hide the request whose body it is. */
static void test_body_hides_its_request(void **state)
{
	static const char head[] =
		"POST " STORED " HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char *const pieces[] = {
		"POST /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n",
		"DELETE /other HTTP/1.1\r\nHost: rig\r\n\r\n",
		"0\r\n\r\n",
	};

	(void)state;
	for (size_t first = 0; first < 3; first++) {
		kern_redial();
		kern_put(STORED, STORED_LEN, 60);
		kern_text(kern.dialer, head);
		kern_arrives(kern.acceptor, head, strlen(head));
		for (size_t i = first; i < 3; i++) {
			kern_text(kern.dialer, pieces[i]);
			kern_arrives(kern.acceptor, pieces[i], strlen(pieces[i]));
		}
		kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
		kern_arrives(kern.dialer, kern_ok, KERN_OK_LEN);
		kern_redial();
		kern_miss(STORED);
	}
}

/* The pause answers nothing, but what is stored must not be stale behind it. */
static void test_paused(void **state)
{
	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	kern.rig.ctl->paused = 1;
	unsafe_send("POST");
	assert_int_equal(raised_by(kern_ok), 1);
	kern.rig.ctl->paused = 0;
	kern_miss(STORED);
}

/* The body comes later, in messages of its own. */
static void test_body_apart(void **state)
{
	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	kern_text(kern.dialer,
		  "POST " STORED " HTTP/1.1\r\nHost: rig\r\nContent-Length: 6\r\n\r\n");
	kern_text(kern.dialer, "abc");
	kern_text(kern.dialer, "def");
	assert_int_equal(raised_by(kern_ok), 1);
}

/* No response is seen at all: taken for a success with the next request. */
static void test_next_request(void **state)
{
	uint64_t before;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	before = generation();
	unsafe_send("POST");
	kern_ask(kern.dialer, "GET", "/next");
	assert_int_equal(generation() - before, 1);
}

/* The status line in two segments. */
static void test_split_status_line(void **state)
{
	static const char line[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

	(void)state;
	for (size_t cut = 1; cut < 20; cut++) {
		uint64_t before;

		kern_redial();
		kern_put(STORED, STORED_LEN, 60);
		before = generation();
		unsafe_send("POST");
		kern_send(kern.acceptor, line, cut);
		kern_readable(kern.dialer);
		kern_arrives(kern.dialer, line, cut);
		kern_text(kern.acceptor, line + cut);
		kern_readable(kern.dialer);
		if (generation() == before)
			fail_msg("cut at %zu: the response can be read, what is stored is still "
				 "answered",
				 cut);
		kern_arrives(kern.dialer, line + cut, strlen(line) - cut);
	}
}

/* Two unsafe requests are outstanding; the first fails, the second succeeds. */
static void test_two_outstanding(void **state)
{
	static const char bad[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	uint64_t before;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	kern_text(kern.dialer,
		  "POST /doc/other HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n");
	kern_readable(kern.acceptor);
	assert_true(recv(kern.acceptor, kern.got, sizeof(kern.got), 0) > 0);
	before = generation();
	unsafe_send("POST");
	kern_text(kern.acceptor, bad);
	kern_readable(kern.dialer);
	kern_arrives(kern.dialer, bad, strlen(bad));
	kern_text(kern.acceptor, kern_ok);
	kern_readable(kern.dialer);
	assert_true(generation() > before);
}

/* The segment of an earlier response comes again, behind the next request (TCP sends too early at
 * times): it is not that request's response. */
static void test_earlier_response_again(void **state)
{
	static const char bad[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	struct zs_conn conn;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	kern_ask(kern.dialer, "GET", "/earlier");
	kern_readable(kern.acceptor);
	assert_true(recv(kern.acceptor, kern.got, sizeof(kern.got), 0) > 0);
	forge_conn(kern.dialer, &conn);
	kern_text(kern.acceptor, bad);
	kern_readable(kern.dialer);
	kern_arrives(kern.dialer, bad, strlen(bad));
	unsafe_send("POST");
	forge_segment(kern.dialer, conn.turn_rcv, conn.next_write, bad, strlen(bad));
	kern_silent(kern.dialer); /* TCP throws it away */
	assert_int_equal(raised_by(kern_ok), 1);
	kern_miss(STORED);
}

int main(void)
{
	const struct CMUnitTest once[] = {KERN_TEST(test_earlier_response_again)};
	const struct CMUnitTest tests[] = {
		KERN_TEST(test_methods),
		KERN_TEST(test_target_only),
		KERN_TEST(test_interim),
		KERN_TEST(test_passive_connection),
		KERN_TEST(test_body_hides_its_request),
		KERN_TEST(test_framing_that_is_not_certain),
		KERN_TEST(test_paused),
		KERN_TEST(test_body_apart),
		KERN_TEST(test_next_request),
		KERN_TEST(test_split_status_line),
		KERN_TEST(test_two_outstanding),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("IPv4", tests, kern_open_v4, kern_close);

	failed += cmocka_run_group_tests_name("IPv6", tests, kern_open_v6, kern_close);
	failed += cmocka_run_group_tests(once, kern_open_v4, kern_close);
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
