/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the store from outside of the agent: whatever the kernel would find, `list` and `purge` find. */
#ifndef ZS_SNAPSHOT_H
#define ZS_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>
#include <zs/key.h>

#include "pin.h"

/* One object as the kernel would see it; the pointers are into a copy that lives for the call. */
struct zs_seen_object {
	const struct zs_object *object;
	const struct zs_key *key;
	const uint8_t *tags; /* each with a zero behind it */
	uint32_t tags_len;
	const uint8_t *etag; /* object->etag_len bytes */
	bool valid; /* not invalidated; freshness is the caller's comparison */
};

/* Calls `each` for every object that the index names, which may delete it there; stops when it returns non-zero,
 * and returns that. Whatever is named from the beginning to the end is seen. -errno: the maps cannot be read. */
int zs_snapshot(const struct zs_maps *maps, int (*each)(void *user, const struct zs_seen_object *seen),
		void *user);

/* "https://host/target" of a key, terminated; X-Forwarded-Host and -Proto count if they are there. */
void zs_key_url(const struct zs_key *key, char *out, size_t size);

/* The text of a key's part; not terminated. */
const char *zs_key_text_of(const struct zs_key *key, enum zs_key_part part, uint32_t *len);

#endif
