// SPDX-License-Identifier: GPL-2.0-or-later
/* The listeners that are opted in, held against Caddy's configuration whenever that changes. */
#include "opted.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "listeners.h"
#include "log.h"
#include "options.h"

#define SETTLE_NS ZS_NS	      /* after a change, in which a connection may still be served by the old configuration */
#define SHOWN	  48	      /* listeners, in `status` */
#define SHOWN_MAX (24u << 10) /* bytes of routes there: the report has limited room */

/* One that the operator opted in. Its id stays, whatever becomes of it. */
struct opted {
	const char *spec;
	struct zs_opted_place place;
	struct zs_origin_key dial;
	char server[64];
	bool live; /* the kernel knows it */
	const char *reason; /* static: why it is not followed; null: it is */
	uint64_t refused;
	char last[ZS_ELIGIBLE_WHY]; /* why a response was refused last */
};

struct zs_opted {
	struct zs_opted_options o;
	struct zs_eligible *eligible; /* null: the configuration is not known */
	uint64_t since;		      /* boot-time ns of its change */
	json_t *shown;		      /* listeners and routes, as of then */
	size_t count;
	struct opted opted[ZS_LIST_MAX];
};

int zs_opted_create(const struct zs_opted_options *options, struct zs_opted **out)
{
	struct zs_opted *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->o = *options;
	for (; options->listeners && options->listeners[f->count] && f->count < ZS_LIST_MAX; f->count++) {
		struct opted *one = &f->opted[f->count];

		one->spec = options->listeners[f->count];
		one->place.id = __atomic_add_fetch(&options->ctl->origins, 1, __ATOMIC_SEQ_CST);
		one->reason = "Caddy's configuration is not known yet";
	}
	*out = f;
	return 0;
}

static void forget(struct zs_opted *f, struct opted *one)
{
	if (one->live && f->o.remove)
		f->o.remove(f->o.user, &one->place);
	one->live = false;
}

void zs_opted_destroy(struct zs_opted *f)
{
	if (!f)
		return;
	zs_eligible_destroy(f->eligible);
	json_decref(f->shown);
	free(f);
}

bool zs_opted_wanted(const struct zs_opted *f)
{
	return f->count > 0;
}

bool zs_opted_known(const struct zs_opted *f)
{
	return f->eligible != NULL;
}

/* --- what the configuration makes of them ---------------------------------------------------- */

static bool taken(const struct zs_opted *f, const struct opted *before, const struct zs_origin_key *key)
{
	for (const struct opted *one = f->opted; one < before; one++)
		if (one->live && !memcmp(&one->place.key, key, sizeof(*key)))
			return true;
	return false;
}

static void tell(const struct opted *one, const char *before)
{
	if (one->reason == before)
		return;
	if (one->reason)
		zs_warn("listener %s: not answered for: %s", one->spec, one->reason);
	else
		zs_info("listener %s: server %s of Caddy's, followed", one->spec, one->server);
}

/* One against the listeners of the configuration. */
static void one_settle(struct zs_opted *f, struct opted *one, const struct zs_listeners *all)
{
	const struct zs_served *listener;
	const char *before = one->reason;
	struct zs_listen_at at;
	struct zs_opted_place place = {.id = one->place.id};

	one->reason = zs_listeners_find(all, one->spec, &listener, &at);
	if (!one->reason) {
		place.key = at.key;
		place.key.netns = f->o.netns;
		place.wildcard = at.wildcard;
		place.idle = listener->idle;
		if (strlen(listener->server) >= sizeof(one->server))
			one->reason = "the name of its server is too long";
		else if (taken(f, one, &place.key))
			one->reason = "opted in twice";
	}
	if (one->reason || memcmp(&one->place.key, &place.key, sizeof(place.key)))
		forget(f, one);
	if (!one->reason) {
		snprintf(one->server, sizeof(one->server), "%s", listener->server);
		one->place = place;
		one->dial = zs_listen_dial(&at);
		if (f->o.put && f->o.put(f->o.user, &place))
			one->reason = "the kernel does not take it";
		one->live = !one->reason;
	}
	tell(one, before);
}

/* --- what `status` shows --------------------------------------------------------------------- */

/* As UTF-8, or not at all. */
static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);

	return json ? json : json_string("(not UTF-8)");
}

static json_t *listener_json(const struct zs_eligible *eligible, const struct zs_served *l)
{
	char why[ZS_ELIGIBLE_WHY];
	bool able = !l->reason && zs_eligible_server(eligible, l->server, why);
	json_t *json = json_pack("{s:o, s:o, s:s, s:b, s:b, s:I}", "server", text_json(l->server), "listen",
				 text_json(l->listen), "address", l->text, "tls", l->tls, "eligible", able,
				 "idle_seconds", (json_int_t)l->idle);

	if (!able)
		json_object_set_new(json, "reason", text_json(l->reason ? l->reason : why));
	return json;
}

