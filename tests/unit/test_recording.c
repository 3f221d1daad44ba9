// SPDX-License-Identifier: GPL-2.0-or-later
/* From the kernel's events to whole responses: every end that a recording can come to, and each
 * only once. */
#include "recording.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEAD	 "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
#define BODY	 "0123456789"
#define WHOLE	 HEAD BODY
#define BASE	 0xfffffff0u /* the sequence numbers wrap */
#define CAP	 4096u
#define MAX_BODY 1000u

static struct zs_recordings *recordings;
static int head_answer, whole_answer;

/* What the owner was told. */
static struct {
	unsigned int heads, wholes, ends;
	enum zs_recording_end how;
	uint64_t record, digest, arrived;
	char body[MAX_BODY + 1];
} told;

static int on_head(void *user, const struct zs_asked *asked, const struct zs_response *r,
		   uint64_t arrived)
{
	assert_ptr_equal(user, &told);
	assert_int_equal(r->status, 200);
	told.heads++;
	told.arrived = arrived;
	told.digest = asked->digest;
	return head_answer;
}

static int on_whole(void *user, const struct zs_asked *asked, const struct zs_response *r,
		    const struct zs_body *body, uint64_t arrived)
{
	assert_ptr_equal(user, &told);
	assert_true(told.digest == asked->digest && told.arrived == arrived);
	assert_int_equal(r->status, 200);
	assert_true(body->len <= MAX_BODY);
	memcpy(told.body, body->data, body->len);
	told.body[body->len] = '\0';
	told.wholes++;
	return whole_answer;
}

static void on_end(void *user, const struct zs_asked *asked, uint64_t record,
		   enum zs_recording_end how)
{
	assert_ptr_equal(user, &told);
	told.ends++;
	told.how = how;
	told.record = record;
	told.digest = asked->digest;
}

static int begin(void **state)
{
	struct zs_recordings_owner owner = {
		.user = &told,
		.head = on_head,
		.whole = on_whole,
		.end = on_end,
		.max_body = MAX_BODY,
		.cap = CAP,
	};
	(void)state;

	memset(&told, 0, sizeof(told));
	head_answer = 1;
	whole_answer = 0;
	return zs_recordings_create(&owner, &recordings);
}

static int end(void **state)
{
	(void)state;
	zs_recordings_destroy(recordings);
	zs_recordings_destroy(NULL);
	return 0;
}

/* --- events, in memory that ends where they end --------------------------------------------------
 */

static void give(const void *event, size_t size)
{
	void *copy = malloc(size ? size : 1);

	memcpy(copy, event, size);
	zs_recordings_event(recordings, copy, size);
	free(copy);
}

static struct zs_event_request request(uint64_t cookie, uint64_t record, uint64_t time)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct zs_event_request ev = {
		.ev = {.kind = ZS_EVENT_REQUEST, .cookie = cookie, .record = record, .time = time},
		.digest = cookie * 1000 + record,
		.bucket = 7,
		.generation = 8,
		.flush = 9,
		.key_len = 32,
		.head_len = sizeof(text) - 1,
	};

	memcpy(ev.head, text, sizeof(text) - 1);
	ev.ev.len = (uint32_t)(offsetof(struct zs_event_request, head) + ev.head_len);
	return ev;
}

static void asked(uint64_t cookie, uint64_t record, uint64_t time)
{
	struct zs_event_request ev = request(cookie, record, time);

	give(&ev, ev.ev.len);
}

struct segment {
	uint64_t cookie, record, time;
	uint32_t at, flags;
	const char *text;
	size_t len;
};

static void send_segment(const struct segment *s)
{
	size_t size = sizeof(struct zs_event_data) + s->len;
	struct zs_event_data *ev = calloc(1, size);

	ev->ev = (struct zs_event){ZS_EVENT_DATA, (uint32_t)size, s->cookie, s->record, s->time};
	ev->base = BASE;
	ev->seq = BASE + s->at;
	ev->data_len = (uint32_t)s->len;
	ev->flags = s->flags;
	if (s->len)
		memcpy(ev->data, s->text, s->len);
	give(ev, size);
	free(ev);
}

/* Of connection 1, recording 1. */
static void data(uint32_t at, const char *text, size_t len, uint32_t flags)
{
	send_segment(&(struct segment){1, 1, 100, at, flags, text, len});
}

static void check_end(enum zs_recording_end how)
{
	assert_int_equal(told.ends, 1);
	assert_int_equal(told.how, how);
	assert_int_equal(told.record, 1);
	assert_int_equal(told.digest, 1001);
	assert_int_equal(zs_recordings_active(recordings), 0);
	assert_int_equal(told.wholes, how == ZS_RECORDING_STORED);
	if (how == ZS_RECORDING_STORED)
		assert_string_equal(told.body, BODY);
	/* whatever still comes is nobody's */
	data(0, WHOLE, strlen(WHOLE), ZS_DATA_FIN);
	assert_int_equal(told.ends, 1);
}

