/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the kern tests of the recorder: reads the ring buffer as the agent does, and keeps what came
 * out. Include it after kern_world.h.
 */
#ifndef ZS_TEST_KERN_EVENTS_H
#define ZS_TEST_KERN_EVENTS_H

#include <bpf/libbpf.h>

#include "recording.h"

static struct {
	struct ring_buffer *ring;
	struct zs_recordings *recordings;
	bool idle;			   /* nobody reads the ring */
	unsigned int requests, data, cuts; /* events seen */
	unsigned int ended[ZS_RECORDING_ENDS];
	uint64_t record;       /* of the last request */
	struct zs_asked asked; /* the last whole one's */
	struct zs_response response;
	uint32_t body_len;
	uint8_t body[2 * ZS_ANSWER_MAX];
} events;

static inline int events_head(void *user, const struct zs_asked *asked,
			      const struct zs_response *response, uint64_t arrived)
{
	(void)user;
	(void)asked;
	(void)response;
	return arrived != 0;
}

static inline int events_whole(void *user, const struct zs_asked *asked,
			       const struct zs_response *response, const struct zs_body *body,
			       uint64_t arrived)
{
	(void)user;
	(void)arrived;
	events.asked = *asked;
	events.response = *response;
	events.body_len = (uint32_t)body->len;
	if (body->len > sizeof(events.body))
		return -1;
	memcpy(events.body, body->data, body->len);
	return 0;
}

static inline void events_end(void *user, const struct zs_asked *asked, uint64_t record,
			      enum zs_recording_end how)
{
	(void)user;
	(void)asked;
	(void)record;
	events.ended[how]++;
}

static inline int events_one(void *user, void *data, size_t size)
{
	const struct zs_event *ev = data;

	(void)user;
	if (ev->kind == ZS_EVENT_REQUEST) {
		events.requests++;
		events.record = ev->record;
	} else if (ev->kind == ZS_EVENT_DATA) {
		events.data++;
		events.cuts += !!(((struct zs_event_data *)data)->flags & ZS_DATA_CUT);
	}
	zs_recordings_event(events.recordings, data, size);
	return 0;
}

static inline void events_read(void)
{
	assert_true(ring_buffer__consume(events.ring) >= 0);
}

/* Forgets what has come so far. */
static inline void events_reset(void)
{
	events_read();
	events.requests = events.data = events.cuts = 0;
	memset(events.ended, 0, sizeof(events.ended));
	memset(&events.asked, 0, sizeof(events.asked));
	events.body_len = ~0u;
}

static inline void events_none(void)
{
	events_read();
	assert_int_equal(events.requests + events.data, 0);
}

/* As kern_begin, with a budget and a reader. */
static inline int events_begin(void **state)
{
	const struct zs_recordings_owner owner = {
		.head = events_head,
		.whole = events_whole,
		.end = events_end,
		.max_body = ZS_BODY_MAX + 8000,
		.cap = ZS_ANSWER_MAX,
	};
	int err = kern_begin(state);

	if (err)
		return err;
	kern.rig.ctl->tokens = 1 << 20;
	events.ring = ring_buffer__new(kern.rig.maps.fd[ZS_MAP_events], events_one, NULL, NULL);
	if (!events.ring || zs_recordings_create(&owner, &events.recordings))
		return -1;
	events_reset();
	return 0;
}

static inline int events_finish(void **state)
{
	ring_buffer__free(events.ring);
	zs_recordings_destroy(events.recordings);
	events.ring = NULL;
	events.recordings = NULL;
	return kern_end(state);
}

/* --- exchanges -------------------------------------------------------------------------------- */

/* Asks, and takes the request off the server's hands. */
static inline void asked(const char *target)
{
	char text[1100];
	size_t n = kern_ask(kern.dialer, "GET", target);

	zs_rig_request("GET", target, text, sizeof(text));
	kern_arrives(kern.acceptor, text, n);
}

/* The server writes in random sizes while the dialer reads; the dialer must have exactly those
 * bytes. */
static inline void streamed(const uint8_t *data, size_t len, uint32_t most)
{
	size_t out = 0, in = 0;
	ssize_t n;

	while (in < len) {
		if (!events.idle)
			events_read();
		if (out < len) {
			size_t want = 1 + kern_random(most);

			n = send(kern.acceptor, data + out, want < len - out ? want : len - out,
				 MSG_DONTWAIT);
			out += n > 0 ? (size_t)n : 0;
		}
		n = recv(kern.dialer, kern.got + in, sizeof(kern.got) - in,
			 out < len ? MSG_DONTWAIT : 0);
		in += n > 0 ? (size_t)n : 0;
		assert_true(n > 0 || out < len);
	}
	assert_int_equal(in, len);
	assert_memory_equal(kern.got, data, len);
	kern_silent(kern.dialer);
}

static uint8_t text[2 * ZS_ANSWER_MAX];

static inline size_t response_make(const char *name, uint32_t len)
{
	size_t n =
		(size_t)sprintf((char *)text, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", len);

	kern_fill(name, kern.body, len);
	memcpy(text + n, kern.body, len);
	return n + len;
}

/* 1: the recording is whole, and right. 0: it was given up, because TCP sent a segment twice, as it
 * does on a busy machine. Nothing else can happen. */
static inline int recorded(const char *name, uint32_t len)
{
	char get[1100];
	size_t n = zs_rig_request("GET", name, get, sizeof(get));

	events_read();
	assert_int_equal(events.requests, 1);
	zs_recordings_expire(events.recordings, ~0ull);
	if (events.ended[ZS_RECORDING_BROKEN] == 1) {
		events_reset();
		return 0;
	}
	if (events.ended[ZS_RECORDING_STORED] != 1)
		fail_msg("%s of %u bytes: ended %u %u %u %u %u", name, len, events.ended[0],
			 events.ended[1], events.ended[2], events.ended[3], events.ended[4]);
	assert_int_equal(events.body_len, len);
	kern_fill(name, kern.body, len);
	assert_memory_equal(events.body, kern.body, len);
	assert_int_equal(events.asked.digest, zs_rig_digest(&kern.rig, name));
	assert_int_equal(events.asked.head_len, n);
	assert_memory_equal(events.asked.head, get, n);
	events_reset();
	return 1;
}

#define EVENTS_TEST(f) cmocka_unit_test_setup_teardown(f, events_begin, events_finish)

#endif
