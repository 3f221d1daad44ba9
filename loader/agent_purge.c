// SPDX-License-Identifier: GPL-2.0-or-later
/* Announced purges against the agent's own entries. */
#include "agent_purge.h"

#include <string.h>

#include <zs/key.h>

#include "clock.h"

/* The purges of one tick, newest first. */
struct pending {
	struct zs_store *store;
	uint64_t now;
	uint64_t before; /* what was asked for until then goes: purges were forgotten that it may match */
	uint32_t count;
	struct zs_purge purge[ZS_PURGES];
};

bool zs_agent_purge_wanted(void *user, const struct zs_store_item *item)
{
	return !zs_purge_newer(user, item->asked, item->key, item->tags, item->tags_len);
}

static void pending_read(const struct zs_purge_view *v, uint64_t done, uint64_t newest, struct pending *p)
{
	p->count = 0;
	p->before = 0;
	for (uint64_t seq = newest; seq > done; seq--) {
		if (newest - seq >= ZS_PURGES || !zs_purge_read(v, seq, &p->purge[p->count])) {
			p->before = p->count ? p->purge[p->count - 1].time : p->now;
			return;
		}
		p->count++;
	}
}

/* For zs_store_filter(). A soft purge spares what has grace, unless another of the same tick is hard. */
static bool stays(void *user, const struct zs_store_entry *e, const struct zs_object *o)
{
	const uint8_t *page = (const uint8_t *)o;
	struct pending *p = user;
	bool soft = false;

	if (p->before && e->asked <= p->before)
		return false;
	for (uint32_t i = 0; i < p->count && e->asked <= p->purge[i].time; i++) {
		if (!zs_purge_matches(&p->purge[i], (const struct zs_key *)(page + ZS_OBJECT_KEY_OFF),
				      page + o->tags_off, o->tags_len))
			continue;
		if (!p->purge[i].soft)
			return false;
		soft = true;
	}
	return !soft || zs_store_soften(p->store, e, p->now);
}

void zs_agent_purge_tick(const struct zs_purge_view *v, struct zs_store *store)
{
	static struct pending p;
	uint64_t newest = __atomic_load_n(&v->ctl->purge_seq, __ATOMIC_SEQ_CST);
	uint64_t done = __atomic_load_n(&v->ctl->purge_done, __ATOMIC_RELAXED);

	if (newest == done)
		return;
	p.store = store;
	p.now = zs_boot_ns();
	pending_read(v, done < newest ? done : 0, newest, &p);
	zs_store_filter(store, stays, &p);
	__atomic_store_n(&v->ctl->purge_done, newest, __ATOMIC_SEQ_CST);
}
