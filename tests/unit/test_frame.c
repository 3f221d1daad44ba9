// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Framing: [I1] and [I2] of frame.h. Streams are cut in every way that a sender could cut them;
 * nothing is taken for a request's start but what is one.
 */
#include "fields.h"

#include <zs/frame.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOST	     "Host: a\r\n"
#define GET	     "GET /x HTTP/1.1\r\n" HOST "\r\n"
#define POST(length) "POST /x HTTP/1.1\r\n" HOST "Content-Length: " length "\r\n\r\n"

static struct zs_tables tables;
static struct zs_request req;

/* One message, as the dialer's program treats one that it passes on. True: taken for a request's
 * start. */
static bool send_message(struct zs_conn *c, const char *text, size_t len)
{
	__u32 seen = len < ZS_HEAD_MAX ? (__u32)len : ZS_HEAD_MAX;
	enum zs_scan scan;

	if (!zs_frame_begins_request(c, (__u32)len))
		return false;
	memset(&req, 'x', sizeof(req));
	memcpy(req.head, text, seen);
	scan = zs_request_scan(&req, &tables, seen);
	if (scan != ZS_SCAN_BAD) {
		zs_request_fields(&req, &tables);
		zs_request_values(&req, &tables);
	}
	zs_frame_request(c, &req, scan, (__u32)len);
	/* an answered request leaves the state alone: it must have left it at a request's start */
	if (scan == ZS_SCAN_OK && req.head_len == len && zs_request_answerable(&req))
		assert_int_equal(c->state, ZS_FRAME_HEAD);
	return true;
}

static void check_passive(struct zs_conn *c)
{
	static const char *const texts[] = {GET, "", "x", POST("0"), "\r\n"};

	assert_int_equal(c->state, ZS_FRAME_PASSIVE);
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_false(send_message(c, texts[i], strlen(texts[i])));
	c->body_left = 0;
	assert_false(zs_frame_begins_request(c, 0));
	assert_false(zs_frame_begins_request(c, 0xffffffffu));
	assert_int_equal(c->state, ZS_FRAME_PASSIVE);
}

static const struct row {
	const char *text;
	enum zs_frame_state state;
	uint64_t left;
} rows[] = {
	{GET, ZS_FRAME_HEAD, 0},
	{"HEAD / HTTP/1.1\r\n\r\n", ZS_FRAME_HEAD, 0},
	{"DELETE * HTTP/1.1\r\n" HOST "\r\n", ZS_FRAME_HEAD, 0},
	{POST("0"), ZS_FRAME_HEAD, 0},
	{POST("000"), ZS_FRAME_HEAD, 0},
	{POST("1"), ZS_FRAME_BODY, 1},
	{POST("5") "GET", ZS_FRAME_BODY, 2},
	{POST("5") "GET /", ZS_FRAME_HEAD, 0},
	{POST("999999999999999") "GET", ZS_FRAME_BODY, 999999999999996ull},
	{"GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", ZS_FRAME_HEAD, 0},
	{"HEAD / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n", ZS_FRAME_BODY, 3},
	{GET "x", ZS_FRAME_PASSIVE, 0},
	{GET GET, ZS_FRAME_PASSIVE, 0},
	{GET "\r\n", ZS_FRAME_PASSIVE, 0},
	{POST("0") "x", ZS_FRAME_PASSIVE, 0},
	{POST("5") "GET / ", ZS_FRAME_PASSIVE, 0},
	{POST("5") "12345" GET, ZS_FRAME_PASSIVE, 0},
	{POST(""), ZS_FRAME_PASSIVE, 0},
	{POST("-1"), ZS_FRAME_PASSIVE, 0},
	{POST("5, 5"), ZS_FRAME_PASSIVE, 0},
	{POST("1000000000000000"), ZS_FRAME_PASSIVE, 0},
	{POST("18446744073709551617"), ZS_FRAME_PASSIVE, 0},
	{POST("4294967301") "GET /", ZS_FRAME_BODY, 4294967296ull},
	{"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n", ZS_FRAME_PASSIVE, 0},
	{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ZS_FRAME_PASSIVE, 0},
	{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", ZS_FRAME_PASSIVE, 0},
	{"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	 ZS_FRAME_PASSIVE, 0},
	{"GET / HTTP/1.1\r\n" HOST "Upgrade: x\r\nConnection: upgrade\r\n\r\n", ZS_FRAME_PASSIVE,
	 0},
	{"GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nHTTP2-Settings: a\r\n\r\n", ZS_FRAME_PASSIVE,
	 0},
	{"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", ZS_FRAME_PASSIVE,
	 0},
	{"CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", ZS_FRAME_PASSIVE, 0},
	{"GET / HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n", ZS_FRAME_PASSIVE, 0},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ZS_FRAME_PASSIVE, 0},
	{"GET / HTTP/1.1\n" HOST "\n", ZS_FRAME_PASSIVE, 0},
	{"\r\n" GET, ZS_FRAME_PASSIVE, 0},
	{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", ZS_FRAME_PASSIVE, 0},
	{"GET / HTTP/1.1\r\n" HOST, ZS_FRAME_PASSIVE, 0},
	{"G", ZS_FRAME_PASSIVE, 0},
	{"", ZS_FRAME_PASSIVE, 0},
};

static void test_first_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_conn c = {.state = ZS_FRAME_HEAD, .body_left = 77};

		print_message("  row %zu\n", i);
		assert_true(send_message(&c, rows[i].text, strlen(rows[i].text)));
		assert_int_equal(c.state, rows[i].state);
		if (rows[i].state == ZS_FRAME_PASSIVE)
			check_passive(&c);
		else
			assert_true(c.body_left == rows[i].left);
	}
}

