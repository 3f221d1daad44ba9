// SPDX-License-Identifier: GPL-2.0-or-later
/* RFC 9111 clause by clause: what is stored, for how long, and under which head. */
#include "policy.h"

#include <zs/abi.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND	     1000000000ll
#define WALL	     784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define SENT	     (1000 * SECOND)
#define ARRIVED	     (SENT + SECOND / 4)
#define DATE	     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define DATE_10_AGO  "Date: Sun, 06 Nov 1994 08:49:27 GMT\r\n"
#define EXPIRES_60   "Expires: Sun, 06 Nov 1994 08:50:37 GMT\r\n"
#define FRESH	     "Cache-Control: max-age=60\r\n"
#define CC(value)    "Cache-Control: " value "\r\n"
#define EIGHT	     "a,a,a,a,a,a,a,a,"
#define ALL_CODINGS  (ZS_AE_PRESENT | ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD)

static void parse(struct zs_response *r, const char *status_line, const char *fields)
{
	char text[2 * ZS_RESPONSE_HEAD_MAX];
	int n = snprintf(text, sizeof(text), "%s\r\n%sContent-Length: 3\r\n\r\n", status_line,
			 fields);

	assert_int_equal(zs_response_head((uint8_t *)text, (size_t)n, r), 0);
}

static struct zs_policy_input input(const struct zs_response *r)
{
	return (struct zs_policy_input){
		.response = r,
		.get = true,
		.accept_encoding = ALL_CODINGS,
		.request_time = SENT,
		.response_time = ARRIVED,
		.response_wall = WALL,
		.lifetime_max = UINT32_MAX,
	};
}

struct row {
	const char *fields;
	enum zs_policy_reason reason;
	uint32_t lifetime;
	uint32_t age;
};

#define STORED(fields, lifetime)                                                                   \
	{                                                                                          \
		fields, ZS_POLICY_STORE, lifetime, 0                                               \
	}
#define REFUSED(fields, reason)                                                                    \
	{                                                                                          \
		fields, ZS_POLICY_##reason, 0, 0                                                   \
	}

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct zs_policy_verdict v = {.lifetime = 12345};
		struct zs_policy_input in;
		struct zs_response r;
		enum zs_policy_reason reason;

		parse(&r, "HTTP/1.1 200 OK", rows[i].fields);
		in = input(&r);
		reason = zs_policy_judge(&in, &v);
		print_message("  %-22s %.50s\n", zs_policy_reason_name(reason), rows[i].fields);
		assert_string_equal(zs_policy_reason_name(reason),
				    zs_policy_reason_name(rows[i].reason));
		if (reason) {
			assert_int_equal(v.lifetime, 12345);
			continue;
		}
		assert_int_equal(v.lifetime, rows[i].lifetime);
		assert_int_equal(v.age, rows[i].age);
		assert_true(v.fresh_until == v.born + (int64_t)v.lifetime * SECOND);
		assert_true(v.fresh_until > ARRIVED);
	}
}

