/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heads under which a stored response is served. Whether it may be is policy.h's question; what
 * is written parses as strictly as what was received.
 */
#ifndef ZS_RENDER_H
#define ZS_RENDER_H

#include "response.h"

#include <stddef.h>
#include <stdint.h>

/* Offsets from the beginning of the head; each slot is ZS_SLOT_DIGITS blanks. */
struct zs_rendered {
	uint32_t head_len; /* CRLFCRLF included */
	uint32_t age_off;
	uint32_t ttl_off;
};

/* What ends the last field line of every head that is rendered, but for the slot. */
#define ZS_CACHE_STATUS "zeroserve; hit; ttl="

/*
 * The status line and the fields in order, names and values byte for byte, but for Age,
 * Content-Length, those that end at a connection (RFC 9111 3.1) and Surrogate-Control, which was
 * for this cache; then Date, if there was none (`wall`: seconds since 1970 at response_time, RFC
 * 9110 6.6.1), Content-Length: body_len (but not in a 204, RFC 9110 8.6), and Age and Cache-Status
 * with their slots: this cache's member comes behind those of the caches before it (RFC 9211 2).
 *
 * -E2BIG: more than cap, ZS_ANSWER_HEAD_MAX or ZS_RESPONSE_FIELDS_MAX; -EINVAL: a 304, a 204 with a
 * body, or no such year. *out changes on success only; buf holds rubbish after a failure.
 */
int zs_render_head(const struct zs_response *r, uint64_t body_len, int64_t wall, uint8_t *buf,
		   size_t cap, struct zs_rendered *out);

/*
 * The head of a 304 for a client that has the stored 200 r already (RFC 9110 15.4.5): of its fields
 * Cache-Control, CDN-Cache-Control, Content-Location, Date, ETag, Expires, Last-Modified and Vary;
 * then as above, without Content-Length. -EINVAL: not a 200, or no such year.
 */
int zs_render_not_modified(const struct zs_response *r, int64_t wall, uint8_t *buf, size_t cap,
			   struct zs_rendered *out);

#endif
