// SPDX-License-Identifier: GPL-2.0-or-later
/* list: what is stored, as the kernel sees it; selected as `purge` selects, sorted, as text or JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "classes.h"
#include "clock.h"
#include "command.h"
#include "log.h"
#include "names.h"
#include "purge.h"
#include "snapshot.h"
#include "tags.h"
#include "url.h"

#define ROWS_MAX 1000000u /* held to be sorted */

enum state { FRESH, STALE, EXPIRED, VOID, STATES };

static const char *const state_names[STATES] = {"fresh", "stale", "expired", "void"};

struct row {
	enum state state;
	long long age; /* seconds */
	long long ttl; /* seconds; negative: since when it is stale */
	uint32_t size; /* bytes of body */
	uint32_t hits;
	uint32_t status;
	uint32_t origin; /* its number */
	uint32_t encodings; /* ZS_AE_* */
	long long stale_until; /* seconds since 1970; from then on it is not served */
	char *etag;
	char *vary; /* the values of the operator's Vary fields, each with a zero behind it */
	uint32_t vary_len;
	char *tags;         /* each with a zero behind it */
	uint32_t tags_len;  /* bytes */
	char *url;
};

struct listing {
	const struct zs_options *o;
	int (*compare)(const void *a, const void *b);
	int state; /* -1: any */
	struct zs_origin_names names;
	struct zs_purge only[ZS_LIST_MAX + 3];
	uint32_t tags; /* of `only`: one of them must match */
	uint32_t others; /* of `only`, behind the tags: all must match */
	uint64_t now;
	struct row *rows;
	size_t count, room;
};

/* --- the order ------------------------------------------------------------------------------- */

static int by_url(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->url, ((const struct row *)b)->url);
}

/* The largest first; rows that are alike by URL. */
#define BY(field)                                                                                   \
	static int by_##field(const void *a, const void *b)                                         \
	{                                                                                           \
		const struct row *x = a, *y = b;                                                    \
                                                                                                    \
		return x->field == y->field ? by_url(a, b) : x->field < y->field ? 1 : -1;          \
	}
BY(age)
BY(ttl)
BY(size)
BY(hits)
#undef BY

static const struct {
	const char *name;
	int (*compare)(const void *a, const void *b);
} orders[] = {{"url", by_url}, {"age", by_age}, {"ttl", by_ttl}, {"size", by_size}, {"hits", by_hits}};

/* --- the options ----------------------------------------------------------------------------- */

static int order_set(struct listing *l, const char *name)
{
	l->compare = by_url;
	for (size_t i = 0; name && i < sizeof(orders) / sizeof(orders[0]); i++) {
		l->compare = orders[i].compare;
		if (!strcmp(orders[i].name, name))
			return 0;
	}
	if (name)
		zs_error("--sort '%s': give age, ttl, size, hits or url", name);
	return name ? -EINVAL : 0;
}

static int state_set(struct listing *l, const char *name)
{
	l->state = -1;
	for (int i = 0; name && i < STATES; i++)
		if (!strcmp(state_names[i], name))
			l->state = i;
	if (!name || l->state >= 0)
		return 0;
	zs_error("--state '%s': give fresh, stale, expired or void", name);
	return -EINVAL;
}

static int only_set(struct listing *l)
{
	const struct zs_options *o = l->o;
	char host[ZS_HOST_MAX + 1];
	struct zs_url url;
	uint32_t n = 0;

	for (; o->tags[n]; n++) {
		if (!zs_purge_set(&l->only[n], ZS_PURGE_TAG, NULL, o->tags[n]))
			continue;
		zs_error("--tag '%s': give 1 to %u bytes", o->tags[n], ZS_TAG_LEN_MAX);
		return -EINVAL;
	}
	l->tags = n;
	if (o->host && (zs_url_host("host", o->host, host) || zs_purge_set(&l->only[n++], ZS_PURGE_PREFIX, host, "")))
		return -EINVAL;
	if (o->prefix && (zs_url_split("prefix", o->prefix, &url) ||
			  zs_purge_set(&l->only[n++], ZS_PURGE_PREFIX, url.host, url.target)))
		return -EINVAL;
	l->others = n - l->tags;
	return 0;
}

