// SPDX-License-Identifier: GPL-2.0-or-later
/* What the keys of [zeroserve] take, and the table of all keys. */
#include "config_key.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "eligible.h"
#include "fetch.h"
#include "fields.h"
#include "listeners.h"
#include "origins.h"

static int number(struct zs_piece *v, uint64_t least, uint64_t most, uint64_t *out)
{
	struct zs_piece word;

	return zs_piece_only(v, &word) ? -EINVAL : zs_piece_number(&word, least, most, out);
}

static int size(struct zs_piece *v, uint64_t least, uint64_t most, uint64_t *out)
{
	struct zs_piece word;

	return zs_piece_only(v, &word) ? -EINVAL : zs_piece_size(&word, least, most, out);
}

static int yes(struct zs_piece *v, bool *out)
{
	struct zs_piece word;

	return zs_piece_only(v, &word) ? -EINVAL : zs_piece_yes(&word, out);
}

/* --- [zeroserve] ----------------------------------------------------------------------------- */

static int list_add(const struct zs_piece *word, char **list, size_t most)
{
	size_t n = 0;

	for (; list[n]; n++)
		if (zs_piece_is(word, list[n]))
			return zs_piece_error(word, "there already; remove one of them");
	if (n == most)
		return zs_piece_error(word, "more than %zu; remove some", most);
	list[n] = strndup(word->text, word->len);
	return list[n] ? 0 : -ENOMEM;
}

int zs_config_dial(const struct zs_piece *word, char *host, uint16_t *port)
{
	char text[ZS_DIAL_MAX];
	const char *why;

	if (zs_piece_string(word, text, sizeof(text)))
		return -EINVAL;
	why = zs_dial_split(text, host, ZS_DIAL_MAX, port);
	if (!why && !host[0])
		why = "no host";
	if (why)
		return zs_piece_error(word, "%s; write ADDRESS:PORT, [IPV6]:PORT or NAME:PORT",
				      why);
	return 0;
}

int zs_take_origin(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;
	char host[ZS_DIAL_MAX];
	uint16_t port;

	if (zs_piece_only(v, &word) || zs_config_dial(&word, host, &port))
		return -EINVAL;
	return list_add(&word, t->config->origins, ZS_LIST_MAX);
}

int zs_take_listener(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_listen_at at;
	struct zs_piece word;
	char text[ZS_LISTEN_SPEC];
	const char *why;

	if (zs_piece_only(v, &word) || zs_piece_string(&word, text, sizeof(text)))
		return -EINVAL;
	why = zs_listen_parse(text, &at);
	if (why)
		return zs_piece_error(&word, "%s; write ADDRESS:PORT, [IPV6]:PORT or :PORT", why);
	return list_add(&word, t->config->listeners, ZS_LIST_MAX);
}

int zs_take_dialer(struct zs_config_taker *t, struct zs_piece *v)
{
	char text[ZS_CONFIG_LINE_MAX + 1];
	struct zs_piece word;

	if (zs_piece_only(v, &word) ||
	    zs_piece_check(&word, ZS_PIECE_ALNUM "-._~:/@\\", "a unit, a PID or a path") ||
	    zs_piece_string(&word, text, sizeof(text)))
		return -EINVAL;
	if (!zs_dialer_named(text))
		return zs_piece_error(&word, "neither a unit (NAME.service), a PID nor a path; write one of them");
	return list_add(&word, t->config->dialers, ZS_LIST_MAX);
}

int zs_take_allow_handler(struct zs_config_taker *t, struct zs_piece *v)
{
	char name[ZS_CONFIG_LINE_MAX + 1];
	struct zs_piece word;

	for (; zs_piece_next(v, ",", &word); t->words++) {
		const char *why;
		int err;

		if (zs_piece_check(&word, ZS_PIECE_ALNUM "-._", "the name of a handler") ||
		    zs_piece_string(&word, name, sizeof(name)))
			return -EINVAL;
		why = zs_eligible_allow_refusal(name);
		if (why)
			return zs_piece_error(&word, "%s; remove it", why);
		err = list_add(&word, t->config->allowed, ZS_LIST_MAX);
		if (err)
			return err;
	}
	return 0;
}

int zs_take_admin(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	if (zs_piece_only(v, &word) ||
	    zs_piece_check(&word, ZS_PIECE_ALNUM "-._~:/[]", "an address"))
		return -EINVAL;
	t->config->admin = strndup(word.text, word.len);
	return t->config->admin ? 0 : -ENOMEM;
}

int zs_take_user(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	if (zs_piece_only(v, &word) || zs_piece_check(&word, ZS_PIECE_ALNUM "-._", "a user's name"))
		return -EINVAL;
	t->config->user = strndup(word.text, word.len);
	return t->config->user ? 0 : -ENOMEM;
}

int zs_take_log(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	if (zs_piece_only(v, &word))
		return -EINVAL;
	if (!zs_piece_is(&word, "-") && word.text[0] != '/')
		return zs_piece_error(&word, "neither an absolute path nor -; write /var/log/zeroserve/access.log");
	t->config->log = strndup(word.text, word.len);
	return t->config->log ? 0 : -ENOMEM;
}

int zs_take_store_size(struct zs_config_taker *t, struct zs_piece *v)
{
	return size(v, 1 << 20, 64ull << 30, &t->config->store_size);
}

int zs_take_max_objects(struct zs_config_taker *t, struct zs_piece *v)
{
	return number(v, 1, 1 << 24, &t->config->max_objects);
}

