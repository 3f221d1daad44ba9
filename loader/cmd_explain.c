// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explain: what would happen to a GET for a URL now, and why, at each origin; which rules hold, and what is stored
 * for it. One JSON object is made of it all, which is printed as it is or as text (explain_print.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "command.h"
#include "config_text.h"
#include "explain.h"
#include "log.h"
#include "names.h"
#include "rules.h"
#include "snapshot.h"
#include "url.h"
#include "visitor.h"

struct explain {
	const struct zs_options *o;
	struct zs_maps maps;
	struct zs_ctl *ctl;
	struct zs_url url;
	char canonical[ZS_TARGET_MAX + 1]; /* the target as it stands in keys */
	struct zs_config config;
	struct zs_origin_names names;
	char head[ZS_HEAD_MAX];
	size_t len;
	json_t *answer, *origins, *variants;
};

/* --- the configuration ------------------------------------------------------------------------- */

static int config_read(struct explain *x)
{
	struct zs_config_errors errors = {0};
	char path[ZS_CONFIG_PATH_MAX], *text;
	size_t len;
	int err = zs_config_text_get(&x->maps, path, &text, &len);

	if (err)
		return err;
	err = zs_config_parse(text, len, &x->config, &errors);
	if (err)
		zs_config_errors_log(path, &errors);
	free(text);
	return err;
}

static json_t *statuses_json(const struct zs_rule *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < r->statuses; i++)
		json_array_append_new(list, json_integer(r->status[i]));
	return list;
}

/* The rules that hold at that origin, in the order of the file; those with a status hold for these only. What they
 * say together is said without the latter. */
static void rules_tell(const struct explain *x, const struct zs_origin_key *origin, json_t *entry)
{
	struct zs_rules_subject subject = {
		.origin = origin,
		.host = {(const uint8_t *)x->url.host, strlen(x->url.host)},
		.path = {(const uint8_t *)x->url.target, strcspn(x->url.target, "?")},
	};
	json_t *list = json_array();
	struct zs_settings said;

	for (uint32_t i = 0; i < x->config.rule_count; i++) {
		const struct zs_rule *r = &x->config.rules[i];

		subject.status = r->statuses ? r->status[0] : 0;
		if (zs_rule_holds(r, &subject))
			json_array_append_new(list, json_pack("{s:s, s:i, s:o}", "name", r->name, "line", (int)r->line,
							      "status", statuses_json(r)));
	}
	subject.status = 0;
	zs_rules_match(&x->config, &subject, &said);
	json_object_set_new(entry, "rules", list);
	json_object_set_new(entry, "bypass", json_boolean(said.bypass));
	json_object_set_new(entry, "odd_path", json_boolean(said.odd_path));
	if (said.has_ttl)
		json_object_set_new(entry, "rule_ttl", json_integer(said.ttl));
	if (said.has_grace)
		json_object_set_new(entry, "rule_grace", json_integer(said.grace));
}

/* --- the origins ------------------------------------------------------------------------------- */

static json_t *explained_json(const char *origin, const struct zs_explained *e)
{
	char sentence[512];
	json_t *json;

	zs_explain_sentence(e, sentence, sizeof(sentence));
	json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:b}", "origin", origin, "fate", zs_fate_name(e->fate), "text",
			 zs_fate_text(e->fate), "sentence", sentence, "class", (int)e->class, "cold", (int)e->cold);
	if (e->cause[0])
		json_object_set_new(json, "cause", json_string(e->cause));
	if (e->there)
		json_object_set_new(json, "object",
				    json_pack("{s:I, s:I, s:I, s:i, s:I, s:I, s:b}", "age", (json_int_t)e->age, "ttl",
					      (json_int_t)e->ttl, "stale_ttl", (json_int_t)e->stale_ttl, "status",
					      (int)e->status, "size", (json_int_t)e->size, "hits", (json_int_t)e->hits,
					      "void", (int)e->voided));
	if (e->refused) /* seconds: 0 when the next one may be recorded */
		json_object_set_new(json, e->held_off ? "held_off" : "refused",
				    json_pack("{s:s, s:s, s:I}", "reason", zs_holdoff_name(e->holdoff_reason), "text",
					      zs_holdoff_text(e->holdoff_reason), "seconds",
					      (json_int_t)e->holdoff_seconds));
	return json;
}

static int origins_tell(struct explain *x)
{
	struct zs_origin_key at, next;
	struct zs_origin origin;
	struct zs_explained e;
	char text[ZS_ORIGIN_TEXT];
	void *from = NULL;

	while (!bpf_map_get_next_key(x->maps.fd[ZS_MAP_origins], from, &next)) {
		json_t *entry;
		int err;

		at = next;
		from = &at;
		if (bpf_map_lookup_elem(x->maps.fd[ZS_MAP_origins], &at, &origin))
			continue;
		err = zs_explain(&x->maps, x->ctl, origin.id, x->head, x->len, &e);
		if (err)
			return err;
		zs_origin_text(&at, text);
		entry = explained_json(text, &e);
		rules_tell(x, &at, entry);
		json_array_append_new(x->origins, entry);
	}
	return 0;
}

/* The upstreams that are not accelerated, or not at all their addresses, each with its reason, as `status` has
 * them. */
static json_t *left_json(const struct zs_maps *maps)
{
	json_t *report = zs_report_read(maps), *left = json_array(), *up;
	size_t i;

	json_array_foreach(json_object_get(report, "origins"), i, up)
	{
		if (!json_is_true(json_object_get(up, "taken")) || json_is_string(json_object_get(up, "reason")))
			json_array_append(left, up);
	}
	json_decref(report);
	return left;
}

