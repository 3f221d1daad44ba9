/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent asks about listeners of Caddy's before a response is stored. */
#ifndef ZS_AGENT_LISTENER_H
#define ZS_AGENT_LISTENER_H

#include <stdbool.h>

#include "ingest.h"
#include "watch.h"

/* Whether Caddy's configuration allows the response to this request to be stored [A6]; true for upstreams.
 * `query_open`: the key may lack parameters of the query. */
bool zs_agent_listener_allows(struct zs_watch *watch, const struct zs_asked *asked, bool query_open);

#endif
