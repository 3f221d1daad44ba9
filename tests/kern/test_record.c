// SPDX-License-Identifier: GPL-2.0-or-later
/* The recorder: what it copies is the response to the request that asked for it, all of it, or
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_events.h"

#include <sys/mman.h>

static size_t chunked_make(const char *name, uint32_t len)
{
	size_t n = (size_t)sprintf((char *)text,
				   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");

	kern_fill(name, kern.body, len);
	for (uint32_t at = 0, chunk; at < len; at += chunk) {
		chunk = 1 + kern_random(9000);
		chunk = chunk < len - at ? chunk : len - at;
		n += (size_t)sprintf((char *)text + n, "%x\r\n", chunk);
		memcpy(text + n, kern.body + at, chunk);
		n += chunk;
		n += (size_t)sprintf((char *)text + n, "\r\n");
	}
	return n + (size_t)sprintf((char *)text + n, "0\r\n\r\n");
}

/* A response of that length in writes of at most so many bytes is recorded; see recorded() for the
 * tries. */
static void record(const char *name, uint32_t len, uint32_t most, bool chunked)
{
	for (int tries = 0; tries < 10; tries++) {
		asked(name);
		streamed(text, chunked ? chunked_make(name, len) : response_make(name, len), most);
		if (recorded(name, len))
			return;
	}
	fail_msg("%s: %u bytes, %s, in writes of up to %u: never recorded", name, len,
		 chunked ? "chunked" : "with a length", most);
}

static void test_sizes(void **state)
{
	static const uint32_t sizes[] = {0,	1,     2,     63,    64,    1024,  1025,
					 4095,	4096,  4097,  8192,  16383, 16384, 16385,
					 32768, 40000, 65536, 90000, 92160};
	static const uint32_t most[] = {200000, 65536, 20000, 3000, 700};
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (size_t m = 0; m < sizeof(most) / sizeof(*most); m++) {
			snprintf(name, sizeof(name), "/record/%zu/%zu", i, m);
			record(name, sizes[i], most[m], false);
		}
	}
	assert_int_equal(kern_count(ZS_COUNT_events_lost), 0);
}

