// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Dialers of a listener on this host: answered at their own sendmsg, and only when nothing is on its way in either
 * direction. They pipeline, cut and mix as they like; the order, number and content of what comes back is compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_client.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int begin(void **state)
{
	(void)state;
	return client_begin();
}

static int finish(void **state)
{
	(void)state;
	return client_end();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

static int open_local(enum zs_rig_family family)
{
	kern.options.local = true;
	return client_open(family);
}

static int open_v4(void **state)
{
	(void)state;
	return open_local(ZS_RIG_V4);
}

static int open_v6(void **state)
{
	(void)state;
	return open_local(ZS_RIG_V6);
}

static int open_dual(void **state)
{
	(void)state;
	return open_local(ZS_RIG_DUAL);
}

/* Until the server's side has framed what it sent last, and the dialer's program finds it idle. */
static bool hit_locally(uint32_t n)
{
	uint64_t hits = kern_count(ZS_COUNT_local_hits);

	client_ask("GET", 'l', n);
	client_take();
	return kern_count(ZS_COUNT_local_hits) == hits + 1;
}

/* Hits and misses at random, thousands of them: every hit is given to the dialer, and nobody else sees it. */
static void test_keep_alive(void **state)
{
	static const uint32_t sizes[] = {0, 1, 63, 64, 65, 1000, 4000, 32768, 65536, 200000, 500000};
	uint32_t hits = 0, misses = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++)
		client_store('l', sizes[i]);
	for (int i = 0; i < 3000; i++) {
		bool hit = kern_random(2);
		const char *method = kern_random(8) ? "GET" : "HEAD";

		if (hit)
			client_ask(method, 'l', sizes[kern_random(COUNT(sizes))]);
		else
			client_ask(method, "lcnmi"[kern_random(5)], 2 + kern_random(60));
		client_expect(hit);
		hits += hit;
		misses += !hit;
	}
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(kern_count(ZS_COUNT_local_hits) + kern_count(ZS_COUNT_remote_hits), hits);
	assert_in_range(kern_count(ZS_COUNT_remote_hits), 0, 1); /* the first message may come before the other end is known */
	assert_int_equal(server.requests, misses);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

/* Reads what is there. */
static void read_some(void)
{
	ssize_t n = recv(client.fd, client.in + client.in_len, sizeof(client.in) - client.in_len, MSG_DONTWAIT);

	if (n > 0)
		client.in_len += (size_t)n;
}

/* Requests are sent while responses are outstanding, or half read: those that the store has wait for their turn, too. */
static void test_pipelined(void **state)
{
	uint64_t hits;

	(void)state;
	for (uint32_t n = 40; n < 50; n++)
		client_store('l', n);
	for (int round = 0; round < 400; round++) {
		uint32_t batch = 1 + kern_random(7);

		server.piece = kern_random(2) ? 1000 : 0;
		for (uint32_t i = 0; i < batch; i++) {
			if (kern_random(2))
				client_add("GET", 'l', 40 + kern_random(10), "");
			else
				client_add("GET", "lcj"[kern_random(3)], 100 + kern_random(30000), "");
			if (kern_random(2))
				client_flush();
			if (!kern_random(4) && client.out_len == 0)
				read_some();
		}
		client_flush();
		client_settle();
	}
	client_dial();
	hits = kern_count(ZS_COUNT_local_hits);
	for (int i = 0; i < 20; i++)
		hit_locally(45);
	assert_true(kern_count(ZS_COUNT_local_hits) - hits >= 19);
}

/* Nothing is answered out of a response that is still coming, even if all of it that came was read. */
static void test_half_response(void **state)
{
	(void)state;
	client_store('l', 50);
	for (int i = 0; i < 300; i++) {
		server.piece = 500 + kern_random(3000);
		client_ask("GET", "jc"[i % 2], 1 + kern_random(i % 2 ? 20000 : 60000));
		for (uint32_t reads = kern_random(4); reads; reads--) {
			usleep(kern_random(100));
			read_some();
		}
		client_ask("GET", 'l', 50);
		client_settle();
		if (kern_count(ZS_COUNT_passive)) { /* heads cut in two are not followed */
			client_dial();
			assert_int_equal(zs_counters_read(kern.rig.maps.fd[ZS_MAP_counters], kern.before), 0);
		}
	}
}

/* Bodies that are requests for what is stored reach the server as bodies, however they are cut. */
static void test_bodies(void **state)
{
	static const char like[] = "GET /l/50 HTTP/1.1\r\nHost: rig\r\n\r\n";
	char body[20 * sizeof(like)];
	uint32_t len = 0;

	(void)state;
	client_store('l', 50);
	for (int i = 0; i < 20; i++)
		len += (uint32_t)sprintf(body + len, "%s", like);
	for (int round = 0; round < 200; round++) {
		uint32_t some = 1 + kern_random(len);

		client_add_body(kern_random(2) ? "POST" : "PUT", body, some, round % 5 == 4 ? sizeof(like) - 1 : 0);
		if (round % 3 == 0)
			client_flush_cut(sizeof(like) - 1, sizeof(like) - 1);
		else if (round % 3 == 1)
			client_flush_cut(1, 200);
		else
			client_flush();
		client_ask("GET", 'l', 50);
		client_settle();
		if (round % 5 == 4) /* a chunked request is not followed */
			client_dial();
	}
}

/* Cut anywhere, joined with others: every request has its response, in order. */
static void test_cut(void **state)
{
	(void)state;
	for (uint32_t n = 40; n < 50; n++)
		client_store('l', n);
	for (int round = 0; round < 300; round++) {
		for (uint32_t i = 1 + kern_random(5); i; i--)
			client_add(kern_random(6) ? "GET" : "HEAD", 'l', 35 + kern_random(15), "");
		client_flush_cut(1, 1 + kern_random(90));
		client_settle();
		if (round % 10 == 9)
			client_dial();
	}
}

/* What a write voids is not answered any more by the time its response can be read. */
static void test_unsafe(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		client_store('l', 60);
		assert_true(i == 0 || hit_locally(60));
		client_add("POST", 'l', 60, "Content-Length: 0\r\n");
		client_flush();
		client_expect(false);
		client_ask("GET", 'l', 60);
		client_expect(false);
	}
	assert_int_equal(kern_count(ZS_COUNT_invalidated), 100);
}

