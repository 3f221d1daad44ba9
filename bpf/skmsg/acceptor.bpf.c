// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The acceptor's program: sees what is sent on an accepted connection. A kernel worker sends a request that the gate
 * redirected: it is turned into the response, or given to the server after all. What the server sends is framed.
 *
 * The answer is redirected to the socket's own egress instead of passed: after a send that took a part only, the kernel
 * would not run the program for the worker's next one (v6.18 tcp_bpf_send_verdict keeps psock->eval but for redirects),
 * and the client would be sent its own request. So the worker's retry comes here, and goes on where TCP stopped.
 *
 * SK_DROP, which ends the connection, is returned only where the request on its way can go neither to the client nor
 * to the server: the socket is closing, or a part of the answer is out and the rest is gone.
 */
#include "../skskb/acceptor.h"
#include "answer.h"

char LICENSE[] SEC("license") = "GPL";

#define REPLY_STEPS 48 /* heads, bodies, chunks and lines between them in one message */

/* --- by the worker ------------------------------------------------------------------------------ */

static __always_inline struct zs_object *pending_object(const struct zs_pending *p)
{
	struct zs_object *o = (struct zs_object *)page_get(p->page);

	return o && o->magic == ZS_OBJECT_MAGIC && o->serial == p->serial ? o : NULL;
}

/* What the gate saw may have changed, but not that nothing was owed: what is owed now came behind, and the server has not
 * seen it. 0: p->from and p->len are the answer, and there is room for it. */
static __always_inline int answer_choose(struct zs_accept *a, const struct zs_object *o, const struct tcp_sock *tp,
					 const struct zs_ctl *ctl, __u32 size)
{
	struct zs_pending *p = &a->pending;
	__u32 bucket = o->bucket & (ZS_GENERATIONS - 1), write_seq = tp->write_seq;
	__u64 *generation = bpf_map_lookup_elem(&zs_gens, &bucket);
	struct choice c;

	if (!generation || ctl->paused || size != p->request_len || a->state == ZS_FRAME_PASSIVE ||
	    a->reply != ZS_REPLY_HEAD || a->next_write != write_seq)
		return -1;
	p->now = bpf_ktime_get_boot_ns();
	if (zs_object_usable(o, (__u32)*generation, ctl->flush, ctl->heartbeat, p->now) != ZS_USABLE_YES)
		return -1;
	choose(&c, o, p->flags, p->validated);
	if (c.len > ZS_ACCEPT_MAX || c.len < ZS_STEP || !room_for(tp, c.len))
		return -1;
	p->from = c.from;
	p->len = c.len;
	p->seq = write_seq;
	return 0;
}

/* The slots of the head, as far as it is sent now: from offset `begin` of the answer on. */
static __always_inline int slots_fill(struct sk_msg_md *msg, const struct zs_object *o, const struct zs_pending *p, __u32 begin)
{
	__u32 age = p->validated ? o->alt_age_off : o->age_off, ttl = p->validated ? o->alt_ttl_off : o->ttl_off;

	if (age >= begin && zs_slot_write(msg, age - begin, (p->now - o->born) / NS_PER_S))
		return -1;
	return ttl >= begin && zs_slot_write(msg, ttl - begin, ttl_seconds(o, p->now)) ? -1 : 0;
}

/*
 * Turns the message into the answer from byte `done` on, and redirects it to the socket's own egress. 0: done. -1: the
 * message is as it was. What is pushed begins at a step's start, and with the whole of a slot that `done` may lie in.
 * `log`: a work space with the request, or ZS_NO_WORK.
 */
ZS_SHARED int zs_accept_answer(struct sk_msg_md *msg, __u64 cookie, __u32 done, __u32 log)
{
	struct zs_accept *a = accept_get(cookie);
	__u32 size = msg->size, begin, rest, total;
	struct zs_pending *p;
	struct zs_object *o;

	if (!a)
		return -1;
	p = &a->pending;
	o = pending_object(p);
	if (!o || done >= p->len || p->len > ZS_ACCEPT_MAX || fails(ZS_FAIL_PAGE))
		return -1;
	begin = done & ~(ZS_STEP - 1);
	if (begin >= ZS_STEP)
		begin -= ZS_STEP;
	rest = p->len - begin;
	total = (rest + ZS_STEP - 1) & ~(ZS_STEP - 1);
	if (fails(ZS_FAIL_PUSH) || bpf_msg_push_data(msg, 0, total, 0))
		return -1;
	if (windows_fill(msg, p->page, p->from + begin, total) || slots_fill(msg, o, p, begin) || fails(ZS_FAIL_AGE) ||
	    fails(ZS_FAIL_REDIRECT) || bpf_msg_redirect_hash(msg, &zs_accepts, &cookie, 0) != SK_PASS) {
		if (bpf_msg_pop_data(msg, 0, total, 0))
			zs_count(ZS_COUNT_impossible);
		return -1;
	}
	if (log != ZS_NO_WORK)
		zs_hit_log(msg, log, ZS_LANE_CLIENT, p->validated);
	if (bpf_msg_pop_data(msg, rest, total - rest + size, 0) || (done > begin && bpf_msg_pop_data(msg, 0, done - begin, 0)))
		zs_count(ZS_COUNT_impossible);
	return 0;
}

