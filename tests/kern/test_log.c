// SPDX-License-Identifier: GPL-2.0-or-later
/* Hits as the log's ring has them: one event each while somebody reads, none else, and losses counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <bpf/libbpf.h>

static struct ring_buffer *ring;
static struct zs_event_hit last;
static size_t last_size;
static uint64_t seen;

static int on_event(void *user, void *data, size_t size)
{
	(void)user;
	assert_true(size > offsetof(struct zs_event_hit, bytes) && size <= sizeof(last));
	memcpy(&last, data, size);
	last_size = size;
	seen++;
	return 0;
}

static int open_ring(enum zs_rig_family family)
{
	int err = kern_open(family);

	if (err)
		return err;
	ring = ring_buffer__new(kern.rig.maps.fd[ZS_MAP_hits], on_event, NULL, NULL);
	return ring ? 0 : -1;
}

static int open_v4(void **state)
{
	(void)state;
	return open_ring(ZS_RIG_V4);
}

static int open_v6(void **state)
{
	(void)state;
	return open_ring(ZS_RIG_V6);
}

static int open_mapped(void **state)
{
	(void)state;
	return open_ring(ZS_RIG_MAPPED);
}

static int close_ring(void **state)
{
	ring_buffer__free(ring);
	ring = NULL;
	return kern_close(state);
}

static int begin(void **state)
{
	int err = kern_begin(state);

	memset(&kern.rig.more, 0, sizeof(kern.rig.more));
	ring_buffer__consume(ring);
	seen = 0;
	kern.rig.ctl->heartbeat = zs_boot_ns();
	kern.rig.ctl->logging = zs_boot_ns() + 600 * ZS_NS;
	return err;
}

static int finish(void **state)
{
	kern.rig.ctl->logging = 0;
	return kern_end(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

/* Nothing but the events of so many hits stands in the ring; the last one is in `last`. */
static void events_are(uint64_t count)
{
	seen = 0;
	ring_buffer__consume(ring);
	assert_int_equal(seen, count);
	assert_int_equal(kern_count(ZS_COUNT_impossible), 0);
}

static const uint8_t *answer_bytes(void)
{
	return last.bytes + (last.request_len + ZS_STEP - 1) / ZS_STEP * ZS_STEP;
}

/* The request was this one, and the answer's head is what the dialer received. */
static void heads_are(const char *request, size_t request_len, size_t answer_len)
{
	assert_int_equal(last.request_len, request_len);
	assert_memory_equal(last.bytes, request, request_len);
	assert_int_equal(last.answer_len, answer_len);
	assert_int_equal(last.head_len, answer_len);
	assert_memory_equal(answer_bytes(), kern.got, answer_len);
	assert_int_equal(last_size, (size_t)(answer_bytes() - (uint8_t *)&last) + answer_len);
}

static void end_is(const uint8_t addr[16], uint16_t port, const struct sockaddr_storage *name)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)name;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)name;
	uint8_t expected[16] = {[10] = 0xff, [11] = 0xff};

	if (name->ss_family == AF_INET)
		memcpy(expected + 12, &v4->sin_addr, 4);
	else
		memcpy(expected, &v6->sin6_addr, 16);
	assert_memory_equal(addr, expected, 16);
	assert_int_equal(port, ntohs(v4->sin_port));
}

static void ends_are(int fd)
{
	struct sockaddr_storage name = {0};
	socklen_t len = sizeof(name);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	end_is(last.local, last.local_port, &name);
	len = sizeof(name);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&name, &len), 0);
	end_is(last.remote, last.remote_port, &name);
}