/* --url, whose target stands in keys as the rules leave it. */
static int url_set(struct listing *l, const struct zs_maps *maps, const struct zs_url *url)
{
	struct zs_ctl *ctl = zs_ctl_map(maps);
	char target[ZS_TARGET_MAX + 1];
	int err = ctl ? zs_key_canonical(maps, ctl, url->host, url->target, target) : -errno;

	if (ctl)
		munmap(ctl, sizeof(*ctl));
	return err ? err : zs_purge_set(&l->only[l->tags + l->others++], ZS_PURGE_URL, url->host, target);
}

/* --- the rows -------------------------------------------------------------------------------- */

static enum state state_of(const struct listing *l, const struct zs_seen_object *s)
{
	if (!s->valid)
		return VOID;
	if (s->object->fresh_until > l->now)
		return FRESH;
	return s->object->stale_until > l->now ? STALE : EXPIRED;
}

static bool wanted(const struct listing *l, const struct zs_seen_object *s)
{
	bool tagged = !l->tags;

	if (l->state >= 0 && (int)state_of(l, s) != l->state)
		return false;
	for (uint32_t i = 0; !tagged && i < l->tags; i++)
		tagged = zs_purge_matches(&l->only[i], s->key, s->tags, s->tags_len);
	for (uint32_t i = l->tags; tagged && i < l->tags + l->others; i++)
		tagged = zs_purge_matches(&l->only[i], s->key, s->tags, s->tags_len);
	return tagged;
}

/* A copy that may be shown on a terminal: an upstream chose them. Owned by the caller. */
static char *text_copy(const uint8_t *tags, uint32_t len)
{
	char *copy = malloc(len + 1);

	for (uint32_t i = 0; copy && i < len; i++)
		copy[i] = (char)(tags[i] && (tags[i] < 0x20 || tags[i] > 0x7e) ? '?' : tags[i]);
	if (copy)
		copy[len] = 0;
	return copy;
}

/* Those of the fields that were there. */
static char *vary_copy(const struct zs_key *key, uint32_t *len)
{
	uint8_t values[ZS_VARY_FIELDS * (ZS_VARY_MAX + 1)];
	uint32_t n = 0;

	for (unsigned int i = 0; i < ZS_VARY_FIELDS; i++) {
		uint32_t value_len;
		const char *value = zs_key_text_of(key, (enum zs_key_part)(ZS_KEY_VARY + i), &value_len);

		if (!(key->vary_seen >> i & 1) || value_len > ZS_VARY_MAX)
			continue;
		memcpy(values + n, value, value_len);
		n += value_len;
		values[n++] = 0;
	}
	*len = n;
	return text_copy(values, n);
}

static int room_make(struct listing *l)
{
	size_t room = l->room ? l->room * 2 : 1024;
	struct row *grown;

	if (l->count == ROWS_MAX)
		return -E2BIG;
	if (l->count < l->room)
		return 0;
	grown = reallocarray(l->rows, room, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->rows = grown;
	l->room = room;
	return 0;
}

static int each(void *user, const struct zs_seen_object *s)
{
	struct listing *l = user;
	const struct zs_object *o = s->object;
	char url[ZS_KEY_TEXT_MAX + 16];
	struct row *row;
	int err;

	if (!wanted(l, s))
		return 0;
	err = room_make(l);
	if (err)
		return err;
	zs_key_url(s->key, url, sizeof(url));
	row = &l->rows[l->count++];
	*row = (struct row){
		.state = state_of(l, s),
		.age = (long long)(l->now - o->born) / (long long)ZS_NS,
		.ttl = ((long long)o->fresh_until - (long long)l->now) / (long long)ZS_NS,
		.size = o->body_len,
		.hits = o->hits,
		.status = o->status,
		.origin = s->key->origin,
		.encodings = s->key->ae,
		.stale_until = zs_wall_at(o->stale_until),
		.etag = text_copy(s->etag, o->etag_len),
		.tags = text_copy(s->tags, s->tags_len),
		.tags_len = s->tags_len,
		.url = strdup(url),
	};
	row->vary = vary_copy(s->key, &row->vary_len);
	return row->etag && row->vary && row->tags && row->url ? 0 : -ENOMEM;
}

static void rows_free(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->rows[i].etag);
		free(l->rows[i].vary);
		free(l->rows[i].tags);
		free(l->rows[i].url);
	}
	free(l->rows);
}

/* --- the answer ------------------------------------------------------------------------------ */

