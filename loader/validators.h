/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By what a stored response is recognised as still the same (RFC 9110 8.8). */
#ifndef ZS_VALIDATORS_H
#define ZS_VALIDATORS_H

#include <zs/abi.h>

#include "response.h"

#include <stdbool.h>
#include <stdint.h>


struct zs_etag {
	struct zs_text opaque; /* quotes included, "W/" not; length 0: there is none */
	bool weak;
};

struct zs_validators {
	struct zs_etag etag;
	bool dated;	  /* `modified` is set */
	int64_t modified; /* seconds since 1970, not below 0 */
};

/* The ETag field, of any length. -ENOENT: not there; -EBADMSG: not one entity-tag (RFC 9110 8.8.3).
 */
int zs_etag_read(const struct zs_response *r, struct zs_etag *out);

/*
 * What conditional requests are compared with; the texts lie within r. The ETag, if it is one
 * entity-tag of at most ZS_ETAG_MAX bytes. Last-Modified, or where there is none the moment at
 * which the response was made or received (RFC 9111 4.3.2): Date, or `wall` (seconds since 1970 at
 * receipt). A date that is invalid or there twice is none, and nothing stands in for it.
 */
void zs_validators_read(const struct zs_response *r, int64_t wall, struct zs_validators *out);

#endif
