// SPDX-License-Identifier: GPL-2.0-or-later
/* What conditional requests are compared with, and the names under which a response is purged. */
#include "policy_rows.h"
#include "tags.h"
#include "validators.h"

#include <errno.h>

#define TAG_128                                                                                    \
	"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                        \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""

static const struct {
	const char *fields;
	const char *opaque; /* null: none */
	bool weak;
} etags[] = {
	{"ETag: \"a\"\r\n", "\"a\"", false},
	{"etag: W/\"a\"\r\n", "\"a\"", true},
	{"ETag: \"\"\r\n", "\"\"", false},
	{"ETag: W/\"\"\r\n", "\"\"", true},
	{"ETag: \"!#,\\~\xff\"\r\n", "\"!#,\\~\xff\"", false},
	{"ETag: " TAG_128 "\r\n", TAG_128, false},
	{"ETag: W/" TAG_128 "\r\n", TAG_128, true},
	{"ETag: a\r\n", NULL, false},
	{"ETag:\r\n", NULL, false},
	{"ETag: \"\r\n", NULL, false},
	{"ETag: W/\"\r\n", NULL, false},
	{"ETag: W/\r\n", NULL, false},
	{"ETag: w/\"a\"\r\n", NULL, false},
	{"ETag: W/ \"a\"\r\n", NULL, false},
	{"ETag: W/W/\"a\"\r\n", NULL, false},
	{"ETag: \"a\r\n", NULL, false},
	{"ETag: a\"\r\n", NULL, false},
	{"ETag: \"a\"b\"\r\n", NULL, false},
	{"ETag: \"a b\"\r\n", NULL, false},
	{"ETag: \"a\tb\"\r\n", NULL, false},
	{"ETag: \"a\", \"b\"\r\n", NULL, false},
	{"ETag: \"a\"\r\nETag: \"a\"\r\n", NULL, false},
	{"X-ETag: \"a\"\r\n", NULL, false},
};

static void test_etags(void **state)
{
	(void)state;
	assert_int_equal(strlen(TAG_128), ZS_ETAG_MAX);
	for (size_t i = 0; i < COUNT(etags); i++) {
		struct zs_validators v;
		struct zs_response r;

		print_message("  %s", etags[i].fields);
		parse(&r, "HTTP/1.1 200 OK", etags[i].fields);
		zs_validators_read(&r, WALL, &v);
		if (!etags[i].opaque) {
			assert_int_equal(v.etag.opaque.len, 0);
			continue;
		}
		assert_int_equal(v.etag.opaque.len, strlen(etags[i].opaque));
		assert_memory_equal(v.etag.opaque.p, etags[i].opaque, v.etag.opaque.len);
		assert_int_equal(v.etag.weak, etags[i].weak);
	}
}

/* One that is too long for the kernel is an ETag still. */
static void test_long_etag(void **state)
{
	struct zs_validators v;
	struct zs_response r;
	struct zs_etag etag;
	char text[256];
	(void)state;

	snprintf(text, sizeof(text), "ETag: \"a%s\r\n", TAG_128 + 1);
	parse(&r, "HTTP/1.1 200 OK", text);
	zs_validators_read(&r, WALL, &v);
	assert_int_equal(v.etag.opaque.len, 0);
	assert_int_equal(zs_etag_read(&r, &etag), 0);
	assert_int_equal(etag.opaque.len, ZS_ETAG_MAX + 1);
}

