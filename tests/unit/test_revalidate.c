// SPDX-License-Identifier: GPL-2.0-or-later
/* What is asked of the origin about a stored response, and what its 304 may change. */
#include "policy_rows.h"
#include "render.h"
#include "revalidate.h"

#include <errno.h>

#define LM	"Last-Modified: Sun, 06 Nov 1994 08:49:07 GMT\r\n"
#define LM_TEXT "Sun, 06 Nov 1994 08:49:07 GMT"
#define LM_2	"Last-Modified: Sun, 06 Nov 1994 08:49:08 GMT\r\n"
#define ETAG	"ETag: \"a\"\r\n"
#define START	"HTTP/1.1 200 Fine\r\n"
#define DATE_5	"Date: Sun, 06 Nov 1994 08:49:42 GMT\r\n"

/* The response as the store has it. */
static void store(struct zs_response *stored, const char *fields)
{
	uint8_t head[ZS_ANSWER_HEAD_MAX];
	struct zs_rendered rendered;
	struct zs_response r;

	parse(&r, "HTTP/1.1 200 Fine", fields);
	assert_int_equal(zs_render_head(&r, 42, WALL, head, sizeof(head), &rendered), 0);
	memset(head + rendered.age_off, '7', ZS_SLOT_DIGITS);
	assert_int_equal(zs_response_head(head, rendered.head_len, stored), 0);
}

static void answer(struct zs_response *r, const char *fields)
{
	char text[2 * ZS_RESPONSE_HEAD_MAX];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 304 Not Modified\r\n%s\r\n", fields);

	assert_int_equal(zs_response_head((uint8_t *)text, (size_t)n, r), 0);
}

static void test_fields(void **state)
{
	static const struct {
		const char *fields;
		const char *none_match;
		const char *modified_since;
	} rows[] = {
		{ETAG LM, "\"a\"", LM_TEXT},
		{"ETag: W/\"a\"\r\n", "W/\"a\"", ""},
		{LM, "", LM_TEXT},
		{"ETag: a\r\n" LM, "", LM_TEXT},
		{ETAG ETAG LM, "", LM_TEXT},
		{ETAG "Last-Modified: x\r\n", "\"a\"", ""},
		{ETAG LM LM, "\"a\"", ""},
		{"ETag: a\r\n", NULL, NULL},
		{"Last-Modified: 0\r\n", NULL, NULL},
		{"", NULL, NULL},
	};
	struct zs_revalidate_fields out;
	struct zs_response stored;
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		store(&stored, rows[i].fields);
		if (!rows[i].none_match) {
			assert_int_equal(zs_revalidate_fields(&stored, &out), -ENOENT);
			continue;
		}
		assert_int_equal(zs_revalidate_fields(&stored, &out), 0);
		assert_int_equal(out.none_match.len, strlen(rows[i].none_match));
		if (out.none_match.len)
			assert_memory_equal(out.none_match.p, rows[i].none_match,
					    out.none_match.len);
		assert_int_equal(out.modified_since.len, strlen(rows[i].modified_since));
		if (out.modified_since.len)
			assert_memory_equal(out.modified_since.p, rows[i].modified_since,
					    out.modified_since.len);
	}
	parse(&stored, "HTTP/1.1 404 X", ETAG);
	assert_int_equal(zs_revalidate_fields(&stored, &out), -ENOENT);
}

