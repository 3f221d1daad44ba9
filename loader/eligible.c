// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From Caddy's configuration to yes or no. The routes are walked as Caddy compiles them (one chain per server; matchers
 * are looked at when their route is reached): where it is not told whether a route applies, both ways are looked at,
 * and everything on either must be eligible.
 */
#include "eligible.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "eligible_walk.h"

#define DEPTH_MAX 40     /* of routes within routes */
#define STEPS_MAX 100000 /* routes and handlers looked at for one request */

/* --- the walk -------------------------------------------------------------------------------- */

void zs_walk_refuse(struct zs_walk *w, const char *format, ...)
{
	va_list args;
	int n;

	if (w->refused)
		return;
	w->refused = true;
	n = snprintf(w->why, ZS_ELIGIBLE_WHY, "server %.32s%s%s: ", w->name, w->at[0] ? ", route " : "", w->at);
	va_start(args, format);
	if (n > 0 && n < ZS_ELIGIBLE_WHY)
		vsnprintf(w->why + n, (size_t)(ZS_ELIGIBLE_WHY - n), format, args);
	va_end(args);
}

bool zs_walk_allowed(const struct zs_walk *w, const char *name)
{
	for (const char *const *a = w->of->allowed; a && *a; a++)
		if (!strcmp(*a, name))
			return true;
	return false;
}

/* Whether an earlier route of the group was taken. YES, NO, or EITHER. */
static enum zs_match group_taken(const struct zs_way *way, const char *group)
{
	for (unsigned int i = 0; i < way->groups; i++)
		if (!strcmp(way->group[i].name, group))
			return way->group[i].certain ? ZS_MATCH_YES : ZS_MATCH_EITHER;
	return way->groups_open ? ZS_MATCH_EITHER : ZS_MATCH_NO;
}

static void group_take(struct zs_walk *w, struct zs_way *way, const char *group, bool certain)
{
	for (unsigned int i = 0; i < way->groups; i++) {
		if (!strcmp(way->group[i].name, group)) {
			way->group[i].certain |= certain;
			return;
		}
	}
	if (way->groups == ZS_WAY_GROUPS) {
		zs_walk_refuse(w, "more groups of routes than are followed");
		return;
	}
	way->group[way->groups].name = group;
	way->group[way->groups++].certain = certain;
}

void zs_way_join(struct zs_walk *w, struct zs_way *way, const struct zs_way *other)
{
	way->groups_open |= other->groups_open;
	way->host_known &= other->host_known;
	way->path_known &= other->path_known && !strcmp(way->path, other->path);
	for (unsigned int i = 0; i < way->groups; i++)
		way->group[i].certain &= group_taken(other, way->group[i].name) == ZS_MATCH_YES;
	for (unsigned int i = 0; i < other->groups; i++)
		group_take(w, way, other->group[i].name, false);
}

static bool handlers_walk(struct zs_walk *w, struct zs_way *way, const json_t *route)
{
	const json_t *list = json_object_get(route, "handle");
	json_t *handler;
	size_t i;

	if (list && !json_is_null(list) && !json_is_array(list))
		zs_walk_refuse(w, "handle is malformed");
	json_array_foreach(list, i, handler)
	{
		if (++w->steps > STEPS_MAX)
			zs_walk_refuse(w, "more handlers than are looked at");
		if (w->refused)
			break;
		if (!zs_walk_handler(w, way, handler))
			return false;
	}
	return !json_is_true(json_object_get(route, "terminal"));
}

static void members_check(struct zs_walk *w, const json_t *route)
{
	const char *member;
	json_t *value;

	if (!json_is_object(route))
		zs_walk_refuse(w, "malformed");
	json_object_foreach((json_t *)route, member, value)
	{
		if (strcmp(member, "group") && strcmp(member, "match") && strcmp(member, "handle") &&
		    strcmp(member, "terminal") && strcmp(member, "@id"))
			zs_walk_refuse(w, "%.32s is not known here", member);
	}
}

