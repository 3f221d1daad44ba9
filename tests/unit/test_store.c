// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The store against a real index map: what is named there is whole and nobody else's, and pages are
 * used again only after a grace period. Needs the right to create a BPF map.
 */
#include "store.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <zs/front.h>

#define PAGES	512u
#define NEVER	(~0ull)
#define KEY_LEN 40u
#define FRONT_LINES 4u

static int index_fd = -1;
static uint8_t *pages;
static uint64_t generations[ZS_GENERATIONS];
static struct zs_front_line front[FRONT_LINES]; /* small: many objects share a word */
static struct zs_store *store;
static unsigned int graces;
static int grace_result;

/* Bytes of the extents that were named when the last grace period began may be looked at until the
 * next. */
static int grace(void)
{
	graces++;
	return grace_result;
}

static int open_store(uint32_t count, uint32_t entries)
{
	struct zs_store_options o = {
		.index_fd = index_fd,
		.front = {.line = front, .mask = FRONT_LINES - 1},
		.pages = pages,
		.count = count,
		.entries = entries,
		.grace = grace,
	};

	graces = 0;
	grace_result = 0;
	memset(pages, 0xee, (size_t)PAGES * ZS_PAGE_SIZE);
	return zs_store_create(&o, &store);
}

static int setup(void **state)
{
	(void)state;
	index_fd =
		bpf_map_create(BPF_MAP_TYPE_HASH, "zs_test", 8, sizeof(struct zs_ref), 256, NULL);
	pages = aligned_alloc(ZS_PAGE_SIZE, (size_t)PAGES * ZS_PAGE_SIZE);
	return pages ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(pages);
	if (index_fd >= 0)
		close(index_fd);
	return 0;
}

/* Of each test. Without a map there is no store. */
static int begin(void **state)
{
	(void)state;
	if (index_fd >= 0)
		return open_store(PAGES, 128);
	return 0;
}

static int end(void **state)
{
	static const struct zs_front_line empty;
	uint64_t key;
	(void)state;

	zs_store_destroy(store);
	store = NULL;
	/* nothing is left behind in the index and its front */
	for (size_t i = 0; i < FRONT_LINES; i++)
		if (memcmp(&front[i], &empty, sizeof(empty)))
			return -1;
	return index_fd >= 0 && !bpf_map_get_next_key(index_fd, NULL, &key);
}