static void test_hit(void **state)
{
	static const char request[] = "GET /hit HTTP/1.1\r\nHost: rig\r\nUser-Agent: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
	uint64_t before = zs_boot_ns();

	(void)state;
	kern_put("/hit", 1000, 60);
	kern_object("/hit")->born -= 7 * ZS_NS;
	kern_text(kern.dialer, request);
	kern_answered(kern.dialer, "GET", "/hit", 1000);
	events_are(1);
	heads_are(request, strlen(request), strlen(kern.head));
	ends_are(kern.dialer);
	assert_int_equal(last.status, 200);
	assert_int_equal(last.body_len, 1000);
	assert_int_equal(last.flags, 0);
	assert_int_equal(last.lane, ZS_LANE_UPSTREAM);
	assert_int_equal(last.age, kern_number(KERN_AGE));
	assert_int_equal(last.ttl, kern_number(KERN_TTL));
	assert_true(last.age >= 7 && last.ttl >= 50 && last.ttl < 60);
	assert_true(before <= last.time && last.time <= last.done && last.done <= zs_boot_ns());
	assert_int_equal(last.origin, ((struct zs_key *)((uint8_t *)kern_object("/hit") + ZS_OBJECT_KEY_OFF))->origin);
	assert_int_equal(kern_count(ZS_COUNT_logged), 1);
	assert_int_equal(kern_count(ZS_COUNT_log_lost), 0);
}

static void test_head(void **state)
{
	char request[256];
	size_t len = zs_rig_request("HEAD", "/hit", request, sizeof(request));

	(void)state;
	kern_put("/hit", 1000, 60);
	kern_text(kern.dialer, request);
	kern_answered(kern.dialer, "HEAD", "/hit", 1000);
	events_are(1);
	heads_are(request, len, strlen(kern.head));
	assert_int_equal(last.body_len, 0);
}

