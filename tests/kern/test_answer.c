// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers of every size and over every address family, byte for byte, and what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include <zs/key.h>

#include <sys/uio.h>

/* Where an object's response begins within its extent, for names of that length and "Host: rig". */
static uint32_t data_off(size_t target_len)
{
	uint32_t key = ZS_KEY_HEAD + (uint32_t)(target_len + 7) / 8 * 8 + 8;

	return (ZS_OBJECT_KEY_OFF + key + ZS_STEP - 1) / ZS_STEP * ZS_STEP;
}

static uint32_t head_len(uint32_t body)
{
	char head[256];

	return (uint32_t)kern_head_of(body, head);
}

static void hit_of_size(uint32_t body)
{
	kern_put("/sized", body, 60);
	assert_int_equal(kern_object("/sized")->data_off, data_off(6));
	kern_hit("/sized", body);
}

static void test_small(void **state)
{
	static const uint32_t sizes[] = {0, 1, 2, 7, 8, 9, 62, 63, 64, 65, 127, 128, 129, 1000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		hit_of_size(sizes[i]);
	kern_quiet(kern.acceptor);
}

/* Body, answer, and extent end just before, at and just behind each boundary. */
static void test_boundaries(void **state)
{
	static const uint32_t edges[] = {4096, 8192, 12288, 32768, 36864, 65536, 69632};
	static const int around[] = {-65, -64, -63, -1, 0, 1, 63, 64, 65};

	(void)state;
	for (size_t e = 0; e < sizeof(edges) / sizeof(*edges); e++) {
		for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
			uint32_t size = edges[e] + (uint32_t)around[i], head = head_len(size);

			hit_of_size(size);
			hit_of_size(size - head);
			hit_of_size(size - head - data_off(6));
		}
	}
	kern_quiet(kern.acceptor);
}

static void test_largest(void **state)
{
	uint32_t most = ZS_ANSWER_MAX - head_len(ZS_ANSWER_MAX);
	int err;

	(void)state;
	hit_of_size(ZS_BODY_MAX);
	hit_of_size(most - 1);
	hit_of_size(most);
	err = zs_rig_put(&kern.rig, "/sized", kern.body, most + 1, 60, kern.head);
	assert_int_equal(err, -EFBIG);
	kern_hit("/sized", most); /* the old one is as it was */
	kern_quiet(kern.acceptor);
}

static void test_head(void **state)
{
	static const uint32_t sizes[] = {0, 1, 5000, 40000, ZS_BODY_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		kern_put("/head", sizes[i], 60);
		kern_ask(kern.dialer, "HEAD", "/head");
		kern_answered(kern.dialer, "HEAD", "/head", sizes[i]);
		kern_hit("/head", sizes[i]);
	}
	kern_quiet(kern.dialer);
	kern_quiet(kern.acceptor);
}

/* A request fills its message: of one write, however it was gathered. */
static void test_one_message(void **state)
{
	char text[128];
	size_t len = zs_rig_request("GET", "/gathered", text, sizeof(text));
	struct iovec part[4] = {
		{text, 1}, {text + 1, 9}, {text + 10, len - 12}, {text + len - 2, 2}};

	(void)state;
	kern_put("/gathered", 3000, 60);
	assert_int_equal(writev(kern.dialer, part, 4), (ssize_t)len);
	kern_answered(kern.dialer, "GET", "/gathered", 3000);
	assert_int_equal(write(kern.dialer, text, len), (ssize_t)len);
	kern_answered(kern.dialer, "GET", "/gathered", 3000);
	assert_int_equal(send(kern.dialer, text, len, MSG_MORE | MSG_DONTWAIT), (ssize_t)len);
	kern_answered(kern.dialer, "GET", "/gathered", 3000);
	kern_quiet(kern.acceptor);

	kern_send(kern.dialer, text, 10);
	kern_send(kern.dialer, text + 10, len - 10);
	kern_served(text, len);
}

/* Heads around the limit of the recogniser. A longer one is not looked at, and the connection is
 * native. */
static void test_long_request(void **state)
{
	static char text[ZS_HEAD_MAX + 2];

	(void)state;
	kern_put("/long", 300, 60);
	for (size_t want = ZS_HEAD_MAX - 66; want <= ZS_HEAD_MAX + 1; want++) {
		size_t n = (size_t)sprintf(text, "GET /long HTTP/1.1\r\nHost: rig\r\nAccept: ");

		memset(text + n, 'x', want - n - 4);
		memcpy(text + want - 4, "\r\n\r\n", 4);
		kern_send(kern.dialer, text, want);
		if (want <= ZS_HEAD_MAX)
			kern_answered(kern.dialer, "GET", "/long", 300);
		else
			kern_served(text, want);
	}
	kern_miss("/long");
}

