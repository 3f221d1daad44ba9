/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answered lane, dialer side: a request whose response is stored and fresh is turned into that
 * response, and the message goes to the sender's own receive queue.
 *
 * [I3] Everything that can fail comes before the redirect, and is undone by one pop of what was pushed;
 *      the request is intact until then. Behind the redirect stands only what may fail without harm (the log),
 *      and a pop that ends at the message's end, which needs no memory (v6.18 net/core/filter.c, bpf_msg_pop_data).
 * [I4] Every pushed byte is written: windows are multiples of ZS_STEP, and the tail is popped. Pushed
 *      pages are not zeroed by the kernel.
 * [I5] The whole key is compared: usable.h.
 * [I6] Pages are reused only after a grace period that began after the index and its front stopped naming them; the
 *      program runs inside one read-side section from look-up to the last copy.
 */
#ifndef ZS_SKMSG_ANSWER_H
#define ZS_SKMSG_ANSWER_H

#include <zs/front.h>
#include <zs/usable.h>
#include "hit.h"

#define SECONDS_MAX 99999999ull /* what eight digits hold; longer lifetimes are stored capped */

/* Reads what most answers need of an extent's first lines. The loads wait for nothing and are waited for by nothing,
 * so memory delivers the lines side by side; left to the comparisons and the copy they come one by one. */
#define LINES_AHEAD 10
static __always_inline void lines_fetch(const struct zs_page *page)
{
	for (int i = 0; i < LINES_AHEAD; i++)
		(void)*(const volatile __u64 *)&page->byte[i * 64];
}

/* Whether this page, named with this serial (0: without one), begins an object of the key in the work space. */
ZS_SHARED int zs_page_matches(__u32 id, __u32 index, __u32 serial)
{
	struct zs_work *w = work_get(id);
	struct zs_page *page = page_get(index);

	if (!w || !page)
		return 0;
	lines_fetch(page);
	if (!zs_object_matches(page->byte, serial, w->digest, &w->event.key, w->key_len, w->request.flags))
		return 0;
	w->first_page = index;
	return 1;
}

/* The word of the front for this digest; 0: none. It may be of another digest. */
static __always_inline __u64 front_look(const struct zs_ctl *ctl, __u64 digest)
{
	__u32 at = (__u32)digest & ctl->front_mask;
	struct zs_front_line *line = bpf_map_lookup_elem(&zs_front, &at);

	if (!line)
		return 0;
	for (__u32 i = 0; i < ZS_FRONT_WAYS; i++) {
		__u64 word = *(volatile __u64 *)&line->word[i];

		if (zs_front_matches(word, digest))
			return word;
	}
	return 0;
}

/* 1: the work space has the first page of an object of its key. */
static __always_inline int object_find(struct zs_work *w, __u32 id, const struct zs_ctl *ctl)
{
	__u64 word = front_look(ctl, w->digest);
	struct zs_ref *found, ref;

	if (word && zs_page_matches(id, zs_front_page(word), 0))
		return 1;
	found = bpf_map_lookup_elem(&zs_index, &w->digest);
	if (!found)
		return 0;
	*(zs_u64_unaligned *)&ref = *(volatile zs_u64_unaligned *)found;
	return zs_page_matches(id, ref.page, ref.serial);
}

/* Whether the object that the index names for this digest may answer the request in the work space (enum
 * zs_usable). Its first page is noted there. */
ZS_SHARED int zs_lookup(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	struct zs_object *o;
	__u32 bucket;
	__u64 *generation;

	if (!w || !ctl || !object_find(w, id, ctl))
		return ZS_USABLE_NONE;
	o = (struct zs_object *)page_get(w->first_page);
	if (!o)
		return ZS_USABLE_NONE;
	bucket = o->bucket & (ZS_GENERATIONS - 1);
	generation = bpf_map_lookup_elem(&zs_gens, &bucket);
	if (!generation)
		return ZS_USABLE_NONE;
	return zs_object_usable(o, (__u32)*generation, ctl->flush, ctl->heartbeat, w->event.ev.time);
}

