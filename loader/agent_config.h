/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of the configuration: taking it over, and what of the store does not survive it. */
#ifndef ZS_AGENT_CONFIG_H
#define ZS_AGENT_CONFIG_H

#include "config.h"
#include "ingest.h"

/* What stands in shared memory, parsed. `run` and `reload` put there only what is right: an error (logged)
 * leaves *out as it was. `max_object` (bytes) is what `run` began with, where its option goes before the file. */
int zs_agent_config_take(const struct zs_maps *maps, uint32_t max_object, struct zs_config *out);

/* Takes objects out of the store for which the rules say something else than when they were stored.
 * `ingest` tells about origins. Returns how many. */
uint32_t zs_agent_config_apply(struct zs_ingest *ingest, const struct zs_config *old, const struct zs_config *new);

#endif
