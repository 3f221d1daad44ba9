/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent's files share: agent.c (life and loop), agent_record.c (events), agent_upkeep.c (now and then). */
#ifndef ZS_AGENT_STATE_H
#define ZS_AGENT_STATE_H

#include <stdint.h>

#include "agent.h"
#include "budget.h"
#include "config.h"
#include "ingest.h"
#include "purge.h"
#include "recording.h"

#define ZS_FETCH_OVERHEAD (ZS_ANSWER_HEAD_MAX * 2) /* head and chunk framing beside the body */

struct ring_buffer;

struct zs_agent {
	struct zs_agent_options o;
	const struct zs_maps *maps;
	struct zs_ctl *ctl;
	uint64_t *generations;
	uint64_t *stop;
	struct zs_report *report;
	struct zs_warmth *warmth;
	struct zs_purge_view purges;
	uint8_t *pages;
	struct zs_front front;
	struct ring_buffer *ring;
	struct zs_store *store;
	struct zs_recordings *recordings;
	struct zs_refresh *refresh; /* null: off */
	struct zs_watch *watch;
	struct zs_config config;
	uint32_t config_seq; /* zs_ctl.config_seq that `config` is from */
	struct zs_ingest ingest;
	struct zs_enrolment *enrolment;
	uint32_t resumes; /* zs_ctl.resumes that was heeded */
	struct zs_budget budget;
	uint64_t ends[ZS_RECORDING_ENDS];
	uint64_t located; /* targets made void by Location and Content-Location */
	uint64_t reported, upkept; /* boot-time ns */
	int epoll;
	unsigned int events; /* since the last poll */
};

#endif
