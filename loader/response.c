// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A strict reader of HTTP/1.1 responses. Works from left to right over complete lines, so that what
 * it says about a line does not depend on what follows.
 */
#include "response.h"

#include "date.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_LENGTH_DIGITS 15u
#define CHUNK_SIZE_DIGITS     8u
/* --- fields ---------------------------------------------------------------------------------- */

struct zs_text zs_response_name(const struct zs_response *r, unsigned int i)
{
	return (struct zs_text){r->head + r->field[i].name, r->field[i].name_len};
}

struct zs_text zs_response_value(const struct zs_response *r, unsigned int i)
{
	return (struct zs_text){r->head + r->field[i].value, r->field[i].value_len};
}

int zs_response_find(const struct zs_response *r, const char *name, unsigned int from)
{
	for (unsigned int i = from; i < r->fields; i++) {
		if (zs_text_is(zs_response_name(r, i), name))
			return (int)i;
	}
	return -ENOENT;
}

int zs_date_field(const struct zs_response *r, const char *name, int64_t wall, int64_t *out)
{
	int i = zs_response_find(r, name, 0);

	if (i < 0)
		return -ENOENT;
	if (zs_response_find(r, name, (unsigned int)i + 1) >= 0 ||
	    zs_http_date_parse(zs_response_value(r, (unsigned int)i), wall, out))
		return -EBADMSG;
	return 0;
}

/* --- head ------------------------------------------------------------------------------------ */

/*
 * The line at *pos, without its CRLF; *pos moves behind it. `limit` is the offset at which the
 * section that the line belongs to must have ended.
 */
static int line_next(struct zs_text in, size_t *pos, size_t limit, struct zs_text *line)
{
	size_t end = in.len < limit ? in.len : limit;
	const uint8_t *begin = in.p + *pos, *lf = NULL;

	if (*pos < end)
		lf = memchr(begin, '\n', end - *pos);
	if (!lf)
		return in.len >= limit ? -EBADMSG : -EAGAIN;
	if (lf == begin || lf[-1] != '\r')
		return -EBADMSG;
	*line = (struct zs_text){begin, (size_t)(lf - begin) - 1};
	*pos += line->len + 2;
	return 0;
}

/* field-line (RFC 9112 5) into offsets from `head`. */
static int field_parse(struct zs_text line, const uint8_t *head, struct zs_response_field *f)
{
	size_t n = zs_token_len(line);
	struct zs_text value;

	if (!n || n == line.len || line.p[n] != ':')
		return -EBADMSG;
	value = zs_text_trim((struct zs_text){line.p + n + 1, line.len - n - 1});
	if (!zs_text_plain(value))
		return -EBADMSG;
	f->name = (uint16_t)(line.p - head);
	f->name_len = (uint16_t)n;
	f->value = (uint16_t)(value.p - head);
	f->value_len = (uint16_t)value.len;
	return 0;
}

/*
 * Field lines and the empty line behind them; *pos moves behind that. The section that they are
 * part of begins at `start` and holds ZS_RESPONSE_HEAD_MAX bytes at most. `field` and *count are
 * scratch.
 */
static int fields_parse(struct zs_text in, size_t start, size_t *pos,
			struct zs_response_field *field, uint32_t *count)
{
	*count = 0;
	for (;;) {
		struct zs_text line;
		int err = line_next(in, pos, start + ZS_RESPONSE_HEAD_MAX, &line);

		if (err || !line.len)
			return err;
		if (*count == ZS_RESPONSE_FIELDS_MAX)
			return -EBADMSG;
		err = field_parse(line, in.p + start, &field[*count]);
		if (err)
			return err;
		++*count;
	}
}

