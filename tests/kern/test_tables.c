// SPDX-License-Identifier: GPL-2.0-or-later
/* The switch from one set of the operator's rules to the next: no message is judged by parts of
 * both, and what cannot be written changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char switched[] =
	"GET /d?b=1&utm=2&a=3 HTTP/1.1\r\nHost: rig\r\nAccept: a/b\r\nX-Kind: 1\r\n\r\n";

static const struct rules regimes[] = {
	{.class = {"drop utm"}, .place = {{NULL, "/", 1}}, .vary = {"X-Kind"}},
	{.class = {"sort", "keep a"},
	 .place = {{"rig", "/d", 2}, {"rig", "/", 1}},
	 .vary = {"X-Kind", "Accept"}},
	{.vary = {"Accept", "X-Kind"}},
	{.class = {NULL}}, /* X-Kind is unknown here: nothing is announced */
};
#define ANNOUNCED 3u

static struct {
	struct zs_key key[ANNOUNCED];
	unsigned int seen[ANNOUNCED], late;
	uint32_t flush; /* as of the last switch; ~0: one is under way */
	size_t regime;
	int stop, failed;
} load;

static int load_event(void *user, void *data, size_t size)
{
	const struct zs_event_request *ev = data;
	size_t i;

	(void)user;
	if (ev->ev.kind != ZS_EVENT_REQUEST || size < sizeof(ev->ev))
		return 0;
	for (i = 0; i < ANNOUNCED; i++)
		if (ev->key_len == zs_key_len(&load.key[i]) &&
		    !memcmp(&ev->key, &load.key[i], ev->key_len))
			break;
	if (i == ANNOUNCED) {
		load.failed++;
		return 0;
	}
	load.seen[i]++;
	/* whatever could still be stored is of the regime that holds */
	load.late += ev->flush == load.flush && i != load.regime;
	return 0;
}

/* Asks and answers on a connection of its own until it is told to stop. */
static void *load_run(void *user)
{
	int *fds = user;
	char text[512];

	while (!__atomic_load_n(&load.stop, __ATOMIC_RELAXED)) {
		size_t len = sizeof(switched) - 1;

		if (send(fds[0], switched, len, MSG_NOSIGNAL) != (ssize_t)len ||
		    zs_rig_recv(fds[1], text, len) != len ||
		    send(fds[1], kern_ok, KERN_OK_LEN, MSG_NOSIGNAL) != (ssize_t)KERN_OK_LEN ||
		    zs_rig_recv(fds[0], text, KERN_OK_LEN) != KERN_OK_LEN)
			return user;
	}
	return NULL;
}

/* Every request is judged by one set of rules, whole. */
static void test_switch_under_load(void **state)
{
	struct ring_buffer *ring =
		ring_buffer__new(kern.rig.maps.fd[ZS_MAP_events], load_event, NULL, NULL);
	pthread_t thread[2];
	int fds[2][2];

	(void)state;
	assert_non_null(ring);
	for (size_t i = 0; i < ANNOUNCED; i++) {
		rules_set(&regimes[i]);
		assert_int_equal(rules_decide(switched, NULL), 2);
		load.key[i] = rules.decision.key;
	}
	for (size_t i = 0; i < ANNOUNCED; i++)
		assert_memory_not_equal(&load.key[i], &load.key[(i + 1) % ANNOUNCED],
					zs_key_len(&load.key[i]));
	load.flush = ~0u;
	for (int t = 0; t < 2; t++) {
		kern_pair(&fds[t][0], &fds[t][1]);
		assert_int_equal(pthread_create(&thread[t], NULL, load_run, fds[t]), 0);
	}
	for (int n = 0; n < 40; n++) {
		load.flush = ~0u;
		rules_set(&regimes[(size_t)n % COUNT(regimes)]);
		load.regime = (size_t)n % COUNT(regimes);
		load.flush = kern.rig.ctl->flush;
		for (int i = 0; i < 5; i++) {
			ring_buffer__consume(ring);
			usleep(1000);
		}
	}
	__atomic_store_n(&load.stop, 1, __ATOMIC_RELAXED);
	for (int t = 0; t < 2; t++) {
		void *broken;

		pthread_join(thread[t], &broken);
		assert_null(broken);
	}
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	assert_int_equal(load.failed, 0);
	assert_int_equal(load.late, 0);
	for (size_t i = 0; i < ANNOUNCED; i++)
		assert_true(load.seen[i] > 0);
}