/* RFC 9111 3.2 and 4.3.4; each row: the stored fields, the 304's, the result before the CRLF. */
static const struct {
	const char *stored;
	const char *answer;
	const char *head;
} updates[] = {
	/* nothing but the date; Age and our own Cache-Status go */
	{ETAG DATE_10_AGO FRESH, ETAG DATE_5, START ETAG FRESH "Content-Length: 42\r\n" DATE_5},
	/* no Date: the response is as old as the answer */
	{ETAG DATE_10_AGO FRESH, ETAG, START ETAG FRESH "Content-Length: 42\r\n"},
	{ETAG FRESH "X: 1\r\nx: 2\r\nY: 3\r\n", ETAG DATE_5 "X: 4\r\n" CC("max-age=5"),
	 START ETAG "Y: 3\r\nContent-Length: 42\r\n" DATE_5 "X: 4\r\n" CC("max-age=5")},
	{ETAG "Cache-Status: up; hit\r\n", ETAG DATE_5,
	 START ETAG "Cache-Status: up; hit\r\nContent-Length: 42\r\n" DATE_5},
	{ETAG "Cache-Status: up; hit\r\n", ETAG "Cache-Status: up; fwd=miss\r\n" DATE_5,
	 START ETAG "Content-Length: 42\r\nCache-Status: up; fwd=miss\r\n" DATE_5},
	/* a tag that is said to be weak now is the same one */
	{ETAG, "ETag: W/\"a\"\r\n", START ETAG "Content-Length: 42\r\n"},
	{"ETag: W/\"a\"\r\n", "ETag: W/\"a\"\r\n", START "ETag: W/\"a\"\r\nContent-Length: 42\r\n"},
	{ETAG LM, LM, START ETAG "Content-Length: 42\r\n" LM},
	{ETAG LM, ETAG LM_2, START ETAG "Content-Length: 42\r\n" LM_2},
	{LM, LM DATE_5, START "Content-Length: 42\r\n" LM DATE_5},
	/* what the stored bytes depend on */
	{ETAG "Content-Type: a\r\nContent-MD5: x\r\nContent-Digest: x\r\n",
	 ETAG "Content-Type: b\r\nContent-MD5: y\r\nContent-Digest: y\r\n"
	      "Content-Encoding: gzip\r\nContent-Range: bytes 0-1/2\r\nContent-Length: 7\r\n",
	 START ETAG "Content-MD5: x\r\nContent-Digest: x\r\nContent-Length: 42\r\n"
		    "Content-Type: b\r\n"},
	{ETAG "Content-Encoding: gzip\r\n", ETAG "content-encoding: br\r\n",
	 START ETAG "Content-Encoding: gzip\r\nContent-Length: 42\r\n"},
	/* what ends at the connection, stored fields that it names included */
	{ETAG "X: 1\r\nY: 2\r\n",
	 ETAG "Connection: close, X\r\nX: 3\r\nKeep-Alive: x\r\nUpgrade: x\r\nTrailer: x\r\n"
	      "TE: x\r\nProxy-Authenticate: x\r\nProxy-Connection: x\r\nY: 4\r\n",
	 START ETAG "X: 1\r\nContent-Length: 42\r\nY: 4\r\n"},
};

static void test_updates(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(updates); i++) {
		struct zs_response stored, fresh, out;
		size_t len = strlen(updates[i].head);

		print_message("  %zu\n", i);
		store(&stored, updates[i].stored);
		answer(&fresh, updates[i].answer);
		assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), 0);
		/* the Date that the store gave a response without one is replaced as well */
		assert_int_equal(out.head_len, len + 2);
		assert_memory_equal(out.head, updates[i].head, len);
		assert_int_equal(out.status, 200);
		assert_int_equal(out.framing, ZS_FRAMING_LENGTH);
		assert_int_equal(out.content_length, 42);
	}
}

/* The 304 is about something else, or may be: fetched whole. */
static void test_foreign_answers(void **state)
{
	static const struct {
		const char *stored;
		const char *answer;
	} rows[] = {
		{ETAG, "ETag: \"b\"\r\n"},
		{ETAG, "ETag: \"A\"\r\n"},
		{ETAG, "ETag: W/\"b\"\r\n"},
		{"ETag: W/\"a\"\r\n", ETAG},
		{ETAG LM, "ETag: \"b\"\r\n" LM},
		{ETAG, ""},
		{ETAG, DATE_5 FRESH},
		{LM, LM_2},
		{LM, ETAG LM},
		{ETAG, LM},
		{ETAG, "ETag: a\r\n"},
		{ETAG LM, "ETag: a\r\n" LM},
		{ETAG, ETAG ETAG},
		{ETAG ETAG, ETAG},
		{LM, LM LM},
		{LM, "Last-Modified: x\r\n"},
		{"Last-Modified: x\r\n", "Last-Modified: x\r\n"},
		{"", ""},
	};
	struct zs_response stored, fresh, out = {.status = 77};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		print_message("  %zu\n", i);
		store(&stored, rows[i].stored);
		answer(&fresh, rows[i].answer);
		assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), -ESTALE);
		assert_int_equal(out.status, 77);
	}
	/* judged by a field that the stored head lacks */
	store(&stored, ETAG);
	answer(&fresh, ETAG FRESH);
	assert_int_equal(zs_revalidate_update(&stored, &fresh, true, &out), -ESTALE);
	answer(&fresh, ETAG "Surrogate-Control: max-age=5\r\n");
	assert_int_equal(zs_revalidate_update(&stored, &fresh, true, &out), 0);
	assert_true(zs_response_find(&out, "surrogate-control", 0) >= 0);
}

