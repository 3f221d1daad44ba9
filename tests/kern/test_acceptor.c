// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The remote lane: clients of a listener are answered by a kernel worker, and everything else goes to the server. Each
 * test compares order, number and content of what comes back, and the counters of the lane that it means.
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

/* A request for something stored is answered by the kernel: the connection is followed. */
static void answered(void)
{
	uint64_t hits = kern_count(ZS_COUNT_remote_hits);

	client_store('l', 777);
	client_ask("GET", 'l', 777);
	client_expect(true);
	assert_int_equal(kern_count(ZS_COUNT_remote_hits), hits + 1);
}

/* It is not, any more or ever, on this connection. */
static void not_answered(void)
{
	uint64_t hits = kern_count(ZS_COUNT_remote_hits);

	client_store('l', 777);
	client_ask("GET", 'l', 777);
	client_expect(false);
	assert_int_equal(kern_count(ZS_COUNT_remote_hits), hits);
}

/* Hits and misses at random on one connection, thousands of them. */
static void test_keep_alive(void **state)
{
	static const uint32_t sizes[] = {0, 1, 63, 64, 65, 1000, 4000, 9000, 32000, 32768, 40000, 65536};
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
	assert_int_equal(kern_count(ZS_COUNT_remote_hits), hits);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(server.requests, misses);
	assert_int_equal(kern_count(ZS_COUNT_replies), misses);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
	assert_int_equal(kern_count(ZS_COUNT_handed_back), 0);
	assert_int_equal(kern_count(ZS_COUNT_given_up), 0);
}

/* Every kind and size of response is followed to its end, however the server cuts it. */
static void test_responses(void **state)
{
	static const uint32_t sizes[] = {0, 1, 100, 2999, 3000, 3001, 9000, 60000, 300000};
	static const uint32_t pieces[] = {0, 4096, 1000, 7, 1};

	(void)state;
	client_store('l', 50);
	for (size_t p = 0; p < COUNT(pieces); p++)
		for (size_t i = 0; i < COUNT(sizes) * 5; i++) {
			uint32_t n = sizes[i / 5];

			server.piece = pieces[p];
			if (n > 5000 * (pieces[p] ? pieces[p] : 12)) /* or it has more chunks in a message than are followed */
				continue;
			client_ask(i % 3 ? "GET" : "HEAD", "jcnmi"[i % 5], n);
			client_expect(false);
			client_ask("GET", 'l', 50);
			if (pieces[p] == 0 || pieces[p] >= 1000) { /* heads cut in two are not followed */
				client_expect(true);
				continue;
			}
			client_take();
			client_dial();
		}
}

/* A request cut in two at every place, and byte by byte: served all the same, and never answered twice. */
static void test_cut_heads(void **state)
{
	static const char text[] = "GET /l/50 HTTP/1.1\r\nHost: rig\r\n\r\n";

	(void)state;
	client_store('l', 50);
	for (size_t at = 1; at < sizeof(text) - 1; at++) {
		client_dial();
		answered();
		client_note("/l/50", false);
		kern_send(client.fd, text, at);
		usleep(200);
		kern_send(client.fd, text + at, sizeof(text) - 1 - at);
		client_take();
		client_ask("GET", 'l', 50);
		client_take();
		client_settle();
	}
	client_dial();
	for (int i = 0; i < 20; i++) {
		client_add("GET", 'l', 50, "");
		client_flush_cut(1, 1);
		client_take();
	}
	client_settle();
}

/* Several requests in one segment go to the server, in order; the next one alone is answered. */
static void test_one_segment(void **state)
{
	(void)state;
	client_store('l', 50);
	for (uint32_t n = 2; n <= 6; n++)
		for (uint32_t mask = 0; mask < 1u << n; mask++) {
			for (uint32_t i = 0; i < n; i++)
				client_add("GET", mask >> i & 1 ? 'l' : 'c', 50, "");
			client_flush();
			for (uint32_t i = 0; i < n; i++)
				client_expect(false);
			client_ask("GET", 'l', 50);
			client_expect(true);
		}
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
	client_settle();
}

/* More than is counted: passive, and every response comes. */
static void test_deep_pipeline(void **state)
{
	(void)state;
	client_store('l', 50);
	for (uint32_t n = 0; n < 60; n++)
		client_add("GET", n % 3 ? 'l' : 'c', 50, "");
	client_flush();
	client_settle();
	not_answered();
	assert_int_equal(kern_count(ZS_COUNT_passive), 1);
}

