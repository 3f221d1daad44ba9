// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any JSON as Caddy's configuration, and configurations made of what matters: no crash; what was refused stays refused
 * when something unknown is added to a route; what is listed as eligible for any request is so for each.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "eligible.h"
#include "listeners.h"

#define CHECK(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what))                                                                                           \
			abort();                                                                                       \
	} while (0)

struct bytes {
	const uint8_t *p;
	size_t len;
};

static unsigned int next(struct bytes *b, unsigned int below)
{
	if (!b->len)
		return 0;
	b->len--;
	return *b->p++ % below;
}

static const char *const matchers[] = {
	"{\"path\":[\"/a*\"]}",
	"{\"path\":[\"*.x\",\"/b/*\"]}",
	"{\"path_regexp\":{\"pattern\":\"x\"}}",
	"{\"host\":[\"a.example\"]}",
	"{\"host\":[\"*.example\"],\"path\":[\"/a\"]}",
	"{\"not\":[{\"path\":[\"/a\"]}]}",
	"{\"not\":[{\"remote_ip\":{}}],\"path\":[\"/a\"]}",
	"{\"remote_ip\":{}}",
	"{\"method\":[\"POST\"]}",
	"{\"method\":[\"GET\",\"HEAD\"]}",
	"{\"query\":{\"q\":[\"1\"]}}",
	"{\"file\":{\"try_files\":[\"{http.request.uri.path}\"]}}",
	"{\"expression\":\"{http.error.status_code} == 404\"}",
	"{\"header\":{\"Upgrade\":[\"websocket\"]}}",
};

static const char *const handlers[] = {
	"{\"handler\":\"static_response\",\"body\":\"{http.request.uri.path}\"}",
	"{\"handler\":\"static_response\",\"body\":\"{http.request.remote}\"}",
	"{\"handler\":\"headers\"}",
	"{\"handler\":\"headers\",\"request\":{\"set\":{\"Host\":[\"b\"]}}}",
	"{\"handler\":\"rewrite\",\"uri\":\"/a/x\"}",
	"{\"handler\":\"rewrite\",\"strip_path_prefix\":\"/a\"}",
	"{\"handler\":\"file_server\"}",
	"{\"handler\":\"file_server\",\"pass_thru\":true}",
	"{\"handler\":\"authentication\"}",
	"{\"handler\":\"reverse_proxy\",\"upstreams\":[{\"dial\":\"127.0.0.1:1\"}]}",
	"{\"handler\":\"plugin\"}",
	"{\"handler\":\"invoke\",\"name\":\"n\"}",
	"{\"handler\":\"error\",\"status_code\":404}",
};

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	CHECK(json);
	return json;
}

static json_t *routes_make(struct bytes *b, unsigned int depth);

static json_t *handler_make(struct bytes *b, unsigned int depth)
{
	unsigned int n = next(b, sizeof(handlers) / sizeof(handlers[0]) + 4);

	if (n < sizeof(handlers) / sizeof(handlers[0]) || depth > 3)
		return parse(handlers[n % (sizeof(handlers) / sizeof(handlers[0]))]);
	if (n == sizeof(handlers) / sizeof(handlers[0]))
		return json_pack("{s:s, s:o, s:{s:o}}", "handler", "subroute", "routes", routes_make(b, depth + 1), "errors",
				 "routes", routes_make(b, depth + 1));
	return json_pack("{s:s, s:o}", "handler", "subroute", "routes", routes_make(b, depth + 1));
}

static json_t *route_make(struct bytes *b, unsigned int depth)
{
	static const char *const groups[] = {"g", "h"};
	json_t *route = json_object(), *sets = json_array(), *handle = json_array();
	unsigned int n;

	for (n = next(b, 3); n; n--)
		json_array_append_new(sets, parse(matchers[next(b, sizeof(matchers) / sizeof(matchers[0]))]));
	for (n = 1 + next(b, 3); n; n--)
		json_array_append_new(handle, handler_make(b, depth));
	if (json_array_size(sets))
		json_object_set(route, "match", sets);
	json_decref(sets);
	json_object_set_new(route, "handle", handle);
	n = next(b, 8);
	if (n < 2)
		json_object_set_new(route, "group", json_string(groups[n]));
	if (n == 2)
		json_object_set_new(route, "terminal", json_true());
	return route;
}

