// SPDX-License-Identifier: GPL-2.0-or-later
/* 304s and stale answers on live sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include <zs/request.h>

#define START "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT"
#define LAST_MODIFIED "Sun, 06 Nov 1994 08:49:37 GMT"

static char alt[256];
static size_t alt_len;

/* Objects stored from now on have an ETag, a date and a 304. */
static void validators(void)
{
	struct zs_store_item *more = &kern.rig.more;

	more->alt_age_off = (uint32_t)sprintf(alt, START KERN_AGE);
	more->alt_ttl_off = more->alt_age_off + (uint32_t)sprintf(alt + more->alt_age_off, "%*s" KERN_TTL,
								  ZS_SLOT_DIGITS, "");
	alt_len = more->alt_ttl_off +
		  (size_t)sprintf(alt + more->alt_ttl_off, "%*s\r\n\r\n", ZS_SLOT_DIGITS, "");
	more->alt = (uint8_t *)alt;
	more->alt_len = (uint32_t)alt_len;
	more->etag = (const uint8_t *)"\"v1\"";
	more->etag_len = 4;
	more->modified = zs_imf_date((const uint8_t *)LAST_MODIFIED);
}

static int begin(void **state)
{
	int err = kern_begin(state);

	memset(&kern.rig.more, 0, sizeof(kern.rig.more));
	validators();
	kern.rig.ctl->heartbeat = zs_boot_ns();
	return err;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, kern_end)

static const char *ask(const char *method, const char *target, const char *fields)
{
	static char text[2048];

	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: rig\r\n%s\r\n", method, target, fields);
	return text;
}

static void not_modified(const char *method, const char *target, const char *fields)
{
	kern_text(kern.dialer, ask(method, target, fields));
	assert_int_equal(zs_rig_recv(kern.dialer, kern.got, alt_len), alt_len);
	assert_true(zs_rig_head_equal(alt, (char *)kern.got, alt_len));
	kern_silent(kern.dialer);
	kern_silent(kern.acceptor);
}

static void whole(const char *target, const char *fields, uint32_t len)
{
	kern_text(kern.dialer, ask("GET", target, fields));
	kern_answered(kern.dialer, "GET", target, len);
	kern_silent(kern.acceptor);
}

static void test_not_modified(void **state)
{
	static const uint32_t sizes[] = {0, 1, 63, 64, 4000, 70000, ZS_BODY_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		kern_put("/c", sizes[i], 60);
		not_modified("GET", "/c", "If-None-Match: \"v1\"\r\n");
		not_modified("GET", "/c", "If-None-Match: \"v0\", W/\"v1\"\r\n");
		not_modified("GET", "/c", "If-None-Match: *\r\n");
		not_modified("HEAD", "/c", "If-None-Match: \"v1\"\r\n");
		not_modified("GET", "/c", "If-Modified-Since: " LAST_MODIFIED "\r\n");
		whole("/c", "If-None-Match: \"v2\"\r\n", sizes[i]);
		whole("/c", "If-None-Match: \"v2\"\r\nIf-Modified-Since: " LAST_MODIFIED "\r\n", sizes[i]);
		whole("/c", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", sizes[i]);
		whole("/c", "", sizes[i]);
	}
	assert_int_equal(kern_count(ZS_COUNT_not_modified), 5 * 7);
	assert_int_equal(kern_count(ZS_COUNT_hits), 9 * 7);
	assert_int_equal(kern_count(ZS_COUNT_misses), 0);
}

/* What is subtler goes on to the server, and comes back native. */
static void test_passed_on(void **state)
{
	static const char *const fields[] = {
		"If-None-Match: v1\r\n",
		"If-None-Match: \"v0\" \"v1\"\r\n",
		"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n",
		"If-Match: \"v1\"\r\n",
		"If-None-Match: \"v1\"\r\nRange: bytes=0-1\r\n",
		"If-None-Match: \"v1\"\r\nCache-Control: no-cache\r\n",
	};

	(void)state;
	kern_put("/odd", 500, 60);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		kern_pass(ask("GET", "/odd", fields[i]));
		kern_hit("/odd", 500);
	}
	assert_int_equal(kern_count(ZS_COUNT_hits), 6);
	assert_int_equal(kern_count(ZS_COUNT_not_modified), 0);
}

