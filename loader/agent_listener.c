// SPDX-License-Identifier: GPL-2.0-or-later
/* From the request that the kernel announced to the question that Caddy's configuration answers. */
#include "agent_listener.h"

#include "asked.h"
#include "log.h"

bool zs_agent_listener_allows(struct zs_watch *watch, const struct zs_asked *asked, bool query_open)
{
	struct zs_eligible_request request = {
		/* Caddy's matchers look at Host, whatever X-Forwarded-Host says */
		.host = {asked->key.text, asked->key.host_len},
		.target = zs_asked_target(asked),
		.forwarded = zs_asked_has(asked, "x-forwarded-host") || zs_asked_has(asked, "x-forwarded-proto"),
		.query_open = query_open,
	};
	char why[ZS_ELIGIBLE_WHY];

	if (zs_watch_listener(watch, asked->key.origin) && !zs_asked_lower(asked))
		return false;
	if (zs_watch_eligible(watch, asked->key.origin, &request, asked->time, why))
		return true;
	zs_debug("not stored: %s", why);
	return false;
}
