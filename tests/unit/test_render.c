// SPDX-License-Identifier: GPL-2.0-or-later
/* The heads under which stored responses are served, byte for byte. */
#include "policy_rows.h"
#include "render.h"

#include <errno.h>

#define SLOT  "          "
#define START "HTTP/1.1 200 OK\r\n"
#define OURS  "Age: " SLOT "\r\nCache-Status: zeroserve; hit; ttl=" SLOT "\r\n"
#define TAIL  "Content-Length: 42\r\n" OURS "\r\n"

static const struct {
	const char *name;
	const char *status_line;
	const char *fields;
	const char *head;
} heads[] = {
	{"nothing", "HTTP/1.1 200 ", "", START DATE TAIL},
	{"another reason", "HTTP/1.1 200 Fine,  \xe4h", DATE,
	 "HTTP/1.1 200 Fine,  \xe4h\r\n" DATE TAIL},
	{"order, case and bytes are kept", "HTTP/1.1 200 OK",
	 "x-B:  two  words \r\nETag: \"\xff\t\"\r\n" DATE_10_AGO FRESH "X-b: again\r\nEmpty:\r\n",
	 START "x-B: two  words\r\nETag: \"\xff\t\"\r\n" DATE_10_AGO FRESH
	       "X-b: again\r\nEmpty: \r\n" TAIL},
	{"Expires and Vary are kept", "HTTP/1.1 200 OK",
	 DATE EXPIRES_60 "Vary: Accept-Encoding\r\n",
	 START DATE EXPIRES_60 "Vary: Accept-Encoding\r\n" TAIL},
	{"fields of the connection", "HTTP/1.1 200 OK",
	 "Connection: close, X-Foo\r\nA: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n"
	 "TE: x\r\nUpgrade: x\r\nProxy-Authenticate: x\r\nProxy-Authentication-Info: x\r\n"
	 "Proxy-Authorization: x\r\nTrailer: x\r\nX-FOO: 1\r\nconnection: x-bar\r\nB: 2\r\n"
	 "x-bar: 1\r\nX-Bar: 2\r\nX-Foo-Bar: 3\r\n" DATE,
	 START "A: 1\r\nB: 2\r\nX-Foo-Bar: 3\r\n" DATE TAIL},
	{"Age is replaced", "HTTP/1.1 200 OK", "Age: 5\r\n" DATE "AGE: 6\r\n", START DATE TAIL},
	{"Cache-Status stays before ours", "HTTP/1.1 200 OK",
	 "Cache-Status: up; hit\r\n" DATE "Cache-Status: mid; fwd=miss\r\n",
	 START "Cache-Status: up; hit\r\n" DATE "Cache-Status: mid; fwd=miss\r\n" TAIL},
	{"an open quote in a Cache-Status", "HTTP/1.1 200 OK", DATE "Cache-Status: \"up\r\n",
	 START DATE "Cache-Status: \"up\r\n" TAIL},
	{"Surrogate-Control was for us, the rest is for everybody", "HTTP/1.1 200 OK",
	 DATE "Surrogate-Control: max-age=5\r\nCDN-Cache-Control: max-age=5\r\n"
	      "Surrogate-Key: a\r\nxkey: b\r\nCache-Tag: c\r\nX-Accel-Expires: 5\r\n",
	 START DATE "CDN-Cache-Control: max-age=5\r\nSurrogate-Key: a\r\nxkey: b\r\n"
		    "Cache-Tag: c\r\nX-Accel-Expires: 5\r\n" TAIL},
	{"Date named by Connection comes back", "HTTP/1.1 200 OK",
	 "Connection: date\r\n" DATE_10_AGO, START DATE TAIL},
};