/* Without a 304 to give, without validators, and for what is no 200. */
static void test_without(void **state)
{
	(void)state;
	kern.rig.more.alt_len = 0;
	kern_put("/none", 300, 60);
	kern_pass(ask("GET", "/none", "If-None-Match: \"v1\"\r\n"));
	kern_hit("/none", 300);
	kern.rig.more = (struct zs_store_item){0};
	kern_put("/bare", 300, 60);
	whole("/bare", "If-None-Match: \"v1\"\r\n", 300);
	whole("/bare", "If-Modified-Since: " LAST_MODIFIED "\r\n", 300);
	validators();
	kern.rig.more.status = 404; /* RFC 9110 13.2.1 */
	kern_put("/gone", 300, 60);
	whole("/gone", "If-None-Match: \"v1\"\r\n", 300);
}

/* A conditional request that misses never fills the store: its response may be a 304. */
static void test_never_recorded(void **state)
{
	(void)state;
	kern.rig.ctl->tokens = kern.rig.ctl->tokens_half = 100;
	kern_pass(ask("GET", "/new", "If-None-Match: \"v1\"\r\n"));
	assert_int_equal(kern_count(ZS_COUNT_recorded), 0);
	assert_int_equal(kern_count(ZS_COUNT_unfit), 1);
}

static void stale(const char *target, uint64_t since)
{
	struct zs_object *o = kern_object(target);

	o->fresh_until = zs_boot_ns() - since;
	o->stale_until = zs_boot_ns() + 60 * ZS_NS;
}

static void test_stale(void **state)
{
	(void)state;
	kern_put("/stale", 3000, 60);
	stale("/stale", 5 * ZS_NS);
	for (int i = 0; i < 3; i++) {
		kern_ask(kern.dialer, "GET", "/stale");
		assert_true(zs_rig_recv(kern.dialer, kern.got, 3000) == 3000);
		assert_non_null(strstr((char *)kern.got, "; hit; ttl=-6        \r\n"));
		zs_rig_recv(kern.dialer, kern.got, strlen(kern.head));
		kern_silent(kern.dialer);
		kern_silent(kern.acceptor);
	}
	not_modified("GET", "/stale", "If-None-Match: \"v1\"\r\n");
	assert_int_equal(kern_count(ZS_COUNT_stale_hits), 4);
	assert_int_equal(kern_count(ZS_COUNT_refresh_asked), 1); /* once is enough */
}

/* Nobody revalidates: nothing stale is served. */
static void test_stale_without_agent(void **state)
{
	(void)state;
	kern_put("/dead", 100, 60);
	stale("/dead", 1);
	kern.rig.ctl->heartbeat = zs_boot_ns() - 3 * ZS_NS;
	kern_miss("/dead");
	assert_int_equal(kern_count(ZS_COUNT_expired), 1);
	kern.rig.ctl->heartbeat = zs_boot_ns();
	kern_object("/dead")->stale_until = zs_boot_ns();
	kern_miss("/dead");
	assert_int_equal(kern_count(ZS_COUNT_expired), 2);
	assert_int_equal(kern_count(ZS_COUNT_stale_hits), 0);
}

static void test_negative_slots(void **state)
{
	static const struct {
		uint64_t since;
		const char *ttl;
	} rows[] = {{0, "ttl=-1        \r\n"}, {9, "ttl=-10       \r\n"}};

	(void)state;
	kern_put("/negative", 100, 60);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		stale("/negative", rows[i].since * ZS_NS);
		kern_ask(kern.dialer, "GET", "/negative");
		assert_int_equal(zs_rig_recv(kern.dialer, kern.got, strlen(kern.head) + 100), strlen(kern.head) + 100);
		assert_non_null(strstr((char *)kern.got, rows[i].ttl));
	}
	kern_silent(kern.dialer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_not_modified), TEST(test_passed_on), TEST(test_without),    TEST(test_never_recorded),
		TEST(test_stale),	 TEST(test_stale_without_agent), TEST(test_negative_slots),
	};

	return cmocka_run_group_tests_name("condition, IPv4", tests, kern_open_v4, kern_close);
}
