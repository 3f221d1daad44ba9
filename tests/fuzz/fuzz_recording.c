// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recordings under any sequence of events: each that began ends once, or is there still; what the
 * owner is given is what the segments held; nothing is read behind an event's end. A step is an
 * operation, a choice, a place, a length and a time; bytes of a segment come from a few responses,
 * or from the input.
 */
#include "recording.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COOKIES	     4u
#define CAP	     600u
#define MAX_BODY     120u
#define STEP	     5u

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static const char *const texts[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 120\r\n\r\n"
	"012345678901234567890123456789012345678901234567890123456789"
	"012345678901234567890123456789012345678901234567890123456789",
	"HTTP/1.1 200 OK\r\nContent-Length: 121\r\n\r\n",
	"HTTP/1.1 404 N\r\nContent-Length: 2\r\n\r\nno more than this",
	"HTTP/1.1 204 N\r\n\r\n",
};

/* What is known of the recording on each connection, by the events alone. */
struct model {
	bool live;
	uint64_t record, asked, last, first;
	uint32_t base;
	bool based, seen[CAP];
	uint8_t byte[CAP];
};

static struct model models[COOKIES];
static uint32_t live, next_record;
static unsigned int ends, heads, wholes;
static uint64_t ended;
static enum zs_recording_end ended_how;
static int answers; /* of the owner: bit 0 head, bit 1 whole */

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static struct model *model_of(const struct zs_asked *asked)
{
	struct model *m = &models[asked->digest % COOKIES];

	expect(asked->digest < COOKIES && m->live);
	expect(asked->time == m->asked && asked->head_len <= ZS_HEAD_MAX);
	return m;
}

static int on_head(void *user, const struct zs_asked *asked, const struct zs_response *r,
		   uint64_t arrived)
{
	struct model *m = model_of(asked);

	(void)user;
	expect(arrived == m->first && !heads++);
	expect(r->body_off <= CAP && r->head_len <= r->body_off);
	for (size_t i = 0; i < r->body_off; i++)
		expect(m->seen[i]);
	expect(!memcmp(r->head, m->byte + r->body_off - r->head_len, r->head_len));
	return answers & 1;
}

static int on_whole(void *user, const struct zs_asked *asked, const struct zs_response *r,
		    const struct zs_body *body, uint64_t arrived)
{
	struct model *m = model_of(asked);

	(void)user;
	expect(arrived == m->first && !wholes++);
	expect(body->len <= MAX_BODY && (body->data || !body->len));
	if (r->framing == ZS_FRAMING_LENGTH) {
		expect(r->content_length == body->len);
		for (size_t i = 0; i < body->len; i++)
			expect(m->seen[r->body_off + i] &&
			       m->byte[r->body_off + i] == body->data[i]);
		expect(r->body_off + body->len == CAP || !m->seen[r->body_off + body->len]);
	}
	return answers & 2 ? 0 : -1;
}

static void on_end(void *user, const struct zs_asked *asked, uint64_t record,
		   enum zs_recording_end how)
{
	struct model *m = model_of(asked);

	(void)user;
	expect(record == m->record && how < ZS_RECORDING_ENDS);
	expect(how != ZS_RECORDING_STORED || (wholes == 1 && answers & 2));
	ends++;
	ended = record;
	ended_how = how;
	m->live = false;
	live--;
}

/* An event in memory that ends where it ends. */
static void give(struct zs_recordings *r, const void *event, size_t size)
{
	void *copy = malloc(size ? size : 1);

	memcpy(copy, event, size);
	ends = heads = wholes = 0;
	zs_recordings_event(r, copy, size);
	expect(ends <= 1);
	free(copy);
}

/* `bad`: 0, or what is wrong with it. */
static void request(struct zs_recordings *r, uint32_t cookie, uint64_t time, uint8_t bad)
{
	static struct zs_event_request ev;
	struct model *m = &models[cookie], old = *m;
	size_t size;

	memset(&ev, bad, sizeof(ev));
	ev.ev = (struct zs_event){ZS_EVENT_REQUEST, 0, cookie, next_record + 1, time};
	ev.digest = cookie;
	ev.bucket = bad == 1 ? ZS_GENERATIONS : bad;
	ev.key_len = bad == 2 ? sizeof(struct zs_key) + 1 : 64;
	ev.head_len = bad == 3 ? ZS_HEAD_MAX + 1 : bad == 4 ? UINT32_MAX : bad * 16u;
	size = offsetof(struct zs_event_request, head) + ev.head_len;
	if (bad == 3 || bad == 4)
		size = sizeof(ev);
	if (bad == 5)
		size--;
	if (bad == 6)
		size = 7;
	if (bad >= 1 && bad <= 6) {
		give(r, &ev, size);
		expect(!ends && !memcmp(m, &old, sizeof(old)));
		return;
	}
	give(r, &ev, size);
	expect(ends == old.live &&
	       (!ends || (ended == old.record && ended_how == ZS_RECORDING_BROKEN)));
	*m = (struct model){.live = true, .record = ++next_record, .asked = time, .last = time};
	live++;
}

