// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The same streams of bytes with and without the programs: what comes back is the same, but for the fields that say who
 * answered. Valid requests, bodies that look like them, mutations, truncation; cut anywhere, with and without pauses.
 * ZS_STREAMS=n makes it n streams, ZS_STREAM_SEED=n begins with that one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_client.h"

#define STREAMS 150
#define IN_MAX  60000u
#define QUIET   25 /* ms without a byte: nothing more comes; longer on a busy machine */
#define TRIES   3

static char sent[IN_MAX + 4096];
static size_t sent_len;

static struct {
	char bytes[SERVER_OUT];
	size_t len;
	bool closed;
} got[2];

static void add(const char *text, size_t len)
{
	if (sent_len + len > IN_MAX)
		return;
	memcpy(sent + sent_len, text, len);
	sent_len += len;
}

static void add_text(const char *text)
{
	add(text, strlen(text));
}

static void add_get(void)
{
	static const char *const methods[] = {"GET", "GET", "GET", "GET", "HEAD", "OPTIONS", "DELETE", "get"};
	static const char *const fields[] = {"", "X: y\r\n", "Cookie: a=b\r\n", "Connection: keep-alive\r\n", "Accept: */*\r\n",
					     "Expect: 100-continue\r\n", "Content-Length: 0\r\n", "Upgrade: x\r\n"};
	uint32_t field = kern_random(5) ? 0 : kern_random(8);
	char text[256];

	snprintf(text, sizeof(text), "%s /%c/%u HTTP/1.1\r\nHost: rig\r\n%s\r\n", methods[kern_random(8)], "llllcjnmie"[kern_random(10)],
		 kern_random(3) * 700, fields[field]);
	add_text(text);
}

static void add_post(void)
{
	size_t from = sent_len, len, head;
	char text[128], body[4000];

	for (uint32_t n = kern_random(6); n; n--)
		add_get();
	len = sent_len - from;
	if (len > sizeof(body))
		len = sizeof(body);
	memcpy(body, sent + from, len);
	sent_len = from;
	if (kern_random(2)) {
		head = (size_t)snprintf(text, sizeof(text), "POST /b/ HTTP/1.1\r\nHost: rig\r\nContent-Length: %zu\r\n\r\n", len);
		add(text, head);
		add(body, len);
		return;
	}
	add_text("PUT /b/ HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: chunked\r\n\r\n");
	if (len) {
		head = (size_t)snprintf(text, sizeof(text), "%zx\r\n", len);
		add(text, head);
		add(body, len);
		add_text("\r\n");
	}
	add_text("0\r\n\r\n");
}

static void stream_make(void)
{
	sent_len = 0;
	for (uint32_t n = 1 + kern_random(12); n; n--)
		kern_random(6) ? add_get() : add_post();
	if (kern_random(3) == 0)
		for (uint32_t n = 1 + kern_random(3); n; n--)
			sent[kern_random((uint32_t)sent_len)] = "\r\n :0aG\x80"[kern_random(8)];
	if (kern_random(5) == 0)
		sent_len = 1 + kern_random((uint32_t)sent_len);
}

/* Receives until nothing comes for so many ms. */
static void receive(int n, int ms)
{
	struct pollfd p = {.fd = client.fd, .events = POLLIN};

	while (!got[n].closed && poll(&p, 1, ms) == 1) {
		ssize_t len = recv(client.fd, got[n].bytes + got[n].len, sizeof(got[n].bytes) - got[n].len, 0);

		if (len <= 0)
			got[n].closed = true;
		else
			got[n].len += (size_t)len;
	}
}

/* Cuts and pauses are the same for the same seed. */
static void stream_send(int n, uint32_t seed, int quiet)
{
	uint32_t most, pauses;

	kern_seed = seed;
	most = (const uint32_t[]){40, 300, 3000, IN_MAX}[kern_random(4)];
	pauses = kern_random(4);
	got[n].len = 0;
	got[n].closed = false;
	client_dial();
	for (size_t at = 0, len; at < sent_len; at += len) {
		len = 1 + kern_random(most);
		if (pauses > 1 || kern_random(2)) { /* up to the end of a head */
			const char *end = memmem(sent + at, sent_len - at, "\r\n\r\n", 4);

			if (end)
				len = (size_t)(end - sent) + 4 - at;
		}
		if (len > sent_len - at)
			len = sent_len - at;
		if (send(client.fd, sent + at, len, MSG_NOSIGNAL) < 0)
			break;
		if (pauses && kern_random(4) <= pauses)
			receive(n, 2);
	}
	receive(n, quiet);
}

/* Takes out the lines that say who answered. */
static void normalise(int n)
{
	static const char *const names[] = {"X-Turn: ", "Age: ", "Cache-Status: "};

	for (size_t i = 0; i < 3; i++) {
		char *at = got[n].bytes;
		size_t len = strlen(names[i]);

		while ((at = memmem(at, got[n].len - (size_t)(at - got[n].bytes), names[i], len))) {
			size_t left = got[n].len - (size_t)(at - got[n].bytes);
			const char *end = memmem(at, left, "\r\n", 2);
			size_t line;

			if (!end)
				break;
			line = (size_t)(end - at) + 2;
			memmove(at, at + line, left - line);
			got[n].len -= line;
		}
	}
}

/* One stream with and without the programs: whether the same came back. */
static bool stream_same(uint32_t seed, int quiet)
{
	alarm(KERN_SECONDS);
	for (uint32_t n = 0; n < 3; n++)
		client_store('l', n * 700);
	kern_seed = seed * 7919;
	stream_make();
	stream_send(0, seed, quiet);
	assert_int_equal(zs_rig_listen(&kern.rig, false, false, 0), 0);
	stream_send(1, seed, quiet);
	assert_int_equal(zs_rig_listen(&kern.rig, true, false, 0), 0);
	normalise(0);
	normalise(1);
	return got[0].len == got[1].len && !memcmp(got[0].bytes, got[1].bytes, got[0].len) && got[0].closed == got[1].closed;
}

static void streams(uint32_t first, uint32_t count)
{
	for (uint32_t seed = first; seed < first + count; seed++) {
		bool same = false;

		for (int try = 0, quiet = QUIET; try < TRIES && !same; try++, quiet *= 8)
			same = stream_same(seed, quiet);
		if (!same)
			fail_msg("stream %u of %zu bytes: %zu bytes%s with the programs, %zu%s without", seed, sent_len, got[0].len,
				 got[0].closed ? " and the end" : "", got[1].len, got[1].closed ? " and the end" : "");
	}
}

static uint32_t from_environment(const char *name, uint32_t otherwise)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static void test_streams(void **state)
{
	uint32_t count = from_environment("ZS_STREAMS", STREAMS);

	(void)state;
	streams(from_environment("ZS_STREAM_SEED", 1), count);
	print_message("note: %u streams, %llu answers of the kernel's, %llu given back\n", count,
		      (unsigned long long)kern_count(ZS_COUNT_remote_hits), (unsigned long long)kern_count(ZS_COUNT_handed_back));
	assert_true(kern_count(ZS_COUNT_remote_hits) > count / 10);
	assert_int_equal(kern_count(ZS_COUNT_given_up), 0);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_streams, begin, finish)};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("acceptor/stream", tests, client_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
