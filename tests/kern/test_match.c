// SPDX-License-Identifier: GPL-2.0-or-later
/* Which requests an object answers: its key, its time, its generation; and no other, whatever is in
 * the maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#define MS 1000000ull

/* --- keys ------------------------------------------------------------------------------------ */

enum { HIT, MISS, BYPASSED };

static const struct {
	const char *text;
	int what;
} heads[] = {
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\n\r\n", HIT},
	{"GET /key?a=1 HTTP/1.1\r\nHOST:\t RiG \r\n\r\n", HIT},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nAccept: text/html\r\nUser-Agent: x\r\n\r\n", HIT},
	{"GET /key?a=1 HTTP/1.1\r\nX-Unheard-Of: 1\r\nHost: rig\r\n\r\n", HIT},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nConnection: Keep-Alive\r\n\r\n", HIT},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", HIT},

	{"GET /key?a=2 HTTP/1.1\r\nHost: rig\r\n\r\n", MISS},
	{"GET /key?a=1& HTTP/1.1\r\nHost: rig\r\n\r\n", MISS},
	{"GET /key?a= HTTP/1.1\r\nHost: rig\r\n\r\n", MISS},
	{"GET /key HTTP/1.1\r\nHost: rig\r\n\r\n", MISS},
	{"GET //key?a=1 HTTP/1.1\r\nHost: rig\r\n\r\n", MISS},
	{"GET /KEY?a=1 HTTP/1.1\r\nHost: rig\r\n\r\n", MISS},
	{"GET /%6bey?a=1 HTTP/1.1\r\nHost: rig\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig:80\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rigg\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: ri\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nX-Forwarded-Host: rig\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nX-Forwarded-Proto: https\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nAccept-Encoding: gzip\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nAccept-Encoding: identity\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nAccept-Encoding:\r\n\r\n", MISS},

	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nHost: rig\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost:\r\n\r\n", BYPASSED},
	{"GET http://rig/key?a=1 HTTP/1.1\r\nHost: rig\r\n\r\n", BYPASSED},
	{"GET /key?a=1#x HTTP/1.1\r\nHost: rig\r\n\r\n", BYPASSED},
	{"get /key?a=1 HTTP/1.1\r\nHost: rig\r\n\r\n", BYPASSED},
	{"GETS /key?a=1 HTTP/1.1\r\nHost: rig\r\n\r\n", BYPASSED},
	{"OPTIONS /key?a=1 HTTP/1.1\r\nHost: rig\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nCookie: a=b\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nAuthorization: Basic eDp5\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nRange: bytes=0-1\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nIf-Match: *\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nCache-Control: no-cache\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nCache-Control: max-age=0\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nPragma: no-cache\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nAccept-Encoding: gzip;q=0\r\n\r\n", MISS},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nAccept-Encoding: *;q=0\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n\r\n", BYPASSED},
	{"GET /key?a=1 HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n", BYPASSED},
};

static void test_keys(void **state)
{
	uint64_t want[3] = {0};

	(void)state;
	kern_put("/key?a=1", 900, 60);
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		want[heads[i].what]++;
		if (heads[i].what == HIT) {
			kern_text(kern.dialer, heads[i].text);
			kern_answered(kern.dialer, "GET", "/key?a=1", 900);
			kern_silent(kern.acceptor);
		} else {
			kern_pass(heads[i].text);
		}
		assert_int_equal(kern_count(ZS_COUNT_hits), want[HIT]);
		assert_int_equal(kern_count(ZS_COUNT_misses), want[MISS]);
		assert_int_equal(kern_count(ZS_COUNT_bypassed), want[BYPASSED]);
	}
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

/* Keys of the lengths around a word, each with all bytes but the last in common. */
static void test_key_lengths(void **state)
{
	char target[ZS_TARGET_MAX + 2] = "/";

	(void)state;
	for (size_t len = 2; len <= ZS_TARGET_MAX;
	     len += len < 40 || len > ZS_TARGET_MAX - 10 ? 1 : 37) {
		memset(target + 1, 'k', len - 1);
		target[len] = 0;
		kern_put(target, 100, 60);
		kern_hit(target, 100);
		target[len - 1] = 'l';
		kern_miss(target);
	}
	memset(target + 1, 'k', ZS_TARGET_MAX);
	kern_miss(target); /* too long for a key */
	assert_int_equal(kern_count(ZS_COUNT_bypassed), 1);
}

/* --- what stands in the maps is not believed -------------------------------------------------- */

static struct zs_ref ref_of(const char *target)
{
	uint64_t digest = zs_rig_digest(&kern.rig, target);
	struct zs_ref ref;

	assert_int_equal(bpf_map_lookup_elem(kern.rig.maps.fd[ZS_MAP_index], &digest, &ref), 0);
	return ref;
}

