// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stream of responses, cut at places that the input chooses, framed as the acceptor's program frames it: where the
 * connection is not passive, what was found is the same as without a cut, and the same as a parser of its own finds.
 * Bytes from 0x80 on stand for fragments.
 */
#include "fields.h"

#include <zs/accept.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX     4000u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static const char *const fragments[] = {
	"HTTP/1.1 200 OK\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 X\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 ", "Content-Length: ", "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n",
	"Transfer-Encoding: ", "chunked", "Connection: close\r\n", "Connection: keep-alive\r\n", "\r\n", "\r\n\r\n", "5\r\nhello\r\n",
	"0\r\n\r\n", "00a\r\n0123456789\r\n", ";", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ": ", "gzip, ",
	"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHTTP/1.1 200",
};

static struct zs_tables tables;
static uint8_t text[TEXT_MAX];
static size_t text_len;

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static void expand(const uint8_t *from, size_t len)
{
	for (text_len = 0; len; from++, len--) {
		const uint8_t *p = from;
		size_t n = 1;

		if (*p >= 0x80) {
			p = (const uint8_t *)fragments[(*p - 0x80u) % COUNT(fragments)];
			n = strlen((const char *)p);
		}
		if (n > TEXT_MAX - text_len)
			break;
		memcpy(text + text_len, p, n);
		text_len += n;
	}
}

/* One message, as the program frames it. */
static void message(struct zs_accept *a, const uint8_t *p, uint32_t len)
{
	static struct zs_request r;
	uint32_t off = 0;

	a->next_write += len;
	while (off < len && a->state != ZS_FRAME_PASSIVE) {
		uint32_t n = len - off;

		if (a->reply == ZS_REPLY_HEAD) {
			memset(&r, 0xaa, sizeof(r));
			memcpy(r.head, p + off, n);
			if (!a->owed || zs_respond_scan(&r, &tables, n) != ZS_SCAN_OK) {
				zs_accept_passive(a);
				return;
			}
			zs_request_fields(&r, &tables);
			zs_accept_respond(a, &r, zs_respond_body(&r, (int)(zs_accept_oldest(a)->flags & ZS_OWED_HEAD)));
			expect(r.head_len > 0 && r.head_len <= n);
			off += r.head_len;
		} else if (a->reply == ZS_REPLY_CHUNKED && a->step != ZS_CHUNK_DATA) {
			uint32_t took = zs_chunk_take(a, p + off, n < ZS_CHUNK_WINDOW ? n : ZS_CHUNK_WINDOW);

			expect(took > 0);
			off += took;
			if (a->step == ZS_CHUNK_END)
				zs_accept_pop(a);
			else if (a->step == ZS_CHUNK_BAD)
				zs_accept_passive(a);
		} else {
			expect(a->reply_left > 0);
			off += zs_accept_reply(a, n);
		}
	}
	expect(a->owed <= ZS_OWED_MAX);
}

/* Where the response at `at` ends, by a reading of its own; 0: it does not end within the text, or is refused. */
static size_t end_of(size_t at, bool head)
{
	const char *p = (const char *)text;
	const uint8_t *end = memmem(text + at, text_len - at, "\r\n\r\n", 4);
	size_t body, length = 0;
	bool chunked = false, sized = false;

	if (!end || text_len - at < 13 || memcmp(p + at, "HTTP/1.1 ", 9))
		return 0;
	body = (size_t)(end - text) + 4;
	for (size_t line = at; line < body - 2;) {
		const char *eol = memmem(p + line, body - line, "\r\n", 2);
		size_t n = (size_t)(eol - (p + line));

		if (n >= 18 && !strncasecmp(p + line, "transfer-encoding:", 18))
			chunked = true;
		if (n >= 15 && !strncasecmp(p + line, "content-length:", 15)) {
			sized = true;
			length = strtoul(p + line + 15, NULL, 10);
		}
		line += n + 2;
	}
	if (p[at + 9] == '1' || head || !memcmp(p + at + 9, "204", 3) || !memcmp(p + at + 9, "304", 3))
		return body;
	if (!chunked)
		return sized && length <= text_len - body ? body + length : 0;
	for (;;) {
		const uint8_t *eol = memmem(text + body, text_len - body, "\r\n", 2);
		size_t n;

		if (!eol)
			return 0;
		n = strtoul(p + body, NULL, 16);
		body = (size_t)(eol - text) + 2;
		if (n + 2 > text_len - body)
			return 0;
		body += n + 2;
		if (!n)
			return body;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct zs_accept whole = {0}, cut = {0};
	uint32_t seed, heads;
	size_t at = 0;

	if (!tables.byte['a'])
		expect(!zs_fields_build(&tables));
	if (len < 5)
		return 0;
	memcpy(&seed, data, 4);
	heads = data[4];
	expand(data + 5, len - 5);
	for (int i = 0; i < 8; i++) {
		zs_accept_push(&whole, 0, heads >> i & 1 ? ZS_OWED_HEAD : 0);
		zs_accept_push(&cut, 0, heads >> i & 1 ? ZS_OWED_HEAD : 0);
	}
	message(&whole, text, (uint32_t)text_len);
	for (size_t off = 0, n; off < text_len; off += n) {
		seed = seed * 1664525u + 1013904223u;
		n = 1 + (seed >> 8) % 64;
		if (n > text_len - off)
			n = text_len - off;
		message(&cut, text + off, (uint32_t)n);
	}
	if (cut.state != ZS_FRAME_PASSIVE) { /* a cut only makes it passive sooner */
		expect(whole.state != ZS_FRAME_PASSIVE && cut.owed == whole.owed && cut.reply == whole.reply);
		expect(cut.reply == ZS_REPLY_HEAD || cut.reply_left == whole.reply_left);
	}
	if (whole.state == ZS_FRAME_PASSIVE || whole.reply != ZS_REPLY_HEAD)
		return 0;
	for (uint32_t done = 0; at < text_len; ) {
		size_t end = end_of(at, heads >> done & 1);

		expect(end > at);
		done += text[at + 9] != '1';
		at = end;
		expect(at < text_len || done == 8 - whole.owed);
	}
	return 0;
}