static const struct row freshness[] = {
	STORED(CC("max-age=60"), 60),
	STORED(CC("s-maxage=60"), 60),
	STORED(CC("max-age=10, s-maxage=60"), 60),
	STORED(CC("s-maxage=60, max-age=10"), 60),
	STORED(CC("s-maxage=60") CC("max-age=10"), 60),
	STORED(CC("s-maxage=60, max-age=0"), 60),
	STORED(CC("MAX-AGE=60"), 60),
	STORED(CC(",, max-age=60 ,,"), 60),
	STORED(CC("max-age=0060"), 60),
	STORED(CC("max-age=1"), 1),
	STORED("cache-control: public\r\nCACHE-CONTROL: max-age=60\r\n", 60),
	STORED(DATE EXPIRES_60, 60),
	STORED(EXPIRES_60, 60),
	STORED(DATE "Expires: Sunday, 06-Nov-94 08:50:37 GMT\r\n", 60),
	STORED(DATE "Expires: Sun Nov  6 08:50:37 1994\r\n", 60),
	STORED(FRESH DATE "Expires: 0\r\n", 60),
	STORED(FRESH DATE "Expires: 0\r\n" EXPIRES_60, 60),
	STORED(CC("max-age=10") DATE EXPIRES_60, 10),
	STORED(CC("s-maxage=10") DATE EXPIRES_60, 10),
	STORED(CC("max-age=2147483648"), 2147483648u),
	STORED(CC("max-age=99999999999999999999999999"), 2147483648u),
	STORED(DATE "Expires: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 2147483648u),
	REFUSED("", NO_FRESHNESS),
	REFUSED(DATE "Last-Modified: Sun, 06 Nov 1984 08:49:37 GMT\r\n", NO_FRESHNESS),
	REFUSED(CC("public"), NO_FRESHNESS),
	REFUSED(CC("must-revalidate"), NO_FRESHNESS),
	REFUSED(CC("stale-while-revalidate=60"), NO_FRESHNESS),
	REFUSED(CC("xmax-age=60"), NO_FRESHNESS),
	REFUSED(CC("x=\"max-age=60\""), NO_FRESHNESS),
	REFUSED(CC("x=\", max-age=60\""), NO_FRESHNESS),
	REFUSED("X-Cache-Control: max-age=60\r\n", NO_FRESHNESS),
	REFUSED("Pragma: max-age=60\r\n", NO_FRESHNESS),
	REFUSED(CC("max-age=0"), STALE),
	REFUSED(CC("s-maxage=0, max-age=60"), STALE),
	REFUSED(CC("max-age"), BAD_FRESHNESS),
	REFUSED(CC("max-age=\"60\""), BAD_FRESHNESS),
	REFUSED(CC("max-age=-60"), BAD_FRESHNESS),
	REFUSED(CC("max-age=+60"), BAD_FRESHNESS),
	REFUSED(CC("max-age=6e1"), BAD_FRESHNESS),
	REFUSED(CC("max-age=60.0"), BAD_FRESHNESS),
	REFUSED(CC("max-age=0x60"), BAD_FRESHNESS),
	REFUSED(CC("max-age=60s"), BAD_FRESHNESS),
	REFUSED(CC("max-age=60, max-age=60"), BAD_FRESHNESS),
	REFUSED(CC("max-age=60") CC("max-age=30"), BAD_FRESHNESS),
	REFUSED(CC("s-maxage=60, s-maxage=30"), BAD_FRESHNESS),
	REFUSED(CC("s-maxage=60, max-age=x"), BAD_FRESHNESS),
	REFUSED(CC("s-maxage=x, max-age=60"), BAD_FRESHNESS),
	REFUSED(CC("max-age=x") DATE EXPIRES_60, BAD_FRESHNESS),
	REFUSED(DATE "Expires: 0\r\n", BAD_FRESHNESS),
	REFUSED(DATE "Expires: -1\r\n", BAD_FRESHNESS),
	REFUSED(DATE "Expires:\r\n", BAD_FRESHNESS),
	REFUSED(DATE "Expires: Sun, 06 Nov 1994 08:50:37 UTC\r\n", BAD_FRESHNESS),
	REFUSED(DATE "Expires: Sun, 06 Nov 1994 08:50:37 +0000\r\n", BAD_FRESHNESS),
	REFUSED(DATE EXPIRES_60 EXPIRES_60, BAD_FRESHNESS),
	REFUSED(DATE "Expires: Sun, 06 Nov 1994 08:49:37 GMT\r\n", STALE),
	REFUSED(DATE "Expires: Sun, 06 Nov 1994 08:49:36 GMT\r\n", STALE),
	REFUSED("Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\n", STALE),
};

static const struct row directives[] = {
	STORED(CC("max-age=60, public"), 60),
	STORED(CC("max-age=60, must-revalidate, proxy-revalidate, no-transform, immutable"), 60),
	STORED(CC("max-age=60, must-understand"), 60),
	STORED(CC("max-age=60, stale-while-revalidate=5, stale-if-error=\"5\""), 60),
	STORED(CC("max-age=60, no-store-x, xprivate, no-cachex"), 60),
	STORED(CC("max-age=60, x=\"no-store, private\""), 60),
	STORED(CC("max-age=60, x=\"\\\", no-store\""), 60),
	STORED(FRESH CC(""), 60),
	STORED(FRESH "Pragma: x, y=z\r\n", 60),
	REFUSED(CC("max-age=60, no-store"), NO_STORE),
	REFUSED(CC("No-Store, max-age=60"), NO_STORE),
	REFUSED(FRESH CC("no-store"), NO_STORE),
	REFUSED(CC("no-store=x, max-age=60"), NO_STORE),
	REFUSED(CC("must-understand, no-store, max-age=60"), NO_STORE),
	REFUSED(CC("x=\"\\\\\", no-store, max-age=60"), NO_STORE),
	REFUSED(CC("max-age=60,\tno-store"), NO_STORE),
	REFUSED(CC("max-age=60, private"), PRIVATE),
	REFUSED(CC("max-age=60, PRIVATE=\"set-cookie\""), PRIVATE),
	REFUSED(CC("max-age=60, private=x"), PRIVATE),
	REFUSED(CC("public, private, max-age=60"), PRIVATE),
	REFUSED(CC("s-maxage=60, private"), PRIVATE),
	REFUSED(CC("max-age=60, no-cache"), NO_CACHE),
	REFUSED(CC("max-age=60, no-cache=\"x, y\""), NO_CACHE),
	REFUSED(CC("max-age=60, no-cache=x"), NO_CACHE),
	REFUSED(FRESH "Pragma: no-cache\r\n", NO_CACHE),
	REFUSED(FRESH "Pragma: x\r\npragma: y, NO-CACHE\r\n", NO_CACHE),
	REFUSED(CC("max-age=60 no-store"), MALFORMED),
	REFUSED(CC("max-age=60; private"), MALFORMED),
	REFUSED(CC("max-age = 60"), MALFORMED),
	REFUSED(CC("max-age= 60"), MALFORMED),
	REFUSED(CC("max-age=60, x="), MALFORMED),
	REFUSED(CC("max-age="), MALFORMED),
	REFUSED(CC("=60, max-age=60"), MALFORMED),
	REFUSED(CC("max-age=60, \"no-store\""), MALFORMED),
	REFUSED(CC("max-age=60, x=\"no-store"), MALFORMED),
	REFUSED(CC("max-age=60, x=\"a\"b"), MALFORMED),
	REFUSED(CC("max-age=60, x=a\"b\""), MALFORMED),
	REFUSED(CC("max-age=60, x=\"a\"\"b\""), MALFORMED),
	REFUSED(CC("max-age=60, x=\"a") CC("b\", no-store"), MALFORMED),
	REFUSED(CC("max-age=60, x=a=b"), MALFORMED),
	REFUSED(CC("max-age=60, \xe4"), MALFORMED),
	REFUSED(FRESH "Pragma: \"no-cache\r\n", MALFORMED),
};

static const struct row fields[] = {
	STORED(FRESH "ETag: \"a\"\r\nVia: 1.1 x\r\nX-Set-Cookie: a\r\n", 60),
	STORED(FRESH "X-Accel-Expires: 10\r\n", 60),
	STORED(FRESH "X-Accel-Buffering: no\r\n", 60),
	STORED(FRESH "Content-Location: /x\r\nZS-Cache-Control: no-store\r\n", 60),
	REFUSED(FRESH "Set-Cookie: a=b\r\n", SET_COOKIE),
	REFUSED(FRESH "set-COOKIE:\r\n", SET_COOKIE),
	REFUSED(FRESH "Set-Cookie2: a=b\r\n", SET_COOKIE),
	REFUSED(FRESH "Content-Range: bytes 0-2/9\r\n", CONTENT_RANGE),
	REFUSED(FRESH "Trailer: x\r\n", TRAILER),
	REFUSED(FRESH "Upgrade: h2c\r\n", UPGRADE),
	REFUSED(FRESH "CDN-Cache-Control: max-age=600\r\n", CDN_CACHE_CONTROL),
	REFUSED(FRESH "Surrogate-Control: max-age=600\r\n", SURROGATE_CONTROL),
	REFUSED(FRESH "X-Accel-Expires: 0\r\n", ACCEL_EXPIRES),
	REFUSED(FRESH "X-Accel-Expires: 00\r\n", ACCEL_EXPIRES),
	REFUSED(FRESH "X-Accel-Expires: 5\r\nX-Accel-Expires: 0\r\n", ACCEL_EXPIRES),
	REFUSED(FRESH "X-Accel-Expires: off\r\n", ACCEL_EXPIRES),
	REFUSED(FRESH "X-Accel-Expires: @0\r\n", ACCEL_EXPIRES),
	REFUSED(FRESH "X-Accel-Expires: -1\r\n", ACCEL_EXPIRES),
	REFUSED(FRESH "X-Accel-Expires:\r\n", ACCEL_EXPIRES),
	STORED(FRESH "Connection: close\r\n", 60),
	STORED(FRESH "Connection: keep-alive, X-Foo\r\nConnection:\r\n", 60),
	REFUSED(FRESH "Connection: Cache-Control\r\n", CONNECTION),
	REFUSED(FRESH "Connection: close\r\nConnection: x,vary\r\n", CONNECTION),
	REFUSED(FRESH "Connection: content-encoding\r\n", CONNECTION),
	REFUSED(FRESH "Connection: content-type\r\n", CONNECTION),
	REFUSED(FRESH "Connection: content-length\r\n", CONNECTION),
	REFUSED(FRESH "Connection: date\r\n", CONNECTION),
	REFUSED(FRESH "Connection: expires\r\n", CONNECTION),
	REFUSED(FRESH "Connection: pragma\r\n", CONNECTION),
	REFUSED(FRESH "Connection: age\r\n", CONNECTION),
	REFUSED(FRESH "Connection: x y\r\n", CONNECTION),
	REFUSED(FRESH "Connection: \"x\r\n", CONNECTION),
	STORED(FRESH "Connection: " EIGHT EIGHT EIGHT EIGHT "\r\n", 60),
	REFUSED(FRESH "Connection: " EIGHT EIGHT EIGHT EIGHT "\r\nConnection: a\r\n", CONNECTION),
};

static const struct row variants[] = {
	STORED(FRESH "Vary: Accept-Encoding\r\n", 60),
	STORED(FRESH "Vary: ACCEPT-encoding, accept-encoding\r\nvary:,Accept-Encoding\r\n", 60),
	STORED(FRESH "Vary:\r\n", 60),
	REFUSED(FRESH "Vary: *\r\n", VARY),
	REFUSED(FRESH "Vary: Accept-Encoding, *\r\n", VARY),
	REFUSED(FRESH "Vary: Accept-Encoding\r\nVary: Cookie\r\n", VARY),
	REFUSED(FRESH "Vary: Origin\r\n", VARY),
	REFUSED(FRESH "Vary: Accept Encoding\r\n", VARY),
	REFUSED(FRESH "Vary: \"Accept-Encoding\r\n", VARY),
	REFUSED(FRESH "Vary: Accept-Encodin\r\n", VARY),
	STORED(FRESH "Content-Encoding: identity\r\n", 60),
	STORED(FRESH "Vary: Accept-Encoding\r\nContent-Encoding: gzip\r\n", 60),
	STORED(FRESH "Vary: Accept-Encoding\r\nContent-Encoding: BR\r\n", 60),
	STORED(FRESH "Content-Encoding: zstd\r\nVary: Accept-Encoding\r\n", 60),
	REFUSED(FRESH "Content-Encoding: gzip\r\n", CODING_VARY),
	REFUSED(FRESH "Content-Encoding: br\r\nVary:\r\n", CODING_VARY),
	REFUSED(FRESH "Vary: Accept-Encoding\r\nContent-Encoding: deflate\r\n", CODING),
	REFUSED(FRESH "Vary: Accept-Encoding\r\nContent-Encoding: x-gzip\r\n", CODING),
	REFUSED(FRESH "Vary: Accept-Encoding\r\nContent-Encoding: gzip, br\r\n", CODING),
	REFUSED(FRESH "Vary: Accept-Encoding\r\nContent-Encoding: gzip, identity\r\n", CODING),
	REFUSED(FRESH "Vary: Accept-Encoding\r\nContent-Encoding: gzip\r\nContent-Encoding: br\r\n",
		CODING),
	REFUSED(FRESH "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", CODING),
	REFUSED(FRESH "Content-Encoding:\r\n", CODING),
	REFUSED(FRESH "Content-Encoding: \"gzip\"\r\n", CODING),
};

static const struct row ages[] = {
	{FRESH DATE_10_AGO, ZS_POLICY_STORE, 60, 10},
	{FRESH DATE_10_AGO "Age: 5\r\n", ZS_POLICY_STORE, 60, 10},
	{FRESH DATE_10_AGO "Age: 20\r\n", ZS_POLICY_STORE, 60, 20},
	{FRESH "Age: 59\r\n", ZS_POLICY_STORE, 60, 59},
	{FRESH "Date: Sun, 06 Nov 1994 09:49:37 GMT\r\n", ZS_POLICY_STORE, 60, 0},
	{DATE_10_AGO EXPIRES_60, ZS_POLICY_STORE, 70, 10},
	{FRESH "Age: 5, 50\r\n", ZS_POLICY_STORE, 60, 5},
	{FRESH "Age: 5\r\nAge: 50\r\n", ZS_POLICY_STORE, 60, 5},
	{FRESH "Age: ,5\r\n", ZS_POLICY_STORE, 60, 5},
	{FRESH "Age:\r\nAge: 5\r\n", ZS_POLICY_STORE, 60, 5},
	{FRESH "Age: 007\r\n", ZS_POLICY_STORE, 60, 7},
	/* invalid: ignored */
	{FRESH "Age: x\r\n", ZS_POLICY_STORE, 60, 0},
	{FRESH "Age: -5\r\n", ZS_POLICY_STORE, 60, 0},
	{FRESH "Age: 5.5\r\n", ZS_POLICY_STORE, 60, 0},
	{FRESH "Age: \"5\"\r\n", ZS_POLICY_STORE, 60, 0},
	{FRESH "Age: \"5\r\n", ZS_POLICY_STORE, 60, 0},
	{FRESH "Age: x, 50\r\n", ZS_POLICY_STORE, 60, 0},
	{FRESH "Age: 5 5\r\n", ZS_POLICY_STORE, 60, 0},
	REFUSED(FRESH "Age: 60\r\n", STALE),
	REFUSED(FRESH "Age: 7200\r\n", STALE),
	REFUSED(CC("max-age=2147483648") "Age: 2147483647\r\n", STALE),
	REFUSED(CC("max-age=2147483648") "Age: 2147483648\r\n", STALE),
	REFUSED(CC("max-age=9999999999") "Age: 99999999999999999999999\r\n", STALE),
	REFUSED(FRESH "Date: Sun, 06 Nov 1994 08:48:37 GMT\r\n", STALE),
	REFUSED(CC("max-age=9999999999") "Date: Mon, 01 Jan 0001 00:00:00 GMT\r\n", STALE),
	REFUSED(FRESH DATE DATE, DATE),
	REFUSED(FRESH "Date: 0\r\n", DATE),
	REFUSED(FRESH "Date:\r\n", DATE),
	REFUSED(FRESH "Date: Sun, 06 Nov 1994 08:49:37 UTC\r\n", DATE),
};

static void test_freshness(void **state)
{
	(void)state;
	check_rows(freshness, COUNT(freshness));
}

static void test_directives(void **state)
{
	(void)state;
	check_rows(directives, COUNT(directives));
}

static void test_fields(void **state)
{
	(void)state;
	check_rows(fields, COUNT(fields));
}

static void test_variants(void **state)
{
	(void)state;
	check_rows(variants, COUNT(variants));
}

static void test_ages(void **state)
{
	(void)state;
	check_rows(ages, COUNT(ages));
}

/* A coded response fills only a class whose requests accept the coding. */
static void test_classes(void **state)
{
	static const struct {
		const char *coding;
		uint32_t bit;
	} rows[] = {{"gzip", ZS_AE_GZIP}, {"br", ZS_AE_BR}, {"zstd", ZS_AE_ZSTD}};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (uint32_t class = 0; class <= ALL_CODINGS; class ++) {
			struct zs_policy_verdict v;
			struct zs_policy_input in;
			struct zs_response r;
			char text[128];

			snprintf(text, sizeof(text),
				 FRESH "Vary: Accept-Encoding\r\n"
				       "Content-Encoding: %s\r\n",
				 rows[i].coding);
			parse(&r, "HTTP/1.1 200 OK", text);
			in = input(&r);
			in.accept_encoding = class;
			assert_int_equal(zs_policy_judge(&in, &v),
					 class & rows[i].bit ? ZS_POLICY_STORE
							     : ZS_POLICY_CODING_CLASS);
		}
	}
}

