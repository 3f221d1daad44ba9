/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent has to do now and then: heartbeat, budget, configuration, sweeping, the report. */
#ifndef ZS_AGENT_UPKEEP_H
#define ZS_AGENT_UPKEEP_H

struct zs_agent;

/* Every 50 ms or so. */
void zs_agent_tick(struct zs_agent *agent);

#endif
