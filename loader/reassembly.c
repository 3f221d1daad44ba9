// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TCP payload in order. A bit per byte says what has come, so that the work is linear in the bytes
 * received however a peer cuts and shuffles them.
 */
#include "reassembly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BITS	   64u
#define FIRST_ROOM 4096u

int zs_reassembly_init(struct zs_reassembly *r, uint32_t base, size_t cap)
{
	if (cap > ZS_REASSEMBLY_CAP_MAX)
		return -EINVAL;
	*r = (struct zs_reassembly){.base = base, .cap = cap};
	return 0;
}

void zs_reassembly_free(struct zs_reassembly *r)
{
	free(r->data);
	free(r->seen);
	*r = (struct zs_reassembly){.dead = true};
}

static int die(struct zs_reassembly *r, int err)
{
	zs_reassembly_free(r);
	return err;
}

static int grow(struct zs_reassembly *r, size_t need)
{
	size_t most = (r->cap + BITS - 1) / BITS * BITS;
	size_t room = r->room ? r->room : FIRST_ROOM;
	uint64_t *seen;
	uint8_t *data;

	if (need <= r->room)
		return 0;
	while (room < need)
		room *= 2;
	if (room > most)
		room = most;
	data = realloc(r->data, room);
	if (!data)
		return -ENOMEM;
	r->data = data;
	seen = realloc(r->seen, room / 8);
	if (!seen)
		return -ENOMEM;
	memset(seen + r->room / BITS, 0, (room - r->room) / 8);
	r->seen = seen;
	r->room = room;
	return 0;
}

/* The bits of `word` that stand for [from, to), a range that has some there. */
static uint64_t mask(size_t word, size_t from, size_t to)
{
	size_t first = word * BITS;
	uint64_t bits = ~0ull;

	if (from > first)
		bits &= ~0ull << (from - first);
	if (to < first + BITS)
		bits &= ~0ull >> (first + BITS - to);
	return bits;
}

/* Marks [from, to); false, with some of it marked, if any of it was. */
static bool mark(struct zs_reassembly *r, size_t from, size_t to)
{
	for (size_t word = from / BITS; word <= (to - 1) / BITS; word++) {
		uint64_t bits = mask(word, from, to);

		if (r->seen[word] & bits)
			return false;
		r->seen[word] |= bits;
	}
	return true;
}

static void advance(struct zs_reassembly *r)
{
	while (r->prefix < r->room) {
		uint64_t missing = ~r->seen[r->prefix / BITS] >> (r->prefix % BITS);

		if (missing) {
			r->prefix += (size_t)__builtin_ctzll(missing);
			break;
		}
		r->prefix += BITS - r->prefix % BITS;
	}
}

int zs_reassembly_add(struct zs_reassembly *r, uint32_t seq, const void *data, size_t len)
{
	size_t off =
		(uint32_t)(seq - r->base); /* a byte before base comes out far beyond any cap */
	int err;

	if (r->dead)
		return -EBADMSG;
	if (!len)
		return 0;
	if (off >= r->cap || len > r->cap - off)
		return die(r, -EBADMSG);
	err = grow(r, off + len);
	if (err)
		return die(r, err);
	if (!mark(r, off, off + len))
		return die(r, -EBADMSG);
	memcpy(r->data + off, data, len);
	advance(r);
	return 0;
}

size_t zs_reassembly_prefix(const struct zs_reassembly *r, const uint8_t **data)
{
	*data = r->prefix ? r->data : NULL;
	return r->prefix;
}