static void test_status_and_method(void **state)
{
	(void)state;
	for (unsigned int status = 200; status < 600; status++) {
		struct zs_policy_verdict v;
		struct zs_policy_input in;
		struct zs_response r;
		char line[32];

		if (status == 204)
			continue; /* does not even parse with a body */
		snprintf(line, sizeof(line), "HTTP/1.1 %u X", status);
		parse(&r, line, CC("public, max-age=60, must-understand"));
		in = input(&r);
		assert_int_equal(zs_policy_judge(&in, &v),
				 status == 200 ? ZS_POLICY_STORE : ZS_POLICY_STATUS);
		in.get = false;
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_METHOD);
	}
}

/* What the times mean, to the nanosecond (RFC 9111 4.2.3). */
static void test_times(void **state)
{
	struct zs_policy_verdict v;
	struct zs_policy_input in;
	struct zs_response r;
	(void)state;

	/* no Date, no Age: as old as the request */
	parse(&r, "HTTP/1.1 200 OK", CC("max-age=1"));
	in = input(&r);
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	assert_true(v.born == SENT && v.fresh_until == SENT + SECOND && v.age == 0);
	in.response_time = SENT + SECOND - 1;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	in.response_time = SENT + SECOND;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STALE);

	/* the delay adds to Age */
	parse(&r, "HTTP/1.1 200 OK", FRESH "Age: 10\r\n" DATE);
	in = input(&r);
	in.response_time = SENT + 3 * SECOND;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	assert_true(v.born == SENT - 10 * SECOND && v.age == 13);

	/* the older of both */
	parse(&r, "HTTP/1.1 200 OK", FRESH "Age: 2\r\n" DATE_10_AGO);
	in = input(&r);
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	assert_true(v.born == ARRIVED - 10 * SECOND && v.age == 10);

	/* born before the boot */
	in.request_time = in.response_time = 5 * SECOND;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	assert_true(v.born == -5 * SECOND && v.fresh_until == 55 * SECOND);
}