/* status-line (RFC 9112 4): "HTTP/1.1", SP, three digits, SP, any reason. */
static int status_parse(struct zs_text line, struct zs_response *r)
{
	const uint8_t *code = line.p + 9;

	if (line.len < 13 || memcmp(line.p, "HTTP/1.1 ", 9) || code[3] != ' ')
		return -EBADMSG;
	if (code[0] < '1' || code[0] > '5' || !zs_is_digit(code[1]) || !zs_is_digit(code[2]))
		return -EBADMSG;
	if (!zs_text_plain((struct zs_text){line.p + 13, line.len - 13}))
		return -EBADMSG;
	r->status = (uint32_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
	r->reason = 13;
	r->reason_len = (uint16_t)(line.len - 13);
	return 0;
}

/* RFC 9112 6.2, narrower: 1 to 15 digits, a leading zero only alone. */
static int content_length_parse(struct zs_text value, uint64_t *out)
{
	uint64_t n = 0;

	if (!value.len || value.len > CONTENT_LENGTH_DIGITS || (value.p[0] == '0' && value.len > 1))
		return -EBADMSG;
	for (size_t i = 0; i < value.len; i++) {
		if (!zs_is_digit(value.p[i]))
			return -EBADMSG;
		n = n * 10 + (value.p[i] - '0');
	}
	*out = n;
	return 0;
}

/* RFC 9112 6.3, narrower. */
static int framing_parse(struct zs_response *r)
{
	int length = zs_response_find(r, "content-length", 0);
	int coding = zs_response_find(r, "transfer-encoding", 0);

	r->content_length = 0;
	r->framing = ZS_FRAMING_NONE;
	if (length >= 0) {
		if (zs_response_find(r, "content-length", (unsigned int)length + 1) >= 0 ||
		    content_length_parse(zs_response_value(r, (unsigned int)length),
					 &r->content_length))
			return -EBADMSG;
		r->framing = ZS_FRAMING_LENGTH;
	}
	if (coding >= 0) {
		if (length >= 0 ||
		    zs_response_find(r, "transfer-encoding", (unsigned int)coding + 1) >= 0 ||
		    !zs_text_is(zs_response_value(r, (unsigned int)coding), "chunked"))
			return -EBADMSG;
		r->framing = ZS_FRAMING_CHUNKED;
	}
	if (r->status < 200)
		return r->framing == ZS_FRAMING_NONE ? 0 : -EBADMSG;
	if (r->status != 204 && r->status != 304)
		return r->framing == ZS_FRAMING_NONE ? -EBADMSG : 0;
	if (coding >= 0 || (r->status == 204 && r->content_length))
		return -EBADMSG;
	r->framing = ZS_FRAMING_NONE;
	return 0;
}

/* One head, interim or final, at `start`. r is scratch; r->body_off is the offset behind the head.
 */
static int head_parse(struct zs_text in, size_t start, struct zs_response *r)
{
	size_t pos = start, there = in.len - start;
	struct zs_text line;
	int err;

	/* what is no HTTP/1.1 response is not worth waiting for the end of its line */
	if (there && memcmp(in.p + start, "HTTP/1.1 ", there < 9 ? there : 9))
		return -EBADMSG;
	err = line_next(in, &pos, start + ZS_RESPONSE_HEAD_MAX, &line);
	if (err)
		return err;
	err = status_parse(line, r);
	if (err)
		return err;
	err = fields_parse(in, start, &pos, r->field, &r->fields);
	if (err)
		return err;
	r->head_len = (uint32_t)(pos - start);
	memcpy(r->head, in.p + start, r->head_len);
	r->body_off = pos;
	return framing_parse(r);
}

int zs_response_head(const uint8_t *buf, size_t len, struct zs_response *r)
{
	struct zs_text in = {buf, len};
	struct zs_response found;

	if (!len)
		return -EAGAIN;
	memset(&found, 0, sizeof(found));
	while (found.interim <= ZS_RESPONSE_INTERIM_MAX) {
		int err = head_parse(in, found.body_off, &found);

		if (err)
			return err;
		if (found.status >= 200) {
			found.walk_off = found.body_off;
			*r = found;
			return 0;
		}
		if (found.status == 101 || found.body_off > ZS_RESPONSE_HEAD_MAX)
			return -EBADMSG;
		found.interim++;
	}
	return -EBADMSG;
}

/* --- body ------------------------------------------------------------------------------------ */

static int hex_digit(uint8_t c)
{
	if (zs_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The CRLF at `pos`, as far as it is there. */
static int crlf_check(struct zs_text in, size_t pos)
{
	if (pos < in.len && in.p[pos] != '\r')
		return -EBADMSG;
	if (pos + 1 < in.len && in.p[pos + 1] != '\n')
		return -EBADMSG;
	return pos + 1 < in.len ? 0 : -EAGAIN;
}

/* A chunk-size line without extension (RFC 9112 7.1); *pos moves behind it. */
static int chunk_size_parse(struct zs_text in, size_t *pos, uint64_t *size)
{
	size_t i = *pos;
	uint64_t n = 0;
	int err;

	for (; i < in.len && hex_digit(in.p[i]) >= 0; i++) {
		if (i - *pos == CHUNK_SIZE_DIGITS)
			return -EBADMSG;
		n = n << 4 | (uint64_t)hex_digit(in.p[i]);
	}
	if (i == *pos)
		return i < in.len ? -EBADMSG : -EAGAIN;
	err = crlf_check(in, i);
	if (err)
		return err;
	*pos = i + 2;
	*size = n;
	return 0;
}

/* Moves r->walk_off to the last chunk's line; *end is the offset behind the trailers. */
static int chunks_walk(struct zs_text in, struct zs_response *r, uint64_t max_body, size_t *end)
{
	struct zs_response_field scratch[ZS_RESPONSE_FIELDS_MAX];
	uint32_t count;

	for (;;) {
		size_t pos = r->walk_off;
		uint64_t size;
		int err = chunk_size_parse(in, &pos, &size);

		if (err)
			return err;
		if (!size) {
			err = fields_parse(in, pos, &pos, scratch, &count);
			if (!err)
				*end = pos;
			return err;
		}
		if (r->walk_len > max_body || size > max_body - r->walk_len)
			return -EFBIG;
		if (size > in.len - pos)
			return -EAGAIN;
		err = crlf_check(in, pos + size);
		if (err)
			return err;
		r->walk_off = pos + size + 2;
		r->walk_len += size;
	}
}

/* Copies what chunks_walk() has found complete. */
static void chunks_copy(struct zs_text in, const struct zs_response *r, uint8_t *to)
{
	size_t pos = r->body_off;
	uint64_t size;

	while (pos < r->walk_off && !chunk_size_parse(in, &pos, &size)) {
		memcpy(to, in.p + pos, size);
		to += size;
		pos += size + 2;
	}
}

static int chunked_body(struct zs_text in, struct zs_response *r, uint64_t max_body,
			struct zs_body *out)
{
	struct zs_body body = {.data = in.p + r->body_off};
	size_t end;
	int err = chunks_walk(in, r, max_body, &end);

	if (err)
		return err;
	if (end != in.len)
		return -EBADMSG;
	body.len = (size_t)r->walk_len;
	if (body.len) {
		body.owned = malloc(body.len);
		if (!body.owned)
			return -ENOMEM;
		chunks_copy(in, r, body.owned);
		body.data = body.owned;
	}
	*out = body;
	return 0;
}

int zs_response_body(const uint8_t *buf, size_t len, struct zs_response *r, uint64_t max_body,
		     struct zs_body *out)
{
	struct zs_text in = {buf, len};
	uint64_t body_len = r->framing == ZS_FRAMING_LENGTH ? r->content_length : 0;

	if (len < r->body_off)
		return -EINVAL;
	if (r->framing == ZS_FRAMING_CHUNKED)
		return chunked_body(in, r, max_body, out);
	if (body_len > max_body)
		return -EFBIG;
	if (len - r->body_off > body_len)
		return -EBADMSG;
	if (len - r->body_off < body_len)
		return -EAGAIN;
	*out = (struct zs_body){.data = buf + r->body_off, .len = (size_t)body_len};
	return 0;
}

void zs_body_free(struct zs_body *body)
{
	free(body->owned);
	*body = (struct zs_body){0};
}
