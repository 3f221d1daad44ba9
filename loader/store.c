// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects: written to pages, named in the index, evicted, expired. */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

struct zs_store {
	struct zs_store_options o;
	struct zs_pages *pages;
	struct zs_store_entry **table;
	size_t mask;
	struct zs_store_entry *newest, *oldest;
	struct zs_store_entry *hand;  /* SIEVE's; null: begin at the oldest */
	struct zs_store_entry *sweep; /* where the next sweep goes on; null: at the newest */
	uint32_t serial;
	struct zs_store_stats stats;
};

static struct zs_object *object_at(const struct zs_store *s, uint32_t page)
{
	return (struct zs_object *)(s->o.pages + (size_t)page * ZS_PAGE_SIZE);
}

int zs_store_create(const struct zs_store_options *options, struct zs_store **out)
{
	struct zs_store *s = calloc(1, sizeof(*s));
	size_t slots = 64;

	if (!s)
		return -ENOMEM;
	while (slots < options->entries)
		slots *= 2;
	s->o = *options;
	s->mask = slots - 1;
	s->table = calloc(slots, sizeof(struct zs_store_entry *));
	if (!s->table || zs_pages_create(options->count, options->grace, &s->pages)) {
		free(s->table);
		free(s);
		return -ENOMEM;
	}
	s->stats.pages_total = options->count;
	*out = s;
	return 0;
}

/* --- entries: a hash table and a list from newest to oldest ---------------------------------- */

static struct zs_store_entry **slot_of(const struct zs_store *s, uint64_t digest)
{
	struct zs_store_entry **e = &s->table[digest & s->mask];

	while (*e && (*e)->digest != digest)
		e = &(*e)->chain;
	return e;
}

static void list_push(struct zs_store *s, struct zs_store_entry *e)
{
	e->newer = NULL;
	e->older = s->newest;
	if (s->newest)
		s->newest->newer = e;
	else
		s->oldest = e;
	s->newest = e;
}

static void list_remove(struct zs_store *s, struct zs_store_entry *e)
{
	if (s->hand == e)
		s->hand = e->newer;
	if (s->sweep == e)
		s->sweep = e->older;
	if (e->newer)
		e->newer->older = e->older;
	else
		s->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		s->oldest = e->newer;
}

/* Takes the object out of the index, then gives its pages back. The order is [I6]. */
static void entry_remove(struct zs_store *s, struct zs_store_entry *e)
{
	struct zs_store_entry **slot = slot_of(s, e->digest);

	zs_front_drop(&s->o.front, e->digest);
	bpf_map_delete_elem(s->o.index_fd, &e->digest);
	zs_pages_give(s->pages, e->ref.page, e->pages);
	*slot = e->chain;
	list_remove(s, e);
	s->stats.objects--;
	free(e->request);
	free(e);
}

void zs_store_destroy(struct zs_store *s)
{
	if (!s)
		return;
	while (s->newest)
		entry_remove(s, s->newest);
	zs_pages_destroy(s->pages);
	free(s->table);
	free(s);
}

/* --- eviction -------------------------------------------------------------------------------- */

/* SIEVE: from the hand towards the newest, the first object without a hit since the hand last passed goes.
 * False: there is nothing to evict. */
static bool evict_one(struct zs_store *s)
{
	struct zs_store_entry *e = s->hand ? s->hand : s->oldest;

	for (uint32_t looked = 0; e && looked <= 2 * s->stats.objects; looked++) {
		struct zs_object *o = object_at(s, e->ref.page);

		uint32_t hits = __atomic_load_n(&o->hits, __ATOMIC_RELAXED);

		if (hits == e->hits)
			break;
		e->hits = hits;
		e = e->newer ? e->newer : s->oldest;
	}
	if (!e)
		return false;
	s->hand = e->newer;
	entry_remove(s, e);
	s->stats.evicted++;
	return true;
}

/* Pages for a new object: free ones, then those that wait for a grace period, then evicted ones. Some more
 * are evicted than needed, so that one grace period serves several objects. */
