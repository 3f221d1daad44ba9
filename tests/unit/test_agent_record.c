// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the end of a recording means for its key: stored, held off for a while, or neither. Nobody keeps a key from
 * being stored by what he sends, by when he leaves, or by being late. Needs the right to create a BPF map.
 */
#include "agent_record.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <zs/key.h>
#include <zs/request.h>

#include "agent_purge.h"
#include "agent_state.h"
#include "clock.h"
#include "enrolment.h"
#include "fields.h"
#include "holdoff.h"

#define PAGES	 64u
#define HOST	 "Host: a.org\r\n"
#define STORABLE "Cache-Control: max-age=600\r\nContent-Length: 2\r\n\r\nok"
#define OK	 "HTTP/1.1 200 OK\r\n"

static struct zs_maps maps;
static struct zs_agent agent;
static struct zs_ctl ctl;
static struct zs_purge ring[ZS_PURGES];
static struct zs_warmth warmth[ZS_WARMTH];
static uint64_t stop[ZS_STOP_SLOTS];
static uint64_t generations[ZS_GENERATIONS];
static uint64_t cookies; /* one connection per recording */

static int grace(void)
{
	return 0;
}

static bool in_use(void *user, uint32_t slot)
{
	(void)user;
	return slot > ZS_WARMTH;
}

static int setup(void **state)
{
	(void)state;
	memset(&maps, 0xff, sizeof(maps));
	maps.fd[ZS_MAP_holdoff] = bpf_map_create(BPF_MAP_TYPE_HASH, "zs_test", 8, sizeof(struct zs_holdoff), 64, NULL);
	maps.fd[ZS_MAP_index] = bpf_map_create(BPF_MAP_TYPE_HASH, "zs_test", 8, sizeof(struct zs_ref), 64, NULL);
	agent.pages = aligned_alloc(ZS_PAGE_SIZE, (size_t)PAGES * ZS_PAGE_SIZE);
	return agent.pages ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(agent.pages);
	if (maps.fd[ZS_MAP_holdoff] >= 0)
		close(maps.fd[ZS_MAP_holdoff]);
	if (maps.fd[ZS_MAP_index] >= 0)
		close(maps.fd[ZS_MAP_index]);
	return 0;
}

static int begin(void **state)
{
	struct zs_store_options store = {.index_fd = maps.fd[ZS_MAP_index], .pages = agent.pages, .count = PAGES,
					 .entries = PAGES, .grace = grace, .still_wanted = zs_agent_purge_wanted,
					 .user = &agent.purges};
	uint8_t *pages = agent.pages;
	(void)state;

	if (maps.fd[ZS_MAP_holdoff] < 0 || maps.fd[ZS_MAP_index] < 0) {
		print_message("skipped: no right to create a BPF map\n");
		skip();
	}
	memset(ring, 0, sizeof(ring));
	memset(&ctl, 0, sizeof(ctl));
	memset(warmth, 0, sizeof(warmth));
	agent = (struct zs_agent){.o = {.max_body = 1000}, .maps = &maps, .ctl = &ctl, .stop = stop, .pages = pages,
				  .generations = generations, .purges = {.ring = ring, .ctl = &ctl}, .epoll = -1};
	zs_config_defaults(&agent.config);
	if (zs_store_create(&store, &agent.store) || zs_agent_record_create(&agent) ||
	    zs_enrolment_create(warmth, true, in_use, NULL, &agent.enrolment))
		return -1;
	agent.ingest = (struct zs_ingest){.store = agent.store, .config = &agent.config, .ctl = &ctl,
					  .max_body = 1000, .lifetime_max = 3600};
	return 0;
}

static int end(void **state)
{
	uint8_t *pages = agent.pages;
	(void)state;

	zs_recordings_destroy(agent.recordings);
	zs_enrolment_destroy(agent.enrolment);
	zs_store_destroy(agent.store);
	zs_config_free(&agent.config);
	agent = (struct zs_agent){.pages = pages};
	return 0;
}

/* --- events ------------------------------------------------------------------------------------ */