int zs_take_max_object(struct zs_config_taker *t, struct zs_piece *v)
{
	return size(v, 1, ZS_BODY_MAX, &t->config->max_object);
}

int zs_take_record_rate(struct zs_config_taker *t, struct zs_piece *v)
{
	return number(v, 0, 1000000, &t->config->record_rate);
}

int zs_take_fetch_rate(struct zs_config_taker *t, struct zs_piece *v)
{
	return number(v, 0, 100000, &t->config->fetch_rate);
}

int zs_take_fetch_concurrency(struct zs_config_taker *t, struct zs_piece *v)
{
	return number(v, 1, ZS_FETCH_CONCURRENCY_MAX, &t->config->fetch_concurrency);
}

int zs_take_refresh(struct zs_config_taker *t, struct zs_piece *v)
{
	return yes(v, &t->config->refresh);
}

int zs_take_lifetime_max(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_piece word;

	return zs_piece_only(v, &word)
		       ? -EINVAL
		       : zs_piece_duration(&word, 1, ZS_CONFIG_YEAR, &t->config->lifetime_max);
}

/* --- request fields -------------------------------------------------------------------------- */

#define FIELD_MAX (8 * ZS_NAME_WORDS)

/* Why a field cannot be part of the key. Everything that touches framing, that the cache obeys, or
 * that is one visitor's own. */
static const struct {
	const char *why;
	const char *names; /* between blanks */
} unkeyed[] = {
	{"is one visitor's own; see ignore-cookies and authorization for rules",
	 " cookie cookie2 authorization proxy-authorization "},
	{"is part of the key without being asked for; remove it",
	 " host x-forwarded-host x-forwarded-proto accept-encoding "},
	{"concerns one connection and not the response; remove it",
	 " connection keep-alive proxy-connection te trailer transfer-encoding upgrade "
	 "proxy-authenticate"
	 " http2-settings "},
	{"decides what is sent of a response and not which one it is; remove it",
	 " range if-range if-match if-none-match if-modified-since if-unmodified-since "},
	{"is obeyed by the cache and cannot choose a response; remove it",
	 " cache-control pragma max-forwards "},
	{"belongs to a request that is never answered from the store; remove it",
	 " content-length content-encoding content-type expect x-http-method-override x-http-method"
	 " x-method-override "},
};

static const char *unkeyed_why(const char *name)
{
	char between[FIELD_MAX + 3];

	snprintf(between, sizeof(between), " %s ", name);
	for (size_t i = 0; i < sizeof(unkeyed) / sizeof(unkeyed[0]); i++)
		if (strstr(unkeyed[i].names, between))
			return unkeyed[i].why;
	return NULL;
}

/* A field's name, in lower case. */
static int field_name(const struct zs_piece *word, char name[FIELD_MAX + 1])
{
	if (zs_piece_is(word, "*"))
		return zs_piece_error(word, "stands for no field; write the names of fields");
	if (zs_piece_check(word, ZS_PIECE_TOKEN, "the name of a field") ||
	    zs_piece_string(word, name, FIELD_MAX + 1))
		return -EINVAL;
	for (; *name; name++)
		*name = (char)tolower((unsigned char)*name);
	return 0;
}

/* Adds a field to one list; it must not stand in the other. */
static int field_add(const struct zs_piece *word, const char *name, char **list, size_t most,
		     char **other)
{
	struct zs_piece lower = *word;

	lower.text = name;
	for (; *other; other++)
		if (!strcmp(*other, name))
			return zs_piece_error(
				word, "both in vary and in inert-field; remove one of them");
	return list_add(&lower, list, most);
}

int zs_take_inert(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_config *c = t->config;
	struct zs_piece word;
	char name[FIELD_MAX + 1];

	for (; zs_piece_next(v, ",", &word); t->words++) {
		int err = field_name(&word, name);

		if (!err)
			err = field_add(&word, name, c->inert, ZS_LIST_MAX, c->vary);
		if (err)
			return err;
		err = zs_fields_add(t->tables, name);
		if (err == -EEXIST)
			return zs_piece_error(
				&word, "has a meaning of its own and cannot be ignored; remove it");
		if (err)
			return zs_piece_error(
				&word,
				"has no room left in the table of names; remove it or another");
	}
	return 0;
}

int zs_take_vary(struct zs_config_taker *t, struct zs_piece *v)
{
	struct zs_config *c = t->config;
	struct zs_piece word;
	char name[FIELD_MAX + 1];

	for (; zs_piece_next(v, ",", &word); t->words++) {
		int err = field_name(&word, name);
		const char *why = err ? NULL : unkeyed_why(name);

		if (why)
			return zs_piece_error(&word, "%s", why);
		if (!err)
			err = field_add(&word, name, c->vary, ZS_VARY_FIELDS, c->inert);
		if (err)
			return err;
	}
	return 0;
}

/* --- the table ------------------------------------------------------------------------------- */

#define REPEAT	  ZS_KEY_REPEAT
#define LIST	  ZS_KEY_LIST
#define CONDITION ZS_KEY_CONDITION
#define EARLY	  ZS_KEY_EARLY
#define ONCE	  ZS_KEY_ONCE
const struct zs_config_key_info zs_config_key_infos[ZS_CONFIG_KEYS] = {
#define ZS_CONFIG_KEY(id, name, section, flags, take)                                              \
	{name, ZS_SECTION_##section, flags, zs_take_##take},
#include "config_keys.def"
#undef ZS_CONFIG_KEY
};