static __always_inline void answer_count(const struct zs_pending *p, struct zs_ctl *ctl)
{
	struct zs_object *o = pending_object(p);

	if (!o)
		return;
	__sync_fetch_and_add(&o->hits, 1);
	if ((p->now >= o->refresh_at || p->now >= o->fresh_until) && !o->refresh_asked)
		refresh_ask(p->page, p->now, o, ctl);
	count_hit(o, p->now, p->validated, p->len);
	zs_count(ZS_COUNT_remote_hits);
}

/* A work space with what the log says of the request in the message; ZS_NO_WORK: a line of it is lost. */
static __always_inline __u32 log_begin(struct sk_msg_md *msg, const struct zs_accept *a)
{
	__u32 id = work_take();
	struct zs_work *w = work_get(id);

	if (!w) {
		zs_count(ZS_COUNT_log_lost);
		return ZS_NO_WORK;
	}
	w->request.head_len = zs_head_copy(msg, id, 0);
	w->request.flags = a->pending.flags;
	w->first_page = a->pending.page;
	w->event.ev.time = a->pending.now;
	w->event.key.origin = a->origin;
	return id;
}

static __always_inline void log_end(__u32 id)
{
	struct zs_work *w = work_get(id);

	if (w)
		work_give(w);
}

/* The request on its way is answered. 0, or -1: the message is as it was. */
static __always_inline int answer_begin(struct sk_msg_md *msg, struct zs_accept *a, const struct tcp_sock *tp, struct zs_ctl *ctl)
{
	struct zs_pending *p = &a->pending;
	struct zs_object *o = pending_object(p);
	__u32 log = ZS_NO_WORK;
	int failed;

	if (!o || answer_choose(a, o, tp, ctl, msg->size))
		return -1;
	if (ctl->logging)
		log = log_begin(msg, a);
	failed = zs_accept_answer(msg, a->cookie, 0, log);
	if (log != ZS_NO_WORK)
		log_end(log);
	if (failed)
		return -1;
	*(volatile __u32 *)&a->next_write = p->seq + p->len; /* first: bpf/skmsg/local.bpf.c */
	*(volatile __u32 *)&p->stage = ZS_PENDING_BEGUN;
	answer_count(p, ctl);
	return 0;
}

/* To the own receive queue: behind whatever was read before, and before whatever follows (gate.bpf.c, [A2]). */
static __always_inline int to_server(struct sk_msg_md *msg, __u64 cookie)
{
	if (bpf_msg_redirect_hash(msg, &zs_accepts, &cookie, BPF_F_INGRESS) == SK_PASS)
		return SK_PASS;
	zs_count(ZS_COUNT_given_up);
	return SK_DROP;
}

/* The request goes to the server after all. */
static __always_inline int hand_back(struct sk_msg_md *msg, struct zs_accept *a)
{
	struct zs_pending *p = &a->pending;

	if (p->stage != ZS_PENDING_NONE) {
		zs_count(ZS_COUNT_handed_back);
		if (a->state != ZS_FRAME_PASSIVE && zs_accept_push_first(a, p->flags & ZS_REQ_HEAD ? ZS_OWED_HEAD : 0))
			accept_passive(a);
		if (a->state == ZS_FRAME_PASSIVE)
			a->owed++;
		*(volatile __u32 *)&p->stage = ZS_PENDING_NONE; /* last: bpf/skmsg/local.bpf.c */
	}
	a->read_at = bpf_ktime_get_boot_ns();
	return to_server(msg, a->cookie);
}

static __always_inline int worker(struct sk_msg_md *msg, struct zs_accept *a, const struct tcp_sock *tp, struct zs_ctl *ctl)
{
	struct zs_pending *p = &a->pending;
	__u32 done;

	if (p->stage == ZS_PENDING_GATED)
		return answer_begin(msg, a, tp, ctl) ? hand_back(msg, a) : SK_PASS;
	if (p->stage != ZS_PENDING_BEGUN)
		return hand_back(msg, a);
	done = tp->write_seq - p->seq; /* what TCP took before it had no room */
	if (!zs_accept_answer(msg, a->cookie, done, ZS_NO_WORK)) {
		zs_count(ZS_COUNT_resumed);
		return SK_PASS;
	}
	if (!done) {
		accept_passive(a); /* next_write must not go back: bpf/skmsg/local.bpf.c */
		return hand_back(msg, a);
	}
	zs_count(ZS_COUNT_given_up);
	return SK_DROP;
}