/* What the segment means to the model. False: it must end the recording as broken. */
static bool model_add(struct model *m, const struct zs_event_data *ev)
{
	if (!m->based)
		m->base = ev->base;
	m->based = true;
	if (!m->first || ev->ev.time < m->first)
		m->first = ev->ev.time;
	for (uint32_t i = 0; i < ev->data_len; i++) {
		uint32_t at = ev->seq + i - m->base;

		if (at >= CAP || m->seen[at])
			return false;
		m->seen[at] = true;
		m->byte[at] = ev->data[i];
	}
	return true;
}

/* `how`: flags in the low bits; then whose it is, whether its length lies, whether its base does.
 */
static void segment(struct zs_recordings *r, uint32_t cookie, uint64_t time, uint8_t how,
		    uint32_t at, const uint8_t *bytes, uint32_t len)
{
	struct zs_event_data *ev = calloc(1, sizeof(*ev) + len);
	struct model *m = &models[cookie];
	bool mine = !(how & 4) && m->live, lies = how & 8, fits = true;
	uint64_t record = m->record;

	ev->ev = (struct zs_event){ZS_EVENT_DATA, 0, cookie, record + (how & 4), time};
	ev->base = 0xffffff80u + (how & 16);
	ev->seq = 0xffffff80u + at;
	ev->data_len = len + lies;
	ev->flags = how & (ZS_DATA_FIN | ZS_DATA_CUT);
	memcpy(ev->data, bytes, len);
	if (mine && !lies)
		m->last = time;
	if (mine && !lies && !(how & ZS_DATA_CUT))
		fits = model_add(m, ev);
	give(r, ev, sizeof(*ev) + len);
	if (!mine || lies)
		expect(!ends && !heads);
	else if (how & ZS_DATA_CUT)
		expect(ends && ended_how == ZS_RECORDING_LARGE);
	else if (!fits)
		expect(ends && ended_how == ZS_RECORDING_BROKEN && !heads && !wholes);
	else if (ends)
		expect(ended == record && (ended_how != ZS_RECORDING_BROKEN || (how & ZS_DATA_FIN)));
	else
		expect(!(how & ZS_DATA_FIN));
	free(ev);
}

static void expire(struct zs_recordings *r, uint64_t before)
{
	uint32_t old = 0;

	for (uint32_t i = 0; i < COOKIES; i++)
		old += models[i].live && models[i].last < before;
	ends = 0;
	zs_recordings_expire(r, before);
	expect(ends == old && (!ends || ended_how == ZS_RECORDING_BROKEN));
	for (uint32_t i = 0; i < COOKIES; i++)
		expect(!models[i].live || models[i].last >= before);
}

static void step(struct zs_recordings *r, const uint8_t *in, const uint8_t *rest, size_t left)
{
	const char *text = texts[in[1] % COUNT(texts)];
	uint32_t cookie = in[0] / 16 % COOKIES, at = in[2], len = in[3];
	size_t whole = strlen(text);

	switch (in[0] % 16) {
	case 0:
	case 1:
		request(r, cookie, in[4], in[1] < 200 ? 0 : in[1] - 200);
		break;
	case 2:
		expire(r, in[4]);
		break;
	case 3: /* the input's own bytes */
		segment(r, cookie, in[4], in[1], at, rest, (uint32_t)(len < left ? len : left));
		break;
	case 4: /* anything: only that it does no harm */
		if (left >= sizeof(uint32_t) && rest[0] != ZS_EVENT_REQUEST &&
		    rest[0] != ZS_EVENT_DATA)
			give(r, rest, left);
		break;
	case 5:
		answers = in[1];
		break;
	default: /* a piece of a response, in its place */
		at = at < whole ? at : 0;
		len = len < whole - at ? len : (uint32_t)(whole - at);
		segment(r, cookie, in[4], in[0] & 8 ? 0 : in[1] / 8, at, (const uint8_t *)text + at,
			len);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct zs_recordings_owner owner = {
		.head = on_head,
		.whole = on_whole,
		.end = on_end,
		.max_body = MAX_BODY,
		.cap = CAP,
	};
	struct zs_recordings *r;

	memset(models, 0, sizeof(models));
	live = next_record = 0;
	answers = 3;
	expect(!zs_recordings_create(&owner, &r));
	for (size_t at = 0; at + STEP <= len; at += STEP) {
		step(r, in + at, in + at + STEP, len - at - STEP);
		expect(zs_recordings_active(r) == live);
	}
	zs_recordings_destroy(r);
	return 0;
}
