// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * purge: announces what is purged, so that nothing in flight is stored, then takes what matches out of the index
 * ([I9] in docs/design.md); `--all` raises the flush number. All of it works without an agent, but for `--soft`.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <zs/key.h>

#include "classes.h"
#include "command.h"
#include "front.h"
#include "log.h"
#include "purge.h"
#include "snapshot.h"
#include "tags.h"
#include "url.h"

#define PURGES_MOST (ZS_PURGES / 2) /* in one command: what others announced is still to be told apart */
#define WAIT_MS     2000            /* for the agent */
#define WAIT_STEP_MS 2

struct work {
	const struct zs_options *o;
	struct zs_instance instance;
	struct zs_maps maps;
	struct zs_purge_view view;
	uint64_t *generations;
	struct zs_front front;
	struct zs_url url; /* of --url; its target as in keys */
	struct zs_purge purge[PURGES_MOST];
	uint32_t count;   /* of purges; 0: everything, by the flush number */
	bool soft;        /* and an agent lives to do it */
	bool take;        /* matching objects out of the index */
	uint64_t objects; /* valid ones that matched */
};

/* --- what is to be purged -------------------------------------------------------------------- */

static int usage_check(const struct zs_options *o)
{
	if (!!o->url + !!o->prefix + !!o->host + !!o->tags[0] + o->all != 1) {
		zs_error("purge: give one of --url URL, --prefix URL, --host HOST, --tag TAG (repeatable) and --all");
		return -EINVAL;
	}
	return 0;
}

static int tags_set(struct work *w)
{
	for (w->count = 0; w->o->tags[w->count]; w->count++) {
		if (w->count == PURGES_MOST) {
			zs_error("--tag: more than %u at once; purge in several steps", PURGES_MOST);
			return -EINVAL;
		}
		if (zs_purge_set(&w->purge[w->count], ZS_PURGE_TAG, NULL, w->o->tags[w->count])) {
			zs_error("--tag '%s': give 1 to %u bytes", w->o->tags[w->count], ZS_TAG_LEN_MAX);
			return -EINVAL;
		}
	}
	return 0;
}

/* What needs no map. -EINVAL (logged). */
static int purges_set(struct work *w)
{
	const struct zs_options *o = w->o;
	char host[ZS_HOST_MAX + 1];

	w->count = 1;
	if (o->tags[0])
		return tags_set(w);
	if (o->host)
		return zs_url_host("host", o->host, host) ? -EINVAL
							   : zs_purge_set(w->purge, ZS_PURGE_PREFIX, host, "");
	if (o->prefix)
		return zs_url_split("prefix", o->prefix, &w->url)
			       ? -EINVAL
			       : zs_purge_set(w->purge, ZS_PURGE_PREFIX, w->url.host, w->url.target);
	if (o->url)
		return zs_url_split("url", o->url, &w->url);
	w->count = o->soft;
	return zs_purge_set(w->purge, ZS_PURGE_PREFIX, NULL, "");
}

/* The operator's rules decide what of a URL is in the key. */
static int url_settle(struct work *w)
{
	char target[ZS_TARGET_MAX + 1];
	int err = zs_key_canonical(&w->maps, w->view.ctl, w->url.host, w->url.target, target);

	if (err)
		return err;
	memcpy(w->url.target, target, sizeof(target));
	return zs_purge_set(w->purge, ZS_PURGE_URL, w->url.host, target);
}

/* --- the store ------------------------------------------------------------------------------- */

/* The front last, so that nothing stays there alone that the agent stored meanwhile (zs_store_put), and first, so
 * that a command that is killed half-way leaves what the next one finds. */
static int take(struct work *w, uint64_t digest)
{
	int err;

	zs_front_drop(&w->front, digest);
	err = bpf_map_delete_elem(w->maps.fd[ZS_MAP_index], &digest) && errno != ENOENT ? -errno : 0;
	zs_front_drop(&w->front, digest);
	return err;
}

static int each(void *user, const struct zs_seen_object *s)
{
	struct work *w = user;
	bool matches = !w->count;

	for (uint32_t i = 0; !matches && i < w->count; i++)
		matches = zs_purge_matches(&w->purge[i], s->key, s->tags, s->tags_len);
	if (!matches)
		return 0;
	w->objects += s->valid;
	return w->take ? take(w, s->object->digest) : 0;
}

/* What would go, as it is found. */
static int dry_each(void *user, const struct zs_seen_object *s)
{
	struct work *w = user;
	char url[ZS_KEY_TEXT_MAX + 16];
	uint64_t before = w->objects;
	int err = each(w, s);

	if (w->objects == before)
		return err;
	zs_key_url(s->key, url, sizeof(url));
	if (w->o->json)
		zs_answer_array_add(json_string(url));
	else
		puts(url);
	return err;
}

static int dry_run(struct work *w)
{
	if (w->o->json)
		zs_answer_array_begin("urls");
	w->take = false;
	return zs_snapshot(&w->maps, dry_each, w);
}

static int scan(struct work *w, bool take)
{
	w->take = take;
	return zs_snapshot(&w->maps, each, w);
}

/* The bucket that a request for the URL has at each origin: a generation voids what is in flight by itself, be
 * the agent as it may. */