/* A head in two messages is passive, wherever it is cut; and stays so. */
static void test_head_splits(void **state)
{
	static const char text[] = POST("25") GET;
	size_t head = strlen(POST("25"));
	(void)state;

	for (size_t cut = 1; cut < head; cut++) {
		struct zs_conn c = {.state = ZS_FRAME_HEAD};

		assert_true(send_message(&c, text, cut));
		assert_false(send_message(&c, text + cut, strlen(text) - cut));
		check_passive(&c);
	}
}

/* A body that looks like requests, in two cuts and then a real request; one byte more is passive.
 */
static void test_body_splits(void **state)
{
	static const char body[] = GET GET POST("0");
	char text[512], head[128];
	size_t len = strlen(body), before;
	(void)state;

	before = (size_t)sprintf(head, "POST / HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
				 len);
	sprintf(text, "%s%s%s", head, body, GET);
	for (size_t a = 0; a <= len; a++) {
		for (size_t b = a; b <= len; b++) {
			struct zs_conn c = {.state = ZS_FRAME_HEAD}, over;

			assert_true(send_message(&c, text, before + a));
			if (b > a)
				assert_false(send_message(&c, text + before + a, b - a));
			over = c;
			if (len > b) {
				assert_false(send_message(&over, text + before + b, len + 1 - b));
				check_passive(&over);
				assert_int_equal(c.state, ZS_FRAME_BODY);
				assert_false(send_message(&c, text + before + b, len - b));
			}
			assert_int_equal(c.state, ZS_FRAME_HEAD);
			assert_true(send_message(&c, GET, strlen(GET)));
			assert_int_equal(c.state, ZS_FRAME_HEAD);
		}
	}
}

/* A head that fills what is looked at, with a body behind it that is not; and one byte more. */
static void test_long_messages(void **state)
{
	static char text[3 * ZS_HEAD_MAX];
	const char *const end = "\r\nContent-Length: 8000\r\n\r\n";
	size_t len = strlen("POST / HTTP/1.1\r\nA: ");
	(void)state;

	for (size_t over = 0; over < 2; over++) {
		struct zs_conn c = {.state = ZS_FRAME_HEAD};
		size_t head = ZS_HEAD_MAX + over;

		memset(text, 'a', sizeof(text));
		memcpy(text, "POST / HTTP/1.1\r\nA: ", len);
		memcpy(text + head - strlen(end), end, strlen(end));
		assert_true(send_message(&c, text, head + 7999));
		if (over) {
			check_passive(&c);
			continue;
		}
		assert_int_equal(c.state, ZS_FRAME_BODY);
		assert_true(c.body_left == 1);
		assert_false(send_message(&c, "G", 1));
		assert_int_equal(c.state, ZS_FRAME_HEAD);
	}
}

/* --- random streams --------------------------------------------------------------------------- */

#define STREAM_MAX 16384u
#define REQUESTS   12u

/* A stream, and what is known of it because it was made so: where its requests really begin. */
struct stream {
	char text[STREAM_MAX + 1];
	size_t len;
	bool starts[STREAM_MAX];    /* a request begins here, and framing was certain until here */
	size_t begin[REQUESTS + 1]; /* of the requests; the stream's end behind them */
	bool certain;
};

