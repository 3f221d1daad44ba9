// SPDX-License-Identifier: GPL-2.0-or-later
/* Walking over the pinned index and pages. */
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <zs/key.h>

struct views {
	const struct zs_maps *maps;
	struct zs_ctl *ctl;
	uint64_t *generations;
	uint8_t *pages;
	size_t pages_size;
	uint32_t count; /* of pages; read once: the agent may write to the original */
};

static int views_open(struct views *v, const struct zs_maps *maps)
{
	memset(v, 0, sizeof(*v));
	v->maps = maps;
	v->ctl = zs_ctl_map(maps);
	v->generations = zs_map_view(maps->fd[ZS_MAP_gens], ZS_GENERATIONS * sizeof(uint64_t));
	if (v->ctl) {
		v->count = *(volatile uint32_t *)&v->ctl->pages;
		v->pages_size = (size_t)v->count * ZS_PAGE_SIZE;
		v->pages = zs_map_view(maps->fd[ZS_MAP_pages], v->pages_size);
	}
	return v->ctl && v->generations && v->pages ? 0 : -errno;
}

static void views_close(struct views *v)
{
	if (v->pages)
		munmap(v->pages, v->pages_size);
	if (v->generations)
		munmap(v->generations, ZS_GENERATIONS * sizeof(uint64_t));
	if (v->ctl)
		munmap(v->ctl, sizeof(*v->ctl));
}

/* What is looked at of an object. */
struct copy {
	uint8_t front[ZS_OBJECT_KEY_OFF + sizeof(struct zs_key) + ZS_ETAG_MAX] __attribute__((aligned(8)));
	uint8_t tags[ZS_ANSWER_HEAD_MAX];
};

static bool header_valid(const struct views *v, uint64_t digest, struct zs_ref ref, const struct zs_object *o)
{
	return o->magic == ZS_OBJECT_MAGIC && o->serial == ref.serial && o->digest == digest &&
	       o->bucket < ZS_GENERATIONS && o->pages <= v->count - ref.page &&
	       o->tags_len <= ZS_ANSWER_HEAD_MAX && o->etag_len <= ZS_ETAG_MAX &&
	       (uint64_t)o->tags_off + o->tags_len <= (uint64_t)o->pages * ZS_PAGE_SIZE &&
	       o->key_len >= ZS_KEY_HEAD && o->key_len <= sizeof(struct zs_key);
}

/* Copied, and checked before and behind: the agent may replace it meanwhile. */
static bool object_copy(const struct views *v, uint64_t digest, struct zs_ref ref, struct copy *c)
{
	const struct zs_object *o = (const struct zs_object *)c->front, *there;

	if (ref.page >= v->count)
		return false;
	there = (const struct zs_object *)(v->pages + (size_t)ref.page * ZS_PAGE_SIZE);
	memcpy(c->front, there, ZS_OBJECT_KEY_OFF);
	if (!header_valid(v, digest, ref, o))
		return false;
	memcpy(c->front + ZS_OBJECT_KEY_OFF, (const uint8_t *)there + ZS_OBJECT_KEY_OFF,
	       o->key_len + o->etag_len);
	if (zs_key_len((const struct zs_key *)(c->front + ZS_OBJECT_KEY_OFF)) != o->key_len)
		return false;
	memcpy(c->tags, (const uint8_t *)there + o->tags_off, o->tags_len);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&there->serial, __ATOMIC_RELAXED) == ref.serial;
}

struct walk {
	struct views v;
	int (*each)(void *user, const struct zs_seen_object *seen);
	void *user;
};

static int visit(struct walk *w, uint64_t digest, struct zs_ref ref)
{
	static struct copy c;
	const struct zs_object *o = (const struct zs_object *)c.front;
	struct zs_seen_object seen = {
		.object = o,
		.key = (const struct zs_key *)(c.front + ZS_OBJECT_KEY_OFF),
		.tags = c.tags,
	};

	if (!object_copy(&w->v, digest, ref, &c))
		return 0;
	seen.tags_len = o->tags_len;
	seen.etag = c.front + ZS_OBJECT_KEY_OFF + o->key_len;
	seen.valid = o->flush == *(volatile uint32_t *)&w->v.ctl->flush &&
		     o->generation == (uint32_t)*(volatile uint64_t *)&w->v.generations[o->bucket];
	return w->each(w->user, &seen);
}

/* One at a time: before 5.6 there are no batches. The next key is asked for while this one is still there. */
static int walk_keys(struct walk *w)
{
	int fd = w->v.maps->fd[ZS_MAP_index], err = 0;
	uint64_t digest, next;
	struct zs_ref ref;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);

	while (!err && more) {
		digest = next;
		more = !bpf_map_get_next_key(fd, &digest, &next);
		if (!bpf_map_lookup_elem(fd, &digest, &ref))
			err = visit(w, digest, ref);
	}
	return err;
}

/* Many in one call, whole buckets of the map at a time: deleting between the calls loses none. */
#define BATCH 4096u
static int walk_batches(struct walk *w)
{
	static uint64_t digests[BATCH];
	static struct zs_ref refs[BATCH];
	uint64_t place[2];
	int err = 0, failed = 0;

	for (void *from = NULL; !err && !failed; from = &place[0]) {
		uint32_t count = BATCH;

		failed = bpf_map_lookup_batch(w->v.maps->fd[ZS_MAP_index], from, &place[1], digests, refs, &count,
					      NULL);
		if (failed && errno != ENOENT)
			return from ? -errno : walk_keys(w);
		for (uint32_t i = 0; !err && i < count; i++)
			err = visit(w, digests[i], refs[i]);
		place[0] = place[1];
	}
	return err;
}

int zs_snapshot(const struct zs_maps *maps, int (*each)(void *user, const struct zs_seen_object *seen),
		void *user)
{
	struct walk w = {.each = each, .user = user};
	int err = views_open(&w.v, maps);

	if (!err)
		err = walk_batches(&w);
	views_close(&w.v);
	return err;
}

const char *zs_key_text_of(const struct zs_key *k, enum zs_key_part part, uint32_t *len)
{
	const uint16_t lens[] = {k->host_len,    k->xfh_len,     k->xfp_len,     k->vary_len[0],
				 k->vary_len[1], k->vary_len[2], k->vary_len[3], k->target_len};
	uint32_t at = 0;

	_Static_assert(sizeof(lens) / sizeof(lens[0]) == ZS_KEY_PARTS, "a length for every part");
	for (int i = 0; i < (int)part; i++)
		at += zs_pad8(lens[i]);
	*len = lens[part];
	return (const char *)&k->text[at];
}

void zs_key_url(const struct zs_key *k, char *out, size_t size)
{
	uint32_t target, host, xfh, xfp;
	const char *t = zs_key_text_of(k, ZS_KEY_TARGET, &target), *h = zs_key_text_of(k, ZS_KEY_HOST, &host);
	const char *fh = zs_key_text_of(k, ZS_KEY_XFH, &xfh), *fp = zs_key_text_of(k, ZS_KEY_XFP, &xfp);

	if (xfh) {
		h = fh;
		host = xfh;
	}
	snprintf(out, size, "%.*s://%.*s%.*s", xfp ? (int)xfp : 4, xfp ? fp : "http", (int)host, h, (int)target,
		 t);
	for (char *c = out; *c; c++) /* the terminal shows it, and the agent may be anybody's */
		if (*c < 0x21 || *c > 0x7e)
			*c = '?';
}
