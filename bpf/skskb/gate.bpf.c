// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gate: every chunk that a client sends on an accepted connection, in the order of the stream. Frames the requests,
 * and redirects one that can be answered to the socket's own egress, where a kernel worker's sendmsg runs the sk_msg
 * program (bpf/skmsg/acceptor.bpf.c). Everything else passes. Always returns SK_PASS; of new bytes the length never changes.
 *
 * [A2] One hit at a time is on its way. What follows it passes: the kernel queues a passed chunk behind a redirected one
 *      until that was sent (v6.18 sk_psock_verdict_apply looks at ingress_skb, from which sk_psock_backlog takes a chunk
 *      only after its sendmsg has returned), so the server never reads it before the hit is decided.
 * [A3] The kernel counts what was read by the length after the verdict (tcp_eat_skb).
 * [A10] A segment that repeats what was received before, beside new bytes (a retransmission that joins two), is given to
 *      this program whole, and then to the server whole: v6.18 tcp_read_skb does not trim it as tcp_recvmsg does. So
 *      what is repeated is dropped here.
 */
#include "../skmsg/answer.h"
#include "../skmsg/record.h"
#include "../skmsg/unsafe.h"
#include "acceptor.h"

char LICENSE[] SEC("license") = "GPL";

#define REQUESTS_MAX  8 /* framed in one chunk */
#define SHRINK_MOST   4095 /* bytes that bpf_skb_adjust_room() takes at once */
#define SHRINKS_MAX   32

/* What is not framed yet of a chunk. */
struct chunk {
	struct __sk_buff *skb;
	const struct tcp_sock *tp;
	__u64 now;
	__u32 off;
	__u32 len;
};

/* The bytes at `off` into the work space: how many, 0 if they cannot be seen. */
static __always_inline __u32 head_load(struct __sk_buff *skb, struct zs_work *w, __u32 off, __u32 len)
{
	__u64 n = len < ZS_HEAD_MAX ? len : ZS_HEAD_MAX;

	zs_pin(n);
	if (n < 1 || n > ZS_HEAD_MAX || bpf_skb_load_bytes(skb, off, w->request.head, n))
		return 0;
	return n;
}

/* Method, blank, and what begins a target: not a body, nor another protocol. */
static __always_inline int looks_like_request(const struct zs_request *r)
{
	__u8 first = *zs_request_at(r, r->line[0].value);

	return r->line[0].colon && (first == '/' || first == '*' || (first | 0x20) == 'h');
}

/* [A5] On a passive connection requests cannot be told from bodies: what looks like an unsafe one is taken for one. */
static __always_inline void passive_chunk(struct __sk_buff *skb, struct zs_accept *a, struct zs_work *w, __u32 id)
{
	if (a->tunnel || a->unsafe > 1)
		return;
	zs_head_judge(id, head_load(skb, w, 0, skb->len), a->origin);
	if (!looks_like_request(&w->request))
		return;
	a->owed++;
	if (!(w->request.flags & ZS_REQ_SAFE))
		zs_accept_mark(a);
}

/* Bytes that were not understood may be an unsafe request, or hold one. */
static __always_inline void not_understood(struct zs_accept *a)
{
	accept_passive(a);
	a->owed++;
	zs_accept_mark(a);
}

/* The server believes a connection idle on which it reads nothing. */
static __always_inline int is_due(const struct zs_accept *a, __u64 now)
{
	return a->pass_after && now - a->read_at >= a->pass_after * NS_PER_S;
}

static __always_inline void count_miss(int found)
{
	zs_count(ZS_COUNT_misses);
	if (found == ZS_USABLE_EXPIRED)
		zs_count(ZS_COUNT_expired);
	else if (found == ZS_USABLE_VOID)
		zs_count(ZS_COUNT_purged);
}

/* [A1] Whether a hit may be answered now. */
static __always_inline int may_answer(struct zs_accept *a, const struct tcp_sock *tp)
{
	__u32 write_seq = tp->write_seq;

	zs_accept_settle(a, write_seq);
	return a->pending.stage == ZS_PENDING_NONE && tp->inet_conn.icsk_inet.sk.__sk_common.skc_state == TCP_ESTABLISHED &&
	       zs_accept_idle(a, tp->rcv_nxt, write_seq);
}