#define EVICT_BATCH_DIVISOR 64
static int room_make(struct zs_store *s, uint32_t count, uint32_t *first)
{
	int err = zs_pages_take(s->pages, count, first);

	while (err == -ENOSPC) {
		uint32_t spare = s->o.count / EVICT_BATCH_DIVISOR;

		if (!zs_pages_waiting(s->pages))
			while (zs_pages_waiting(s->pages) < count + spare && evict_one(s))
				;
		if (!zs_pages_waiting(s->pages))
			return -ENOSPC;
		err = zs_pages_reclaim(s->pages);
		if (!err)
			err = zs_pages_take(s->pages, count, first);
	}
	return err;
}

/* --- storing --------------------------------------------------------------------------------- */

static uint32_t round_up(uint32_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

/* Where things stand in an extent. */
struct layout {
	uint32_t data;
	uint32_t alt;
	uint32_t tags;
	uint32_t end;
	uint32_t pages;
};

/* -EFBIG: an answer or a first page would be too long, or the store is too small. */
static int layout_make(const struct zs_store *s, const struct zs_store_item *item, struct layout *l)
{
	uint64_t end;

	if (item->head_len > ZS_ANSWER_HEAD_MAX || item->alt_len > ZS_ANSWER_HEAD_MAX ||
	    item->body_len > ZS_ANSWER_MAX - item->head_len || item->etag_len > ZS_ETAG_MAX ||
	    item->tags_len > ZS_ANSWER_HEAD_MAX)
		return -EFBIG;
	l->data = round_up(ZS_OBJECT_KEY_OFF + item->key_len + item->etag_len, ZS_STEP);
	l->alt = round_up(l->data + item->head_len + item->body_len, ZS_STEP);
	l->tags = l->alt + round_up(item->alt_len, ZS_STEP);
	end = round_up(l->tags + item->tags_len, ZS_STEP);
	l->end = (uint32_t)end;
	l->pages = (uint32_t)((end + ZS_PAGE_SIZE - 1) / ZS_PAGE_SIZE);
	return l->pages > s->o.count ? -EFBIG : 0;
}

/* Copies, and clears up to where the next part begins. */
static void part_write(uint8_t *base, uint32_t from, uint32_t to, const uint8_t *data, uint32_t len)
{
	if (len)
		memcpy(base + from, data, len);
	memset(base + from + len, 0, to - from - len);
}

static void object_write(struct zs_store *s, const struct zs_store_item *item, uint32_t first,
			 const struct layout *l, uint32_t serial)
{
	struct zs_object *o = object_at(s, first);
	uint8_t *base = (uint8_t *)o;
	uint32_t etag = ZS_OBJECT_KEY_OFF + item->key_len, body = l->data + item->head_len;

	/* before any other byte: who copies what stood here sees that it has gone (snapshot.c) */
	__atomic_store_n(&o->serial, serial, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*o = (struct zs_object){
		.magic = ZS_OBJECT_MAGIC,
		.serial = serial,
		.digest = item->digest,
		.born = (uint64_t)item->born,
		.fresh_until = item->fresh_until,
		.stale_until = item->stale_until > item->fresh_until ? item->stale_until : item->fresh_until,
		.refresh_at = item->refresh_at,
		.modified = item->modified,
		.generation = ~item->generation, /* until it is published */
		.flush = item->flush,
		.bucket = item->bucket,
		.flags = item->flags,
		.key_len = item->key_len,
		.etag_len = item->etag_len,
		.data_off = l->data,
		.head_len = item->head_len,
		.body_len = item->body_len,
		.age_off = item->age_off,
		.ttl_off = item->ttl_off,
		.alt_off = l->alt,
		.alt_len = item->alt_len,
		.alt_age_off = item->alt_age_off,
		.alt_ttl_off = item->alt_ttl_off,
		.tags_off = l->tags,
		.tags_len = item->tags_len,
		.pages = l->pages,
		.status = item->status,
	};
	memcpy(base + ZS_OBJECT_KEY_OFF, item->key, item->key_len);
	part_write(base, etag, l->data, item->etag, item->etag_len);
	memcpy(base + l->data, item->head, item->head_len);
	part_write(base, body, l->alt, item->body, item->body_len);
	part_write(base, l->alt, l->tags, item->alt, item->alt_len);
	part_write(base, l->tags, l->pages * ZS_PAGE_SIZE, item->tags, item->tags_len);
}

static struct zs_store_entry *entry_new(const struct zs_store_item *item)
{
	struct zs_store_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->request = malloc(item->request_len ? item->request_len : 1);
	if (!e->request) {
		free(e);
		return NULL;
	}
	memcpy(e->request, item->request, item->request_len);
	e->request_len = item->request_len;
	e->digest = item->digest;
	e->asked = item->asked;
	e->gone_at = item->stale_until > item->fresh_until ? item->stale_until : item->fresh_until;
	e->error_until = item->error_until;
	e->surrogate = item->surrogate;
	return e;
}

/* Puts `e` in the place of what the digest names now. The index and its front name e's pages already. */
static void entry_settle(struct zs_store *s, struct zs_store_entry *e)
{
	struct zs_store_entry **slot = slot_of(s, e->digest), *old = *slot;

	if (old) {
		zs_pages_give(s->pages, old->ref.page, old->pages);
		*slot = old->chain;
		list_remove(s, old);
		free(old->request);
		free(old);
		s->stats.replaced++;
		s->stats.objects--;
	}
	slot = slot_of(s, e->digest);
	e->chain = *slot;
	*slot = e;
	list_push(s, e);
	s->stats.objects++;
	s->stats.stored++;
}

/* The same key is stored with a later birth, was fresh when the item was asked for, and was not invalidated since;
 * a purge takes it out of the index. */
static bool younger_there(const struct zs_store *s, const struct zs_store_item *item)
{
	const struct zs_object *o = zs_store_object(s, item->digest);
	struct zs_ref ref;

	return o && (int64_t)o->born > item->born && o->fresh_until > item->asked &&
	       o->generation == item->generation && o->flush == item->flush && !bpf_map_lookup_elem(s->o.index_fd, &item->digest, &ref) &&
	       ref.serial == o->serial;
}

/* Behind the index. A purge takes out of the index, then of the front: if it was between the two, nothing may stay in
 * the front that no walk over the index finds. */
static void front_name(const struct zs_store *s, const struct zs_store_entry *e)
{
	struct zs_ref ref;

	if (!s->o.front.line)
		return;
	zs_front_put(&s->o.front, e->digest, e->ref.page);
	if (bpf_map_lookup_elem(s->o.index_fd, &e->digest, &ref))
		zs_front_drop(&s->o.front, e->digest);
}

static bool wanted(const struct zs_store *s, const struct zs_store_item *item)
{
	return !s->o.still_wanted || s->o.still_wanted(s->o.user, item);
}

/* A hit asks for a refresh again, if it is time for one. */
static void ask_again(const struct zs_store *s, struct zs_store_entry *e)
{
	e->retry_at = 0;
	__atomic_store_n(&object_at(s, e->ref.page)->refresh_asked, 0, __ATOMIC_RELEASE);
}

/*
 * The object becomes valid only after the index names it and `still_wanted` was asked: whoever purges
 * announces it first and then looks at the index, so one of the two sees the other.
 */
static bool publish(struct zs_store *s, const struct zs_store_item *item, struct zs_store_entry *e)
{
	struct zs_object *o = object_at(s, e->ref.page);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!wanted(s, item))
		return false;
	__atomic_store_n(&o->generation, item->generation, __ATOMIC_RELEASE);
	return true;
}

int zs_store_put(struct zs_store *s, const struct zs_store_item *item)
{
	struct zs_store_entry *e;
	struct layout l;
	uint32_t first;
	int err = layout_make(s, item, &l);

	if (err)
		return err;
	if (younger_there(s, item))
		return -EEXIST;
	if (!wanted(s, item)) { /* what is there was not refreshed by this */
		if (*slot_of(s, item->digest))
			ask_again(s, *slot_of(s, item->digest));
		return -ECANCELED;
	}
	while (s->stats.objects >= s->o.entries && !*slot_of(s, item->digest))
		if (!evict_one(s))
			return -ENOSPC;
	e = entry_new(item);
	if (!e)
		return -ENOMEM;
	err = room_make(s, l.pages, &first);
	if (err)
		goto out;
	if (!++s->serial)
		s->serial = 1;
	e->ref = (struct zs_ref){.page = first, .serial = s->serial};
	e->pages = l.pages;
	object_write(s, item, first, &l, s->serial);
	if (bpf_map_update_elem(s->o.index_fd, &e->digest, &e->ref, BPF_ANY)) {
		err = -errno;
		zs_pages_give(s->pages, first, l.pages);
		goto out;
	}
	front_name(s, e);
	entry_settle(s, e);
	if (!publish(s, item, e)) {
		entry_remove(s, e);
		return -ECANCELED;
	}
	return 0;
out:
	free(e->request);
	free(e);
	return err;
}

/* --- looking and tidying --------------------------------------------------------------------- */

const struct zs_store_entry *zs_store_find(const struct zs_store *s, uint64_t digest)
{
	return *slot_of(s, digest);
}

const struct zs_object *zs_store_object(const struct zs_store *s, uint64_t digest)
{
	const struct zs_store_entry *e = *slot_of(s, digest);

	return e ? object_at(s, e->ref.page) : NULL;
}

bool zs_store_soften(struct zs_store *s, const struct zs_store_entry *entry, uint64_t now)
{
	struct zs_store_entry *e = *slot_of(s, entry->digest);
	struct zs_object *o = object_at(s, e->ref.page);
	uint64_t early = o->fresh_until - now;

	if (o->stale_until == o->fresh_until)
		return false;
	if (o->fresh_until > now) {
		e->gone_at = o->stale_until - early;
		e->error_until -= e->error_until > early ? early : e->error_until;
		__atomic_store_n(&o->fresh_until, now, __ATOMIC_RELEASE);
		__atomic_store_n(&o->stale_until, e->gone_at, __ATOMIC_RELEASE);
	}
	ask_again(s, e);
	return true;
}

void zs_store_retry(struct zs_store *s, uint64_t digest, uint64_t retry_at, bool failing)
{
	struct zs_store_entry *e = *slot_of(s, digest);
	struct zs_object *o;

	if (!e)
		return;
	o = object_at(s, e->ref.page);
	e->retry_at = retry_at;
	if (failing && e->error_until > e->gone_at) {
		e->gone_at = e->error_until;
		__atomic_store_n(&o->stale_until, e->error_until, __ATOMIC_RELEASE);
	}
}

void zs_store_drop(struct zs_store *s, uint64_t digest)
{
	struct zs_store_entry *e = *slot_of(s, digest);

	if (e)
		entry_remove(s, e);
}

uint32_t zs_store_filter(struct zs_store *s,
			 bool (*stays)(void *user, const struct zs_store_entry *e, const struct zs_object *o),
			 void *user)
{
	uint32_t gone = 0;

	for (struct zs_store_entry *e = s->newest, *next; e; e = next) {
		next = e->older;
		if (stays && stays(user, e, object_at(s, e->ref.page)))
			continue;
		entry_remove(s, e);
		gone++;
	}
	return gone;
}

void zs_store_sweep(struct zs_store *s, uint64_t now, uint32_t flush, const uint64_t *generations,
		    uint32_t most)
{
	struct zs_store_entry *e = s->sweep ? s->sweep : s->newest;

	while (e && most--) {
		struct zs_store_entry *next = e->older;
		struct zs_object *o = object_at(s, e->ref.page);

		if (e->retry_at && e->retry_at <= now) {
			e->retry_at = 0;
			__atomic_store_n(&o->refresh_asked, 0, __ATOMIC_RELAXED);
		}

		if (e->gone_at <= now || o->flush != flush ||
		    o->generation != (uint32_t)__atomic_load_n(&generations[o->bucket], __ATOMIC_RELAXED)) {
			entry_remove(s, e);
			s->stats.expired++;
		}
		e = next;
	}
	s->sweep = e;
}

int zs_store_reclaim(struct zs_store *s)
{
	return zs_pages_reclaim(s->pages);
}

void zs_store_stats(const struct zs_store *s, struct zs_store_stats *out)
{
	*out = s->stats;
	out->pages_used = zs_pages_used(s->pages);
}