/* A GET of `target` whose key has `keyed`. Returns the digest. */
static uint64_t asked(const char *target, const char *keyed, const char *fields)
{
	static struct zs_event_request ev;
	static struct zs_tables tables;
	static struct zs_request r;
	int n = snprintf((char *)r.head, ZS_HEAD_MAX, "GET %s HTTP/1.1\r\n" HOST "\r\n", keyed);

	assert_int_equal(zs_fields_build(&tables), 0);
	assert_int_equal(zs_request_scan(&r, &tables, (uint32_t)n), ZS_SCAN_OK);
	zs_request_fields(&r, &tables);
	zs_request_values(&r, &tables);
	memset(&ev, 0, sizeof(ev));
	zs_key_build(&ev.key, &r, 1);
	ev.digest = zs_key_digest(&ev.key, 1, 2);
	ev.bucket = zs_key_bucket(&ev.key, 1, 2);
	ev.key_len = zs_key_len(&ev.key);
	ev.head_len = (uint32_t)snprintf((char *)ev.head, ZS_HEAD_MAX, "GET %s HTTP/1.1\r\n" HOST "%s\r\n", target, fields);
	cookies++;
	ev.ev = (struct zs_event){.kind = ZS_EVENT_REQUEST, .cookie = cookies, .record = cookies, .time = zs_boot_ns()};
	ev.ev.len = (uint32_t)offsetof(struct zs_event_request, head) + ev.head_len;
	assert_int_equal(zs_agent_event(&agent, &ev, ev.ev.len), 0);
	return ev.digest;
}

/* What arrives on that connection first. */
static void arrives(uint64_t cookie, const char *text, uint32_t flags)
{
	static struct {
		struct zs_event_data ev;
		char text[ZS_RECORD_CHUNK];
	} event;
	size_t len = strlen(text);

	event.ev = (struct zs_event_data){.ev = {.kind = ZS_EVENT_DATA, .cookie = cookie, .record = cookie,
						 .time = zs_boot_ns()},
					  .base = 1, .seq = 1, .data_len = (uint32_t)len, .flags = flags};
	memcpy(event.ev.data, text, len);
	assert_int_equal(zs_agent_event(&agent, &event, sizeof(event.ev) + len), 0);
	assert_true(stop[ZS_STOP_SLOT(cookie)] == cookie);
}

static bool held_off(uint64_t digest, struct zs_holdoff *h)
{
	return !bpf_map_lookup_elem(maps.fd[ZS_MAP_holdoff], &digest, h) && zs_boot_ns() < h->until;
}

/* --- what holds a key off ---------------------------------------------------------------------- */

#define X64  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X512 X64 X64 X64 X64 X64 X64 X64 X64

struct row {
	const char *text;
	uint32_t flags;
	const char *fields;
	uint32_t reason; /* as in struct zs_holdoff */
};

static void each(const struct row *rows, size_t count, bool held)
{
	struct zs_holdoff h;

	for (size_t i = 0; i < count; i++) {
		char target[32];
		uint64_t digest;

		print_message("  row %zu\n", i);
		snprintf(target, sizeof(target), "/%s/%zu", held ? "held" : "free", i);
		digest = asked(target, target, rows[i].fields ? rows[i].fields : "");
		arrives(cookies, rows[i].text, rows[i].flags);
		assert_int_equal(zs_recordings_active(agent.recordings), 0);
		assert_null(zs_store_find(agent.store, digest));
		assert_int_equal(held_off(digest, &h), held);
		if (held || rows[i].reason) /* noted for `explain`, or held off for it */
			assert_int_equal(h.reason, rows[i].reason);
	}
}

