// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What `purge` names is not answered any more when the command has returned, whatever was on its way into the
 * store; everything else is. The command works on pins in a bpffs of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include "agent_purge.h"
#include "log.h"
#include "options.h"

#define LEN 300u

static struct zs_instance instance;

/* --- the world: the rig, pinned -------------------------------------------------------------- */

static int open_sized(uint32_t pages, uint32_t entries)
{
	const struct zs_rig_options options = {.pages = pages, .entries = entries};

	kern_guard();
	strcpy(kern.mount, "/tmp/zs-kern-XXXXXX");
	if (!mkdtemp(kern.mount) || mount("bpf", kern.mount, "bpf", 0, NULL) ||
	    zs_instance_init(&instance, kern.mount, "kern", false) ||
	    zs_rig_open(&kern.rig, ZS_RIG_V4, &options))
		return -1;
	memcpy(kern.cgroup, kern.rig.cgroup, sizeof(kern.cgroup));
	return zs_pin_publish(&instance, kern.rig.obj);
}

static int open_small(void **state)
{
	(void)state;
	return open_sized(2048, 1024);
}

static int close_all(void **state)
{
	int err = zs_pin_remove(&instance);

	kern_close(state);
	if (umount2(kern.mount, 0) || rmdir(kern.mount))
		return -1;
	return err;
}

/* The last of zs_options is the one that counts. */
static int purge(struct zs_options o)
{
	o.bpffs = kern.mount;
	o.instance = "kern";
	return zs_cmd_purge(&o);
}

static void put(const char *target, const char *tags, uint32_t tags_len)
{
	kern.rig.more = (struct zs_store_item){.tags = (const uint8_t *)tags, .tags_len = tags_len};
	kern_put(target, LEN, 600);
	kern.rig.more = (struct zs_store_item){0};
}

/* --- each kind ------------------------------------------------------------------------------- */

static const char *const targets[] = {"/a", "/a/1", "/a/1?x", "/b", "/b/1"};
#define TARGETS (sizeof(targets) / sizeof(*targets))

static const struct {
	struct zs_options o;
	const char *gone; /* per target: x is gone */
} kinds[] = {
	{{.url = "http://rig/a"}, "x...."},
	{{.url = "https://RIG/a/1?x#part"}, "..x.."},
	{{.url = "https://other/a"}, "....."},
	{{.prefix = "http://rig/a"}, "xxx.."},
	{{.prefix = "http://rig/a/"}, ".xx.."},
	{{.prefix = "http://rig/a/1?"}, "..x.."},
	{{.prefix = "http://other/"}, "....."},
	{{.prefix = "http://rig"}, "xxxxx"},
	{{.host = "rig"}, "xxxxx"},
	{{.host = "Rig"}, "xxxxx"},
	{{.host = "ri"}, "....."},
	{{.tags = {"b"}}, "...xx"},
	{{.tags = {"one"}}, ".x..x"},
	{{.tags = {"one", "none", "a"}}, "xxx.x"},
	{{.tags = {"none"}}, "....."},
	{{.all = true}, "xxxxx"},
};

static void put_all(void)
{
	for (size_t i = 0; i < TARGETS; i++) {
		bool a = targets[i][1] == 'a', one = i == 1 || i == 4;

		put(targets[i], a ? "a\0one" : "b\0one", one ? 6 : 2);
		kern_hit(targets[i], LEN);
	}
}

static void test_kinds(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		struct zs_options o = kinds[k].o;

		put_all();
		o.dry_run = true;
		assert_int_equal(purge(o), ZS_EXIT_OK);
		for (size_t i = 0; i < TARGETS; i++)
			kern_hit(targets[i], LEN);
		o.dry_run = false;
		assert_int_equal(purge(o), ZS_EXIT_OK);
		for (size_t i = 0; i < TARGETS; i++) {
			if (kinds[k].gone[i] == 'x')
				kern_miss(targets[i]);
			else
				kern_hit(targets[i], LEN);
		}
		zs_agent_purge_tick(&kern.rig.purges, kern.rig.store);
	}
}

