/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether an answer by the kernel, given to a visitor of a plaintext listener of Caddy's, would skip anything that
 * matters: Caddy's configuration and a request in, yes or a reason out. No I/O, no clock. docs/client-hop.md has
 * the tables; on any doubt the answer is no.
 */
#ifndef ZS_ELIGIBLE_H
#define ZS_ELIGIBLE_H

#include <jansson.h>
#include <stdbool.h>
#include <zs/abi.h>

#include "text.h"

#define ZS_ELIGIBLE_WHY	   224 /* bytes of a reason, its zero included */
#define ZS_ELIGIBLE_ROUTES 48  /* routes that are listed per server */

/* One configuration, looked through once. */
struct zs_eligible;

/* GET and HEAD over plain HTTP/1.1, alike: a stored GET answers both. */
struct zs_eligible_request {
	struct zs_text host;   /* as in the field Host, port included */
	struct zs_text target; /* origin form, as it was sent */
	bool forwarded;	       /* it carried X-Forwarded-Host or X-Forwarded-Proto */
	bool query_open;       /* the key may lack parameters of the query */
};

/*
 * `config` is what GET /config/ of Caddy's admin API gives, 2.6 to 2.11; a reference is taken. `allowed` is
 * borrowed: what the operator takes the responsibility for (handlers, listener wrappers, options by name), ends
 * with a null, may be null. -ENOMEM.
 */
int zs_eligible_create(json_t *config, const char *const *allowed, struct zs_eligible **out);
void zs_eligible_destroy(struct zs_eligible *eligible);

/* Why the operator cannot take the responsibility for something of that name (static), or null. */
const char *zs_eligible_allow_refusal(const char *name);

/* Whether the server of that name in apps.http.servers may have kernel answers at all, whatever the request. On
 * false, `why` (ZS_ELIGIBLE_WHY bytes) says why not; else it is untouched. Whether a listener speaks TLS is
 * listeners.h's question. */
bool zs_eligible_server(const struct zs_eligible *eligible, const char *server, char *why);

/* Whether this request's response may be stored, and the kernel answer for it. `why` as above: server, route by
 * its place, and what stands there. */
bool zs_eligible_judge(const struct zs_eligible *eligible, const char *server,
		       const struct zs_eligible_request *request, char *why);

/* For `status`: every route, those of sites (subroutes) one by one, as if any request came: an array of {route,
 * match, eligible, reason}, at most ZS_ELIGIBLE_ROUTES. A new reference; null without memory. */
json_t *zs_eligible_routes(const struct zs_eligible *eligible, const char *server);

#endif
