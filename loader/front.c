// SPDX-License-Identifier: GPL-2.0-or-later
/* The front of the index: single words, so that a reader never sees half of one. */
#include "front.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include <zs/front.h>

uint32_t zs_front_lines(uint32_t entries)
{
	uint32_t lines = 1;

	while ((uint64_t)lines * ZS_FRONT_WAYS / 2 < entries)
		lines *= 2;
	return lines;
}

int zs_front_open(const struct zs_maps *maps, struct zs_front *out)
{
	uint32_t lines = zs_map_entries(maps->fd[ZS_MAP_front]);
	struct zs_front_line *line;

	if (!lines)
		return -errno;
	line = zs_map_view(maps->fd[ZS_MAP_front], (size_t)lines * sizeof(*line));
	if (!line)
		return -errno;
	*out = (struct zs_front){.line = line, .mask = lines - 1};
	return 0;
}

void zs_front_close(struct zs_front *front)
{
	if (front->line)
		munmap(front->line, ((size_t)front->mask + 1) * sizeof(*front->line));
	front->line = NULL;
}

static __u64 *words_of(const struct zs_front *front, uint64_t digest)
{
	return front->line[(uint32_t)digest & front->mask].word;
}

void zs_front_put(const struct zs_front *front, uint64_t digest, uint32_t page)
{
	uint32_t way = (uint32_t)(digest >> 32) % ZS_FRONT_WAYS; /* of a full line: whichever */
	bool empty = false;
	__u64 *word;

	if (!front->line)
		return;
	word = words_of(front, digest);
	for (uint32_t i = 0; i < ZS_FRONT_WAYS; i++) {
		uint64_t there = __atomic_load_n(&word[i], __ATOMIC_RELAXED);

		if (zs_front_matches(there, digest)) {
			way = i;
			break;
		}
		if (!there && !empty) {
			way = i;
			empty = true;
		}
	}
	__atomic_store_n(&word[way], zs_front_word(digest, page), __ATOMIC_SEQ_CST);
}

void zs_front_drop(const struct zs_front *front, uint64_t digest)
{
	__u64 *word;

	if (!front->line)
		return;
	word = words_of(front, digest);
	for (uint32_t i = 0; i < ZS_FRONT_WAYS; i++) {
		__u64 there = __atomic_load_n(&word[i], __ATOMIC_SEQ_CST);

		/* the agent may put another one here meanwhile, of the same digest, too */
		while (zs_front_matches(there, digest) &&
		       !__atomic_compare_exchange_n(&word[i], &there, 0, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST))
			;
	}
}

void zs_front_clear(const struct zs_front *front)
{
	if (!front->line)
		return;
	for (uint64_t at = 0; at <= front->mask; at++)
		for (uint32_t i = 0; i < ZS_FRONT_WAYS; i++)
			__atomic_store_n(&front->line[at].word[i], 0, __ATOMIC_SEQ_CST);
}
