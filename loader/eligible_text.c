// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Placeholders in Caddy's configuration: which of them the key of a request decides. Caddy tries every opening brace,
 * up to the next closing one; what it does not know stays as it is written.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "eligible_walk.h"

#define NAME_MAX_SHOWN 48
#define VALUES_DEEP    64

/* Known from the key, from the response of the upstream, or the same for every request. */
static const char *const known_names[] = {
	"http.request.host",
	"http.request.hostport",
	"http.request.port",
	"http.request.scheme",
	"http.request.proto",
	"http.request.uri",
	"http.request.orig_uri",
	"http.request.uri_escaped",
	"http.request.header.X-Forwarded-Host",
	"http.request.header.X-Forwarded-Proto",
	"http.error.status_code",
	"http.error.status_text",
	"http.reverse_proxy.status_code",
	"http.reverse_proxy.status_text",
	"http.reverse_proxy.upstream.address",
	"http.reverse_proxy.upstream.hostport",
	"http.reverse_proxy.upstream.host",
	"http.reverse_proxy.upstream.port",
	"http.vars.root",
};

static const char *const known_prefixes[] = {
	"http.request.host.labels.", "http.request.uri.", "http.request.orig_uri.", "http.reverse_proxy.header.",
	"env.", "system.", "file.",
};

/* Names that begin so belong to Caddy, whatever else is in them. */
static const char *const own_prefixes[] = {"http.", "time.", "env.", "system.", "file.", "tls.", "geoip", "user."};

static bool begins(const char *name, const char *prefix)
{
	return !strncasecmp(name, prefix, strlen(prefix));
}

bool zs_is_own_placeholder(const char *name)
{
	for (size_t i = 0; i < sizeof(own_prefixes) / sizeof(own_prefixes[0]); i++)
		if (begins(name, own_prefixes[i]))
			return true;
	return false;
}

/* Nothing that Caddy or a plugin could have a value for: a part of some text with braces. */
bool zs_is_no_placeholder(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char others[] = "0123456789.-*/";

	if (zs_is_own_placeholder(name))
		return false;
	if (!strpbrk(name, letters))
		return true;
	for (; *name; name++)
		if (!strchr(letters, *name) && !strchr(others, *name))
			return true;
	return false;
}

static bool is_known(const struct zs_eligible *e, const char *name)
{
	if (begins(name, "http.regexp."))
		return !e->regexp_foreign;
	if (begins(name, "http.matchers.file."))
		return !e->file_foreign;
	for (size_t i = 0; i < sizeof(known_names) / sizeof(known_names[0]); i++)
		if (!strcasecmp(name, known_names[i]))
			return true;
	for (size_t i = 0; i < sizeof(known_prefixes) / sizeof(known_prefixes[0]); i++)
		if (begins(name, known_prefixes[i]))
			return true;
	return json_object_get(e->names, name) != NULL;
}

/* One text. The longest name of any length that Caddy could mean ends at the first closing brace. */
static bool text_known(const struct zs_eligible *e, const char *text, char *name)
{
	char one[256];

	for (const char *open = strchr(text, '{'); open; open = strchr(open + 1, '{')) {
		const char *end = strchr(open, '}');
		size_t len = end ? (size_t)(end - open) - 1 : 0;

		if (!end)
			return true;
		if (len >= sizeof(one))
			len = sizeof(one) - 1; /* what begins as Caddy's own name is taken for one */
		memcpy(one, open + 1, len);
		one[len] = '\0';
		if (is_known(e, one) || zs_is_no_placeholder(one))
			continue;
		snprintf(name, NAME_MAX_SHOWN, "{%.45s}", one);
		return false;
	}
	return true;
}

static bool skipped(const char *skip, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = skip; at && (at = strstr(at, key)); at++)
		if (at > skip && at[-1] == ' ' && at[len] == ' ')
			return true;
	return false;
}

static bool value_known(const struct zs_eligible *e, const json_t *value, const char *skip, unsigned int deep,
			char *name)
{
	const char *key;
	json_t *child;
	size_t i;

	if (deep == VALUES_DEEP) {
		strcpy(name, "nested too deep");
		return false;
	}
	if (json_is_string(value))
		return text_known(e, json_string_value(value), name);
	json_array_foreach(value, i, child)
	{
		if (!value_known(e, child, NULL, deep + 1, name))
			return false;
	}
	json_object_foreach((json_t *)value, key, child)
	{
		if (skipped(skip, key))
			continue;
		if (!text_known(e, key, name) || !value_known(e, child, NULL, deep + 1, name))
			return false;
	}
	return true;
}

bool zs_placeholders_known(const struct zs_eligible *e, const json_t *value, const char *skip, char *name)
{
	return value_known(e, value, skip, 0, name);
}

bool zs_placeholders_in(const json_t *value)
{
	const char *key;
	json_t *child;
	size_t i;

	if (json_is_string(value))
		return strchr(json_string_value(value), '{') != NULL;
	json_array_foreach(value, i, child)
	{
		if (zs_placeholders_in(child))
			return true;
	}
	json_object_foreach((json_t *)value, key, child)
	{
		if (strchr(key, '{') || zs_placeholders_in(child))
			return true;
	}
	return false;
}
