// SPDX-License-Identifier: GPL-2.0-or-later
/* What the keys of [rule NAME] take. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config_key.h"
#include "origins.h"
#include "rules.h"

/* --- conditions of rules --------------------------------------------------------------------- */

int zs_take_rule_origin(struct zs_config_taker *t, struct zs_piece *v)
{
	static const uint8_t any[16], mapped[16] = {[10] = 0xff, [11] = 0xff};
	struct zs_origin_key key = {0};
	struct zs_piece word;
	char host[ZS_DIAL_MAX];
	struct in_addr ipv4;
	uint16_t port;

	if (zs_piece_only(v, &word) || zs_config_dial(&word, host, &port))
		return -EINVAL;
	if (inet_pton(AF_INET, host, &ipv4) == 1) {
		key.addr[10] = key.addr[11] = 0xff;
		memcpy(key.addr + 12, &ipv4, 4);
	} else if (inet_pton(AF_INET6, host, key.addr) != 1) {
		return zs_piece_error(
			&word, "a name, and a rule needs an address; write the one that Caddy "
			       "status` shows");
	}
	if (!memcmp(key.addr, any, sizeof(any)) || !memcmp(key.addr, mapped, sizeof(mapped)))
		return zs_piece_error(
			&word,
			"no address that can be dialled; write 127.0.0.1 or [::1] for this host");
	key.port = port;
	t->rule->origin = key;
	return 0;
}

