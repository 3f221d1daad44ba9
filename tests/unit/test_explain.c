// SPDX-License-Identifier: GPL-2.0-or-later
/* What explain makes of a URL and of an answer, and the list that warm reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "log.h"
#include "names.h"
#include "policy.h"
#include "visitor.h"
#include "warm_list.h"

/* --- the head ---------------------------------------------------------------------------------- */

static const char *head_of(const char *url_text, const char *const *headers)
{
	static char head[ZS_HEAD_MAX];
	struct zs_url url;
	size_t len;

	assert_int_equal(zs_url_parse(url_text, &url), 0);
	len = zs_visitor_head(headers, &url, !strncmp(url_text, "https", 5), head);
	assert_int_equal(len, strlen(head));
	return head;
}

static void test_head(void **state)
{
	static const char *const none[] = {NULL};

	(void)state;
	assert_string_equal(head_of("https://A.example:8443/x?y#z", none),
			    "GET /x?y HTTP/1.1\r\nHost: a.example:8443\r\nUser-Agent: zs-load explain\r\n"
			    "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: a.example:8443\r\n"
			    "X-Forwarded-Proto: https\r\nAccept-Encoding: gzip\r\n\r\n");
	assert_non_null(strstr(head_of("http://a/", none), "X-Forwarded-Proto: http\r\n"));
}

