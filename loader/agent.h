/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent: judges what was recorded, keeps the store, refreshes. Reads untrusted HTTP, so it runs as its
 * own user without any capability, and has nothing but the maps' file descriptors.
 */
#ifndef ZS_AGENT_H
#define ZS_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pin.h"

struct zs_agent_options {
	const char *user;           /* null: "zeroserve", else "nobody" */
	const char *admin;          /* null: Caddy's default */
	const char *const *origins; /* null-terminated; may be null; as are the next */
	const char *const *listeners; /* of Caddy's, opted in */
	const char *const *allowed;   /* as in zs_eligible_create() */
	bool dialers;                 /* processes on this host that dial them are followed */
	uint32_t max_body;          /* bytes */
	uint32_t lifetime_max;      /* seconds */
	uint32_t record_rate;       /* recordings per second at most */
	uint32_t fetch_rate;        /* per second */
	uint32_t fetch_concurrency;
	bool enrol_adaptive; /* of origins of which nothing can be stored only samples of the connections */
	bool refresh;
};

#define ZS_BODY_DEFAULT              (88u << 10)
#define ZS_RECORD_RATE_DEFAULT       2000u
#define ZS_FETCH_RATE_DEFAULT        50u
#define ZS_FETCH_CONCURRENCY_DEFAULT 8u
#define ZS_LIFETIME_MAX_DEFAULT      (30u * 24 * 3600)

/*
 * Runs until SIGTERM or SIGINT, or until the parent dies. Drops every privilege first, then writes one byte
 * to ready_fd when it records. To be called in a process of its own: it does not get its privileges back.
 * 0, or -errno (logged).
 */
int zs_agent_run(const struct zs_maps *maps, const struct zs_agent_options *options, pid_t parent,
		 int ready_fd);

#endif