static void test_usage(void **state)
{
	static char tag[200];
	struct zs_options many = {0};
	uint64_t announced = kern.rig.ctl->purge_seq;
	(void)state;

	memset(tag, 't', sizeof(tag) - 1);
	for (size_t i = 0; i <= ZS_PURGES / 2; i++)
		many.tags[i] = "t";
	assert_int_equal(purge((struct zs_options){.json = true}), ZS_EXIT_USAGE);
	assert_int_equal(purge((struct zs_options){.all = true, .host = "rig"}), ZS_EXIT_USAGE);
	assert_int_equal(purge((struct zs_options){.tags = {"a"}, .prefix = "http://rig/"}), ZS_EXIT_USAGE);
	assert_int_equal(purge((struct zs_options){.prefix = "/a"}), ZS_EXIT_USAGE);
	assert_int_equal(purge((struct zs_options){.host = "rig/a"}), ZS_EXIT_USAGE);
	assert_int_equal(purge((struct zs_options){.host = ""}), ZS_EXIT_USAGE);
	assert_int_equal(purge((struct zs_options){.tags = {""}}), ZS_EXIT_USAGE);
	assert_int_equal(purge((struct zs_options){.tags = {tag}}), ZS_EXIT_USAGE);
	assert_int_equal(purge(many), ZS_EXIT_USAGE);
	assert_int_equal(kern.rig.ctl->purge_seq, announced);
}

/* --- in flight ------------------------------------------------------------------------------- */

/* Stores what was asked for at that time (boot-time ns), as zs_store_put says. */
static int put_asked(const char *target, uint64_t asked)
{
	int err;

	kern.rig.more = (struct zs_store_item){.asked = asked, .tags = (const uint8_t *)"t", .tags_len = 2};
	kern_fill(target, kern.body, LEN);
	err = zs_rig_put(&kern.rig, target, kern.body, LEN, 600, kern.head);
	kern.rig.more = (struct zs_store_item){0};
	return err;
}

static void test_in_flight(void **state)
{
	static const struct zs_options ways[] = {
		{.tags = {"t"}}, {.host = "rig"}, {.prefix = "http://rig/fl"}, {.url = "http://rig/flight"}};
	(void)state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		uint64_t before = zs_boot_ns();

		assert_int_equal(purge(ways[i]), ZS_EXIT_OK);
		assert_int_equal(put_asked("/flight", before), -ECANCELED);
		kern_miss("/flight");
		assert_int_equal(put_asked("/flight", zs_boot_ns()), 0);
		kern_hit("/flight", LEN);
	}
}

/* The other end of the race: the index names what is not valid yet. */
static void test_unpublished(void **state)
{
	struct zs_object *o;
	uint32_t generation;
	(void)state;

	put("/unpublished", "t", 2);
	o = kern_object("/unpublished");
	generation = o->generation;
	o->generation = ~generation;
	kern_miss("/unpublished");
	assert_int_equal(purge((struct zs_options){.tags = {"t"}}), ZS_EXIT_OK);
	o->generation = generation;
	kern_miss("/unpublished");
	zs_agent_purge_tick(&kern.rig.purges, kern.rig.store);
}

/* Another command holds the lock of the announcement: what is stored until then is taken as well. */
static void *store_between(void *lock)
{
	uint64_t digest = zs_rig_digest(&kern.rig, "/between");
	struct zs_ref ref;
	int err;

	while (!bpf_map_lookup_elem(kern.rig.maps.fd[ZS_MAP_index], &digest, &ref))
		usleep(100);
	err = put_asked("/between", zs_boot_ns());
	close(*(int *)lock);
	return err ? lock : NULL;
}

static void test_between(void **state)
{
	void *failed;
	pthread_t thread;
	int lock;
	(void)state;

	put("/between", "t", 2);
	lock = zs_announce_lock(&instance);
	assert_true(lock >= 0);
	assert_int_equal(pthread_create(&thread, NULL, store_between, &lock), 0);
	assert_int_equal(purge((struct zs_options){.tags = {"t"}}), ZS_EXIT_OK);
	pthread_join(thread, &failed);
	assert_null(failed);
	kern_miss("/between");
	zs_agent_purge_tick(&kern.rig.purges, kern.rig.store);
}

/* Somebody stores without pause what was asked for up to three milliseconds before; nothing older than a purge is ever answered once
 * the purge has returned. The body tells when it was asked for. */
#define RACES 400
static int racing;