static void test_lifetime_max(void **state)
{
	struct zs_policy_verdict v;
	struct zs_policy_input in;
	struct zs_response r;
	(void)state;

	parse(&r, "HTTP/1.1 200 OK", CC("max-age=3600") "Age: 1000\r\n");
	in = input(&r);
	in.lifetime_max = 60;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	assert_int_equal(v.age, 1000);
	assert_int_equal(v.lifetime, 1060);
	assert_true(v.fresh_until > ARRIVED + 59 * SECOND &&
		    v.fresh_until <= ARRIVED + 60 * SECOND);
	in.lifetime_max = 2600;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	assert_int_equal(v.lifetime, 3600);
	in.lifetime_max = 0;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STALE);
}

static void test_clock(void **state)
{
	struct zs_policy_verdict v;
	struct zs_policy_input in, good;
	struct zs_response r;
	(void)state;

	parse(&r, "HTTP/1.1 200 OK", FRESH);
	good = input(&r);
	in = good;
	in.request_time = in.response_time + 1;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_CLOCK);
	in = good;
	in.response_time = 1ull << 62;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_CLOCK);
	in.response_time--;
	in.request_time = in.response_time;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	in = good;
	in.response_wall = 0;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_CLOCK);
	in.response_wall = -1;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_CLOCK);
	in.response_wall = 253402300800;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_CLOCK);
	in.response_wall = INT64_MAX;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_CLOCK);
}

