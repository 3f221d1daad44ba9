/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The front of the index: most of its entries once more, eight to a cache line, so that a look-up
 * in a large set touches one line. The index has every entry; what is not in the front is found
 * there. Whoever takes an entry out of the index drops it here first.
 */
#ifndef ZS_FRONT_H
#define ZS_FRONT_H

#include <stdint.h>
#include <zs/abi.h>

#include "pin.h"

struct zs_front {
	struct zs_front_line *line; /* mmap-ed; null: there is none, and nothing is done */
	uint32_t mask;		    /* lines - 1 */
};

/* How many lines for a store of so many entries: a power of two, half full at most. */
uint32_t zs_front_lines(uint32_t entries);

/* -errno. */
int zs_front_open(const struct zs_maps *maps, struct zs_front *out);
void zs_front_close(struct zs_front *front);

/* Names the page for the digest, instead of what was named for it or, in a full line, for another
 * one. Only the agent does; the index names the page already. */
void zs_front_put(const struct zs_front *front, uint64_t digest, uint32_t page);

/* No page is named for the digest any more. Any process may, at any time. */
void zs_front_drop(const struct zs_front *front, uint64_t digest);

/* Drops everything. */
void zs_front_clear(const struct zs_front *front);

#endif
