// SPDX-License-Identifier: GPL-2.0-or-later
/* The thread that follows Caddy's configuration. */
#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "admin.h"
#include "clock.h"
#include "log.h"
#include "names.h"
#include "origins.h"

#define ROUND_MS        1000 /* between looks at the configuration */
#define OPTED_MS        500  /* likewise, and for the answer, with a listener opted in: a second for both */
#define FORGET_NS       (2 * ZS_NS) /* after a change; more than zs_opted_eligible() waits */
#define ADDRESSES_SHOWN 64 /* in `status`, one by one: the report has limited room */

/* An address that is or was an origin. Its id is its own for the life of the maps: connections and stored
 * objects remember it longer than this process lives. */
struct known {
	struct zs_origin_key key;
	uint32_t id;
	bool live; /* in the kernel's map */
};

struct zs_watch {
	struct zs_watch_options o;
	pthread_t thread;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t wake;
	bool stop;
	struct zs_origins origins;
	struct zs_opted *opted;
	uint64_t forget_until; /* boot-time ns; of the watching thread */
	struct known known[ZS_ORIGINS_MAX];
	uint32_t known_n;
	char etag[128];
	int admin_error; /* of the last look; 0: fine */
	bool named;
	time_t resolved;
};

static struct known *known_of(struct zs_watch *w, const struct zs_origin_key *key)
{
	for (uint32_t i = 0; i < w->known_n; i++)
		if (!memcmp(&w->known[i].key, key, sizeof(*key)))
			return &w->known[i];
	return NULL;
}

static struct known *known_add(struct zs_watch *w, const struct zs_origin_key *key, uint32_t id)
{
	if (w->known_n == ZS_ORIGINS_MAX)
		return NULL;
	w->known[w->known_n] = (struct known){.key = *key, .id = id};
	return &w->known[w->known_n++];
}

/* What an earlier agent has left in the map keeps its ids. */
static void known_load(struct zs_watch *w)
{
	struct zs_origin_key at, next;
	struct zs_origin value;
	void *from = NULL;

	while (!bpf_map_get_next_key(w->o.maps->fd[ZS_MAP_origins], from, &next)) {
		struct known *k;

		at = next;
		from = &at;
		if (bpf_map_lookup_elem(w->o.maps->fd[ZS_MAP_origins], &at, &value))
			continue;
		k = known_add(w, &at, value.id);
		if (k)
			k->live = true;
	}
}

static void origin_publish(struct zs_watch *w, struct known *k)
{
	int err = zs_origin_put(w->o.maps, w->o.ctl, &k->key, k->id);

	if (err)
		zs_warn("cannot add an origin to the kernel's map: %s", strerror(-err));
	else
		k->live = true;
}

/* Makes the kernel's map hold exactly these keys. Under the lock. */
static void map_settle(struct zs_watch *w, const struct zs_origin_key *keys, size_t n)
{
	bool wanted[ZS_ORIGINS_MAX] = {false};

	for (size_t i = 0; i < n; i++) {
		struct known *k = known_of(w, &keys[i]);

		if (!k)
			k = known_add(w, &keys[i],
				      __atomic_add_fetch(&w->o.ctl->origins, 1, __ATOMIC_SEQ_CST));
		if (!k)
			continue;
		wanted[k - w->known] = true;
		if (!k->live)
			origin_publish(w, k);
	}
	for (uint32_t i = 0; i < w->known_n; i++) {
		if (!w->known[i].live || wanted[i])
			continue;
		bpf_map_delete_elem(w->o.maps->fd[ZS_MAP_origins], &w->known[i].key);
		w->known[i].live = false;
	}
}

static void resolve(struct zs_watch *w, struct zs_origins *origins)
{
	static struct zs_origin_key keys[ZS_ORIGINS_MAX];
	size_t n = zs_origins_resolve(origins, w->o.netns, keys, ZS_ORIGINS_MAX);

	pthread_mutex_lock(&w->lock);
	if (origins != &w->origins) {
		zs_origins_free(&w->origins);
		w->origins = *origins;
	}
	map_settle(w, keys, n);
	w->resolved = time(NULL);
	pthread_mutex_unlock(&w->lock);
}

