// SPDX-License-Identifier: GPL-2.0-or-later
/* The upstreams as `status` tells of them: taken or not, why not, and what to do. */
#include "origins.h"

static json_t *reason_json(const struct zs_upstream *up)
{
	return up->unresolved ? json_sprintf("its name does not resolve (%s)", up->reason) :
	       up->reason     ? json_string(up->reason) :
				json_null();
}

/* What an operator may do about the reason; null: nothing, it is meant so. */
static json_t *advice_json(const struct zs_upstream *up)
{
	if (up->unresolved)
		return json_sprintf("correct it in %s, or the resolver (getent ahosts %s); it is looked up again every "
				    "%d s",
				    up->by_operator ? "--origin" : "Caddy's configuration", up->host,
				    ZS_RESOLVE_SECONDS);
	return up->taken && up->reason ? json_string("name with --origin those that matter") : json_null();
}

json_t *zs_origins_json(const struct zs_origins *origins)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < origins->count; i++) {
		const struct zs_upstream *up = &origins->list[i];
		json_t *entry = json_pack("{s:s, s:s, s:i, s:b, s:s, s:i, s:o, s:o}", "dial", up->dial, "host", up->host,
					  "port", (int)up->port, "taken", up->taken && (up->addresses || !up->reason), "source",
					  up->by_operator ? "operator" : "caddy", "addresses", (int)up->addresses,
					  "reason", reason_json(up), "advice", advice_json(up));

		if (json_array_append_new(array, entry)) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}
