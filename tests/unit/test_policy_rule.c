// SPDX-License-Identifier: GPL-2.0-or-later
/* What the operator's rules change, what they never lift, and how long a response may be stale. */
#include "policy_rows.h"

#define TTL(seconds)                                                                               \
	{                                                                                          \
		.has_ttl = true, .ttl = (seconds)                                                  \
	}
#define FORCE(seconds)                                                                             \
	{                                                                                          \
		.has_ttl = true, .ttl = (seconds), .ttl_force = true                               \
	}

static enum zs_policy_reason judge(const char *status_line, const char *fields,
				   const struct zs_policy_rule *rule, struct zs_policy_verdict *v)
{
	struct zs_policy_input in;
	struct zs_response r;

	parse(&r, status_line, fields);
	in = input(&r);
	in.rule = rule;
	return zs_policy_judge(&in, v);
}

static const struct {
	struct zs_policy_rule rule;
	const char *fields;
	enum zs_policy_reason reason;
	uint32_t lifetime;
} ttls[] = {
	{{0}, FRESH, ZS_POLICY_STORE, 60},
	{{0}, "", ZS_POLICY_NO_FRESHNESS, 0},
	{TTL(10), "", ZS_POLICY_STORE, 10},
	{TTL(10), CC("public"), ZS_POLICY_STORE, 10},
	{TTL(10), "CDN-Cache-Control: foobar\r\n", ZS_POLICY_STORE, 10},
	{TTL(UINT32_MAX), "", ZS_POLICY_STORE, 2147483648u},
	{TTL(0), "", ZS_POLICY_TTL_RULE, 0},
	/* without force what the response says stands */
	{TTL(10), FRESH, ZS_POLICY_STORE, 60},
	{TTL(10), CC("s-maxage=60"), ZS_POLICY_STORE, 60},
	{TTL(10), DATE EXPIRES_60, ZS_POLICY_STORE, 60},
	{TTL(10), "X-Accel-Expires: 60\r\n", ZS_POLICY_STORE, 60},
	{TTL(10), "CDN-Cache-Control: max-age=60\r\n", ZS_POLICY_STORE, 60},
	{TTL(10), CC("max-age=0"), ZS_POLICY_STALE, 0},
	{TTL(10), DATE "Expires: 0\r\n", ZS_POLICY_BAD_FRESHNESS, 0},
	{TTL(0), FRESH, ZS_POLICY_STORE, 60},
	{FORCE(10), "", ZS_POLICY_STORE, 10},
	{FORCE(10), FRESH, ZS_POLICY_STORE, 10},
	{FORCE(100), CC("s-maxage=60, max-age=30"), ZS_POLICY_STORE, 100},
	{FORCE(10), CC("max-age=0, must-revalidate"), ZS_POLICY_STORE, 10},
	{FORCE(10), DATE EXPIRES_60, ZS_POLICY_STORE, 10},
	{FORCE(10), DATE "Expires: 0\r\n", ZS_POLICY_STORE, 10},
	{FORCE(10), DATE "Expires: Thu, 19 Nov 1981 08:52:00 GMT\r\n", ZS_POLICY_STORE, 10},
	{FORCE(10), "X-Accel-Expires: 5\r\n", ZS_POLICY_STORE, 10},
	{FORCE(10), "Surrogate-Control: max-age=5\r\n", ZS_POLICY_STORE, 10},
	{FORCE(0), FRESH, ZS_POLICY_TTL_RULE, 0},
	{FORCE(0), "", ZS_POLICY_TTL_RULE, 0},
	/* the age counts all the same */
	{FORCE(10), "Age: 9\r\n", ZS_POLICY_STORE, 10},
	{FORCE(10), "Age: 10\r\n", ZS_POLICY_STALE, 0},
	/* what no rule lifts */
	{FORCE(10), CC("no-store"), ZS_POLICY_NO_STORE, 0},
	{FORCE(10), CC("private"), ZS_POLICY_PRIVATE, 0},
	{FORCE(10), CC("no-cache"), ZS_POLICY_NO_CACHE, 0},
	{FORCE(10), "Pragma: no-cache\r\n", ZS_POLICY_NO_CACHE, 0},
	{FORCE(10), "Set-Cookie: a=b\r\n", ZS_POLICY_SET_COOKIE, 0},
	{FORCE(10), "Vary: Cookie\r\n", ZS_POLICY_VARY, 0},
	{FORCE(10), "Vary: *\r\n", ZS_POLICY_VARY, 0},
	{FORCE(10), CC("max-age=60 x"), ZS_POLICY_MALFORMED, 0},
	{FORCE(10), CC("max-age=x"), ZS_POLICY_BAD_FRESHNESS, 0},
	{FORCE(10), CC("max-age=60, max-age=30"), ZS_POLICY_BAD_FRESHNESS, 0},
	{FORCE(10), "X-Accel-Expires: 0\r\n", ZS_POLICY_ACCEL_EXPIRES, 0},
	{FORCE(10), "Surrogate-Control: content=\"ESI/1.0\"\r\n", ZS_POLICY_SURROGATE_CONTROL, 0},
	{FORCE(10), "Date: 0\r\n", ZS_POLICY_DATE, 0},
	{FORCE(10), "Content-Encoding: gzip\r\n", ZS_POLICY_CODING_VARY, 0},
	{{.bypass = true}, FRESH, ZS_POLICY_BYPASS_RULE, 0},
	{{.bypass = true, .has_ttl = true, .ttl = 10, .ttl_force = true},
	 FRESH,
	 ZS_POLICY_BYPASS_RULE,
	 0},
	/* the body is three bytes long */
	{{.max_object = 3}, FRESH, ZS_POLICY_STORE, 60},
	{{.max_object = 2}, FRESH, ZS_POLICY_LARGE, 0},
};