static void test_random(void **state)
{
	char name[64];

	(void)state;
	for (int i = 0; i < 150; i++) {
		uint32_t len = kern_random(kern_random(2) ? 90000 : 3000);
		uint32_t most = 1 + kern_random(kern_random(2) ? 100000 : 5000);

		snprintf(name, sizeof(name), "/random/%d", i);
		if (kern_random(5) == 0)
			kern_redial();
		record(name, len, most, kern_random(2));
	}
	assert_true(kern_count(ZS_COUNT_recorded) >= 150);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

/* Each byte a segment. */
static void test_single_bytes(void **state)
{
	(void)state;
	record("/bytes", 300, 1, false);
}

/* Many connections at once, their responses interleaved. */
static void test_interleaved(void **state)
{
	enum { N = 20 };
	int dialer[N], acceptor[N];
	char name[64];

	(void)state;
	for (int i = 0; i < N; i++) {
		kern_pair(&dialer[i], &acceptor[i]);
		snprintf(name, sizeof(name), "/weave/%d", i);
		kern_ask(dialer[i], "GET", name);
	}
	for (size_t at = 0; at < 5000; at += 500) {
		for (int i = 0; i < N; i++) {
			size_t n;

			snprintf(name, sizeof(name), "/weave/%d", i);
			n = response_make(name, 4000);
			if (at < n)
				kern_send(acceptor[i], text + at, n - at < 500 ? n - at : 500);
		}
	}
	events_read();
	assert_int_equal(events.requests, N);
	assert_int_equal(events.ended[ZS_RECORDING_STORED] + events.ended[ZS_RECORDING_BROKEN], N);
	assert_true(events.ended[ZS_RECORDING_STORED] > N / 2);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void test_cap(void **state)
{
	(void)state;
	for (int beyond = 0; beyond < 2; beyond++) {
		const char *name = beyond ? "/cap/1" : "/cap/0";
		size_t n = response_make(name, 20000);

		kern.rig.ctl->record_cap = (uint32_t)n - (uint32_t)beyond;
		if (!beyond) {
			record(name, 20000, 3000, false);
			continue;
		}
		asked(name);
		streamed(text, n, 3000);
		events_read();
		assert_int_equal(events.cuts, 1);
		assert_int_equal(events.ended[ZS_RECORDING_LARGE], 1);
		assert_int_equal(events.ended[ZS_RECORDING_STORED], 0);
	}
}

static void test_far_above_cap(void **state)
{
	(void)state;
	kern.rig.ctl->record_cap = 5000;
	asked("/cap/2");
	streamed(text, response_make("/cap/2", 150000), 2000);
	events_read();
	assert_int_equal(events.cuts, 1);
	assert_true(events.data < 20);
	assert_int_equal(events.ended[ZS_RECORDING_LARGE], 1);
}

/* The agent wants no more of it: no further events, and the next one is recorded again. */
static void test_stop(void **state)
{
	uint64_t *stop = zs_map_view(kern.rig.maps.fd[ZS_MAP_stop], ZS_STOP_SLOTS * sizeof(*stop));
	size_t n;

	(void)state;
	assert_non_null(stop);
	asked("/stop");
	n = response_make("/stop", 30000);
	streamed(text, 3000, 1500);
	events_reset();
	stop[ZS_STOP_SLOT(events.record)] = events.record;
	streamed(text + 3000, n - 3000, 1500);
	events_none();
	record("/stop/not", 3000, 1500, false);
	munmap(stop, ZS_STOP_SLOTS * sizeof(*stop));
}

static void test_budget(void **state)
{
	(void)state;
	kern.rig.ctl->tokens = 0;
	kern_miss("/budget/1");
	events_none();
	assert_int_equal(kern_count(ZS_COUNT_over_budget), 1);
	kern.rig.ctl->tokens = -5;
	kern_miss("/budget/1");
	events_none();
	kern.rig.ctl->tokens = 1;
	kern_miss("/budget/1");
	kern_miss("/budget/2");
	events_read();
	assert_int_equal(events.requests, 1);
	assert_int_equal(kern.rig.ctl->tokens, 0);
	assert_int_equal(kern_count(ZS_COUNT_over_budget), 3);
}

/* Below half of the budget, only what missed before. */
static void test_half_budget(void **state)
{
	(void)state;
	kern.rig.ctl->tokens = 10;
	kern.rig.ctl->tokens_half = 11;
	kern_miss("/half/1");
	events_none();
	kern_miss("/half/1");
	events_read();
	assert_int_equal(events.requests, 1);
	kern_miss("/half/2");
	events_read();
	assert_int_equal(events.requests, 1);
	assert_int_equal(kern.rig.ctl->tokens, 9);
}

static void test_holdoff(void **state)
{
	uint64_t digest = zs_rig_digest(&kern.rig, "/held");
	struct zs_holdoff h = {.until = zs_boot_ns() + 50000000};

	(void)state;
	assert_int_equal(
		bpf_map_update_elem(kern.rig.maps.fd[ZS_MAP_holdoff], &digest, &h, BPF_ANY), 0);
	kern_miss("/held");
	events_none();
	assert_int_equal(kern_count(ZS_COUNT_held_off), 1);
	assert_int_equal(kern.rig.ctl->tokens, 1 << 20);
	usleep(60000);
	kern_miss("/held");
	events_read();
	assert_int_equal(events.requests, 1);
}

static void test_unfit(void **state)
{
	(void)state;
	kern_pass("GET /unfit HTTP/1.1\r\nHost: rig\r\nX-Unheard-Of: 1\r\n\r\n");
	assert_int_equal(kern_count(ZS_COUNT_unfit), 1);
	kern_pass("GET /unfit HTTP/1.1\r\nHost: rig\r\nCookie: a=b\r\n\r\n");
	kern_pass("HEAD /unfit HTTP/1.1\r\nHost: rig\r\n\r\n");
	kern.rig.ctl->paused = 1;
	kern_miss("/unfit");
	kern_pass("POST /unfit HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n");
	events_none();
}

/* The response to an unsafe request is copied for the sake of its Location, but announced as what it is. */
static void test_unsafe(void **state)
{
	(void)state;
	kern_pass("POST /unsafe HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n");
	events_read();
	assert_int_equal(events.requests, 0);
	assert_true(events.data > 0);
	assert_int_equal(kern_count(ZS_COUNT_recorded), 0);
	events_reset();
	kern.rig.ctl->tokens = 0; /* it is bounded by the budget of recordings */
	kern_pass("POST /unsafe HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n");
	events_none();
}

/* Nobody reads the ring: events are lost and counted, responses are not. */
static void test_ring_full(void **state)
{
	char name[64];

	(void)state;
	events.idle = true;
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "/full/%d", i);
		asked(name);
		streamed(text, response_make(name, 90000), 60000);
	}
	events.idle = false;
	assert_true(kern_count(ZS_COUNT_events_lost) > 0);
	events_reset();
	record("/full/after", 90000, 60000, false);
}

int main(void)
{
	const struct CMUnitTest families[] = {
		EVENTS_TEST(test_sizes),
		EVENTS_TEST(test_random),
		EVENTS_TEST(test_interleaved),
	};
	const struct CMUnitTest once[] = {
		EVENTS_TEST(test_single_bytes),	 EVENTS_TEST(test_cap),
		EVENTS_TEST(test_far_above_cap), EVENTS_TEST(test_stop),
		EVENTS_TEST(test_budget),	 EVENTS_TEST(test_half_budget),
		EVENTS_TEST(test_holdoff),	 EVENTS_TEST(test_unfit),
		EVENTS_TEST(test_unsafe),
		EVENTS_TEST(test_ring_full),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("IPv4", families, kern_open_v4, kern_close);

	failed += cmocka_run_group_tests_name("IPv6", families, kern_open_v6, kern_close);
	failed += cmocka_run_group_tests_name("v4-mapped", families, kern_open_mapped, kern_close);
	failed += cmocka_run_group_tests(once, kern_open_v4, kern_close);
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
