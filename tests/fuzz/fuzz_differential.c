// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The recogniser and the framing against a parser that others wrote and many attack (tests/lib/oracle.h).
 * zeroserve may give up where the oracle reads on; but whatever it holds for certain must be what the
 * oracle read: where a request begins, its head ends and its body ends, its target, its fields, its length.
 * The input is the stream itself. tests/fuzz/seeds holds what smuggling is made of.
 */
#include "fields.h"
#include "../lib/oracle.h"

#include <zs/decide.h>
#include <zs/frame.h>

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 12000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct zs_tables tables;
static struct oracle oracle;
static uint8_t text[TEXT_MAX];
static size_t text_len;
static uint32_t random_state;

static void differ(size_t at, const char *what)
{
	fprintf(stderr, "at byte %zu: %s; oracle: %zu messages, then %s\n", at, what, oracle.count,
		llhttp_errno_name(oracle.error));
	abort();
}

static void expect(bool ok, size_t at, const char *what)
{
	if (!ok)
		differ(at, what);
}

/* What begins at text[at], `n` bytes of it. */
static enum zs_scan recognise(struct zs_request *r, size_t at, size_t n)
{
	enum zs_scan scan;

	if (n > ZS_HEAD_MAX)
		n = ZS_HEAD_MAX;
	memset(r, 0xa5, sizeof(*r));
	memcpy(r->head, text + at, n);
	scan = zs_request_scan(r, &tables, (__u32)n);
	if (scan == ZS_SCAN_OK) {
		zs_request_fields(r, &tables);
		zs_request_values(r, &tables);
	}
	return scan;
}

/* --- one head -----------------------------------------------------------------------------------
 */

static bool same(size_t at, size_t start, size_t end, struct oracle_span span)
{
	return end - start == span.len && (!span.len || at + start == span.at);
}

static bool named(struct oracle_span name, const char *word)
{
	static const char from[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (name.len != strlen(word))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = (char)text[name.at + i];

		if ((c && strchr(from, c) ? c + 32 : c) != word[i])
			return false;
	}
	return true;
}

static void check_fields(const struct zs_request *r, const struct oracle_message *m, size_t at)
{
	expect(m->fields == r->lines - 1, at, "number of fields");
	for (size_t n = 1; n < r->lines; n++) {
		const struct zs_line *line = &r->line[n];

		expect(same(at, line->start, line->colon, m->field[n - 1].name), at, "name of a field");
		expect(same(at, line->value, line->end, m->field[n - 1].value), at, "value of a field");
	}
}

/* A field whose value is keyed or decides: there once at most, and that is the value. */
static void check_slot(const struct zs_request *r, const struct oracle_message *m, size_t at,
		       const char *name, enum zs_slot slot)
{
	size_t count = 0;

	for (size_t n = 0; n < m->fields; n++) {
		if (!named(m->field[n].name, name))
			continue;
		count++;
		expect(same(at, r->slot[slot].start, r->slot[slot].end, m->field[n].value), at, name);
	}
	expect(count < 2 && count == (size_t)zs_has(r, slot), at, name);
}

/* A request that is answered: everything that the answer is chosen by. */
static void check_answerable(const struct zs_request *r, const struct oracle_message *m, size_t at)
{
	expect(m->http11 && m->keep_alive, at, "version or connection of an answerable request");
	expect(!m->has_length && !m->coded, at, "body of an answerable request");
	expect(m->get == !!(r->flags & ZS_REQ_GET) && m->head == !!(r->flags & ZS_REQ_HEAD), at, "method");
	expect(m->get || m->head, at, "method of an answerable request");
	expect(m->target.len && text[m->target.at] == '/', at, "form of an answerable target");
	check_slot(r, m, at, "host", ZS_SLOT_HOST);
	check_slot(r, m, at, "x-forwarded-host", ZS_SLOT_XFH);
	check_slot(r, m, at, "x-forwarded-proto", ZS_SLOT_XFP);
	check_slot(r, m, at, "accept-encoding", ZS_SLOT_AE);
	check_slot(r, m, at, "connection", ZS_SLOT_CONN);
	check_slot(r, m, at, "if-none-match", ZS_SLOT_INM);
	check_slot(r, m, at, "if-modified-since", ZS_SLOT_IMS);
	expect(zs_has(r, ZS_SLOT_HOST), at, "answerable without Host");
}

