// SPDX-License-Identifier: GPL-2.0-or-later
/* The answer of `explain` as text: one sentence for each origin, and under it what it rests on. */
#include "explain.h"

#include <stdio.h>

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && *text ? text : "?";
}

static long long number_of(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

static void rule_print(const json_t *rule)
{
	const json_t *status = json_object_get(rule, "status");

	printf("  rule %s (line %lld) holds", text_of(rule, "name"), number_of(rule, "line"));
	for (size_t i = 0; i < json_array_size(status); i++)
		printf("%s %lld", i ? "," : " for status", (long long)json_integer_value(json_array_get(status, i)));
	puts("");
}

static void origin_print(const json_t *e)
{
	const json_t *object = json_object_get(e, "object"), *rule;
	size_t i;

	printf("%s: %s\n", text_of(e, "origin"), text_of(e, "sentence"));
	if (object)
		printf("  stored: status %lld, %lld bytes, %lld hits\n", number_of(object, "status"),
		       number_of(object, "size"), number_of(object, "hits"));
	if (json_is_true(json_object_get(e, "cold")))
		puts("  of this origin nothing could be stored lately: most of its connections are left alone");
	json_array_foreach(json_object_get(e, "rules"), i, rule)
	{
		rule_print(rule);
	}
	if (json_is_true(json_object_get(e, "odd_path")))
		puts("  nothing is stored: servers may read this path in different ways, and a rule goes by it");
	else if (json_is_true(json_object_get(e, "bypass")))
		puts("  nothing is stored: a rule says bypass");
}

static void variant_print(const json_t *v)
{
	const json_t *value;
	const char *name;

	printf("  %-7s %s at %s, status %lld, age %lld s, ttl %lld s, %lld hits; accepts: %s", text_of(v, "state"),
	       text_of(v, "url"), text_of(v, "origin"), number_of(v, "status"), number_of(v, "age"),
	       number_of(v, "ttl"), number_of(v, "hits"), text_of(v, "accepts"));
	json_object_foreach(json_object_get(v, "vary"), name, value)
	{
		printf("; %s: %s", name, json_string_value(value));
	}
	puts("");
}

static void left_print(const json_t *upstream)
{
	const char *advice = json_string_value(json_object_get(upstream, "advice"));

	printf("%s: %s: %s%s%s\n", text_of(upstream, "dial"),
	       json_is_true(json_object_get(upstream, "taken")) ? "accelerated in part" : "not accelerated",
	       text_of(upstream, "reason"), advice ? "; " : "", advice ? advice : "");
}

void zs_explain_print(const json_t *answer)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(answer, "origins"), i, entry)
	{
		origin_print(entry);
	}
	if (!i)
		puts("no origin is accelerated");
	json_array_foreach(json_object_get(answer, "left"), i, entry)
	{
		left_print(entry);
	}
	if (!json_is_true(json_object_get(answer, "agent")))
		puts("no agent is running: nothing new is stored");
	i = json_array_size(json_object_get(answer, "variants"));
	printf("%zu variant%s stored for this URL\n", i, i == 1 ? "" : "s");
	json_array_foreach(json_object_get(answer, "variants"), i, entry)
	{
		variant_print(entry);
	}
}