/* --- what is stored for the URL ---------------------------------------------------------------- */

static bool part_is(const struct zs_key *key, enum zs_key_part part, const char *text)
{
	uint32_t len;
	const char *p = zs_key_text_of(key, part, &len);

	return len == strlen(text) && !memcmp(p, text, len);
}

/* The values of the operator's Vary fields, by name; bytes that JSON does not take are shown as '?'. */
static json_t *vary_json(const struct explain *x, const struct zs_key *key)
{
	json_t *vary = json_object();

	for (int i = 0; i < (int)ZS_VARY_FIELDS && x->config.vary[i]; i++) {
		char value[ZS_VARY_MAX + 1];
		uint32_t len;
		const char *text = zs_key_text_of(key, (enum zs_key_part)(ZS_KEY_VARY + i), &len);

		if (!(key->vary_seen & 1u << i))
			continue;
		snprintf(value, sizeof(value), "%.*s", (int)len, text);
		for (char *c = value; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		json_object_set_new(vary, x->config.vary[i], json_string(value));
	}
	return vary;
}

static int variant_note(void *user, const struct zs_seen_object *s)
{
	struct explain *x = user;
	const struct zs_object *o = s->object;
	uint64_t now = zs_boot_ns();
	char url[ZS_KEY_TEXT_MAX + 16], codings[64];
	const char *state = !s->valid ? "void" : now < o->fresh_until ? "fresh" : now < o->stale_until ? "stale" :
													 "expired";

	if (!part_is(s->key, ZS_KEY_TARGET, x->canonical) ||
	    (!part_is(s->key, ZS_KEY_HOST, x->url.host) && !part_is(s->key, ZS_KEY_XFH, x->url.host)))
		return 0;
	zs_key_url(s->key, url, sizeof(url));
	zs_codings_text(s->key->ae, ", ", codings, sizeof(codings));
	return json_array_append_new(
		       x->variants,
		       json_pack("{s:s, s:s, s:s, s:i, s:s, s:o, s:b, s:i, s:I, s:I, s:I, s:I}", "state", state, "url",
				 url, "origin", zs_origin_name(&x->names, s->key->origin), "encodings", (int)s->key->ae, "accepts", codings, "vary",
				 vary_json(x, s->key), "valid", (int)s->valid, "status", (int)o->status, "size",
				 (json_int_t)o->body_len, "age", (json_int_t)(int64_t)(now - o->born) / (json_int_t)ZS_NS,
				 "ttl", (json_int_t)(int64_t)(o->fresh_until - now) / (json_int_t)ZS_NS, "hits",
				 (json_int_t)o->hits)) ?
		       -ENOMEM :
		       0;
}

/* --- the command ------------------------------------------------------------------------------- */

static int explain(struct explain *x)
{
	int err = config_read(x);

	if (err)
		return err;
	x->len = zs_visitor_head(x->o->headers, &x->url, !strncasecmp(x->o->file, "https:", 6), x->head);
	zs_origin_names_get(&x->maps, &x->names);
	err = zs_key_canonical(&x->maps, x->ctl, x->url.host, x->url.target, x->canonical);
	if (!err)
		err = origins_tell(x);
	if (!err)
		err = zs_snapshot(&x->maps, variant_note, x);
	if (err)
		return err;
	json_object_set_new(x->answer, "url", json_string(x->o->file));
	json_object_set_new(x->answer, "paused", json_boolean(x->ctl->paused));
	json_object_set_new(x->answer, "pressure", json_boolean(x->ctl->pressure));
	json_object_set_new(x->answer, "tokens", json_integer(x->ctl->tokens));
	json_object_set_new(x->answer, "agent", json_boolean(zs_agent_alive(x->ctl)));
	json_object_set(x->answer, "origins", x->origins);
	json_object_set_new(x->answer, "left", left_json(&x->maps));
	json_object_set(x->answer, "variants", x->variants);
	if (x->o->json)
		zs_answer_print(json_incref(x->answer));
	else
		zs_explain_print(x->answer);
	return 0;
}

/* With the maps open. */
static int explain_run(struct explain *x)
{
	int err;

	zs_config_defaults(&x->config);
	x->answer = zs_answer_begin();
	x->origins = json_array();
	x->variants = json_array();
	x->ctl = zs_ctl_map(&x->maps);
	err = x->ctl ? explain(x) : -errno;
	if (err)
		zs_error("explain: %s: %s", x->o->file, strerror(-err));
	if (x->ctl)
		munmap(x->ctl, sizeof(*x->ctl));
	json_decref(x->answer);
	json_decref(x->origins);
	json_decref(x->variants);
	zs_config_free(&x->config);
	return err;
}

int zs_cmd_explain(const struct zs_options *o)
{
	static struct explain x;
	struct zs_instance instance;
	int code = zs_need_root("explain"), err;

	if (code)
		return code;
	if (!o->file || zs_url_parse(o->file, &x.url)) {
		zs_error("explain: give an absolute URL, for example https://example.org/path?query");
		return ZS_EXIT_USAGE;
	}
	if (zs_visitor_check("explain", o->headers))
		return ZS_EXIT_USAGE;
	x.o = o;
	code = zs_command_maps(o, &instance, &x.maps);
	if (code)
		return code;
	err = explain_run(&x);
	zs_maps_close(&x.maps);
	return zs_exit_of(err);
}
