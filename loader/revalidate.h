/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the origin whether a stored 200 still holds (RFC 9111 4.3), and what a 304 makes of it.
 * Whether the result may be stored is policy.h's question, as for any other response. No I/O.
 */
#ifndef ZS_REVALIDATE_H
#define ZS_REVALIDATE_H

#include "response.h"

/* Field values to send, within the stored response; length 0: not to be sent. */
struct zs_revalidate_fields {
	struct zs_text none_match;     /* If-None-Match: the stored ETag, "W/" included */
	struct zs_text modified_since; /* If-Modified-Since: the stored Last-Modified */
};

/* RFC 9111 4.3.1. -ENOENT: not a 200, or no valid validator: to be fetched whole. */
int zs_revalidate_fields(const struct zs_response *stored, struct zs_revalidate_fields *out);

/*
 * The stored 200 with its fields updated from the 304 that answered the conditional request (RFC
 * 9111 3.2, 4.3.4). `stored` is the head as rendered: its Age and this cache's Cache-Status go, its
 * Date goes if the 304 has none. All fields of the 304 replace those of the same name, except
 *
 * - those that end at the connection, and Trailer (3.1);
 * - Content-Length, Content-Range, Transfer-Encoding (3.2);
 * - Content-Encoding, Content-MD5 and Content-Digest, on which the stored bytes depend (3.2);
 * - ETag, which was found to be the same.
 *
 * `surrogate`: the response came with a Surrogate-Control, which the stored head lacks; a 304
 * without one cannot be judged then.
 *
 * -ESTALE: the 304 does not say that it is about the stored response (4.3.4): its ETag, or without
 * one its Last-Modified, is not the stored one, or it has neither; or see `surrogate`. To be
 * fetched whole, as after every other error.
 *
 * -EBADMSG: zs_hop_check() refuses the 304. -E2BIG: the result does not fit. -EINVAL: not a 200
 * with Content-Length, or not a 304. *out changes on success only, and is not `stored`.
 */
int zs_revalidate_update(const struct zs_response *stored, const struct zs_response *answer,
			 bool surrogate, struct zs_response *out);

#endif
