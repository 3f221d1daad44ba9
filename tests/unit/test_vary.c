// SPDX-License-Identifier: GPL-2.0-or-later
/* Request fields that the operator made part of the key: which they may be, how they are compared,
 * and what passes a request on. */
#include "fields.h"

#include <zs/vary.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../lib/rules_model.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct zs_tables tables;
static struct zs_request req;
static struct zs_key key;

/* With the fields in `lines` behind Host. */
static enum outcome recognise(const char *lines)
{
	size_t len;

	memset(&req, rand(), sizeof(req));
	memset(&key, 0xee, sizeof(key));
	len = (size_t)sprintf((char *)req.head, "GET /t HTTP/1.1\r\nHost: host\r\n%s\r\n", lines);
	assert_int_equal(zs_request_scan(&req, &tables, (__u32)len), ZS_SCAN_OK);
	zs_request_fields(&req, &tables);
	zs_request_values(&req, &tables);
	if (!zs_request_answerable(&req))
		return BYPASS;
	zs_key_begin(&key, &req, 1);
	zs_key_put_name(&key, &req, ZS_KEY_HOST);
	zs_key_put_name(&key, &req, ZS_KEY_XFH);
	zs_key_put_name(&key, &req, ZS_KEY_XFP);
	for (__u32 n = 0; n < ZS_VARY_FIELDS; n++)
		zs_key_put_vary(&key, &req, &tables, n);
	zs_key_put_target(&key, &req);
	if (!zs_request_answerable(&req))
		return BYPASS;
	return zs_request_recordable(&req) ? RECORD : NOFILL;
}

/* Where Vary field n's text begins, and that it is padded with zeros. */
static const char *text_of(__u32 n)
{
	__u32 at = zs_pad8(key.host_len) + zs_pad8(key.xfh_len) + zs_pad8(key.xfp_len);

	for (__u32 i = 0; i < n; i++)
		at += zs_pad8(key.vary_len[i]);
	for (__u32 i = key.vary_len[n]; i < zs_pad8(key.vary_len[n]); i++)
		assert_int_equal(key.text[at + i], 0);
	return (const char *)key.text + at;
}

static void check_text(__u32 n, const char *want)
{
	assert_true(key.vary_seen & 1u << n);
	assert_int_equal(key.vary_len[n], strlen(want));
	assert_memory_equal(text_of(n), want, strlen(want));
	assert_memory_equal(key.text + zs_key_target_at(&key), "/t\0\0\0\0\0\0", 8);
}

static enum outcome value(const char *name, const char *text)
{
	char lines[1024];

	snprintf(lines, sizeof(lines), "%s: %s\r\n", name, text);
	return recognise(lines);
}

/* --- which fields ------------------------------------------------------------------------------
 */

static void test_names(void **state)
{
	static const char *const never[] = {"cookie",
					    "Cookie2",
					    "authorization",
					    "Host",
					    "x-forwarded-host",
					    "x-forwarded-proto",
					    "accept-encoding",
					    "content-length",
					    "transfer-encoding",
					    "connection",
					    "cache-control",
					    "pragma",
					    "te",
					    "trailer",
					    "upgrade",
					    "expect",
					    "http2-settings",
					    "keep-alive",
					    "proxy-connection",
					    "proxy-authorization",
					    "proxy-new",
					    "range",
					    "If-Range",
					    "if-match",
					    "if-none-match",
					    "if-modified-since",
					    "if-unmodified-since",
					    "if-new",
					    "max-forwards",
					    "content-encoding",
					    "x-http-method-override",
					    "x-http-method",
					    "x-method-override",
					    "",
					    "a b",
					    "a:",
					    "abcdefghijklmnopqrstuvwxyz-012345"};
	static const char *const may[] = {"Accept", "accept-language", "Origin", "user-agent",
					  "x-new",  "hx-request",      "rsc",	 "x-forwarded-for"};
	static struct zs_tables t, before;
	(void)state;

	for (size_t i = 0; i < COUNT(never); i++) {
		assert_int_equal(zs_fields_build(&t), 0);
		before = t;
		if (zs_fields_vary(&t, never[i], 0) != -EINVAL)
			fail_msg("%s", never[i]);
		assert_memory_equal(&t, &before, sizeof(t));
	}
	for (size_t i = 0; i < COUNT(may); i++) {
		assert_int_equal(zs_fields_build(&t), 0);
		assert_int_equal(zs_fields_vary(&t, may[i], 4), -EINVAL);
		assert_int_equal(zs_fields_vary(&t, may[i], (unsigned int)i % 4), 0);
		assert_int_equal(t.vary_fold, i < 2 ? 1u << i % 4 : 0);
		before = t;
		assert_int_equal(zs_fields_vary(&t, may[i], 3), -EEXIST);
		assert_int_equal(zs_fields_add(&t, may[i]), -EEXIST);
		assert_memory_equal(&t, &before, sizeof(t));
	}
	assert_int_equal(zs_fields_build(&t), 0);
	assert_int_equal(zs_fields_add(&t, "x-new"), 0);
	assert_int_equal(zs_fields_vary(&t, "X-NEW", 0), 0);
}