/* Texts, each with a zero behind it. */
static json_t *list_json(const char *text, uint32_t len)
{
	json_t *list = json_array();

	for (uint32_t at = 0; at < len; at += (uint32_t)strlen(text + at) + 1)
		json_array_append_new(list, json_string(text + at));
	return list;
}

/* The same with commas, or "-". */
static void list_print(const char *text, uint32_t len)
{
	for (uint32_t at = 0; at < len; at += (uint32_t)strlen(text + at) + 1)
		printf("%s%s", at ? "," : "", text + at);
	fputs(len ? "  " : "-  ", stdout);
}

static void row_print(const struct listing *l, const struct row *r)
{
	char codings[32];

	printf("%-7s %8lld %8lld %8u %8u %6u  %-21s  ", state_names[r->state], r->age, r->ttl, r->size, r->hits,
	       r->status, zs_origin_name(&l->names, r->origin));
	if (r->encodings & ~ZS_AE_PRESENT) {
		zs_codings_text(r->encodings, ",", codings, sizeof(codings));
		printf("%-7s  ", codings);
	} else {
		printf("%-7s  ", r->encodings ? "none" : "-");
	}
	list_print(r->vary, r->vary_len);
	list_print(r->tags, r->tags_len);
	puts(r->url);
}

static json_t *row_json(const struct listing *l, const struct row *r)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:i}", "url", r->url, "origin",
				 zs_origin_name(&l->names, r->origin), "state", state_names[r->state], "age",
				 (json_int_t)r->age, "ttl", (json_int_t)r->ttl, "stale_until",
				 (json_int_t)r->stale_until, "size", (json_int_t)r->size, "hits", (json_int_t)r->hits,
				 "status", (int)r->status, "encodings", (int)r->encodings);

	json_object_set_new(json, "vary", list_json(r->vary, r->vary_len));
	json_object_set_new(json, "etag", *r->etag ? json_string(r->etag) : json_null());
	json_object_set_new(json, "tags", list_json(r->tags, r->tags_len));
	return json;
}

static void print(const struct listing *l, size_t count)
{
	if (l->o->json)
		zs_answer_array_begin("objects");
	else
		printf("%-7s %8s %8s %8s %8s %6s  %-21s  %-7s  %s  %s  %s\n", "state", "age/s", "ttl/s", "bytes", "hits",
		       "status", "origin", "accepts", "vary", "tags", "url");
	for (const struct row *r = l->rows; r < l->rows + count; r++) {
		if (l->o->json)
			zs_answer_array_add(row_json(l, r));
		else
			row_print(l, r);
	}
	if (l->o->json)
		zs_answer_array_end(json_pack("{s:I}", "total", (json_int_t)l->count));
}

static void sort(struct listing *l)
{
	if (l->count)
		qsort(l->rows, l->count, sizeof(*l->rows), l->compare);
	for (size_t i = 0; l->o->reverse && i < l->count / 2; i++) {
		struct row row = l->rows[i];

		l->rows[i] = l->rows[l->count - 1 - i];
		l->rows[l->count - 1 - i] = row;
	}
}

int zs_cmd_list(const struct zs_options *o)
{
	static struct listing l;
	struct zs_instance instance;
	struct zs_maps maps;
	struct zs_url url;
	int code = zs_need_root("list"), err;

	if (code)
		return code;
	l.o = o;
	l.now = zs_boot_ns();
	if (order_set(&l, o->sort) || state_set(&l, o->state) || only_set(&l) ||
	    (o->url && zs_url_split("url", o->url, &url)))
		return ZS_EXIT_USAGE;
	code = zs_command_maps(o, &instance, &maps);
	if (code)
		return code;
	zs_origin_names_get(&maps, &l.names);
	err = o->url ? url_set(&l, &maps, &url) : 0;
	if (!err)
		err = zs_snapshot(&maps, each, &l);
	zs_maps_close(&maps);
	if (err == -E2BIG) {
		zs_error("list: more than %u objects match; choose with --url, --host, --prefix, --tag or --state", ROWS_MAX);
	} else if (err) {
		zs_error("list: cannot read the store: %s", strerror(-err));
	} else {
		sort(&l);
		print(&l, o->limit && o->limit < l.count ? (size_t)o->limit : l.count);
	}
	rows_free(&l);
	return zs_exit_of(err);
}
