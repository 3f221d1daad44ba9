/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the kernel's map of origins up to date: what the operator named, or what Caddy's configuration
 * says, asked for every second (with a listener opted in, twice as often) in a thread of its own, because admin API
 * and resolver block. Judges for listeners by the same configuration (opted.h).
 */
#ifndef ZS_WATCH_H
#define ZS_WATCH_H

#include <jansson.h>
#include <stdint.h>
#include <zs/abi.h>

#include "opted.h"
#include "pin.h"

#define ZS_ORIGINS_MAX 1024u

struct zs_watch_options {
	const char *admin;          /* as in zs_admin_fetch(); null: its default */
	const char *const *origins; /* named by the operator, null-terminated; if any, the admin API is not asked for them */
	const struct zs_maps *maps; /* borrowed, as is the next */
	struct zs_ctl *ctl;         /* `origins` is raised for every new id */
	uint64_t netns;             /* cookie, or 0 */
	/* as in struct zs_opted_options; the callbacks run in the watch's thread, under its lock */
	const char *const *listeners;
	const char *const *allowed;
	int (*listener_put)(void *user, const struct zs_opted_place *place);
	void (*listener_remove)(void *user, const struct zs_opted_place *place);
	void *user;
};

struct zs_watch;

/* Checks what the operator named, fills the map once, then starts the thread. -EINVAL: an origin that is
 * none (logged); -ENOMEM; -EAGAIN: no thread. An admin API that does not answer is no error: it is asked
 * again. */
int zs_watch_start(const struct zs_watch_options *options, struct zs_watch **out);
void zs_watch_stop(struct zs_watch *watch);

/* The address of an origin, or where a listener is reached. -ENOENT: neither any more. */
int zs_watch_address(struct zs_watch *watch, uint32_t id, struct zs_origin_key *out);

/* Whether an origin is a listener of Caddy's, opted in. */
bool zs_watch_listener(struct zs_watch *watch, uint32_t id);

/*
 * Whether a response of an origin to a request of `asked` (boot-time ns) may be stored, as far as Caddy's configuration
 * is concerned: true for upstreams; of listeners as zs_opted_eligible() says [A6]; false for what is neither, any
 * more. On false, `why` (ZS_ELIGIBLE_WHY bytes) says why not.
 */
bool zs_watch_eligible(struct zs_watch *watch, uint32_t id, const struct zs_eligible_request *request,
		       uint64_t asked, char *why);

/* For `status`: {"origins": [...], "admin": {...}, "opted": zs_opted_json(), "enrolment": [...]}, the last with what `warmth` (ZS_WARMTH
 * values) says of each address. A new reference, null without memory. */
json_t *zs_watch_json(struct zs_watch *watch, const struct zs_warmth *warmth);

#endif