/* --- their values -------------------------------------------------------------------------------
 */

static const struct {
	const char *value, *want; /* null: passed on */
	bool fills;
} folds[] = {
	{"en", "en", true},
	{"en-US", "en-us", true},
	{"en-US,en;q=0.5", "en-us,en;q=0.5", true},
	{"en-US, en ;q=0.5 ,\tde", "en-us,en;q=0.5,de", true},
	{", ,en ; , ", ",,en;,", true},
	{"zh-Hant-TW, es-419", "zh-hant-tw,es-419", true},
	{"*", "*", true},
	{"", "", true},
	{"a,", "a,", true},
	{"EN", "en", false},
	{"en-US, DE", "en-us,de", false},
	{"en-US;Q=1", "en-us;q=1", false},
	{"application/json, text/plain, */*", "application/json,text/plain,*/*", true},
	{"APPLICATION/json", "application/json", false},
	{"text/html;level=1;q=0.4", "text/html;level=1;q=0.4", true},
	{"e n", NULL, false},
	{"en de", NULL, false},
	{"en\tde", NULL, false},
	{"en;q= 1", NULL, false},
	{"en;q =1", NULL, false},
	{"a;b=\"c\"", NULL, false},
	{"a\\b", NULL, false},
	{"\xc3\xa4", NULL, false},
};

static void test_folded(void **state)
{
	static const char *const names[] = {"Accept", "ACCEPT-language", "accept-charset"};
	(void)state;

	for (unsigned int n = 0; n < 3; n++) {
		assert_int_equal(zs_fields_build(&tables), 0);
		assert_int_equal(zs_fields_vary(&tables, names[n], n), 0);
		for (size_t i = 0; i < COUNT(folds); i++) {
			enum outcome got = value(names[n], folds[i].value);

			if (got != (!folds[i].want ? BYPASS : folds[i].fills ? RECORD : NOFILL))
				fail_msg("%s: %s: %d", names[n], folds[i].value, got);
			if (folds[i].want)
				check_text(n, folds[i].want);
		}
	}
}

static void test_bytes(void **state)
{
	static const char *const values[] = {
		"a", "A, B", "https://Example.org", "\"a\"", "a  b", "\xc3\xa4", "12345678"};
	(void)state;

	assert_int_equal(zs_fields_build(&tables), 0);
	assert_int_equal(zs_fields_vary(&tables, "Origin", 2), 0);
	for (size_t i = 0; i < COUNT(values); i++) {
		assert_int_equal(value("oRIGIN", values[i]), RECORD);
		check_text(2, values[i]);
	}
	assert_int_equal(value("Origin", ""), RECORD);
	check_text(2, "");
	assert_int_equal(value("X-Other", "a"), NOFILL);
	assert_int_equal(key.vary_seen, 0);
	assert_int_equal(zs_fields_build(&tables), 0);
	assert_int_equal(value("Origin", "a"), BYPASS);
}

