// SPDX-License-Identifier: GPL-2.0-or-later
/* Preconditions: entity-tags in every form of a list, dates around each limit, and which of the two counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <zs/request.h>

#include "fields.h"
#include "date.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PASS = -1, WHOLE = 0, NOT_MODIFIED = 1, BYPASS = 2 };

static struct zs_tables tables;
static struct zs_request req;

/* What a request with these fields gets from an object with this opaque-tag and modification time. */
static int ask(const char *fields, const char *etag, uint64_t modified)
{
	uint8_t stored[2 * ZS_ETAG_MAX];
	int len = snprintf((char *)req.head, ZS_HEAD_MAX, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);

	memset(stored, '"', sizeof(stored)); /* what lies behind must not matter */
	memcpy(stored, etag, strlen(etag));
	assert_int_equal(zs_request_scan(&req, &tables, (__u32)len), ZS_SCAN_OK);
	zs_request_fields(&req, &tables);
	zs_request_values(&req, &tables);
	assert_false(zs_request_recordable(&req) && (req.flags & ZS_REQ_COND));
	if (!zs_request_answerable(&req))
		return BYPASS;
	return zs_not_modified(&req, &tables, stored, (__u32)strlen(etag), modified);
}

static int ask_tag(const char *value, const char *etag)
{
	char field[ZS_HEAD_MAX];

	snprintf(field, sizeof(field), "If-None-Match: %s\r\n", value);
	return ask(field, etag, 0);
}

static uint64_t date(const char *text)
{
	assert_int_equal(strlen(text), ZS_IMF_LEN);
	return zs_imf_date((const uint8_t *)text);
}

static void test_tags(void **state)
{
	static const struct {
		const char *value;
		const char *etag;
		int want;
	} rows[] = {
		{"\"a\"", "\"a\"", NOT_MODIFIED},
		{"W/\"a\"", "\"a\"", NOT_MODIFIED},
		{"\"b\", \"a\"", "\"a\"", NOT_MODIFIED},
		{"\"b\",W/\"a\" , \"c\"", "\"a\"", NOT_MODIFIED},
		{", ,\t\"a\"", "\"a\"", NOT_MODIFIED},
		{"*", "\"a\"", NOT_MODIFIED},
		{"*", "", NOT_MODIFIED},
		{"\"\"", "\"\"", NOT_MODIFIED},
		{"\"a,b\"", "\"a,b\"", NOT_MODIFIED},
		{"\"W/\"", "\"W/\"", NOT_MODIFIED},
		{"\"\xff\"", "\"\xff\"", NOT_MODIFIED},
		{"\"aa\", \"a\"", "\"a\"", NOT_MODIFIED},
		{"\"a\"", "\"aa\"", WHOLE},
		{"\"aa\"", "\"a\"", WHOLE},
		{"\"a\"", "\"b\"", WHOLE},
		{"\"A\"", "\"a\"", WHOLE},
		{"\"a\"", "", WHOLE},
		{"\"\"", "\"a\"", WHOLE},
		{"\"b\", \"c\"", "\"a\"", WHOLE},
		{"\"b,\", \"c\"", "\"c,\"", WHOLE},
		{"", "\"a\"", WHOLE},
		{",", "\"a\"", WHOLE},
		/* a member that matches decides before what is odd behind it */
		{"\"a\" x", "\"a\"", NOT_MODIFIED},
		{"a", "\"a\"", PASS},
		{"a, \"a\"", "\"a\"", PASS},
		{"\"b\" \"a\"", "\"a\"", PASS},
		{"\"b\"\"a\"", "\"a\"", PASS},
		{"w/\"a\"", "\"a\"", PASS},
		{"W\"a\"", "\"a\"", PASS},
		{"W/ \"a\"", "\"a\"", PASS},
		{"WW/\"a\"", "\"a\"", PASS},
		{"/\"a\"", "\"a\"", PASS},
		{"\"a", "\"a\"", PASS},
		{"\"a b\"", "\"a b\"", PASS},
		{"\"a\tb\"", "\"a\tb\"", PASS},
		{"*, \"a\"", "\"a\"", PASS},
		{"\"b\", *", "\"a\"", PASS},
		{"W/", "\"a\"", PASS},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int got = ask_tag(rows[i].value, rows[i].etag);

		if (got != rows[i].want)
			print_error("%s against %s\n", rows[i].value, rows[i].etag);
		assert_int_equal(got, rows[i].want);
	}
	assert_int_equal(ask("If-None-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n", "\"a\"", 0), BYPASS);
}

