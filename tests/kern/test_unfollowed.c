// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections that are not enrolled, because the origin was cold or they are older than the attachment: left
 * alone, but for unsafe requests, whose success still invalidates.
 */
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

static uint64_t generation(void)
{
	return kern.rig.generations[kern_object("/kept")->bucket];
}

static void sent(int from, int to, const char *text)
{
	char got[8192];
	size_t len = strlen(text);

	assert_true(len <= sizeof(got));
	kern_text(from, text);
	assert_int_equal(zs_rig_recv(to, got, len), len);
	assert_memory_equal(got, text, len);
}

static void exchange(const char *request, const char *response)
{
	sent(dialer, acceptor, request);
	sent(acceptor, dialer, response);
}

/* What a response has voided by the time the dialer can read it. */
static bool voided_by(const char *response)
{
	uint64_t before = generation();
	uint32_t flushed = kern.rig.ctl->flush;
	char got[256];

	kern_text(acceptor, response);
	kern_readable(dialer);
	before = generation() - before;
	flushed = kern.rig.ctl->flush - flushed;
	assert_int_equal(zs_rig_recv(dialer, got, strlen(response)), strlen(response));
	return before || flushed;
}

/* Whether everything was voided, not the one target alone. */
static bool flushed(void)
{
	bool yes = kern.rig.ctl->flush != flush;

	flush = kern.rig.ctl->flush;
	return yes;
}

/* Another connection that is not enrolled. */
static int again(void)
{
	kern_hang_up();
	return finish(NULL) || begin(NULL);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#define HOST " HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n"
#define GET "GET /kept HTTP/1.1\r\nHost: rig\r\n\r\n"
#define CHUNKED " HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: chunked\r\n\r\n"

static void test_left_alone(void **state)
{
	uint64_t passed = kern_count(ZS_COUNT_passed), hits = kern_count(ZS_COUNT_hits), before = generation();

	(void)state;
	for (int i = 0; i < 20; i++)
		exchange(GET, OK);
	exchange("HEAD /kept" HOST, OK);
	exchange("OPTIONS /kept" HOST, OK);
	exchange("TRACE /kept" HOST, OK);
	exchange("GET /kept HTTP/1.1\r\nHost: rig\r\nContent-Length: 3\r\n\r\nabc", OK);
	assert_int_equal(kern_count(ZS_COUNT_passed), passed);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(kern_count(ZS_COUNT_unsafe), 0);
	assert_int_equal(generation(), before);
	assert_false(flushed());
	kern_hit("/kept", 300); /* on the enrolled one */
}

/* Before the response can be read, what was stored for the target is not valid any more; the rest is. */
static void test_success(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "GETS", "HEADER", "OPTIONSX", "get", "TRACES", "x"};
	char request[256];

	(void)state;
	kern_put("/other", 50, 60);
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		kern_put("/kept", 300, 60);
		snprintf(request, sizeof(request), "%s /kept" HOST, methods[i]);
		sent(dialer, acceptor, request);
		if (!voided_by(i % 2 ? OK : "HTTP/1.1 303 See Other\r\nContent-Length: 0\r\n\r\n"))
			fail_msg("%s: what is stored can be answered still", methods[i]);
		kern_miss("/kept");
	}
	exchange("POST /kept?x" HOST, OK);
	exchange("M-SEARCH * HTTP/1.1\r\nHost: rig\r\n\r\n", OK);
	assert_false(flushed());
	kern_hit("/other", 50);
}

static void test_error(void **state)
{
	(void)state;
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_false(voided_by(NOT_FOUND));
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_false(voided_by("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"));
	sent(dialer, acceptor, GET);
	assert_false(voided_by(OK)); /* the mark does not stay */
	kern_hit("/kept", 300);
}

/* A head in two segments: everything is void, wherever it was cut. */
static void test_split_head(void **state)
{
	static const char head[] = "POST /kept" HOST;
	char part[sizeof(head)];

	(void)state;
	for (size_t cut = 1; cut < sizeof(head) - 1; cut++) {
		memcpy(part, head, cut);
		part[cut] = 0;
		sent(dialer, acceptor, part);
		sent(dialer, acceptor, head + cut);
		if (!voided_by(OK))
			fail_msg("cut at %zu: what is stored can be answered still", cut);
		sent(dialer, acceptor, GET);
		assert_false(voided_by(OK));
		sent(dialer, acceptor, "POST /kept" HOST);
		assert_false(voided_by(NOT_FOUND));
	}
}