/* The routes of a server, once, as long as there is room. */
static void routes_add(json_t *routes, const struct zs_eligible *eligible, const char *server, size_t *room)
{
	json_t *list;
	char *text;

	if (!*room || json_object_get(routes, server))
		return;
	list = zs_eligible_routes(eligible, server);
	text = list ? json_dumps(list, JSON_COMPACT) : NULL;
	if (text && strlen(text) <= *room) {
		*room -= strlen(text);
		json_object_set(routes, server, list);
	} else {
		*room = 0;
	}
	free(text);
	json_decref(list);
}

static json_t *shown_make(const struct zs_eligible *eligible, const struct zs_listeners *all)
{
	json_t *listeners = json_array(), *routes = json_object();
	size_t room = SHOWN_MAX;

	for (size_t i = 0; i < all->count && i < SHOWN; i++) {
		json_array_append_new(listeners, listener_json(eligible, &all->list[i]));
		if (!all->list[i].reason)
			routes_add(routes, eligible, all->list[i].server, &room);
	}
	return json_pack("{s:o, s:o, s:b, s:b}", "listeners", listeners, "routes", routes, "more_listeners",
			 all->more || all->count > SHOWN, "more_routes", room == 0);
}

json_t *zs_opted_json(const struct zs_opted *f)
{
	json_t *json = f->shown ? json_copy(f->shown) : json_pack("{s:[], s:{}}", "listeners", "routes");
	json_t *list = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct opted *one = &f->opted[i];
		json_t *entry = json_pack("{s:s, s:I, s:b, s:I, s:I}", "listener", one->spec, "id",
					  (json_int_t)one->place.id, "followed", one->live, "idle_seconds",
					  (json_int_t)one->place.idle, "refused", (json_int_t)one->refused);

		if (one->server[0])
			json_object_set_new(entry, "server", text_json(one->server));
		if (one->reason)
			json_object_set_new(entry, "reason", text_json(one->reason));
		if (one->refused)
			json_object_set_new(entry, "last_refused", text_json(one->last));
		json_array_append_new(list, entry);
	}
	if (json)
		json_object_set_new(json, "opted_in", list);
	else
		json_decref(list);
	return json;
}

/* --- a change -------------------------------------------------------------------------------- */

/* Under the new configuration nothing that is stored, or on its way to be, may be served. */
static void everything_void(struct zs_opted *f)
{
	if (f->count)
		__atomic_add_fetch(&f->o.ctl->flush, 1, __ATOMIC_SEQ_CST);
}

static void config_drop(struct zs_opted *f)
{
	zs_eligible_destroy(f->eligible);
	json_decref(f->shown);
	f->eligible = NULL;
	f->shown = NULL;
}

int zs_opted_config(struct zs_opted *f, json_t *config, uint64_t now)
{
	struct zs_listeners all = {0};
	int err = 0;

	if (!config && !f->eligible)
		return 0; /* nobody knew before */
	everything_void(f);
	config_drop(f);
	f->since = now;
	if (!config)
		return 0;
	err = zs_listeners_read(config, &all);
	if (!err)
		err = zs_eligible_create(config, f->o.allowed, &f->eligible);
	if (!err) {
		for (size_t i = 0; i < f->count; i++)
			one_settle(f, &f->opted[i], &all);
		f->shown = shown_make(f->eligible, &all);
	}
	zs_listeners_free(&all);
	return err;
}

/* --- questions ------------------------------------------------------------------------------- */

static const struct opted *opted_of(const struct zs_opted *f, uint32_t id)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->opted[i].place.id == id)
			return &f->opted[i];
	return NULL;
}

bool zs_opted_is(const struct zs_opted *f, uint32_t id)
{
	return opted_of(f, id) != NULL;
}

int zs_opted_address(const struct zs_opted *f, uint32_t id, struct zs_origin_key *out)
{
	const struct opted *one = opted_of(f, id);

	if (!one || !one->live)
		return -ENOENT;
	*out = one->dial;
	out->netns = f->o.netns;
	return 0;
}

bool zs_opted_eligible(struct zs_opted *f, uint32_t id, const struct zs_eligible_request *request, uint64_t asked,
		       char *why)
{
	struct opted *one = (struct opted *)opted_of(f, id);
	const char *reason = NULL;
	bool yes = false;

	if (!one)
		reason = "not a listener";
	else if (!f->eligible)
		reason = "Caddy's configuration is not known";
	else if (!one->live)
		reason = one->reason;
	else if (asked < f->since + SETTLE_NS)
		reason = "Caddy's configuration has just changed";
	else
		yes = zs_eligible_judge(f->eligible, one->server, request, why);
	if (reason)
		snprintf(why, ZS_ELIGIBLE_WHY, "%s", reason);
	if (one && !yes) {
		one->refused++;
		snprintf(one->last, sizeof(one->last), "%s", why);
	}
	return yes;
}