static void test_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct zs_rendered out;
		struct zs_response r, again;
		uint8_t buf[ZS_ANSWER_HEAD_MAX];
		size_t len = strlen(heads[i].head);

		print_message("  %s\n", heads[i].name);
		parse(&r, heads[i].status_line, heads[i].fields);
		assert_int_equal(zs_render_head(&r, 42, WALL, buf, sizeof(buf), &out), 0);
		assert_int_equal(out.head_len, len);
		assert_memory_equal(buf, heads[i].head, len);
		assert_int_equal(out.ttl_off, len - 4 - ZS_SLOT_DIGITS);
		assert_memory_equal(buf + out.ttl_off - 9, "hit; ttl=" SLOT "\r\n\r\n", 23);
		assert_memory_equal(buf + out.age_off - 7, "\r\nAge: " SLOT "\r\n", 19);
		assert_int_equal(zs_response_head(buf, out.head_len, &again), 0);
		assert_int_equal(again.content_length, 42);
		/* exactly that much room, and one less */
		out.head_len = 77;
		assert_int_equal(zs_render_head(&r, 42, WALL, buf, len - 1, &out), -E2BIG);
		assert_int_equal(out.head_len, 77);
		assert_int_equal(zs_render_head(&r, 42, WALL, buf, len, &out), 0);
		assert_int_equal(zs_render_head(&r, 42, WALL, NULL, 0, &out), -E2BIG);
	}
}

/* Every stored status; a 204 says nothing of a length (RFC 9110 8.6). */
static void test_statuses(void **state)
{
	static const struct {
		const char *received;
		uint64_t body_len;
		const char *head;
	} rows[] = {
		{"HTTP/1.1 204 No Content\r\n" DATE "\r\n", 0,
		 "HTTP/1.1 204 No Content\r\n" DATE OURS},
		{"HTTP/1.1 204 \r\nContent-Length: 0\r\n" DATE "\r\n", 0,
		 "HTTP/1.1 204 \r\n" DATE OURS},
		{"HTTP/1.1 301 Gone away\r\nLocation: /x\r\nContent-Length: 0\r\n" DATE "\r\n", 0,
		 "HTTP/1.1 301 Gone away\r\nLocation: /x\r\n" DATE "Content-Length: 0\r\n" OURS},
		{"HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n" DATE "\r\n", 7,
		 "HTTP/1.1 404 \r\n" DATE "Content-Length: 7\r\n" OURS},
	};
	static const char not_modified[] = "HTTP/1.1 304 X\r\n" DATE "\r\n";
	uint8_t buf[ZS_ANSWER_HEAD_MAX];
	struct zs_response r, again;
	struct zs_rendered out;
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].head);

		assert_int_equal(zs_response_head((const uint8_t *)rows[i].received,
						  strlen(rows[i].received), &r),
				 0);
		assert_int_equal(zs_render_head(&r, rows[i].body_len, WALL, buf, sizeof(buf), &out),
				 0);
		assert_int_equal(out.head_len, len + 2);
		assert_memory_equal(buf, rows[i].head, len);
		assert_int_equal(zs_response_head(buf, out.head_len, &again), 0);
		assert_int_equal(again.status, r.status);
	}
	assert_int_equal(
		zs_response_head((const uint8_t *)rows[0].received, strlen(rows[0].received), &r),
		0);
	assert_int_equal(zs_render_head(&r, 1, WALL, buf, sizeof(buf), &out), -EINVAL);
	assert_int_equal(zs_response_head((const uint8_t *)not_modified, strlen(not_modified), &r),
			 0);
	assert_int_equal(zs_render_head(&r, 0, WALL, buf, sizeof(buf), &out), -EINVAL);
}

#define START_304 "HTTP/1.1 304 Not Modified\r\n"

