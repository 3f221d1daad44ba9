// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The response parser: no cut of the bytes changes its final answer, a body lies within what was
 * given, and the head rendered from it is as strict as any. The first byte sets the largest
 * body; bytes from 0x80 to 0xbf stand for fragments, so that the grammar is found soon.
 */
#include "render.h"
#include "response.h"

#include <zs/abi.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX     20000u
#define CUTS	     96u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static const char *const fragments[] = {
	"HTTP/1.1 200 OK\r\n",
	"HTTP/1.1 ",
	"200 ",
	"100 Continue\r\n\r\n",
	"HTTP/1.1 103 E\r\n",
	"204 N\r\n",
	"304 N\r\n",
	"101 S\r\n",
	"\r\n",
	"\r\n\r\n",
	"Content-Length: ",
	"5\r\n\r\nhello",
	"Transfer-Encoding: chunked\r\n",
	"Transfer-Encoding: chunked\r\n\r\n",
	"0\r\n\r\n",
	"5\r\nhello\r\n",
	"a\r\n0123456789\r\n",
	"00000001\r\nx\r\n",
	"ffffffff",
	"Connection: ",
	"Connection: close, x-foo\r\n",
	"X-Foo: bar\r\n",
	"Age: 5\r\n",
	"Date: ",
	"Sun, 06 Nov 1994 08:49:37 GMT\r\n",
	"Cache-Status: x; hit\r\n",
	"Trailer: x\r\n",
	"keep-alive: x\r\n",
	"A: ",
	"\n",
	"\r",
	" ",
	"\t",
	":",
	",",
	"\"",
	"Content-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: ",
	"cache-status",
	"date",
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	"xxxxxxx",
	"A: b\r\nC: d\r\nE: f\r\nG: h\r\nI: j\r\nK: l\r\nM: n\r\nO: p\r\nQ: r\r\nS: t\r\nU: "
	"v\r\nW: x\r\n",
};

static uint8_t text[TEXT_MAX];
static size_t text_len;
static uint64_t max_body;

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static void expand(const uint8_t *in, size_t len)
{
	text_len = 0;
	for (size_t i = 0; i < len; i++) {
		const uint8_t *p = &in[i];
		size_t n = 1;

		if (*p >= 0x80 && *p < 0xc0) {
			p = (const uint8_t *)fragments[(*p - 0x80u) % COUNT(fragments)];
			n = strlen((const char *)p);
		}
		if (n > TEXT_MAX - text_len)
			break;
		memcpy(text + text_len, p, n);
		text_len += n;
	}
}

/* An allocation that ends where the bytes end. */
static uint8_t *exact(size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	return copy;
}

static int head(size_t len, struct zs_response *r)
{
	uint8_t *copy = exact(len);
	int err = zs_response_head(copy, len, r);

	free(copy);
	return err;
}

/* The body of the first `len` bytes; checked, copied out to *data. */
static int body(size_t len, struct zs_response *r, uint8_t **data, size_t *data_len)
{
	uint8_t *copy = exact(len);
	struct zs_body out;
	int err = zs_response_body(copy, len, r, max_body, &out);

	if (!err) {
		expect(out.len <= max_body);
		expect(out.owned ? out.data == out.owned
				 : out.data >= copy + r->body_off &&
					   out.data + out.len <= copy + len);
		*data = malloc(out.len ? out.len : 1);
		if (out.len)
			memcpy(*data, out.data, out.len);
		*data_len = out.len;
		zs_body_free(&out);
	}
	free(copy);
	return err;
}

static unsigned int count_fields(const struct zs_response *r, const char *name)
{
	unsigned int n = 0;

	for (int i = 0; (i = zs_response_find(r, name, (unsigned int)i)) >= 0; i++)
		n++;
	return n;
}

