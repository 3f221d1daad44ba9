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

/* A copy of the object's first page, checked: the agent may replace it meanwhile. */
static bool object_copy(const struct views *v, uint64_t digest, uint8_t page[ZS_PAGE_SIZE])
{
	const struct zs_object *o = (const struct zs_object *)page;
	struct zs_ref ref;

	if (bpf_map_lookup_elem(v->maps->fd[ZS_MAP_index], &digest, &ref) || ref.page >= v->count)
		return false;
	memcpy(page, v->pages + (size_t)ref.page * ZS_PAGE_SIZE, ZS_PAGE_SIZE);
	return o->magic == ZS_OBJECT_MAGIC && o->serial == ref.serial && o->digest == digest &&
	       o->key_len >= ZS_KEY_HEAD && o->key_len <= sizeof(struct zs_key) && o->bucket < ZS_GENERATIONS &&
	       zs_key_len((const struct zs_key *)(page + ZS_OBJECT_KEY_OFF)) == o->key_len;
}

int zs_snapshot(const struct zs_maps *maps, int (*each)(void *user, const struct zs_seen_object *seen),
		void *user)
{
	static uint8_t page[ZS_PAGE_SIZE] __attribute__((aligned(8)));
	uint64_t digest, next;
	struct views v;
	void *from = NULL;
	int err = views_open(&v, maps);

	while (!err && !bpf_map_get_next_key(maps->fd[ZS_MAP_index], from, &next)) {
		struct zs_seen_object seen = {.object = (const struct zs_object *)page,
					      .key = (const struct zs_key *)(page + ZS_OBJECT_KEY_OFF)};

		digest = next;
		from = &digest;
		if (!object_copy(&v, digest, page))
			continue;
		seen.valid = seen.object->flush == v.ctl->flush &&
			     seen.object->generation == (uint32_t)v.generations[seen.object->bucket];
		err = each(user, &seen);
	}
	views_close(&v);
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
