// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections to a cold origin: left alone, but for unsafe requests, whose success still invalidates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include <sys/mman.h>

static struct zs_warmth *warmth;
static int dialer, acceptor;
static uint32_t flush;

/* Connections made from now on are not enrolled; one of them is there, and the origin is warm again. */
static int begin(void **state)
{
	struct zs_rig *rig = &kern.rig;
	uint64_t before;

	if (kern_begin(state))
		return -1;
	warmth = zs_map_view(rig->maps.fd[ZS_MAP_warmth], ZS_WARMTH * sizeof(*warmth));
	if (!warmth)
		return -1;
	warmth[1].cold = 1;
	before = kern_count(ZS_COUNT_unfollowed);
	for (int i = 0; i < 400 && kern_count(ZS_COUNT_unfollowed) == before; i++) { /* some are samples */
		warmth[1].sampled = zs_boot_ns();
		if (zs_rig_pair(rig, &dialer, &acceptor))
			return -1;
		if (kern_count(ZS_COUNT_unfollowed) == before) {
			close(dialer);
			close(acceptor);
		}
	}
	warmth[1].cold = 0;
	kern_put("/kept", 300, 60);
	flush = rig->ctl->flush;
	return kern_count(ZS_COUNT_unfollowed) == before ? -1 : 0;
}

static int finish(void **state)
{
	close(dialer);
	close(acceptor);
	munmap(warmth, ZS_WARMTH * sizeof(*warmth));
	return kern_end(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

static void exchange(const char *request, const char *response)
{
	char got[4096];

	kern_text(dialer, request);
	assert_int_equal(zs_rig_recv(acceptor, got, strlen(request)), strlen(request));
	kern_text(acceptor, response);
	assert_int_equal(zs_rig_recv(dialer, got, strlen(response)), strlen(response));
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#define HOST " HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n"

static void test_left_alone(void **state)
{
	uint64_t passed = kern_count(ZS_COUNT_passed), hits = kern_count(ZS_COUNT_hits);

	(void)state;
	for (int i = 0; i < 20; i++)
		exchange("GET /kept HTTP/1.1\r\nHost: rig\r\n\r\n", OK);
	exchange("HEAD /kept" HOST, OK);
	exchange("OPTIONS /kept" HOST, OK);
	exchange("TRACE /kept" HOST, OK);
	assert_int_equal(kern_count(ZS_COUNT_passed), passed);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(kern.rig.ctl->flush, flush);
	kern_hit("/kept", 300); /* on the enrolled one */
}

/* Before the response can be read, nothing that was stored is valid any more. */
static void test_success(void **state)
{
	static const char *const requests[] = {"POST /kept" HOST, "PUT /" HOST,	    "DELETE /x" HOST,	"GETS /kept" HOST,
					       "HEADER /x" HOST,  "M-SEARCH * HTTP/1.1\r\nHost: rig\r\n\r\n",
					       "OPTIONSX /" HOST, "get /kept" HOST, "TRACES /x" HOST};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		exchange(requests[i], i % 2 ? OK : "HTTP/1.1 303 See Other\r\nContent-Length: 0\r\n\r\n");
		assert_int_equal(kern.rig.ctl->flush, ++flush);
	}
	kern_miss("/kept");
}

static void test_error(void **state)
{
	(void)state;
	exchange("POST /kept" HOST, NOT_FOUND);
	exchange("POST /kept" HOST, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(kern.rig.ctl->flush, flush);
	exchange("GET /kept HTTP/1.1\r\nHost: rig\r\n\r\n", OK); /* the mark does not stay */
	assert_int_equal(kern.rig.ctl->flush, flush);
	kern_hit("/kept", 300);
}

/* In pieces, with a body, and with an interim response. */
static void test_pieces(void **state)
{
	char got[4096];

	(void)state;
	kern_text(dialer, "POS");
	assert_int_equal(zs_rig_recv(acceptor, got, 3), 3);
	kern_text(dialer, "T /kept HTTP/1.1\r\nHost: rig\r\nContent-Length: 39\r\n\r\n");
	assert_int_equal(zs_rig_recv(acceptor, got, 51), 51);
	kern_text(acceptor, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_int_equal(zs_rig_recv(dialer, got, 25), 25);
	assert_int_equal(kern.rig.ctl->flush, flush);
	kern_text(dialer, "GET /kept HTTP/1.1\r\nHost: rig\r\n\r\n......");
	assert_int_equal(zs_rig_recv(acceptor, got, 39), 39);
	kern_text(acceptor, OK);
	assert_int_equal(zs_rig_recv(dialer, got, strlen(OK)), strlen(OK));
	assert_int_equal(kern.rig.ctl->flush, flush + 1);
}

/* While the origin is cold there is nothing to void. */
static void test_while_cold(void **state)
{
	(void)state;
	warmth[1].cold = 1;
	exchange("POST /kept" HOST, OK);
	assert_int_equal(kern.rig.ctl->flush, flush);
	warmth[1].cold = 0;
	exchange("POST /kept" HOST, OK);
	assert_int_equal(kern.rig.ctl->flush, flush + 1);
}

/* Bytes that are no HTTP, as behind an Upgrade, void nothing. */
static void test_tunnel(void **state)
{
	char frame[200], got[200];

	(void)state;
	for (int i = 0; i < 50; i++) {
		for (size_t n = 0; n < sizeof(frame); n++)
			frame[n] = (char)(0x80 | kern_random(128));
		kern_send(dialer, frame, sizeof(frame));
		assert_int_equal(zs_rig_recv(acceptor, got, sizeof(got)), sizeof(got));
		kern_send(acceptor, frame, sizeof(frame));
		assert_int_equal(zs_rig_recv(dialer, got, sizeof(got)), sizeof(got));
	}
	assert_int_equal(kern.rig.ctl->flush, flush);
}

/* One in so many is enrolled, and the first one after a while in any case. */
static void test_samples(void **state)
{
	uint64_t enrolled = kern_count(ZS_COUNT_enrolled), left = kern_count(ZS_COUNT_unfollowed);
	int d, a;

	(void)state;
	warmth[1].cold = 1;
	for (int i = 0; i < 640; i++) {
		warmth[1].sampled = zs_boot_ns();
		assert_int_equal(zs_rig_pair(&kern.rig, &d, &a), 0);
		close(d);
		close(a);
	}
	enrolled = kern_count(ZS_COUNT_enrolled) - enrolled;
	left = kern_count(ZS_COUNT_unfollowed) - left;
	assert_int_equal(enrolled + left, 640);
	assert_in_range(enrolled, 3, 60); /* 20 on average */
	warmth[1].sampled = zs_boot_ns() - 6 * ZS_NS;
	enrolled = kern_count(ZS_COUNT_enrolled);
	assert_int_equal(zs_rig_pair(&kern.rig, &d, &a), 0);
	close(d);
	close(a);
	assert_int_equal(kern_count(ZS_COUNT_enrolled), enrolled + 1);
	assert_true(zs_boot_ns() - warmth[1].sampled < 2 * ZS_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_left_alone), TEST(test_success), TEST(test_error), TEST(test_pieces),
		TEST(test_while_cold), TEST(test_tunnel),  TEST(test_samples),
	};
	int failed = cmocka_run_group_tests_name("IPv4", tests, kern_open_v4, kern_close);

	failed += cmocka_run_group_tests_name("IPv6", tests, kern_open_v6, kern_close);
	return failed + cmocka_run_group_tests_name("v4-mapped", tests, kern_open_mapped, kern_close);
}