static void test_ttls(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ttls); i++) {
		struct zs_policy_verdict v = {.lifetime = 12345};
		enum zs_policy_reason reason =
			judge("HTTP/1.1 200 OK", ttls[i].fields, &ttls[i].rule, &v);

		print_message("  %zu %s\n", i, zs_policy_reason_name(reason));
		assert_int_equal(reason, ttls[i].reason);
		assert_int_equal(v.lifetime, reason ? 12345 : ttls[i].lifetime);
	}
}

/* lifetime_max bounds the operator too. */
static void test_ttl_is_bounded(void **state)
{
	static const struct zs_policy_rule rule = FORCE(3600);
	struct zs_policy_verdict v;
	struct zs_policy_input in;
	struct zs_response r;
	(void)state;

	parse(&r, "HTTP/1.1 200 OK", "");
	in = input(&r);
	in.rule = &rule;
	in.lifetime_max = 60;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	assert_int_equal(v.lifetime, 60);
}

/* All stored statuses take the operator's ttl, but for redirects that say themselves that they are
 * temporary: these need a lifetime of their own. */
static void test_ttl_and_status(void **state)
{
	static const struct zs_policy_rule ttl = TTL(10), force = FORCE(10);
	static const struct {
		const char *line;
		enum zs_policy_reason bare;
	} rows[] = {
		{"HTTP/1.1 203 X", ZS_POLICY_STORE},
		{"HTTP/1.1 300 X", ZS_POLICY_STORE},
		{"HTTP/1.1 301 X", ZS_POLICY_STORE},
		{"HTTP/1.1 308 X", ZS_POLICY_STORE},
		{"HTTP/1.1 404 X", ZS_POLICY_STORE},
		{"HTTP/1.1 405 X", ZS_POLICY_STORE},
		{"HTTP/1.1 410 X", ZS_POLICY_STORE},
		{"HTTP/1.1 414 X", ZS_POLICY_STORE},
		{"HTTP/1.1 501 X", ZS_POLICY_STORE},
		{"HTTP/1.1 302 X", ZS_POLICY_NO_FRESHNESS},
		{"HTTP/1.1 307 X", ZS_POLICY_NO_FRESHNESS},
		{"HTTP/1.1 303 X", ZS_POLICY_STATUS},
		{"HTTP/1.1 206 X", ZS_POLICY_STATUS},
		{"HTTP/1.1 403 X", ZS_POLICY_STATUS},
		{"HTTP/1.1 500 X", ZS_POLICY_STATUS},
		{"HTTP/1.1 502 X", ZS_POLICY_STATUS},
		{"HTTP/1.1 503 X", ZS_POLICY_STATUS},
		{"HTTP/1.1 504 X", ZS_POLICY_STATUS},
	};
	struct zs_policy_verdict v;
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(judge(rows[i].line, "", &ttl, &v), rows[i].bare);
		assert_int_equal(judge(rows[i].line, "", &force, &v), rows[i].bare);
		assert_int_not_equal(judge(rows[i].line, "", NULL, &v), ZS_POLICY_STORE);
	}
	assert_int_equal(judge("HTTP/1.1 302 X", FRESH, NULL, &v), ZS_POLICY_STORE);
	assert_int_equal(v.lifetime, 60);
	assert_int_equal(judge("HTTP/1.1 302 X", FRESH, &force, &v), ZS_POLICY_STORE);
	assert_int_equal(v.lifetime, 10);
	assert_int_equal(judge("HTTP/1.1 302 X", "Expires: 0\r\n", &force, &v),
			 ZS_POLICY_BAD_FRESHNESS);
}

