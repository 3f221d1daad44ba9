// SPDX-License-Identifier: GPL-2.0-or-later
/* Many at once: work spaces under preemption, and objects that are replaced while they are copied.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#define THREADS 8
#define HITS	500

struct asker {
	pthread_t thread;
	int dialer, acceptor;
	char target[32];
	uint32_t len;
	unsigned int hits, passed, wrong, failed;
	bool (*check)(struct asker *a, const uint8_t *got, size_t head, uint8_t *scratch);
	uint8_t got[ZS_ANSWER_MAX], scratch[ZS_ANSWER_MAX];
};

static struct asker askers[THREADS];

/* What reached the server although it need not have. */
static bool passed(struct asker *a, const char *request, size_t len)
{
	char there[256];

	if (recv(a->acceptor, there, sizeof(there), MSG_DONTWAIT) != (ssize_t)len ||
	    memcmp(there, request, len))
		return false;
	return send(a->acceptor, kern_ok, KERN_OK_LEN, MSG_NOSIGNAL) == (ssize_t)KERN_OK_LEN &&
	       zs_rig_recv(a->dialer, a->got, KERN_OK_LEN) == KERN_OK_LEN &&
	       !memcmp(a->got, kern_ok, KERN_OK_LEN);
}

/* Receives one response whose head is as long as that of an object of a->len bytes. */
static bool received(struct asker *a, size_t *head)
{
	char stored[256];

	*head = kern_head_of(a->len, stored);
	return zs_rig_recv(a->dialer, a->got, *head + a->len) == *head + a->len &&
	       zs_rig_head_equal(stored, (char *)a->got, *head);
}

static void *ask_run(void *user)
{
	struct asker *a = user;
	char request[256];
	size_t len = zs_rig_request("GET", a->target, request, sizeof(request)), head;
	struct pollfd p[2] = {{.fd = a->dialer, .events = POLLIN},
			      {.fd = a->acceptor, .events = POLLIN}};

	for (int i = 0; i < HITS && !a->failed; i++) {
		if (send(a->dialer, request, len, MSG_NOSIGNAL) != (ssize_t)len ||
		    poll(p, 2, 5000) != 1)
			a->failed++;
		else if (p[1].revents)
			passed(a, request, len) ? a->passed++ : a->failed++;
		else if (!received(a, &head))
			a->failed++;
		else
			a->check(a, a->got, head, a->scratch) ? a->hits++ : a->wrong++;
	}
	return NULL;
}

static void askers_start(void)
{
	for (int i = 0; i < THREADS; i++) {
		kern_pair(&askers[i].dialer, &askers[i].acceptor);
		askers[i].hits = askers[i].passed = askers[i].wrong = askers[i].failed = 0;
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_run, &askers[i]), 0);
}

static unsigned int askers_join(void)
{
	unsigned int hits = 0;

	for (int i = 0; i < THREADS; i++)
		pthread_join(askers[i].thread, NULL);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(askers[i].failed, 0);
		assert_int_equal(askers[i].wrong, 0);
		hits += askers[i].hits;
	}
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(kern_count(ZS_COUNT_impossible), 0);
	return hits;
}

static bool is_object(struct asker *a, const uint8_t *got, size_t head, uint8_t *scratch)
{
	kern_fill(a->target, scratch, a->len);
	return !memcmp(got + head, scratch, a->len);
}

static void test_distinct_objects(void **state)
{
	unsigned int hits;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		struct asker *a = &askers[i];

		snprintf(a->target, sizeof(a->target), "/thread/%d", i);
		a->len = 100 + (uint32_t)i * i * 1700;
		a->check = is_object;
		kern_put(a->target, a->len, 60);
	}
	askers_start();
	hits = askers_join();
	if (!kern_count(ZS_COUNT_no_workspace))
		assert_int_equal(hits, THREADS * HITS);
	assert_true(hits > THREADS * HITS / 2);
}

/* The body of one version is that version's number over and over. */
static bool is_one_version(struct asker *a, const uint8_t *got, size_t head, uint8_t *scratch)
{
	(void)scratch;
	for (uint32_t i = 1; i < a->len; i++)
		if (got[head + i] != got[head])
			return false;
	return true;
}

/* The objects change all the time, and their pages serve others: every answer is of one version. */
static void test_replaced_under_way(void **state)
{
	static uint8_t body[70000];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		struct asker *a = &askers[i];

		snprintf(a->target, sizeof(a->target), "/version/%d", i % 4);
		a->len = 10000 + (uint32_t)(i % 4) * 19000;
		a->check = is_one_version;
	}
	for (uint32_t version = 0; version < 1200; version++) {
		struct asker *a = &askers[version % 4];

		memset(body, (int)(version & 0xff), a->len);
		assert_int_equal(zs_rig_put(&kern.rig, a->target, body, a->len, 60, kern.head), 0);
		if (version == 8)
			askers_start();
	}
	assert_true(askers_join() > 0);
}

/* Answers and a purge by turns from elsewhere: what is passed is passed whole. */
static void test_purged_under_way(void **state)
{
	unsigned int hits;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		struct asker *a = &askers[i];

		snprintf(a->target, sizeof(a->target), "/purged/%d", i);
		a->len = 20000;
		a->check = is_object;
		kern_put(a->target, a->len, 60);
	}
	askers_start();
	for (int round = 0; round < 60; round++) {
		uint32_t *flag = round % 2 ? &kern.rig.ctl->paused : &kern.rig.ctl->flush;

		__atomic_fetch_add(flag, 1, __ATOMIC_SEQ_CST);
		usleep(500);
		__atomic_fetch_sub(flag, 1, __ATOMIC_SEQ_CST);
		usleep(500);
	}
	hits = askers_join();
	assert_true(hits > 0);
	assert_int_equal(kern_count(ZS_COUNT_passive), kern_count(ZS_COUNT_no_workspace));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KERN_TEST(test_distinct_objects),
		KERN_TEST(test_replaced_under_way),
		KERN_TEST(test_purged_under_way),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