static uint32_t page_of_new(const char *target)
{
	kern_put(target, 100, 60);
	return ref_of(target).page;
}

static void ref_set(const char *target, struct zs_ref ref)
{
	uint64_t digest = zs_rig_digest(&kern.rig, target);

	zs_front_drop(&kern.rig.front, digest);
	assert_int_equal(
		bpf_map_update_elem(kern.rig.maps.fd[ZS_MAP_index], &digest, &ref, BPF_ANY), 0);
}

static void ref_clear(const char *target)
{
	uint64_t digest = zs_rig_digest(&kern.rig, target);

	zs_front_drop(&kern.rig.front, digest);
	assert_int_equal(bpf_map_delete_elem(kern.rig.maps.fd[ZS_MAP_index], &digest), 0);
}

/* Two requests with one digest: the index names another's object. */
static void test_collision(void **state)
{
	static const char *const others[] = {"/collide/2", "/collide", "/collide/11", "/c", "/x"};

	(void)state;
	kern_put("/collide/1", 2000, 60);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		ref_set(others[i], ref_of("/collide/1"));
		kern_miss(others[i]);
		ref_clear(others[i]);
	}
	kern_hit("/collide/1", 2000);
	assert_int_equal(kern_count(ZS_COUNT_hits), 1);
	assert_int_equal(kern_count(ZS_COUNT_misses), 5);
}

/* The front names a page that is another's, no object's, or none: the index knows better. */
static void test_front_misleads(void **state)
{
	const uint32_t wrong[] = {page_of_new("/other"), kern.rig.options.pages - 1, kern.rig.options.pages, ~0u - 1};
	uint64_t digest;

	(void)state;
	kern_put("/front", 100, 60);
	digest = zs_rig_digest(&kern.rig, "/front");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		zs_front_put(&kern.rig.front, digest, wrong[i]);
		kern_hit("/front", 100);
	}
	zs_front_drop(&kern.rig.front, digest);
	kern_hit("/front", 100);
	zs_front_put(&kern.rig.front, zs_rig_digest(&kern.rig, "/never"), wrong[0]);
	kern_miss("/never");
}

/* What the front names is found without the index, and refused for the same reasons. */
static void test_front_alone(void **state)
{
	struct zs_object *o;
	uint64_t digest;

	(void)state;
	kern_put("/alone", 100, 60);
	o = kern_object("/alone");
	digest = zs_rig_digest(&kern.rig, "/alone");
	assert_int_equal(bpf_map_delete_elem(kern.rig.maps.fd[ZS_MAP_index], &digest), 0);
	kern_hit("/alone", 100);
	o->generation++;
	kern_miss("/alone");
	o->generation--;
	o->magic = 0;
	kern_miss("/alone");
	o->magic = ZS_OBJECT_MAGIC;
	kern_hit("/alone", 100);
	zs_front_drop(&kern.rig.front, digest);
	kern_miss("/alone");
}

/* The same text, asked of another origin. */
static void test_other_origin(void **state)
{
	struct zs_key *key;

	(void)state;
	kern_put("/origin", 100, 60);
	key = (struct zs_key *)((uint8_t *)kern_object("/origin") + ZS_OBJECT_KEY_OFF);
	key->origin++;
	kern_miss("/origin");
	key->origin--;
	kern_hit("/origin", 100);
}

static void test_stale_ref(void **state)
{
	struct zs_ref good, bad;
	struct zs_object *o;

	(void)state;
	kern_put("/ref", 100, 60);
	good = ref_of("/ref");
	bad = good;
	bad.serial++;
	ref_set("/ref", bad);
	kern_miss("/ref");
	bad = good;
	bad.page = ~0u;
	ref_set("/ref", bad);
	kern_miss("/ref");
	ref_set("/ref", good);
	o = kern_object("/ref");
	o->magic = 0;
	kern_miss("/ref");
	o->magic = ZS_OBJECT_MAGIC;
	kern_hit("/ref", 100);
}

/* Lengths and places that cannot be: the request passes whole, or what comes stays within the
 * pages. */
static void test_impossible_object(void **state)
{
	struct zs_object *o, good;

	(void)state;
	kern_put("/impossible", 100, 60);
	o = kern_object("/impossible");
	good = *o;
	o->body_len = ~0u - o->head_len;
	kern_miss("/impossible");
	*o = good;
	o->body_len = ZS_ANSWER_MAX;
	kern_miss("/impossible");
	*o = good;
	o->head_len = 10;
	o->body_len = 0;
	kern_miss("/impossible");
	*o = good;
	o->age_off = 5000; /* beyond the window */
	kern_miss("/impossible");
	*o = good;
	o->data_off = 0u - 4 * ZS_PAGE_SIZE; /* no such page */
	kern_miss("/impossible");
	assert_int_equal(kern_count(ZS_COUNT_unanswered), 5);
	*o = good;
	kern_hit("/impossible", 100);
	assert_int_equal(kern_count(ZS_COUNT_impossible), 0);
}

