// SPDX-License-Identifier: GPL-2.0-or-later
/* Background fetches from small origins that behave, dawdle, lie and babble; and their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/fetch_origin.h"
#include "log.h"

static int start(struct zs_fetch *f, const struct origin *o, uint64_t digest, struct answer *a)
{
	static const char head[] = "GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n";

	return zs_fetch_start(f, &(struct zs_fetch_request){.digest = digest,
							    .to = o->key,
							    .target = "/a",
							    .target_len = 2,
							    .head = head,
							    .head_len = strlen(head),
							    .user = a});
}

static void fetch_one(struct origin *o, const struct zs_fetch_limits *l, struct answer *a)
{
	struct zs_fetch *f;

	memset(a, 0, sizeof(*a));
	assert_int_equal(zs_fetch_create(l, done, &f), 0);
	origin_start(o);
	assert_int_equal(start(f, o, DIGEST, a), 0);
	assert_int_equal(zs_fetch_active(f), 1);
	run(f, a, 1);
	assert_int_equal(zs_fetch_active(f), 0);
	assert_true(a->digest == DIGEST);
	zs_fetch_destroy(f);
	origin_stop(o);
}

static struct answer answer;

static void expect(struct origin *o, int status, const char *text)
{
	fetch_one(o, &limits, &answer);
	assert_int_equal(answer.status, status);
	assert_string_equal(answer.text, text);
}

/* --- responses ------------------------------------------------------------------------------- */

static void test_content_length(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nX-a:  b \r\ncontent-LENGTH: 5\r\n\r\nhello";
	struct origin o = {.parts = {text}, .hold = true};
	uint64_t before = now_ns(CLOCK_BOOTTIME), after;

	(void)state;
	expect(&o, 0, text);
	after = now_ns(CLOCK_BOOTTIME);
	assert_true(before <= answer.started && answer.started <= answer.first_byte);
	assert_true(answer.first_byte <= after);
	assert_int_equal(answer.len, strlen(text));
}

static void test_chunked_raw(void **state)
{
	static const char whole[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				    "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
	struct origin one = {.parts = {whole}, .hold = true};
	struct origin split = {.parts = {"HTTP/1.1 200 OK\r\nTransfer-Enc",
					 "oding: chunked\r\n\r\n5;x", "=y\r\nhel", "lo\r",
					 "\n6\r\n world", "\r\n0\r\n\r", "\n"},
			       .pause_ms = 30,
			       .hold = true};

	(void)state;
	expect(&one, 0, whole);
	expect(&split, 0, whole);
}

static void test_chunked_trailer(void **state)
{
	static const char whole[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				    "2\r\nhi\r\n0\r\nEtag: \"x\"\r\n\r\n";
	struct origin one = {.parts = {whole}, .hold = true};
	struct origin split = {.parts = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
					 "2\r\nhi\r\n0\r\nEt", "ag: \"x\"\r\n\r", "\n"},
			       .pause_ms = 30,
			       .hold = true};

	(void)state;
	expect(&one, 0, whole);
	expect(&split, 0, whole);
}

static void test_chunked_broken(void **state)
{
	struct origin cut = {.parts = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				       "5\r\nhello\r\n"}};
	struct origin bad = {.parts = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				       "xyz\r\nhello\r\n"},
			     .hold = true};

	(void)state;
	expect(&cut, -EPROTO, "");
	expect(&bad, -EPROTO, "");
}

static void test_coded_body_untouched(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
				   "Content-Length: 8\r\n\r\nnot gzip";
	struct origin o = {.parts = {text}, .hold = true};

	(void)state;
	expect(&o, 0, text);
}

static void test_until_close(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end";
	struct origin o = {.parts = {text}};

	(void)state;
	expect(&o, 0, text);
}

static void test_interim_and_bodiless(void **state)
{
	static const char text[] = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
				   "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n";
	struct origin o = {.parts = {text}, .hold = true};

	(void)state;
	expect(&o, 0, text);
}

static void test_redirect_not_followed(void **state)
{
	char text[256];
	struct origin o = {.parts = {text}, .hold = true};

	(void)state;
	origin_listen(&o, AF_INET);
	snprintf(text, sizeof(text),
		 "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/b\r\n"
		 "Content-Length: 0\r\n\r\n",
		 o.key.port);
	expect(&o, 0, text);
	assert_int_equal(o.connections, 1);
}

static void test_surplus_is_cut(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
	struct origin o = {.parts = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
				     "hiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"}};

	(void)state;
	expect(&o, 0, text);
}