static void test_reasons(void **state)
{
	(void)state;
	assert_int_equal(ZS_POLICY_STORE, 0);
	assert_string_equal(zs_policy_reason_name(ZS_POLICY_STORE), "stored");
	assert_string_equal(zs_policy_reason_name(ZS_POLICY_REASONS), "unknown");
	assert_string_equal(zs_policy_reason_text((enum zs_policy_reason) - 1), "unknown");
	for (unsigned int i = 0; i < ZS_POLICY_REASONS; i++) {
		const char *name = zs_policy_reason_name(i), *text = zs_policy_reason_text(i);

		assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name));
		assert_true(text[strlen(text) - 1] == '.');
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(name, zs_policy_reason_name(k));
	}
}

/* --- the stored head ------------------------------------------------------------------------- */

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
		assert_int_equal(zs_policy_render(&r, 42, WALL, buf, sizeof(buf), &out), 0);
		assert_int_equal(out.head_len, len);
		assert_memory_equal(buf, heads[i].head, len);
		assert_int_equal(out.ttl_off, len - 4 - ZS_SLOT_DIGITS);
		assert_memory_equal(buf + out.ttl_off - 9, "hit; ttl=" SLOT "\r\n\r\n", 23);
		assert_memory_equal(buf + out.age_off - 7, "\r\nAge: " SLOT "\r\n", 19);
		assert_int_equal(zs_response_head(buf, out.head_len, &again), 0);
		assert_int_equal(again.content_length, 42);
		/* exactly that much room, and one less */
		out.head_len = 77;
		assert_int_equal(zs_policy_render(&r, 42, WALL, buf, len - 1, &out), -E2BIG);
		assert_int_equal(out.head_len, 77);
		assert_int_equal(zs_policy_render(&r, 42, WALL, buf, len, &out), 0);
		assert_int_equal(zs_policy_render(&r, 42, WALL, NULL, 0, &out), -E2BIG);
	}
}

