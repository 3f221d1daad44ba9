// SPDX-License-Identifier: GPL-2.0-or-later
/* A scan of a million URLs that nobody asks for twice passes by the objects that are hit now and then, within the
 * bounds of the store and in little time. Needs the right to create a BPF map. */
#include "store.h"

#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define PAGES	4096u
#define NEVER	(~0ull)
#define HOT	500u
#define SCAN	1000000u
#define SPARE	(PAGES / 64) /* freed ahead, so that one grace period serves several objects */
#define KEY_LEN 40u

#if defined(__SANITIZE_ADDRESS__)
#define SECONDS 30.0
#else
#define SECONDS 9.0 /* of CPU; a quiet machine takes a third of it, anything that grows with the scan far more */
#endif

static int index_fd = -1;
static uint8_t *pages;
static struct zs_store *store;
static uint32_t most_pages, most_objects;

static int grace(void)
{
	return 0;
}

static int setup(void **state)
{
	(void)state;
	index_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "zs_test", 8, sizeof(struct zs_ref), PAGES, NULL);
	pages = mmap(NULL, (size_t)PAGES * ZS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return pages == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(pages, (size_t)PAGES * ZS_PAGE_SIZE);
	if (index_fd >= 0)
		close(index_fd);
	return 0;
}

static void open_store(uint32_t entries)
{
	const struct zs_store_options o = {
		.index_fd = index_fd, .pages = pages, .count = PAGES, .entries = entries, .grace = grace};

	if (index_fd < 0) {
		print_message("skipped: no right to create a BPF map\n");
		skip();
	}
	most_pages = most_objects = 0;
	assert_int_equal(zs_store_create(&o, &store), 0);
}

static void close_store(void)
{
	uint64_t key;

	zs_store_destroy(store);
	store = NULL;
	assert_true(bpf_map_get_next_key(index_fd, NULL, &key));
}

/* --- traffic ----------------------------------------------------------------------------------- */

static void put(uint64_t digest, uint32_t body_len)
{
	static uint8_t text[8 * ZS_PAGE_SIZE], key[KEY_LEN];
	struct zs_store_stats stats;
	const struct zs_store_item item = {
		.digest = digest * 0x9e3779b97f4a7c15ull,
		.key = (const struct zs_key *)key,
		.key_len = KEY_LEN,
		.head = text,
		.head_len = 100,
		.body = text,
		.body_len = body_len,
		.status = 200,
		.fresh_until = NEVER,
		.refresh_at = NEVER,
		.request = text,
		.request_len = 60,
	};

	assert_int_equal(zs_store_put(store, &item), 0);
	zs_store_stats(store, &stats);
	if (stats.pages_used > most_pages)
		most_pages = stats.pages_used;
	if (stats.objects > most_objects)
		most_objects = stats.objects;
}

/* As the kernel counts it. Returns false for a miss. */
static bool hit(uint64_t digest)
{
	struct zs_object *o =
		(struct zs_object *)zs_store_object(store, digest * 0x9e3779b97f4a7c15ull);

	if (!o)
		return false;
	o->hits++;
	return true;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One hit on the hot set, all in turn, per `every` URLs of the scan. Returns how many of these missed. */
static uint32_t scan(uint32_t urls, uint32_t every, uint32_t body_len)
{
	uint32_t missed = 0;
	double from = cpu_seconds();

	for (uint32_t i = 0; i < HOT; i++)
		put(i, body_len);
	for (uint32_t i = 0; i < urls; i++) {
		put(HOT + i, body_len);
		if (i % every == 0 && !hit(i / every % HOT))
			missed++;
	}
	print_message("  %u URLs in %.2f s of CPU\n", urls, cpu_seconds() - from);
	assert_true(cpu_seconds() - from < SECONDS);
	return missed;
}

/* --- tests ------------------------------------------------------------------------------------- */

/* As many entries as are allowed, pages to spare. Each hot object is hit once per 1,500 others. */
static void test_entries(void **state)
{
	struct zs_store_stats stats;

	(void)state;
	open_store(PAGES / 2 + HOT);
	assert_int_equal(scan(SCAN, 3, 1000), 0);
	zs_store_stats(store, &stats);
	assert_int_equal(most_objects, PAGES / 2 + HOT);
	assert_int_equal(stats.objects, PAGES / 2 + HOT);
	assert_int_equal(stats.evicted, HOT + SCAN - stats.objects);
	assert_true(most_pages <= PAGES);
	close_store();
}

/* Pages run out first: three each. 1,365 objects fit. */
static void test_bytes(void **state)
{
	struct zs_store_stats stats;

	(void)state;
	open_store(PAGES);
	assert_int_equal(scan(SCAN / 4, 1, 2 * ZS_PAGE_SIZE), 0);
	zs_store_stats(store, &stats);
	assert_true(most_pages <= PAGES && most_pages > PAGES - SPARE);
	assert_true(most_objects <= PAGES / 3);
	assert_true(stats.objects >= (PAGES - SPARE) / 3 - 1);
	close_store();
}

/* It is the hits that keep them: what is not hit goes with the first turn of the hand. */
static void test_without_hits(void **state)
{
	uint32_t left = 0;

	(void)state;
	open_store(PAGES / 2 + HOT);
	scan(3 * PAGES, 4 * PAGES, 1000); /* the first of them is hit once */
	for (uint32_t i = 0; i < HOT; i++)
		left += hit(i);
	assert_true(left <= 1);
	close_store();
}

/* A store in which everything is hit still takes what is new. */
static void test_all_hot(void **state)
{
	(void)state;
	open_store(HOT);
	for (uint32_t i = 0; i < HOT; i++)
		put(i, 1000);
	for (uint32_t round = 0; round < 2000; round++) {
		uint32_t there = 0;

		for (uint32_t i = 0; i < HOT + round; i++)
			there += hit(i);
		assert_int_equal(there, HOT);
		put(HOT + round, 1000);
		assert_true(hit(HOT + round));
	}
	close_store();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_without_hits),
		cmocka_unit_test(test_all_hot),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