static void origins_raise(struct work *w)
{
	static struct zs_key key;
	struct zs_origin_key at, next;
	struct zs_origin origin;
	void *from = NULL;
	uint32_t host = (uint32_t)strlen(w->url.host), target = (uint32_t)strlen(w->url.target);
	const struct zs_ctl *ctl = w->view.ctl;

	while (!bpf_map_get_next_key(w->maps.fd[ZS_MAP_origins], from, &next)) {
		at = next;
		from = &at;
		if (bpf_map_lookup_elem(w->maps.fd[ZS_MAP_origins], &at, &origin))
			continue;
		memset(&key, 0, sizeof(key));
		key.origin = origin.id;
		key.target_len = (uint16_t)target;
		key.host_len = (uint16_t)host;
		memcpy(key.text, w->url.host, host);
		memcpy(key.text + zs_key_target_at(&key), w->url.target, target);
		__atomic_fetch_add(&w->generations[zs_key_bucket(&key, ctl->seed[0], ctl->seed[1])], 1,
				   __ATOMIC_SEQ_CST);
	}
}

/* --- announcing ------------------------------------------------------------------------------ */

/* Purges that the agent has yet to carry out fit into the ring, these included; or it does not answer. */
static void room_wait(const struct work *w)
{
	const struct zs_ctl *ctl = w->view.ctl;

	for (int ms = 0; ms < WAIT_MS && zs_agent_alive(ctl); ms += WAIT_STEP_MS) {
		if (__atomic_load_n(&ctl->purge_seq, __ATOMIC_SEQ_CST) + w->count -
			    __atomic_load_n(&ctl->purge_done, __ATOMIC_SEQ_CST) <=
		    ZS_PURGES)
			return;
		usleep(WAIT_STEP_MS * 1000);
	}
}

static int announce(struct work *w)
{
	int lock = zs_announce_lock(&w->instance);

	if (lock < 0)
		return lock;
	room_wait(w);
	for (uint32_t i = 0; i < w->count; i++) {
		w->purge[i].soft = w->soft;
		zs_purge_announce(&w->view, &w->purge[i]);
	}
	close(lock);
	return 0;
}

/* The agent has carried out the last of them. */
static bool agent_did(const struct work *w)
{
	for (int ms = 0; ms < WAIT_MS; ms += WAIT_STEP_MS) {
		if (__atomic_load_n(&w->view.ctl->purge_done, __ATOMIC_SEQ_CST) >= w->purge[w->count - 1].seq)
			return true;
		usleep(WAIT_STEP_MS * 1000);
	}
	return false;
}

/* --- the three ways -------------------------------------------------------------------------- */

/* The scan before the announcement takes nearly all, and counts it: after it the agent does so as well. The scan
 * behind it takes what came in between, and is the one that [I9] is about. */
static int purge_hard(struct work *w)
{
	int err;

	w->soft = false;
	w->objects = 0;
	if (w->o->all) {
		w->count = 0;
		err = scan(w, false);
		__atomic_fetch_add(&w->view.ctl->flush, 1, __ATOMIC_SEQ_CST);
		return err;
	}
	err = scan(w, true);
	if (!err)
		err = announce(w);
	if (!err)
		err = scan(w, true);
	if (!err && w->o->url)
		origins_raise(w);
	return err;
}

static int purge_soft(struct work *w)
{
	int err;

	w->soft = zs_agent_alive(w->view.ctl);
	if (w->soft) {
		err = scan(w, false);
		if (!err)
			err = announce(w);
		if (err || agent_did(w))
			return err;
	}
	zs_warn("purge: no agent makes it stale; it is purged outright");
	return purge_hard(w);
}

static int purge(struct work *w)
{
	int err = w->o->url ? url_settle(w) : 0;

	if (err)
		return err;
	if (w->o->dry_run)
		return dry_run(w);
	return w->o->soft ? purge_soft(w) : purge_hard(w);
}

/* --- the command ----------------------------------------------------------------------------- */

static int views_open(struct work *w)
{
	int err = zs_front_open(&w->maps, &w->front);

	if (err)
		return err;
	w->view.ctl = zs_ctl_map(&w->maps);
	w->view.ring = zs_map_view(w->maps.fd[ZS_MAP_purges], sizeof(struct zs_purge) * ZS_PURGES);
	w->generations = zs_map_view(w->maps.fd[ZS_MAP_gens], ZS_GENERATIONS * sizeof(uint64_t));
	return w->view.ctl && w->view.ring && w->generations ? 0 : -errno;
}

static void views_close(struct work *w)
{
	zs_front_close(&w->front);
	if (w->view.ctl)
		munmap(w->view.ctl, sizeof(*w->view.ctl));
	if (w->view.ring)
		munmap(w->view.ring, sizeof(struct zs_purge) * ZS_PURGES);
	if (w->generations)
		munmap(w->generations, ZS_GENERATIONS * sizeof(uint64_t));
}

static void answer_print(const struct work *w)
{
	json_t *answer;

	if (!w->o->json) {
		printf("%s %llu objects%s\n", w->o->dry_run ? "would purge" : w->soft ? "made" : "purged",
		       (unsigned long long)w->objects, w->soft ? " stale" : "");
		return;
	}
	answer = w->o->dry_run ? json_object() : zs_answer_begin();
	json_object_set_new(answer, "purged", json_integer((json_int_t)w->objects));
	json_object_set_new(answer, "soft", json_boolean(w->soft));
	json_object_set_new(answer, "dry_run", json_boolean(w->o->dry_run));
	if (w->o->dry_run)
		zs_answer_array_end(answer);
	else
		zs_answer_print(answer);
}

int zs_cmd_purge(const struct zs_options *o)
{
	static struct work w;
	int code = zs_need_root("purge"), err;

	if (code)
		return code;
	w = (struct work){.o = o};
	if (usage_check(o) || purges_set(&w))
		return ZS_EXIT_USAGE;
	code = zs_command_maps(o, &w.instance, &w.maps);
	if (code)
		return code;
	err = views_open(&w);
	if (!err)
		err = purge(&w);
	if (err)
		zs_error("purge: %s", strerror(-err));
	views_close(&w);
	zs_maps_close(&w.maps);
	if (!err)
		answer_print(&w);
	return zs_exit_of(err);
}
