// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dialer's program: sees every message that Caddy sends to an origin. Answers it from the store, or
 * lets it pass and remembers what is needed to know where the next request begins.
 *
 * zs_dispatch is what enrolled sockets carry for life. It calls slot 0 of the program array, so pause,
 * upgrade and detach never touch a socket; an empty slot means that every message passes.
 *
 * Every path returns SK_PASS. SK_DROP would be sticky (the socket would be dead for good), and a redirect
 * helper's value is never returned.
 */
#include <zs/bpf/maps.h>
#include <zs/frame.h>
#include "answer.h"
#include "record.h"
#include "unsafe.h"

char LICENSE[] SEC("license") = "GPL";

/* Three members of the kernel's struct, found at load through BTF. */
struct tcp_sock {
	__u32 copied_seq;
	__u32 write_seq;
	__u32 rcv_nxt;
} __attribute__((preserve_access_index));

struct tcp_view {
	__u32 known;
	__u32 write_seq; /* next byte to be queued */
	__u32 rcv_nxt;   /* next byte expected */
	__u32 unread;    /* native bytes received and not read */
};

static __always_inline void tcp_look(struct sk_msg_md *msg, struct tcp_view *v)
{
	struct tcp_sock *tp;

	__builtin_memset(v, 0, sizeof(*v));
	if (!msg->sk)
		return;
	tp = bpf_skc_to_tcp_sock(msg->sk);
	if (!tp)
		return;
	v->known = 1;
	v->write_seq = tp->write_seq;
	v->rcv_nxt = tp->rcv_nxt;
	v->unread = v->rcv_nxt - tp->copied_seq;
}

static __always_inline void passive(struct zs_conn *c, int fenced)
{
	if (c->state == ZS_FRAME_PASSIVE)
		return;
	c->state = ZS_FRAME_PASSIVE;
	zs_count(ZS_COUNT_passive);
	if (fenced)
		zs_count(ZS_COUNT_fenced);
}

/*
 * [I1] in terms of the socket: what it has queued so far is exactly what was counted. A gap (the program
 * array was empty for a while, a path that does not run the program) makes the connection passive.
 */
static __always_inline void fence_sent(struct zs_conn *c, const struct zs_ctl *ctl, const struct tcp_view *v)
{
	if (c->epoch != ctl->epoch || !v->known || v->write_seq != c->next_write)
		passive(c, 1);
}

/* The request before has had no byte of a response. */
static __always_inline int overlaps(const struct zs_conn *c, const struct tcp_view *v)
{
	return c->awaits && v->rcv_nxt == c->turn_rcv;
}

/*
 * [I7] An answer is put on the psock queue, which is read before the TCP queue. So it is given only when
 * nothing native is unread, and the server has begun to respond to the request before. That it has come to
 * the end is the dialer's word: Caddy's transport (Go's net/http) sends the next request on a connection
 * only after it has read the whole response.
 */
static __always_inline int fence_received(const struct zs_conn *c, const struct tcp_view *v)
{
	return !v->unread && !overlaps(c, v);
}

/* A request begins a turn: what belonged to the turn before it ends. An unsafe request whose response
 * went unseen is taken to have succeeded. */
static __always_inline void turn_begin(struct zs_conn *c, const struct tcp_view *v)
{
	c->turn++;
	c->record = 0;
	if (c->unsafe) {
		__u32 bucket = (c->unsafe - 1) & (ZS_GENERATIONS - 1);
		__u64 *generation = bpf_map_lookup_elem(&zs_gens, &bucket);

		if (generation)
			__sync_fetch_and_add(generation, 1);
		zs_count(ZS_COUNT_invalidated);
		if (overlaps(c, v))
			c->sticky = 1;
		else
			c->unsafe = 0;
	}
}

static __always_inline void count_miss(int found)
{
	zs_count(ZS_COUNT_misses);
	if (found == ZS_USABLE_EXPIRED)
		zs_count(ZS_COUNT_expired);
	else if (found == ZS_USABLE_VOID)
		zs_count(ZS_COUNT_purged);
}

/* An answerable request. 1: answered. */
static __always_inline int request_try(struct sk_msg_md *msg, struct zs_conn *c, struct zs_ctl *ctl,
				       struct zs_work *w, __u32 id, const struct tcp_view *v)
{
	int found;

	if (!fence_received(c, v)) {
		passive(c, 1);
		return 0;
	}
	w->event.ev.time = bpf_ktime_get_boot_ns();
	found = zs_lookup(id);
	if (found == ZS_USABLE_YES) {
		int validated = w->request.flags & ZS_REQ_COND ? zs_validate(id) : 0;

		if (validated >= 0 && !zs_answer(msg, id, c->cookie, validated, ZS_LANE_UPSTREAM))
			return 1;
		zs_count(ZS_COUNT_unanswered);
	}
	count_miss(found);
	c->record_next = record_consider(w, id, ctl, c->cookie, c->turn);
	return 0;
}

/* A message at a place where a request begins. 1: answered, nothing was sent. */
static __always_inline int request_message(struct sk_msg_md *msg, struct zs_conn *c, struct zs_ctl *ctl,
					   struct zs_work *w, __u32 id, const struct tcp_view *v)
{
	__u32 size = msg->size;
	int scan, answered = 0;

