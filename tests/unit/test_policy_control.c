// SPDX-License-Identifier: GPL-2.0-or-later
/* Which field controls the cache: CDN-Cache-Control (RFC 9213), Surrogate-Control, Cache-Control.
 */
#include "policy_rows.h"
#include "structured.h"

#include <errno.h>

#define CDN(value) "CDN-Cache-Control: " value "\r\n"
#define SC(value)  "Surrogate-Control: " value "\r\n"

/* http-cache-tests calls these cdn-*. */
static const struct row targeted[] = {
	STORED(CDN("max-age=10"), 10),
	STORED(CDN("max-age=10") FRESH, 10),
	STORED(FRESH CDN("max-age=3600"), 3600),
	STORED(CDN("s-maxage=10, max-age=20"), 10),
	STORED(CDN("max-age=2147483648"), 2147483648u),
	STORED(CDN("max-age=99999999999"), 2147483648u),
	STORED(CDN("max-age=0010"), 10),
	STORED(CDN("foobar, max-age=10"), 10),
	STORED(CDN("x=\"no-store\", y=(a b), z=1.5, max-age=10"), 10),
	STORED(CDN("max-age=10;no-store"), 10),
	STORED(CDN("max-age=10") CDN("public"), 10),
	/* a key may come again, the last one counts (RFC 9651 4.2.2) */
	STORED(CDN("max-age=20, max-age=10"), 10),
	STORED(CDN("max-age=x, max-age=10"), 10),
	/* Cache-Control, Pragma and Expires are void then */
	STORED(CDN("max-age=10") CC("no-store, private, no-cache, max-age=x"), 10),
	STORED(CDN("max-age=10") CC("\"malformed"), 10),
	STORED(CDN("max-age=10") "Pragma: no-cache\r\n", 10),
	STORED(CDN("max-age=10") DATE "Expires: 0\r\n", 10),
	STORED(CDN("max-age=10") SC("max-age=20, no-store"), 10),
	STORED(CDN("must-understand, no-store, max-age=10"), 10),
	REFUSED(CDN("foobar") FRESH, NO_FRESHNESS),
	REFUSED(CDN("none") DATE EXPIRES_60, NO_FRESHNESS),
	REFUSED(CDN("max-age=0") DATE EXPIRES_60, STALE),
	REFUSED(CDN("max-age=-0"), STALE),
	REFUSED(CDN("max-age=10") "Age: 10\r\n", STALE),
	REFUSED(CDN("no-store") FRESH, NO_STORE),
	REFUSED(CDN("max-age=10, no-store"), NO_STORE),
	REFUSED(CDN("max-age=10, no-store=?0"), NO_STORE),
	REFUSED(CDN("max-age=10, no-store=x"), NO_STORE),
	REFUSED(CDN("max-age=10, no-store, no-store=?0"), NO_STORE),
	REFUSED(CDN("max-age=10, must-understand=?0, no-store"), NO_STORE),
	REFUSED(CDN("private") FRESH DATE EXPIRES_60, PRIVATE),
	REFUSED(CDN("max-age=10, private=\"x\""), PRIVATE),
	REFUSED(CDN("no-cache") FRESH, NO_CACHE),
	REFUSED(CDN("max-age=10, no-cache=\"set-cookie\""), NO_CACHE),
	/* a number of another type is none */
	REFUSED(CDN("max-age") FRESH, BAD_FRESHNESS),
	REFUSED(CDN("max-age=\"10\"") FRESH, BAD_FRESHNESS),
	REFUSED(CDN("max-age=10.0") FRESH, BAD_FRESHNESS),
	REFUSED(CDN("max-age=-10") FRESH, BAD_FRESHNESS),
	REFUSED(CDN("max-age=x") FRESH, BAD_FRESHNESS),
	REFUSED(CDN("max-age=(10)") FRESH, BAD_FRESHNESS),
	REFUSED(CDN("max-age=@10") FRESH, BAD_FRESHNESS),
	REFUSED(CDN("max-age=10, max-age=x"), BAD_FRESHNESS),
	REFUSED(CDN("max-age=10, s-maxage=x"), BAD_FRESHNESS),
	/* invalid or empty: as if it were not there */
	STORED(CDN("") FRESH, 60),
	STORED(CDN("MaX-aGe=10") FRESH, 60),
	STORED(CDN("no-store, &&&&&") FRESH, 60),
	STORED(CDN("no-store,") FRESH, 60),
	STORED(CDN(",no-store") FRESH, 60),
	STORED(CDN("No-store") FRESH, 60),
	STORED(CDN("max-age =10") FRESH, 60),
	STORED(CDN("max-age= 10") FRESH, 60),
	STORED(CDN("max-age=1234567890123456") FRESH, 60),
	STORED(CDN("max-age=10") CDN("x=\"") FRESH, 60),
	STORED(CDN("x=\"a") CDN("b\"") FRESH, 60),
	STORED(CDN("max-age=10, x=\"") CDN("no-store, y=\"") FRESH, 60),
	REFUSED(CDN("max-age=10") CDN("") CDN("no-store") FRESH, NO_STORE),
	REFUSED(CDN("max-age=10, &&&&&") CC("no-store"), NO_STORE),
	REFUSED(CDN("max-age=10,") SC("max-age=0"), STALE),
	REFUSED(CDN("max-age=10,"), NO_FRESHNESS),
	/* other targets are not ours (RFC 9213 2) */
	STORED("Other-Cache-Control: no-store\r\n" FRESH, 60),
	/* what is no directive stays as strict as ever */
	REFUSED(CDN("max-age=10") "Set-Cookie: a=b\r\n", SET_COOKIE),
	REFUSED(CDN("max-age=10") "Vary: *\r\n", VARY),
};