/* Notes the object in the work space's first page for the worker. 0, or -1: it cannot be sent now. */
static __always_inline int pending_set(struct zs_accept *a, struct zs_work *w, const struct chunk *c, int validated)
{
	struct zs_object *o = (struct zs_object *)page_get(w->first_page);
	struct choice choice;

	if (!o)
		return -1;
	choose(&choice, o, w->request.flags, validated);
	if (choice.len > ZS_ACCEPT_MAX || choice.len < ZS_STEP)
		return -1;
	if (!room_for(c->tp, choice.len)) {
		zs_count(ZS_COUNT_no_room);
		return -1;
	}
	a->pending.page = w->first_page;
	a->pending.serial = o->serial;
	a->pending.request_len = c->len;
	a->pending.flags = w->request.flags;
	a->pending.validated = validated;
	return 0;
}

/* A whole answerable head, and nothing else, when nothing is owed. 1: it is on its way to the worker. */
static __always_inline int request_try(struct zs_accept *a, struct zs_ctl *ctl, struct zs_work *w, __u32 id, struct chunk *c)
{
	__u64 cookie = a->cookie;
	int found, validated = 0;

	w->event.ev.time = c->now;
	found = zs_lookup(id);
	if (found != ZS_USABLE_YES) {
		count_miss(found);
		a->record = record_consider(w, id, ctl, cookie, a->turn);
		return 0;
	}
	if (w->request.flags & ZS_REQ_COND)
		validated = zs_validate(id);
	if (a->wary || is_due(a, c->now)) {
		zs_count(ZS_COUNT_passed_up);
		return 0;
	}
	/* in one piece, so that the worker sends it with one sendmsg */
	if (validated < 0 || pending_set(a, w, c, validated) || bpf_skb_pull_data(c->skb, c->len) ||
	    bpf_sk_redirect_hash(c->skb, &zs_accepts, &cookie, 0) != SK_PASS) {
		zs_count(ZS_COUNT_unanswered);
		return 0;
	}
	a->pending.stage = ZS_PENDING_GATED;
	return 1;
}

/* What the gate found out about the request in the work space: it goes on to the worker (1), or passes. */
static __always_inline int request_decide(struct zs_accept *a, struct zs_ctl *ctl, struct zs_work *w, __u32 id, int scan,
					  struct chunk *c)
{
	int idle = may_answer(a, c->tp);

	if (idle)
		a->turn++;
	if (w->voids && scan == ZS_SCAN_OK) {
		zs_count(ZS_COUNT_unsafe);
		if (idle && w->voids != ZS_UNSAFE_ANY)
			a->record = unsafe_record(w, id, ctl, a->cookie, a->turn);
	}
	if (scan != ZS_SCAN_OK || c->off || w->request.head_len != c->len || ctl->paused || ctl->pressure ||
	    unjudged(ctl, c->now) || !zs_request_answerable(&w->request)) {
		zs_count(ZS_COUNT_bypassed);
	} else if (!idle) {
		zs_count(ZS_COUNT_behind);
	} else if (!ctl->stored && ctl->tokens <= 0) { /* nothing to find, nothing to record */
		zs_count(ZS_COUNT_misses);
		zs_count(ZS_COUNT_over_budget);
	} else if (head_values(id) || !zs_request_answerable(&w->request) || head_key(w, id, a->origin) ||
		   !zs_request_answerable(&w->request)) {
		zs_count(ZS_COUNT_bypassed);
	} else {
		return request_try(a, ctl, w, id, c);
	}
	return 0;
}

#define REDIRECTED (-1)