static json_t *routes_make(struct bytes *b, unsigned int depth)
{
	json_t *routes = json_array();

	for (unsigned int n = 1 + next(b, 4); n; n--)
		json_array_append_new(routes, route_make(b, depth));
	return routes;
}

static bool judge(json_t *config, const struct zs_eligible_request *request)
{
	char why[ZS_ELIGIBLE_WHY] = "";
	struct zs_eligible *e;
	bool yes;

	CHECK(!zs_eligible_create(config, NULL, &e));
	yes = zs_eligible_judge(e, "s", request, why);
	CHECK(yes || why[0]);
	CHECK(memchr(why, '\0', sizeof(why)));
	zs_eligible_destroy(e);
	return yes;
}

/* Is every route eligible, whatever the request? */
static bool all_listed(json_t *config)
{
	struct zs_eligible *e;
	json_t *list, *one;
	bool yes = true;
	size_t i;

	CHECK(!zs_eligible_create(config, NULL, &e));
	list = zs_eligible_routes(e, "s");
	json_array_foreach(list, i, one)
	{
		yes &= json_is_true(json_object_get(one, "eligible"));
	}
	yes &= json_array_size(list) < ZS_ELIGIBLE_ROUTES;
	json_decref(list);
	zs_eligible_destroy(e);
	return yes;
}

static json_t *config_of(json_t *routes, json_t *errors, json_t *named)
{
	return json_pack("{s:{s:{s:{s:{s:o, s:{s:o}, s:{s:o}}}}}}", "apps", "http", "servers", "s", "routes", routes,
			 "errors", "routes", errors, "named_routes", "n", named);
}

/* Something unknown in one route of a list, or of one within it. */
static void unknown_add(json_t *routes, struct bytes *b)
{
	json_t *route = json_array_get(routes, next(b, (unsigned int)json_array_size(routes)));
	json_t *handle = json_object_get(route, "handle"), *sets, *set;
	json_t *inner = json_object_get(json_array_get(handle, 0), "routes");
	size_t i;

	if (inner && next(b, 2)) {
		unknown_add(inner, b);
	} else if (next(b, 2)) {
		json_array_insert_new(handle, 0, json_pack("{s:s}", "handler", "unknown"));
	} else {
		if (!json_object_get(route, "match"))
			json_object_set_new(route, "match", json_pack("[{}]"));
		sets = json_object_get(route, "match");
		json_array_foreach(sets, i, set)
		{
			json_object_set_new(set, "unknown", json_true());
		}
	}
}

static void made(struct bytes b)
{
	static const char *const targets[] = {"/a/x", "/", "/b/c.x?q=1", "/%61", "/a//b", "/caf%c3%a9"};
	static const char *const hosts[] = {"a.example", "b", "[::1]:80"};
	const char *host = hosts[next(&b, 3)], *target = targets[next(&b, 6)];
	struct zs_eligible_request request = {{(const uint8_t *)host, strlen(host)}, {(const uint8_t *)target, strlen(target)},
					      next(&b, 2), false};
	json_t *named = route_make(&b, 3), *routes = routes_make(&b, 0), *errors = next(&b, 2) ? routes_make(&b, 2) : json_array();
	json_t *config = config_of(routes, errors, named);
	bool before = judge(config, &request);

	if (all_listed(config))
		CHECK(before);
	unknown_add(routes, &b);
	CHECK(before || !judge(config, &request));
	/* before everything, nothing gets past it */
	json_array_insert_new(routes, 0, parse("{\"handle\":[{\"handler\":\"unknown\"}]}"));
	CHECK(!judge(config, &request));
	json_decref(config);
}

static void any(const uint8_t *data, size_t size)
{
	size_t half = size > 64 ? 32 : size / 2;
	struct zs_eligible_request request = {{data, half / 2}, {data + half / 2, half - half / 2}, true, true};
	json_t *config = json_loadb((const char *)data + half, size - half, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct zs_listeners listeners;
	const struct zs_served *listener;
	struct zs_listen_at at;

	if (!config)
		return;
	judge(config, &request);
	all_listed(config);
	CHECK(!zs_listeners_read(config, &listeners));
	zs_listeners_find(&listeners, ":80", &listener, &at);
	zs_listeners_free(&listeners);
	json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] % 4)
		made((struct bytes){data + 1, size - 1});
	else
		any(data + 1, size - 1);
	return 0;
}