bool zs_walk_route(struct zs_walk *w, struct zs_way *way, const json_t *route)
{
	const char *group = json_string_value(json_object_get(route, "group"));
	enum zs_match taken = group && *group ? group_taken(way, group) : ZS_MATCH_NO, match;
	struct zs_way *inner;
	bool on;

	members_check(w, route);
	if (taken == ZS_MATCH_YES)
		return true;
	match = zs_match_sets(w, way, json_object_get(route, "match"));
	if (match == ZS_MATCH_NO)
		return true;
	if (match == ZS_MATCH_FOREIGN) {
		zs_walk_refuse(w, "%s", w->guard);
		return true;
	}
	inner = malloc(sizeof(*inner));
	if (!inner) {
		zs_walk_refuse(w, "out of memory");
		return true;
	}
	*inner = *way;
	if (group && *group)
		group_take(w, inner, group, true);
	on = handlers_walk(w, inner, route);
	if (match == ZS_MATCH_YES && taken == ZS_MATCH_NO)
		*way = *inner;
	else if (on)
		zs_way_join(w, way, inner);
	else
		on = true; /* not if it did not apply */
	free(inner);
	return on;
}

bool zs_walk_routes(struct zs_walk *w, struct zs_way *way, const json_t *routes)
{
	size_t at = strlen(w->at), i;
	bool on = true;
	json_t *route;

	if (routes && !json_is_null(routes) && !json_is_array(routes))
		zs_walk_refuse(w, "routes are malformed");
	if (w->depth == DEPTH_MAX) {
		zs_walk_refuse(w, "routes are nested too deep");
		return true;
	}
	w->depth++;
	json_array_foreach(routes, i, route)
	{
		if (w->refused || !on)
			break;
		if (++w->steps > STEPS_MAX)
			zs_walk_refuse(w, "more routes than are looked at");
		snprintf(w->at + at, sizeof(w->at) - at, "%s%zu", at ? "/" : "", i);
		on = zs_walk_route(w, way, route);
	}
	w->at[at] = '\0';
	w->depth--;
	return on;
}

/* --- a request ------------------------------------------------------------------------------- */

/* As Caddy splits Host: the port goes where there is one, and the brackets. */
static bool host_set(struct zs_walk *w, struct zs_text host)
{
	char *colon;

	if (!host.len || host.len > ZS_HOST_MAX || memchr(host.p, '\0', host.len))
		return false;
	memcpy(w->host, host.p, host.len);
	w->host[host.len] = '\0';
	if (w->host[0] == '[') {
		char *end = strchr(w->host, ']');

		if (!end || (end[1] && end[1] != ':'))
			return false;
		memmove(w->host, w->host + 1, (size_t)(end - w->host));
		*(end - 1) = '\0';
		return true;
	}
	colon = strchr(w->host, ':');
	if (colon && strchr(colon + 1, ':'))
		return false;
	if (colon)
		*colon = '\0';
	return true;
}

/* Before any handler, Caddy answers what its certificate authority asks for. */
static void challenge_check(struct zs_walk *w, const char *path)
{
	if (!strncasecmp(path, "/.well-known/acme-challenge/", 28) ||
	    !strncasecmp(path, "/.well-known/pki-validation/", 28))
		zs_walk_refuse(w, "a challenge of a certificate authority");
}

static void begin(struct zs_walk *w, const struct zs_eligible *e, const char *server, char *why)
{
	memset(w, 0, sizeof(*w));
	w->of = e;
	w->name = server;
	w->why = why;
	w->server = json_object_get(zs_servers_of(e), server);
	if (!json_is_object(w->server))
		zs_walk_refuse(w, "not in the configuration");
}