/* It fits where there is just enough room, and not with one byte less. */
static void check_room(const struct zs_response *r, size_t body_len, const uint8_t *want,
		       const struct zs_rendered *rendered)
{
	struct zs_rendered out;

	for (uint32_t room = rendered->head_len - 1; room <= rendered->head_len; room++) {
		uint8_t *buf = malloc(room);
		int err = zs_render_head(r, body_len, 784111777, buf, room, &out);

		expect(err == (room < rendered->head_len ? -E2BIG : 0));
		expect(err || !memcmp(buf, want, room));
		free(buf);
	}
}

static void check_render(const struct zs_response *r, size_t body_len)
{
	static const char *const gone[] = {"connection",	"keep-alive", "te",
					   "transfer-encoding", "upgrade",    "trailer",
					   "proxy-connection"};
	uint8_t buf[ZS_ANSWER_HEAD_MAX];
	struct zs_rendered out;
	struct zs_response again;
	int err = zs_render_head(r, body_len, 784111777, buf, sizeof(buf), &out);

	expect(!err || err == (r->status == 304 ? -EINVAL : -E2BIG));
	if (err)
		return;
	check_room(r, body_len, buf, &out);
	expect(!zs_response_head(buf, out.head_len, &again));
	expect(again.head_len == out.head_len && again.status == r->status && !again.interim);
	expect(again.content_length == body_len);
	expect(count_fields(&again, "content-length") == (r->status != 204));
	expect(count_fields(&again, "age") == 1);
	expect(count_fields(&again, "date") >= 1);
	expect(zs_text_is(zs_response_name(&again, again.fields - 1), "cache-status"));
	for (size_t i = 0; i < COUNT(gone); i++)
		expect(!count_fields(&again, gone[i]));
	for (unsigned int i = 0; i < ZS_SLOT_DIGITS; i++)
		expect(buf[out.age_off + i] == ' ' && buf[out.ttl_off + i] == ' ');
	expect(out.ttl_off + ZS_SLOT_DIGITS + 4 == out.head_len);
	/* with digits in its slots it is a head still */
	memset(buf + out.age_off, '1', ZS_SLOT_DIGITS);
	memset(buf + out.ttl_off, '1', ZS_SLOT_DIGITS);
	expect(!zs_response_head(buf, out.head_len, &again));
}

/* Bodies of all cuts, walked on in one response, against the body of the whole, parsed at once. */
static void check_bodies(const struct zs_response *parsed, size_t step)
{
	struct zs_response whole = *parsed, walked = *parsed;
	uint8_t *data, *part;
	size_t data_len = 0, part_len;
	int result = body(text_len, &whole, &data, &data_len);

	expect(!result || result == -EAGAIN || result == -EBADMSG || result == -EFBIG);
	for (size_t n = parsed->body_off; n <= text_len;
	     n += n + step > text_len && n < text_len ? text_len - n : step) {
		int err = body(n, &walked, &part, &part_len);

		if (n == text_len)
			expect(err == result);
		else if (!err)
			expect(result == -EBADMSG);
		else
			expect(err == -EAGAIN || err == result);
		if (!err && n == text_len)
			expect(part_len == data_len && !memcmp(part, data, part_len));
		if (!err)
			free(part);
	}
	if (result)
		return;
	check_render(&whole, data_len);
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct zs_response whole, part;
	size_t step;
	int result;

	if (!len)
		return 0;
	max_body = in[0] < 0x80 ? 100000 : in[0] - 0x80u;
	expand(in + 1, len - 1);
	step = text_len / CUTS + 1;
	result = head(text_len, &whole);
	expect(!result || result == -EAGAIN || result == -EBADMSG);
	for (size_t n = 0; n < text_len; n += step) {
		int err = head(n, &part);

		expect(err == -EAGAIN || err == result);
		expect(err || !memcmp(&part, &whole, sizeof(part)));
	}
	if (!result) {
		expect(whole.head_len <= ZS_RESPONSE_HEAD_MAX && whole.body_off <= text_len);
		check_bodies(&whole, step);
	}
	return 0;
}
