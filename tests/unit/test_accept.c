// SPDX-License-Identifier: GPL-2.0-or-later
/* What an acceptor owes: [A1] and [A5] of accept.h. */
#include "fields.h"

#include <zs/accept.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct zs_tables tables;
static struct zs_request r;

static int setup(void **state)
{
	(void)state;
	return zs_fields_build(&tables);
}

/* A chunk of the client's, as the gate frames one that passes. Returns what was taken of it. */
static __u32 chunk(struct zs_accept *a, const char *text)
{
	__u32 len = (__u32)strlen(text), off = 0;

	a->next_read += len;
	while (off < len && a->state != ZS_FRAME_PASSIVE) {
		enum zs_scan scan;
		__u32 n = len - off;

		if (a->state == ZS_FRAME_BODY) {
			off += zs_accept_body(a, n);
			continue;
		}
		memset(&r, 0, sizeof(r));
		memcpy(r.head, text + off, n);
		scan = zs_request_scan(&r, &tables, n);
		zs_request_fields(&r, &tables);
		zs_request_framing(&r);
		off += zs_accept_request(a, &r, scan, r.flags & ZS_REQ_SAFE ? 0 : 7, n);
	}
	return off;
}

/* A whole message of the server's, all of which is queued. */
static void reply(struct zs_accept *a, const char *text)
{
	__u32 len = (__u32)strlen(text), off = 0;

	if (zs_accept_sync(a, a->next_write))
		zs_accept_passive(a);
	a->next_write += len;
	while (off < len && a->state != ZS_FRAME_PASSIVE) {
		__u32 n = len - off;

		if (a->reply == ZS_REPLY_HEAD) {
			if (!a->owed) {
				zs_accept_passive(a);
				return;
			}
			memset(&r, 0, sizeof(r));
			memcpy(r.head, text + off, n);
			if (zs_respond_scan(&r, &tables, n) != ZS_SCAN_OK) {
				zs_accept_passive(a);
				return;
			}
			zs_request_fields(&r, &tables);
			zs_accept_respond(a, &r, zs_respond_body(&r, zs_accept_oldest(a)->flags & ZS_OWED_HEAD));
			off += r.head_len;
		} else if (a->reply == ZS_REPLY_CHUNKED && a->step != ZS_CHUNK_DATA) {
			off += zs_chunk_take(a, (const __u8 *)text + off, n < ZS_CHUNK_WINDOW ? n : ZS_CHUNK_WINDOW);
			if (a->step == ZS_CHUNK_END)
				zs_accept_pop(a);
			else if (a->step == ZS_CHUNK_BAD)
				zs_accept_passive(a);
		} else {
			off += zs_accept_reply(a, n);
		}
	}
}

static bool idle(const struct zs_accept *a)
{
	return zs_accept_idle(a, a->next_read, a->next_write);
}

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
#define OK4  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"