static const struct rules few = {
	.class = {"drop utm"},
	.place = {{NULL, "/d", 1},
		  {NULL, "/k", 1},
		  {NULL, "/s", 1},
		  {NULL, "/b", 1},
		  {NULL, "/d/no", 0}},
};

static unsigned int scopes_count(void)
{
	struct zs_scope_key at, next;
	unsigned int n = 0;
	void *from = NULL;

	while (!bpf_map_get_next_key(kern.rig.maps.fd[ZS_MAP_scopes], from, &next)) {
		at = next;
		from = &at;
		n++;
	}
	return n;
}

static int fails(void)
{
	return -EIO;
}

/* What cannot be written leaves everything as it was. */
static void test_refused(void **state)
{
	static char host[ZS_HOST_MAX + 2], prefix[ZS_SCOPE_PATH + 2];
	const struct zs_place bad[] = {{NULL, "x", 1},		{NULL, "", 1},	{"", "/", 1},
				       {NULL, "/", ZS_CLASSES}, {host, "/", 1}, {NULL, prefix, 1}};
	struct rules r = few;
	static struct rules_plan p;
	static struct zs_place many[ZS_SCOPES + 1];
	static char paths[ZS_SCOPES][8];
	uint32_t half, flush;

	(void)state;
	memset(host, 'a', sizeof(host) - 1);
	memset(prefix, '/', sizeof(prefix) - 1);
	rules_set(&few);
	half = kern.rig.ctl->tables;
	flush = kern.rig.ctl->flush;
	assert_int_equal(scopes_count(), 5);
	for (size_t i = 0; i < COUNT(bad); i++) {
		r.place[4] = bad[i];
		rules_plan(&r, &p);
		assert_int_equal(
			zs_tables_switch(&kern.rig.maps, &p.plan, true, zs_grace_membarrier),
			-EINVAL);
	}
	r.place[4] = r.place[0]; /* twice the same */
	rules_plan(&r, &p);
	assert_int_equal(zs_tables_switch(&kern.rig.maps, &p.plan, true, zs_grace_membarrier),
			 -EINVAL);
	rules_plan(&few, &p);
	p.class[1].params = ZS_CLASS_PARAMS + 1;
	assert_int_equal(zs_tables_switch(&kern.rig.maps, &p.plan, true, zs_grace_membarrier),
			 -EINVAL);
	p.class[1].params = 0;
	p.plan.vary = ZS_VARY_FIELDS + 1;
	assert_int_equal(zs_tables_switch(&kern.rig.maps, &p.plan, true, zs_grace_membarrier),
			 -EINVAL);
	p.plan.vary = 0;
	assert_int_equal(zs_tables_switch(&kern.rig.maps, &p.plan, true, fails), -EIO);
	assert_int_equal(scopes_count(), 5);
	assert_int_equal(kern.rig.ctl->tables, half);
	assert_int_equal(kern.rig.ctl->flush, flush);
	rules_put("GET /d HTTP/1.1\r\nHost: rig\r\n\r\n", "/d", 0);
	rules_hit("GET /d?utm=1 HTTP/1.1\r\nHost: rig\r\n\r\n", "/d");

	/* as many as there may be, twice, in both halves; one more is refused */
	for (uint32_t i = 0; i < ZS_SCOPES; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/%u/", i);
		many[i] = (struct zs_place){NULL, paths[i], 1};
	}
	p.plan.places = many;
	p.plan.place_count = ZS_SCOPES + 1;
	assert_int_equal(zs_tables_switch(&kern.rig.maps, &p.plan, true, zs_grace_membarrier),
			 -EINVAL);
	p.plan.place_count = ZS_SCOPES;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			zs_tables_switch(&kern.rig.maps, &p.plan, false, zs_grace_membarrier), 0);
		assert_int_equal(scopes_count(), ZS_SCOPES);
	}
	assert_int_equal(kern.rig.ctl->flush, flush);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULES_TEST(test_switch_under_load),
		RULES_TEST(test_refused),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