/* http-cache-tests calls these surrogate-*. */
static const struct row surrogates[] = {
	STORED(SC("max-age=10"), 10),
	STORED(SC("max-age=10") FRESH, 10),
	STORED(SC("max-age=3600") FRESH, 3600),
	STORED(SC("MaX-aGe=10"), 10),
	STORED(SC("foobar, max-age=10"), 10),
	STORED(SC("max-age=10+20"), 10),
	STORED(SC("max-age=99999999999"), 2147483648u),
	STORED(SC("max-age=10") CC("no-store"), 10),
	STORED(SC("max-age=10") CC("private, max-age=x") "Pragma: no-cache\r\n", 10),
	STORED(SC("max-age=10") DATE "Expires: 0\r\n", 10),
	STORED(SC("foobar") FRESH, 60),
	STORED(SC("") FRESH, 60),
	STORED(SC("s-maxage=5, public") FRESH, 60),
	REFUSED(SC("foobar"), NO_FRESHNESS),
	REFUSED(SC("max-age=0") FRESH, STALE),
	REFUSED(SC("max-age=0") DATE EXPIRES_60, STALE),
	REFUSED(SC("max-age=0+60") FRESH, STALE),
	REFUSED(SC("max-age=3600") "Age: 7200\r\n", STALE),
	REFUSED(SC("no-store") FRESH, NO_STORE),
	REFUSED(SC("NO-STORE, max-age=10"), NO_STORE),
	REFUSED(SC("no-store-remote, max-age=10"), NO_STORE),
	REFUSED(SC("max-age=10") SC("no-store"), NO_STORE),
	REFUSED(SC("private") FRESH, PRIVATE),
	REFUSED(SC("max-age=10, no-cache"), NO_CACHE),
	REFUSED(SC("max-age") FRESH, BAD_FRESHNESS),
	REFUSED(SC("max-age=\"10\"") FRESH, BAD_FRESHNESS),
	REFUSED(SC("max-age=x") FRESH, BAD_FRESHNESS),
	REFUSED(SC("max-age=10+") FRESH, BAD_FRESHNESS),
	REFUSED(SC("max-age=+10") FRESH, BAD_FRESHNESS),
	REFUSED(SC("max-age=10+x") FRESH, BAD_FRESHNESS),
	REFUSED(SC("max-age=10+20+30") FRESH, BAD_FRESHNESS),
	REFUSED(SC("max-age=10, max-age=10"), BAD_FRESHNESS),
	REFUSED(SC("max-age =10") FRESH, MALFORMED),
	REFUSED(SC("max-age= 10") FRESH, MALFORMED),
	REFUSED(SC("max-age=10 no-store") FRESH, MALFORMED),
	REFUSED(SC("\"no-store") FRESH, MALFORMED),
	/* processing that is not done here, and devices that are not this one */
	REFUSED(SC("content=\"ESI/1.0\"") FRESH, SURROGATE_CONTROL),
	REFUSED(SC("max-age=10, Content=\"ESI/1.0 ESI-Inline/1.0\""), SURROGATE_CONTROL),
	REFUSED(SC("max-age=3600;other") FRESH, SURROGATE_CONTROL),
	REFUSED(SC("max-age=3600 ; other") FRESH, SURROGATE_CONTROL),
	REFUSED(SC("no-store;other") FRESH, SURROGATE_CONTROL),
	REFUSED(CDN("max-age=10") SC("content=\"ESI/1.0\""), SURROGATE_CONTROL),
	REFUSED(CDN("max-age=10") SC("max-age="), MALFORMED),
};

static void test_targeted(void **state)
{
	(void)state;
	check_rows(targeted, COUNT(targeted));
}

static void test_surrogates(void **state)
{
	(void)state;
	check_rows(surrogates, COUNT(surrogates));
}

/* The verdict says when the stored head will lack what it may be judged by. */
static void test_surrogate_control_is_remembered(void **state)
{
	static const struct {
		const char *fields;
		bool surrogate;
	} rows[] = {
		{FRESH, false},
		{SC("max-age=10"), true},
		{FRESH SC("foobar"), true},
		{CDN("max-age=10") SC("max-age=10"), true},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_policy_verdict v;
		struct zs_policy_input in;
		struct zs_response r;

		parse(&r, "HTTP/1.1 200 OK", rows[i].fields);
		in = input(&r);
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
		assert_int_equal(v.surrogate, rows[i].surrogate);
	}
}

