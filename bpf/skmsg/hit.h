/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the log says of a hit, while somebody reads it. The answer is certain by then, and stands at the beginning
 * of the message; the request is still whole in the work space. What goes wrong here costs a line of the log.
 */
#ifndef ZS_SKMSG_HIT_H
#define ZS_SKMSG_HIT_H

#include <bpf/bpf_endian.h>
#include "recognise.h"

#define NS_PER_S 1000000000ull

static __always_inline struct zs_page *page_get(__u32 index)
{
	return bpf_map_lookup_elem(&zs_pages, &index);
}

/* Whole seconds, rounded down: -1 from the moment on at which it is stale. */
static __always_inline __s64 ttl_seconds(const struct zs_object *o, __u64 now)
{
	if (now < o->fresh_until)
		return (o->fresh_until - now) / NS_PER_S;
	return -1 - (__s64)((now - o->fresh_until) / NS_PER_S);
}

/* Both ends of the socket. A word at a time by way of a register: the compiler must not join loads from the context
 * through a computed address. */
static __always_inline void hit_peers(struct zs_event_hit *hit, struct sk_msg_md *msg)
{
	__u32 *local = (__u32 *)hit->local, *remote = (__u32 *)hit->remote, word;

	if (msg->family == 2 /* AF_INET */) {
		local[0] = local[1] = remote[0] = remote[1] = 0;
		local[2] = remote[2] = bpf_htonl(0xffff);
		word = msg->local_ip4;
		zs_pin(word);
		local[3] = word;
		word = msg->remote_ip4;
		zs_pin(word);
		remote[3] = word;
	} else {
		local[0] = msg->local_ip6[0];
		local[1] = msg->local_ip6[1];
		local[2] = msg->local_ip6[2];
		local[3] = msg->local_ip6[3];
		remote[0] = msg->remote_ip6[0];
		remote[1] = msg->remote_ip6[1];
		remote[2] = msg->remote_ip6[2];
		remote[3] = msg->remote_ip6[3];
	}
	hit->local_port = (__u16)msg->local_port;
	hit->remote_port = (__u16)bpf_ntohl(msg->remote_port); /* network order, in the word's high half */
}

/* The request's head, of which the work space has the whole. */
ZS_SHARED int zs_hit_request(__u32 id)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return 0;
	for (__u32 off = 0; off < ZS_HEAD_MAX; off += ZS_STEP) {
		if (off >= w->request.head_len)
			break;
		words8_copy(&w->hit.bytes[off], &w->request.head[off]);
	}
	return 0;
}

/* The beginning of the answer, from the message to `at` of the event's bytes. Returns how many bytes there are. */
ZS_SHARED int zs_hit_answer(struct sk_msg_md *msg, __u32 id, __u32 at)
{
	void *data = msg->data, *end = msg->data_end;
	struct zs_work *w = work_get(id);
	__u64 to = at;
	__u32 off = 0;

	zs_pin(to);
	if (!w || to > ZS_HEAD_MAX)
		return 0;
	for (__u32 i = 0; i < ZS_HIT_HEAD_MAX / ZS_STEP; i++, off += ZS_STEP) {
		if (data + off + ZS_STEP > end)
			break;
		words8_copy(&w->hit.bytes[to + off], data + off);
	}
	return off;
}

static __always_inline void hit_fill(struct zs_event_hit *hit, const struct zs_work *w, const struct zs_object *o,
				     int validated)
{
	hit->time = w->event.ev.time;
	hit->age = (hit->time - o->born) / NS_PER_S;
	hit->ttl = ttl_seconds(o, hit->time);
	hit->origin = w->event.key.origin;
	hit->body_len = validated || (w->request.flags & ZS_REQ_HEAD) ? 0 : o->body_len;
	hit->status = validated ? 304 : (__u16)o->status;
	hit->flags = validated ? ZS_HIT_NOT_MODIFIED : 0;
	if (hit->time >= o->fresh_until)
		hit->flags |= ZS_HIT_STALE;
	hit->request_len = (__u16)w->request.head_len;
	hit->head_len = (__u16)(validated ? o->alt_len : o->head_len);
}

/* No wake-up per event: the reader looks by itself now and then, and is woken when much waits for it. */
static __always_inline __u64 hit_wake(__u64 len)
{
	__u64 waits = bpf_ringbuf_query(&zs_hits, BPF_RB_AVAIL_DATA);

	return waits < ZS_HITS_WAKE && waits + len >= ZS_HITS_WAKE ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* One event, unless the reader has stopped to renew zs_ctl.logging. */
ZS_SHARED int zs_hit_log(struct sk_msg_md *msg, __u32 id, __u32 lane, int validated)
{
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	struct zs_object *o;
	__u32 at, len;
	__u64 size;

	if (!w || !ctl || w->event.ev.time >= ctl->logging)
		return 0;
	o = (struct zs_object *)page_get(w->first_page);
	if (!o)
		return 0;
	hit_fill(&w->hit, w, o, validated);
	hit_peers(&w->hit, msg);
	w->hit.lane = (__u16)lane;
	zs_hit_request(id);
	at = ((__u32)w->hit.request_len + ZS_STEP - 1) & ~(ZS_STEP - 1);
	len = zs_hit_answer(msg, id, at);
	if (len > w->hit.head_len)
		len = w->hit.head_len;
	w->hit.answer_len = (__u16)len;
	w->hit.done = bpf_ktime_get_boot_ns();
	size = __builtin_offsetof(struct zs_event_hit, bytes) + (__u64)at + len;
	zs_pin(size);
	if (size > sizeof(w->hit))
		return 0;
	if (fails(ZS_FAIL_HIT) || bpf_ringbuf_output(&zs_hits, &w->hit, size, hit_wake(size)))
		zs_count(ZS_COUNT_log_lost);
	else
		zs_count(ZS_COUNT_logged);
	return 0;
}

#endif