static void *storer(void *user)
{
	static char head[ZS_ANSWER_HEAD_MAX];
	uint64_t *stored = user;

	while (__atomic_load_n(&racing, __ATOMIC_ACQUIRE)) {
		uint64_t asked = zs_boot_ns();

		zs_agent_purge_tick(&kern.rig.purges, kern.rig.store);
		if (asked & 1)
			usleep(asked % 3000);
		kern.rig.more = (struct zs_store_item){
			.asked = asked, .tags = (const uint8_t *)"race", .tags_len = 5};
		*stored += !zs_rig_put(&kern.rig, "/race", (uint8_t *)&asked, sizeof(asked), 600, head);
	}
	kern.rig.more = (struct zs_store_item){0};
	return NULL;
}

/* The time that the answer names; 0: the upstream is asked. */
static uint64_t race_ask(void)
{
	size_t n = kern_head_of(sizeof(uint64_t), kern.head);
	struct pollfd ends[] = {{.fd = kern.dialer, .events = POLLIN}, {.fd = kern.acceptor, .events = POLLIN}};
	size_t asked = kern_ask(kern.dialer, "GET", "/race");
	uint64_t told;

	assert_true(poll(ends, 2, 2000) > 0);
	if (ends[1].revents) {
		assert_int_equal(zs_rig_recv(kern.acceptor, kern.got, asked), asked);
		kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
		kern_arrives(kern.dialer, kern_ok, KERN_OK_LEN);
		return 0;
	}
	assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n + sizeof(told)), n + sizeof(told));
	memcpy(&told, kern.got + n, sizeof(told));
	return told;
}

static void test_race(void **state)
{
	static const struct zs_options ways[] = {
		{.tags = {"race"}}, {.host = "rig"}, {.url = "http://rig/race"}, {.prefix = "http://rig/r"}};
	uint64_t stored = 0, hits = 0;
	pthread_t thread;
	(void)state;

	racing = 1;
	assert_int_equal(pthread_create(&thread, NULL, storer, &stored), 0);
	for (int i = 0; i < RACES; i++) {
		uint64_t since = zs_boot_ns(), told;

		assert_int_equal(purge(ways[i % 4]), ZS_EXIT_OK);
		for (int ask = 0; ask < 3; ask++) {
			told = race_ask();
			if (told && told < since)
				fail_msg("round %d: answered with what was asked for %llu ns before the purge", i,
					 (unsigned long long)(since - told));
			hits += !!told;
		}
	}
	__atomic_store_n(&racing, 0, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(stored > RACES / 4);
	assert_true(hits > 0);
	print_message("note: %llu hits between %d purges, %llu objects stored\n", (unsigned long long)hits, RACES,
		      (unsigned long long)stored);
}

/* --- soft ------------------------------------------------------------------------------------ */

static int agent_lives;

static void *agent(void *unused)
{
	while (__atomic_load_n(&agent_lives, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&kern.rig.ctl->heartbeat, zs_boot_ns(), __ATOMIC_RELEASE);
		zs_agent_purge_tick(&kern.rig.purges, kern.rig.store);
		usleep(1000);
	}
	return unused;
}

static void put_graced(const char *target, const char *tag)
{
	kern.rig.more = (struct zs_store_item){.stale_until = zs_boot_ns() + 1200 * ZS_NS,
					       .tags = (const uint8_t *)tag,
					       .tags_len = (uint32_t)strlen(tag) + 1};
	kern_put(target, LEN, 600);
	kern.rig.more = (struct zs_store_item){0};
}

/* Answered from the store, whatever its ttl says. */
static void stale_hit(const char *target)
{
	size_t n = kern_head_of(LEN, kern.head);

	kern_ask(kern.dialer, "GET", target);
	assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n + LEN), n + LEN);
	kern_fill(target, kern.body, LEN);
	assert_memory_equal(kern.got + n, kern.body, LEN);
	kern_silent(kern.acceptor);
}

