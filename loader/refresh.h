/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refreshing stored objects by background fetches, conditional where the stored response has a validator. */
#ifndef ZS_REFRESH_H
#define ZS_REFRESH_H

#include "fetch.h"
#include "ingest.h"

struct zs_refresh_stats {
	uint64_t fetched;
	uint64_t revalidated; /* of these: 304 */
	uint64_t failed;      /* of these: no answer, a server's error, or nothing that can be understood */
	uint64_t dropped;     /* of these: the answer may not be stored, so what was stored went */
	uint64_t refused;     /* could not begin: limits */
};

struct zs_refresh_options {
	struct zs_ingest *ingest;         /* borrowed, as all of these; its `origin` gives the address */
	const uint64_t *generations;
	const struct zs_ctl *ctl;
	struct zs_fetch_limits limits;
};

struct zs_refresh;

/* Errors of zs_fetch_create(). */
int zs_refresh_create(const struct zs_refresh_options *options, struct zs_refresh **out);
void zs_refresh_destroy(struct zs_refresh *refresh);

/* For the caller's epoll, as zs_fetch_fd(); then zs_refresh_run(). */
int zs_refresh_fd(const struct zs_refresh *refresh);
void zs_refresh_run(struct zs_refresh *refresh);

/* A hit has asked for a refresh. Malformed events, and those about objects that are gone, are ignored. */
void zs_refresh_event(struct zs_refresh *refresh, const struct zs_event_refresh *event, size_t size);

void zs_refresh_stats(const struct zs_refresh *refresh, struct zs_refresh_stats *out);

#endif