/* zs_not_modified() for the object in the work space's first page. */
ZS_SHARED int zs_validate(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);
	struct zs_page *page;
	struct zs_object *o;
	__u64 etag;

	if (!w || !t)
		return -1;
	page = page_get(w->first_page);
	if (!page)
		return -1;
	o = (struct zs_object *)page;
	if (o->status != 200) /* RFC 9110 13.2.1 */
		return 0;
	etag = ZS_OBJECT_KEY_OFF + (__u64)o->key_len;
	zs_pin(etag);
	if (etag > ZS_PAGE_SIZE - 2 * ZS_ETAG_MAX)
		return -1;
	return zs_not_modified(&w->request, t, page->byte + etag, o->etag_len, o->modified);
}

/*
 * Writes `len` bytes (a multiple of ZS_STEP, at most ZS_WINDOW) of the extent, from offset `from` on, to
 * the beginning of the message. Returns the number of bytes written.
 */
ZS_SHARED int zs_window_fill(struct sk_msg_md *msg, __u32 first, __u32 from, __u32 len)
{
	void *data = msg->data, *end = msg->data_end;
	__u32 done = 0;

	for (__u32 i = 0; i < ZS_WINDOW / ZS_STEP; i++) {
		__u32 at = from + i * ZS_STEP;
		struct zs_page *page;

		if (done >= len || data + done + ZS_STEP > end)
			break;
		page = page_get(first + at / ZS_PAGE_SIZE);
		if (!page)
			break;
		words8_copy(data + done, &page->byte[at & (ZS_PAGE_SIZE - ZS_STEP)]);
		done += ZS_STEP;
	}
	return done;
}

/* Decimal, left-aligned, blanks behind: eight bytes in memory order (little endian). */
static __always_inline __u64 decimal8(__u64 value)
{
	__u64 text = 0x2020202020202020ull;

	if (value > SECONDS_MAX)
		value = SECONDS_MAX;
	for (int i = 0; i < 8; i++) {
		text = text << 8 | ('0' + value % 10);
		value /= 10;
		if (!value)
			break;
	}
	return text;
}

/* Writes a number into a slot of the head, which stands in the message's first window. */
ZS_SHARED int zs_slot_write(struct sk_msg_md *msg, __u32 off, __s64 value)
{
	void *data = msg->data, *end = msg->data_end;
	__u64 text = decimal8(value < 0 ? -value : value);

	off &= ZS_ANSWER_HEAD_MAX - 1;
	if (data + off + ZS_SLOT_DIGITS > end)
		return -1;
	*(__u8 *)(data + off + 8) = value < 0 ? text >> 56 : ' ';
	*(__u8 *)(data + off + 9) = ' ';
	*(zs_u64_unaligned *)(data + off) = value < 0 ? text << 8 | '-' : text;
	return 0;
}

/* Bytes of window n of an answer of `total` bytes (a multiple of ZS_STEP). */
static __always_inline __u32 window_len(__u32 total, __u32 n)
{
	__u32 begin = n * ZS_WINDOW;

	if (total <= begin)
		return 0;
	return total - begin > ZS_WINDOW ? ZS_WINDOW : total - begin;
}

/*
 * Writes the whole answer into the element that was pushed for it, window by window, because a packet
 * pointer reaches 64 KiB at most. Pulling a range that lies in one element moves nothing. The first window
 * comes last, and stays in view for the slots. 0: every byte is written.
 */
static __always_inline int windows_fill(struct sk_msg_md *msg, __u32 first, __u32 from, __u32 total)
{
	for (int n = ZS_WINDOWS_MAX - 1; n >= 0; n--) {
		__u32 len = window_len(total, n), at = n * ZS_WINDOW;

		if (!len)
			continue;
		if (fails(ZS_FAIL_PULL + n) || (total > ZS_WINDOW && bpf_msg_pull_data(msg, at, at + len, 0)))
			return -1;
		if (zs_window_fill(msg, first, from + at, len) != (int)len || fails(ZS_FAIL_FILL + n))
			return -1;
	}
	return 0;
}