static void test_turns(void **state)
{
	struct zs_accept a = {0};

	(void)state;
	assert_true(idle(&a));
	chunk(&a, GET);
	assert_false(idle(&a));
	reply(&a, OK4 "ab");
	assert_false(idle(&a));
	reply(&a, "cd");
	assert_true(idle(&a));
	chunk(&a, HEAD);
	reply(&a, OK4);
	assert_true(idle(&a));
	chunk(&a, POST "a");
	reply(&a, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_int_equal(a.owed, 1);
	reply(&a, OK4 "abcd"); /* early */
	assert_false(idle(&a));
	chunk(&a, "bcd");
	assert_true(idle(&a));
	chunk(&a, GET HEAD POST "abcd" GET);
	assert_int_equal(a.owed, 4);
	reply(&a, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" OK4 OK4 "abcd");
	assert_int_equal(a.owed, 1);
	reply(&a, "HTTP/1.1 204 No Content\r\n\r\n");
	assert_true(idle(&a));
	assert_false(zs_accept_idle(&a, a.next_read + 1, a.next_write)); /* something that the gate has not seen */
	assert_false(zs_accept_idle(&a, a.next_read, a.next_write + 1));
}

static void test_passive(void **state)
{
	static const char *const chunks[] = {
		"GET / HT", "x", "\r\n", "GET / HTTP/1.0\r\n\r\n", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		GET "GE", POST "abcdx", GET GET GET GET GET GET GET GET GET, "GET / HTTP/1.1\r\nUpgrade: a\r\n\r\n",
	};
	static const char *const replies[] = {
		"x", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 101 X\r\n\r\n", OK4 "abcde", "HTTP/1.1 200 OK\r\nContent-Le",
		OK4 "abcd" OK4 "abcd", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
		struct zs_accept a = {0};

		chunk(&a, chunks[i]);
		assert_int_equal(a.state, ZS_FRAME_PASSIVE);
		assert_false(idle(&a));
	}
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		struct zs_accept a = {0};

		chunk(&a, GET);
		reply(&a, replies[i]);
		assert_int_equal(a.state, ZS_FRAME_PASSIVE);
		assert_int_equal(a.unsafe, 0);
	}
}

/* Unsafe requests that are outstanding when a connection becomes passive are not forgotten. */
/* The response to an earlier request takes back no mark. */
static void test_marks_last(void **state)
{
	struct zs_accept a = {.owed = 1, .state = ZS_FRAME_PASSIVE};

	(void)state;
	a.owed++;
	zs_accept_mark(&a);
	zs_accept_ended(&a);
	assert_int_equal(a.unsafe, 1);
	zs_accept_ended(&a);
	assert_int_equal(a.unsafe, 0);
	zs_accept_ended(&a); /* more than were counted */
	assert_int_equal(a.owed, 0);
	zs_accept_mark(&a);
	zs_accept_mark(&a);
	zs_accept_ended(&a);
	assert_int_equal(a.unsafe, 2);
}

static void test_marks(void **state)
{
	struct zs_accept one = {0}, two = {0};

	(void)state;
	chunk(&one, POST "abcd");
	reply(&one, "x");
	assert_int_equal(one.unsafe, 1);
	zs_accept_mark(&one);
	assert_int_equal(one.unsafe, 2);
	chunk(&two, GET POST "abcd");
	reply(&two, "x");
	assert_int_equal(two.unsafe, 2);
}

/* What was queued is less, or more, than was counted: within a body it does not matter. */
static void test_sync(void **state)
{
	struct zs_accept a = {0};

	(void)state;
	chunk(&a, GET);
	reply(&a, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
	assert_int_equal(a.reply_left, 90);
	assert_int_equal(zs_accept_sync(&a, a.next_write - 30), 0); /* cut within the head, even */
	assert_int_equal(a.reply_left, 120);
	assert_int_equal(zs_accept_sync(&a, a.next_write + 119), 0);
	assert_int_equal(a.reply_left, 1);
	assert_int_equal(zs_accept_sync(&a, a.next_write + 2), -1);
	assert_int_equal(zs_accept_sync(&a, a.next_write + 1), 0);
	assert_int_equal(a.owed, 0);
	assert_true(idle(&a));
	assert_int_equal(zs_accept_sync(&a, a.next_write + 1), -1);
	assert_int_equal(zs_accept_sync(&a, a.next_write - 1), -1);
}

static void test_order(void **state)
{
	struct zs_accept a = {0};

	(void)state;
	a.first = ~0u;
	assert_int_equal(zs_accept_push(&a, 0, 1), 0);
	assert_int_equal(zs_accept_push(&a, 5, 2), 0);
	assert_int_equal(zs_accept_push_first(&a, 3), 0);
	for (__u32 want = 3, i = 0; i < 3; i++, want = i) {
		assert_int_equal(zs_accept_oldest(&a)->flags, want);
		zs_accept_pop(&a);
	}
	for (__u32 i = 0; i < ZS_OWED_MAX; i++)
		assert_int_equal(zs_accept_push(&a, 0, 0), 0);
	assert_int_equal(zs_accept_push(&a, 0, 0), -1);
	assert_int_equal(zs_accept_push_first(&a, 0), -1);
}

static void test_room(void **state)
{
	struct zs_room room = {.limit = 87040, .gso = 65536, .max_window = 131072, .mss = 1448};

	(void)state;
	assert_true(zs_room_for(&room, 64000));
	assert_true(zs_room_for(&room, 70000));
	room.queued = 20000;
	assert_false(zs_room_for(&room, 64000));
	assert_true(zs_room_for(&room, 20000));
	room.limit = 4608;
	assert_false(zs_room_for(&room, 100));
	room.queued = 0;
	assert_true(zs_room_for(&room, 60000)); /* one buffer into an empty queue */
	assert_false(zs_room_for(&room, 70000));
	room.max_window = 4000; /* buffers are small then */
	assert_false(zs_room_for(&room, 3000));
	room.mss = 65483;
	assert_true(zs_room_for(&room, 60000));
	room.limit = 0;
	assert_false(zs_room_for(&room, 1));
	memset(&room, 0, sizeof(room));
	assert_false(zs_room_for(&room, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns), cmocka_unit_test(test_passive), cmocka_unit_test(test_marks), cmocka_unit_test(test_marks_last),
		cmocka_unit_test(test_sync),  cmocka_unit_test(test_order),   cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