static void again(void)
{
	void *none = NULL;

	end(&none);
	assert_int_equal(begin(&none), 0);
}

/* --- whole ones ----------------------------------------------------------------------------------
 */

static void test_cuts(void **state)
{
	const size_t len = strlen(WHOLE);
	(void)state;

	for (size_t a = 0; a <= len; a++) {
		for (size_t b = a; b <= len; b++) {
			const size_t from[] = {0, a, b}, to[] = {a, b, len};

			for (unsigned int order = 0; order < 6; order++) {
				unsigned int i = order % 3, k = (i + 1 + order / 3) % 3,
					     l = 3 - i - k;

				again();
				asked(1, 1, 50);
				data((uint32_t)from[i], WHOLE + from[i], to[i] - from[i], 0);
				data((uint32_t)from[k], WHOLE + from[k], to[k] - from[k], 0);
				data((uint32_t)from[l], WHOLE + from[l], to[l] - from[l], 0);
				assert_int_equal(told.heads, 1);
				check_end(ZS_RECORDING_STORED);
			}
		}
	}
}

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		uint32_t flags;
		enum zs_recording_end how;
	} rows[] = {
		{WHOLE, 0, ZS_RECORDING_STORED},
		{WHOLE, ZS_DATA_FIN, ZS_RECORDING_STORED},
		{"HTTP/1.1 103 E\r\n\r\n" WHOLE, 0, ZS_RECORDING_STORED},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" BODY "\r\n0\r\n\r\n",
		 0, ZS_RECORDING_STORED},
		{HEAD "012345678", ZS_DATA_FIN, ZS_RECORDING_BROKEN},
		{HEAD, ZS_DATA_FIN, ZS_RECORDING_BROKEN},
		{WHOLE "x", 0, ZS_RECORDING_MALFORMED},
		{WHOLE WHOLE, 0, ZS_RECORDING_MALFORMED},
		{"HTTP/1.1 200 OK\r\n\r\n" BODY, ZS_DATA_FIN, ZS_RECORDING_MALFORMED},
		{"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n" BODY, 0, ZS_RECORDING_MALFORMED},
		{"HTTP/1.1 101 S\r\n\r\n", 0, ZS_RECORDING_MALFORMED},
		{"x", 0, ZS_RECORDING_MALFORMED},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", 0, ZS_RECORDING_LARGE},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 0,
		 ZS_RECORDING_LARGE},
		{"", ZS_DATA_FIN, ZS_RECORDING_BROKEN},
		{"", ZS_DATA_CUT, ZS_RECORDING_LARGE},
		{WHOLE, ZS_DATA_CUT, ZS_RECORDING_LARGE},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("  row %zu\n", i);
		again();
		asked(1, 1, 50);
		data(0, rows[i].text, strlen(rows[i].text), rows[i].flags);
		check_end(rows[i].how);
	}
}

static void test_owner_refuses(void **state)
{
	static const struct {
		int err;
		enum zs_recording_end how;
	} answers[] = {
		{-EINVAL, ZS_RECORDING_REFUSED},     {-E2BIG, ZS_RECORDING_REFUSED},
		{-EFBIG, ZS_RECORDING_REFUSED},	     {-ENOSPC, ZS_RECORDING_REFUSED},
		{-ECANCELED, ZS_RECORDING_OVERTAKEN}, /* purged */
		{-EEXIST, ZS_RECORDING_OVERTAKEN},    /* a younger one is there */
		{-ESTALE, ZS_RECORDING_OVERTAKEN},    /* asked for by other rules */
		{-ENOMEM, ZS_RECORDING_OVERTAKEN},
	};
	(void)state;
	head_answer = 0;
	asked(1, 1, 50);
	data(0, HEAD, strlen(HEAD) - 1, 0);
	assert_int_equal(told.heads, 0);
	data((uint32_t)strlen(HEAD) - 1, "\n", 1, 0);
	assert_int_equal(told.heads, 1);
	check_end(ZS_RECORDING_REFUSED);

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		again();
		whole_answer = answers[i].err;
		asked(1, 1, 50);
		data(0, WHOLE, strlen(WHOLE), 0);
		assert_int_equal(told.ends, 1);
		assert_int_equal(told.wholes, 1);
		assert_int_equal(told.how, answers[i].how);
		assert_int_equal(zs_recordings_active(recordings), 0);
	}
}

/* --- bytes missing, twice, beyond ---------------------------------------------------------------
 */