/* --- staleness ------------------------------------------------------------------------------- */

static const struct {
	const char *fields;
	uint32_t grace;
	int64_t stale; /* seconds behind fresh_until */
	int64_t error;
} stales[] = {
	{FRESH, 0, 0, 0},
	{FRESH, 30, 30, 30},
	{CC("max-age=60, stale-while-revalidate=10"), 30, 10, 0},
	{CC("max-age=60, stale-if-error=10"), 30, 0, 10},
	{CC("max-age=60, stale-while-revalidate=10, stale-if-error=20"), 30, 10, 20},
	{CC("max-age=60, stale-while-revalidate=100, stale-if-error=200"), 30, 30, 30},
	{CC("max-age=60, stale-while-revalidate=100, stale-if-error=200"), 0, 0, 0},
	{CC("max-age=60, Stale-While-Revalidate=10"), 30, 10, 0},
	{CC("max-age=60, stale-while-revalidate=0"), 30, 0, 0},
	{CC("max-age=60, stale-while-revalidate"), 30, 0, 0},
	{CC("max-age=60, stale-while-revalidate=\"10\""), 30, 0, 0},
	{CC("max-age=60, stale-if-error=-1"), 30, 0, 0},
	{CC("max-age=60, stale-while-revalidate=10, stale-while-revalidate=10"), 30, 0, 0},
	{CC("max-age=60, stale-while-revalidate=99999999999"), UINT32_MAX, 2147483648, 0},
	{FRESH, UINT32_MAX, 2147483648, 2147483648},
	/* RFC 9111 4.2.4 */
	{CC("max-age=60, must-revalidate"), 30, 0, 0},
	{CC("max-age=60, must-revalidate=x"), 30, 0, 0},
	{CC("max-age=60, proxy-revalidate, stale-while-revalidate=10"), 30, 0, 0},
	{CC("s-maxage=60, stale-if-error=10"), 30, 0, 0},
	{CC("s-maxage=60"), 30, 0, 0},
	/* the field that decides says it, and no other */
	{"CDN-Cache-Control: max-age=60\r\n" CC("must-revalidate, stale-if-error=5"), 30, 30, 30},
	{"CDN-Cache-Control: max-age=60, must-revalidate\r\n" FRESH, 30, 0, 0},
	{"CDN-Cache-Control: max-age=60, proxy-revalidate=?0\r\n", 30, 0, 0},
	{"CDN-Cache-Control: max-age=60, stale-while-revalidate=10\r\n", 30, 10, 0},
	{"CDN-Cache-Control: max-age=60, stale-if-error=10.5\r\n", 30, 0, 0},
	{"Surrogate-Control: max-age=60+10\r\n", 30, 10, 10},
	{"Surrogate-Control: max-age=60+100\r\n", 30, 30, 30},
	{"Surrogate-Control: max-age=60, stale-while-revalidate=10\r\n", 30, 10, 0},
	{"Surrogate-Control: max-age=60+10, must-revalidate\r\n", 30, 0, 0},
	{DATE EXPIRES_60, 30, 30, 30},
};

