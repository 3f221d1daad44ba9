// SPDX-License-Identifier: GPL-2.0-or-later
/* Responses: where they end, and that everything odd is refused. */
#include "fields.h"

#include <zs/respond.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK "HTTP/1.1 200 OK\r\n"

static struct zs_tables tables;
static struct zs_request r;

static int setup(void **state)
{
	(void)state;
	return zs_fields_build(&tables);
}

static enum zs_scan scan(const char *text, size_t len)
{
	memset(&r, 0xee, sizeof(r));
	memcpy(r.head, text, len);
	return zs_respond_scan(&r, &tables, (__u32)len);
}

/* What is said about the body by a head that is whole. */
static enum zs_respond body(const char *text, int to_head)
{
	assert_int_equal(scan(text, strlen(text)), ZS_SCAN_OK);
	assert_int_equal(r.head_len, strlen(text));
	zs_request_fields(&r, &tables);
	return zs_respond_body(&r, to_head);
}

static void test_bodies(void **state)
{
	static const struct {
		const char *head;
		enum zs_respond get, head_too;
		unsigned int length;
	} rows[] = {
		{OK "Content-Length: 5\r\n\r\n", ZS_RESPOND_LENGTH, ZS_RESPOND_NONE, 5},
		{OK "content-length:0\r\n\r\n", ZS_RESPOND_NONE, ZS_RESPOND_NONE, 0},
		{OK "Transfer-Encoding: chunked\r\n\r\n", ZS_RESPOND_CHUNKED, ZS_RESPOND_NONE, 0},
		{OK "Transfer-Encoding: Chunked\r\nX-A: b\r\n\r\n", ZS_RESPOND_CHUNKED, ZS_RESPOND_NONE, 0},
		{OK "\r\n", ZS_RESPOND_BAD, ZS_RESPOND_NONE, 0},
		{OK "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n", ZS_RESPOND_LENGTH, ZS_RESPOND_NONE, 5},
		{"HTTP/1.1 204 No Content\r\n\r\n", ZS_RESPOND_NONE, ZS_RESPOND_NONE, 0},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", ZS_RESPOND_NONE, ZS_RESPOND_NONE, 7},
		{"HTTP/1.1 100 Continue\r\n\r\n", ZS_RESPOND_INTERIM, ZS_RESPOND_INTERIM, 0},
		{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", ZS_RESPOND_INTERIM, ZS_RESPOND_INTERIM, 0},
		{"HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\n", ZS_RESPOND_LENGTH, ZS_RESPOND_NONE, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(body(rows[i].head, 1), rows[i].head_too);
		assert_int_equal(body(rows[i].head, 0), rows[i].get);
		assert_int_equal(r.content_length, rows[i].length);
	}
}

static void test_refused(void **state)
{
	static const char *const heads[] = {
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/1.1 099 X\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 600 X\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n",
		OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		OK "Content-Length: 5, 5\r\n\r\n",
		OK "Content-Length: +5\r\n\r\n",
		OK "Content-Length: 5x\r\n\r\n",
		OK "Content-Length: \r\n\r\n",
		OK "Content-Length: 1234567890123456\r\n\r\n",
		OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		OK "Transfer-Encoding: identity\r\n\r\n",
		OK "Content-Length: 5\r\nConnection: close\r\n\r\n",
		OK "Content-Length: 5\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
		OK "Content-Length: 5\r\nConnection: keep-alive, close\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++)
		assert_int_equal(body(heads[i], 0), ZS_RESPOND_BAD);
	assert_int_equal(body("HTTP/1.1 101 X\r\n\r\n", 1), ZS_RESPOND_BAD);
	assert_int_equal(body(OK "Connection: close\r\n\r\n", 1), ZS_RESPOND_BAD);
}

static void test_scan(void **state)
{
	static const char whole[] = OK "Content-Length: 5\r\nX: y\r\n\r\nhello";
	static const char *const bad[] = {
		"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 20 OKAY\r\n\r\n", "HTTP/1.1 2000 K\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\n\nabcdefg", "HTTP/1.1 200 O\x01K\r\n\r\n",
		OK "A : b\r\n\r\n", OK " folded\r\n\r\n", OK "A\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
	};

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 6; n++)
		assert_int_equal(scan(whole, n), ZS_SCAN_SHORT);
	assert_int_equal(scan(whole, sizeof(whole) - 1), ZS_SCAN_OK);
	assert_int_equal(r.head_len, sizeof(whole) - 6);
	assert_int_equal(zs_respond_status(&r), 200);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(scan(bad[i], strlen(bad[i])), ZS_SCAN_BAD);
}

/* --- chunks ---------------------------------------------------------------------------------------- */

/* Feeds a chunked body in pieces of `piece`; returns the data's length, -1: refused, -2: not at its end. */
static long feed(const char *text, size_t len, size_t piece)
{
	struct zs_accept a = {.reply = ZS_REPLY_CHUNKED};
	long data = 0;

	for (size_t at = 0; at < len;) {
		size_t n = len - at < piece ? len - at : piece;

		if (a.step == ZS_CHUNK_DATA) {
			n = n < a.reply_left ? n : a.reply_left;
			a.reply_left -= n;
			data += (long)n;
			at += n;
			if (!a.reply_left)
				a.step = ZS_CHUNK_CR;
			continue;
		}
		at += zs_chunk_take(&a, (const __u8 *)text + at, (__u32)(n < ZS_CHUNK_WINDOW ? n : ZS_CHUNK_WINDOW));
		if (a.step == ZS_CHUNK_BAD)
			return -1;
		if (a.step == ZS_CHUNK_END)
			return at == len ? data : -3;
	}
	return -2;
}

static void test_chunks(void **state)
{
	static const struct {
		const char *text;
		long data;
	} rows[] = {
		{"0\r\n\r\n", 0}, {"5\r\nhello\r\n0\r\n\r\n", 5}, {"00000005\r\nhello\r\n000\r\n\r\n", 5},
		{"A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", 11}, {"a\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n", 10},
		{"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", 7}, {"000000005\r\nhello\r\n0\r\n\r\n", -1}, {"\r\n\r\n", -1},
		{"5;a=b\r\nhello\r\n0\r\n\r\n", -1}, {"5 \r\nhello\r\n0\r\n\r\n", -1}, {"0x5\r\nhello\r\n0\r\n\r\n", -1},
		{"5\nhello\n0\n\n", -1}, {"5\r\nhelloo\r\n0\r\n\r\n", -1}, {"5\r\nhell\r\n0\r\n\r\n", -1},
		{"0\r\nTrailer: a\r\n\r\n", -1}, {"-1\r\n", -1}, {"5\r\nhello\r\n", -2}, {"0\r\n", -2}, {"0\r\n\r", -2},
		{"g\r\n", -1}, {"5\r\rhello", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t piece = 1; piece < 40; piece++)
			assert_int_equal(feed(rows[i].text, strlen(rows[i].text), piece), rows[i].data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_chunks),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