/* --- by the server ------------------------------------------------------------------------------ */

ZS_SHARED int zs_reply_line(__u32 id, __u32 len)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t || len > ZS_HEAD_MAX)
		return ZS_SCAN_BAD;
	return zs_respond_line(&w->request, t, len);
}

ZS_SHARED int zs_reply_body(__u32 id, __u32 to_head)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return ZS_RESPOND_BAD;
	return zs_respond_body(&w->request, to_head);
}

/* zs_respond_scan(), line by line. */
ZS_SHARED int zs_reply_scan(__u32 id, __u32 len)
{
	struct zs_work *w = work_get(id);
	int scan;

	if (!w)
		return ZS_SCAN_BAD;
	scan = zs_reply_line(id, len);
	for (__u32 n = 0; n < ZS_LINES_MAX; n++) {
		if (scan != ZS_SCAN_OK || w->request.head_len)
			break;
		scan = zs_head_field(id);
	}
	return scan;
}

/* A response's head at `off` of the message. Returns its length; 0: not understood. */
ZS_SHARED int zs_reply_head(struct sk_msg_md *msg, __u32 id, __u64 cookie, __u32 off)
{
	struct zs_accept *a = accept_get(cookie);
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	struct zs_owed *o;
	__u32 status;

	if (!a || !w || !ctl || !a->owed)
		return 0;
	o = zs_accept_oldest(a);
	w->half = ctl->tables & 1;
	if (zs_reply_scan(id, zs_head_copy(msg, id, off)) != ZS_SCAN_OK || zs_head_fields(id))
		return 0;
	status = zs_respond_status(&w->request);
	if (status >= 200 && !zs_respond_is_error(status)) {
		accept_void(o->voids, ctl);
		o->voids = 0;
	}
	if (status == 101)
		a->tunnel = 1;
	zs_accept_respond(a, &w->request, zs_reply_body(id, o->flags & ZS_OWED_HEAD));
	if (status >= 200 && a->reply == ZS_REPLY_HEAD)
		zs_count(ZS_COUNT_replies);
	return w->request.head_len;
}

/* Between the data of chunks, at `off` of the message. Returns how many bytes were taken; 0: not understood. */
ZS_SHARED int zs_reply_lines(struct sk_msg_md *msg, __u64 cookie, __u32 off)
{
	struct zs_accept *a = accept_get(cookie);
	__u32 len = msg->size, n;
	__u8 window[ZS_CHUNK_WINDOW] = {0};
	void *data, *end;

	if (!a || off >= len)
		return 0;
	len -= off;
	if (len > ZS_CHUNK_WINDOW)
		len = ZS_CHUNK_WINDOW;
	if (bpf_msg_pull_data(msg, off, off + len, 0))
		return 0;
	data = msg->data;
	end = msg->data_end;
	for (n = 0; n < ZS_CHUNK_WINDOW; n++) {
		if (data + n + 1 > end)
			break;
		window[n] = *(__u8 *)(data + n);
	}
	n = zs_chunk_take(a, window, len < n ? len : n);
	if (a->step == ZS_CHUNK_BAD)
		return 0;
	if (a->step == ZS_CHUNK_END) {
		zs_accept_pop(a);
		zs_count(ZS_COUNT_replies);
	}
	return n;
}

/* One step of the response stream, at `off` of `size` bytes. Returns how many bytes it took; 0: not understood. */
static __always_inline __u32 reply_step(struct sk_msg_md *msg, struct zs_accept *a, __u32 id, __u32 off, __u32 size)
{
	if (a->reply == ZS_REPLY_HEAD)
		return zs_reply_head(msg, id, a->cookie, off);
	if (a->reply == ZS_REPLY_CHUNKED && a->step != ZS_CHUNK_DATA)
		return zs_reply_lines(msg, a->cookie, off);
	if (a->reply == ZS_REPLY_BODY && a->reply_left <= size - off)
		zs_count(ZS_COUNT_replies);
	return zs_accept_reply(a, size - off);
}

/* What the response voids on a passive connection: everything, unless it is certainly an error, or interim. That of a
 * request before the unsafe one does so too soon, and takes back no mark. Returns the first digit of the status; 0: of no
 * response's beginning. */
static __always_inline int passive_reply(struct sk_msg_md *msg, struct zs_accept *a, struct zs_ctl *ctl)
{
	__u8 *line = (void *)(long)msg->data, *end = (void *)(long)msg->data_end, status = 0;

	if (line + 12 <= end && line[0] == 'H' && line[1] == 'T' && line[2] == 'T' && line[3] == 'P' && line[8] == ' ') {
		status = line[9];
		if (status == '1' && line[10] == '0' && line[11] == '1') {
			a->tunnel = 1;
			status = '2';
		}
	}
	if (status == '1' && msg->size <= 25) /* "HTTP/1.1 100 Continue", alone */
		return status;
	if (a->unsafe && (a->owed > 1 || (status != '4' && status != '5'))) /* another response may stand behind an error */
		accept_void(ZS_UNSAFE_ANY, ctl);
	if (status > '1')
		zs_accept_ended(a);
	return status;
}

