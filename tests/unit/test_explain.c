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
#include "policy.h"
#include "warm_list.h"

/* --- the head ---------------------------------------------------------------------------------- */

static const char *head_of(const char *url_text, const char *const *headers)
{
	static char head[ZS_HEAD_MAX];
	struct zs_url url;
	int len;

	assert_int_equal(zs_url_parse(url_text, &url), 0);
	len = zs_explain_head(headers, &url, !strncmp(url_text, "https", 5), head);
	assert_int_equal(len, (int)strlen(head));
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
	static const char *const own[] = {"accept-encoding: br", "USER-AGENT: me", "Cookie: a=1", NULL};
	static const char *const dropped[] = {"X-Forwarded-Host: evil", "X-Forwarded-Proto: ftp", "Keep-Alive: 5",
					      "Connection: keep-alive", "Proxy-Authorization: x", NULL};
	static const char *const upgrade[] = {"Connection: Upgrade", "Upgrade: websocket", NULL};
	static const char *const range[] = {"Range: bytes=0-1", NULL};
	const char *head = head_of("https://a/", own);

	(void)state;
	assert_non_null(strstr(head, "\r\naccept-encoding: br\r\nUSER-AGENT: me\r\nCookie: a=1\r\n"));
	assert_null(strstr(head, "gzip"));
	assert_null(strstr(head, "zs-load"));
	head = head_of("https://a/", dropped);
	assert_null(strstr(head, "evil"));
	assert_null(strstr(head, "ftp"));
	assert_null(strstr(head, "Keep-Alive"));
	assert_null(strstr(head, "Connection"));
	assert_null(strstr(head, "Proxy-"));
	assert_non_null(strstr(head_of("https://a/", upgrade), "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	assert_null(strstr(head_of("https://a/", range), "gzip"));
}

static void test_head_long(void **state)
{
	char *field = malloc(ZS_HEAD_MAX + 16), head[ZS_HEAD_MAX];
	const char *headers[] = {field, field, NULL};
	struct zs_url url;

	(void)state;
	memset(field, 'a', ZS_HEAD_MAX);
	memcpy(field, "X: ", 3);
	field[ZS_HEAD_MAX] = 0;
	assert_int_equal(zs_url_parse("https://a/", &url), 0);
	assert_int_equal(zs_explain_head(headers, &url, true, head), -EINVAL);
	field[ZS_HEAD_MAX / 2] = 0;
	assert_int_equal(zs_explain_head(headers, &url, true, head), -EINVAL);
	headers[1] = NULL;
	assert_true(zs_explain_head(headers, &url, true, head) > 0);
	free(field);
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
		 "passed on because of Cookie: no rule or not its value allows an answer"},
		{{.fate = ZS_FATE_PASSED}, "passed on: such a request is never answered in the kernel"},
		{{.fate = ZS_FATE_PASSIVE, .cause = "Upgrade"},
		 "passed on because of Upgrade: its connection is native from then on"},
		{{.fate = ZS_FATE_UNFIT, .cause = "X-A"},
		 "miss, not recorded because of X-A: it is neither part of the key nor known to be inert"},
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
		zs_explain_codings(rows[i].ae, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
	zs_explain_codings(ZS_AE_GZIP | ZS_AE_BR, text, 7);
	assert_string_equal(text, "gzip, ");
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
	assert_string_equal(list.lines[0].text, "https://A.example/x?y");
	assert_string_equal(list.lines[0].url.host, "a.example");
	assert_string_equal(list.lines[0].url.target, "/x?y");
	assert_string_equal(list.lines[1].url.target, "/");
	assert_string_equal(list.lines[2].text, "http://c/no-newline");
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
		cmocka_unit_test(test_head),	cmocka_unit_test(test_head_fields), cmocka_unit_test(test_head_long),
		cmocka_unit_test(test_sentences), cmocka_unit_test(test_words),	    cmocka_unit_test(test_codings),
		cmocka_unit_test(test_list),	cmocka_unit_test(test_list_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