/* Longer than what is looked at: the target and Host stand in the beginning, and that is enough. */
static void test_long_head(void **state)
{
	static char head[6000];
	int n = sprintf(head, "POST /kept HTTP/1.1\r\nHost: rig\r\nCookie: %05000d\r\n\r\n", 0);

	(void)state;
	sent(dialer, acceptor, head);
	assert_true(voided_by(OK) && !flushed());
	assert_int_equal(again(), 0);
	sent(dialer, acceptor, head);
	assert_false(voided_by(NOT_FOUND));
	assert_int_equal(again(), 0);
	n = sprintf(head, "POST /%05000d HTTP/1.1\r\nHost: rig\r\n\r\n", 0);
	assert_true(n > ZS_HEAD_MAX);
	sent(dialer, acceptor, head); /* such a target cannot be stored */
	assert_false(voided_by(OK));
	assert_int_equal(again(), 0);
	memcpy(head, "GET ", 4);
	sent(dialer, acceptor, head);
	assert_false(voided_by(OK));
	sent(dialer, acceptor, "DELETE /kept" HOST);
	assert_true(voided_by(OK) && !flushed());
	sent(dialer, acceptor, head); /* its end is not seen: another request may stand behind it */
	assert_true(voided_by(OK));
}

/* Bodies of known length are not looked at, however they are cut, and what comes behind them is. */
static void test_body(void **state)
{
	(void)state;
	sent(dialer, acceptor, "PUT /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 87\r\n\r\nab");
	sent(dialer, acceptor, "POST /kept" HOST);
	sent(dialer, acceptor, "GET /kept HTTP/1.1\r\nHost: r\r\n\r\n");
	sent(dialer, acceptor, "x");
	assert_false(voided_by(OK));
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_true(voided_by(OK) && !flushed());
	sent(dialer, acceptor, GET);
	assert_false(voided_by(OK));
}

/* Of a chunked body it is not known where it ends: with its response the next request may begin. */
static void test_chunked(void **state)
{
	(void)state;
	sent(dialer, acceptor, "POST /other" CHUNKED);
	sent(dialer, acceptor, "3\r\nabc\r\n");
	sent(dialer, acceptor, "POST /kept" HOST); /* cannot be one: no response was read */
	sent(dialer, acceptor, "0\r\n\r\n");
	assert_false(voided_by(OK));
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_true(voided_by(OK) && !flushed());
	sent(dialer, acceptor, GET);
	assert_false(voided_by(OK));
	sent(dialer, acceptor, "GET /other" CHUNKED); /* it may be the rest of a body, and hide the next request */
	sent(dialer, acceptor, "3\r\nabc\r\n0\r\n\r\n");
	assert_true(voided_by(OK) && flushed());
	sent(dialer, acceptor, "PUT /kept" HOST);
	assert_true(voided_by(OK) && !flushed());
}