static void test_limits(void **state)
{
	static const char *const names[] = {"Accept", "X-Kind"};
	char text[512];
	(void)state;

	assert_int_equal(zs_fields_build(&tables), 0);
	for (unsigned int n = 0; n < 2; n++)
		assert_int_equal(zs_fields_vary(&tables, names[n], n), 0);
	for (unsigned int n = 0; n < 2; n++) {
		for (size_t len = 1; len < 200; len++) {
			memset(text, 'a', len);
			text[len] = 0;
			assert_int_equal(value(names[n], text),
					 len <= ZS_VARY_MAX ? RECORD : BYPASS);
			if (len <= ZS_VARY_MAX)
				check_text(n, text);
		}
		snprintf(text, sizeof(text), "%s: a\r\n%s: a\r\n", names[n], names[n]);
		assert_int_equal(recognise(text), BYPASS);
		snprintf(text, sizeof(text), "%s:\r\n%s: a\r\n", names[n], names[n]);
		assert_int_equal(recognise(text), BYPASS);
	}
	/* blanks count before they are taken out: the limit is on what was sent */
	snprintf(text, sizeof(text), "a,%*sb", 126, "");
	assert_int_equal(value("Accept", text), BYPASS);
	snprintf(text, sizeof(text), "a,%*sb", 125, "");
	assert_int_equal(value("Accept", text), RECORD);
	check_text(0, "a,b");
}

/* Values and absences that could be taken for one another make different keys. */
static void test_keys_differ(void **state)
{
	static const char *const lines[] = {"",
					    "X-A:\r\n",
					    "X-B:\r\n",
					    "X-A:\r\nX-B:\r\n",
					    "X-A: a\r\n",
					    "X-B: a\r\n",
					    "X-A: a\r\nX-B:\r\n",
					    "X-A: ab\r\n",
					    "X-A: a\r\nX-B: b\r\n",
					    "X-A: b\r\nX-B: a\r\n",
					    "X-C: a\r\n",
					    "X-D: a\r\n",
					    "X-A: abcdefgh\r\n",
					    "X-A: abcdefgh\r\nX-B: a\r\n",
					    "X-A: a\r\nX-B: abcdefgh\r\n",
					    "X-Forwarded-Host: a\r\n",
					    "X-Forwarded-Proto: a\r\n",
					    "X-Forwarded-Proto: a\r\nX-A: a\r\n"};
	static struct zs_key seen[COUNT(lines)];
	(void)state;

	assert_int_equal(zs_fields_build(&tables), 0);
	for (unsigned int n = 0; n < 4; n++)
		assert_int_equal(
			zs_fields_vary(&tables, (const char *[]){"x-a", "x-b", "x-c", "x-d"}[n], n),
			0);
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_int_equal(recognise(lines[i]), RECORD);
		for (size_t k = 0; k < i; k++) {
			assert_false(zs_key_len(&seen[k]) == zs_key_len(&key) &&
				     zs_key_equal(&seen[k], (const __u8 *)&key, zs_key_len(&key)));
			assert_true(zs_key_digest(&seen[k], 1, 2) != zs_key_digest(&key, 1, 2));
			/* all variants of one target are invalidated together */
			assert_int_equal(zs_key_bucket(&seen[k], 1, 2), zs_key_bucket(&key, 1, 2));
		}
		seen[i] = key;
	}
}

/* --- against a model ----------------------------------------------------------------------------
 */

static void test_model(void **state)
{
	static const char bytes[] = "aaaabbbzAZ-,,;;=/*q.1  \t\"\\\xe4";
	char text[64], want[64];
	int count[3] = {0};
	(void)state;

	assert_int_equal(zs_fields_build(&tables), 0);
	assert_int_equal(zs_fields_vary(&tables, "accept", 1), 0);
	srand(5);
	for (int n = 0; n < 40000; n++) {
		int len = rand() % 12;
		enum outcome expected;

		for (int i = 0; i < len; i++)
			text[i] = bytes[(size_t)rand() % (n & 1 ? 21 : sizeof(bytes) - 1)];
		text[len] = 0;
		expected = vary_model(text, want);
		count[expected]++;
		if (value("Accept", text) != expected)
			fail_msg("'%s'", text);
		if (expected != BYPASS)
			check_text(1, want);
	}
	for (int i = 0; i < 3; i++)
		assert_true(count[i] > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	    cmocka_unit_test(test_folded),
		cmocka_unit_test(test_bytes),	    cmocka_unit_test(test_limits),
		cmocka_unit_test(test_keys_differ), cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