/* Pipelines over hits and misses, a segment each, or cut anywhere, without waiting for a response. */
static void test_pipelines(void **state)
{
	(void)state;
	client_store('l', 50);
	client_store('l', 20000);
	for (int round = 0; round < 400; round++) {
		uint32_t n = 1 + kern_random(7);

		if (round % 40 == 0)
			client_dial();
		for (uint32_t i = 0; i < n; i++) {
			char kind = "lljc"[kern_random(4)];

			client_add(kern_random(6) ? "GET" : "HEAD", kind, kind == 'c' || kern_random(3) ? 50 : 20000, "");
			if (round % 2 || kern_random(2))
				client_flush();
		}
		if (round % 40 > 30) /* a head cut in two makes the connection passive */
			client_flush_cut(1, 400);
		else if (client.out_len)
			client_flush();
		client_settle();
		client_ask("GET", 'l', 50);
		client_take();
	}
	assert_true(kern_count(ZS_COUNT_remote_hits) > 100);
	assert_true(kern_count(ZS_COUNT_behind) > 10);
	assert_int_equal(kern_count(ZS_COUNT_given_up), 0);
}

/* Bodies that look like requests for what is stored, in every segmentation. */
static void test_bodies(void **state)
{
	static const char bait[] = "GET /l/50 HTTP/1.1\r\nHost: rig\r\n\r\n";
	char body[40 * sizeof(bait)];
	uint32_t len = 0;

	(void)state;
	for (int i = 0; i < 40; i++, len += sizeof(bait) - 1)
		memcpy(body + len, bait, sizeof(bait) - 1);
	client_store('l', 50);
	for (int round = 0; round < 300; round++) {
		uint32_t n = (sizeof(bait) - 1) * (1 + kern_random(40)), cut = sizeof(bait) - 1;
		size_t head;

		client_add_body("POST", body, n, 0);
		head = client.out_len - n;
		switch (round % 4) {
		case 0:
			client_flush();
			break;
		case 1: /* the head, then baits one by one */
			kern_send(client.fd, client.out, head);
			client.out_len -= head;
			memmove(client.out, client.out + head, client.out_len);
			usleep(300);
			client_flush_cut(cut, cut);
			break;
		case 2:
			kern_send(client.fd, client.out, head + 1);
			client.out_len -= head + 1;
			memmove(client.out, client.out + head + 1, client.out_len);
			client_flush_cut(1, 100);
			break;
		default:
			client_flush_cut((uint32_t)head, (uint32_t)head + 200);
		}
		client_expect(false);
		client_ask("GET", 'l', 50);
		client_expect(true);
	}
	assert_int_equal(kern_count(ZS_COUNT_remote_hits), 300);
	assert_int_equal(server.requests, 300);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
	client_settle();
}

/* A chunked upload is not followed. */
static void test_chunked_upload(void **state)
{
	static const char bait[] = "\r\n0\r\n\r\nGET /l/50 HTTP/1.1\r\nHost: rig\r\n\r\n";

	(void)state;
	client_store('l', 50);
	for (int round = 0; round < 40; round++) {
		client_dial();
		answered();
		client_add_body("PUT", bait, sizeof(bait) - 1, 1 + kern_random(60));
		client_flush_cut(1 + kern_random(20), 20 + kern_random(80));
		client_expect(false);
		not_answered();
		client_settle();
	}
}

/* What is no request, or not a strict one, goes to the server as it is. */
static void test_garbage(void **state)
{
	static const char *const texts[] = {
		"\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x05", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET /l/50 HTTP/1.1\nHost: rig\n\n", "GET /l/50 HTTP/1.1\r\nHost : rig\r\n\r\n",
		"GET /l/50 HTTP/1.1\r\nHost: rig\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
		"GET /l/50 HTTP/1.1\r\nHost: rig\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /l/50 HTTP/1.0\r\nHost: rig\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
	};
	char got[512];

	(void)state;
	client_store('l', 50);
	for (size_t i = 0; i < COUNT(texts); i++) {
		client_dial();
		answered();
		kern_text(client.fd, texts[i]);
		usleep(2000);
		while (recv(client.fd, got, sizeof(got), MSG_DONTWAIT) > 0)
			;
		if (send(client.fd, "GET /l/50 HTTP/1.1\r\nHost: rig\r\n\r\n", 34, MSG_NOSIGNAL) < 0)
			continue;
		usleep(2000);
		recv(client.fd, got, sizeof(got), MSG_DONTWAIT);
	}
	assert_int_equal(kern_count(ZS_COUNT_remote_hits), COUNT(texts)); /* the first of each connection */
	assert_int_equal(kern_count(ZS_COUNT_passive), COUNT(texts));
}