/* --- time ------------------------------------------------------------------------------------ */

static void ages(long age, long ttl)
{
	kern_hit("/aged", 50);
	assert_int_equal(kern_number(KERN_AGE), age);
	assert_int_equal(kern_number(KERN_TTL), ttl);
}

static void test_age(void **state)
{
	(void)state;
	kern_put("/aged", 50, 60);
	ages(0, 59);
	usleep(1100000);
	ages(1, 58);
}

static void test_age_by_hand(void **state)
{
	static const long born[] = {0, 1, 9, 10, 99, 12345, 99999998};
	struct zs_object *o;
	uint64_t now;

	(void)state;
	kern_put("/aged", 50, 60);
	o = kern_object("/aged");
	now = zs_boot_ns();
	for (size_t i = 0; i < sizeof(born) / sizeof(*born);
	     i++) { /* before the boot, most of them */
		o->born = now - (uint64_t)born[i] * ZS_NS;
		o->fresh_until = now + (uint64_t)(born[i] + 1) * ZS_NS - 1;
		ages(born[i], born[i]);
		now = zs_boot_ns();
	}
	o->born = now - 4000000000ull * ZS_NS;
	o->fresh_until = now + 4000000000ull * ZS_NS;
	ages(99999999, 99999999);
}

/* Asked all the time around its end: an answer was always given before it. */
static void test_never_stale(void **state)
{
	char request[64], answer[256];
	size_t len = zs_rig_request("GET", "/brief", request, sizeof(request));
	size_t want = kern_head_of(10, answer) + 10;

	(void)state;
	for (int round = 0; round < 5; round++) {
		struct zs_object *o;
		uint64_t sent, until;
		int hits = 0;

		kern_put("/brief", 10, 60);
		o = kern_object("/brief");
		until = o->fresh_until = o->stale_until = zs_boot_ns() + 20 * MS;
		do {
			sent = zs_boot_ns();
			kern_send(kern.dialer, request, len);
			if (recv(kern.dialer, kern.got, want, MSG_DONTWAIT) > 0) {
				assert_true(sent < until);
				hits++;
			} else {
				assert_true(zs_boot_ns() >= until);
				kern_served(request, len);
			}
		} while (sent < until + 5 * MS);
		assert_true(hits > 0);
	}
	assert_true(kern_count(ZS_COUNT_expired) >= 5);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

static void test_expired_at_once(void **state)
{
	(void)state;
	kern_put("/expired", 10, 0);
	kern_miss("/expired");
	kern_put("/expired", 10, 60);
	kern_object("/expired")->fresh_until = kern_object("/expired")->stale_until = 0;
	kern_miss("/expired");
	assert_int_equal(kern_count(ZS_COUNT_expired), 2);
}

/* --- invalidation ---------------------------------------------------------------------------- */

static void test_generation(void **state)
{
	(void)state;
	kern_put("/one", 80, 60);
	kern_put("/two", 80, 60);
	kern_hit("/one", 80);
	kern.rig.generations[kern_object("/one")->bucket]++;
	kern_miss("/one");
	kern_hit("/two", 80);
	kern.rig.generations[kern_object("/one")->bucket] += 1ull << 31;
	kern_miss("/one");
	assert_int_equal(kern_count(ZS_COUNT_purged), 2);
	kern_put("/one", 81, 60);
	kern_hit("/one", 81);
}

static void test_flush(void **state)
{
	(void)state;
	kern_put("/one", 80, 60);
	kern_put("/two", 80, 60);
	kern_hit("/one", 80);
	kern.rig.ctl->flush++;
	kern_miss("/one");
	kern_miss("/two");
	assert_int_equal(kern_count(ZS_COUNT_purged), 2);
	kern_put("/two", 90, 60);
	kern_hit("/two", 90);
	kern_miss("/one");
}

static void test_replaced(void **state)
{
	(void)state;
	for (uint32_t len = 1; len < 100; len++) {
		kern_put("/replaced", len * 37, 60);
		kern_hit("/replaced", len * 37);
	}
	ref_clear("/replaced");
	kern_miss("/replaced");
	assert_int_equal(kern_count(ZS_COUNT_hits), 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KERN_TEST(test_keys),	     KERN_TEST(test_key_lengths),
		KERN_TEST(test_collision),   KERN_TEST(test_other_origin),
		KERN_TEST(test_front_misleads), KERN_TEST(test_front_alone),
		KERN_TEST(test_stale_ref),   KERN_TEST(test_impossible_object),
		KERN_TEST(test_age),	     KERN_TEST(test_age_by_hand),
		KERN_TEST(test_never_stale), KERN_TEST(test_expired_at_once),
		KERN_TEST(test_generation),  KERN_TEST(test_flush),
		KERN_TEST(test_replaced),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
