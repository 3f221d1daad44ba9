// SPDX-License-Identifier: GPL-2.0-or-later
/* Which requests with cookies may be answered: those all of whose cookies the class names, however
 * an origin may take the field apart. */
#include "fields.h"

#include <zs/cookie.h>

#include "../lib/class_of.h"
#include "../lib/rules_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct zs_tables tables;
static struct zs_request req;

/* `lines` stand behind Host. */
static void recognise(const char *lines)
{
	size_t len;

	memset(&req, rand(), sizeof(req));
	len = (size_t)sprintf((char *)req.head, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
	assert_int_equal(zs_request_scan(&req, &tables, (__u32)len), ZS_SCAN_OK);
	zs_request_fields(&req, &tables);
	zs_request_settle(&req, &tables);
}

static bool passes_lines(const struct zs_class *class, const char *lines)
{
	recognise(lines);
	zs_request_class(&req, class);
	if (class)
		zs_request_cookies(&req, &tables, class);
	return zs_request_answerable(&req);
}

static bool passes(const struct zs_class *class, const char *value)
{
	char lines[ZS_HEAD_MAX + 16];

	snprintf(lines, sizeof(lines), "Cookie: %s\r\n", value);
	return passes_lines(class, lines);
}

static const struct {
	const char *value;
	bool ok;
} rows[] = {
	{"a=1", true},
	{"a=", true},
	{"a=1; b=2", true},
	{"a=1;b=2", true},
	{"\t a=1 \t; \t b=2\t ", true},
	{"a=1; a=2; b=1", true},
	{"_ga=GA1.2.3; _ga_X-1.y=!#$%&'()*+-./:<=>?@[]^_`{|}~", true},
	{"a==", true},
	{"a=b=c", true},
	{"", false},
	{";", false},
	{"a", false},
	{"a;", false},
	{"=1", false},
	{"a=1;", false},
	{"a=1; ", false},
	{";a=1", false},
	{"a=1;;b=2", false},
	{"a=1; b", false},
	{"a=1; c=2", false},
	{"c=2; a=1", false},
	{"A=1", false},
	{"aa=1", false},
	{"a =1", false},
	{"a\t=1", false},
	{"a= 1", false},
	{"a=1 c=2", false},
	{"a=1, c=2", false},
	{"a=1,c=2", false},
	{"a=1\tc=2", false},
	{"a=\"1\"", false},
	{"a=\"1; b=2\"", false},
	{"a=1\\", false},
	{"a=\xc3\xa4", false},
	{"_g=1", false},
	{"_ga[x]=1", false},
	{"_ga%41=1", false},
	{"_ga+x=1", false},
	{"$Version=1; a=1", false},
	{"a$=1", false},
};

static void test_rows(void **state)
{
	struct zs_class class = class_of("cookies a b _ga*"), any = class_of("cookies *");
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++)
		if (passes(&class, rows[i].value) != rows[i].ok)
			fail_msg("%s", rows[i].value);
	assert_true(passes(&any, "A=1; c=2; x.y-z_=3"));
	assert_false(passes(&any, "=1"));
	assert_false(passes(&any, "c=2; =1"));
	assert_false(passes(&any, "c=2; a"));
}

static void test_field(void **state)
{
	struct zs_class class = class_of("cookies a b"), off = class_of("auth drop a");
	(void)state;

	assert_true(passes_lines(&class, ""));
	assert_true(passes_lines(&class, "COOKIE:a=1\r\n"));
	assert_true(passes_lines(&class, "Accept: a\r\ncookie: a=1\r\nDNT: 1\r\n"));
	assert_false(passes_lines(&class, "Cookie: a=1\r\nCookie: b=1\r\n"));
	assert_false(passes_lines(&class, "Cookie: a=1\r\nCookie:\r\n"));
	assert_false(passes_lines(&class, "Cookie:\r\nCookie: a=1\r\n"));
	assert_false(passes_lines(&class, "Cookie: a=1\r\nCookie2: a\r\n"));
	assert_false(passes_lines(&class, "Cookie: a=1\r\nAuthorization: Basic a\r\n"));
	assert_false(passes_lines(&off, "Cookie: a=1\r\n"));
	assert_false(passes_lines(NULL, "Cookie: a=1\r\n"));
	/* the rest of the recogniser has its say all the same */
	assert_false(passes_lines(&class, "Cookie: a=1\r\nRange: bytes=0-1\r\n"));
	assert_true(passes_lines(&class, "Cookie: a=1\r\n") && zs_request_recordable(&req));
	assert_true(passes_lines(&class, "Cookie: a=1\r\nX-New: a\r\n") &&
		    !zs_request_recordable(&req));
}