static void test_head_fields(void **state)
{
	static const char *const own[] = {"accept-encoding:br", "USER-AGENT: \tme ", "Cookie: a=1", "X-Empty:", NULL};
	static const char *const dropped[] = {"X-Forwarded-Host: evil", "X-Forwarded-Proto: ftp", "Keep-Alive: 5",
					      "Connection: keep-alive", "Proxy-Authorization: x", "TE: gzip", NULL};
	static const char *const upgrade[] = {"Connection: Upgrade", "Upgrade: websocket", NULL};
	static const char *const trailers[] = {"te: Trailers", NULL};
	static const char *const range[] = {"Range: bytes=0-1", NULL};
	static const char *const host[] = {"host:  Backend:9000 ", NULL};
	const char *head = head_of("https://a/", own);

	(void)state;
	assert_non_null(strstr(head, "\r\naccept-encoding: br\r\nUSER-AGENT: me\r\nCookie: a=1\r\nX-Empty: \r\n"));
	assert_null(strstr(head, "gzip"));
	assert_null(strstr(head, "zs-load"));
	head = head_of("https://a/", dropped);
	assert_null(strstr(head, "evil"));
	assert_null(strstr(head, "ftp"));
	assert_null(strstr(head, "Keep-Alive"));
	assert_null(strstr(head, "Connection"));
	assert_null(strstr(head, "Proxy-"));
	assert_null(strstr(head, "TE"));
	assert_non_null(strstr(head_of("https://a/", trailers), "\r\nte: Trailers\r\n"));
	assert_non_null(strstr(head_of("https://a/", upgrade), "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	assert_null(strstr(head_of("https://a/", range), "gzip"));
	head = head_of("https://a/", host); /* as header_up sets it */
	assert_ptr_equal(strstr(head, "GET / HTTP/1.1\r\nHost: Backend:9000\r\nUser-Agent: "), head);
	assert_non_null(strstr(head, "X-Forwarded-Host: a\r\n"));
	assert_null(strstr(head + 20, "host:"));
}

static void test_head_long(void **state)
{
	char *field = malloc(ZS_HEAD_MAX + 16), head[ZS_HEAD_MAX];
	const char *headers[] = {field, field, NULL};
	struct zs_url url;
	size_t len;

	(void)state;
	memset(field, 'a', ZS_HEAD_MAX);
	memcpy(field, "X: ", 3);
	field[ZS_HEAD_MAX] = 0;
	assert_int_equal(zs_url_parse("https://a/", &url), 0);
	assert_true(zs_visitor_head(headers, &url, true, head) > 2 * ZS_HEAD_MAX);
	assert_int_equal(strlen(head), ZS_HEAD_MAX - 1);
	field[ZS_HEAD_MAX / 2] = 0;
	assert_true(zs_visitor_head(headers, &url, true, head) >= ZS_HEAD_MAX);
	headers[1] = NULL;
	len = zs_visitor_head(headers, &url, true, head);
	assert_int_equal(len, strlen(head));
	free(field);
}

static void test_fields(void **state)
{
	static const char *const good[] = {"A: b", "a:", "X-Y.z_!#$%&'*+^`|~1:\tq\xc3", "TE: trailers", NULL};
	static const char *const bad[] = {"", "a", ":b", "a b: c", " a: b", "a : b", "a: b\r\nc: d", "a: b\n", "a: \x01",
					  "a: \x7f", "\xc3: a", "a(: b", "Content-Length: 0", "transfer-encoding: chunked",
					  "Trailer: x"};
	size_t len = 7;

	(void)state;
	zs_log_level_set(ZS_LOG_ERROR);
	assert_int_equal(zs_visitor_check("test", good), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *const one[] = {"A: b", bad[i], NULL};

		assert_int_equal(zs_visitor_check("test", one), -EINVAL);
	}
	assert_memory_equal(zs_visitor_field(good, "te", &len), "trailers", len);
	assert_int_equal(len, 8);
	assert_non_null(zs_visitor_field(good, "A", &len));
	assert_int_equal(len, 1);
	assert_null(zs_visitor_field(good, "T", &len));
	assert_null(zs_visitor_field(good, "TE: trailers", &len));
}

/* --- the words --------------------------------------------------------------------------------- */

static void test_sentences(void **state)
{
	static const struct {
		struct zs_explained e;
		const char *sentence;
	} rows[] = {
		{{.fate = ZS_FATE_HIT, .there = true, .ttl = 41, .age = 19},
		 "hit: fresh for 41 s more, age 19 s; answered in the kernel"},
		{{.fate = ZS_FATE_STALE, .there = true, .ttl = -3, .age = 63, .stale_ttl = 7},
		 "hit: stale for 3 s, age 63 s; answered in the kernel while it is refreshed, for 7 s more"},
		{{.fate = ZS_FATE_NOT_MODIFIED, .there = true, .ttl = 5, .age = 1},
		 "hit: fresh for 5 s more, age 1 s; answered in the kernel with a 304"},
		{{.fate = ZS_FATE_PASSED, .cause = "Cookie"},
		 "passed on because of Cookie: a request with such a one is the upstream's to answer; see ignore-cookies in "
		 "docs/config.md"},
		{{.fate = ZS_FATE_PASSED, .cause = "authorization"},
		 "passed on because of authorization: a request with such a one is the upstream's to answer; see authorization "
		 "in docs/config.md"},
		{{.fate = ZS_FATE_PASSED, .cause = "Range"},
		 "passed on because of Range: a request with such a one is the upstream's to answer"},
		{{.fate = ZS_FATE_ODD, .cause = "X"},
		 "passed on because of X: a request with such a one is the upstream's to answer"},
		{{.fate = ZS_FATE_ODD}, "passed on: it is not of the form that is looked at, or too long for it"},
		{{.fate = ZS_FATE_CONDITION, .there = true}, "passed on: its precondition is not strictly formed"},
		{{.fate = ZS_FATE_PASSED}, "passed on: such a request is never answered in the kernel"},
		{{.fate = ZS_FATE_PASSIVE, .cause = "Upgrade"},
		 "passed on because of Upgrade: its connection is native from then on"},
		{{.fate = ZS_FATE_UNFIT, .cause = "X-A"},
		 "miss, not recorded because of X-A: the response may depend on more of it than the key has"},
		{{.fate = ZS_FATE_HELD_OFF, .holdoff_reason = 1 + ZS_POLICY_SET_COOKIE, .holdoff_seconds = 34},
		 "not stored, and not recorded for 34 s more: The response sets a cookie."},
		{{.fate = ZS_FATE_HELD_OFF, .holdoff_seconds = 2},
		 "not stored, and not recorded for 2 s more: The response was malformed, too large, or cut short."},
		{{.fate = ZS_FATE_RECORDED}, "miss: nothing is stored; the response would be recorded"},
		{{.fate = ZS_FATE_RECORDED, .there = true, .voided = true, .ttl = 9},
		 "miss: what is stored was purged, or written to since; the response would be recorded"},
		{{.fate = ZS_FATE_RECORDED, .there = true, .ttl = -4, .stale_ttl = -4},
		 "miss: what is stored is stale for 4 s, and is not served any more; the response would be recorded"},
		{{.fate = ZS_FATE_OVER_BUDGET},
		 "miss: nothing is stored; the recording budget is used up at the moment"},
	};
	char sentence[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		zs_explain_sentence(&rows[i].e, sentence, sizeof(sentence));
		assert_string_equal(sentence, rows[i].sentence);
	}
	zs_explain_sentence(&rows[0].e, sentence, 8);
	assert_string_equal(sentence, "hit: fr");
}

static void test_words(void **state)
{
	(void)state;
	for (int i = ZS_FATE_HIT; i <= ZS_FATE_RECORDED; i++) {
		assert_non_null(zs_fate_name((enum zs_fate)i));
		assert_non_null(zs_fate_text((enum zs_fate)i));
		for (int n = 0; n < i; n++)
			assert_string_not_equal(zs_fate_name((enum zs_fate)n), zs_fate_name((enum zs_fate)i));
	}
	assert_string_equal(zs_holdoff_name(0), "unusable");
	assert_string_equal(zs_holdoff_name(1 + ZS_POLICY_NO_STORE), "no-store");
	assert_string_equal(zs_holdoff_name(1000), "unknown");
}

static void test_codings(void **state)
{
	static const struct {
		uint32_t ae;
		const char *text;
	} rows[] = {{0, "no Accept-Encoding"},
		    {ZS_AE_PRESENT, "none of gzip, br and zstd"},
		    {ZS_AE_PRESENT | ZS_AE_GZIP, "gzip"},
		    {ZS_AE_PRESENT | ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD, "gzip, br, zstd"},
		    {ZS_AE_PRESENT | ZS_AE_BR, "br"}};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		zs_codings_text(rows[i].ae, ", ", text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
	zs_codings_text(ZS_AE_GZIP | ZS_AE_BR, ",", text, 7);
	assert_string_equal(text, "gzip,b");
}

static void test_origins(void **state)
{
	static struct zs_origin_names names = {.list = {{.id = 7, .text = "a"}, {.id = 9, .text = "b"}}, .count = 2};
	struct zs_origin_key v4 = {.port = 80}, v6 = {.port = 65535};
	char text[ZS_ORIGIN_TEXT];

	(void)state;
	memcpy(v4.addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01", 16);
	zs_origin_text(&v4, text);
	assert_string_equal(text, "127.0.0.1:80");
	memset(v6.addr, 0xab, sizeof(v6.addr));
	zs_origin_text(&v6, text);
	assert_string_equal(text, "[abab:abab:abab:abab:abab:abab:abab:abab]:65535");
	assert_string_equal(zs_origin_name(&names, 9), "b");
	assert_string_equal(zs_origin_name(&names, 8), "gone");
}

/* --- the list ---------------------------------------------------------------------------------- */

static int parse(const char *text, size_t len, struct zs_warm_list *list)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, len, "r");
	int err;

	assert_non_null(file);
	err = zs_warm_list_parse(file, "list", list);
	fclose(file);
	return err;
}

static void test_list(void **state)
{
	static const char text[] = "# comment\n\n  https://A.example/x?y \r\n\t# another\nhttp://b\nhttp://c/no-newline";
	struct zs_warm_list list = {0};

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1, &list), 0);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.lines[0], "https://A.example/x?y");
	assert_string_equal(list.lines[1], "http://b");
	assert_string_equal(list.lines[2], "http://c/no-newline");
	zs_warm_list_free(&list);
	assert_int_equal(list.count, 0);
}

