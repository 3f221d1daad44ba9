/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: objects in shared pages, named by the kernel's index. One writer, the agent. Bounded in bytes
 * (pages) and in entries; evicts by SIEVE (Zhang et al., NSDI 2024): one visited bit, set by the kernel on
 * a hit, and one hand.
 */
#ifndef ZS_STORE_H
#define ZS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zs/abi.h>

#include "front.h"
#include "pages.h"

struct zs_store;
struct zs_store_item;

struct zs_store_options {
	int index_fd;      /* borrowed */
	struct zs_front front; /* borrowed; may be none */
	uint8_t *pages;    /* the mmap-ed array; borrowed */
	uint32_t count;    /* of pages */
	uint32_t entries;  /* at most */
	zs_grace_fn *grace;
	/* Whether it was not purged meanwhile: asked before anything is changed, and again when the index names the
	 * object and before it is valid. Null: always wanted. */
	bool (*still_wanted)(void *user, const struct zs_store_item *item);
	void *user;
};

/* One object to be. All pointers are borrowed for the call. */
struct zs_store_item {
	uint64_t digest;
	const struct zs_key *key;
	uint32_t key_len;
	const uint8_t *head; /* rendered by policy.h */
	uint32_t head_len;
	uint32_t age_off;
	uint32_t ttl_off;
	const uint8_t *body;
	uint32_t body_len;
	const uint8_t *alt; /* head of a 304, slots as in head; may be null */
	uint32_t alt_len;
	uint32_t alt_age_off;
	uint32_t alt_ttl_off;
	const uint8_t *etag; /* opaque-tag; may be null */
	uint32_t etag_len;
	const uint8_t *tags; /* each with a zero behind it; may be null */
	uint32_t tags_len;
	uint32_t status;
	uint32_t flags;       /* ZS_OBJECT_* */
	uint64_t modified;    /* as zs_imf_date() has it; 0: none */
	int64_t born;         /* boot-time ns */
	uint64_t asked;       /* boot-time ns at which the request left */
	uint64_t fresh_until; /* boot-time ns */
	uint64_t stale_until; /* boot-time ns; not before fresh_until */
	uint64_t error_until; /* boot-time ns: how far stale_until may be moved while the origin fails */
	bool surrogate;       /* it came with a Surrogate-Control, which its head lacks */
	uint64_t refresh_at;  /* boot-time ns, ~0: never */
	uint32_t generation;
	uint32_t flush;
	uint32_t bucket;
	const uint8_t *request; /* head of the request, for a refresh; copied */
	uint32_t request_len;
};

/* What the agent keeps of an object; valid until the next call that changes the store. */
struct zs_store_entry {
	uint64_t digest;
	struct zs_ref ref;
	uint64_t asked;   /* boot-time ns at which its request left */
	uint64_t gone_at; /* boot-time ns at which the sweep takes it */
	uint64_t error_until; /* as in the item */
	uint64_t retry_at; /* boot-time ns at which a hit may ask for a refresh again; 0: as it is */
	bool surrogate;
	uint32_t hits;    /* of the object when the hand last passed */
	uint32_t pages;
	uint32_t request_len;
	uint8_t *request;
	struct zs_store_entry *chain;      /* private */
	struct zs_store_entry *newer, *older; /* private */
};

struct zs_store_stats {
	uint32_t objects;
	uint32_t pages_used;
	uint32_t pages_total;
	uint64_t stored;
	uint64_t replaced;
	uint64_t evicted;
	uint64_t expired;
};

/* -ENOMEM. The index and its front must be empty. */
int zs_store_create(const struct zs_store_options *options, struct zs_store **out);

/* Removes every object from the index, then frees. Null is fine. */
void zs_store_destroy(struct zs_store *store);

/*
 * Stores the object under its digest; one that is there is replaced, unless it is found, valid and younger
 * and was fresh when the item was asked for (-EEXIST): a slow fetch must not undo a later one. Evicts what must
 * go. -EFBIG: larger than the store or ZS_ANSWER_MAX; -ENOSPC: no room although evicted; -ENOMEM; errors of the
 * map update. After a failure the old object is as it was, or evicted. -ECANCELED: it was purged while it was on
 * its way; the old object's next hit may ask for a refresh again.
 */
int zs_store_put(struct zs_store *store, const struct zs_store_item *item);

/* A refresh failed, or could not begin: the next hit behind `retry_at` (boot-time ns) asks again. With `failing`
 * the object may be served for as long as stale-if-error allows. Not there: does nothing. */
void zs_store_retry(struct zs_store *store, uint64_t digest, uint64_t retry_at, bool failing);

/* Takes the object out. Not there: does nothing. */
void zs_store_drop(struct zs_store *store, uint64_t digest);

/* Takes out every object for which `stays` (null: for all) says no. Returns how many. */
uint32_t zs_store_filter(struct zs_store *store,
			 bool (*stays)(void *user, const struct zs_store_entry *e, const struct zs_object *o),
			 void *user);

/* Null: not there. */
const struct zs_store_entry *zs_store_find(const struct zs_store *store, uint64_t digest);

/* The object's page, or null if it is not there (any more). */
const struct zs_object *zs_store_object(const struct zs_store *store, uint64_t digest);

/* Stale from `now` (boot-time ns) on, and served for as long behind it as it would have been; what is stale
 * already stays as it is. Its next hit asks for a refresh. False: it has no grace, and is untouched. */
bool zs_store_soften(struct zs_store *store, const struct zs_store_entry *entry, uint64_t now);

/* Removes what is not to be served from `now` (boot-time ns) on, not even stale, or is void; lets hits ask
 * again where it is time: `flush` and the generations are the current
 * ones. Looks at `most` objects per call and goes on there next time. */
void zs_store_sweep(struct zs_store *store, uint64_t now, uint32_t flush, const uint64_t *generations,
		    uint32_t most);

/* Frees what waits for a grace period. To be called now and then. */
int zs_store_reclaim(struct zs_store *store);

void zs_store_stats(const struct zs_store *store, struct zs_store_stats *out);

#endif