/* An interim response leaves the mark, and the body behind it is still a body. */
static void test_interim(void **state)
{
	(void)state;
	sent(dialer, acceptor, "POST /kept HTTP/1.1\r\nHost: rig\r\nExpect: 100-continue\r\n"
			       "Transfer-Encoding: chunked\r\n\r\n");
	assert_false(voided_by("HTTP/1.1 100 Continue\r\n\r\n"));
	sent(dialer, acceptor, "3\r\nabc\r\n");
	sent(dialer, acceptor, GET);
	sent(dialer, acceptor, "0\r\n\r\n");
	assert_true(voided_by(OK) && !flushed());
	sent(dialer, acceptor, "POST /kept HTTP/1.1\r\nHost: rig\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	assert_false(voided_by("HTTP/1.1 100 Continue\r\n\r\n"));
	sent(dialer, acceptor, "abc");
	assert_true(voided_by(OK));
}

/* Two are outstanding, the first fails and the second succeeds, or the other way round. */
static void test_overlapping(void **state)
{
	(void)state;
	sent(dialer, acceptor, "POST /other" HOST);
	sent(dialer, acceptor, "POST /kept" HOST);
	voided_by(NOT_FOUND);
	kern_put("/kept", 300, 60);
	assert_true(voided_by(OK));
	kern_miss("/kept");
	assert_int_equal(again(), 0);
	sent(dialer, acceptor, GET);
	sent(dialer, acceptor, "POST /kept" HOST);
	voided_by(NOT_FOUND);
	kern_put("/kept", 300, 60);
	assert_true(voided_by(OK));
}

/* Several requests in one segment. */
static void test_one_segment(void **state)
{
	(void)state;
	sent(dialer, acceptor, GET "POST /kept" HOST);
	voided_by(NOT_FOUND);
	sent(dialer, acceptor, "PUT /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 3\r\n\r\nabcPOST /kept" HOST);
	assert_true(voided_by(OK));
}

/*
 * The response comes before the body has been sent, because the server reads slowly: what follows is written
 * behind the rest of the body, and both go out in one segment.
 */
static void early(const char *head, const char *filler)
{
	static char bulk[100000], sink[sizeof(bulk)];
	int size = 1 << 20, least = 4096;
	size_t all = strlen(head), text = strlen(filler);
	ssize_t n;

	setsockopt(dialer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(acceptor, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	for (size_t i = 0; i < sizeof(bulk); i++)
		bulk[i] = filler[i % text];
	sent(dialer, acceptor, head);
	n = send(dialer, bulk, sizeof(bulk) / text * text, MSG_DONTWAIT | MSG_NOSIGNAL);
	assert_true(n > 0);
	all = (size_t)n;
	voided_by(NOT_FOUND);
	kern_put("/kept", 300, 60);
	kern_text(dialer, "POST /kept" HOST);
	all += strlen("POST /kept" HOST);
	setsockopt(acceptor, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	while (all) {
		n = recv(acceptor, sink, all < sizeof(sink) ? all : sizeof(sink), 0);
		assert_true(n > 0);
		all -= (size_t)n;
	}
	if (!voided_by(OK))
		fail_msg("%.20s, %.10s: what is stored can be answered still", head, filler);
}

static void test_early_response(void **state)
{
	(void)state;
	early("POST /other" CHUNKED, "1000\r\nabc");
	assert_int_equal(again(), 0);
	early("GET /other" CHUNKED, GET);
	assert_int_equal(again(), 0);
	early("GET /other" CHUNKED, "POST /other" HOST);
	assert_int_equal(again(), 0);
	early("PUT /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 100000\r\n\r\n", "a");
}

/* A connection that was there before anything was attached; here: before its peer was an origin. */
static void before_attaching(void)
{
	close(dialer);
	close(acceptor);
	assert_int_equal(zs_rig_origin(&kern.rig, false), 0);
	assert_int_equal(zs_rig_pair(&kern.rig, &dialer, &acceptor), 0);
	exchange("POST /kept" HOST, OK);
	assert_int_equal(zs_rig_origin(&kern.rig, true), 0);
}

/* A visitor chooses what a body looks like. None may blind the watcher for the requests that come after it. */
static void test_forged_bodies(void **state)
{
	static const char *const heads[] = {
		"GET /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 100000\r\n\r\n",
		"GET /other HTTP/1.1\r\nHost: rig\r\ncontent-length: 100000\r\nAccept: */*\r\n\r\n",
		"GET /other" CHUNKED,
		"POST /other" CHUNKED,
		"GET /other HTTP/1.1\r\nHost: rig\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
	};
	static const char *const bodies[] = {
		"POST /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 99999999\r\n\r\n",
		"GET /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 99999999\r\n\r\n",
		"POST /other" CHUNKED,
		GET,
	};

	(void)state;
	for (size_t h = 0; h < sizeof(heads) / sizeof(*heads); h++) {
		for (size_t b = 0; b < sizeof(bodies) / sizeof(*bodies); b++) {
			for (int early = 0; early < 2; early++) {
				bool known = strstr(heads[h], "100000"); /* its body is skipped, to the last byte */
				char filler[100000];

				assert_int_equal(again(), 0);
				sent(dialer, acceptor, heads[h]);
				if (early)
					sent(acceptor, dialer, OK);
				sent(dialer, acceptor, bodies[b]);
				if (known) {
					size_t left = 100000 - strlen(bodies[b]);

					memset(filler, 'a', left);
					for (size_t n; left; left -= n) {
						n = left < sizeof(kern.got) ? left : sizeof(kern.got);
						n = n < 8192 ? n : 8192;
						kern_send(dialer, filler, n);
						assert_int_equal(zs_rig_recv(acceptor, kern.got, n), n);
					}
				}
				if (!early)
					sent(acceptor, dialer, OK);
				kern_put("/kept", 300, 60);
				sent(dialer, acceptor, "POST /kept" HOST);
				if (!voided_by(OK))
					fail_msg("%.60s | %.60s | %d: the next write was not seen", heads[h], bodies[b], early);
			}
		}
	}
}

/* What a connection from before attaching is in the middle of is not known either. */
static void test_forged_before_attaching(void **state)
{
	(void)state;
	before_attaching();
	sent(dialer, acceptor, "POST /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 99999999\r\n\r\n");
	sent(acceptor, dialer, OK);
	kern_put("/kept", 300, 60);
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_true(voided_by(OK));
}

/* While the origin is cold there is nothing to void, and nothing is looked at. */
static void test_while_cold(void **state)
{
	uint64_t unsafe = kern_count(ZS_COUNT_unsafe);

	(void)state;
	warmth[1].cold = 1;
	sent(dialer, acceptor, "POST /ke");
	sent(dialer, acceptor, "pt" HOST);
	assert_false(voided_by(OK));
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_false(voided_by(OK));
	exchange(GET, OK);
	assert_int_equal(kern_count(ZS_COUNT_unsafe), unsafe);
	kern_hit("/kept", 300);
}

#define INTERIM "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload; as=style; crossorigin\r\n\r\n"

/* Then the origin becomes warm. What is on its way may be an unsafe request, what came before is not. */
static void test_no_longer_cold(void **state)
{
	static const char *const responses[] = {OK, NOT_FOUND, "HTTP/1.1 2"};

	(void)state;
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		warmth[1].cold = 1;
		sent(dialer, acceptor, "POST /kept" HOST);
		warmth[1].cold = 0;
		kern_put("/kept", 300, 60);
		flush = kern.rig.ctl->flush;
		assert_true(voided_by(INTERIM) && flushed()); /* more than one response may be in it */
		kern_put("/kept", 300, 60);
		assert_true(voided_by(responses[i]) && flushed());
		assert_int_equal(again(), 0);
	}
	warmth[1].cold = 1;
	exchange("POST /kept" HOST, OK);
	warmth[1].cold = 0;
	kern_put("/kept", 300, 60);
	flush = kern.rig.ctl->flush;
	exchange(GET, OK);
	assert_false(flushed());
	kern_hit("/kept", 300);
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_true(voided_by(OK) && !flushed());
	sent(dialer, acceptor, "POST /ke"); /* where requests begin is not known, so neither what this is */
	sent(dialer, acceptor, "pt" HOST);
	assert_true(voided_by(OK) && flushed());
}

/* A body that was begun while the origin was cold hides nothing either. */
static void test_no_longer_cold_bodies(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		warmth[1].cold = 1;
		sent(dialer, acceptor, "POST /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 99999999\r\n\r\n");
		if (i)
			sent(acceptor, dialer, OK); /* early */
		warmth[1].cold = 0;
		sent(dialer, acceptor, "GET /other HTTP/1.1\r\nHost: rig\r\nContent-Length: 99999999\r\n\r\n");
		sent(dialer, acceptor, "the end of it\nPOST /kept" HOST);
		kern_put("/kept", 300, 60);
		flush = kern.rig.ctl->flush;
		assert_true(voided_by(OK) && flushed());
		assert_int_equal(again(), 0);
	}
}

/* Bytes that are no HTTP, as behind an Upgrade, void nothing. */
static void test_tunnel(void **state)
{
	static const char upgrade[] = " /socket HTTP/1.1\r\nHost: rig\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
	static const char *const methods[] = {"GET", "POST"};
	char frame[200], got[200], head[256];

	(void)state;
	for (size_t m = 0; m < 4; m++) {
		uint64_t before = generation();

		snprintf(head, sizeof(head), "%s%s", methods[m % 2], upgrade);
		warmth[1].cold = m >= 2;
		exchange(head, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
		warmth[1].cold = 0;
		for (int i = 0; i < 50; i++) {
			for (size_t n = 0; n < sizeof(frame); n++)
				frame[n] = (char)kern_random(256);
			memcpy(frame, i % 2 ? "\x81\x05hello" : "hello world", 7);
			kern_send(dialer, frame, sizeof(frame));
			assert_int_equal(zs_rig_recv(acceptor, got, sizeof(got)), sizeof(got));
			kern_send(acceptor, frame, sizeof(frame));
			assert_int_equal(zs_rig_recv(dialer, got, sizeof(got)), sizeof(got));
		}
		assert_false(flushed());
		assert_int_equal(generation(), before);
		assert_int_equal(again(), 0);
	}
}

static void test_older_connection(void **state)
{
	uint64_t known = kern_count(ZS_COUNT_unfollowed);

	(void)state;
	before_attaching();
	assert_int_equal(kern_count(ZS_COUNT_unfollowed), known);
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_int_equal(kern_count(ZS_COUNT_unfollowed), known + 1);
	assert_true(voided_by(OK) && !flushed());
	before_attaching();
	exchange(GET, OK);
	kern_put("/kept", 300, 60);
	sent(dialer, acceptor, "POST /kept" HOST);
	assert_false(voided_by(NOT_FOUND));
	kern_hit("/kept", 300);
	sent(dialer, acceptor, "PATCH /kept" HOST);
	assert_true(voided_by(OK) && !flushed());
	before_attaching(); /* a tunnel, as far as anybody knows */
	kern_put("/kept", 300, 60);
	exchange("hello world", "hello world");
	exchange("\x81\x02hi", "\x81\x02hi");
	assert_false(flushed());
	kern_hit("/kept", 300);
	before_attaching();
	sent(dialer, acceptor, "POST /ke");
	sent(dialer, acceptor, "pt" HOST);
	assert_true(voided_by(OK));
}

/* Whoever dials something that is no origin is not even looked at. */
static void test_no_origin(void **state)
{
	struct zs_conn conn;

	(void)state;
	before_attaching();
	assert_int_equal(zs_rig_origin(&kern.rig, false), 0);
	exchange("POST /kept" HOST, OK);
	assert_int_equal(bpf_map_lookup_elem(kern.rig.maps.fd[ZS_MAP_conns], &dialer, &conn), -ENOENT);
	assert_int_equal(zs_rig_origin(&kern.rig, true), 0);
	assert_false(flushed());
}

/* One in so many is enrolled, and the first one after a while in any case. */
static void test_samples(void **state)
{
	uint64_t enrolled = kern_count(ZS_COUNT_enrolled), left = kern_count(ZS_COUNT_unfollowed);
	int d, a;

	(void)state;
	warmth[1].cold = 1;
	for (int i = 0; i < 2560; i++) {
		warmth[1].sampled = zs_boot_ns();
		assert_int_equal(zs_rig_pair(&kern.rig, &d, &a), 0);
		close(d);
		close(a);
	}
	enrolled = kern_count(ZS_COUNT_enrolled) - enrolled;
	left = kern_count(ZS_COUNT_unfollowed) - left;
	assert_int_equal(enrolled + left, 2560);
	assert_in_range(enrolled, 3, 60); /* 20 on average */
	warmth[1].sampled = zs_boot_ns() - 11 * ZS_NS;
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
		TEST(test_left_alone),	TEST(test_success),	TEST(test_error),	   TEST(test_split_head),
		TEST(test_long_head),	TEST(test_body),	TEST(test_chunked),	   TEST(test_interim),
		TEST(test_overlapping), TEST(test_one_segment), TEST(test_early_response), TEST(test_forged_bodies), TEST(test_forged_before_attaching),
		TEST(test_while_cold), TEST(test_no_longer_cold), TEST(test_no_longer_cold_bodies),
		TEST(test_tunnel),	TEST(test_older_connection), TEST(test_no_origin), TEST(test_samples),
	};
	int failed = cmocka_run_group_tests_name("IPv4", tests, kern_open_v4, kern_close);

	failed += cmocka_run_group_tests_name("IPv6", tests, kern_open_v6, kern_close);
	return failed + cmocka_run_group_tests_name("v4-mapped", tests, kern_open_mapped, kern_close);
}