static void test_staleness(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(stales); i++) {
		struct zs_policy_rule rule = {.grace = stales[i].grace};
		struct zs_policy_verdict v;

		print_message("  %.70s\n", stales[i].fields);
		assert_int_equal(judge("HTTP/1.1 200 OK", stales[i].fields, &rule, &v),
				 ZS_POLICY_STORE);
		assert_true(v.stale_until == v.fresh_until + stales[i].stale * SECOND);
		assert_true(v.error_until == v.fresh_until + stales[i].error * SECOND);
		/* without a rule there is no grace */
		assert_int_equal(judge("HTTP/1.1 200 OK", stales[i].fields, NULL, &v),
				 ZS_POLICY_STORE);
		assert_true(v.stale_until == v.fresh_until && v.error_until == v.fresh_until);
	}
}

/* A response that arrives stale is not stored for the sake of grace, and times do not overflow. */
static void test_staleness_at_the_edges(void **state)
{
	static const struct zs_policy_rule rule = {.grace = UINT32_MAX};
	struct zs_policy_verdict v;
	struct zs_policy_input in;
	struct zs_response r;
	(void)state;

	assert_int_equal(judge("HTTP/1.1 200 OK", CC("max-age=0, stale-if-error=60"), &rule, &v),
			 ZS_POLICY_STALE);
	parse(&r, "HTTP/1.1 200 OK", CC("max-age=2147483648"));
	in = input(&r);
	in.rule = &rule;
	in.request_time = in.response_time = (1ull << 62) - 1;
	assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
	assert_true(v.stale_until > v.fresh_until && v.error_until > v.fresh_until);
}

/* --- Authorization --------------------------------------------------------------------------- */

static void test_authorization(void **state)
{
	static const struct zs_policy_rule allow = {.allow_authorized = true}, other = {.grace = 1};
	static const struct {
		const char *fields;
		bool shared;
	} rows[] = {
		{FRESH, false},
		{DATE EXPIRES_60, false},
		{CC("max-age=60, public"), true},
		{CC("max-age=60, PUBLIC"), true},
		{CC("max-age=60, must-revalidate"), true},
		{CC("s-maxage=60"), true},
		{CC("max-age=60, public=x"), false},
		{CC("max-age=60, must-revalidate=x"), false},
		{CC("max-age=60, proxy-revalidate"), false},
		{CC("max-age=60, x=\"public\""), false},
		{"CDN-Cache-Control: max-age=60, public\r\n", true},
		{"CDN-Cache-Control: max-age=60, public=?0\r\n", false},
		{"CDN-Cache-Control: max-age=60, must-revalidate=?0\r\n", false},
		{"CDN-Cache-Control: max-age=60\r\n" CC("public"), false},
		{"Surrogate-Control: max-age=60, must-revalidate\r\n" CC("public"), false},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_policy_verdict v;
		struct zs_policy_input in;
		struct zs_response r;

		print_message("  %s", rows[i].fields);
		parse(&r, "HTTP/1.1 200 OK", rows[i].fields);
		in = input(&r);
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_STORE);
		assert_int_equal(v.authorized_ok, rows[i].shared);
		in.request.authorized = true;
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_AUTHORIZATION);
		in.rule = &other;
		assert_int_equal(zs_policy_judge(&in, &v), ZS_POLICY_AUTHORIZATION);
		in.rule = &allow;
		assert_int_equal(zs_policy_judge(&in, &v),
				 rows[i].shared ? ZS_POLICY_STORE : ZS_POLICY_AUTHORIZATION);
		if (rows[i].shared)
			assert_true(v.authorized_ok);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ttls),
		cmocka_unit_test(test_ttl_is_bounded),
		cmocka_unit_test(test_ttl_and_status),
		cmocka_unit_test(test_staleness),
		cmocka_unit_test(test_staleness_at_the_edges),
		cmocka_unit_test(test_authorization),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
