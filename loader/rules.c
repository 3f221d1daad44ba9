// SPDX-License-Identifier: GPL-2.0-or-later
/* Which rules hold, and what they say together. */
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What rules with these conditions only decide is known before there is a response. */
#define EARLY_CONDITIONS (ZS_GIVEN(HOST) | ZS_GIVEN(PREFIX))
#define EARLY_SETTINGS	 (ZS_GIVEN(IGNORE_COOKIES) | ZS_GIVEN(KEY_QUERY) | ZS_GIVEN(AUTHORIZATION))
#define QUERY_FLAGS	 (ZS_CLASS_KEEP | ZS_CLASS_DROP | ZS_CLASS_SORT)

/* --- conditions ------------------------------------------------------------------------------ */

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte behind "%", decoded; -1: none. */
static int escaped(const uint8_t *p, size_t left)
{
	int high = left > 2 ? hex(p[1]) : -1, low = left > 2 ? hex(p[2]) : -1;

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool dots(const uint8_t *segment, size_t len)
{
	return len && len <= 2 && segment[0] == '.' && segment[len - 1] == '.';
}

bool zs_rules_path_odd(const uint8_t *path, size_t len)
{
	size_t segment = 0;

	for (size_t i = 0; i < len; i++) {
		int c = path[i] == '%' ? escaped(path + i, len - i) : 'x';

		if (path[i] == ';' || path[i] == '\\' || c < 0x20 || c == 0x7f ||
		    strchr("./;\\%?#", c))
			return true;
		if (path[i] != '/')
			continue;
		if (dots(path + segment, i - segment))
			return true;
		segment = i + 1;
	}
	return dots(path + segment, len - segment);
}

static bool same(struct zs_text text, const char *word)
{
	return text.len == strlen(word) && !memcmp(text.p, word, text.len);
}

static bool begins(struct zs_text text, const char *word)
{
	size_t n = strlen(word);

	return text.len >= n && !memcmp(text.p, word, n);
}

static bool ends(struct zs_text text, const char *word)
{
	size_t n = strlen(word);

	return text.len >= n && !memcmp(text.p + text.len - n, word, n);
}

static bool status_holds(const struct zs_rule *r, uint32_t status)
{
	for (uint32_t i = 0; i < r->statuses; i++)
		if (r->status[i] == status)
			return true;
	return false;
}

static bool origin_holds(const struct zs_rule *r, const struct zs_origin_key *origin)
{
	return origin && origin->port == r->origin.port &&
	       !memcmp(origin->addr, r->origin.addr, sizeof(origin->addr));
}

bool zs_rule_holds(const struct zs_rule *r, const struct zs_rules_subject *s)
{
	if (r->given & ZS_GIVEN(RULE_ORIGIN) && !origin_holds(r, s->origin))
		return false;
	if (r->given & ZS_GIVEN(HOST) && !same(s->host, r->host))
		return false;
	if (r->given & ZS_GIVEN(PREFIX) && !begins(s->path, r->prefix))
		return false;
	if (r->given & ZS_GIVEN(SUFFIX) && !ends(s->path, r->suffix))
		return false;
	return !(r->given & ZS_GIVEN(STATUS)) || status_holds(r, s->status);
}

/* --- settings -------------------------------------------------------------------------------- */

static void class_apply(struct zs_class *c, const struct zs_rule *r)
{
	if (r->given & ZS_GIVEN(KEY_QUERY)) {
		c->flags = (c->flags & ~QUERY_FLAGS) | (r->class.flags & QUERY_FLAGS);
		c->params = r->class.params;
		memcpy(c->param, r->class.param, sizeof(c->param));
	}
	if (r->given & ZS_GIVEN(IGNORE_COOKIES)) {
		c->flags =
			(c->flags & ~ZS_CLASS_COOKIES_ON) | (r->class.flags & ZS_CLASS_COOKIES_ON);
		c->cookies = r->class.cookies;
		memcpy(c->cookie, r->class.cookie, sizeof(c->cookie));
	}
	if (r->given & ZS_GIVEN(AUTHORIZATION))
		c->flags =
			(c->flags & ~ZS_CLASS_AUTHORIZED) | (r->class.flags & ZS_CLASS_AUTHORIZED);
}

static void apply(struct zs_settings *s, const struct zs_rule *r)
{
	if (r->given & ZS_GIVEN(BYPASS))
		s->bypass = r->bypass;
	if (r->given & ZS_GIVEN(TTL)) {
		s->has_ttl = true;
		s->ttl = r->ttl;
		s->ttl_force = r->ttl_force;
	}
	if (r->given & ZS_GIVEN(GRACE)) {
		s->has_grace = true;
		s->grace = r->grace;
	}
	if (r->given & ZS_GIVEN(RULE_MAX_OBJECT))
		s->max_object = r->max_object;
	class_apply(&s->class, r);
}

void zs_rules_match(const struct zs_config *config, const struct zs_rules_subject *subject,
		    struct zs_settings *out)
{
	bool odd = zs_rules_path_odd(subject->path.p, subject->path.len);

	memset(out, 0, sizeof(*out));
	out->max_object = (uint32_t)config->max_object;
	for (uint32_t i = 0; i < config->rule_count; i++) {
		const struct zs_rule *r = &config->rules[i];

		if (!zs_rule_holds(r, subject))
			continue;
		apply(out, r);
		if (odd && r->given & (ZS_GIVEN(PREFIX) | ZS_GIVEN(SUFFIX)))
			out->odd_path = true;
	}
	out->bypass |= out->odd_path;
}

static bool class_equal(const struct zs_class *a, const struct zs_class *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool zs_settings_equal(const struct zs_settings *a, const struct zs_settings *b)
{
	return a->bypass == b->bypass && a->odd_path == b->odd_path && a->has_ttl == b->has_ttl &&
	       a->ttl_force == b->ttl_force && a->ttl == b->ttl && a->has_grace == b->has_grace &&
	       a->grace == b->grace && a->max_object == b->max_object &&
	       class_equal(&a->class, &b->class);
}

/* --- what the kernel needs ------------------------------------------------------------------- */

/* Only such rules, and all of them: zs_config_parse() refuses early settings beside other
 * conditions. */
static bool early(const struct zs_rule *r)
{
	return r->given & EARLY_SETTINGS;
}

/* May it hold for requests to this host ("": one that no rule names)? */
static bool for_host(const struct zs_rule *r, const char *host)
{
	return early(r) && (!r->host[0] || !strcmp(r->host, host));
}

/* The number of the class that requests below (host, prefix) have. */
static int class_number(const struct zs_config *config, const char *host, const char *prefix,
			struct zs_scopes *out, uint32_t *number)
{
	struct zs_text path = {(const uint8_t *)prefix, strlen(prefix)};
	struct zs_class c = {0};
	uint32_t i;

	for (i = 0; i < config->rule_count; i++)
		if (for_host(&config->rules[i], host) && begins(path, config->rules[i].prefix))
			class_apply(&c, &config->rules[i]);
	for (i = 0; i < out->class_count && !class_equal(&out->classes[i], &c); i++)
		;
	if (i == ZS_CLASSES)
		return -ENOSPC;
	out->classes[i] = c;
	if (i == out->class_count)
		out->class_count++;
	*number = i;
	return 0;
}

static int scope_add(struct zs_scopes *out, const char *host, const char *prefix)
{
	struct zs_scope *s = &out->list[out->count];

	if (out->count == ZS_SCOPES)
		return -E2BIG;
	strcpy(s->host, host);
	strcpy(s->prefix, prefix);
	out->count++;
	return 0;
}

/* Every prefix at which the rules that may hold for this host could begin to say something else. */
static int host_add(const struct zs_config *config, const char *host, struct zs_scopes *out)
{
	int err = scope_add(out, host, "");

	for (uint32_t i = 0; !err && i < config->rule_count; i++) {
		const struct zs_rule *r = &config->rules[i];
		bool there = !r->prefix[0] || !for_host(r, host);

		for (uint32_t k = 0; !there && k < i; k++)
			there = for_host(&config->rules[k], host) &&
				!strcmp(config->rules[k].prefix, r->prefix);
		if (!there)
			err = scope_add(out, host, r->prefix);
	}
	return err;
}

static int hosts_add(const struct zs_config *config, struct zs_scopes *out)
{
	int err = host_add(config, "", out);

	for (uint32_t i = 0; !err && i < config->rule_count; i++) {
		const struct zs_rule *r = &config->rules[i];
		bool there = !early(r) || !r->host[0];

		for (uint32_t k = 0; !there && k < i; k++)
			there = early(&config->rules[k]) && !strcmp(config->rules[k].host, r->host);
		if (!there)
			err = host_add(config, r->host, out);
	}
	return err;
}

static int by_place(const void *a, const void *b)
{
	const struct zs_scope *x = a, *y = b;
	int order = strcmp(x->host, y->host);

	return order ? order : strcmp(x->prefix, y->prefix);
}

int zs_rules_compile(const struct zs_config *config, struct zs_scopes *out)
{
	struct zs_scopes *made = calloc(1, sizeof(*made));
	int err = -ENOMEM;

	if (!made)
		return err;
	made->list = calloc(ZS_SCOPES, sizeof(*made->list));
	if (!made->list)
		goto out;
	made->class_count = 1;
	err = hosts_add(config, made);
	if (err)
		goto out;
	qsort(made->list, made->count, sizeof(*made->list), by_place);
	for (uint32_t i = 0; !err && i < made->count; i++)
		err = class_number(config, made->list[i].host, made->list[i].prefix, made,
				   &made->list[i].class);
	if (err)
		goto out;
	*out = *made;
	made->list = NULL;
out:
	free(made->list);
	free(made);
	return err;
}

bool zs_scopes_equal(const struct zs_scopes *a, const struct zs_scopes *b)
{
	if (a->count != b->count || a->class_count != b->class_count ||
	    memcmp(a->classes, b->classes, a->class_count * sizeof(a->classes[0])))
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (by_place(&a->list[i], &b->list[i]) || a->list[i].class != b->list[i].class)
			return false;
	return true;
}

void zs_scopes_free(struct zs_scopes *scopes)
{
	free(scopes->list);
	*scopes = (struct zs_scopes){0};
}