/* What an ordinary visitor would get as well. */
static void test_held_off(void **state)
{
	static const struct row rows[] = {
		{OK "Cache-Control: no-store\r\nContent-Length: 0\r\n\r\n", 0, NULL, 1 + ZS_POLICY_NO_STORE},
		{OK "Content-Length: 0\r\n\r\n", 0, NULL, 1 + ZS_POLICY_NO_FRESHNESS},
		{OK "Set-Cookie: a=1\r\n" STORABLE, 0, NULL, 1 + ZS_POLICY_SET_COOKIE},
		{OK "Vary: Origin\r\n" STORABLE, 0, NULL, 1 + ZS_POLICY_VARY},
		{"HTTP/1.1 303 S\r\n" STORABLE, 0, NULL, 1 + ZS_POLICY_STATUS},
		{"HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n", 0, NULL, 1 + ZS_POLICY_NO_FRESHNESS},
		{OK "Cache-Control: max-age=600\r\nContent-Length: 1001\r\n\r\n", 0, NULL, 1 + ZS_POLICY_LARGE},
		{OK "Cache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 0, NULL, 0},
		{OK "Cache-Control: max-age=600\r\n\r\nuntil close", 0, NULL, 0},
		{"HTTP/1.0 200 OK\r\n" STORABLE, 0, NULL, 0},
		{OK, ZS_DATA_CUT, NULL, 0},
	};
	(void)state;

	each(rows, sizeof(rows) / sizeof(rows[0]), true);
}

/* What hangs on who asked, and how: another request with the same key may be stored. */
static void test_not_held_off(void **state)
{
	static const struct row rows[] = {
		{"HTTP/1.1 400 B\r\n" STORABLE, 0, NULL, 1 + ZS_POLICY_STATUS},
		{"HTTP/1.1 403 F\r\n" STORABLE, 0, "User-Agent: scanner\r\n", 0},
		{"HTTP/1.1 429 T\r\nRetry-After: 9\r\n" STORABLE, 0, "X-Forwarded-For: 192.0.2.1\r\n", 0},
		{"HTTP/1.1 503 S\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n", 0, NULL, 0},
		{"HTTP/1.1 404 N\r\n" STORABLE, 0, "Referer: \xff\r\n", 1 + ZS_POLICY_ERROR_REQUEST},
		{"HTTP/1.1 404 N\r\n" STORABLE, 0, "Referer: " X512 "xxx\r\n", 0},
		{OK "Cache-Control: no-store\r\nContent-Length: 0\r\n\r\n", 0, "Referer: \xff\r\n", 0},
		{OK "Set-Cookie: a=1\r\n" STORABLE, 0,
		 "Referer: " X512 "\r\nAccept: " X512 "\r\nUser-Agent: " X512 "\r\nVia: " X512 "\r\n", 0},
		{OK "Cache-Control: max-age=600\r\nContent-Length: 1001\r\n\r\n", 0, "User-Agent: \xc3\xa4\r\n", 0},
		{OK, ZS_DATA_CUT, "User-Agent: \xc3\xa4\r\n", 0},
		{OK "Cache-Control: max-age=600\r\n\r\n", 0, "User-Agent: \xc3\xa4\r\n", 0},
		{OK "Cache-Control: max-age=600\r\nContent-Length: 2\r\n\r\n", 0, "Authorization: Basic eDp5\r\n", 0},
		/* the visitor has left, so Caddy has, so the upstream has */
		{OK "Cache-Control: max-age=600\r\nContent-Length: 2\r\n\r\no", ZS_DATA_FIN, NULL, 0},
		{OK, ZS_DATA_FIN, NULL, 0},
		{"", ZS_DATA_FIN, NULL, 0},
	};
	(void)state;

	each(rows, sizeof(rows) / sizeof(rows[0]), false);
}

/* A parameter that the key lacks. */
static void test_normalised(void **state)
{
	uint64_t digest = asked("/n?utm=1", "/n", "");
	struct zs_holdoff h;
	(void)state;

	arrives(cookies, OK "Cache-Control: no-store\r\nContent-Length: 0\r\n\r\n", 0);
	assert_false(held_off(digest, &h));
	assert_int_equal(h.reason, 1 + ZS_POLICY_NO_STORE);
	assert_true(asked("/n", "/n", "") == digest);
	arrives(cookies, OK "Cache-Control: no-store\r\nContent-Length: 0\r\n\r\n", 0);
	assert_true(held_off(digest, &h));
	assert_int_equal(h.level, 0); /* the note before did not count */
}

/* --- overtaken --------------------------------------------------------------------------------- */

/* The younger one is stored, the older one arrives after it. */
static void test_younger(void **state)
{
	uint64_t digest = asked("/younger", "/younger", ""), older = cookies;
	struct zs_holdoff h;
	(void)state;

	asked("/younger", "/younger", "");
	arrives(cookies, OK STORABLE, 0);
	arrives(older, OK "Age: 100\r\n" STORABLE, 0);
	assert_int_equal(agent.ends[ZS_RECORDING_STORED], 1);
	assert_int_equal(agent.ends[ZS_RECORDING_OVERTAKEN], 1);
	assert_non_null(zs_store_find(agent.store, digest));
	assert_false(held_off(digest, &h));
}

static void purge_all(const char *prefix)
{
	struct zs_purge purge;

	assert_int_equal(zs_purge_set(&purge, ZS_PURGE_PREFIX, "a.org", prefix), 0);
	zs_purge_announce(&agent.purges, &purge);
}

/* Purged while it was on its way: neither a reason to hold the key off, nor one to end that it is. */
static void test_purged(void **state)
{
	uint64_t digest = asked("/purged", "/purged", "");
	struct zs_holdoff h;
	(void)state;

	purge_all("/purged");
	arrives(cookies, OK STORABLE, 0);
	assert_false(held_off(digest, &h));

	asked("/purged", "/purged", "");
	assert_int_equal(zs_holdoff_add(maps.fd[ZS_MAP_holdoff], digest, zs_boot_ns(), 7), 0); /* for another one */
	purge_all("/purged");
	arrives(cookies, OK STORABLE, 0);
	assert_true(held_off(digest, &h));
	assert_int_equal(h.reason, 7);
	assert_int_equal(agent.ends[ZS_RECORDING_OVERTAKEN], 2);
	assert_int_equal(agent.ends[ZS_RECORDING_STORED], 0);
}

/* Of a cold origin: what was asked for before it is known to be warm is not stored, and nothing is held off. */
static void test_cold(void **state)
{
	uint64_t digest = asked("/cold", "/cold", "");
	struct zs_holdoff h;
	(void)state;

	warmth[1].cold = 1;
	arrives(cookies, OK STORABLE, 0);
	assert_null(zs_store_find(agent.store, digest));
	assert_int_equal(agent.ends[ZS_RECORDING_OVERTAKEN], 1);
	assert_false(held_off(digest, &h));
	asked("/cold", "/cold", "");
	arrives(cookies, OK STORABLE, 0);
	assert_non_null(zs_store_find(agent.store, digest));
}

/* --- in a row ---------------------------------------------------------------------------------- */

/* Many on their way at once are refused once: the time does not double with each of them. */
static void test_burst(void **state)
{
	static const char no[] = OK "Cache-Control: no-store\r\nContent-Length: 0\r\n\r\n";
	uint64_t digest = 0, now = zs_boot_ns();
	struct zs_holdoff h;
	(void)state;

	for (int i = 0; i < 20; i++)
		digest = asked("/burst", "/burst", "");
	for (uint64_t i = 0; i < 20; i++)
		arrives(cookies - i, no, 0);
	assert_true(held_off(digest, &h));
	assert_int_equal(h.level, 0);
	assert_in_range(h.until - now, ZS_HOLDOFF_FIRST * ZS_NS, (ZS_HOLDOFF_FIRST + 1) * ZS_NS);
	h.until = zs_boot_ns() - 1; /* it is over */
	assert_int_equal(bpf_map_update_elem(maps.fd[ZS_MAP_holdoff], &digest, &h, BPF_ANY), 0);
	asked("/burst", "/burst", "");
	arrives(cookies, no, 0);
	assert_true(held_off(digest, &h));
	assert_int_equal(h.level, 1);
	h.until = zs_boot_ns() - 1;
	assert_int_equal(bpf_map_update_elem(maps.fd[ZS_MAP_holdoff], &digest, &h, BPF_ANY), 0);
	asked("/burst", "/burst", "");
	arrives(cookies, OK STORABLE, 0);
	assert_int_not_equal(bpf_map_lookup_elem(maps.fd[ZS_MAP_holdoff], &digest, &h), 0);
}

#define AGENT_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(test_held_off), AGENT_TEST(test_not_held_off), AGENT_TEST(test_normalised),
		AGENT_TEST(test_younger),  AGENT_TEST(test_purged),	  AGENT_TEST(test_cold),
		AGENT_TEST(test_burst),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
