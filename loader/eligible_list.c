// SPDX-License-Identifier: GPL-2.0-or-later
/* Every route with what stands against it, for `status`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eligible_walk.h"

#define MATCH_SHOWN 96
#define LIST_DEEP   8

struct list {
	const struct zs_eligible *e;
	const char *name;
	const json_t *server;
	json_t *array;
};

static void add(char *text, const char *more)
{
	size_t have = strlen(text);

	snprintf(text + have, MATCH_SHOWN - have, "%.48s", more);
}

/* Names of matchers, with their values where those are plain words. */
static void match_text(const json_t *sets, char *text)
{
	json_t *set, *value, *word;
	const char *name;
	size_t i, j;

	json_array_foreach(sets, i, set)
	{
		json_object_foreach(set, name, value)
		{
			add(text, text[0] ? (i ? ", " : " ") : "");
			add(text, name);
			json_array_foreach(value, j, word)
			{
				if (!json_is_string(word))
					continue;
				add(text, j ? "," : "=");
				add(text, json_string_value(word));
			}
		}
	}
}

/* As much of `text` as is whole UTF-8. */
static json_t *text_json(char *text)
{
	for (size_t len = strlen(text); len; text[--len] = '\0') {
		json_t *json = json_string(text);

		if (json)
			return json;
	}
	return json_string("");
}

/* Whether an object has no members but these, written between blanks. */
static bool has_only(const json_t *object, const char *members)
{
	const char *member;
	char between[32];
	json_t *value;

	json_object_foreach((json_t *)object, member, value)
	{
		snprintf(between, sizeof(between), " %.24s ", member);
		if (!strstr(members, between))
			return false;
	}
	return true;
}

/* The routes within, if the route has nothing else. */
static const json_t *within(const json_t *route)
{
	const json_t *handle = json_object_get(route, "handle"), *only = json_array_get(handle, 0);
	const char *name = json_string_value(json_object_get(only, "handler"));

	if (json_array_size(handle) != 1 || !name || strcmp(name, "subroute") ||
	    !has_only(route, " match handle terminal group @id ") || !has_only(only, " handler routes @id "))
		return NULL;
	return json_object_get(only, "routes");
}

static void one_list(const struct list *l, const json_t *route, const char *place, const char *match)
{
	struct zs_way *way = calloc(1, sizeof(*way));
	char why[ZS_ELIGIBLE_WHY] = "out of memory", text[MATCH_SHOWN];
	struct zs_walk w = {.of = l->e, .name = l->name, .server = l->server, .why = why, .refused = !way};
	json_t *entry;

	snprintf(w.at, sizeof(w.at), "%s", place);
	if (way) {
		way->groups_open = true; /* who knows which routes came before */
		zs_walk_route(&w, way, route);
	}
	snprintf(text, sizeof(text), "%s", match);
	entry = json_pack("{s:s, s:o, s:b}", "route", place, "match", text_json(text), "eligible", !w.refused);
	if (w.refused)
		json_object_set_new(entry, "reason", text_json(why));
	json_array_append_new(l->array, entry);
	free(way);
}

static void routes_list(const struct list *l, const json_t *routes, const char *prefix, const char *outer,
			unsigned int deep)
{
	char place[64], match[MATCH_SHOWN];
	struct zs_walk w;
	struct zs_way way = {0};
	json_t *route;
	size_t i;

	json_array_foreach(routes, i, route)
	{
		const json_t *inner = deep < LIST_DEEP ? within(route) : NULL, *sets = json_object_get(route, "match");

		if (json_array_size(l->array) == ZS_ELIGIBLE_ROUTES)
			return;
		snprintf(place, sizeof(place), "%s%zu", prefix, i);
		snprintf(match, sizeof(match), "%s", outer);
		match_text(sets, match);
		w = (struct zs_walk){.of = l->e, .name = l->name, .server = l->server};
		if (inner && zs_match_sets(&w, &way, sets) != ZS_MATCH_FOREIGN) {
			strncat(place, "/", sizeof(place) - strlen(place) - 1);
			routes_list(l, inner, place, match, deep + 1);
		} else {
			one_list(l, route, place, match);
		}
	}
}

json_t *zs_eligible_routes(const struct zs_eligible *e, const char *server)
{
	struct list l = {.e = e, .name = server, .server = json_object_get(zs_servers_of(e), server)};

	l.array = json_array();
	if (l.array) {
		routes_list(&l, json_object_get(l.server, "routes"), "", "", 0);
		routes_list(&l, json_object_get(json_object_get(l.server, "errors"), "routes"), "errors/", "", 0);
	}
	return l.array;
}