/* The refresh event; once per object, but for events that are lost. */
static __always_inline void refresh_ask(__u32 page, __u64 now, struct zs_object *o, const struct zs_ctl *ctl)
{
	struct zs_event_refresh *ev;

	o->refresh_asked = 1;
	ev = fails(ZS_FAIL_REFRESH) ? NULL : bpf_ringbuf_reserve(&zs_events, sizeof(*ev), 0);
	if (!ev) {
		o->refresh_asked = 0;
		zs_count(ZS_COUNT_events_lost);
		return;
	}
	ev->ev.kind = ZS_EVENT_REFRESH;
	ev->ev.len = sizeof(*ev);
	ev->ev.cookie = 0;
	ev->ev.record = 0;
	ev->ev.time = now;
	ev->digest = o->digest;
	ev->ref.page = page;
	ev->ref.serial = o->serial;
	bpf_ringbuf_submit(ev, ctl->awake ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
	zs_count(ZS_COUNT_refresh_asked);
}

/* What of an object answers a request. */
struct choice {
	__u32 from; /* offset in the extent */
	__u32 len;
	__u32 age_off;
	__u32 ttl_off;
};

static __always_inline void choose(struct choice *c, const struct zs_object *o, __u32 flags, int validated)
{
	if (validated) {
		c->from = o->alt_off;
		c->len = o->alt_len;
		c->age_off = o->alt_age_off;
		c->ttl_off = o->alt_ttl_off;
		return;
	}
	c->from = o->data_off;
	c->len = o->head_len;
	c->age_off = o->age_off;
	c->ttl_off = o->ttl_off;
	if (!(flags & ZS_REQ_HEAD))
		c->len += o->body_len;
}

static __always_inline void count_hit(const struct zs_object *o, __u64 now, int validated, __u32 len)
{
	zs_count(ZS_COUNT_hits);
	zs_count_add(ZS_COUNT_hit_bytes, len);
	if (validated)
		zs_count(ZS_COUNT_not_modified);
	if (now >= o->fresh_until)
		zs_count(ZS_COUNT_stale_hits);
}

/* Turns the message into the response (`validated`: a 304) and sends it back. `lane` is for the log. 0: done. -1: the
 * message is as it was. */
ZS_SHARED int zs_answer(struct sk_msg_md *msg, __u32 id, __u64 cookie, int validated, __u32 lane)
{
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	__u32 request_len = msg->size, total;
	struct zs_object *o;
	struct choice c;
	__u64 now;

	if (!w || !ctl)
		return -1;
	o = (struct zs_object *)page_get(w->first_page);
	if (!o || fails(ZS_FAIL_PAGE))
		return -1;
	choose(&c, o, w->request.flags, validated);
	if (c.len > ZS_ANSWER_MAX || c.len < ZS_STEP)
		return -1;
	now = w->event.ev.time;
	total = (c.len + ZS_STEP - 1) & ~(ZS_STEP - 1);
	/* one element: the kernel queues it whole or not at all (v6.18 bpf_tcp_ingress) */
	if (fails(ZS_FAIL_PUSH) || bpf_msg_push_data(msg, 0, total, 0))
		return -1;
	if (windows_fill(msg, w->first_page, c.from, total) ||
	    zs_slot_write(msg, c.age_off, (now - o->born) / NS_PER_S) || fails(ZS_FAIL_AGE) ||
	    zs_slot_write(msg, c.ttl_off, ttl_seconds(o, now)) || fails(ZS_FAIL_TTL) || fails(ZS_FAIL_REDIRECT) ||
	    bpf_msg_redirect_hash(msg, &zs_socks, &cookie, BPF_F_INGRESS) != SK_PASS) {
		if (bpf_msg_pop_data(msg, 0, total, 0))
			zs_count(ZS_COUNT_impossible);
		return -1;
	}
	if (ctl->logging)
		zs_hit_log(msg, id, lane, validated);
	if (bpf_msg_pop_data(msg, c.len, total - c.len + request_len, 0))
		zs_count(ZS_COUNT_impossible);
	__sync_fetch_and_add(&o->hits, 1);
	if ((now >= o->refresh_at || now >= o->fresh_until) && !o->refresh_asked)
		refresh_ask(w->first_page, now, o, ctl);
	count_hit(o, now, validated, c.len);
	return 0;
}

#endif