int zs_take_host(struct zs_config_taker *t, struct zs_piece *v)
{
	char text[ZS_HOST_MAX + 3], host[ZS_DIAL_MAX], *colon;
	struct zs_piece word;
	const char *why;
	uint16_t port = 0;
	bool with_port;

	if (zs_piece_only(v, &word) || zs_piece_check(&word, ZS_PIECE_ALNUM "-._:[]", "a host") ||
	    zs_piece_string(&word, text, ZS_HOST_MAX + 1))
		return -EINVAL;
	for (char *c = text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	memcpy(t->rule->host, text, word.len + 1);
	colon = strrchr(text, ':');
	with_port = colon && !strchr(colon, ']');
	if (!with_port)
		memcpy(text + word.len, ":1", 3);
	why = zs_dial_split(text, host, sizeof(host), &port);
	if (!why && !host[0])
		why = "no host";
	if (why)
		return zs_piece_error(
			&word, "%s; write it as visitors' browsers do, like www.example.org", why);
	if (with_port && (port == 80 || port == 443))
		return zs_piece_error(&word,
				      "browsers leave a default port out; write the host alone");
	return 0;
}

/* What may stand in a path: visible ASCII but '?' and what no answer is given for. */
#define PATH_BYTES ZS_PIECE_ALNUM "!\"$%&'()*+,-./:;<=>@[]^_`{|}~"

/* `lead` and `tail` make a whole path of it, to see whether all servers read it alike. */
static int path_part(const struct zs_piece *word, const char *lead, const char *tail, char *out,
		     size_t out_size)
{
	char path[ZS_SCOPE_PATH + 8];
	int n;

	if (zs_piece_check(word, PATH_BYTES, "a path") || zs_piece_string(word, out, out_size))
		return -EINVAL;
	n = snprintf(path, sizeof(path), "%s%s%s", lead, out, tail);
	if (zs_rules_path_odd((const uint8_t *)path, (size_t)n))
		return zs_piece_error(
			word, "servers differ in how they read such a path, and nothing is stored "
			      "under it; write it without ;, .. and escapes");
	return 0;
}

int zs_take_prefix(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	if (zs_piece_only(v, &word))
		return -EINVAL;
	if (word.text[0] != '/')
		return zs_piece_error(
			&word, "does not begin with /; write how the path begins, like /static/");
	return path_part(&word, "", "x", t->rule->prefix, sizeof(t->rule->prefix));
}

int zs_take_suffix(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	return zs_piece_only(v, &word)
		       ? -EINVAL
		       : path_part(&word, "/x", "", t->rule->suffix, sizeof(t->rule->suffix));
}

int zs_take_status(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_rule *r = t->rule;
	struct zs_piece word;
	uint64_t status;

	for (; zs_piece_next(v, ",", &word); t->words++) {
		if (zs_piece_number(&word, 200, 599, &status))
			return -EINVAL;
		for (uint32_t i = 0; i < r->statuses; i++)
			if (r->status[i] == status)
				return zs_piece_error(&word, "there already; remove one of them");
		if (r->statuses == ZS_STATUSES_MAX)
			return zs_piece_error(&word, "more than %u; use a second rule",
					      ZS_STATUSES_MAX);
		r->status[r->statuses++] = (uint16_t)status;
	}
	return 0;
}

/* --- settings of rules ----------------------------------------------------------------------- */

int zs_take_ttl(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word, force;
	uint64_t ttl;

	zs_piece_next(v, "", &word);
	if (word.len == 1 && word.text[0] == '0')
		return zs_piece_error(
			&word,
			"nothing is fresh for no time; write `bypass = yes` to store nothing");
	if (zs_piece_duration(&word, 1, ZS_CONFIG_YEAR, &ttl))
		return -EINVAL;
	if (zs_piece_next(v, "", &force)) {
		if (!zs_piece_is(&force, "force"))
			return zs_piece_error(&force,
					      "only the word force may follow a ttl; remove it");
		if (zs_piece_next(v, "", &word))
			return zs_piece_error(&word, "one word too many; remove it");
		t->rule->ttl_force = true;
	}
	t->rule->ttl = (uint32_t)ttl;
	return 0;
}

int zs_take_grace(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;
	uint64_t grace;

	if (zs_piece_only(v, &word) || zs_piece_duration(&word, 0, ZS_CONFIG_YEAR, &grace))
		return -EINVAL;
	t->rule->grace = (uint32_t)grace;
	return 0;
}

int zs_take_bypass(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	return zs_piece_only(v, &word) ? -EINVAL : zs_piece_yes(&word, &t->rule->bypass);
}

int zs_take_rule_max_object(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;
	uint64_t bytes;

	if (zs_piece_only(v, &word) || zs_piece_size(&word, 1, ZS_BODY_MAX, &bytes))
		return -EINVAL;
	t->rule->max_object = (uint32_t)bytes;
	return 0;
}

int zs_take_authorization(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	if (zs_piece_only(v, &word))
		return -EINVAL;
	if (!zs_piece_is(&word, "rfc") && !zs_piece_is(&word, "bypass"))
		return zs_piece_error(&word, "neither bypass nor rfc; write one of them");
	if (word.len == 3)
		t->rule->class.flags |= ZS_CLASS_AUTHORIZED;
	return 0;
}

/* RFC 6265 4.1.1: a cookie's name is a token. */
int zs_take_ignore_cookies(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_class *c = &t->rule->class;
	struct zs_piece word;
	struct zs_pattern p;

	for (; zs_piece_next(v, ",", &word); t->words++) {
		if (t->state || (zs_piece_is(&word, "none") && t->words))
			return zs_piece_error(&word, "none stands alone; write names or none");
		if (zs_piece_is(&word, "none")) {
			t->state = 1;
			continue;
		}
		if (zs_piece_pattern(&word, ZS_PIECE_TOKEN, "the name of a cookie", &p) ||
		    zs_piece_pattern_add(&word, &p, c->cookie, &c->cookies, ZS_CLASS_COOKIES))
			return -EINVAL;
		c->flags |= ZS_CLASS_COOKIES_ON;
	}
	return 0;
}

enum query_state {
	QUERY_MODE = 0, /* the next word says what is kept */
	QUERY_NAMES,	/* names, or a comma */
	QUERY_ALL,	/* a comma */
	QUERY_NONE,	/* nothing */
	QUERY_COMMA,	/* sort */
	QUERY_SORT,	/* nothing */
};

/* Compared with the name as it was sent, up to '='. What separates names or is decoded by servers
 * stays out. */
#define QUERY_BYTES ZS_PIECE_ALNUM "!$'()-./:@[]^_`{|}~"

static int query_mode(struct zs_class *c, const struct zs_piece *word, uint32_t *state)
{
	static const struct {
		const char *word;
		uint32_t flags;
		enum query_state next;
	} modes[] = {
		{"all", 0, QUERY_ALL},
		{"none", ZS_CLASS_KEEP, QUERY_NONE},
		{"keep", ZS_CLASS_KEEP, QUERY_NAMES},
		{"drop", ZS_CLASS_DROP, QUERY_NAMES},
		{"sort", ZS_CLASS_SORT, QUERY_SORT},
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (zs_piece_is(word, modes[i].word)) {
			c->flags |= modes[i].flags;
			*state = modes[i].next;
			return 0;
		}
	}
	return zs_piece_error(
		word,
		"not what can be done with a query; write all, none, keep NAME..., drop NAME... "
		"or sort");
}

static int query_word(struct zs_class *c, const struct zs_piece *word, uint32_t *state)
{
	struct zs_pattern p;

	switch (*state) {
	case QUERY_MODE:
		return query_mode(c, word, state);
	case QUERY_NAMES:
		if (zs_piece_is(word, ",")) {
			*state = QUERY_COMMA;
			return c->params ? 0
					 : zs_piece_error(
						   word,
						   "no name before it; write names of parameters");
		}
		if (zs_piece_pattern(word, QUERY_BYTES, "the name of a parameter", &p))
			return -EINVAL;
		return zs_piece_pattern_add(word, &p, c->param, &c->params, ZS_CLASS_PARAMS);
	case QUERY_ALL:
		if (!zs_piece_is(word, ","))
			return zs_piece_error(word,
					      "all takes no names; write `all` or `all, sort`");
		*state = QUERY_COMMA;
		return 0;
	case QUERY_COMMA:
		if (!zs_piece_is(word, "sort"))
			return zs_piece_error(
				word, "only sort may follow a comma; separate names by blanks");
		c->flags |= ZS_CLASS_SORT;
		*state = QUERY_SORT;
		return 0;
	default:
		return zs_piece_error(word, "nothing may follow %s; remove it",
				      *state == QUERY_NONE ? "none" : "sort");
	}
}

/* A word or a comma. */
static bool query_next(struct zs_piece *v, struct zs_piece *word)
{
	while (v->len && (v->text[0] == ' ' || v->text[0] == '\t')) {
		v->text++;
		v->column++;
		v->len--;
	}
	if (!v->len || v->text[0] != ',')
		return zs_piece_next(v, ",", word);
	*word = *v;
	word->len = 1;
	v->text++;
	v->column++;
	v->len--;
	return true;
}

int zs_take_key_query(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	for (; query_next(v, &word); t->words++)
		if (query_word(&t->rule->class, &word, &t->state))
			return -EINVAL;
	return 0;
}

int zs_config_key_finish(const struct zs_config_taker *t, enum zs_config_key key,
			 const struct zs_piece *end)
{
	if (key == ZS_CONFIG_KEY_QUERY && t->state == QUERY_COMMA)
		return zs_config_error_add(
			end->errors, end->line, end->column,
			"nothing behind the comma; write sort, or remove the comma");
	if (key == ZS_CONFIG_KEY_QUERY && t->state == QUERY_NAMES && !t->rule->class.params)
		return zs_config_error_add(
			end->errors, end->line, end->column,
			"no names; write the names of parameters, or all or none");
	if (!t->words && (zs_config_key_infos[key].flags & ZS_KEY_LIST || key == ZS_CONFIG_STATUS))
		return zs_config_error_add(end->errors, end->line, end->column,
					   "no value; write one, or remove the line");
	return 0;
}