static void test_authorization(void **state)
{
	struct zs_class class = class_of("auth"), other = class_of("cookies a sort");
	(void)state;

	assert_true(passes_lines(&class, "Authorization: Basic YTpi\r\n"));
	assert_true(passes_lines(&class, "Authorization: Bearer a\r\n"));
	assert_false(passes_lines(&other, "Authorization: Basic YTpi\r\n"));
	assert_false(passes_lines(NULL, "Authorization: Basic YTpi\r\n"));
	assert_false(passes_lines(&class, "Authorization: NTLM a\r\n"));
	assert_false(passes_lines(&class, "Authorization: negotiate a\r\n"));
	assert_false(passes_lines(&class, "Authorization: Basic a\r\nAuthorization: Basic a\r\n"));
	assert_false(passes_lines(&class, "Authorization: Basic a\r\nCookie: a=1\r\n"));
	assert_false(passes_lines(&class, "Proxy-Authorization: Basic a\r\n"));
}

static void test_limits(void **state)
{
	struct zs_class class = class_of("cookies a* b"),
			exact = class_of("cookies bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
	char value[ZS_HEAD_MAX];
	(void)state;

	for (size_t n = 28; n < 40; n++) {
		memset(value, 'a', n);
		strcpy(value + n, "=1");
		assert_int_equal(passes(&class, value), n <= ZS_COOKIE_NAME);
		memset(value, 'b', n);
		assert_int_equal(passes(&exact, value), n == 32);
	}
	for (size_t n = ZS_COOKIE_MAX - 3; n < ZS_COOKIE_MAX + 4; n++) {
		snprintf(value, sizeof(value), "b=%0*d", (int)n, 1);
		assert_int_equal(passes(&class, value), n <= ZS_COOKIE_MAX);
		snprintf(value, sizeof(value), "b=%0*d; a=1", (int)n, 1);
		assert_int_equal(passes(&class, value), n <= ZS_COOKIE_MAX);
	}
	for (size_t n = 60; n < 70; n++) {
		size_t len = (size_t)sprintf(value, "a=0");

		for (size_t i = 1; i < n; i++)
			len += (size_t)sprintf(value + len, "; a%zu=%zu", i, i);
		assert_int_equal(passes(&class, value), n <= ZS_COOKIES);
		strcpy(value + len, "; c=1");
		assert_false(passes(&class, value));
	}
	for (size_t n = 0; n < 12; n++) {
		snprintf(value, sizeof(value), "b=1;%*s%s", (int)n, "", "a=2");
		assert_int_equal(passes(&class, value), n <= ZS_COOKIE_GAP);
		snprintf(value, sizeof(value), "b=1%*s;%s", (int)n, "", "a=2");
		assert_int_equal(passes(&class, value), n <= ZS_COOKIE_GAP);
	}
}

/* --- against a model ----------------------------------------------------------------------------
 */

static void test_model(void **state)
{
	static const char *const pieces[] = {"a=1", "b=2", "_ga=3", "_g.-=4", ";",     ";", "; ",
					     "; ",  " ",   "\t",    "c=1",    "a",     "=", "\"",
					     ",",   "1",   "_",	    "A=1",    "_g%=1", "-"};
	struct zs_class class = class_of("cookies a b _g*");
	char value[256], trimmed[256];
	int yes = 0;
	(void)state;

	srand(3);
	for (int n = 0; n < 60000; n++) {
		size_t len = 0, from, to;

		value[0] = 0;
		for (int i = rand() % 9; i > 0; i--)
			len += (size_t)sprintf(
				value + len, "%s",
				pieces[(size_t)rand() % (n & 32 ? 8 : COUNT(pieces))]);
		for (from = 0; value[from] && strchr(" \t", value[from]); from++)
			;
		for (to = len; to > from && strchr(" \t", value[to - 1]); to--)
			;
		snprintf(trimmed, sizeof(trimmed), "%.*s", (int)(to - from), value + from);
		if (passes(&class, value) != cookie_model(trimmed))
			fail_msg("'%s': model says %d", value, cookie_model(trimmed));
		yes += cookie_model(trimmed);
	}
	assert_true(yes > 1000);
}

static int setup(void **state)
{
	(void)state;
	return zs_fields_build(&tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	      cmocka_unit_test(test_field),
		cmocka_unit_test(test_authorization), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
