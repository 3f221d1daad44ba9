// SPDX-License-Identifier: GPL-2.0-or-later
/* Caddy's matchers. What the key does not decide is FOREIGN, unless another matcher of its set says no anyway. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "eligible_walk.h"

#define NOT_DEEP   16	/* `not` within `not` */
#define HOSTS_MANY 100	/* above, Caddy searches the list instead of comparing each */

static enum zs_match foreign(struct zs_walk *w, const char *name, const char *why)
{
	snprintf(w->guard, sizeof(w->guard), "matcher %.32s: %.48s", name, why);
	return ZS_MATCH_FOREIGN;
}

/* EITHER, if what stands there is decided by the key. */
static enum zs_match either(struct zs_walk *w, const char *name, const json_t *value)
{
	char placeholder[48];

	if (zs_placeholders_known(w->of, value, NULL, placeholder))
		return ZS_MATCH_EITHER;
	return foreign(w, name, placeholder);
}

/* --- host ------------------------------------------------------------------------------------ */

/* Label by label, where a star stands for one. */
static bool labels_match(const char *pattern, const char *host)
{
	for (;;) {
		size_t p = strcspn(pattern, "."), h = strcspn(host, ".");

		if (!(p == 1 && pattern[0] == '*') && (p != h || strncasecmp(pattern, host, p)))
			return false;
		if (!pattern[p] || !host[h])
			return !pattern[p] && !host[h];
		pattern += p + 1;
		host += h + 1;
	}
}

static enum zs_match host_one(const struct zs_walk *w, const char *pattern, bool many)
{
	for (const char *c = pattern; *c; c++)
		if ((unsigned char)*c >= 0x80)
			return ZS_MATCH_EITHER; /* Caddy makes it xn--... */
	if (strchr(pattern, '*'))
		return labels_match(pattern, w->host) ? ZS_MATCH_YES : ZS_MATCH_NO;
	if (strcasecmp(pattern, w->host))
		return ZS_MATCH_NO;
	return many && strcmp(pattern, w->host) ? ZS_MATCH_EITHER : ZS_MATCH_YES;
}

static enum zs_match host_match(struct zs_walk *w, const struct zs_way *way, const json_t *hosts)
{
	enum zs_match all = ZS_MATCH_NO, one;
	json_t *host;
	size_t i;

	if (!json_is_array(hosts))
		return foreign(w, "host", "malformed");
	json_array_foreach(hosts, i, host)
	{
		if (!json_is_string(host))
			return foreign(w, "host", "malformed");
		if (zs_placeholders_in(host))
			one = either(w, "host", host);
		else if (!w->request || !way->host_known)
			one = ZS_MATCH_EITHER;
		else
			one = host_one(w, json_string_value(host), json_array_size(hosts) > HOSTS_MANY);
		all = one > all ? one : all;
	}
	return all;
}

/* --- the other ones that the key decides ----------------------------------------------------- */

static enum zs_match path_match(struct zs_walk *w, const struct zs_way *way, const json_t *patterns)
{
	enum zs_match all = ZS_MATCH_NO, one;
	json_t *pattern;
	size_t i;

	if (!json_is_array(patterns))
		return foreign(w, "path", "malformed");
	json_array_foreach(patterns, i, pattern)
	{
		const char *text = json_string_value(pattern);

		if (!text)
			return foreign(w, "path", "malformed");
		if (!strcmp(text, "*"))
			one = ZS_MATCH_YES;
		else if (zs_placeholders_in(pattern))
			one = either(w, "path", pattern);
		else if (!w->request || !way->path_known)
			one = ZS_MATCH_EITHER;
		else
			one = zs_path_match(way->path, text);
		all = one > all ? one : all;
	}
	return all;
}

/* A stored GET answers HEAD as well: what tells them apart decides too much. */
static enum zs_match method_match(struct zs_walk *w, const json_t *methods)
{
	bool get = false, head = false, odd = false;
	json_t *method;
	size_t i;

	if (!json_is_array(methods))
		return foreign(w, "method", "malformed");
	json_array_foreach(methods, i, method)
	{
		const char *text = json_string_value(method);

		if (!text || strchr(text, '{'))
			return foreign(w, "method", "not a plain name");
		get |= !strcmp(text, "GET");
		head |= !strcmp(text, "HEAD");
		odd |= (!strcasecmp(text, "GET") && !get) || (!strcasecmp(text, "HEAD") && !head);
	}
	if (odd)
		return foreign(w, "method", "not in upper case");
	if (get != head)
		return foreign(w, "method", "tells GET from HEAD; name both, or neither");
	return get ? ZS_MATCH_YES : ZS_MATCH_NO;
}

static enum zs_match protocol_match(struct zs_walk *w, const json_t *protocol)
{
	const char *text = json_string_value(protocol);

	if (!text || !strcmp(text, "grpc") || strchr(text, '{'))
		return foreign(w, "protocol", "depends on Content-Type");
	if (!strcmp(text, "http"))
		return ZS_MATCH_YES;
	return !strcmp(text, "https") ? ZS_MATCH_NO : ZS_MATCH_EITHER;
}

static enum zs_match query_match(struct zs_walk *w, const json_t *query)
{
	const struct zs_eligible_request *r = w->request;

	if (!json_is_object(query))
		return foreign(w, "query", "malformed");
	if (r && r->query_open)
		return foreign(w, "query", "key-query leaves parameters out of the key");
	w->may_fail = true; /* a query that Caddy cannot parse */
	return either(w, "query", query);
}