static void test_list_bad(void **state)
{
	static const char *const bad[] = {"x", "/path", "ftp://a/", "https://", "https://a/b c", "https://a/\x01",
					  "https://a/\xc3\xa4", "http://a/ # no comment here"};
	static const char zero[] = "https://a/\0hidden\n";
	struct zs_warm_list list = {0};
	char text[128];

	(void)state;
	zs_log_level_set(ZS_LOG_ERROR);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "https://good/\n%s\nhttps://good/\n", bad[i]);
		assert_int_equal(parse(text, strlen(text), &list), -EINVAL);
		assert_int_equal(list.count, 0);
		assert_null(list.lines);
	}
	assert_int_equal(parse(zero, sizeof(zero) - 1, &list), -EINVAL);
	assert_int_equal(parse("\n", 1, &list), 0);
	assert_int_equal(list.count, 0);
	assert_int_equal(zs_warm_list_read("/nonexistent/list", &list), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),	 cmocka_unit_test(test_head_fields), cmocka_unit_test(test_head_long),
		cmocka_unit_test(test_fields),	 cmocka_unit_test(test_sentences),   cmocka_unit_test(test_words),
		cmocka_unit_test(test_codings),	 cmocka_unit_test(test_origins),     cmocka_unit_test(test_list),
		cmocka_unit_test(test_list_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