/* The server begins to respond to a request that is recorded, before which nothing was owed. */
static __always_inline void record_open(struct zs_accept *a, struct zs_accept_id *key, __u32 write_seq, __u32 cap)
{
	if (!a->record)
		return;
	key->base = write_seq;
	key->next = write_seq;
	key->left = cap;
	key->ended = 0;
	*(volatile __u64 *)&key->record = a->record;
	a->record = 0;
}

/* The recorded response is the first to end: with the byte before `seq`. */
static __always_inline void record_end(struct zs_accept_id *key, __u32 seq)
{
	if (!key->record || key->ended)
		return;
	key->end = seq;
	key->ended = 1;
}

/* [A5] The response cannot be followed any further. */
static __always_inline void reply_lost(struct sk_msg_md *msg, struct zs_accept *a, struct zs_ctl *ctl)
{
	int within = a->reply != ZS_REPLY_HEAD;

	accept_passive(a);
	if (!passive_reply(msg, a, ctl) && within) /* it began before */
		zs_accept_ended(a);
}

static __always_inline void replies(struct sk_msg_md *msg, struct zs_accept *a, struct zs_ctl *ctl, __u32 id, __u32 size,
				    struct zs_accept_id *key, __u32 write_seq)
{
	__u32 off = 0, owed = a->owed;

	for (int n = 0; n < REPLY_STEPS; n++) {
		__u32 took;

		if (off >= size || a->state == ZS_FRAME_PASSIVE)
			break;
		took = reply_step(msg, a, id, off, size);
		if (!took)
			break;
		off += took;
		if (a->owed < owed)
			record_end(key, write_seq + off);
	}
	if (off < size || a->state == ZS_FRAME_PASSIVE)
		reply_lost(msg, a, ctl);
}

static __always_inline void server(struct sk_msg_md *msg, struct zs_accept *a, const struct tcp_sock *tp, struct zs_ctl *ctl,
				   struct zs_accept_id *key)
{
	__u32 size = msg->size, write_seq = tp->write_seq, id;
	struct zs_work *w;

	zs_accept_settle(a, write_seq);
	if (a->state == ZS_FRAME_PASSIVE) {
		passive_reply(msg, a, ctl);
		return;
	}
	if (a->pending.stage == ZS_PENDING_BEGUN || zs_accept_sync(a, write_seq)) {
		zs_count(ZS_COUNT_fenced);
		reply_lost(msg, a, ctl);
		return;
	}
	if (!a->owed && key->record) /* what ended unseen: sent in parts */
		record_end(key, write_seq);
	record_open(a, key, write_seq, ctl->record_cap);
	*(volatile __u32 *)&a->next_write = write_seq + size;
	if (a->reply == ZS_REPLY_BODY && a->reply_left > size) { /* the way of most of a large one */
		zs_accept_reply(a, size);
		return;
	}
	id = work_take();
	w = work_get(id);
	if (!w) {
		zs_count(ZS_COUNT_no_workspace);
		reply_lost(msg, a, ctl);
		return;
	}
	replies(msg, a, ctl, id, size, key, write_seq);
	work_give(w);
}

SEC("sk_msg")
int zs_acceptor(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct zs_ctl *ctl = zs_ctl_get();
	struct zs_accept_id *key;
	struct tcp_sock *tp;
	struct zs_accept *a;
	__u64 cookie;

	if (!sk)
		return SK_DROP; /* never: the kernel sets it */
	key = bpf_sk_storage_get(&zs_accept_ids, sk, 0, 0);
	cookie = key ? key->cookie : 0;
	a = accept_get(cookie);
	tp = bpf_skc_to_tcp_sock(sk);
	if (is_worker())
		return a && tp && ctl ? worker(msg, a, tp, ctl) : to_server(msg, cookie);
	if (a && tp && ctl && key)
		server(msg, a, tp, ctl, key);
	zs_count(ZS_COUNT_passed);
	return SK_PASS;
}

/* What sockets carry for life, as zs_dispatch. Without a program behind it, a request on its way goes to the server. */
SEC("sk_msg")
int zs_accept_enter(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct zs_accept_id *key;

	bpf_tail_call(msg, &zs_progs, 1);
	if (!is_worker() || !sk)
		return SK_PASS;
	key = bpf_sk_storage_get(&zs_accept_ids, sk, 0, 0);
	return to_server(msg, key ? key->cookie : 0);
}