static const char *const plain[] = {
	GET,
	"HEAD /y HTTP/1.1\r\n" HOST "\r\n",
	"GET /z HTTP/1.1\r\n" HOST "Cookie: a\r\nConnection: keep-alive\r\n\r\n",
	"DELETE /z HTTP/1.1\r\n" HOST "X-New: b\r\n\r\n",
	POST("0"),
};

static const char *const doubtful[] = {
	"POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
	"GET /u HTTP/1.1\r\n" HOST "Upgrade: x\r\n\r\n",
	"POST /e HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
	"CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n",
	"GET /0 HTTP/1.0\r\n\r\n",
	"GET /n HTTP/1.1\n\n",
	"POST /l HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
	"\r\n",
};

static size_t any(size_t n)
{
	return (size_t)rand() % n;
}

static void append(struct stream *s, const char *text)
{
	strcpy(s->text + s->len, text);
	s->len += strlen(text);
}

/* A POST whose body is made of things that look like heads, beginning in the middle of one. */
static void append_body(struct stream *s)
{
	char body[1024] = "", head[128];

	for (size_t n = 1 + any(4); n; n--) {
		const char *part =
			any(4) ? plain[any(COUNT(plain))] : doubtful[any(COUNT(doubtful))];

		strcat(body, part + (any(2) ? 0 : any(strlen(part))));
	}
	sprintf(head, "P%s /b HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
		any(2) ? "OST" : "UT", strlen(body));
	append(s, head);
	append(s, body);
}

static void stream_make(struct stream *s, bool doubts)
{
	memset(s, 0, sizeof(*s));
	s->certain = true;
	for (size_t i = 0; i < REQUESTS; i++) {
		s->begin[i] = s->len;
		s->starts[s->len] = s->certain;
		if (doubts && !any(8)) {
			append(s, doubtful[any(COUNT(doubtful))]);
			s->certain = false;
		} else if (any(2)) {
			append(s, plain[any(COUNT(plain))]);
		} else {
			append_body(s);
		}
	}
	s->begin[REQUESTS] = s->len;
	s->starts[s->len] = s->certain;
}

/* Any segmentation at all: what is taken for a request's start is one. */
static void test_random_segments(void **state)
{
	static struct stream s;
	unsigned int taken = 0;
	(void)state;

	srand(2);
	for (int round = 0; round < 20000; round++) {
		struct zs_conn c = {.state = ZS_FRAME_HEAD};

		stream_make(&s, round % 2);
		for (size_t at = 0, n; at < s.len; at += n) {
			size_t next = 0;

			while (s.begin[next] <= at)
				next++;
			n = any(6) ? s.begin[next] - at : 1 + any(200);
			if (!any(20))
				n = s.begin[next] - at + (any(2) ? 1 : 0);
			if (n > s.len - at)
				n = s.len - at;
			if (!send_message(&c, s.text + at, n))
				continue;
			assert_true(s.starts[at]);
			taken++;
		}
		assert_true(c.state != ZS_FRAME_HEAD || s.starts[s.len]);
	}
	assert_true(taken > 20000);
}

/* Cut as a client cuts: each head in one message, alone or with some of its body. No request is
 * missed. */
static void test_clean_segments(void **state)
{
	static struct stream s;
	(void)state;

	srand(3);
	for (int round = 0; round < 5000; round++) {
		struct zs_conn c = {.state = ZS_FRAME_HEAD};

		stream_make(&s, false);
		for (size_t i = 0; i < REQUESTS; i++) {
			size_t at = s.begin[i], end = s.begin[i + 1];
			size_t head = (size_t)(strstr(s.text + at, "\r\n\r\n") + 4 - s.text) - at;
			size_t n = head + any(end - at - head + 1);

			assert_true(send_message(&c, s.text + at, n));
			for (at += n; at < end; at += n) {
				n = 1 + any(end - at);
				assert_false(send_message(&c, s.text + at, n));
			}
			assert_int_equal(c.state, ZS_FRAME_HEAD);
		}
	}
}

static int setup(void **state)
{
	(void)state;
	return zs_fields_build(&tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_messages),	cmocka_unit_test(test_head_splits),
		cmocka_unit_test(test_body_splits),	cmocka_unit_test(test_long_messages),
		cmocka_unit_test(test_random_segments), cmocka_unit_test(test_clean_segments),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