static void test_chunked_head(void **state)
{
	static const char text[] = START "Transfer-Encoding: chunked\r\n" DATE "\r\n";
	uint8_t buf[ZS_ANSWER_HEAD_MAX];
	struct zs_rendered out;
	struct zs_response r;
	(void)state;

	assert_int_equal(zs_response_head((const uint8_t *)text, sizeof(text) - 1, &r), 0);
	assert_int_equal(zs_policy_render(&r, 42, WALL, buf, sizeof(buf), &out), 0);
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
		assert_int_equal(zs_policy_render(&r, 42, WALL, buf, sizeof(buf), &out),
				 over ? -E2BIG : 0);
	}
	assert_int_equal(ZS_ANSWER_HEAD_MAX, ZS_RESPONSE_HEAD_MAX);

	/* Date, Content-Length, Age and Cache-Status are added: 124 others are the most */
	for (unsigned int count = 124; count <= 127; count++) {
		n = 0;
		for (unsigned int i = 0; i < count; i++)
			n += (size_t)sprintf(text + n, "A%u: x\r\n", i);
		parse(&r, "HTTP/1.1 200 OK", text);
		assert_int_equal(zs_policy_render(&r, 42, WALL, buf, sizeof(buf), &out),
				 count > 124 ? -E2BIG : 0);
	}

	parse(&r, "HTTP/1.1 203 X", DATE);
	assert_int_equal(zs_policy_render(&r, 42, WALL, buf, sizeof(buf), &out), -EINVAL);
	parse(&r, "HTTP/1.1 200 X", DATE);
	assert_int_equal(zs_policy_render(&r, 42, INT64_MAX, buf, sizeof(buf), &out), -EINVAL);
	assert_int_equal(zs_policy_render(&r, UINT64_MAX, WALL, buf, sizeof(buf), &out), 0);
	assert_non_null(
		memmem(buf, out.head_len, "\r\nContent-Length: 18446744073709551615\r\n", 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freshness),
		cmocka_unit_test(test_directives),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_status_and_method),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_lifetime_max),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_chunked_head),
		cmocka_unit_test(test_head_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