/* The request that begins at `off` of the chunk. Returns the bytes of it; REDIRECTED; 0: not understood, passive. */
ZS_SHARED int zs_gate_request(struct __sk_buff *skb, __u32 id, __u64 cookie, __u32 off)
{
	struct chunk c = {.skb = skb, .off = off, .len = skb->len - off};
	struct zs_accept *a = accept_get(cookie);
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	struct bpf_sock *sk = skb->sk;
	__u32 take;
	int scan;

	if (!a || !w || !ctl || !sk || off >= skb->len)
		return 0;
	c.tp = bpf_skc_to_tcp_sock(sk);
	if (!c.tp)
		return 0;
	c.now = bpf_ktime_get_boot_ns();
	scan = zs_head_judge(id, head_load(skb, w, off, c.len), a->origin);
	zs_warmth_request(a->origin);
	if (!w->scopes)
		zs_request_class(&w->request, 0);
	if (request_decide(a, ctl, w, id, scan, &c))
		return REDIRECTED;
	a->wary = 0;
	take = zs_accept_request(a, &w->request, scan, w->voids, c.len);
	if (take)
		return take;
	zs_count(ZS_COUNT_passive);
	a->owed++;
	/* it is unsafe, or what comes behind it may be; behind the beginning of a head comes nothing */
	if (w->voids || scan == ZS_SCAN_BAD || (scan == ZS_SCAN_OK && w->request.head_len != c.len))
		zs_accept_mark(a);
	return 0;
}

/* The whole chunk, request by request. 1: it was redirected. */
static __always_inline int requests(struct __sk_buff *skb, struct zs_accept *a, __u32 id)
{
	__u32 off = 0, len = skb->len;

	for (int n = 0; n < REQUESTS_MAX; n++) {
		int take;

		if (a->state == ZS_FRAME_BODY)
			off += zs_accept_body(a, len - off);
		if (off >= len || a->state != ZS_FRAME_HEAD)
			return 0;
		take = zs_gate_request(skb, id, a->cookie, off);
		if (take == REDIRECTED)
			return 1;
		off += take;
	}
	if (off < len && a->state == ZS_FRAME_HEAD)
		not_understood(a);
	return 0;
}

static __always_inline int chunk(struct __sk_buff *skb, struct zs_accept *a)
{
	struct zs_work *w;
	int gone = 0;
	__u32 id;

	if (a->state == ZS_FRAME_BODY && a->body_left >= skb->len) {
		zs_accept_body(a, skb->len);
		return 0;
	}
	id = work_take();
	w = work_get(id);
	if (!w) {
		zs_count(ZS_COUNT_no_workspace);
		not_understood(a);
		return 0;
	}
	if (a->state == ZS_FRAME_PASSIVE)
		passive_chunk(skb, a, w, id);
	else
		gone = requests(skb, a, id);
	work_give(w);
	return gone;
}

SEC("sk_skb")
int zs_gate(struct __sk_buff *skb)
{
	struct zs_accept *a;

	if (!skb->sk || !skb->len) /* of length 0: a FIN */
		return SK_PASS;
	a = accept_get(bpf_get_socket_cookie(skb));
	if (!a)
		return SK_PASS;
	a->next_read += skb->len;
	if (!chunk(skb, a))
		a->read_at = bpf_ktime_get_boot_ns();
	*(volatile __u32 *)&a->framed = a->next_read; /* last: bpf/skmsg/local.bpf.c */
	return SK_PASS;
}

/* [A10] cb[0] and cb[1] are the kernel's tcp_skb_cb.seq and end_seq (v6.18 struct sk_skb_cb begins with the program's view). */
static __always_inline void repeated_drop(struct __sk_buff *skb, struct zs_accept *a)
{
	__u32 seq = skb->cb[0], end = skb->cb[1], len = skb->len, rest = a->received - seq;

	if (end - seq - len > 1) /* not what TCP received: its flags take no more than one number */
		return;
	a->received = seq + len;
	if (!rest || rest >= len) /* what is new begins where it should, or behind that */
		return;
	zs_count(ZS_COUNT_repeated);
	for (int n = 0; n < SHRINKS_MAX; n++) {
		__u32 cut = rest < SHRINK_MOST ? rest : SHRINK_MOST;

		if (!cut || bpf_skb_adjust_room(skb, -(__s32)cut, 0, 0))
			break;
		rest -= cut;
	}
}

/* What sockets carry for life, as zs_dispatch. What passes here unseen is missing in next_read for good; what is repeated
 * is dropped also when no gate is there. */
SEC("sk_skb")
int zs_gate_enter(struct __sk_buff *skb)
{
	struct zs_accept *a = skb->sk && skb->len ? accept_get(bpf_get_socket_cookie(skb)) : NULL;

	if (a)
		repeated_drop(skb, a);
	bpf_tail_call(skb, &zs_gates, 0);
	return SK_PASS;
}
