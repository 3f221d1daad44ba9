// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One look at a configuration before requests are judged by it: the placeholders that it defines, and what anywhere in
 * it makes others unknown.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "eligible_walk.h"

const json_t *zs_servers_of(const struct zs_eligible *e)
{
	return json_object_get(json_object_get(json_object_get(e->config, "apps"), "http"), "servers");
}

static int name_add(struct zs_eligible *e, const char *prefix, const char *name, size_t len)
{
	char full[256];

	if (len >= sizeof(full) - strlen(prefix))
		return 0; /* not known then, and so refused */
	snprintf(full, sizeof(full), "%s%.*s", prefix, (int)len, name);
	return json_object_set_new(e->names, full, json_true()) ? -ENOMEM : 0;
}

/* {destination}: a placeholder of the map handler's, unless Caddy itself has a value for it. */
static int destination_add(struct zs_eligible *e, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len < 3 || text[0] != '{' || text[len - 1] != '}' || zs_is_own_placeholder(text + 1))
		return 0;
	return name_add(e, "", text + 1, len - 2);
}

static int names_of(struct zs_eligible *e, const json_t *node)
{
	const char *handler = json_string_value(json_object_get(node, "handler")), *key;
	json_t *value;
	int err = 0;
	size_t i;

	if (handler && !strcmp(handler, "vars")) {
		json_object_foreach((json_t *)node, key, value)
		{
			/* these two are Caddy's own */
			if (!err && strcasecmp(key, "client_ip") && strcasecmp(key, "trusted_proxy"))
				err = name_add(e, "http.vars.", key, strlen(key));
		}
	} else if (handler && !strcmp(handler, "map")) {
		json_array_foreach(json_object_get(node, "destinations"), i, value)
		{
			err = err ? err : destination_add(e, json_string_value(value));
		}
	}
	return err;
}

/* Go reads members of structures without regard to case; what would be missed here for it must not be. */
static bool is_odd_case(const char *member)
{
	static const char members[] = " routes match handle terminal group errors request response add set delete replace "
				      "require headers rewrite method uri transport protocol upstreams dial "
				      "dynamic_upstreams load_balancing selection_policy handle_response "
				      "trusted_proxies browse pass_thru expr named_routes source destinations mappings "
				      "outputs defaults path_regexp find env ";
	char lower[32];
	size_t len = strlen(member), upper = 0;

	if (strstr(member, "\xc5\xbf") || strstr(member, "\xe2\x84\xaa"))
		return true; /* they fold to s and k */
	if (len + 2 >= sizeof(lower))
		return false;
	for (size_t i = 0; i < len; i++) {
		upper += isupper((unsigned char)member[i]) != 0;
		lower[i + 1] = (char)tolower((unsigned char)member[i]);
	}
	lower[0] = lower[len + 1] = ' ';
	lower[len + 2] = '\0';
	return upper && strstr(members, lower);
}

/* Expressions can call matchers, and what those capture outlives a set that does not match. */
static void expression_note(struct zs_eligible *e, const json_t *expression)
{
	const json_t *text = json_is_object(expression) ? json_object_get(expression, "expr") : expression;

	if (!json_is_string(text))
		return;
	e->regexp_foreign |= strstr(json_string_value(text), "_regexp") != NULL;
	e->file_foreign |= strstr(json_string_value(text), "file") != NULL;
}

/* The parser has bounded the depth (JSON_PARSER_MAX_DEPTH, 2048). */
static int look_through(struct zs_eligible *e, const json_t *node)
{
	char name[48];
	const char *key;
	json_t *child;
	size_t i;
	int err = names_of(e, node);

	json_array_foreach(node, i, child)
	{
		err = err ? err : look_through(e, child);
	}
	json_object_foreach((json_t *)node, key, child)
	{
		e->odd_case |= is_odd_case(key);
		if (!strcmp(key, "header_regexp") || !strcmp(key, "vars_regexp"))
			e->regexp_foreign = true;
		if (!strcmp(key, "expression"))
			expression_note(e, child);
		if (!strcmp(key, "file") && !zs_placeholders_known(e, child, NULL, name))
			e->file_foreign = true;
		err = err ? err : look_through(e, child);
	}
	return err;
}

int zs_eligible_create(json_t *config, const char *const *allowed, struct zs_eligible **out)
{
	struct zs_eligible *e = calloc(1, sizeof(*e));
	int err = -ENOMEM;

	if (!e)
		return err;
	e->config = json_incref(config);
	e->allowed = allowed;
	e->names = json_object();
	if (e->names)
		err = look_through(e, zs_servers_of(e));
	if (err)
		zs_eligible_destroy(e);
	else
		*out = e;
	return err;
}

void zs_eligible_destroy(struct zs_eligible *e)
{
	if (!e)
		return;
	json_decref(e->config);
	json_decref(e->names);
	free(e);
}

const char *zs_eligible_allow_refusal(const char *name)
{
	static const char *const containers[] = {"subroute", "invoke", "reverse_proxy", "intercept", "tls"};

	if (!strcmp(name, "authentication"))
		return "decides who may see a response, and an answer by the kernel would not ask it";
	for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++)
		if (!strcmp(name, containers[i]))
			return "is looked at anyway, for what it contains";
	return NULL;
}