/* RFC 9111 4.3.2 */
static void test_modified(void **state)
{
	static const char epoch[] = "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
	static const struct {
		const char *fields;
		int64_t modified; /* -1: none */
	} rows[] = {
		{"", WALL},
		{DATE_10_AGO, WALL - 10},
		{epoch, 0},
		{DATE_10_AGO "Last-Modified: Sun, 06 Nov 1994 08:49:07 GMT\r\n", WALL - 30},
		{DATE_10_AGO "Last-Modified: Sunday, 06-Nov-94 08:49:07 GMT\r\n", WALL - 30},
		{DATE_10_AGO "Last-Modified: x\r\n", -1},
		{DATE_10_AGO "Last-Modified:\r\n", -1},
		{"Last-Modified: Wed, 31 Dec 1969 23:59:59 GMT\r\n", -1},
		{"Last-Modified: Sun, 06 Nov 1994 08:49:07 GMT\r\n"
		 "Last-Modified: Sun, 06 Nov 1994 08:49:07 GMT\r\n",
		 -1},
		{"Date: x\r\n", -1},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_validators v;
		struct zs_response r;

		parse(&r, "HTTP/1.1 200 OK", rows[i].fields);
		zs_validators_read(&r, WALL, &v);
		assert_int_equal(v.dated, rows[i].modified >= 0);
		assert_true(v.modified == (rows[i].modified >= 0 ? rows[i].modified : 0));
	}
}

/* --- tags ------------------------------------------------------------------------------------ */

static void test_tags(void **state)
{
	static const struct {
		const char *fields;
		const char *tags; /* each followed by a line feed */
	} rows[] = {
		{"", ""},
		{"Surrogate-Key: a\r\n", "a\n"},
		{"surrogate-key: a b\t c  d\r\n", "a\nb\nc\nd\n"},
		{"Surrogate-Key: a,b\r\n", "a,b\n"},
		{"Cache-Tag: a, b c ,d,,\r\n", "a\nb c\nd\n"},
		{"xkey: a b,c\r\nXKey: d\r\n", "a\nb\nc\nd\n"},
		{"Cache-Tag: \"a, b\r\n", "\"a\nb\n"},
		{"xkey: a\r\nCache-Tag: a,A\r\nSurrogate-Key: a b\r\n", "a\nb\nA\n"},
		{"Surrogate-Key:\r\nCache-Tag: ,\r\n", ""},
		{"X-Cache-Tag: a\r\n", ""},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_response r;
		struct zs_tags tags;
		char text[256];
		size_t n = 0;

		parse(&r, "HTTP/1.1 200 OK", rows[i].fields);
		assert_int_equal(zs_tags_read(&r, &tags), 0);
		for (unsigned int k = 0; k < tags.count; k++) {
			memcpy(text + n, tags.tag[k].p, tags.tag[k].len);
			n += tags.tag[k].len;
			text[n++] = '\n';
		}
		text[n] = 0;
		assert_string_equal(text, rows[i].tags);
	}
}

/* A response that a purge could miss is not stored. */
static void test_too_many_tags(void **state)
{
	static char text[4096];
	struct zs_policy_verdict v;
	struct zs_policy_input in;
	struct zs_response r;
	struct zs_tags tags;
	(void)state;

	for (unsigned int count = 64; count <= 65; count++) {
		size_t n = (size_t)sprintf(text, FRESH "Surrogate-Key:");

		for (unsigned int i = 0; i < count; i++)
			n += (size_t)sprintf(text + n, " tag%u tag0", i);
		sprintf(text + n, "\r\n");
		parse(&r, "HTTP/1.1 200 OK", text);
		in = input(&r);
		assert_int_equal(zs_tags_read(&r, &tags), count > 64 ? -E2BIG : 0);
		assert_int_equal(zs_policy_judge(&in, &v),
				 count > 64 ? ZS_POLICY_TAGS : ZS_POLICY_STORE);
	}
	for (int len = 128; len <= 129; len++) {
		snprintf(text, sizeof(text), FRESH "Cache-Tag: b, %0*d\r\n", len, 7);
		parse(&r, "HTTP/1.1 200 OK", text);
		in = input(&r);
		assert_int_equal(zs_policy_judge(&in, &v),
				 len > 128 ? ZS_POLICY_TAGS : ZS_POLICY_STORE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_etags),	      cmocka_unit_test(test_long_etag),
		cmocka_unit_test(test_modified),      cmocka_unit_test(test_tags),
		cmocka_unit_test(test_too_many_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
