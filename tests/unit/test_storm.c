// SPDX-License-Identifier: GPL-2.0-or-later
/* Ten thousand objects that were stored together, or that are due together: their refreshes are spread, never more
 * than the rate allows, and each has its turn as long as it is hit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/fetch_origin.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <zs/key.h>
#include <zs/request.h>

#include "config.h"
#include "fields.h"
#include "ingest.h"
#include "refresh.h"

#define OBJECTS 10000u
#define SECOND	1000000000ull

/* --- spread ------------------------------------------------------------------------------------ */

static uint64_t digest_of(uint32_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ull;
}

/* Of what was stored at the same moment for the same time, no hundredth of the lifetime sees much more than its
 * share of refreshes, and all of them fall before the end. */
static void test_spread(void **state)
{
	static const uint64_t lifetimes[] = {10, 60, 3600, 31536000};

	(void)state;
	for (size_t l = 0; l < sizeof(lifetimes) / sizeof(*lifetimes); l++) {
		const int64_t life = (int64_t)(lifetimes[l] * SECOND);
		const struct zs_policy_verdict v = {.born = 5000, .fresh_until = 5000 + life};
		uint32_t slot[100] = {0};

		for (uint32_t i = 0; i < OBJECTS; i++) {
			uint64_t at = zs_refresh_time(&v, digest_of(i), 5000);

			assert_true(at < (uint64_t)v.fresh_until);
			slot[(at - 5000) * 100 / (uint64_t)life]++;
		}
		for (uint32_t i = 0; i < 100; i++) {
			if (i < 84 || i > 97)
				assert_int_equal(slot[i], 0);
			assert_true(slot[i] <= OBJECTS / 10 + OBJECTS / 50);
		}
	}
}

static void test_never(void **state)
{
	const struct zs_policy_verdict brief = {.fresh_until = 10 * SECOND - 1}, v = {.fresh_until = 60 * SECOND};

	(void)state;
	assert_true(zs_refresh_time(&brief, 1, 0) == ZS_REFRESH_NEVER);
	assert_true(zs_refresh_time(&v, 1, 30 * SECOND + 1) == ZS_REFRESH_NEVER);
	assert_true(zs_refresh_time(&v, 1, 30 * SECOND) < 60 * SECOND);
}

/* --- a store, an origin, and visitors ----------------------------------------------------------- */

#define BODY_OLD "old"
#define BODY_NEW "new"

static struct {
	int index_fd;
	uint8_t *pages;
	struct zs_config config;
	struct zs_ctl ctl;
	uint64_t generations[ZS_GENERATIONS];
	struct zs_ingest ingest;
	struct zs_refresh *refresh;
	struct origin origin;
	uint64_t digests[OBJECTS];
	uint32_t count;
} storm;

static int grace(void)
{
	return 0;
}

static int origin_of(void *user, uint32_t id, struct zs_origin_key *out)
{
	(void)user;
	*out = storm.origin.key;
	return id == 1 ? 0 : -ENOENT;
}

static void object_store(uint32_t i)
{
	static struct zs_tables tables;
	static struct zs_request r;
	static struct zs_asked asked;
	static const char head[] = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 3\r\n\r\n";
	struct zs_response response;
	struct zs_body body = {.data = (const uint8_t *)BODY_OLD, .len = 3};
	int n = snprintf((char *)r.head, ZS_HEAD_MAX, "GET /%u HTTP/1.1\r\nHost: storm\r\n\r\n", i);

	assert_int_equal(zs_fields_build(&tables), 0);
	assert_int_equal(zs_request_scan(&r, &tables, (uint32_t)n), ZS_SCAN_OK);
	zs_request_fields(&r, &tables);
	zs_request_values(&r, &tables);
	memset(&asked, 0, sizeof(asked));
	zs_key_build(&asked.key, &r, 1);
	asked.digest = storm.digests[i] = zs_key_digest(&asked.key, 1, 2);
	asked.bucket = zs_key_bucket(&asked.key, 1, 2);
	asked.key_len = zs_key_len(&asked.key);
	asked.head_len = r.head_len;
	asked.time = now_ns(CLOCK_BOOTTIME);
	memcpy(asked.head, r.head, r.head_len);
	assert_int_equal(zs_response_head((const uint8_t *)head, sizeof(head) - 1, &response), 0);
	assert_int_equal(zs_ingest_store(&storm.ingest, &asked, &response, &body, asked.time), 0);
}

static struct zs_object *object(uint32_t i)
{
	return (struct zs_object *)zs_store_object(storm.ingest.store, storm.digests[i]);
}