#define NEEDS_MAP()                                                                                \
	do {                                                                                       \
		if (index_fd < 0) {                                                                \
			print_message("skipped: no right to create a BPF map\n");                  \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* --- objects whose every byte follows from digest and version -----------------------------------
 */

struct object {
	uint64_t digest;
	uint32_t version, head_len, body_len;
};

static int64_t born; /* of what is put next */

static uint8_t byte_of(const struct object *o, uint32_t at)
{
	return (uint8_t)((o->digest * 31 + o->version * 7 + at) * 2654435761u >> 24);
}

static int put(const struct object *o, uint64_t fresh_until, uint32_t flush)
{
	static uint8_t data[ZS_ANSWER_MAX + ZS_PAGE_SIZE], key[KEY_LEN];
	struct zs_store_item item = {
		.digest = o->digest,
		.key = (const struct zs_key *)key,
		.key_len = KEY_LEN,
		.head = data,
		.head_len = o->head_len,
		.age_off = 11,
		.ttl_off = 22,
		.body = o->body_len ? data + o->head_len : NULL,
		.body_len = o->body_len,
		.status = 200,
		.born = born,
		.fresh_until = fresh_until,
		.refresh_at = NEVER,
		.generation = (uint32_t)generations[o->digest % ZS_GENERATIONS],
		.flush = flush,
		.bucket = (uint32_t)(o->digest % ZS_GENERATIONS),
		.request = (const uint8_t *)&o->digest,
		.request_len = sizeof(o->digest),
	};

	memset(key, (int)o->digest, sizeof(key));
	for (uint32_t i = 0; i < o->head_len + o->body_len && i < sizeof(data); i++)
		data[i] = byte_of(o, i);
	return zs_store_put(store, &item);
}

static int put_small(uint64_t digest)
{
	struct object o = {.digest = digest, .head_len = 100, .body_len = 1000};

	return put(&o, NEVER, 0);
}

/* Whatever page the front names, the index names, too: else it could be reused under a reader's eyes. */
static void front_sound(void)
{
	for (uint32_t at = 0; at < FRONT_LINES * ZS_FRONT_WAYS; at++) {
		uint64_t word = front[at / ZS_FRONT_WAYS].word[at % ZS_FRONT_WAYS];
		const struct zs_object *o;
		struct zs_ref ref;

		if (!word)
			continue;
		o = (const struct zs_object *)(pages + (size_t)zs_front_page(word) * ZS_PAGE_SIZE);
		assert_int_equal(bpf_map_lookup_elem(index_fd, &o->digest, &ref), 0);
		assert_int_equal(ref.page, zs_front_page(word));
		assert_true(zs_front_matches(word, o->digest));
	}
}

/* As the kernel would: by way of the index. Returns the first page of its extent; -1: it is not
 * there. */
static int see(const struct object *o)
{
	struct zs_ref ref;
	const struct zs_object *x;
	const uint8_t *base;

	front_sound();
	if (bpf_map_lookup_elem(index_fd, &o->digest, &ref)) {
		assert_null(zs_store_find(store, o->digest));
		assert_null(zs_store_object(store, o->digest));
		return -1;
	}
	base = pages + (size_t)ref.page * ZS_PAGE_SIZE;
	x = (const struct zs_object *)base;
	assert_ptr_equal(zs_store_object(store, o->digest), x);
	assert_memory_equal(&zs_store_find(store, o->digest)->ref, &ref, sizeof(ref));
	assert_memory_equal(zs_store_find(store, o->digest)->request, &o->digest, 8);
	assert_true(ref.serial && x->serial == ref.serial);
	assert_int_equal(x->magic, ZS_OBJECT_MAGIC);
	assert_true(x->digest == o->digest);
	assert_int_equal(x->data_off % ZS_STEP, 0);
	assert_in_range(x->data_off, ZS_OBJECT_KEY_OFF + x->key_len, ZS_PAGE_SIZE);
	assert_int_equal(x->head_len, o->head_len);
	assert_int_equal(x->body_len, o->body_len);
	assert_true(ref.page + x->pages <= PAGES);
	/* steps of the answering program never leave the extent */
	assert_true(x->data_off + (x->head_len + x->body_len + ZS_STEP - 1) / ZS_STEP * ZS_STEP <=
		    x->pages * ZS_PAGE_SIZE);
	for (uint32_t i = 0; i < x->key_len; i++)
		assert_int_equal(base[ZS_OBJECT_KEY_OFF + i], (uint8_t)o->digest);
	for (uint32_t i = 0; i < o->head_len + o->body_len; i++)
		if (base[x->data_off + i] != byte_of(o, i))
			fail_msg("byte %u of object %llx", i, (unsigned long long)o->digest);
	for (uint32_t i = x->data_off + o->head_len + o->body_len; i < x->pages * ZS_PAGE_SIZE; i++)
		assert_int_equal(base[i], 0);
	return (int)ref.page;
}

static int see_small(uint64_t digest)
{
	struct object o = {.digest = digest, .head_len = 100, .body_len = 1000};

	return see(&o);
}

static struct zs_store_stats stats(void)
{
	struct zs_store_stats s;

	zs_store_stats(store, &s);
	assert_int_equal(s.pages_total, PAGES);
	return s;
}

/* A hit, as far as the store is concerned. */
static void visit(uint64_t digest)
{
	((struct zs_object *)zs_store_object(store, digest))->hits++;
}

/* --- one thing at a time ------------------------------------------------------------------------
 */

static void test_put_and_find(void **state)
{
	const struct object rows[] = {
		{1, 0, 64, 0},
		{2, 0, 1, 0},
		{1ull << 40 | 1, 1, ZS_ANSWER_HEAD_MAX, 5},
		{UINT64_MAX, 2, 100, ZS_BODY_MAX},
		{0, 3, 4096 - 192, 0},
		{3, 4, 4096 - 192, 1},
	};
	(void)state;

	NEEDS_MAP();
	assert_null(zs_store_find(store, 1));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(put(&rows[i], NEVER, 0), 0);
		for (size_t k = 0; k <= i; k++)
			assert_true(see(&rows[k]) >= 0);
	}
	assert_int_equal(stats().objects, 6);
	assert_int_equal(stats().stored, 6);
	assert_int_equal(stats().evicted, 0);
	assert_int_equal(graces, 0);
}

static void test_too_large(void **state)
{
	const struct object rows[] = {
		{1, 0, 100, ZS_ANSWER_MAX - 99}, {1, 0, ZS_ANSWER_HEAD_MAX + 1, 0},
		{1, 0, 100, UINT32_MAX - 50},	 {1, 0, 100, UINT32_MAX - 400},
		{1, 0, UINT32_MAX, UINT32_MAX},
	};
	const struct object most = {2, 0, 100, ZS_ANSWER_MAX - 100};
	(void)state;

	NEEDS_MAP();
	assert_int_equal(put_small(1), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(put(&rows[i], NEVER, 0), -EFBIG);
	assert_int_equal(see_small(1), 0);
	assert_int_equal(put(&most, NEVER, 0), 0);
	assert_true(see(&most) >= 0);
	/* larger than all the pages there are */
	zs_store_destroy(store);
	assert_int_equal(open_store(4, 16), 0);
	assert_int_equal(put_small(1), 0);
	assert_int_equal(put(&(struct object){3, 0, 100, 4 * ZS_PAGE_SIZE - 256}, NEVER, 0),
			 -EFBIG);
	assert_int_equal(see_small(1), 0);
	assert_int_equal(put(&(struct object){3, 0, 100, 4 * ZS_PAGE_SIZE - 300}, NEVER, 0), 0);
	assert_int_equal(see_small(1), -1);
}

/* The new object stands elsewhere; the old one's pages are left alone until a grace period. */
static void test_replace(void **state)
{
	static uint8_t before[ZS_PAGE_SIZE];
	struct object o = {.digest = 5, .head_len = 100, .body_len = 2000};
	int first, second;
	(void)state;

	NEEDS_MAP();
	assert_int_equal(put(&o, NEVER, 0), 0);
	first = see(&o);
	memcpy(before, pages + (size_t)first * ZS_PAGE_SIZE, ZS_PAGE_SIZE);
	o.version++;
	assert_int_equal(put(&o, NEVER, 0), 0);
	second = see(&o);
	assert_int_not_equal(second, first);
	assert_memory_equal(before, pages + (size_t)first * ZS_PAGE_SIZE, ZS_PAGE_SIZE);
	assert_int_equal(stats().objects, 1);
	assert_int_equal(stats().replaced, 1);
	assert_int_equal(stats().pages_used, 2);
	assert_int_equal(graces, 0);
	assert_int_equal(zs_store_reclaim(store), 0);
	assert_int_equal(graces, 1);
	assert_int_equal(stats().pages_used, 1);
	/* over and over, in a store of which each is the half */
	o.body_len = 60000;
	for (o.version = 2; o.version < 200; o.version++) {
		assert_int_equal(put(&o, NEVER, 0), 0);
		assert_true(see(&o) >= 0);
	}
	assert_int_equal(stats().objects, 1);
}

/* The older response may come later: it does not take the place of the younger one, unless that is
 * void. */
static void test_older(void **state)
{
	const struct object young = {9, 0, 100, 200}, old = {9, 1, 100, 10};
	(void)state;

	NEEDS_MAP();
	born = 50;
	assert_int_equal(put(&young, NEVER, 0), 0);
	assert_true(zs_store_object(store, 9)->born == 50);
	born = 49;
	assert_int_equal(put(&old, NEVER, 0), -EEXIST);
	born = -1; /* before the boot */
	assert_int_equal(put(&old, NEVER, 0), -EEXIST);
	assert_true(see(&young) >= 0);
	born = 50;
	assert_int_equal(put(&young, NEVER, 0), 0);
	assert_int_equal(stats().replaced, 1);
	born = 49;
	assert_int_equal(put(&old, NEVER, 1), 0);
	assert_true(see(&old) >= 0);
	generations[9]++;
	born = 48;
	assert_int_equal(put(&old, NEVER, 1), 0);
	assert_true(see(&old) >= 0);
	born = 51;
	assert_int_equal(put(&young, NEVER, 1), 0);
	assert_true(see(&young) >= 0);
	generations[9] = 0;
	born = 0;
}

static void test_grace_fails(void **state)
{
	(void)state;
	NEEDS_MAP();
	for (uint64_t d = 0; d < PAGES; d++)
		assert_int_equal(put_small(d), 0);
	assert_int_equal(graces, 0);
	grace_result = -EINVAL;
	for (int i = 0; i < 3; i++)
		assert_int_equal(put_small(1000), -EINVAL);
	assert_int_equal(see_small(1000), -1);
	assert_int_equal(zs_store_reclaim(store), -EINVAL);
	grace_result = 0;
	assert_int_equal(put_small(1000), 0);
	assert_true(see_small(1000) >= 0);
	for (uint64_t d = 0; d < PAGES; d++)
		see_small(d);
}

/* The index takes no more: the store says so and goes on. */
static void test_index_full(void **state)
{
	int own = index_fd;
	(void)state;

	NEEDS_MAP();
	zs_store_destroy(store);
	index_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "zs_test", 8, sizeof(struct zs_ref), 2, NULL);
	assert_true(index_fd >= 0);
	assert_int_equal(open_store(PAGES, 128), 0);
	assert_int_equal(put_small(1), 0);
	assert_int_equal(put_small(2), 0);
	for (uint64_t d = 3; d < 300; d++)
		assert_int_equal(put_small(d), -E2BIG);
	assert_true(see_small(1) >= 0 && see_small(2) >= 0);
	assert_int_equal(see_small(3), -1);
	assert_int_equal(stats().objects, 2);
	assert_int_equal(put_small(2), 0);
	zs_store_destroy(store);
	close(index_fd);
	index_fd = own;
	assert_int_equal(open_store(PAGES, 128), 0);
}

/* --- eviction ------------------------------------------------------------------------------------
 */

static void check_present(const char *want)
{
	char got[32] = "";
	size_t n = 0;

	for (uint64_t d = 'a'; d <= 'z'; d++)
		if (see_small(d) >= 0)
			got[n++] = (char)d;
	got[n] = '\0';
	assert_string_equal(got, want);
}

/* The examples are SIEVE's: oldest first, visited ones are spared once and stay where they are. */
static void test_sieve(void **state)
{
	(void)state;
	NEEDS_MAP();
	zs_store_destroy(store);
	assert_int_equal(open_store(PAGES, 5), 0);
	for (uint64_t d = 'a'; d <= 'e'; d++)
		assert_int_equal(put_small(d), 0);
	check_present("abcde");
	put_small('f');
	check_present("bcdef"); /* a; the hand is at b */
	visit('b');
	visit('c');
	put_small('g');
	check_present("bcefg"); /* b and c are spared, d goes; the hand is at e */
	put_small('h');
	check_present("bcfgh"); /* it went on from there: e */
	visit('f');
	visit('g');
	visit('h');
	put_small('i');
	check_present(
		"cfghi"); /* up to the newest all are spared; round again: b has lost its mark */
	visit('c');
	visit('f');
	visit('g');
	visit('h');
	visit('i');
	put_small('j');
	check_present("fghij"); /* everyone was visited: round once, then the first */
	assert_int_equal(stats().objects, 5);
	assert_int_equal(stats().evicted, 5);
	/* replacing needs no room among the entries */
	put_small('f');
	check_present("fghij");
	assert_int_equal(stats().evicted, 5);
}

static void test_entries(void **state)
{
	(void)state;
	NEEDS_MAP();
	zs_store_destroy(store);
	assert_int_equal(open_store(PAGES, 7), 0);
	for (uint64_t d = 0; d < 500; d++) {
		assert_int_equal(put_small(d * 64), 0); /* one chain of the table */
		assert_true(stats().objects <= 7);
		assert_true(see_small(d * 64) >= 0);
	}
	zs_store_destroy(store);
	assert_int_equal(open_store(PAGES, 0), 0);
	assert_int_equal(put_small(1), -ENOSPC);
	assert_int_equal(stats().objects, 0);
}

/* One grace period serves many evictions, and a page is used again only behind one. */
static void test_pages_wait(void **state)
{
	unsigned int named_until[PAGES];
	(void)state;

	NEEDS_MAP();
	zs_store_destroy(store);
	assert_int_equal(open_store(PAGES, 128), 0);
	memset(named_until, 0, sizeof(named_until));
	for (uint64_t d = 0; d < 2000; d++) {
		unsigned int before = graces;
		int page;

		for (uint64_t old = d > PAGES ? d - PAGES : 0; old < d; old++) {
			page = see_small(old);
			if (page >= 0)
				named_until[page] = graces + 1; /* the next one may free it */
		}
		assert_int_equal(put_small(d), 0);
		page = see_small(d);
		assert_true(graces >= named_until[page]);
		assert_true(graces - before <= 1);
	}
	assert_true(graces < 2000);
}

/* --- tidying -------------------------------------------------------------------------------------
 */

static void put_lives(uint64_t digest, uint64_t fresh_until, uint32_t flush)
{
	struct object o = {.digest = digest, .head_len = 100, .body_len = 1000};

	assert_int_equal(put(&o, fresh_until, flush), 0);
}

static void test_sweep(void **state)
{
	(void)state;
	NEEDS_MAP();
	memset(generations, 0, sizeof(generations));
	generations['c'] = 3;
	generations['d'] = 0x100000004ull; /* the low half is what counts */
	put_lives('a', 1000, 7);
	put_lives('b', 1001, 7);
	put_lives('c', NEVER, 7);
	put_lives('d', NEVER, 7);
	put_lives('e', NEVER, 6);
	put_lives('f', 999, 8);
	zs_store_sweep(store, 999, 7, generations, 0);
	check_present("abcdef");
	zs_store_sweep(store, 998, 7, generations, 1000);
	check_present("abcd"); /* e and f are of another flush */
	zs_store_sweep(store, 1000, 7, generations, 1000);
	check_present("bcd"); /* a's time is over at 1000 */
	generations['c']++;
	generations['x']++;
	zs_store_sweep(store, 1000, 7, generations, 1000);
	check_present("bd");
	zs_store_sweep(store, 1000, 8, generations, 1000);
	check_present("");
	assert_int_equal(stats().expired, 6);
	zs_store_sweep(store, 0, 0, generations, 1000);
	memset(generations, 0, sizeof(generations));
}

/* In parts: each object gets its turn, from the newest to the oldest and round again. */
static void test_sweep_parts(void **state)
{
	(void)state;
	NEEDS_MAP();
	for (uint64_t d = 'a'; d <= 'e'; d++)
		put_lives(d, d == 'c' ? 2000 : 1000, 0);
	zs_store_sweep(store, 1000, 0, generations, 2);
	check_present("abc");
	put_lives('z', 1000, 0);
	zs_store_sweep(store, 1000, 0, generations, 2);
	check_present("acz");
	zs_store_sweep(store, 1000, 0, generations, 1);
	check_present("cz");
	zs_store_sweep(store, 1000, 0, generations, 1);
	zs_store_sweep(store, 1000, 0, generations, 1);
	check_present("c");
	/* what the sweep stands at may be replaced or evicted meanwhile */
	for (uint64_t d = 'f'; d <= 'k'; d++)
		put_lives(d, 3000, 0);
	for (uint64_t d = 'k'; d >= 'f'; d--) {
		zs_store_sweep(store, 1000, 0, generations, 1);
		put_lives(d - 1, 3000, 0);
	}
	zs_store_sweep(store, 3000, 0, generations, 1000);
	zs_store_sweep(store, 3000, 0, generations, 1000);
	check_present("");
}

/* --- against a model
 * ------------------------------------------------------------------------------ */

#define MODEL 40u

/* Whoever is in the index is as it was put, and shares no page with another. */
static void model_check(const struct object *model, const uint8_t *known)
{
	uint8_t owner[PAGES] = {0};
	uint32_t objects = 0;

	for (uint32_t i = 0; i < MODEL; i++) {
		int page = see(&model[i]);

		if (page < 0)
			continue;
		assert_true(known[i]);
		objects++;
		for (uint32_t p = 0; p < zs_store_find(store, model[i].digest)->pages; p++)
			assert_false(owner[(uint32_t)page + p]++);
	}
	assert_int_equal(stats().objects, objects);
}

static void test_model(void **state)
{
	struct object model[MODEL];
	uint8_t known[MODEL] = {0};
	(void)state;

	NEEDS_MAP();
	zs_store_destroy(store);
	assert_int_equal(open_store(PAGES, 24), 0);
	srand(7);
	memset(generations, 0, sizeof(generations));
	for (uint32_t i = 0; i < MODEL; i++)
		model[i] = (struct object){(uint64_t)i << (i % 3 * 20), 0, 64, 0};
	for (int step = 0; step < 1500; step++) {
		uint32_t i = (uint32_t)rand() % MODEL;
		struct object o = model[i];
		int what = rand() % 20;

		if (what < 12) {
			o.version++;
			o.head_len = 64 + (uint32_t)rand() % 1000;
			o.body_len = (uint32_t)rand() % (rand() % 5 ? 50000 : ZS_BODY_MAX);
			assert_int_equal(put(&o, 1000 + (uint64_t)rand() % 50, 0), 0);
			model[i] = o;
			known[i] = 1;
			assert_true(see(&o) >= 0);
		} else if (what < 17 && zs_store_object(store, o.digest)) {
			visit(o.digest);
		} else if (what == 17) {
			generations[o.digest % ZS_GENERATIONS]++;
			zs_store_sweep(store, 1000, 0, generations, MODEL);
			zs_store_sweep(store, 1000, 0, generations, MODEL);
			assert_int_equal(see(&o), -1);
		} else if (what == 18) {
			zs_store_sweep(store, 1001, 0, generations, 3);
		} else {
			assert_int_equal(zs_store_reclaim(store), 0);
		}
		model_check(model, known);
	}
	assert_true(stats().evicted && stats().expired && stats().replaced);
	memset(generations, 0, sizeof(generations));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_put_and_find), TEST(test_too_large),	 TEST(test_replace),
		TEST(test_older),	 TEST(test_grace_fails), TEST(test_index_full),
		TEST(test_sieve),	 TEST(test_entries),	 TEST(test_pages_wait),
		TEST(test_sweep),	 TEST(test_sweep_parts), TEST(test_model),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
