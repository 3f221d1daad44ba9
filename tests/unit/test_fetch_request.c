// SPDX-License-Identifier: GPL-2.0-or-later
/* What a background fetch sends, byte for byte, and what it refuses to send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/fetch_origin.h"
#include "log.h"

static struct answer answer;

static bool to_listener; /* of the fetches below */

static int start_head(struct zs_fetch *f, const struct origin *o, const char *target,
		      const char *head, struct answer *a)
{
	return zs_fetch_start(f, &(struct zs_fetch_request){.digest = DIGEST,
							    .to = o->key,
							    .target = target,
							    .target_len = strlen(target),
							    .head = head,
							    .head_len = strlen(head),
							    .to_listener = to_listener,
							    .user = a});
}

static void expect_request(const char *target, const char *head, const char *request)
{
	struct origin o = {.parts = {"HTTP/1.1 204 No Content\r\n\r\n"}, .hold = true};
	struct zs_fetch *f;

	memset(&answer, 0, sizeof(answer));
	assert_int_equal(zs_fetch_create(&limits, done, &f), 0);
	origin_start(&o);
	assert_int_equal(start_head(f, &o, target, head, &answer), 0);
	run(f, &answer, 1);
	zs_fetch_destroy(f);
	origin_stop(&o);
	assert_int_equal(answer.status, 0);
	assert_string_equal(o.request, request);
}

static void test_bare(void **state)
{
	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
	expect_request("/", "GET / HTTP/1.1\r\nHost: a.test:8080\r\n\r\n",
		       "GET / HTTP/1.1\r\nHost: a.test:8080\r\n\r\n");
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static void test_exact(void **state)
{
	(void)state;
	expect_request("/a/../b//%2e%41?x=[1]&y={z}|'\"#no",
		       "HEAD /a/../b//%2e%41?x=[1]&y={z}|'\"#no HTTP/1.1\r\n"
		       "user-agent:  curl/0 (x; y)\r\n"
		       "host: A.Test\r\n"
		       "accept:\t*/*;q=0.5 \r\n"
		       "Accept-Encoding: gzip, br\r\n"
		       "X-Empty:\r\n"
		       "X-Blank:  \r\n"
		       "X-Latin: caf\xe9;\r\n"
		       "Accept-Language: de\r\n"
		       "Accept-Language: en\r\n\r\n",
		       "GET /a/../b//%2e%41?x=[1]&y={z}|'\"#no HTTP/1.1\r\n"
		       "Host: A.Test\r\n"
		       "user-agent:  curl/0 (x; y)\r\n"
		       "accept:\t*/*;q=0.5 \r\n"
		       "Accept-Encoding: gzip, br\r\n"
		       "X-Empty:\r\n"
		       "X-Blank:\r\n"
		       "X-Latin: caf\xe9;\r\n"
		       "Accept-Language: de\r\n"
		       "Accept-Language: en\r\n\r\n");
}

static void test_dropped(void **state)
{
	(void)state;
	expect_request(
		"/d",
		"GET /d HTTP/1.1\r\nHost: a.test\r\nConnection: Keep-Alive\r\nKeep-Alive: 5\r\n"
		"Proxy-Authorization: x\r\nproxy-connection: x\r\nTE: trailers\r\nTrailer: x\r\n"
		"Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nIf-None-Match: \"x\"\r\n"
		"if-modified-since: x\r\nIf-Range: x\r\nRange: bytes=0-1\r\nCookie: a=b\r\n"
		"AUTHORIZATION: Basic x\r\nContent-Length: 0\r\nExpect: 100-continue\r\n"
		"Cache-Control: no-cache\r\nPragma: no-cache\r\nX-Kept: yes\r\nTEX: kept\r\n\r\n",
		"GET /d HTTP/1.1\r\nHost: a.test\r\nX-Kept: yes\r\nTEX: kept\r\n\r\n");
}

/* To a listener of Caddy's: never answered by the kernel, and known in its log. */
static void test_listener(void **state)
{
	(void)state;
	to_listener = true;
	expect_request("/l", "GET /l HTTP/1.1\r\nHost: a.test\r\nUSER-AGENT: curl/0\r\nConnection: keep-alive\r\n"
			     "Accept: */*\r\nX-A: b\r\n\r\n",
		       "GET /l HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nX-A: b\r\nConnection: close\r\n"
		       "User-Agent: zeroserve/" ZS_VERSION "\r\n\r\n");
	to_listener = false;
}

static void test_refused(void **state)
{
	static const struct {
		const char *target, *head;
	} bad[] = {
		{"/a", ""},
		{"/a", "GET /a HTTP/1.1\r\n"},
		{"/a", "GET /a HTTP/1.1\r\n\r\n"},
		{"/a", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"/a", "GET /ab HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"/a", "GET /a HTTP/1.0\r\nHost: x\r\n\r\n"},
		{"/a", "POST /a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"", "GET  HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a", "GET a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"/a b", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: \r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\nNoColon\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: x-secret\r\n\r\n"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nbody"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\n\r"},
		{"/a", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n\r\n"},
	};
	struct origin o = {.key = {.port = 1}};
	struct zs_fetch *f;

	(void)state;
	assert_int_equal(zs_fetch_create(&limits, done, &f), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int err = start_head(f, &o, bad[i].target, bad[i].head, NULL);

		if (err != -EINVAL)
			fail_msg("accepted: %s", bad[i].head);
	}
	o.key.port = 0;
	assert_int_equal(start_head(f, &o, "/", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", NULL),
			 -EINVAL);
	assert_int_equal(zs_fetch_active(f), 0);
	zs_fetch_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_refused),
	};

	zs_log_level_set(ZS_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