/* Whatever a 304 brings, the policy judges the result as if it had come with the body. */
static void test_hostile_answers(void **state)
{
	static const struct {
		const char *answer;
		enum zs_policy_reason reason;
	} rows[] = {
		{ETAG, ZS_POLICY_STORE},
		{ETAG CC("max-age=5"), ZS_POLICY_STORE},
		{ETAG CC("no-store"), ZS_POLICY_NO_STORE},
		{ETAG CC("private"), ZS_POLICY_PRIVATE},
		{ETAG CC("no-cache"), ZS_POLICY_NO_CACHE},
		{ETAG CC("max-age=x"), ZS_POLICY_BAD_FRESHNESS},
		{ETAG CC("max-age=0"), ZS_POLICY_STALE},
		{ETAG "Pragma: no-cache\r\n", ZS_POLICY_NO_CACHE},
		{ETAG "Set-Cookie: a=b\r\n", ZS_POLICY_SET_COOKIE},
		{ETAG "Vary: *\r\n", ZS_POLICY_VARY},
		{ETAG "Vary: Cookie\r\n", ZS_POLICY_VARY},
		{ETAG "Vary:\r\n", ZS_POLICY_CODING_VARY},
		{ETAG "Content-Encoding: br\r\n", ZS_POLICY_STORE},
		{ETAG "Content-Range: bytes 0-1/2\r\n", ZS_POLICY_STORE},
		{ETAG "Age: 60\r\n", ZS_POLICY_STALE},
		{ETAG "Date: x\r\n", ZS_POLICY_DATE},
		{ETAG "Date: Sun, 06 Nov 1994 08:48:37 GMT\r\n", ZS_POLICY_STALE},
		{ETAG "CDN-Cache-Control: no-store\r\n", ZS_POLICY_NO_STORE},
		{ETAG "Surrogate-Control: content=\"ESI/1.0\"\r\n", ZS_POLICY_SURROGATE_CONTROL},
		{ETAG "X-Accel-Expires: 0\r\n", ZS_POLICY_ACCEL_EXPIRES},
	};
	struct zs_response stored, fresh, out;
	(void)state;

	store(&stored, ETAG FRESH "Vary: Accept-Encoding\r\nContent-Encoding: gzip\r\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_policy_verdict v;
		struct zs_policy_input in;

		print_message("  %s", rows[i].answer);
		answer(&fresh, rows[i].answer);
		assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), 0);
		in = input(&out);
		assert_string_equal(zs_policy_reason_name(zs_policy_judge(&in, &v)),
				    zs_policy_reason_name(rows[i].reason));
		assert_int_equal(out.content_length, 42);
	}
	answer(&fresh, ETAG "Connection: cache-control\r\n" CC("no-store"));
	assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), -EBADMSG);
	answer(&fresh, ETAG "Connection: etag\r\n");
	assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), -EBADMSG);
	answer(&fresh, ETAG "Connection: \"x\r\n");
	assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), -EBADMSG);
}

static void test_limits(void **state)
{
	static const char chunked[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" ETAG "\r\n";
	static char text[ZS_RESPONSE_HEAD_MAX];
	struct zs_response stored, fresh, out = {.status = 77};
	size_t n;
	(void)state;

	/* each fits by itself, not both */
	n = (size_t)sprintf(text, ETAG "X: ");
	memset(text + n, 'x', 5000);
	strcpy(text + n + 5000, "\r\n");
	store(&stored, text);
	text[strlen(ETAG)] = 'Y';
	answer(&fresh, text);
	assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), -E2BIG);

	n = (size_t)sprintf(text, ETAG);
	for (unsigned int i = 0; i < 70; i++)
		n += (size_t)sprintf(text + n, "X%u: x\r\n", i);
	store(&stored, text);
	n = (size_t)sprintf(text, ETAG);
	for (unsigned int i = 0; i < 70; i++)
		n += (size_t)sprintf(text + n, "Y%u: x\r\n", i);
	answer(&fresh, text);
	assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), -E2BIG);

	store(&stored, ETAG);
	assert_int_equal(zs_revalidate_update(&stored, &stored, false, &out), -EINVAL);
	answer(&fresh, ETAG);
	assert_int_equal(zs_revalidate_update(&fresh, &fresh, false, &out), -EINVAL);
	parse(&stored, "HTTP/1.1 404 X", ETAG);
	assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), -EINVAL);
	assert_int_equal(zs_response_head((const uint8_t *)chunked, sizeof(chunked) - 1, &stored),
			 0);
	assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), -EINVAL);
	assert_int_equal(out.status, 77);
}

/* Rendering, updating, rendering: the head does not grow. */
static void test_again_and_again(void **state)
{
	struct zs_rendered first, again;
	struct zs_response stored, fresh, out;
	uint8_t buf[ZS_ANSWER_HEAD_MAX];
	(void)state;

	store(&stored, ETAG LM FRESH DATE "Cache-Status: up; hit\r\nContent-Type: x\r\n");
	answer(&fresh, ETAG LM FRESH DATE_5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(zs_revalidate_update(&stored, &fresh, false, &out), 0);
		assert_int_equal(zs_render_head(&out, 42, WALL, buf, sizeof(buf), &again), 0);
		assert_int_equal(zs_response_head(buf, again.head_len, &stored), 0);
		if (!i)
			first = again;
		assert_memory_equal(&again, &first, sizeof(again));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),		cmocka_unit_test(test_updates),
		cmocka_unit_test(test_foreign_answers), cmocka_unit_test(test_hostile_answers),
		cmocka_unit_test(test_limits),		cmocka_unit_test(test_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
