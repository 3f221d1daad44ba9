/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From events of the ring to objects, and to what else a response means: hold-off, warmth, void targets. */
#ifndef ZS_AGENT_RECORD_H
#define ZS_AGENT_RECORD_H

#include <stddef.h>

struct zs_agent;

/* Creates agent->recordings. -ENOMEM. */
int zs_agent_record_create(struct zs_agent *agent);

/* For ring_buffer__new(); `agent` is a struct zs_agent. Always 0. */
int zs_agent_event(void *agent, void *data, size_t size);

#endif