static void check_head(const struct zs_request *r, const struct oracle_message *m, size_t at)
{
	expect(m->start == at, at, "begin of a request");
	expect(m->has_head && m->body == at + r->head_len, at, "end of a head");
	expect(same(at, r->line[0].value, r->line[0].end, m->target), at, "target");
	check_fields(r, m, at);
	if (r->flags & ZS_REQ_PASSIVE)
		return;
	expect(m->http11 && !m->upgrade && !m->coded, at, "a request that ends for certain");
	expect(m->length == r->content_length, at, "Content-Length");
	expect(!m->whole || m->end == at + r->head_len + r->content_length, at, "end of a request");
	if (zs_request_answerable(r))
		check_answerable(r, m, at);
}

/* Heads that the oracle refuses though RFC 9112 has nothing against them; none is ever answered. */
static bool narrower(const struct zs_request *r)
{
	const uint8_t *behind = &r->head[r->slot[ZS_SLOT_CL].end];

	if (zs_request_answerable(r))
		return false;
	if (!memcmp(r->head, "PRI ", 4)) /* to the oracle it begins HTTP/2's preface, and nothing else */
		return !memcmp(&r->head[r->line[0].end], " HTTP/1.1\r", 10);
	switch (oracle.error) {
	case HPE_INVALID_URL: /* of other forms than origin-form it takes few */
		return r->head[r->line[0].value] != '/';
	case HPE_INVALID_CONTENT_LENGTH: /* with HTAB behind it */
		while (zs_has(r, ZS_SLOT_CL) && *behind == ' ')
			behind++;
		return *behind == '\t';
	default:
		return false;
	}
}

/* --- streams ------------------------------------------------------------------------------------
 */

/* Goes through the stream as zeroserve reads it. Returns how many requests both sides agree on; what is
 * behind them nobody looks at. */
static size_t check_messages(void)
{
	static struct zs_request r;
	size_t at = 0, n = 0;

	for (; at < text_len && n < ORACLE_MESSAGES; n++) {
		if (recognise(&r, at, text_len - at) != ZS_SCAN_OK)
			return n;
		expect(n < oracle.count, at, "a request that the oracle does not know of");
		if (!oracle.message[n].has_head && ((r.flags & ZS_REQ_PASSIVE) || narrower(&r)))
			return n;
		check_head(&r, &oracle.message[n], at);
		if ((r.flags & ZS_REQ_PASSIVE) || !oracle.message[n].whole)
			return n;
		/* It was the connection's last request: whatever follows has no reader. */
		if (!oracle.message[n].keep_alive)
			return n;
		at = oracle.message[n].end;
	}
	return n;
}

static uint32_t any(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

static const struct oracle_message *message_at(size_t at)
{
	for (size_t n = 0; n < oracle.count; n++)
		if (oracle.message[n].start == at)
			return &oracle.message[n];
	return NULL;
}

/* Whether a request begins, or ends, or its head ends there. */
static bool border(size_t at)
{
	for (size_t n = 0; n < oracle.count; n++)
		if (oracle.message[n].body == at || oracle.message[n].end == at)
			return true;
	return false;
}

/* The first `whole` requests, in writes of any length: where the framing sees a request begin that ends
 * for certain, one does begin; and as long as it is certain, none is overlooked. */
static void check_writes(size_t whole)
{
	size_t stop = whole ? oracle.message[whole - 1].end : 0;
	struct zs_conn c = {.state = ZS_FRAME_HEAD};
	static struct zs_request r;

	for (size_t at = 0, n; at < stop && c.state != ZS_FRAME_PASSIVE; at += n) {
		const struct oracle_message *m = message_at(at);
		bool far = any(8);

		for (n = 1; at + n < stop && (far ? !border(at + n) || !any(3) : any(20)); n++)
			;
		expect((c.state == ZS_FRAME_HEAD) == (m != NULL), at, "begin of a request in a write");
		if (!zs_frame_begins_request(&c, (__u32)n))
			continue;
		zs_frame_request(&c, &r, recognise(&r, at, n), (__u32)n);
		if (c.state == ZS_FRAME_PASSIVE)
			break;
		expect(at + n <= m->end, at, "a write beyond the request's end");
		expect(c.body_left == m->end - at - n, at, "what is left of a body");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t whole;

	if (!tables.byte['a'] && zs_fields_build(&tables))
		abort();
	text_len = len < TEXT_MAX ? len : TEXT_MAX;
	memcpy(text, data, text_len);
	random_state = 2166136261u;
	for (size_t i = 0; i < text_len; i++)
		random_state = (random_state ^ text[i]) * 16777619u;
	oracle_read(&oracle, text, text_len);
	whole = check_messages();
	for (int i = 0; i < 4; i++)
		check_writes(whole);
	return 0;
}
