// SPDX-License-Identifier: GPL-2.0-or-later
/* RFC 9111 clause by clause: what is stored, and for how long, without any rule of the operator's.
 */
#include "policy_rows.h"

#define EIGHT "a,a,a,a,a,a,a,a,"

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
	STORED(CC("must-understand, no-store, max-age=60"), 60),
	STORED(CC("no-store") CC("max-age=60, Must-Understand"), 60),
	REFUSED(CC("must-understand=1, no-store, max-age=60"), NO_STORE),
	REFUSED(CC("must-understand, no-store, private, max-age=60"), PRIVATE),
	REFUSED(CC("must-understand, no-store, no-cache, max-age=60"), NO_CACHE),
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
	STORED(FRESH "X-Accel-Expires: 10\r\n", 10),
	STORED(FRESH "X-Accel-Expires: 100\r\n", 60),
	STORED("X-Accel-Expires: 10\r\n", 10),
	STORED(CC("s-maxage=60") "X-Accel-Expires: 0010\r\n", 10),
	STORED(DATE EXPIRES_60 "X-Accel-Expires: 10\r\n", 10),
	STORED("X-Accel-Expires: 99999999999999999999\r\n", 2147483648u),
	REFUSED(CC("max-age=0") "X-Accel-Expires: 10\r\n", STALE),
	REFUSED(CC("no-store") "X-Accel-Expires: 10\r\n", NO_STORE),
	REFUSED(CC("private") "X-Accel-Expires: 10\r\n", PRIVATE),
	REFUSED(CC("max-age=x") "X-Accel-Expires: 10\r\n", BAD_FRESHNESS),
	REFUSED("Expires: 0\r\nX-Accel-Expires: 10\r\n", BAD_FRESHNESS),
	REFUSED("X-Accel-Expires: 10\r\nX-Accel-Expires: 10\r\n", ACCEL_EXPIRES),
	REFUSED(FRESH "X-Accel-Expires: @784111837\r\n", ACCEL_EXPIRES),
	STORED(FRESH "X-Accel-Buffering: no\r\n", 60),
	STORED(FRESH "Content-Location: /x\r\nZS-Cache-Control: no-store\r\n", 60),
	REFUSED(FRESH "Set-Cookie: a=b\r\n", SET_COOKIE),
	REFUSED(FRESH "set-COOKIE:\r\n", SET_COOKIE),
	REFUSED(FRESH "Set-Cookie2: a=b\r\n", SET_COOKIE),
	REFUSED(FRESH "Content-Range: bytes 0-2/9\r\n", CONTENT_RANGE),
	REFUSED(FRESH "Trailer: x\r\n", TRAILER),
	REFUSED(FRESH "Upgrade: h2c\r\n", UPGRADE),
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
	REFUSED(FRESH "Connection: etag\r\n", CONNECTION),
	REFUSED(FRESH "Connection: last-modified\r\n", CONNECTION),
	REFUSED(FRESH "Connection: CDN-Cache-Control\r\n", CONNECTION),
	REFUSED(FRESH "Connection: surrogate-control\r\n", CONNECTION),
	REFUSED(FRESH "Connection: x-accel-expires\r\n", CONNECTION),
	REFUSED(FRESH "Connection: surrogate-key\r\n", CONNECTION),
	REFUSED(FRESH "Connection: cache-tag\r\n", CONNECTION),
	REFUSED(FRESH "Connection: xkey\r\n", CONNECTION),
	REFUSED(FRESH "Connection: location\r\n", CONNECTION),
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
	REFUSED(FRESH "Age: 5, 50\r\n", AGE),
	REFUSED(FRESH "Age: 5\r\nAge: 50\r\n", AGE),
	REFUSED(FRESH "Age: ,5\r\n", AGE),
	REFUSED(FRESH "Age:\r\nAge: 5\r\n", AGE),
	{FRESH "Age: 007\r\n", ZS_POLICY_STORE, 60, 7},
	/* not one number */
	REFUSED(FRESH "Age: x\r\n", AGE),
	REFUSED(FRESH "Age: -5\r\n", AGE),
	REFUSED(FRESH "Age: 5.5\r\n", AGE),
	REFUSED(FRESH "Age: \"5\"\r\n", AGE),
	REFUSED(FRESH "Age: \"5\r\n", AGE),
	REFUSED(FRESH "Age: x, 50\r\n", AGE),
	REFUSED(FRESH "Age: 5 5\r\n", AGE),
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
			in.request.accept_encoding = class;
			assert_int_equal(zs_policy_judge(&in, &v),
					 class & rows[i].bit ? ZS_POLICY_STORE
							     : ZS_POLICY_CODING_CLASS);
		}
	}
}

