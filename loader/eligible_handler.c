// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Caddy's handlers: which of them a stored response may stand for. Their members are named one by one, so that what a
 * later version adds is refused until somebody has looked at it.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "eligible_walk.h"

/* Every string of the handler must be known from the key. */
static void strings_check(struct zs_walk *w, const char *what, const json_t *value, const char *skip)
{
	char name[48];

	if (value && !zs_placeholders_known(w->of, value, skip, name))
		zs_walk_refuse(w, "%s: %s is not part of the key", what, name);
}

static const char *string_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static bool is_set(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return value && !json_is_null(value) && !json_is_false(value) &&
	       !((json_is_array(value) || json_is_object(value)) && !json_array_size(value) && !json_object_size(value));
}

/* --- request fields -------------------------------------------------------------------------- */

/* Fields that something behind may look at here. All others are for the upstream: what it makes of them without
 * saying Vary is inert, as X-Forwarded-For is. */
static bool field_matters(const char *field)
{
	static const char *const names[] = {"host",	       "x-forwarded-host", "x-forwarded-proto",
					    "accept-encoding", "authorization",	   "cookie"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcasecmp(field, names[i]))
			return true;
	return strpbrk(field, "{*") != NULL;
}

static void field_check(struct zs_walk *w, struct zs_way *way, const char *what, const char *field, const json_t *value)
{
	if (!strcasecmp(field, "upgrade"))
		zs_walk_refuse(w, "%s: sets Upgrade", what);
	if (!field_matters(field))
		return;
	if (strpbrk(field, "{*") || !strcasecmp(field, "host")) {
		way->host_known = false;
		w->host_changed = true;
	}
	strings_check(w, what, value, NULL);
	if (strchr(field, '{'))
		zs_walk_refuse(w, "%s: a field named by a placeholder", what);
}

/* {add, set, delete, replace}: objects by field, but delete. */
static void request_fields_check(struct zs_walk *w, struct zs_way *way, const char *what, const json_t *ops)
{
	const char *op, *field;
	json_t *fields, *value;
	size_t i;

	json_object_foreach((json_t *)ops, op, fields)
	{
		if (strcmp(op, "add") && strcmp(op, "set") && strcmp(op, "delete") && strcmp(op, "replace") &&
		    strcmp(op, "@id"))
			zs_walk_refuse(w, "%s: %.32s is not known here", what, op);
		json_array_foreach(fields, i, value)
		{
			field_check(w, way, what, json_is_string(value) ? json_string_value(value) : "{", value);
		}
		json_object_foreach(fields, field, value)
		{
			field_check(w, way, what, field, value);
		}
	}
}

/* --- handlers that end the chain, or not ----------------------------------------------------- */

static bool static_response(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	(void)way;
	strings_check(w, "static_response", h, NULL);
	return false;
}

static bool error(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	(void)way;
	w->may_fail = true;
	strings_check(w, "error", json_object_get(h, "status_code"), NULL);
	return false;
}

static bool headers(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	request_fields_check(w, way, "headers", json_object_get(h, "request"));
	strings_check(w, "headers", json_object_get(h, "response"), NULL);
	return true;
}

static bool vars(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	(void)way;
	strings_check(w, "vars", h, NULL);
	return true;
}

static bool map(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	json_t *mapping;
	size_t i;

	(void)way;
	strings_check(w, "map", json_object_get(h, "source"), NULL);
	strings_check(w, "map", json_object_get(h, "defaults"), NULL);
	json_array_foreach(json_object_get(h, "mappings"), i, mapping)
	{
		strings_check(w, "map", mapping, " input input_regexp ");
	}
	return true;
}

static bool plain(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	(void)way;
	w->may_fail = true;
	strings_check(w, string_of(h, "handler"), h, NULL);
	return true;
}

/* What is logged decides nothing. */
static bool log_append(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	(void)w;
	(void)way;
	(void)h;
	return true;
}

/* The path behind a rewrite, where it can be told. */
static bool rewritten(struct zs_way *way, const json_t *h)
{
	const char *uri = string_of(h, "uri"), *prefix = string_of(h, "strip_path_prefix");
	struct zs_text target = {(const uint8_t *)uri, strlen(uri)};

	if (zs_placeholders_in(h) || is_set(h, "strip_path_suffix") || is_set(h, "uri_substring") ||
	    is_set(h, "path_regexp") || is_set(h, "query"))
		return false;
	if (prefix[0])
		return !uri[0] && way->path_known && zs_path_strip(way->path, prefix);
	return uri[0] == '/' && !strpbrk(uri, "?#%") && target.len <= ZS_TARGET_MAX && zs_path_of(target, way->path);
}

