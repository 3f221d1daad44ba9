/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking Caddy's routes: shared by eligible*.c. */
#ifndef ZS_ELIGIBLE_WALK_H
#define ZS_ELIGIBLE_WALK_H

#include "eligible.h"

#define ZS_WAY_GROUPS 48 /* of routes that one request can pass; more is a doubt */

struct zs_eligible {
	json_t *config;
	const char *const *allowed;
	json_t *names;	     /* the placeholders that handlers of this configuration define, as keys */
	bool regexp_foreign; /* some expression captures from outside the key */
	bool odd_case;	     /* some member is written in another case, which Caddy takes and nothing here */
	bool file_foreign;   /* some file matcher looks for a name from outside the key */
};

/* What a matcher says of the request. In this order, the largest is what alternatives say together. */
enum zs_match {
	ZS_MATCH_NO,
	ZS_MATCH_EITHER,  /* not told here, but the key decides it: both ways are looked at */
	ZS_MATCH_FOREIGN, /* something outside the key decides it */
	ZS_MATCH_YES,
};

/* What is certain at a place in the chain of handlers. */
struct zs_way {
	bool host_known;
	bool path_known;
	char path[ZS_TARGET_MAX + 1]; /* decoded */
	bool groups_open; /* routes of groups that are not named below may have been taken, too */
	unsigned int groups;
	struct {
		const char *name;
		bool certain; /* a route of the group has been taken; else: may have been */
	} group[ZS_WAY_GROUPS];
};

struct zs_walk {
	const struct zs_eligible *of;
	const char *name; /* of the server */
	const json_t *server;
	const struct zs_eligible_request *request; /* null: any */
	char host[ZS_HOST_MAX + 1];		   /* without port */
	bool host_changed;			   /* a handler may have set another Host */
	bool may_fail;				   /* an error route may be reached */
	bool refused;
	char *why;
	char at[64]; /* the route, by its place */
	char guard[96]; /* the matcher that said FOREIGN */
	unsigned int depth;
	unsigned int steps;
};

/* apps.http.servers (eligible_read.c); null: there are none. */
const json_t *zs_servers_of(const struct zs_eligible *e);

/* Refuses, unless that was done before. */
void zs_walk_refuse(struct zs_walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the operator takes the responsibility for what has that name. */
bool zs_walk_allowed(const struct zs_walk *w, const char *name);

/* A list of routes; *way becomes what holds behind it. Returns whether what follows may be reached. */
bool zs_walk_routes(struct zs_walk *w, struct zs_way *way, const json_t *routes);

/* One route, whose place is in w->at; likewise. */
bool zs_walk_route(struct zs_walk *w, struct zs_way *way, const json_t *route);

/* Leaves in *way what is certain on both. */
void zs_way_join(struct zs_walk *w, struct zs_way *way, const struct zs_way *other);

/* One handler; likewise (eligible_handler.c). */
bool zs_walk_handler(struct zs_walk *w, struct zs_way *way, const json_t *handler);

/* Sets of matchers, of which one must hold; none: YES. Sets w->guard on FOREIGN (eligible_match.c). */
enum zs_match zs_match_sets(struct zs_walk *w, const struct zs_way *way, const json_t *sets);

/* Whether placeholders stand for nothing but what the key decides, in every string of a value and in its keys,
 * but for the members named in `skip` (between blanks; may be null) of the value itself. On false, `name` (48
 * bytes) has the first that does not (eligible_text.c). */
bool zs_placeholders_known(const struct zs_eligible *e, const json_t *value, const char *skip, char *name);
bool zs_placeholders_in(const json_t *value);

/* A name between braces that no handler may define, because Caddy itself has a value for it; and one that cannot be
 * a placeholder at all. */
bool zs_is_own_placeholder(const char *name);
bool zs_is_no_placeholder(const char *name);

/* The path of a target, decoded; `out` is set in any case, cut where it has a zero. False: Caddy may compare it in
 * another form (escapes beyond ASCII, dot segments, double slashes): nothing is certain of it (eligible_path.c). */
bool zs_path_of(struct zs_text target, char out[ZS_TARGET_MAX + 1]);

/* Caddy's path matcher, one pattern without placeholders; never FOREIGN. */
enum zs_match zs_path_match(const char *path, const char *pattern);

/* The path without a prefix, as the rewrite handler takes it off. False: not certain, `path` is as it was. */
bool zs_path_strip(char *path, const char *prefix);

#endif
