// SPDX-License-Identifier: GPL-2.0-or-later
/* explain: what would happen to a GET for a URL now, and why, at each origin. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "command.h"
#include "explain.h"
#include "log.h"
#include "snapshot.h"
#include "url.h"

/* --- what is stored for the URL ---------------------------------------------------------------- */

struct variants {
	const struct zs_url *url;
	json_t *list;
};

static bool part_is(const struct zs_key *key, enum zs_key_part part, const char *text)
{
	uint32_t len;
	const char *p = zs_key_text_of(key, part, &len);

	return len == strlen(text) && !memcmp(p, text, len);
}

static int variant_note(void *user, const struct zs_seen_object *s)
{
	struct variants *v = user;

	if (!part_is(s->key, ZS_KEY_TARGET, v->url->target) ||
	    (!part_is(s->key, ZS_KEY_HOST, v->url->host) && !part_is(s->key, ZS_KEY_XFH, v->url->host)))
		return 0;
	return json_array_append_new(v->list, json_pack("{s:i, s:i, s:b, s:i, s:I}", "origin", (int)s->key->origin,
							"encodings", (int)s->key->ae, "valid", s->valid, "status",
							(int)s->object->status, "hits",
							(json_int_t)s->object->hits)) ?
		       -ENOMEM :
		       0;
}

/* --- the answer -------------------------------------------------------------------------------- */

static void origin_text(const struct zs_origin_key *key, char *out, size_t size)
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	char text[INET6_ADDRSTRLEN];
	bool v4 = !memcmp(key->addr, mapped, sizeof(mapped));

	inet_ntop(v4 ? AF_INET : AF_INET6, key->addr + (v4 ? 12 : 0), text, sizeof(text));
	snprintf(out, size, v4 ? "%s:%u" : "[%s]:%u", text, key->port);
}

static json_t *explained_json(const char *origin, const struct zs_explained *e)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:i}", "origin", origin, "fate", zs_fate_name(e->fate), "text",
				 zs_fate_text(e->fate), "class", (int)e->class);

	if (e->cause[0])
		json_object_set_new(json, "cause", json_string(e->cause));
	if (e->there)
		json_object_set_new(json, "object", json_pack("{s:I, s:I, s:I, s:i, s:i, s:i, s:b}", "age",
							      (json_int_t)e->age, "ttl", (json_int_t)e->ttl,
							      "stale_ttl", (json_int_t)e->stale_ttl, "status",
							      (int)e->status, "size", (int)e->size, "hits",
							      (int)e->hits, "void", e->voided));
	if (e->fate == ZS_FATE_HELD_OFF)
		json_object_set_new(json, "held_off",
				    json_pack("{s:s, s:s, s:I}", "reason",
					      zs_holdoff_name(e->holdoff_reason), "text", zs_holdoff_text(e->holdoff_reason), "seconds",
					      (json_int_t)e->holdoff_seconds));
	return json;
}

static void explained_print(const char *origin, const struct zs_explained *e)
{
	printf("%s: %s\n", origin, zs_fate_text(e->fate));
	if (e->cause[0])
		printf("  because of the field %s\n", e->cause);
	if (e->there)
		printf("  stored: status %u, %u bytes, age %lld s, %s %lld s, %u hits%s\n", e->status, e->size,
		       (long long)e->age, e->ttl < 0 ? "stale for" : "fresh for", (long long)llabs(e->ttl), e->hits,
		       e->voided ? "; invalidated" : "");
	if (e->ttl < 0 && e->there && !e->voided)
		printf("  may be served stale for %lld s more\n", (long long)(e->stale_ttl < 0 ? 0 : e->stale_ttl));
	if (e->fate == ZS_FATE_HELD_OFF)
		printf("  held off for %lld s more. %s\n", (long long)e->holdoff_seconds, zs_holdoff_text(e->holdoff_reason));
	if (e->class)
		printf("  rules of the configuration decide about its key (class %u)\n", e->class);
}

static int each_origin(const struct zs_maps *maps, const struct zs_ctl *ctl, const char *head, size_t len,
		       json_t *list, bool json)
{
	struct zs_origin_key at, next;
	struct zs_origin origin;
	struct zs_explained e;
	void *from = NULL;
	char text[80];

	while (!bpf_map_get_next_key(maps->fd[ZS_MAP_origins], from, &next)) {
		int err;

		at = next;
		from = &at;
		if (bpf_map_lookup_elem(maps->fd[ZS_MAP_origins], &at, &origin))
			continue;
		err = zs_explain(maps, ctl, origin.id, head, len, &e);
		if (err)
			return err;
		origin_text(&at, text, sizeof(text));
		json_array_append_new(list, explained_json(text, &e));
		if (!json)
			explained_print(text, &e);
	}
	return 0;
}

static int explain(const struct zs_options *o, const struct zs_maps *maps, const struct zs_ctl *ctl,
		   const struct zs_url *url)
{
	struct variants v = {.url = url, .list = json_array()};
	json_t *list = json_array(), *answer;
	char head[ZS_HEAD_MAX];
	int len = zs_explain_head(o->headers, url, !strncasecmp(o->file, "https:", 6), head), err;

	err = len < 0 ? len : each_origin(maps, ctl, head, (size_t)len, list, o->json);
	if (err == -EINVAL)
		zs_error("explain: this is no request that zeroserve would take for one; look at --header");
	else if (err)
		zs_error("explain: %s", strerror(-err));
	if (!err)
		err = zs_snapshot(maps, variant_note, &v);
	if (!err && o->json) {
		answer = zs_answer_begin();
		json_object_set_new(answer, "url", json_string(o->file));
		json_object_set(answer, "origins", list);
		json_object_set(answer, "variants", v.list);
		zs_answer_print(answer);
	} else if (!err) {
		if (!json_array_size(list))
			puts("no origin is accelerated; see: zs-load status");
		printf("%zu variant%s stored for this URL\n", json_array_size(v.list),
		       json_array_size(v.list) == 1 ? "" : "s");
	}
	json_decref(list);
	json_decref(v.list);
	return err;
}

int zs_cmd_explain(const struct zs_options *o)
{
	struct zs_instance instance;
	struct zs_maps maps;
	struct zs_ctl *ctl;
	struct zs_url url;
	int code = zs_need_root("explain"), err;

	if (code)
		return code;
	if (!o->file) {
		zs_error("explain: give a URL, for example https://example.org/path?query");
		return ZS_EXIT_USAGE;
	}
	if (zs_url_split("URL", o->file, &url))
		return ZS_EXIT_USAGE;
	code = zs_command_maps(o, &instance, &maps);
	if (code)
		return code;
	ctl = zs_ctl_map(&maps);
	err = ctl ? explain(o, &maps, ctl, &url) : -errno;
	if (ctl)
		munmap(ctl, sizeof(*ctl));
	zs_maps_close(&maps);
	return err == -EINVAL ? ZS_EXIT_USAGE : zs_exit_of(err);
}