static void test_not_modified(void **state)
{
	static const char request[] = "GET /same HTTP/1.1\r\nHost: rig\r\nIf-None-Match: \"v1\"\r\n\r\n";
	static char alt[256];
	struct zs_store_item *more = &kern.rig.more;

	(void)state;
	more->etag = (const uint8_t *)"\"v1\"";
	more->etag_len = 4;
	more->alt_age_off = (uint32_t)sprintf(alt, "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"" KERN_AGE);
	more->alt_ttl_off = more->alt_age_off +
			    (uint32_t)sprintf(alt + more->alt_age_off, "%*s" KERN_TTL, ZS_SLOT_DIGITS, "");
	more->alt_len = more->alt_ttl_off + (uint32_t)sprintf(alt + more->alt_ttl_off, "%*s\r\n\r\n", ZS_SLOT_DIGITS, "");
	more->alt = (uint8_t *)alt;
	kern_put("/same", 1000, 60);
	kern_text(kern.dialer, request);
	assert_int_equal(zs_rig_recv(kern.dialer, kern.got, more->alt_len), more->alt_len);
	events_are(1);
	heads_are(request, strlen(request), more->alt_len);
	assert_int_equal(last.status, 304);
	assert_int_equal(last.body_len, 0);
	assert_int_equal(last.flags, ZS_HIT_NOT_MODIFIED);
}

static void test_stale(void **state)
{
	(void)state;
	kern_put("/stale", 100, 60);
	kern_object("/stale")->fresh_until = zs_boot_ns() - 5 * ZS_NS;
	kern_object("/stale")->stale_until = zs_boot_ns() + 60 * ZS_NS;
	kern_ask(kern.dialer, "GET", "/stale");
	assert_int_equal(zs_rig_recv(kern.dialer, kern.got, strlen(kern.head) + 100), strlen(kern.head) + 100);
	events_are(1);
	assert_int_equal(last.flags, ZS_HIT_STALE);
	assert_int_equal(last.ttl, -6);
}

/* Bodies of many windows, and the longest head that a request can have. */
static void test_sizes(void **state)
{
	static const uint32_t sizes[] = {0, 1, 5000, ZS_WINDOW, 3 * ZS_WINDOW + 17, ZS_BODY_MAX};
	static char request[ZS_HEAD_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t len = (size_t)sprintf(request, "GET /size HTTP/1.1\r\nHost: rig\r\nUser-Agent: ");

		memset(request + len, 'u', ZS_HEAD_MAX - len);
		memcpy(request + ZS_HEAD_MAX - 4, "\r\n\r\n", 5);
		kern_put("/size", sizes[i], 60);
		kern_text(kern.dialer, request);
		kern_answered(kern.dialer, "GET", "/size", sizes[i]);
		events_are(1);
		heads_are(request, ZS_HEAD_MAX, strlen(kern.head));
		assert_int_equal(last.body_len, sizes[i]);
	}
}

/* An answer's head that is too long for an event: as much as fits, and its whole length. */
static void test_cut(void **state)
{
	struct zs_object *o;

	(void)state;
	kern_put("/cut", 6000, 60);
	o = kern_object("/cut");
	o->head_len += 3000; /* the body's beginning */
	o->body_len -= 3000;
	kern_ask(kern.dialer, "GET", "/cut");
	kern_answered(kern.dialer, "GET", "/cut", 6000);
	events_are(1);
	assert_int_equal(last.answer_len, ZS_HIT_HEAD_MAX);
	assert_int_equal(last.head_len, strlen(kern.head) + 3000);
	assert_int_equal(last.body_len, 3000);
	assert_memory_equal(answer_bytes(), kern.got, ZS_HIT_HEAD_MAX);
}

/* What passes is Caddy's and the upstream's to log. */
static void test_misses(void **state)
{
	(void)state;
	kern_put("/hit", 10, 60);
	kern_miss("/unknown");
	kern_pass("GET /hit HTTP/1.1\r\nHost: rig\r\nCookie: a=b\r\n\r\n");
	events_are(0);
	kern_hit("/hit", 10);
	events_are(1);
}

static void test_off(void **state)
{
	(void)state;
	kern_put("/hit", 10, 60);
	kern.rig.ctl->logging = 0;
	kern_hit("/hit", 10);
	events_are(0);
	kern.rig.ctl->logging = zs_boot_ns(); /* its reader is dead */
	kern_hit("/hit", 10);
	events_are(0);
	assert_int_equal(kern_count(ZS_COUNT_logged), 0);
	assert_int_equal(kern_count(ZS_COUNT_log_lost), 0);
	assert_int_equal(kern_count(ZS_COUNT_hits), 2);
}

/* Nobody takes events out: hits go on, and each is either in the ring or counted as lost. */
static void test_full(void **state)
{
	static char request[3 * 1024];
	size_t len = (size_t)sprintf(request, "GET /hit HTTP/1.1\r\nHost: rig\r\nUser-Agent: ");
	const uint64_t hits = ZS_HITS_SIZE / sizeof(request) + 100;
	uint64_t logged;

	(void)state;
	memset(request + len, 'u', sizeof(request) - len - 5);
	memcpy(request + sizeof(request) - 5, "\r\n\r\n", 5);
	kern_put("/hit", 10, 60);
	for (uint64_t i = 0; i < hits; i++) {
		kern_text(kern.dialer, request);
		kern_answered(kern.dialer, "GET", "/hit", 10);
	}
	logged = kern_count(ZS_COUNT_logged);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_true(kern_count(ZS_COUNT_log_lost) > 100);
	assert_int_equal(logged + kern_count(ZS_COUNT_log_lost), hits);
	events_are(logged);
	kern_hit("/hit", 10);
	events_are(1);
	assert_int_equal(kern_count(ZS_COUNT_logged), logged + 1);
}

/* The reader is woken when much waits for it, and not before. */
static void test_wake(void **state)
{
	struct epoll_event event;
	int fd = ring_buffer__epoll_fd(ring);

	(void)state;
	kern_put("/hit", 10, 60);
	while (epoll_wait(fd, &event, 1, 0) > 0) /* what earlier tests left */
		;
	kern_hit("/hit", 10);
	assert_int_equal(epoll_wait(fd, &event, 1, 0), 0);
	for (uint32_t bytes = 0; bytes < ZS_HITS_WAKE; bytes += 256)
		kern_hit("/hit", 10);
	assert_int_equal(epoll_wait(fd, &event, 1, 1000), 1);
}

static void test_ends(void **state)
{
	(void)state;
	kern_put("/hit", 10, 60);
	kern_hit("/hit", 10);
	events_are(1);
	ends_are(kern.dialer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hit),	 TEST(test_head),   TEST(test_not_modified), TEST(test_stale), TEST(test_sizes),
		TEST(test_cut),	 TEST(test_misses), TEST(test_off),	     TEST(test_full),  TEST(test_wake),
	};
	const struct CMUnitTest ends[] = {TEST(test_ends)};
	const struct CMUnitTest left[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("log, IPv4", tests, open_v4, close_ring);

	failed += cmocka_run_group_tests_name("log, IPv6", ends, open_v6, close_ring);
	failed += cmocka_run_group_tests_name("log, mapped", ends, open_mapped, close_ring);
	return failed + cmocka_run_group_tests(left, NULL, NULL);
}