static void request_walk(struct zs_walk *w, struct zs_way *way)
{
	const json_t *errors = json_object_get(json_object_get(w->server, "errors"), "routes");
	bool host = host_set(w, w->request->host);

	way->host_known = host;
	way->path_known = zs_path_of(w->request->target, way->path);
	challenge_check(w, way->path);
	if (w->request->forwarded && json_is_object(json_object_get(w->server, "trusted_proxies")) &&
	    !zs_walk_allowed(w, "trusted_proxies"))
		zs_walk_refuse(w, "trusted_proxies makes X-Forwarded-* depend on the visitor's address");
	zs_walk_routes(w, way, json_object_get(w->server, "routes"));
	if (!w->may_fail || !json_array_size(errors))
		return;
	memset(way, 0, sizeof(*way));
	way->groups_open = true;
	way->host_known = host && !w->host_changed;
	way->path_known = zs_path_of(w->request->target, way->path);
	snprintf(w->at, sizeof(w->at), "errors");
	zs_walk_routes(w, way, errors);
}

bool zs_eligible_judge(const struct zs_eligible *e, const char *server, const struct zs_eligible_request *request,
		       char *why)
{
	struct zs_way *way = calloc(1, sizeof(*way));
	struct zs_walk w;

	if (!zs_eligible_server(e, server, why)) {
		free(way);
		return false;
	}
	begin(&w, e, server, why);
	w.request = request;
	if (!way)
		zs_walk_refuse(&w, "out of memory");
	if (!w.refused)
		request_walk(&w, way);
	free(way);
	return !w.refused;
}

/* --- a server -------------------------------------------------------------------------------- */

static void wrappers_check(struct zs_walk *w)
{
	const json_t *list = json_object_get(w->server, "listener_wrappers");
	json_t *wrapper;
	size_t i;

	json_array_foreach(list, i, wrapper)
	{
		const char *name = json_string_value(json_object_get(wrapper, "wrapper"));

		if (!name || (strcmp(name, "tls") && !zs_walk_allowed(w, name)))
			zs_walk_refuse(w, "listener wrapper %.32s changes what connections say", name ? name : "(none)");
	}
}

static bool has_h1(const json_t *protocols)
{
	bool found = !json_array_size(protocols);
	json_t *protocol;
	size_t i;

	json_array_foreach(protocols, i, protocol)
	{
		found |= json_is_string(protocol) && !strcmp(json_string_value(protocol), "h1");
	}
	return found;
}

static void options_check(struct zs_walk *w)
{
	static const char known[] =
		" @id listen listener_wrappers packet_conn_wrappers read_timeout read_header_timeout write_timeout "
		"idle_timeout keepalive_interval keepalive_idle keepalive_count max_header_bytes enable_full_duplex routes "
		"errors named_routes tls_connection_policies automatic_https strict_sni_host trusted_proxies "
		"client_ip_headers trusted_proxies_strict trusted_proxies_unix logs protocols listen_protocols metrics "
		"allow_0rtt allow_h2c experimental_http3 ";
	const char *member;
	char between[80];
	json_t *value;

	json_object_foreach((json_t *)w->server, member, value)
	{
		snprintf(between, sizeof(between), " %.64s ", member);
		if ((strlen(member) > 64 || strchr(member, ' ') || !strstr(known, between)) &&
		    !zs_walk_allowed(w, member))
			zs_walk_refuse(w, "option %.32s is not known here", member);
	}
}

bool zs_eligible_server(const struct zs_eligible *e, const char *server, char *why)
{
	struct zs_walk w;
	json_t *protocols;
	size_t i;

	begin(&w, e, server, why);
	if (e->odd_case)
		zs_walk_refuse(&w, "a member of some server is not in lower case");
	options_check(&w);
	wrappers_check(&w);
	if (!has_h1(json_object_get(w.server, "protocols")))
		zs_walk_refuse(&w, "protocols without h1");
	json_array_foreach(json_object_get(w.server, "listen_protocols"), i, protocols)
	{
		if (!has_h1(protocols))
			zs_walk_refuse(&w, "listen_protocols without h1");
	}
	return !w.refused;
}