/* RFC 9110 15.4.5 */
static void test_not_modified(void **state)
{
	static const struct {
		const char *fields;
		const char *head;
	} rows[] = {
		{"Content-Type: text/plain\r\nX-Other: 1\r\n", START_304 DATE OURS},
		{"Server: x\r\nETag: W/\"a\"\r\n" DATE_10_AGO FRESH EXPIRES_60
		 "CDN-Cache-Control: max-age=5\r\nContent-Location: /x\r\nVary: Accept-Encoding\r\n"
		 "Last-Modified: "
		 "Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Encoding: gzip\r\n",
		 START_304
		 "ETag: W/\"a\"\r\n" DATE_10_AGO FRESH EXPIRES_60
		 "CDN-Cache-Control: max-age=5\r\nContent-Location: /x\r\nVary: Accept-Encoding\r\n"
		 "Last-Modified: "
		 "Sun, 06 Nov 1994 08:49:37 GMT\r\n" OURS},
		{"Age: 5\r\nCache-Status: x\r\nSurrogate-Control: max-age=5\r\nSet-Cookie: a=b\r\n"
		 "Connection: vary\r\nVary: x\r\n" DATE,
		 START_304 DATE OURS},
	};
	uint8_t buf[ZS_ANSWER_HEAD_MAX];
	struct zs_response r, again;
	struct zs_rendered out;
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].head);

		parse(&r, "HTTP/1.1 200 OK", rows[i].fields);
		assert_int_equal(zs_render_not_modified(&r, WALL, buf, sizeof(buf), &out), 0);
		assert_int_equal(out.head_len, len + 2);
		assert_memory_equal(buf, rows[i].head, len);
		assert_memory_equal(buf + out.ttl_off - 9, "hit; ttl=" SLOT "\r\n\r\n", 23);
		assert_memory_equal(buf + out.age_off - 7, "\r\nAge: " SLOT "\r\n", 19);
		assert_int_equal(zs_response_head(buf, out.head_len, &again), 0);
		assert_int_equal(again.status, 304);
		out.head_len = 77;
		assert_int_equal(zs_render_not_modified(&r, WALL, buf, len + 1, &out), -E2BIG);
		assert_int_equal(zs_render_not_modified(&r, INT64_MAX, buf, sizeof(buf), &out),
				 -EINVAL);
		assert_int_equal(out.head_len, 77);
	}
	parse(&r, "HTTP/1.1 404 X", DATE);
	assert_int_equal(zs_render_not_modified(&r, WALL, buf, sizeof(buf), &out), -EINVAL);
}

static void test_chunked_head(void **state)
{
	static const char text[] = START "Transfer-Encoding: chunked\r\n" DATE "\r\n";
	uint8_t buf[ZS_ANSWER_HEAD_MAX];
	struct zs_rendered out;
	struct zs_response r;
	(void)state;

	assert_int_equal(zs_response_head((const uint8_t *)text, sizeof(text) - 1, &r), 0);
	assert_int_equal(zs_render_head(&r, 42, WALL, buf, sizeof(buf), &out), 0);
	assert_int_equal(out.head_len, strlen(START DATE TAIL));
	assert_memory_equal(buf, START DATE TAIL, out.head_len);
}

static void test_head_limits(void **state)
{
	static uint8_t buf[2 * ZS_ANSWER_HEAD_MAX];
	static char text[2 * ZS_ANSWER_HEAD_MAX];
	const size_t fixed = strlen(START DATE "A: \r\n" TAIL);
	struct zs_rendered out;
	struct zs_response r;
	size_t n;
	(void)state;

	for (size_t over = 0; over < 2; over++) {
		n = (size_t)sprintf(text, DATE "A: ");
		memset(text + n, 'x', ZS_ANSWER_HEAD_MAX - fixed + over);
		strcpy(text + n + ZS_ANSWER_HEAD_MAX - fixed + over, "\r\n");
		parse(&r, "HTTP/1.1 200 OK", text);
		assert_int_equal(zs_render_head(&r, 42, WALL, buf, sizeof(buf), &out),
				 over ? -E2BIG : 0);
	}
	assert_int_equal(ZS_ANSWER_HEAD_MAX, ZS_RESPONSE_HEAD_MAX);

	/* Date, Content-Length, Age and Cache-Status are added: 124 others are the most */
	for (unsigned int count = 124; count <= 127; count++) {
		n = 0;
		for (unsigned int i = 0; i < count; i++)
			n += (size_t)sprintf(text + n, "A%u: x\r\n", i);
		parse(&r, "HTTP/1.1 200 OK", text);
		assert_int_equal(zs_render_head(&r, 42, WALL, buf, sizeof(buf), &out),
				 count > 124 ? -E2BIG : 0);
	}

	parse(&r, "HTTP/1.1 200 X", DATE);
	assert_int_equal(zs_render_head(&r, 42, INT64_MAX, buf, sizeof(buf), &out), -EINVAL);
	assert_int_equal(zs_render_head(&r, UINT64_MAX, WALL, buf, sizeof(buf), &out), 0);
	assert_non_null(
		memmem(buf, out.head_len, "\r\nContent-Length: 18446744073709551615\r\n", 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),	     cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_not_modified), cmocka_unit_test(test_chunked_head),
		cmocka_unit_test(test_head_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