/* Tags up to and beyond the longest that is stored, and lists around the limit. */
static void test_long_tags(void **state)
{
	char stored[ZS_ETAG_MAX + 1], value[2 * ZS_INM_MAX];

	(void)state;
	for (size_t len = 2; len <= ZS_ETAG_MAX; len++) {
		memset(stored, 'x', len);
		stored[0] = stored[len - 1] = '"';
		stored[len] = 0;
		assert_int_equal(ask_tag(stored, stored), NOT_MODIFIED);
		snprintf(value, sizeof(value), "%.*sx\"", (int)len - 1, stored);
		assert_int_equal(ask_tag(value, stored), WHOLE);
	}
	for (size_t len = ZS_INM_MAX - 3; len <= ZS_INM_MAX + 3; len++) {
		memset(value, ',', len);
		strcpy(value + len - 3, "\"a\"");
		assert_int_equal(ask_tag(value, "\"a\""), len <= ZS_INM_MAX ? NOT_MODIFIED : BYPASS);
		value[len - 1] = 'b';
		assert_int_equal(ask_tag(value, "\"a\""), len <= ZS_INM_MAX ? PASS : BYPASS);
	}
	memset(value, 'x', 255); /* longer than any that is stored: it comes round to the same place */
	value[0] = value[254] = '"';
	value[255] = 0;
	assert_int_equal(ask_tag(value, "\"x\""), WHOLE);
}

/* The number grows with time: against the parser of the agent. */
static void test_dates(void **state)
{
	uint64_t last = 0;
	char text[ZS_HTTP_DATE_LEN + 1];

	(void)state;
	for (int64_t t = -62135596800; t < 253402300800; t += 40000000 + t % 86399 + 86399) {
		uint64_t now;

		assert_int_equal(zs_http_date_format(t, text), 0);
		now = date(text);
		assert_true(now > last);
		last = now;
	}
	assert_true(date("Sun, 06 Nov 1994 08:49:37 GMT") < date("Sun, 06 Nov 1994 08:49:38 GMT"));
	assert_true(date("Sun, 06 Nov 1994 08:49:59 GMT") < date("Sun, 06 Nov 1994 08:50:00 GMT"));
	assert_true(date("Sun, 06 Nov 1994 23:59:60 GMT") < date("Mon, 07 Nov 1994 00:00:00 GMT"));
	assert_true(date("Wed, 30 Nov 1994 23:59:59 GMT") < date("Thu, 01 Dec 1994 00:00:00 GMT"));
	assert_true(date("Sat, 31 Dec 1994 23:59:59 GMT") < date("Sun, 01 Jan 1995 00:00:00 GMT"));
}

static void test_bad_dates(void **state)
{
	static const char good[] = "Sun, 06 Nov 1994 08:49:37 GMT";
	static const char *const bad[] = {
		"Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 6  Nov 1994 08:49:37 GMT", "Sun  06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "0", "", "Sun, 06 Nov 1994 08:49:37 GMT ,",
	};
	char field[200];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(field, sizeof(field), "If-Modified-Since: %s\r\n", bad[i]);
		assert_int_equal(ask(field, "", date(good)), BYPASS);
	}
	for (size_t i = 4; i < ZS_IMF_LEN; i++) { /* every byte but the day's name counts */
		char text[] = "Sun, 06 Nov 1994 08:49:37 GMT";

		text[i] = '~';
		assert_int_equal(date(text), 0);
	}
}

static void test_modified(void **state)
{
	uint64_t at = date("Sun, 06 Nov 1994 08:49:37 GMT");

	(void)state;
	assert_int_equal(ask("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "", at), NOT_MODIFIED);
	assert_int_equal(ask("If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n", "", at), NOT_MODIFIED);
	assert_int_equal(ask("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", "", at), WHOLE);
	assert_int_equal(ask("If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n", "", 0), WHOLE);
	/* If-None-Match comes first, whatever the date says (RFC 9110 13.2.2) */
	assert_int_equal(ask("If-None-Match: \"b\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n",
			     "\"a\"", at),
			 WHOLE);
	assert_int_equal(ask("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\nIf-None-Match: \"a\"\r\n",
			     "\"a\"", at),
			 NOT_MODIFIED);
	assert_int_equal(ask("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			     "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
			     "", at),
			 BYPASS);
	assert_int_equal(ask("If-Match: \"a\"\r\nIf-None-Match: \"a\"\r\n", "\"a\"", at), BYPASS);
	assert_int_equal(ask("", "\"a\"", at), WHOLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),	  cmocka_unit_test(test_long_tags), cmocka_unit_test(test_dates),
		cmocka_unit_test(test_bad_dates), cmocka_unit_test(test_modified),
	};

	if (zs_fields_build(&tables))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