/* Comparisons of numbers and placeholders: `{http.error.status_code} in [404, 410]`. Whatever has a name could be
 * a function that looks at the request. */
static bool is_comparison(const char *text)
{
	while (*text) {
		size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_\"'`.\\$@");

		if (*text == '{') {
			text += strcspn(text, "}");
			text += *text != '\0';
		} else if (word && !(word == 2 && !strncmp(text, "in", 2))) {
			return false;
		} else {
			text += word ? word : 1;
		}
	}
	return true;
}

static enum zs_match expression_match(struct zs_walk *w, const json_t *expression)
{
	const json_t *text = json_is_object(expression) ? json_object_get(expression, "expr") : expression;

	if (json_is_string(text) && is_comparison(json_string_value(text)))
		return either(w, "expression", text);
	return foreign(w, "expression", "may depend on anything");
}

/* A request with the field Upgrade is neither answered nor stored, so a matcher that wants it says no. */
static enum zs_match header_match(struct zs_walk *w, const json_t *fields)
{
	const char *field;
	json_t *values, *value;
	size_t i;

	json_object_foreach((json_t *)fields, field, values)
	{
		bool wanted = !strcasecmp(field, "upgrade") && json_array_size(values);

		json_array_foreach(values, i, value)
		{
			wanted &= json_is_string(value) && json_string_length(value);
		}
		if (wanted)
			return ZS_MATCH_NO;
	}
	return foreign(w, "header", "depends on request fields");
}

/* --- all of them ----------------------------------------------------------------------------- */

static enum zs_match sets_match(struct zs_walk *w, const struct zs_way *way, const json_t *sets, unsigned int deep);

static enum zs_match not_match(struct zs_walk *w, const struct zs_way *way, const json_t *sets, unsigned int deep)
{
	enum zs_match one;

	if (!json_is_array(sets) || deep == NOT_DEEP)
		return foreign(w, "not", "malformed, or nested too deep");
	one = json_array_size(sets) ? sets_match(w, way, sets, deep + 1) : ZS_MATCH_NO;
	if (one == ZS_MATCH_YES)
		return ZS_MATCH_NO;
	return one == ZS_MATCH_NO ? ZS_MATCH_YES : one;
}

static enum zs_match foreign_match(struct zs_walk *w, const char *name)
{
	static const struct {
		const char *name;
		const char *why;
	} names[] = {
		{"remote_ip", "depends on the visitor's address"},
		{"client_ip", "depends on the visitor's address"},
		{"header_regexp", "depends on request fields"},
		{"vars", "depends on variables"},
		{"vars_regexp", "depends on variables"},
		{"tls", "depends on the connection"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i].name))
			return foreign(w, name, names[i].why);
	return foreign(w, name, "not known here");
}

static enum zs_match one_match(struct zs_walk *w, const struct zs_way *way, const char *name, const json_t *value,
			       unsigned int deep)
{
	if (!strcmp(name, "host"))
		return host_match(w, way, value);
	if (!strcmp(name, "path"))
		return path_match(w, way, value);
	if (!strcmp(name, "path_regexp"))
		return ZS_MATCH_EITHER;
	if (!strcmp(name, "method"))
		return method_match(w, value);
	if (!strcmp(name, "protocol"))
		return protocol_match(w, value);
	if (!strcmp(name, "query"))
		return query_match(w, value);
	if (!strcmp(name, "not"))
		return not_match(w, way, value, deep);
	if (!strcmp(name, "expression"))
		return expression_match(w, value);
	if (!strcmp(name, "header"))
		return header_match(w, value);
	if (!strcmp(name, "file")) {
		w->may_fail = true;
		return either(w, name, value);
	}
	return foreign_match(w, name);
}

/* All matchers of a set must hold, in no order. */
static enum zs_match set_match(struct zs_walk *w, const struct zs_way *way, const json_t *set, unsigned int deep)
{
	bool strange = false, unsure = false;
	const char *name;
	json_t *value;

	if (!json_is_object(set))
		return foreign(w, "set", "malformed");
	json_object_foreach((json_t *)set, name, value)
	{
		enum zs_match one = one_match(w, way, name, value, deep);

		if (one == ZS_MATCH_NO)
			return one;
		strange |= one == ZS_MATCH_FOREIGN;
		unsure |= one == ZS_MATCH_EITHER;
	}
	if (strange)
		return ZS_MATCH_FOREIGN;
	return unsure ? ZS_MATCH_EITHER : ZS_MATCH_YES;
}

static enum zs_match sets_match(struct zs_walk *w, const struct zs_way *way, const json_t *sets, unsigned int deep)
{
	enum zs_match all = ZS_MATCH_NO;
	json_t *set;
	size_t i;

	json_array_foreach(sets, i, set)
	{
		enum zs_match one = set_match(w, way, set, deep);

		all = one > all ? one : all;
	}
	return all;
}

enum zs_match zs_match_sets(struct zs_walk *w, const struct zs_way *way, const json_t *sets)
{
	if (!sets || json_is_null(sets))
		return ZS_MATCH_YES;
	if (!json_is_array(sets))
		return foreign(w, "match", "malformed");
	return json_array_size(sets) ? sets_match(w, way, sets, 0) : ZS_MATCH_YES;
}