static bool rewrite(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	json_t *replace;
	size_t i;

	if (is_set(h, "method"))
		zs_walk_refuse(w, "rewrite: changes the method");
	strings_check(w, "rewrite", h, " path_regexp ");
	json_array_foreach(json_object_get(h, "path_regexp"), i, replace)
	{
		strings_check(w, "rewrite", replace, " find ");
	}
	way->path_known = rewritten(way, h);
	return true;
}

static bool file_server(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	const json_t *browse = json_object_get(h, "browse");

	(void)way;
	w->may_fail = true;
	if (browse && !json_is_null(browse))
		zs_walk_refuse(w, "file_server: browse answers by Accept and cookies");
	strings_check(w, "file_server", h, NULL);
	return json_is_true(json_object_get(h, "pass_thru"));
}

/* --- reverse_proxy --------------------------------------------------------------------------- */

static void selection_check(struct zs_walk *w, const json_t *policy)
{
	static const char fine[] = " random random_choose least_conn round_robin weighted_round_robin first uri_hash query ";
	const char *name = string_of(policy, "policy");
	char between[48];

	if (!policy || json_is_null(policy))
		return;
	snprintf(between, sizeof(between), " %s ", name);
	if (!name[0] || strchr(name, ' ') || !strstr(fine, between))
		zs_walk_refuse(w, "reverse_proxy: lb_policy %.32s may choose by the visitor", name[0] ? name : "(none)");
}

/* Responses that Caddy handles further: forward_auth is made of it. A mere replacement of the status is not. */
static void handle_response_check(struct zs_walk *w, const char *what, const json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (is_set(one, "routes"))
			zs_walk_refuse(w, "%s: handle_response, as forward_auth has it", what);
		strings_check(w, what, one, NULL);
	}
}

static void proxies_check(struct zs_walk *w, const json_t *proxies, const char *what)
{
	if (!proxies || json_is_null(proxies) || (json_is_array(proxies) && !json_array_size(proxies)))
		return;
	if (w->request && !w->request->forwarded)
		return;
	if (!zs_walk_allowed(w, "trusted_proxies"))
		zs_walk_refuse(w, "%s: trusted_proxies makes X-Forwarded-* depend on the visitor's address", what);
}

/* A module of that name, or one that the operator answers for. */
static void module_check(struct zs_walk *w, const json_t *value, const char *key, const char *fine, const char *what)
{
	const char *name = string_of(value, key);
	char between[48];

	snprintf(between, sizeof(between), " %.44s ", name);
	if (value && !json_is_null(value) && (strlen(name) > 44 || strchr(name, ' ') || !strstr(fine, between)) &&
	    !zs_walk_allowed(w, name))
		zs_walk_refuse(w, "reverse_proxy: %s %.32s is not known here", what, name[0] ? name : "(none)");
}

static bool reverse_proxy(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	const json_t *fields = json_object_get(h, "headers"), *again = json_object_get(h, "rewrite");
	const json_t *balancing = json_object_get(h, "load_balancing");
	struct zs_way upstream = *way; /* what is changed for the upstream is not changed here */

	w->may_fail = true;
	proxies_check(w, json_object_get(h, "trusted_proxies"), "reverse_proxy");
	strings_check(w, "reverse_proxy", json_object_get(h, "upstreams"), NULL);
	strings_check(w, "reverse_proxy", json_object_get(h, "dynamic_upstreams"), NULL);
	strings_check(w, "reverse_proxy", json_object_get(h, "transport"), " env ");
	module_check(w, json_object_get(h, "transport"), "protocol", " http fastcgi ", "transport");
	module_check(w, json_object_get(h, "dynamic_upstreams"), "source", " a srv multi ", "dynamic_upstreams");
	selection_check(w, json_object_get(balancing, "selection_policy"));
	handle_response_check(w, "reverse_proxy", json_object_get(h, "handle_response"));
	request_fields_check(w, &upstream, "reverse_proxy", json_object_get(fields, "request"));
	strings_check(w, "reverse_proxy", json_object_get(fields, "response"), NULL);
	if (again && !json_is_null(again))
		rewrite(w, &upstream, again);
	return false;
}

/* --- what contains routes -------------------------------------------------------------------- */

