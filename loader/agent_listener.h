/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listeners of Caddy's: what the agent tells the kernel about them, and asks before a response of one is stored. */
#ifndef ZS_AGENT_LISTENER_H
#define ZS_AGENT_LISTENER_H

#include <stdbool.h>

#include "agent_state.h"
#include "ingest.h"
#include "watch.h"

/* Whether Caddy's configuration allows the response to this request to be stored [A6]; true for upstreams.
 * `query_open`: the key may lack parameters of the query. */
bool zs_agent_listener_allows(struct zs_watch *watch, const struct zs_asked *asked, bool query_open);

/* For struct zs_watch_options; `user` is the agent. */
int zs_agent_listener_put(void *user, const struct zs_opted_place *place);
void zs_agent_listener_remove(void *user, const struct zs_opted_place *place);

/* Nothing that an agent before us told the kernel counts any more: it judged by ids of its own. -errno. */
int zs_agent_listeners_clear(struct zs_agent *a);

#endif