/* RFC 9111 3 with 5.2.2.3: only what is understood, must-understand or not. */
static void test_status_and_method(void **state)
{
	static const unsigned int stored[] = {200, 203, 204, 300, 301, 302, 307,
					      308, 404, 405, 410, 414, 501};
	(void)state;

	for (unsigned int status = 200; status < 600; status++) {
		enum zs_policy_reason want = ZS_POLICY_STATUS;
		struct zs_policy_verdict v;
		struct zs_policy_input in;
		struct zs_response r;
		char text[128];
		int n = snprintf(text, sizeof(text),
				 "HTTP/1.1 %u X\r\nContent-Length: 0\r\n"
				 "Cache-Control: max-age=60, must-understand, no-store\r\n\r\n",
				 status);

		for (size_t i = 0; i < COUNT(stored); i++) {
			if (stored[i] == status)
				want = ZS_POLICY_STORE;
		}
		assert_int_equal(zs_response_head((uint8_t *)text, (size_t)n, &r), 0);
		in = input(&r);
		assert_int_equal(zs_policy_judge(&in, &v), want);
		in.get = false;
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_METHOD);
	}
}

/* An error that the request may have brought about is not stored for others. */
static void test_errors_of_odd_requests(void **state)
{
	static const char *const lines[] = {"HTTP/1.1 404 X", "HTTP/1.1 405 X", "HTTP/1.1 410 X",
					    "HTTP/1.1 414 X", "HTTP/1.1 501 X"};
	struct zs_policy_verdict v;
	struct zs_policy_input in;
	struct zs_response r;
	(void)state;

	for (size_t i = 0; i < COUNT(lines); i++) {
		parse(&r, lines[i], FRESH);
		in = input(&r);
		in.request.head_len = 2048;
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
		in.request.head_len = 2049;
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_ERROR_REQUEST);
		in.request.head_len = 100;
		in.request.plain = false;
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_ERROR_REQUEST);
	}
	parse(&r, "HTTP/1.1 301 X", FRESH);
	in = input(&r);
	in.request.plain = false;
	in.request.head_len = 4096;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
}

/* Fields of the request that are part of the key may be named by Vary, and no others. */
static void test_keyed_fields(void **state)
{
	static const struct {
		const char *vary;
		enum zs_policy_reason reason;
	} rows[] = {
		{"Origin", ZS_POLICY_STORE},
		{"ORIGIN, accept-language, Accept-Encoding", ZS_POLICY_STORE},
		{"Origin, Cookie", ZS_POLICY_VARY},
		{"Origin, *", ZS_POLICY_VARY},
		{"*", ZS_POLICY_VARY},
		{"Origi", ZS_POLICY_VARY},
		{"Origins", ZS_POLICY_VARY},
		{"Origin Accept-Language", ZS_POLICY_VARY},
		{"\"Origin\"", ZS_POLICY_VARY},
	};
	static const struct zs_text keyed[] = {
		{(const uint8_t *)"accept-language", 15},
		{(const uint8_t *)"origin", 6},
		{(const uint8_t *)"*", 1}, /* even if somebody says so */
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_policy_verdict v;
		struct zs_policy_input in;
		struct zs_response r;
		char text[128];

		snprintf(text, sizeof(text), FRESH "Vary: %s\r\n", rows[i].vary);
		parse(&r, "HTTP/1.1 200 OK", text);
		in = input(&r);
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_VARY);
		in.request.vary = keyed;
		in.request.vary_count = COUNT(keyed);
		assert_int_equal(zs_policy_judge(&in, &v), rows[i].reason);
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

/* Nobody may keep a key from being stored by what he sends: see policy.h. */
static void test_by_request(void **state)
{
	static const struct {
		enum zs_policy_reason reason;
		uint32_t status;
		bool by_request;
	} rows[] = {
		{ZS_POLICY_STORE, 200, false},	       {ZS_POLICY_STORE, 404, false},
		{ZS_POLICY_METHOD, 200, true},	       {ZS_POLICY_CLOCK, 200, true},
		{ZS_POLICY_AUTHORIZATION, 200, true},  {ZS_POLICY_ERROR_REQUEST, 404, true},
		{ZS_POLICY_STATUS, 400, true},	       {ZS_POLICY_STATUS, 403, true},
		{ZS_POLICY_STATUS, 429, true},	       {ZS_POLICY_STATUS, 503, true},
		{ZS_POLICY_BYPASS_RULE, 403, true},    {ZS_POLICY_BYPASS_RULE, 200, false},
		{ZS_POLICY_STATUS, 206, false},	       {ZS_POLICY_STATUS, 303, false},
		{ZS_POLICY_NO_STORE, 200, false},      {ZS_POLICY_NO_FRESHNESS, 404, false},
		{ZS_POLICY_SET_COOKIE, 301, false},    {ZS_POLICY_VARY, 200, false},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("  row %zu\n", i);
		assert_int_equal(zs_policy_by_request(rows[i].reason, rows[i].status), rows[i].by_request);
	}
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
		cmocka_unit_test(test_errors_of_odd_requests),
		cmocka_unit_test(test_keyed_fields),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_lifetime_max),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_by_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