static void test_broken(void **state)
{
	static char large[CAP + 1];
	(void)state;

	asked(1, 1, 50);
	data(0, "HTTP", 4, 0);
	data(3, "P/", 2, 0);
	check_end(ZS_RECORDING_BROKEN);

	again(); /* the same segment again */
	asked(1, 1, 50);
	data(0, "HTTP", 4, 0);
	data(0, "HTTP", 4, 0);
	check_end(ZS_RECORDING_BROKEN);

	again(); /* before the beginning */
	asked(1, 1, 50);
	data(UINT32_MAX, WHOLE, strlen(WHOLE), 0);
	check_end(ZS_RECORDING_BROKEN);

	again(); /* more than the kernel was told to copy */
	asked(1, 1, 50);
	data(1, large, CAP, 0);
	check_end(ZS_RECORDING_BROKEN);

	again(); /* a gap, and the server closed */
	asked(1, 1, 50);
	data(1, WHOLE + 1, strlen(WHOLE) - 1, ZS_DATA_FIN);
	check_end(ZS_RECORDING_BROKEN);

	again(); /* cut in the middle */
	asked(1, 1, 50);
	data(0, WHOLE, strlen(WHOLE) - 1, 0);
	data(0, "", 0, ZS_DATA_CUT);
	check_end(ZS_RECORDING_LARGE);
}

/* The connection goes on to its next request: bytes of the old turn are not the new one's. */
static void test_superseded(void **state)
{
	(void)state;
	asked(1, 1, 50);
	data(0, WHOLE, 20, 0);
	asked(1, 2, 60);
	assert_int_equal(told.ends, 1);
	assert_int_equal(told.how, ZS_RECORDING_BROKEN);
	assert_int_equal(told.record, 1);
	assert_int_equal(zs_recordings_active(recordings), 1);
	data(20, WHOLE + 20, strlen(WHOLE) - 20, ZS_DATA_CUT);
	data(20, WHOLE + 20, strlen(WHOLE) - 20, 0);
	assert_int_equal(told.ends, 1);
	send_segment(&(struct segment){1, 2, 100, 0, 0, WHOLE, strlen(WHOLE)});
	assert_int_equal(told.ends, 2);
	assert_int_equal(told.how, ZS_RECORDING_STORED);
	assert_int_equal(told.record, 2);
	assert_int_equal(told.digest, 1002);
}

/* Two connections at once, segment by segment; and ids that belong to nobody. */
static void test_apart(void **state)
{
	const size_t len = strlen(WHOLE);
	(void)state;

	asked(1, 1, 50);
	asked(2, 2, 50);
	for (size_t at = 0; at < len; at++) {
		const struct segment rows[] = {
			{1, 2, 100, (uint32_t)at, ZS_DATA_CUT, "x", 1},
			{2, 1, 100, (uint32_t)at, ZS_DATA_FIN, "x", 1},
			{3, 1, 100, (uint32_t)at, 0, "x", 1},
			{1, 0, 100, (uint32_t)at, 0, "x", 1},
			{1, 1, 100, (uint32_t)at, 0, WHOLE + at, 1},
		};

		assert_int_equal(told.ends, 0);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			send_segment(&rows[i]);
	}
	assert_int_equal(told.ends, 1);
	assert_int_equal(told.record, 1);
	assert_string_equal(told.body, BODY);
	assert_int_equal(zs_recordings_active(recordings), 1);
	send_segment(&(struct segment){2, 2, 100, 0, 0, WHOLE, len});
	assert_int_equal(told.ends, 2);
	assert_int_equal(told.wholes, 2);
}

/* --- events that are not what they should be -----------------------------------------------------
 */

static void test_malformed_requests(void **state)
{
	const size_t fixed = offsetof(struct zs_event_request, head);
	struct zs_event_request ev = request(1, 1, 50);
	static uint8_t text[2 * sizeof(struct zs_event_request)];
	(void)state;

	for (size_t size = 0; size < fixed + ev.head_len; size++)
		give(&ev, size);
	for (uint32_t kind = 0; kind < 300; kind++) {
		ev.ev.kind = kind == ZS_EVENT_REQUEST || kind == ZS_EVENT_UNSAFE ? UINT32_MAX : kind;
		give(&ev, ev.ev.len);
	}
	ev = request(1, 1, 50);
	ev.head_len = ZS_HEAD_MAX + 1;
	give(&ev, sizeof(ev));
	memcpy(text, &ev, sizeof(ev));
	give(text, sizeof(text)); /* and the bytes are there */
	memset(text, 0, sizeof(text));
	ev.head_len = UINT32_MAX;
	give(&ev, sizeof(ev));
	ev = request(1, 1, 50);
	ev.key_len = sizeof(struct zs_key) + 1;
	give(&ev, sizeof(ev));
	ev = request(1, 1, 50);
	ev.bucket = ZS_GENERATIONS;
	give(&ev, sizeof(ev));
	give(text, sizeof(text));
	assert_int_equal(zs_recordings_active(recordings), 0);
	assert_int_equal(told.ends, 0);
	/* the largest */
	ev = request(1, 1, 50);
	ev.head_len = ZS_HEAD_MAX;
	ev.key_len = sizeof(struct zs_key);
	ev.bucket = ZS_GENERATIONS - 1;
	give(&ev, sizeof(ev));
	assert_int_equal(zs_recordings_active(recordings), 1);
}