/* What listeners are judged by. Null: what Caddy said was none. */
static int opted_update(struct zs_watch *w, const struct zs_admin_config *config)
{
	json_t *json = NULL;
	int err;

	if (config) {
		json = json_loadb(config->text, config->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		if (!json)
			return -EINVAL;
	}
	pthread_mutex_lock(&w->lock);
	err = zs_opted_config(w->opted, json, zs_boot_ns());
	pthread_mutex_unlock(&w->lock);
	json_decref(json);
	return err;
}

/* What was found uncacheable by another configuration may be cacheable by this one. Twice, since responses are judged by
 * neither for a moment (zs_opted_eligible). */
static void holdoffs_forget(struct zs_watch *w)
{
	int fd = w->o.maps->fd[ZS_MAP_holdoff];
	uint64_t digest;

	while (!bpf_map_get_next_key(fd, NULL, &digest))
		if (bpf_map_delete_elem(fd, &digest) && errno != ENOENT)
			break;
}

static int config_take(struct zs_watch *w, const struct zs_admin_config *config)
{
	bool changed = strcmp(config->etag, w->etag) != 0;
	struct zs_origins origins = {0};
	int err = 0;

	if (changed || !zs_opted_known(w->opted)) {
		err = opted_update(w, config);
		w->forget_until = zs_boot_ns() + FORGET_NS;
	}
	if (zs_opted_wanted(w->opted) && zs_boot_ns() < w->forget_until)
		holdoffs_forget(w);
	if (!err && !w->named && (changed || time(NULL) - w->resolved >= ZS_RESOLVE_SECONDS)) {
		err = zs_origins_from_config(config->text, config->len, &origins);
		if (!err)
			resolve(w, &origins);
	}
	if (!err)
		memcpy(w->etag, config->etag, sizeof(w->etag));
	return err;
}

/* One look at the admin API. An API that does not answer leaves everything as it is: Caddy may be busy, or about to
 * restart. Of listeners nothing is answered from a second on after the last answer [A9]. */
static void look(struct zs_watch *w)
{
	bool opted = zs_opted_wanted(w->opted);
	uint64_t asked = zs_boot_ns();
	struct zs_admin_config config;
	int err;

	if (w->named && time(NULL) - w->resolved >= ZS_RESOLVE_SECONDS)
		resolve(w, &w->origins);
	if (w->named && !opted)
		return;
	err = opted ? zs_admin_fetch_within(w->o.admin, OPTED_MS, &config) : zs_admin_fetch(w->o.admin, &config);
	if (!err) {
		err = config_take(w, &config);
		zs_admin_config_free(&config);
		if (err && opted)
			opted_update(w, NULL);
	}
	if (!err && opted)
		__atomic_store_n(&w->o.ctl->judged, asked, __ATOMIC_RELEASE);
	pthread_mutex_lock(&w->lock);
	w->admin_error = err;
	pthread_mutex_unlock(&w->lock);
}

static void until_set(struct timespec *until, unsigned int ms)
{
	clock_gettime(CLOCK_REALTIME, until);
	until->tv_sec += ms / 1000;
	until->tv_nsec += ms % 1000 * 1000000l;
	if (until->tv_nsec >= 1000000000l) {
		until->tv_nsec -= 1000000000l;
		until->tv_sec++;
	}
}

static void *watch_main(void *arg)
{
	struct zs_watch *w = arg;
	struct timespec until;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		until_set(&until, zs_opted_wanted(w->opted) ? OPTED_MS : ROUND_MS);
		pthread_cond_timedwait(&w->wake, &w->lock, &until);
		if (w->stop)
			break;
		pthread_mutex_unlock(&w->lock);
		look(w);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int named_add(struct zs_watch *w)
{
	for (size_t i = 0; w->o.origins && w->o.origins[i]; i++) {
		int err = zs_origins_add(&w->origins, w->o.origins[i]);

		if (err)
			return err;
		w->named = true;
	}
	return 0;
}

static int opted_create(struct zs_watch *w)
{
	struct zs_opted_options options = {
		.listeners = w->o.listeners,
		.allowed = w->o.allowed,
		.ctl = w->o.ctl,
		.netns = w->o.netns,
		.put = w->o.listener_put,
		.remove = w->o.listener_remove,
		.user = w->o.user,
	};

	return zs_opted_create(&options, &w->opted);
}

int zs_watch_start(const struct zs_watch_options *options, struct zs_watch **out)
{
	struct zs_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->o = *options;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	err = named_add(w);
	if (!err)
		err = opted_create(w);
	if (!err) {
		known_load(w);
		look(w);
		err = -pthread_create(&w->thread, NULL, watch_main, w);
	}
	if (err) {
		zs_opted_destroy(w->opted);
		zs_origins_free(&w->origins);
		free(w);
		return err;
	}
	*out = w;
	return 0;
}

void zs_watch_stop(struct zs_watch *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	zs_opted_destroy(w->opted);
	zs_origins_free(&w->origins);
	free(w);
}

int zs_watch_address(struct zs_watch *w, uint32_t id, struct zs_origin_key *out)
{
	int err;

	pthread_mutex_lock(&w->lock);
	err = zs_opted_address(w->opted, id, out);
	for (uint32_t i = 0; i < w->known_n; i++) {
		if (w->known[i].id != id || !w->known[i].live)
			continue;
		*out = w->known[i].key;
		err = 0;
		break;
	}
	pthread_mutex_unlock(&w->lock);
	return err;
}

bool zs_watch_listener(struct zs_watch *w, uint32_t id)
{
	bool yes;

	pthread_mutex_lock(&w->lock);
	yes = zs_opted_is(w->opted, id);
	pthread_mutex_unlock(&w->lock);
	return yes;
}

bool zs_watch_eligible(struct zs_watch *w, uint32_t id, const struct zs_eligible_request *request, uint64_t asked,
		       char *why)
{
	bool upstream = false, yes;

	pthread_mutex_lock(&w->lock);
	for (uint32_t i = 0; !upstream && i < w->known_n; i++)
		upstream = w->known[i].id == id;
	yes = upstream || zs_opted_eligible(w->opted, id, request, asked, why);
	pthread_mutex_unlock(&w->lock);
	if (yes && !upstream && zs_boot_ns() >= __atomic_load_n(&w->o.ctl->judged, __ATOMIC_ACQUIRE) + ZS_JUDGED_NS) {
		snprintf(why, ZS_ELIGIBLE_WHY, "Caddy has not said lately what its configuration is");
		yes = false;
	}
	return yes;
}

/* {address, id, cold, requests, unfollowed} of every address in the kernel's map. Under the lock. */
static json_t *enrolment_json(const struct zs_watch *w, const struct zs_warmth *warmth)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < w->known_n; i++) {
		const struct known *k = &w->known[i];
		const struct zs_warmth *of = &warmth[k->id % ZS_WARMTH];
		char text[ZS_ORIGIN_TEXT];

		if (!k->live || json_array_size(array) == ADDRESSES_SHOWN)
			continue;
		zs_origin_text(&k->key, text);
		json_array_append_new(array, json_pack("{s:s, s:I, s:b, s:I, s:I}", "address", text, "id",
						       (json_int_t)k->id, "cold", of->cold != 0, "requests",
						       (json_int_t)of->requests, "unfollowed", (json_int_t)of->unfollowed));
	}
	return array;
}

json_t *zs_watch_json(struct zs_watch *w, const struct zs_warmth *warmth)
{
	json_t *json;

	pthread_mutex_lock(&w->lock);
	json = json_pack("{s:o, s:o, s:o, s:{s:b, s:s}}", "origins", zs_origins_json(&w->origins), "enrolment",
			 enrolment_json(w, warmth), "client_hop", zs_opted_json(w->opted), "admin", "asked",
			 !w->named || zs_opted_wanted(w->opted), "state",
			 w->named && !zs_opted_wanted(w->opted) ? "not asked: origins were given"
				  : (w->admin_error ? strerror(-w->admin_error) : "ok"));
	pthread_mutex_unlock(&w->lock);
	return json;
}
