// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent's part in purges, on a store with a real index: what goes, what becomes stale, what is refused.
 * Needs the right to create a BPF map.
 */
#include "agent_purge.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <zs/key.h>

#include "clock.h"

#define PAGES 256u
#define HOUR  (3600 * ZS_NS)

static int index_fd = -1;
static uint8_t *pages;
static struct zs_store *store;
static struct zs_purge ring[ZS_PURGES];
static struct zs_ctl ctl;
static struct zs_purge_view view = {.ring = ring, .ctl = &ctl};
static uint64_t start; /* boot-time ns; of what is put */

static int grace(void)
{
	return 0;
}

/* Asked before anything is changed, and once more when the index names the object and nobody is answered from it
 * yet: a purge that is not seen now finds it there ([I9]). */
static unsigned int asked_for;
static bool wanted(void *user, const struct zs_store_item *item)
{
	const struct zs_object *o;
	struct zs_ref ref;

	if (asked_for++ % 2) {
		assert_int_equal(bpf_map_lookup_elem(index_fd, &item->digest, &ref), 0);
		o = (const struct zs_object *)(pages + (size_t)ref.page * ZS_PAGE_SIZE);
		assert_int_equal(o->serial, ref.serial);
		assert_int_equal(o->generation, ~item->generation);
	}
	if (zs_agent_purge_wanted(user, item))
		return true;
	asked_for = 0;
	return false;
}

static int begin(void **state)
{
	struct zs_store_options o = {
		.index_fd = index_fd,
		.count = PAGES,
		.entries = 128,
		.grace = grace,
		.still_wanted = wanted,
		.user = &view,
	};
	(void)state;

	if (index_fd < 0) {
		print_message("skipped: no right to create a BPF map\n");
		skip();
	}
	memset(ring, 0, sizeof(ring));
	memset(&ctl, 0, sizeof(ctl));
	start = zs_boot_ns();
	asked_for = 0;
	o.pages = pages;
	return zs_store_create(&o, &store);
}

static int end(void **state)
{
	(void)state;
	zs_store_destroy(store);
	store = NULL;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	index_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "zs_test", 8, sizeof(struct zs_ref), 256, NULL);
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

/* An object at a.org of that number: target "/N", tags "tN" and "all", fresh for an hour. */
static int put(unsigned int n, uint64_t asked, uint64_t stale_for)
{
	static struct zs_key key;
	char tags[] = "t0\0all";
	struct zs_store_item item = {
		.digest = n,
		.key = &key,
		.head = (const uint8_t *)"head",
		.head_len = 4,
		.tags = (const uint8_t *)tags,
		.tags_len = sizeof(tags),
		.status = 200,
		.asked = asked,
		.born = (int64_t)start,
		.fresh_until = start + HOUR,
		.stale_until = start + HOUR + stale_for,
		.error_until = start + HOUR + 2 * stale_for,
		.refresh_at = ~0ull,
		.request = (const uint8_t *)"x",
		.request_len = 1,
	};

	memset(&key, 0, sizeof(key));
	key.host_len = 5;
	key.target_len = 2;
	memcpy(key.text, "a.org", 5);
	key.text[8] = '/';
	key.text[9] = (uint8_t)('0' + n);
	tags[1] = (char)('0' + n);
	item.key_len = zs_key_len(&key);
	return zs_store_put(store, &item);
}

static uint64_t announce(enum zs_purge_kind kind, const char *text, bool soft)
{
	struct zs_purge p;

	assert_int_equal(zs_purge_set(&p, kind, kind == ZS_PURGE_TAG ? NULL : "a.org", text), 0);
	p.soft = soft;
	zs_purge_announce(&view, &p);
	return p.time;
}

static bool there(unsigned int n)
{
	uint64_t digest = n;
	struct zs_ref ref;
	bool found = !bpf_map_lookup_elem(index_fd, &digest, &ref);

	assert_int_equal(found, !!zs_store_find(store, digest));
	return found;
}