static void test_soft(void **state)
{
	static const struct zs_options ways[] = {{.tags = {"t"}, .soft = true},
						 {.prefix = "http://rig/soft", .soft = true},
						 {.url = "http://rig/soft/grace", .soft = true},
						 {.host = "rig", .soft = true},
						 {.all = true, .soft = true}};
	struct zs_ctl *ctl = kern.rig.ctl;
	pthread_t thread;
	(void)state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		put_graced("/soft/grace", "t");
		put("/soft/none", "t", 2);
		put_graced("/other", "u");
		ctl->agent_pid = (uint32_t)getpid();
		ctl->heartbeat = zs_boot_ns();
		agent_lives = 1;
		assert_int_equal(pthread_create(&thread, NULL, agent, NULL), 0);
		assert_int_equal(purge(ways[i]), ZS_EXIT_OK);
		assert_true(ctl->purge_done == ctl->purge_seq);
		assert_true(kern_object("/soft/grace")->fresh_until <= zs_boot_ns());
		stale_hit("/soft/grace");
		if (ways[i].url)
			kern_hit("/soft/none", LEN);
		else
			kern_miss("/soft/none");
		assert_true((kern_object("/other")->fresh_until <= zs_boot_ns()) == (i >= 3));
		stale_hit("/other");
		__atomic_store_n(&agent_lives, 0, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
	}
	ctl->agent_pid = 0;
	ctl->heartbeat = 0;
}

/* Nobody makes it stale: it goes. So it does when the agent hangs, after two seconds. */
static void test_soft_without_agent(void **state)
{
	struct zs_ctl *ctl = kern.rig.ctl;
	uint64_t since;
	(void)state;

	zs_log_level_set(ZS_LOG_ERROR);
	put_graced("/alone", "t");
	assert_int_equal(purge((struct zs_options){.tags = {"t"}, .soft = true}), ZS_EXIT_OK);
	kern_miss("/alone");
	zs_agent_purge_tick(&kern.rig.purges, kern.rig.store);
	put_graced("/alone", "t");
	ctl->agent_pid = (uint32_t)getpid();
	since = ctl->heartbeat = zs_boot_ns();
	assert_int_equal(purge((struct zs_options){.tags = {"t"}, .soft = true}), ZS_EXIT_OK);
	assert_in_range(zs_boot_ns() - since, 2 * ZS_NS, 5 * ZS_NS);
	kern_miss("/alone");
	ctl->agent_pid = 0;
	ctl->heartbeat = 0;
	zs_agent_purge_tick(&kern.rig.purges, kern.rig.store);
	zs_log_level_set(ZS_LOG_INFO);
}

/* --- many ------------------------------------------------------------------------------------ */

#define MANY 100000u

static int open_large(void **state)
{
	(void)state;
	return open_sized(MANY + 1024, MANY + 1024);
}

static void test_many(void **state)
{
	uint64_t start, command, tick;
	char target[32];
	(void)state;

	put("/keep", "small", 6);
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(target, sizeof(target), "/many/%u", i);
		put(target, i & 1 ? "big" : "other\0big", i & 1 ? 4 : 10);
		if (i % 8192 == 0)
			alarm(KERN_SECONDS);
	}
	kern_hit("/many/0", LEN);
	kern_hit("/many/99999", LEN);
	start = zs_boot_ns();
	assert_int_equal(purge((struct zs_options){.tags = {"big"}}), ZS_EXIT_OK);
	command = zs_boot_ns() - start;
	for (uint32_t i = 0; i < MANY; i += 9999) {
		snprintf(target, sizeof(target), "/many/%u", i);
		kern_miss(target);
	}
	kern_hit("/keep", LEN);
	start = zs_boot_ns();
	zs_agent_purge_tick(&kern.rig.purges, kern.rig.store);
	tick = zs_boot_ns() - start;
	kern_hit("/keep", LEN);
	print_message("note: %u objects by tag: %llu ms (%llu ns each), then %llu ms of the agent\n", MANY,
		      (unsigned long long)command / 1000000, (unsigned long long)command / MANY,
		      (unsigned long long)tick / 1000000);
	assert_true(command < ZS_NS);
	assert_true(tick < ZS_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KERN_TEST(test_kinds), KERN_TEST(test_usage),  KERN_TEST(test_in_flight),
		KERN_TEST(test_unpublished), KERN_TEST(test_between), KERN_TEST(test_race), KERN_TEST(test_soft),
		KERN_TEST(test_soft_without_agent),
	};
	const struct CMUnitTest large[] = {KERN_TEST(test_many)};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, open_small, close_all);

	failed += cmocka_run_group_tests(large, open_large, close_all);
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