/* Requests that are strict but not answered are followed. */
static void test_bypassed(void **state)
{
	(void)state;
	client_store('l', 50);
	client_add("GET", 'l', 50, "Cookie: a=b\r\n");
	client_flush();
	client_expect(false);
	client_add("GET", 'l', 50, "Cache-Control: no-cache\r\n");
	client_flush();
	client_expect(false);
	client_add("OPTIONS", 'l', 50, "");
	client_flush();
	client_expect(false);
	client_add("GET", 'e', 50, "");
	client_flush();
	client_expect(false);
	answered();
	assert_int_equal(kern_count(ZS_COUNT_bypassed), 3);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

/* The server closes behind its response, or says nothing of where it ends. */
static void test_server_closes(void **state)
{
	char byte;

	(void)state;
	client_store('l', 50);
	for (int i = 0; i < 20; i++) {
		client_dial();
		answered();
		client_ask("GET", 'x', 50);
		client_expect(false);
		assert_int_equal(recv(client.fd, &byte, 1, 0), 0);
	}
	client_dial();
	answered();
	kern_text(client.fd, "GET /d/400 HTTP/1.1\r\nHost: rig\r\n\r\n");
	while (client_have(client.in_len + 1))
		;
	assert_true(client.in_len > 400);
	assert_false(client_says(client.in_len, "Cache-Status"));
	assert_int_equal(kern_count(ZS_COUNT_given_up), 0);
}

/* The client is gone, or vanishes with something on its way. */
static void test_resets(void **state)
{
	struct linger hard = {.l_onoff = 1};

	(void)state;
	client_store('l', 60000);
	for (int i = 0; i < 300; i++) {
		client_ask("GET", "lc"[i % 2], 60000);
		if (i % 3)
			usleep(kern_random(200));
		if (i % 5)
			setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		client_dial();
	}
	answered();
	client_settle();
}

/* Followed at any address with the port, or not at all. */
static void test_listeners(void **state)
{
	struct zs_rig *rig = &kern.rig;
	struct zs_origin_key own = rig->origin;

	(void)state;
	answered();
	zs_rig_listen(rig, false, false, 0);
	answered(); /* made before */
	client_dial();
	not_answered();
	assert_int_equal(zs_rig_listen(rig, true, true, 0), 0);
	client_dial();
	answered();
	assert_int_equal(zs_rig_listen(rig, false, true, 0), 0);
	rig->origin.netns++; /* the same address elsewhere */
	assert_int_equal(zs_rig_listen(rig, true, false, 0), 0);
	client_dial();
	not_answered();
	zs_rig_listen(rig, false, false, 0);
	rig->origin = own;
	rig->origin.port++;
	assert_int_equal(zs_rig_listen(rig, true, true, 0), 0);
	client_dial();
	not_answered();
	zs_rig_listen(rig, false, true, 0);
	rig->origin = own;
	assert_int_equal(zs_rig_listen(rig, true, false, 0), 0);
	assert_int_equal(kern_count(ZS_COUNT_accepted), 1); /* but for the one of begin() */
}

/* A hit is passed up before the server believes the connection idle. */
static void test_passed_up(void **state)
{
	(void)state;
	assert_int_equal(zs_rig_listen(&kern.rig, true, false, 1), 0);
	client_dial();
	answered();
	usleep(1100000);
	not_answered();
	answered();
	assert_int_equal(kern_count(ZS_COUNT_passed_up), 1);
	assert_int_equal(zs_rig_listen(&kern.rig, true, false, 0), 0);
}

/* The state of a connection goes when it closes. */
static void test_states(void **state)
{
	__u64 key;

	(void)state;
	for (int i = 0; i < 50; i++) {
		client_dial();
		answered();
	}
	client_hang_up();
	assert_int_equal(bpf_map_get_next_key(kern.rig.maps.fd[ZS_MAP_accepted], NULL, &key), -ENOENT);
	assert_int_equal(bpf_map_get_next_key(kern.rig.maps.fd[ZS_MAP_accepts], NULL, &key), -ENOENT);
	client_dial();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keep_alive),	   TEST(test_responses), TEST(test_cut_heads),	 TEST(test_one_segment),
		TEST(test_deep_pipeline),  TEST(test_pipelines), TEST(test_bodies),	 TEST(test_chunked_upload),
		TEST(test_garbage),	   TEST(test_bypassed),	 TEST(test_server_closes), TEST(test_resets),
		TEST(test_listeners),	   TEST(test_passed_up), TEST(test_states),
	};
	const struct CMUnitTest more[] = {TEST(test_keep_alive), TEST(test_listeners), TEST(test_pipelines)};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("acceptor/v4", tests, client_open_v4, kern_close);

	failed += cmocka_run_group_tests_name("acceptor/v6", more, client_open_v6, kern_close);
	failed += cmocka_run_group_tests_name("acceptor/dual", more, client_open_dual, kern_close);
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
