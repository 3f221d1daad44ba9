// SPDX-License-Identifier: GPL-2.0-or-later
/* Recordings in progress, one per connection. */
#include "recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reassembly.h"

struct recording {
	struct recording *next;
	uint64_t cookie;
	uint64_t record;
	uint64_t arrived; /* boot-time ns of the first payload; 0: none yet */
	uint64_t last;    /* boot-time ns of the last event */
	int begun;        /* the reassembly has its base */
	int parsed;       /* response is valid */
	struct zs_reassembly bytes;
	struct zs_asked asked;
	struct zs_response response;
};

struct zs_recordings {
	struct zs_recordings_owner owner;
	struct recording *list; /* newest first */
	uint32_t active;
};

int zs_recordings_create(const struct zs_recordings_owner *owner, struct zs_recordings **out)
{
	struct zs_recordings *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->owner = *owner;
	*out = r;
	return 0;
}

static void release(struct zs_recordings *r, struct recording **at)
{
	struct recording *x = *at;

	*at = x->next;
	zs_reassembly_free(&x->bytes);
	free(x);
	r->active--;
}

void zs_recordings_destroy(struct zs_recordings *r)
{
	if (!r)
		return;
	while (r->list)
		release(r, &r->list);
	free(r);
}

static void end(struct zs_recordings *r, struct recording **at, enum zs_recording_end how)
{
	if ((*at)->asked.unsafe)
		how = ZS_RECORDING_UNSAFE;
	r->owner.end(r->owner.user, &(*at)->asked, (*at)->record, how);
	release(r, at);
}

static struct recording **find_cookie(struct zs_recordings *r, uint64_t cookie)
{
	struct recording **at = &r->list;

	while (*at && (*at)->cookie != cookie)
		at = &(*at)->next;
	return at;
}

static void asked_fill(struct zs_asked *a, const struct zs_event_request *ev)
{
	a->digest = ev->digest;
	a->time = ev->ev.time;
	a->bucket = ev->bucket;
	a->generation = ev->generation;
	a->flush = ev->flush;
	a->key_len = ev->key_len;
	a->head_len = ev->head_len;
	a->unsafe = ev->ev.kind == ZS_EVENT_UNSAFE;
	a->key = ev->key;
	memcpy(a->head, ev->head, ev->head_len);
}

static void request_event(struct zs_recordings *r, const struct zs_event_request *ev, size_t size)
{
	struct recording **at, *x;

	if (size < offsetof(struct zs_event_request, head) || ev->head_len > ZS_HEAD_MAX ||
	    size < offsetof(struct zs_event_request, head) + ev->head_len ||
	    ev->key_len > sizeof(struct zs_key) || ev->bucket >= ZS_GENERATIONS)
		return;
	at = find_cookie(r, ev->ev.cookie);
	if (*at) /* the connection went on to its next request: whatever is missing will not come */
		end(r, at, ZS_RECORDING_BROKEN);
	if (r->active >= ZS_RECORDINGS_MAX) { /* the oldest is the least likely to come to its end */
		for (at = &r->list; (*at)->next; at = &(*at)->next)
			;
		end(r, at, ZS_RECORDING_BROKEN);
	}
	x = calloc(1, sizeof(*x));
	if (!x)
		return;
	x->cookie = ev->ev.cookie;
	x->record = ev->ev.record;
	x->last = ev->ev.time;
	asked_fill(&x->asked, ev);
	x->next = r->list;
	r->list = x;
	r->active++;
}

/* What zs_response_body() says of one that is no body. */
static enum zs_recording_end body_end(int err)
{
	switch (err) {
	case -EFBIG:
		return ZS_RECORDING_LARGE;
	case -ENOMEM:
		return ZS_RECORDING_OVERTAKEN;
	default:
		return ZS_RECORDING_MALFORMED;
	}
}

static enum zs_recording_end whole_end(int err)
{
	switch (err) {
	case 0:
		return ZS_RECORDING_STORED;
	case -EINVAL:
	case -E2BIG:
	case -EFBIG:
	case -ENOSPC:
		return ZS_RECORDING_REFUSED;
	default:
		return ZS_RECORDING_OVERTAKEN;
	}
}

/* Looks at what is there. Returns -EAGAIN to go on, else how it ended. */
static int progress(struct zs_recordings *r, struct recording *x)
{
	const uint8_t *data;
	size_t len = zs_reassembly_prefix(&x->bytes, &data);
	struct zs_body body;
	int err;

	if (!x->parsed) {
		err = zs_response_head(data, len, &x->response);
		if (err)
			return err == -EAGAIN ? err : ZS_RECORDING_MALFORMED;
		x->parsed = 1;
		if (x->asked.unsafe) {
			if (r->owner.unsafe)
				r->owner.unsafe(r->owner.user, &x->asked, &x->response);
			return ZS_RECORDING_UNSAFE;
		}
		if (!r->owner.head(r->owner.user, &x->asked, &x->response, x->arrived))
			return ZS_RECORDING_REFUSED;
	}
	err = zs_response_body(data, len, &x->response, r->owner.max_body, &body);
	if (err == -EAGAIN)
		return err;
	if (err)
		return body_end(err);
	err = r->owner.whole(r->owner.user, &x->asked, &x->response, &body, x->arrived);
	zs_body_free(&body);
	return whole_end(err);
}

static void data_event(struct zs_recordings *r, const struct zs_event_data *ev, size_t size)
{
	struct recording **at, *x;
	int how;

	if (size < sizeof(*ev) || ev->data_len > size - sizeof(*ev))
		return;
	at = find_cookie(r, ev->ev.cookie);
	x = *at;
	if (!x || x->record != ev->ev.record)
		return;
	x->last = ev->ev.time;
	if (ev->flags & ZS_DATA_CUT) {
		end(r, at, ZS_RECORDING_LARGE);
		return;
	}
	if (!x->begun) {
		zs_reassembly_init(&x->bytes, ev->base, r->owner.cap);
		x->begun = 1;
	}
	if (!x->arrived || ev->ev.time < x->arrived)
		x->arrived = ev->ev.time;
	if (zs_reassembly_add(&x->bytes, ev->seq, ev->data, ev->data_len)) {
		end(r, at, ZS_RECORDING_BROKEN);
		return;
	}
	how = progress(r, x);
	if (how == -EAGAIN && (ev->flags & ZS_DATA_FIN))
		how = ZS_RECORDING_BROKEN; /* cut short: what the close is to delimit was malformed before */
	if (how != -EAGAIN)
		end(r, at, how);
}

void zs_recordings_event(struct zs_recordings *r, const void *event, size_t size)
{
	const struct zs_event *ev = event;

	if (size < sizeof(*ev))
		return;
	if (ev->kind == ZS_EVENT_REQUEST || ev->kind == ZS_EVENT_UNSAFE)
		request_event(r, event, size);
	else if (ev->kind == ZS_EVENT_DATA)
		data_event(r, event, size);
}

void zs_recordings_expire(struct zs_recordings *r, uint64_t before)
{
	struct recording **at = &r->list;

	while (*at) {
		if ((*at)->last < before)
			end(r, at, ZS_RECORDING_BROKEN);
		else
			at = &(*at)->next;
	}
}

uint32_t zs_recordings_active(const struct zs_recordings *r)
{
	return r->active;
}