static bool subroute(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	const json_t *errors = json_object_get(json_object_get(h, "errors"), "routes");
	struct zs_way failed = *way;
	bool on = zs_walk_routes(w, way, json_object_get(h, "routes"));

	if (!json_array_size(errors))
		return on;
	failed.path_known = failed.host_known = false;
	failed.groups_open = true;
	zs_walk_routes(w, &failed, errors);
	zs_way_join(w, way, &failed);
	return true;
}

static bool invoke(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	const char *name = string_of(h, "name");
	const json_t *route = json_object_get(json_object_get(w->server, "named_routes"), name);
	bool on = true;
	json_t *list;

	if (!json_is_object(route)) {
		zs_walk_refuse(w, "invoke: no route is named %.32s", name);
		return true;
	}
	list = json_pack("[O]", route);
	if (!list)
		zs_walk_refuse(w, "out of memory");
	else
		on = zs_walk_routes(w, way, list);
	json_decref(list);
	return on;
}

static bool intercept(struct zs_walk *w, struct zs_way *way, const json_t *h)
{
	(void)way;
	handle_response_check(w, "intercept", json_object_get(h, "handle_response"));
	return true;
}

/* --- the table ------------------------------------------------------------------------------- */

static const struct handler {
	const char *name;
	bool (*walk)(struct zs_walk *w, struct zs_way *way, const json_t *handler);
	const char *members; /* between blanks; null: any */
} handlers[] = {
	{"static_response", static_response, " status_code headers body close abort "},
	{"error", error, " error status_code "},
	{"headers", headers, " request response "},
	{"vars", vars, NULL},
	{"map", map, " source destinations mappings defaults "},
	{"encode", plain, " encodings prefer minimum_length match "},
	{"request_body", plain, " max_size read_timeout write_timeout set "},
	{"push", plain, " resources headers "},
	{"log_append", log_append, NULL},
	{"rewrite", rewrite, " method uri strip_path_prefix strip_path_suffix uri_substring path_regexp query "},
	{"file_server", file_server,
	 " fs file_system root hide index_names browse canonical_uris status_code pass_thru precompressed "
	 "precompressed_order etag_file_extensions "},
	{"reverse_proxy", reverse_proxy,
	 " transport load_balancing health_checks upstreams dynamic_upstreams flush_interval trusted_proxies headers "
	 "buffer_requests buffer_responses max_buffer_size request_buffers response_buffers stream_timeout "
	 "stream_close_delay rewrite handle_response verbose_logs "},
	{"subroute", subroute, " routes errors "},
	{"invoke", invoke, " name "},
	{"intercept", intercept, " handle_response "},
};

/* Why one that is known is refused whatever it says. */
static const char *refusal(const char *name)
{
	static const struct {
		const char *name;
		const char *why;
	} names[] = {
		{"authentication", "who may see it is decided per request"},
		{"templates", "the response may depend on anything"},
		{"metrics", "the response changes with every request"},
		{"acme_server", "every request has an effect"},
		{"tracing", "answered requests would leave no trace"},
		{"rate_limit", "answered requests would not be counted"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i].name))
			return names[i].why;
	return "not known here; `allow-handler` takes it, if it decides and counts nothing";
}

static void members_check(struct zs_walk *w, const struct handler *known, const json_t *handler)
{
	const char *member;
	char between[80], full[80];
	json_t *value;

	json_object_foreach((json_t *)handler, member, value)
	{
		if (!known->members || !strcmp(member, "handler") || !strcmp(member, "@id"))
			continue;
		snprintf(between, sizeof(between), " %.64s ", member);
		snprintf(full, sizeof(full), "%.24s.%.48s", known->name, member);
		if ((strlen(member) > 64 || strchr(member, ' ') || !strstr(known->members, between)) &&
		    !zs_walk_allowed(w, full))
			zs_walk_refuse(w, "%s is not known here", full);
	}
}

bool zs_walk_handler(struct zs_walk *w, struct zs_way *way, const json_t *handler)
{
	const char *name = string_of(handler, "handler");

	if (zs_walk_allowed(w, name)) {
		way->path_known = way->host_known = false; /* who knows what it changes */
		w->host_changed = w->may_fail = true;
		return true;
	}
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (strcmp(name, handlers[i].name))
			continue;
		members_check(w, &handlers[i], handler);
		return handlers[i].walk(w, way, handler);
	}
	zs_walk_refuse(w, "handler %.40s: %s", name[0] ? name : "(none)", refusal(name));
	return true;
}
