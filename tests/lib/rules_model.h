/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operator's rules mean for a query, a cookie field and a folded value, written anew on C
 * strings from the project's rules: for the unit tests and the fuzzer. Include it after class_of.h.
 */
#ifndef ZS_TEST_RULES_MODEL_H
#define ZS_TEST_RULES_MODEL_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- queries ------------------------------------------------------------------------------------
 */

struct query_model {
	char path[ZS_TARGET_MAX + 1];
	char param[64][ZS_TARGET_MAX + 1];
	char name[64][ZS_TARGET_MAX + 1];
	size_t count;
	bool query, raw;
};

static inline bool plain(const char *s, const char *more)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

static inline bool harmless(const char *param, const char *name)
{
	char value[ZS_TARGET_MAX + 1] = "", *p = value;

	if (!*name || strlen(name) >= 64 || strlen(param) > 256 || !plain(name, "_-"))
		return false;
	if (param[strlen(name)])
		strcpy(value, param + strlen(name) + 1);
	for (; *p; p++) {
		if (*p != '%')
			continue;
		if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]))
			return false;
		if (memcmp(p, "%20", 3) && !strchr("89abcdefABCDEF", p[1]))
			return false;
		memcpy(p, "aaa", 3);
	}
	return plain(value, "_-.~+,:/@!*|");
}

static inline bool named(const struct zs_class *c, const char *name, bool cased)
{
	for (__u32 i = 0; i < c->params; i++) {
		const struct zs_pattern *p = &c->param[i];
		size_t len = strlen(name);

		if (p->prefix ? len < p->len : len != p->len)
			continue;
		if (!(cased ? strncmp : strncasecmp)(name, (const char *)p->text, p->len))
			return true;
	}
	return false;
}

static inline void query_model_split(struct query_model *m, const char *target)
{
	const char *mark = strchr(target, '?'), *p;

	memset(m, 0, sizeof(*m));
	m->query = mark;
	snprintf(m->path, sizeof(m->path), "%.*s", (int)(mark ? mark - target : 1024), target);
	for (p = mark; p && m->count < 64; p = strchr(p, '&')) {
		size_t len = strcspn(++p, "&");

		snprintf(m->param[m->count], ZS_TARGET_MAX, "%.*s", (int)len, p);
		snprintf(m->name[m->count], ZS_TARGET_MAX, "%.*s",
			 (int)strcspn(m->param[m->count], "="), p);
		m->count++;
	}
	m->raw = mark && (m->count > 32 || strpbrk(mark + 1, ";?"));
}

/* What stays, in its order; and whether the target is keyed as it was sent. */
static inline void query_model_judge(struct query_model *m, const struct zs_class *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		bool stays = c->flags & ZS_CLASS_KEEP	? named(c, m->name[i], false)
			     : c->flags & ZS_CLASS_DROP ? !named(c, m->name[i], true)
							: true;

		if ((!stays || c->flags & ZS_CLASS_SORT) && !harmless(m->param[i], m->name[i]))
			m->raw = true;
		if (!stays)
			continue;
		memmove(m->param[kept], m->param[i], sizeof(m->param[0]));
		memmove(m->name[kept++], m->name[i], sizeof(m->name[0]));
	}
	m->count = kept;
}

static inline void query_model_join(const struct query_model *m, char *out)
{
	size_t len = (size_t)sprintf(out, "%s", m->path);

	for (size_t i = 0; i < m->count; i++)
		len += (size_t)sprintf(out + len, "%c%s", i ? '&' : '?', m->param[i]);
}

/* Two lists of parameters that differ in nothing but the order of names that are not equal but for
 * case. */
static inline bool same_but_order(const struct query_model *a, const struct query_model *b)
{
	bool used[64] = {false};

	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		size_t k = 0;

		while (k < b->count && (used[k] || strcasecmp(a->name[i], b->name[k])))
			k++;
		if (k == b->count || strcmp(a->param[i], b->param[k]))
			return false;
		used[k] = true;
	}
	return true;
}

/* --- cookies ------------------------------------------------------------------------------------
 */

/* All the names that any of the usual parsers would find: whatever stands behind the beginning or a
 * separator, quoted or not. To be ignored: each is "a", "b", or begins with "_g". */
static inline bool cookie_model(const char *value)
{
	static const char *const names[] = {"a", "b"};
	const char *p = value;

	if (!*p || strpbrk(p, "\"\\,") || p[strlen(p) - 1] == ';')
		return false;
	while (p) {
		size_t len = strcspn(p += strspn(p, " \t"), "="), i;

		for (i = 0; i < 2; i++)
			if (strlen(names[i]) == len && !memcmp(names[i], p, len))
				break;
		if (i == 2 && strncmp(p, "_g", 2))
			return false;
		for (size_t k = 0; k < len; k++)
			if (!isalnum((unsigned char)p[k]) && !strchr("_.-", p[k]))
				return false;
		if (!p[len])
			return false;
		p += len;
		p += strcspn(p, "; \t");
		p += strspn(p, " \t");
		if (*p && *p != ';')
			return false;
		p = *p ? p + 1 : NULL;
	}
	return true;
}

/* --- folded values ------------------------------------------------------------------------------
 */

enum outcome { BYPASS, NOFILL, RECORD };

/* Folds as RFC 9110 5.6 reads a list: its members, their parameters, each trimmed. */
static inline enum outcome vary_model(const char *text, char *out)
{
	enum outcome outcome = RECORD;

	while (*text) {
		size_t len = strcspn(text, ",;"), from = 0, to = len;

		while (from < to && strchr(" \t", text[from]))
			from++;
		while (to > from && strchr(" \t", text[to - 1]))
			to--;
		for (size_t i = from, dash = 0; i < to; i++) {
			if (strchr(" \t\"\\", text[i]) || (unsigned char)text[i] > 126)
				return BYPASS;
			dash = dash || text[i] == '-';
			if (isupper((unsigned char)text[i]) && !dash)
				outcome = NOFILL;
			*out++ = (char)tolower((unsigned char)text[i]);
		}
		text += len;
		if (*text)
			*out++ = *text++;
	}
	*out = 0;
	return outcome;
}

#endif