	turn_begin(c, v);
	zs_warmth_request(c->origin);
	scan = zs_head_scan(id, zs_head_copy(msg, id, 0));
	if (zs_head_fields(id) || zs_head_framing(id))
		return 0;
	if (!w->scopes)
		zs_request_class(&w->request, 0);
	if (!(w->request.flags & ZS_REQ_SAFE))
		unsafe_mark(w, id, c);
	if (c->unsafe && overlaps(c, v)) { /* which response is whose is not followed */
		c->sticky = 1;
		passive(c, 1);
		return 0;
	}
	if (!(w->request.flags & ZS_REQ_SAFE) && c->unsafe)
		c->record_next = unsafe_record(w, id, ctl, c->cookie, c->turn);
	if (scan == ZS_SCAN_BAD) {
		passive(c, 0);
		return 0;
	}
	if (scan != ZS_SCAN_OK || ctl->paused || ctl->pressure || w->request.head_len != size ||
	    !zs_request_answerable(&w->request)) {
		zs_count(ZS_COUNT_bypassed);
	} else if (!ctl->stored && ctl->tokens <= 0) { /* nothing to find, nothing to record */
		zs_count(ZS_COUNT_misses);
		zs_count(ZS_COUNT_over_budget);
	} else if (head_values(id) || !zs_request_answerable(&w->request) || head_key(w, id, c->origin) ||
		   !zs_request_answerable(&w->request)) {
		zs_count(ZS_COUNT_bypassed);
	} else {
		answered = request_try(msg, c, ctl, w, id, v);
	}
	if (!answered && c->state != ZS_FRAME_PASSIVE) {
		zs_frame_request(c, &w->request, scan, size);
		if (c->state == ZS_FRAME_PASSIVE)
			zs_count(ZS_COUNT_passive);
	}
	return answered;
}

/* On a passive connection requests cannot be told from bodies with certainty. Something at the start of a
 * message that looks like an unsafe request is taken for one as far as invalidation goes: too much of it
 * costs a miss, too little would leave a stale answer. A body must not hide the request that it belongs to: two
 * marks before a response void everything. */
static __always_inline void passive_message(struct sk_msg_md *msg, struct zs_conn *c, struct zs_work *w,
					    __u32 id)
{
	__u32 pending = c->unsafe;

	c->record = 0;
	zs_head_scan(id, zs_head_copy(msg, id, 0)); /* also of a bad head the complete lines count */
	if (zs_head_fields(id) || zs_head_framing(id))
		return;
	if (!(w->request.flags & ZS_REQ_SAFE) && zs_has(&w->request, ZS_SLOT_HOST))
		unsafe_mark(w, id, c);
	if (pending && c->unsafe != pending)
		c->unsafe = ZS_UNSAFE_ANY;
}

static __always_inline int message(struct sk_msg_md *msg, struct zs_conn *c, struct zs_ctl *ctl,
				   const struct tcp_view *v)
{
	__u32 was = c->state, id;
	struct zs_work *w;
	int answered = 0;

	if (was == ZS_FRAME_BODY) {
		zs_frame_begins_request(c, msg->size);
		if (c->state == ZS_FRAME_PASSIVE)
			zs_count(ZS_COUNT_passive);
		return 0;
	}
	id = work_take();
	w = work_get(id);
	if (!w) {
		zs_count(ZS_COUNT_no_workspace);
		if (was == ZS_FRAME_HEAD) /* it may be an unsafe request */
			__sync_fetch_and_add(&ctl->flush, 1);
		passive(c, 0);
		return 0;
	}
	w->half = ctl->tables & 1;
	w->scopes = ctl->scopes;
	w->vary = ctl->vary;
	if (was == ZS_FRAME_HEAD)
		answered = request_message(msg, c, ctl, w, id, v);
	else
		passive_message(msg, c, w, id);
	work_give(w);
	return answered;
}

SEC("sk_msg")
int zs_dialer(struct sk_msg_md *msg)
{
	struct zs_ctl *ctl = zs_ctl_get();
	struct bpf_sock *sk = msg->sk;
	struct tcp_view v;
	struct zs_conn *c;
	__u32 size = msg->size, begins;

	if (!sk || !ctl)
		return SK_PASS;
	c = bpf_sk_storage_get(&zs_conns, sk, 0, 0);
	if (!c)
		return SK_PASS;
	if (c->local) {
		bpf_tail_call(msg, &zs_progs, 2);
		return SK_PASS;
	}
	tcp_look(msg, &v);
	fence_sent(c, ctl, &v);
	begins = c->state == ZS_FRAME_HEAD;
	c->record_next = 0;
	if (message(msg, c, ctl, &v)) {
		c->awaits = 0;
		return SK_PASS;
	}
	*(volatile __u32 *)&c->next_write = v.write_seq + size;
	if (begins) {
		c->turn_rcv = v.rcv_nxt;
		c->awaits = 1;
	}
	if (c->record_next) { /* from now on the recorder may act on it: next_write is set */
		c->record_open = 0;
		c->record_left = ctl->record_cap;
		*(volatile __u64 *)&c->record = c->record_next;
	}
	zs_count(ZS_COUNT_passed);
	return SK_PASS;
}

SEC("sk_msg")
int zs_dispatch(struct sk_msg_md *msg)
{
	bpf_tail_call(msg, &zs_progs, 0);
	return SK_PASS;
}
