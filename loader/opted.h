/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Caddy's listeners as the agent sees them: which are opted in, under which origin ids, and whether a response of one
 * may be stored by Caddy's configuration as of now. Not thread-safe: watch.h calls it under its lock.
 */
#ifndef ZS_OPTED_H
#define ZS_OPTED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <zs/abi.h>

#include "eligible.h"

/* What the kernel has to know about an opted-in listener. */
struct zs_opted_place {
	struct zs_origin_key key; /* the local address, as struct zs_listen_at has it, with the netns */
	bool wildcard;
	uint32_t id;   /* origin */
	uint32_t idle; /* seconds after which Caddy may close a connection of which it sees no request */
};

struct zs_opted_options {
	const char *const *listeners; /* what the operator opted in, checked; ends with a null; may be null */
	const char *const *allowed;   /* as in zs_eligible_create() */
	struct zs_ctl *ctl;	      /* `origins` is raised for every id, `flush` to void what is stored */
	uint64_t netns;
	/* Makes the kernel know a place, or forget it. put: 0 or -errno. May be null. */
	int (*put)(void *user, const struct zs_opted_place *place);
	void (*remove)(void *user, const struct zs_opted_place *place);
	void *user;
};

struct zs_opted;

/* Everything in *options is borrowed. -ENOMEM. */
int zs_opted_create(const struct zs_opted_options *options, struct zs_opted **out);
void zs_opted_destroy(struct zs_opted *opted);

/* Whether something is opted in: then Caddy has to be asked often. */
bool zs_opted_wanted(const struct zs_opted *opted);

/* Whether the configuration is known. */
bool zs_opted_known(const struct zs_opted *opted);

/*
 * The configuration has changed, at `now` (boot-time ns); a reference is taken. If something is opted in, first voids
 * whatever is stored, then judges by the new one. Null: Caddy does not say what it is any more; voids, and refuses
 * everything until it does. -ENOMEM: as if it were null.
 */
int zs_opted_config(struct zs_opted *opted, json_t *config, uint64_t now);

/* Whether an origin id is that of a listener. */
bool zs_opted_is(const struct zs_opted *opted, uint32_t id);

/* Where a listener is reached from this host. -ENOENT: not a listener, or none that is followed. */
int zs_opted_address(const struct zs_opted *opted, uint32_t id, struct zs_origin_key *out);

/*
 * Whether what a listener answered to a request of `asked` (boot-time ns) may be stored [A6]. False for ids that are
 * not of listeners; `why` has ZS_ELIGIBLE_WHY bytes. Counts.
 */
bool zs_opted_eligible(struct zs_opted *opted, uint32_t id, const struct zs_eligible_request *request,
		       uint64_t asked, char *why);

/* For `status`: {"listeners": [...], "opted_in": [...], "routes": {server: [...]}}. A new reference; null without
 * memory. */
json_t *zs_opted_json(const struct zs_opted *opted);

#endif