/* A thousand hits on one connection, other requests in between. */
static void test_keepalive(void **state)
{
	uint32_t sizes[40], hits = 0, misses = 0;
	char name[32];

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		sizes[i] = kern_random(4) ? kern_random(9000) : kern_random(ZS_BODY_MAX);
		sprintf(name, "/keep/%u", i);
		kern_put(name, sizes[i], 60);
	}
	while (hits < 1000) {
		uint32_t i = kern_random(40), kind = kern_random(8);

		sprintf(name, "/keep/%u", i);
		if (kind == 0) {
			sprintf(name, "/keep/not/%u", ++misses);
			kern_miss(name);
		} else if (kind == 1) {
			kern_ask(kern.dialer, "HEAD", name);
			kern_answered(kern.dialer, "HEAD", name, sizes[i]);
			hits++;
		} else {
			kern_hit(name, sizes[i]);
			hits++;
		}
	}
	kern_quiet(kern.acceptor);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(kern_count(ZS_COUNT_misses), misses);
	assert_int_equal(kern_count(ZS_COUNT_passed), misses);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
	assert_int_equal(kern_count(ZS_COUNT_impossible), 0);
}

static void test_counters(void **state)
{
	uint32_t bytes = 2 * head_len(700) + 700;

	(void)state;
	kern_put("/counted", 700, 60);
	kern_hit("/counted", 700);
	kern_ask(kern.dialer, "HEAD", "/counted");
	kern_answered(kern.dialer, "HEAD", "/counted", 700);
	kern_miss("/not-counted");
	kern_pass("GET /counted HTTP/1.1\r\nHost: rig\r\nCookie: a\r\n\r\n");
	kern_pass("POST /counted HTTP/1.1\r\nHost: rig\r\nContent-Length: 3\r\n\r\nabc");
	assert_int_equal(kern_count(ZS_COUNT_hits), 2);
	assert_int_equal(kern_count(ZS_COUNT_hit_bytes), bytes);
	assert_int_equal(kern_count(ZS_COUNT_misses), 1);
	assert_int_equal(kern_count(ZS_COUNT_over_budget), 1);
	assert_int_equal(kern_count(ZS_COUNT_bypassed), 2);
	assert_int_equal(kern_count(ZS_COUNT_passed), 3);
	assert_int_equal(kern_count(ZS_COUNT_unsafe), 1);
	assert_int_equal(kern_count(ZS_COUNT_enrolled), 0); /* it was before the test began */
	kern_redial();
	assert_int_equal(kern_count(ZS_COUNT_enrolled), 1);
	assert_int_equal(kern_count(ZS_COUNT_not_enrolled), 0);
}

/* What lies around the response in its pages, and in the pages beside, is nobody's business. */
static void test_nothing_leaks(void **state)
{
	static const uint32_t sizes[] = {0, 1, 40, 3000, 3800, 33000, 66000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct zs_object *o;
		uint8_t *end, *at;

		kern_put("/leak", sizes[i], 60);
		o = kern_object("/leak");
		at = (uint8_t *)o + o->data_off + o->head_len + o->body_len;
		end = (uint8_t *)o + (size_t)o->pages * ZS_PAGE_SIZE;
		if ((size_t)(end - kern.rig.pages) + ZS_PAGE_SIZE <= 1024 * ZS_PAGE_SIZE)
			end += ZS_PAGE_SIZE; /* its neighbour is free, or void from now on */
		memset(at, 0xee, (size_t)(end - at));
		for (int n = 0; n < 20; n++) {
			kern_hit("/leak", sizes[i]);
			kern_ask(kern.dialer, "HEAD", "/leak");
			kern_answered(kern.dialer, "HEAD", "/leak", sizes[i]);
		}
	}
	kern_quiet(kern.dialer);
	kern_quiet(kern.acceptor);
}

int main(void)
{
	const struct CMUnitTest every_family[] = {
		KERN_TEST(test_small), KERN_TEST(test_boundaries), KERN_TEST(test_largest),
		KERN_TEST(test_head),  KERN_TEST(test_keepalive),  KERN_TEST(test_counters),
	};
	const struct CMUnitTest once[] = {
		KERN_TEST(test_one_message),
		KERN_TEST(test_long_request),
		KERN_TEST(test_nothing_leaks),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("IPv4", every_family, kern_open_v4, kern_close);

	failed += cmocka_run_group_tests_name("IPv6", every_family, kern_open_v6, kern_close);
	failed += cmocka_run_group_tests_name("v4-mapped", every_family, kern_open_mapped,
					      kern_close);
	failed += cmocka_run_group_tests(once, kern_open_v4, kern_close);
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
