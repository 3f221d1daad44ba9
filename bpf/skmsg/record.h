/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a request that passes: whether its response is recorded, and what it means for stored
 * ones. Judgement stays in user space; here is only what bounds the work.
 */
#ifndef ZS_SKMSG_RECORD_H
#define ZS_SKMSG_RECORD_H

#include "keying.h"

/* Keys found uncacheable lately are not recorded, and emit nothing. */
static __always_inline int held_off(__u64 digest, __u64 now)
{
	struct zs_holdoff *h = bpf_map_lookup_elem(&zs_holdoff, &digest);

	return h && now < h->until;
}

/* Whether the digest missed before; remembers it. One slot, so that a scan costs one store each. */
static __always_inline int seen_before(__u64 digest)
{
	__u32 slot = (__u32)digest & (ZS_SEEN - 1), mark = (__u32)(digest >> 32) | 1;
	__u32 *seen = bpf_map_lookup_elem(&zs_seen, &slot);

	if (!seen)
		return 0;
	if (*seen == mark)
		return 1;
	*seen = mark;
	return 0;
}

/* The recording budget: tokens that the agent refills. Below half, only keys seen before. A race between
 * two CPUs may overdraw by one, which the agent's refill makes up for. */
static __always_inline int budget_take(struct zs_ctl *ctl, __u64 digest)
{
	int seen = seen_before(digest);

	if (ctl->tokens < ctl->tokens_half && !seen)
		return 0;
	__sync_fetch_and_add(&ctl->tokens, -1);
	return 1;
}

static __always_inline void head_to_event(struct zs_work *w)
{
	for (__u32 off = 0; off < ZS_HEAD_MAX; off += 64) {
		if (off >= w->request.head_len)
			break;
		words8_copy(&w->event.head[off], &w->request.head[off]);
	}
}

/* Announces the recording to the agent. `generation` and `flush` are read before the request leaves, so
 * that whatever is invalidated from now on invalidates this response too. */
ZS_SHARED int zs_record_announce(__u32 id, __u64 cookie, __u64 record, __u32 kind)
{
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	__u32 bucket, len;
	__u64 *generation;

	if (!w || !ctl || fails(ZS_FAIL_ANNOUNCE))
		return -1;
	bucket = w->bucket;
	generation = bpf_map_lookup_elem(&zs_gens, &bucket);
	len = w->request.head_len;
	if (!generation || len < 1 || len > ZS_HEAD_MAX)
		return -1;
	head_to_event(w);
	w->event.ev.kind = kind;
	w->event.ev.len = __builtin_offsetof(struct zs_event_request, head) + len;
	w->event.ev.cookie = cookie;
	w->event.ev.record = record;
	w->event.digest = w->digest;
	w->event.bucket = bucket;
	w->event.generation = (__u32)*generation;
	w->event.flush = ctl->flush;
	w->event.key_len = w->key_len;
	w->event.head_len = len;
	w->event.zero = 0;
	return bpf_ringbuf_output(&zs_events, &w->event,
				  __builtin_offsetof(struct zs_event_request, head) + len,
				  ctl->awake ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
}

/* Of the request in the work space, which begins that turn of that socket: the recording's id; 0: there is none. */
static __always_inline __u64 record_begin(__u32 id, __u64 cookie, __u32 turn, enum zs_event_kind kind)
{
	__u64 record = cookie << 20 | (turn & 0xfffff);

	if (!zs_record_announce(id, cookie, record, kind))
		return record;
	zs_count(ZS_COUNT_events_lost);
	return 0;
}

/* After a miss: the id of the recording, 0: the response is not recorded. */
static __always_inline __u64 record_consider(struct zs_work *w, __u32 id, struct zs_ctl *ctl, __u64 cookie, __u32 turn)
{
	__u64 record;

	if (w->request.flags & ZS_REQ_HEAD)
		return 0;
	if (w->request.flags & ZS_REQ_NOFILL) {
		zs_count(ZS_COUNT_unfit);
		return 0;
	}
	if (ctl->tokens <= 0) { /* before any map is touched: this is the way of most that cannot be cached */
		zs_count(ZS_COUNT_over_budget);
		return 0;
	}
	if (held_off(w->digest, w->event.ev.time)) {
		zs_count(ZS_COUNT_held_off);
		return 0;
	}
	if (!budget_take(ctl, w->digest)) {
		zs_count(ZS_COUNT_over_budget);
		return 0;
	}
	record = record_begin(id, cookie, turn, ZS_EVENT_REQUEST);
	if (record)
		zs_count(ZS_COUNT_recorded);
	return record;
}

/* Marks the turn of an unsafe request: its successful response will invalidate the target's bucket. */
static __always_inline void unsafe_mark(struct zs_work *w, __u32 id, struct zs_conn *c)
{
	if (!zs_has(&w->request, ZS_SLOT_HOST) || head_key(w, id, c->origin))
		return;
	zs_count(ZS_COUNT_unsafe);
	c->unsafe = 1 + (w->bucket & (ZS_GENERATIONS - 1));
}

/* RFC 9111 4.4: the targets that Location and Content-Location of its successful response name are void, too.
 * That is for the agent to find out, a moment later, and within the recording budget. */
static __always_inline __u64 unsafe_record(struct zs_work *w, __u32 id, struct zs_ctl *ctl, __u64 cookie, __u32 turn)
{
	if (!w->request.head_len || ctl->tokens <= 0 || ctl->paused)
		return 0;
	__sync_fetch_and_add(&ctl->tokens, -1);
	w->event.ev.time = bpf_ktime_get_boot_ns();
	return record_begin(id, cookie, turn, ZS_EVENT_UNSAFE);
}

#endif