static void storm_begin(uint32_t count, uint32_t rate)
{
	const struct zs_store_options o = {.pages = storm.pages, .count = 2 * count, .entries = count,
					   .grace = grace, .index_fd = storm.index_fd};
	const struct zs_refresh_options r = {
		.ingest = &storm.ingest,
		.generations = storm.generations,
		.ctl = &storm.ctl,
		.limits = {.concurrency = 8, .rate = rate, .timeout_ms = 3000, .max_bytes = 32768},
	};

	if (storm.index_fd < 0) {
		print_message("skipped: no right to create a BPF map\n");
		skip();
	}
	memset(&storm.origin, 0, sizeof(storm.origin));
	storm.origin.parts[0] = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 3\r\n\r\n" BODY_NEW;
	origin_start(&storm.origin);
	storm.ingest = (struct zs_ingest){.config = &storm.config, .origin = origin_of, .max_body = 1000,
					  .lifetime_max = 86400, .refresh = 1};
	assert_int_equal(zs_store_create(&o, &storm.ingest.store), 0);
	assert_int_equal(zs_refresh_create(&r, &storm.refresh), 0);
	storm.count = count;
	for (uint32_t i = 0; i < count; i++) {
		object_store(i);
		object(i)->refresh_at = 1;
	}
}

static void storm_end(void)
{
	zs_refresh_destroy(storm.refresh);
	zs_store_destroy(storm.ingest.store);
	origin_stop(&storm.origin);
}

/* Every object is hit once, as the kernel sees it, and the agent goes round. Returns how many are refreshed. */
static uint32_t round_go(void)
{
	struct pollfd pfd = {.fd = zs_refresh_fd(storm.refresh), .events = POLLIN};
	uint64_t now = now_ns(CLOCK_BOOTTIME);
	uint32_t fresh = 0;

	for (uint32_t i = 0; i < storm.count; i++) {
		struct zs_object *o = object(i);
		struct zs_event_refresh ev = {.digest = storm.digests[i]};

		assert_non_null(o);
		fresh += o->refresh_at > now;
		if (now < o->refresh_at || o->refresh_asked)
			continue;
		o->refresh_asked = 1;
		ev.ref = zs_store_find(storm.ingest.store, storm.digests[i])->ref;
		zs_refresh_event(storm.refresh, &ev, sizeof(ev));
	}
	poll(&pfd, 1, 5);
	zs_refresh_run(storm.refresh);
	zs_store_sweep(storm.ingest.store, now, 0, storm.generations, storm.count);
	return fresh;
}

static double seconds_since(uint64_t from)
{
	return (double)(now_ns(CLOCK_MONOTONIC) - from) / (double)SECOND;
}

/* --- tests ------------------------------------------------------------------------------------- */

/* At no moment have more fetches begun than the rate allows, of ten thousand that are asked for at once. */
static void test_rate(void **state)
{
	const uint32_t rate = 100;
	struct zs_refresh_stats stats;
	uint64_t from;

	(void)state;
	storm_begin(OBJECTS, rate);
	from = now_ns(CLOCK_MONOTONIC);
	while (seconds_since(from) < 5) {
		round_go();
		assert_true(storm.origin.connections <= rate * (seconds_since(from) + 1));
	}
	zs_refresh_stats(storm.refresh, &stats);
	print_message("  %d fetches in 5 s at %u per second; %llu refused\n", storm.origin.connections, rate,
		      (unsigned long long)stats.refused);
	assert_true(stats.fetched >= rate * 2);
	assert_int_equal(stats.failed, 0);
	assert_true(stats.refused >= OBJECTS - rate * 6);
	/* none asks more often than every other second */
	assert_true(stats.refused <= OBJECTS * 3);
	storm_end();
}

/* All of them are refreshed in the end, each once. */
static void test_all_in_the_end(void **state)
{
	const uint32_t count = 600;
	struct zs_refresh_stats stats;
	uint64_t from;

	(void)state;
	storm_begin(count, 300);
	from = now_ns(CLOCK_MONOTONIC);
	while (round_go() < count)
		assert_true(seconds_since(from) < 30);
	zs_refresh_stats(storm.refresh, &stats);
	print_message("  %u objects after %.1f s; %llu refused\n", count, seconds_since(from),
		      (unsigned long long)stats.refused);
	assert_int_equal(stats.fetched, count);
	assert_int_equal(storm.origin.connections, count);
	assert_true(stats.refused > 0);
	for (uint32_t i = 0; i < count; i++)
		assert_memory_equal((uint8_t *)object(i) + object(i)->data_off + object(i)->head_len, BODY_NEW, 3);
	storm_end();
}

static int setup(void **state)
{
	(void)state;
	storm.index_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "zs_test", 8, sizeof(struct zs_ref), OBJECTS, NULL);
	storm.pages = mmap(NULL, 2ul * OBJECTS * ZS_PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return storm.pages == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(storm.pages, 2ul * OBJECTS * ZS_PAGE_SIZE);
	if (storm.index_fd >= 0)
		close(storm.index_fd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_all_in_the_end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