static void test_hard(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= 5; n++)
		assert_int_equal(put(n, start, HOUR), 0);
	announce(ZS_PURGE_TAG, "t2", false);
	announce(ZS_PURGE_PREFIX, "/3", false);
	announce(ZS_PURGE_URL, "/4", false);
	assert_true(there(2)); /* taking it from the index is the command's part */
	zs_agent_purge_tick(&view, store);
	assert_int_equal(ctl.purge_done, 3);
	assert_true(there(1));
	assert_false(there(2));
	assert_false(there(3));
	assert_false(there(4));
	assert_true(there(5));
	announce(ZS_PURGE_TAG, "all", false);
	zs_agent_purge_tick(&view, store);
	assert_false(there(1));
	assert_false(there(5));
}

/* What was asked for after the purge has been answered after it. */
static void test_later(void **state)
{
	(void)state;
	uint64_t time = announce(ZS_PURGE_TAG, "all", false);

	assert_int_equal(put(1, time, 0), -ECANCELED);
	assert_false(there(1));
	asked_for = 0;
	assert_int_equal(put(1, time + 1, 0), 0);
	assert_int_equal(asked_for, 2);
	assert_int_equal(zs_store_object(store, 1)->generation, 0);
	zs_agent_purge_tick(&view, store);
	assert_true(there(1));
	assert_int_equal(put(2, start, 0), -ECANCELED); /* carried out, and remembered all the same */
}

/* What was there is left to the command and the tick: the refused one says nothing about it. */
static void test_refused_in_place(void **state)
{
	(void)state;
	assert_int_equal(put(1, start, 0), 0);
	announce(ZS_PURGE_URL, "/1", false);
	assert_int_equal(put(1, start + 1, 0), -ECANCELED);
	assert_true(there(1));
	zs_agent_purge_tick(&view, store);
	assert_false(there(1));
	assert_int_equal(put(2, start, 0), 0);
}

static struct zs_object *object(unsigned int n)
{
	return (struct zs_object *)zs_store_object(store, n);
}

/* A refresh that was under way when a soft purge came is refused; the object goes on being served stale, and its
 * next hit asks for another one. */
static void test_soft_while_refreshed(void **state)
{
	uint64_t time;

	(void)state;
	assert_int_equal(put(1, start, HOUR), 0);
	object(1)->refresh_asked = 1;
	time = announce(ZS_PURGE_TAG, "t1", true);
	assert_int_equal(put(1, start, HOUR), -ECANCELED); /* before the agent went round */
	assert_true(there(1));
	assert_int_equal(object(1)->refresh_asked, 0);
	object(1)->refresh_asked = 1;
	zs_agent_purge_tick(&view, store);
	assert_int_equal(object(1)->refresh_asked, 0);
	object(1)->refresh_asked = 1;
	assert_int_equal(put(1, start, HOUR), -ECANCELED); /* and after */
	assert_true(there(1));
	assert_int_equal(object(1)->refresh_asked, 0);
	assert_true(object(1)->fresh_until < start + HOUR);
	/* the next one takes its place, even if it was born before (an Age in front of the origin) */
	object(1)->born = start + 10;
	assert_int_equal(put(1, zs_boot_ns(), HOUR), 0);
	assert_true(time && object(1)->fresh_until == start + HOUR);
}

/* A retry that was set for later is not waited for. */
static void test_soft_before_retry(void **state)
{
	(void)state;
	assert_int_equal(put(1, start, HOUR), 0);
	object(1)->refresh_asked = 1;
	zs_store_retry(store, 1, ~0ull, false);
	announce(ZS_PURGE_TAG, "t1", true);
	zs_agent_purge_tick(&view, store);
	assert_int_equal(object(1)->refresh_asked, 0);
	assert_true(zs_store_find(store, 1)->retry_at == 0);
}