/* libcurl 7.88 hands over the whole piece that the last chunk came in: the response parser must
 * look. */
static void test_surplus_after_chunks(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "2\r\nhi\r\n0\r\n\r\n";
	struct origin o = {.parts = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				     "2\r\nhi\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil"},
			   .hold = true};

	(void)state;
	fetch_one(&o, &limits, &answer);
	assert_int_equal(answer.status, 0);
	assert_memory_equal(answer.text, text, strlen(text));
}

static void test_ipv6(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
	struct origin o = {.parts = {text}, .hold = true};

	(void)state;
	origin_listen(&o, AF_INET6);
	expect(&o, 0, text);
	assert_non_null(strstr(o.request, "Host: example.test\r\n"));
}

/* --- bad origins ----------------------------------------------------------------------------- */

static void test_short_body(void **state)
{
	struct origin o = {.parts = {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"}};

	(void)state;
	expect(&o, -EPROTO, "");
}

static void test_silence_and_reset(void **state)
{
	struct origin silent = {.parts = {NULL}};
	struct origin reset = {
		.parts = {"HTTP/1.1 200 OK\r\n\r\npart", " of it"}, .pause_ms = 50, .reset = true};

	(void)state;
	expect(&silent, -ECONNRESET, "");
	expect(&reset, -ECONNRESET, "");
}

static void test_garbage(void **state)
{
	struct origin none = {.parts = {"\x16\x03\x01 this is no HTTP at all\r\n\r\n"}};
	struct origin old = {.parts = {"<html>0.9</html>"}};
	struct origin two = {.parts = {"HTTP/2 200\r\n\r\n"}};

	(void)state;
	expect(&none, -EPROTO, "");
	expect(&old, -EPROTO, "");
	/* libcurl takes "HTTP/2" for a head; the response parser will not */
	fetch_one(&two, &limits, &answer);
	if (!answer.status)
		assert_string_equal(answer.text, "HTTP/2 200\r\n\r\n");
}

static void test_endless(void **state)
{
	struct origin body = {.parts = {"HTTP/1.1 200 OK\r\n\r\n"}, .endless = true};
	struct origin head = {.parts = {"HTTP/1.1 200 OK\r\nX: "}, .endless = true};
	struct origin announced = {.parts = {"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"},
				   .hold = true};

	(void)state;
	expect(&body, -EMSGSIZE, "");
	fetch_one(&head, &limits, &answer);
	assert_true(answer.status < 0);
	expect(&announced, -EMSGSIZE, "");
}

static void test_slow(void **state)
{
	const struct zs_fetch_limits hasty = {
		.concurrency = 1, .rate = 10, .timeout_ms = 300, .max_bytes = 32768};
	struct origin mute = {.parts = {NULL}, .hold = true};
	struct origin drip = {.parts = {"HTTP/1.1 200 OK\r\n\r\n", "a", "b", "c", "d", "e", "f"},
			      .pause_ms = 100,
			      .hold = true};
	uint64_t before = now_ns(CLOCK_MONOTONIC);

	(void)state;
	fetch_one(&mute, &hasty, &answer);
	assert_int_equal(answer.status, -ETIMEDOUT);
	assert_true(answer.first_byte == 0);
	assert_true(now_ns(CLOCK_MONOTONIC) - before < 2000000000u);
	fetch_one(&drip, &hasty, &answer);
	assert_int_equal(answer.status, -ETIMEDOUT);
}

static void test_refused(void **state)
{
	struct origin o = {0};
	struct zs_fetch *f;

	(void)state;
	memset(&answer, 0, sizeof(answer));
	origin_listen(&o, AF_INET);
	close(o.listener);
	assert_int_equal(zs_fetch_create(&limits, done, &f), 0);
	assert_int_equal(start(f, &o, DIGEST, &answer), 0);
	run(f, &answer, 1);
	assert_int_equal(answer.status, -ECONNREFUSED);
	zs_fetch_destroy(f);
}

/* --- limits ---------------------------------------------------------------------------------- */

static struct zs_fetch *again_fetch;
static const struct origin *again_origin;

static void start_again(struct answer *a)
{
	assert_int_equal(start(again_fetch, again_origin, a->digest, a), 0);
}

static void test_one_per_digest(void **state)
{
	struct origin o = {
		.parts = {"", "HTTP/1.1 204 No Content\r\n\r\n"}, .pause_ms = 100, .hold = true};
	struct zs_fetch *f;

	(void)state;
	memset(&answer, 0, sizeof(answer));
	assert_int_equal(zs_fetch_create(&limits, done, &f), 0);
	origin_start(&o);
	assert_int_equal(start(f, &o, 1, &answer), 0);
	assert_int_equal(start(f, &o, 1, &answer), -EEXIST);
	assert_int_equal(start(f, &o, 2, &answer), 0);
	assert_int_equal(zs_fetch_active(f), 2);
	again_fetch = f; /* the first to finish begins once more, within its callback */
	again_origin = &o;
	answer.hook = start_again;
	run(f, &answer, 3);
	assert_int_equal(start(f, &o, 1, &answer), 0);
	zs_fetch_destroy(f); /* with one in flight: no callback */
	assert_int_equal(answer.calls, 3);
	origin_stop(&o);
}

static void test_concurrency(void **state)
{
	const struct zs_fetch_limits two = {
		.concurrency = 2, .rate = 100, .timeout_ms = 3000, .max_bytes = 4096};
	struct origin o = {
		.parts = {"", "HTTP/1.1 204 No Content\r\n\r\n"}, .pause_ms = 50, .hold = true};
	struct zs_fetch *f;

	(void)state;
	memset(&answer, 0, sizeof(answer));
	assert_int_equal(zs_fetch_create(&two, done, &f), 0);
	origin_start(&o);
	assert_int_equal(start(f, &o, 1, &answer), 0);
	assert_int_equal(start(f, &o, 2, &answer), 0);
	assert_int_equal(start(f, &o, 3, &answer), -EAGAIN);
	assert_int_equal(start(f, &o, 2, &answer), -EEXIST);
	run(f, &answer, 1);
	assert_int_equal(start(f, &o, 3, &answer), 0);
	run(f, &answer, 3);
	zs_fetch_destroy(f);
	origin_stop(&o);
}

static void test_rate(void **state)
{
	const struct zs_fetch_limits five = {
		.concurrency = 64, .rate = 5, .timeout_ms = 3000, .max_bytes = 4096};
	const struct zs_fetch_limits none = {
		.concurrency = 1, .rate = 0, .timeout_ms = 3000, .max_bytes = 4096};
	struct origin o = {.parts = {"HTTP/1.1 204 No Content\r\n\r\n"}, .hold = true};
	struct zs_fetch *f;

	(void)state;
	memset(&answer, 0, sizeof(answer));
	assert_int_equal(zs_fetch_create(&five, done, &f), 0);
	origin_start(&o);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(start(f, &o, i, &answer), 0);
	assert_int_equal(start(f, &o, 5, &answer), -EAGAIN);
	assert_int_equal(zs_fetch_start(f, &(struct zs_fetch_request){.to = o.key, .digest = 9}),
			 -EINVAL); /* looked at first: a bad head costs nothing */
	poll(NULL, 0, 250);
	assert_int_equal(start(f, &o, 5, &answer), 0);
	assert_int_equal(start(f, &o, 6, &answer), -EAGAIN);
	run(f, &answer, 6);
	zs_fetch_destroy(f);
	assert_int_equal(zs_fetch_create(&none, done, &f), 0);
	assert_int_equal(start(f, &o, 1, &answer), -EAGAIN);
	zs_fetch_destroy(f);
	origin_stop(&o);
}

static void test_limits_checked(void **state)
{
	struct zs_fetch *f = NULL;
	struct zs_fetch_limits bad = limits;

	(void)state;
	bad.concurrency = 0;
	assert_int_equal(zs_fetch_create(&bad, done, &f), -EINVAL);
	bad = limits;
	bad.timeout_ms = 0;
	assert_int_equal(zs_fetch_create(&bad, done, &f), -EINVAL);
	assert_null(f);
	zs_fetch_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_chunked_raw),
		cmocka_unit_test(test_chunked_trailer),
		cmocka_unit_test(test_chunked_broken),
		cmocka_unit_test(test_coded_body_untouched),
		cmocka_unit_test(test_until_close),
		cmocka_unit_test(test_interim_and_bodiless),
		cmocka_unit_test(test_redirect_not_followed),
		cmocka_unit_test(test_surplus_is_cut),
		cmocka_unit_test(test_surplus_after_chunks),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_short_body),
		cmocka_unit_test(test_silence_and_reset),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_one_per_digest),
		cmocka_unit_test(test_concurrency),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_limits_checked),
	};

	zs_log_level_set(ZS_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