/* --- structured fields ----------------------------------------------------------------------- */

/* Members of a dictionary; -1: invalid. */
static int members(const char *text)
{
	struct zs_text rest = {(const uint8_t *)text, strlen(text)};
	struct zs_sf_member m;
	int more, count = 0;

	while ((more = zs_sf_dictionary_next(&rest, &m)) > 0)
		count++;
	assert_true(!more || more == -EBADMSG);
	return more ? -1 : count;
}

static void test_dictionaries(void **state)
{
	static const struct {
		const char *text;
		int members;
	} rows[] = {
		{"", 0},
		{"a", 1},
		{"*", 1},
		{"*a_-.*9, b", 2},
		{"a,b", 2},
		{"a\t ,\t b", 2},
		{"a ", 1},
		{"a\t", 1},
		{"a;b;c=1;d=\"x\"", 1},
		{"a;  b", 1},
		{"a=1;b, c", 2},
		{"a=?0, b=?1", 2},
		{"a=tok/en:*!, b=*x", 2},
		{"a=\"\\\"\\\\,\", b", 2},
		{"a=:aGk=:, b=::", 2},
		{"a=()", 1},
		{"a=( 1  b;c \"d\" );e, f", 2},
		{"a=-123456789012345, b=123456789012.123", 2},
		{"a=@-5", 1},
		{"a=%\"x%c3%bc%f0%9f%98%80\"", 1},
		{" a", -1},
		{"a,", -1},
		{"a, ", -1},
		{"a,,b", -1},
		{"a b", -1},
		{"A", -1},
		{"aA", -1},
		{"9", -1},
		{"a=", -1},
		{"a =1", -1},
		{"a= 1", -1},
		{"a=1 ;b", -1},
		{"a;", -1},
		{"a;B", -1},
		{"a;b=", -1},
		{"a=&", -1},
		{"a=\xc3\xa4", -1},
		{"a=1234567890123456", -1},
		{"a=1234567890123.1", -1},
		{"a=1.", -1},
		{"a=1.1234", -1},
		{"a=.5", -1},
		{"a=-", -1},
		{"a=--1", -1},
		{"a=+1", -1},
		{"a=1x", -1},
		{"a=\"", -1},
		{"a=\"b", -1},
		{"a=\"\\b\"", -1},
		{"a=\"\\", -1},
		{"a=\"\xff\"", -1},
		{"a=\"\t\"", -1},
		{"a=:aGk=", -1},
		{"a=:a-:", -1},
		{"a=?", -1},
		{"a=?2", -1},
		{"a=(", -1},
		{"a=(1", -1},
		{"a=(1\t2)", -1},
		{"a=(1)(2)", -1},
		{"a=(1\"2\")", -1},
		{"a=((1))", -1},
		{"a=@1.5", -1},
		{"a=@", -1},
		{"a=%x", -1},
		{"a=%\"", -1},
		{"a=%\"%C3%BC\"", -1},
		{"a=%\"%c3\"", -1},
		{"a=%\"%c3x\"", -1},
		{"a=%\"%ff\"", -1},
		{"a=%\"%80\"", -1},
		{"a=%\"%c0%80\"", -1},
		{"a=%\"%ed%a0%80\"", -1},
		{"a=%\"%f4%90%80%80\"", -1},
		{"a=%\"%e0%80%80\"", -1},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		print_message("  %s\n", rows[i].text);
		assert_int_equal(members(rows[i].text), rows[i].members);
	}
}

static void test_member_types(void **state)
{
	static const struct {
		const char *text;
		enum zs_sf_type type;
		int64_t integer;
	} rows[] = {
		{"key", ZS_SF_TRUE, 0},
		{"key;a=1", ZS_SF_TRUE, 0},
		{"key=?1", ZS_SF_TRUE, 0},
		{"key=?0", ZS_SF_OTHER, 0},
		{"key=007", ZS_SF_INTEGER, 7},
		{"key=-7;a=9", ZS_SF_INTEGER, -7},
		{"key=999999999999999", ZS_SF_INTEGER, 999999999999999},
		{"key=7.0", ZS_SF_OTHER, 0},
		{"key=\"7\"", ZS_SF_OTHER, 0},
		{"key=(7)", ZS_SF_OTHER, 0},
		{"key=@7", ZS_SF_OTHER, 0},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_text rest = {(const uint8_t *)rows[i].text, strlen(rows[i].text)};
		struct zs_sf_member m;

		assert_int_equal(zs_sf_dictionary_next(&rest, &m), 1);
		assert_int_equal(m.type, rows[i].type);
		if (m.type == ZS_SF_INTEGER)
			assert_true(m.integer == rows[i].integer);
		assert_true(zs_text_is(m.key, "key"));
		assert_int_equal(zs_sf_dictionary_next(&rest, &m), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targeted),
		cmocka_unit_test(test_surrogates),
		cmocka_unit_test(test_surrogate_control_is_remembered),
		cmocka_unit_test(test_dictionaries),
		cmocka_unit_test(test_member_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