static void test_soft(void **state)
{
	uint64_t before = zs_boot_ns();
	const struct zs_object *o;
	(void)state;

	assert_int_equal(put(1, start, 60 * ZS_NS), 0);
	assert_int_equal(put(2, start, 0), 0);
	assert_int_equal(put(3, start, 60 * ZS_NS), 0);
	announce(ZS_PURGE_TAG, "t1", true);
	announce(ZS_PURGE_TAG, "t2", true);
	zs_agent_purge_tick(&view, store);
	assert_false(there(2)); /* it has no grace */
	o = zs_store_object(store, 1);
	assert_true(there(1));
	assert_true(o->fresh_until >= before && o->fresh_until <= zs_boot_ns());
	assert_true(o->stale_until == o->fresh_until + 60 * ZS_NS);
	assert_true(zs_store_find(store, 1)->gone_at == o->stale_until);
	assert_true(zs_store_find(store, 1)->error_until == o->fresh_until + 120 * ZS_NS);
	before = o->fresh_until;
	o = zs_store_object(store, 3);
	assert_true(o->fresh_until == start + HOUR);
	/* once more: grace does not begin anew */
	announce(ZS_PURGE_TAG, "all", true);
	zs_agent_purge_tick(&view, store);
	assert_true(zs_store_object(store, 1)->fresh_until == before);
	assert_true(zs_store_object(store, 3)->fresh_until < start + HOUR);
	/* a hard one beside it wins, whatever the order */
	announce(ZS_PURGE_TAG, "t1", false);
	announce(ZS_PURGE_TAG, "t1", true);
	zs_agent_purge_tick(&view, store);
	assert_false(there(1));
	assert_true(there(3));
}

/* All of an origin's: no host, no text. */
static void test_soft_all(void **state)
{
	struct zs_purge p;
	(void)state;

	assert_int_equal(put(1, start, HOUR), 0);
	assert_int_equal(put(2, start, 0), 0);
	assert_int_equal(zs_purge_set(&p, ZS_PURGE_PREFIX, NULL, ""), 0);
	p.soft = 1;
	zs_purge_announce(&view, &p);
	zs_agent_purge_tick(&view, store);
	assert_true(zs_store_object(store, 1)->fresh_until <= zs_boot_ns());
	assert_false(there(2));
}

/* More than is remembered: what is older than all that is remembered goes, what is newer is judged. */
static void test_overflow(void **state)
{
	(void)state;
	assert_int_equal(put(1, start, HOUR), 0);
	for (unsigned int i = 0; i < ZS_PURGES; i++)
		announce(ZS_PURGE_TAG, "other", true);
	zs_agent_purge_tick(&view, store);
	assert_true(there(1));
	announce(ZS_PURGE_TAG, "lost", true);
	uint64_t oldest = announce(ZS_PURGE_TAG, "other", true);
	for (unsigned int i = 1; i < ZS_PURGES; i++)
		announce(ZS_PURGE_TAG, "other", true);
	assert_int_equal(put(2, oldest, HOUR), -ECANCELED);
	assert_int_equal(put(3, oldest + 1, HOUR), 0);
	zs_agent_purge_tick(&view, store);
	assert_int_equal(ctl.purge_done, ctl.purge_seq);
	assert_false(there(1));
	assert_true(there(3));
}

/* A number that only nonsense in shared memory explains does not stop purging. */
static void test_done_ahead(void **state)
{
	(void)state;
	assert_int_equal(put(1, start, HOUR), 0);
	ctl.purge_done = 1000;
	announce(ZS_PURGE_TAG, "all", false);
	zs_agent_purge_tick(&view, store);
	assert_int_equal(ctl.purge_done, 1);
	assert_false(there(1));
}

/* The command takes an object out of the index that the agent still has: the next one is stored, older birth or
 * not. */
static void test_taken_from_index(void **state)
{
	uint64_t digest = 1;
	(void)state;

	start += 10;
	assert_int_equal(put(1, start, 0), 0);
	start -= 10;
	assert_int_equal(put(1, start + 20, 0), -EEXIST);
	assert_int_equal(bpf_map_delete_elem(index_fd, &digest), 0);
	assert_int_equal(put(1, start + 20, 0), 0);
	assert_true(there(1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hard),     TEST(test_later),    TEST(test_refused_in_place), TEST(test_soft),
		TEST(test_soft_all), TEST(test_overflow), TEST(test_done_ahead),       TEST(test_taken_from_index),
		TEST(test_soft_while_refreshed),	  TEST(test_soft_before_retry),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
