/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The strict parser of one HTTP/1.1 response (RFC 9112) over bytes that may not all be there yet.
 * Narrower than any client's: a response that two recipients could understand differently is
 * malformed. Whether it may be stored is policy.h's question. No I/O, no clock. Every answer but
 * -EAGAIN is final: more bytes do not change it.
 */
#ifndef ZS_RESPONSE_H
#define ZS_RESPONSE_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_RESPONSE_HEAD_MAX                                                                       \
	8192u /* bytes of the final head, CRLFCRLF included; also of trailers */
#define ZS_RESPONSE_FIELDS_MAX	128u
#define ZS_RESPONSE_INTERIM_MAX 16u /* 1xx heads before it, together at most one head's bytes */

/* Offsets into zs_response.head; the value without the white space around it. */
struct zs_response_field {
	uint16_t name;
	uint16_t name_len;
	uint16_t value;
	uint16_t value_len;
};

enum zs_framing {
	ZS_FRAMING_NONE, /* 204 and 304: no body */
	ZS_FRAMING_LENGTH,
	ZS_FRAMING_CHUNKED,
};

/* Self-contained: the buffer that it was parsed from may move or go. */
struct zs_response {
	uint8_t head[ZS_RESPONSE_HEAD_MAX]; /* a copy of the final head */
	struct zs_response_field field[ZS_RESPONSE_FIELDS_MAX];
	uint32_t head_len;
	uint32_t fields;
	uint32_t status;  /* 200 to 599 */
	uint32_t interim; /* 1xx heads skipped */
	uint16_t reason;  /* of head; reason_len may be 0 */
	uint16_t reason_len;
	enum zs_framing framing;
	uint64_t content_length; /* bytes; ZS_FRAMING_LENGTH only */
	size_t body_off;	 /* of the buffer: where the body begins */
	size_t walk_off;	 /* private: first chunk that was not complete yet */
	uint64_t walk_len;	 /* private: body bytes before it */
};

/*
 * Parses the head at the beginning of buf, behind any complete 1xx heads (RFC 9110 15.2). *r
 * changes on success only.
 *
 * -EAGAIN: well formed so far, its end is not there.
 *
 * -EBADMSG: never to be stored. Malformed; not HTTP/1.1; 101; a limit above; or framing that is not
 * certain (RFC 9112 6.3): no or repeated or listed Content-Length, Transfer-Encoding other than a
 * single "chunked", both at once, either in a 1xx, a body announced in a 204.
 */
int zs_response_head(const uint8_t *buf, size_t len, struct zs_response *r);

struct zs_body {
	const uint8_t *data; /* `owned`, or within the buffer given */
	size_t len;
	uint8_t *owned; /* null where nothing had to be decoded */
};

/*
 * The body of a response whose head was parsed from the beginning of the same bytes; buf may have
 * grown and moved since. *out changes on success only and is freed by zs_body_free(). r remembers
 * how far the chunks were walked (RFC 9112 7.1), so that calling again after each segment stays
 * cheap. Trailers are parsed as strictly as a head's fields, and discarded (RFC 9110 6.5).
 *
 * -EAGAIN: not complete.
 *
 * -EBADMSG: malformed chunk, chunk extension, or bytes behind the end of the response (RFC 9112
 * 6.3: surplus data is never part of one).
 *
 * -EFBIG: more than `max_body` bytes, said as soon as the head or a chunk announces them.
 *
 * -ENOMEM; -EINVAL: len does not hold the head.
 */
int zs_response_body(const uint8_t *buf, size_t len, struct zs_response *r, uint64_t max_body,
		     struct zs_body *out);

void zs_body_free(struct zs_body *body);

/* --- fields ---------------------------------------------------------------------------------- */

/* i below r->fields. The text lives in r. */
struct zs_text zs_response_name(const struct zs_response *r, unsigned int i);
struct zs_text zs_response_value(const struct zs_response *r, unsigned int i);

/* Index of the first field of that name (lower case, terminated) at or behind `from`; -ENOENT. */
int zs_response_find(const struct zs_response *r, const char *name, unsigned int from);

/*
 * A field (lower case name) that is one HTTP-date, in seconds since 1970; `wall` decides which
 * century a year of two digits is in. -ENOENT: not there; -EBADMSG: invalid, or there twice.
 */
int zs_date_field(const struct zs_response *r, const char *name, int64_t wall, int64_t *out);

#endif