/* Of a connection that the other end's programs have not seen whole nothing is answered. */
static void test_unseen(void **state)
{
	(void)state;
	client_store('l', 50);
	hit_locally(50);
	assert_true(hit_locally(50));
	assert_int_equal(zs_rig_gate(&kern.rig, false), 0);
	assert_false(hit_locally(50));
	client_ask("GET", 'j', 70);
	client_expect(false);
	assert_int_equal(zs_rig_gate(&kern.rig, true), 0);
	for (int i = 0; i < 5; i++)
		assert_false(hit_locally(50));
	client_dial();
	hit_locally(50);
	assert_true(hit_locally(50));
	kern.rig.ctl->paused = 1;
	assert_false(hit_locally(50));
	kern.rig.ctl->paused = 0;
	assert_true(hit_locally(50));
}

/* Caddy's configuration may have changed unseen. */
static void test_unjudged(void **state)
{
	uint64_t hits;

	(void)state;
	client_store('l', 50);
	hit_locally(50);
	assert_true(hit_locally(50));
	kern.rig.ctl->judged = zs_boot_ns() - ZS_JUDGED_NS;
	hits = kern_count(ZS_COUNT_hits);
	for (int i = 0; i < 5; i++) {
		client_ask("GET", 'l', 50);
		client_expect(false);
	}
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	kern.rig.ctl->judged = zs_boot_ns();
	assert_true(hit_locally(50));
}

/* The listener must have been opted in when the connection was made. */
static void test_not_opted_in(void **state)
{
	(void)state;
	client_store('l', 50);
	assert_int_equal(zs_rig_listen(&kern.rig, false, false, 0), 0);
	client_dial();
	for (int i = 0; i < 5; i++) {
		client_ask("GET", 'l', 50);
		client_expect(false);
	}
	assert_int_equal(zs_rig_listen(&kern.rig, true, true, 0), 0); /* the wildcard */
	client_dial();
	hit_locally(50);
	assert_true(hit_locally(50));
	assert_int_equal(zs_rig_listen(&kern.rig, false, true, 0), 0);
	assert_int_equal(zs_rig_listen(&kern.rig, true, false, 0), 0);
}

/* The server is given a request now and then, so that it does not believe the connection idle. */
static void test_passed_up(void **state)
{
	uint32_t served;

	(void)state;
	client_store('l', 50);
	assert_int_equal(zs_rig_listen(&kern.rig, true, false, 1), 0);
	client_dial();
	hit_locally(50);
	served = server.requests;
	for (int i = 0; i < 150; i++) {
		client_ask("GET", 'l', 50);
		client_take();
		usleep(10000);
	}
	assert_in_range(server.requests - served, 1, 2);
	assert_int_equal(kern_count(ZS_COUNT_passed_up), 2 * (server.requests - served)); /* by both ends */
	assert_int_equal(zs_rig_listen(&kern.rig, true, false, 0), 0);
}

/* A connection to what is an origin, too, is the upstream hop's. */
static void test_origin_too(void **state)
{
	uint64_t generation;

	(void)state;
	assert_int_equal(zs_rig_origin(&kern.rig, true), 0);
	client_dial();
	client_store('l', 50);
	client_ask("GET", 'l', 50);
	client_expect(true);
	client_ask("GET", 'l', 50);
	client_expect(true);
	assert_int_equal(kern_count(ZS_COUNT_local_hits), 0);
	assert_int_equal(kern_count(ZS_COUNT_remote_hits), 0);
	generation = kern.rig.generations[kern_object("/l/50")->bucket];
	client_ask("DELETE", 'l', 50); /* seen from both ends */
	client_expect(false);
	client_ask("GET", 'l', 51);
	client_expect(false);
	assert_int_equal(kern.rig.generations[kern_object("/l/50")->bucket], generation + 2);
	assert_int_equal(zs_rig_origin(&kern.rig, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keep_alive), TEST(test_pipelined), TEST(test_half_response), TEST(test_bodies),	TEST(test_cut),
		TEST(test_origin_too), TEST(test_unsafe),    TEST(test_unseen),	   TEST(test_unjudged), TEST(test_not_opted_in),
		TEST(test_passed_up),
	};
	int failed = cmocka_run_group_tests_name("IPv4", tests, open_v4, kern_close);

	failed += cmocka_run_group_tests_name("IPv6", tests, open_v6, kern_close);
	return failed + cmocka_run_group_tests_name("dual stack", tests, open_dual, kern_close);
}