static void test_malformed_data(void **state)
{
	struct {
		struct zs_event_data ev;
		char text[64];
	} x = {.ev = {.ev = {ZS_EVENT_DATA, 0, 1, 1, 100},
		      .base = BASE,
		      .seq = BASE,
		      .data_len = 40}};
	(void)state;

	asked(1, 1, 50);
	memset(x.text, 'x', sizeof(x.text));
	for (size_t size = 0; size < sizeof(x.ev) + 40; size++)
		give(&x, size);
	x.ev.data_len = UINT32_MAX;
	give(&x, sizeof(x));
	x.ev.data_len = 0;
	give(&x, sizeof(x.ev));
	assert_int_equal(told.ends, 0);
	assert_int_equal(zs_recordings_active(recordings), 1);
	data(0, WHOLE, strlen(WHOLE), 0);
	check_end(ZS_RECORDING_STORED);
}

/* --- time and number
 * ------------------------------------------------------------------------------ */

static void test_arrived(void **state)
{
	(void)state;
	asked(1, 1, 50);
	send_segment(&(struct segment){1, 1, 300, 30, 0, WHOLE + 30, strlen(WHOLE) - 30});
	send_segment(&(struct segment){1, 1, 200, 0, 0, WHOLE, 30});
	assert_int_equal(told.arrived, 200);
	check_end(ZS_RECORDING_STORED);
}

static void test_expire(void **state)
{
	(void)state;
	for (uint64_t cookie = 1; cookie <= 5; cookie++)
		asked(cookie, 1, cookie * 100);
	send_segment(&(struct segment){2, 1, 900, 0, 0, "HTTP", 4});
	zs_recordings_expire(recordings, 100);
	assert_int_equal(told.ends, 0);
	zs_recordings_expire(recordings, 101);
	assert_int_equal(told.ends, 1);
	assert_int_equal(told.how, ZS_RECORDING_BROKEN);
	assert_int_equal(told.digest, 1001);
	zs_recordings_expire(recordings, 900);
	assert_int_equal(told.ends, 4);
	assert_int_equal(zs_recordings_active(recordings), 1);
	zs_recordings_expire(recordings, 901);
	assert_int_equal(told.digest, 2001);
	assert_int_equal(zs_recordings_active(recordings), 0);
}

/* One too many: the oldest makes room. */
static void test_most(void **state)
{
	(void)state;
	for (uint64_t cookie = 1; cookie <= ZS_RECORDINGS_MAX; cookie++)
		asked(cookie, 1, 50);
	assert_int_equal(told.ends, 0);
	for (uint64_t more = 1; more <= 10; more++) {
		asked(ZS_RECORDINGS_MAX + more, 1, 50);
		assert_int_equal(zs_recordings_active(recordings), ZS_RECORDINGS_MAX);
		assert_int_equal(told.ends, more);
		assert_int_equal(told.how, ZS_RECORDING_BROKEN);
		assert_int_equal(told.digest, more * 1000 + 1);
	}
	/* one that goes on to its next request makes room for itself */
	asked(70, 2, 60);
	assert_int_equal(told.ends, 11);
	assert_int_equal(told.digest, 70001);
	assert_int_equal(zs_recordings_active(recordings), ZS_RECORDINGS_MAX);
	send_segment(&(struct segment){70, 2, 100, 0, 0, WHOLE, strlen(WHOLE)});
	assert_int_equal(told.wholes, 1);
	asked(ZS_RECORDINGS_MAX + 11, 1, 50);
	assert_int_equal(told.ends, 12);
	assert_int_equal(zs_recordings_active(recordings), ZS_RECORDINGS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cuts),
		TEST(test_kinds),
		TEST(test_owner_refuses),
		TEST(test_broken),
		TEST(test_superseded),
		TEST(test_apart),
		TEST(test_malformed_requests),
		TEST(test_malformed_data),
		TEST(test_arrived),
		TEST(test_expire),
		TEST(test_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
