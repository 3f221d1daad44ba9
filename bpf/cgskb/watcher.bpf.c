// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watcher: on every packet that leaves Caddy's cgroup. Looks for unsafe requests on connections to origins
 * that are not enrolled, cold or older than the attachment, so that their success still invalidates: the
 * recorder sees the response. Has no effect on the packet or the socket: it always returns 1.
 *
 * [I11] No unsafe request passes here unmarked. Caddy's transport (Go's net/http) begins a request in a write of
 * its own, after it has read the whole response before. So what may stand in the send queue before a head is
 * the rest of a body whose response came early, and nothing else; where the queue is empty, the head begins a
 * segment, also when it is sent again, and also as part of a large one that the device would cut. Hence:
 *   - a body of known length is skipped, byte for byte, and the next head begins behind it, as long as every
 *     byte of the connection has been accounted for;
 *   - in the first body of unknown length nothing is looked for until response bytes have arrived: no head can
 *     follow before. From then on nothing is certain, for good: a visitor chooses what a body looks like. What is
 *     not exactly one whole safe request may be, or may hide, an unsafe one, and marks;
 *   - the same holds where the protocol was switched (101), or may have been before anybody looked, but that
 *     bytes which are no request mark nothing there: a request behind such bytes in one segment is missed.
 */
#include <zs/frame.h>
#include "../skmsg/work.h"
#include "invalidate.h"
#include "segment.h"

char LICENSE[] SEC("license") = "GPL";

#define LINE_MIN   16 /* bytes of the shortest request line, its CRLF, and the head's */
#define PLAIN_MAX  2048u /* bytes; a longer head is left to the recogniser */

extern int zs_head_judge(__u32 id, __u32 len, __u32 origin); /* bpf/skmsg/unsafe.h */

/* GET, HEAD, OPTIONS or TRACE, and a blank (RFC 9110 9.2.1). */
static __always_inline int is_safe(__u64 word)
{
	return zs_keep_bytes(word, 4) == ZS_W('G', 'E', 'T', ' ', 0, 0, 0, 0) ||
	       zs_keep_bytes(word, 5) == ZS_W('H', 'E', 'A', 'D', ' ', 0, 0, 0) ||
	       zs_keep_bytes(word, 6) == ZS_W('T', 'R', 'A', 'C', 'E', ' ', 0, 0) ||
	       word == ZS_W('O', 'P', 'T', 'I', 'O', 'N', 'S', ' ');
}

static __always_inline void key_of(const struct bpf_sock *sk, const struct zs_ctl *ctl, struct zs_origin_key *key)
{
	__u32 *addr = (__u32 *)key->addr, word;

	__builtin_memset(key, 0, sizeof(*key));
	if (sk->family == 2 /* AF_INET */) {
		addr[2] = bpf_htonl(0xffff);
		word = sk->dst_ip4;
		zs_pin(word); /* or the compiler joins it with the load below, through a computed address */
		addr[3] = word;
	} else {
		addr[0] = sk->dst_ip6[0];
		addr[1] = sk->dst_ip6[1];
		addr[2] = sk->dst_ip6[2];
		addr[3] = sk->dst_ip6[3];
	}
	key->port = bpf_ntohs(sk->dst_port);
	key->netns = ctl->netns; /* no helper tells a packet's: an origin of another namespace voids too much */
}

/* State for a connection that sockops did not see, if it goes to an origin. */
static __always_inline struct zs_conn *conn_begin(struct bpf_sock *sk, const struct bpf_tcp_sock *tp, struct zs_ctl *ctl,
						  const struct segment *s)
{
	struct zs_origin_key key;
	struct zs_origin *origin;
	struct zs_conn *c;

	key_of(sk, ctl, &key);
	origin = bpf_map_lookup_elem(&zs_origins, &key);
	if (!origin)
		return NULL;
	c = bpf_sk_storage_get(&zs_conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!c) { /* no memory: it may be an unsafe request */
		__sync_fetch_and_add(&ctl->flush, 1);
		return NULL;
	}
	c->origin = origin->id;
	c->next_write = s->seq;
	c->turn_rcv = tp->rcv_nxt - 1;
	c->state = ZS_FRAME_TUNNEL;
	c->unfollowed = 1;
	zs_warmth_unfollowed(c->origin);
	return c;
}

static __always_inline int is_cold(const struct zs_conn *c)
{
	struct zs_warmth *w = zs_warmth_get(c->origin);

	return w && w->cold;
}

/* A segment to a cold origin is not looked at: there is nothing to void. Where requests begin on the connection is not
 * known from then on, for good; that bytes went out is, until a response comes. */
static __always_inline void unwatched(struct zs_conn *c, const struct segment *s)
{
	__u32 end = s->seq + s->len;

	if ((__s32)(end - c->next_write) <= 0) /* sent before */
		return;
	c->next_write = end;
	if (c->state != ZS_FRAME_TUNNEL)
		c->state = ZS_FRAME_PASSIVE;
	c->awaits = 1;
	c->unsafe = 0;
	c->expects = 0;
	c->unseen = 1;
}

/* Whether the line that begins at `at` of the `len` bytes in the work space may stand in a head without a body:
 * not one that says of a body, and no empty line but the last. */
__attribute__((noinline)) int zs_line_plain(__u32 id, __u32 at, __u32 len)
{
	struct zs_work *w = work_get(id);
	__u64 word;

	if (!w || at >= len)
		return !!w;
	word = zs_lower8(zs_load64(zs_request_at(&w->request, at)));
	if ((word & 0xff) == '\n' || ((word & 0xffff) == 0x0a0d && len - at != 2))
		return 0;
	return word != ZS_W('c', 'o', 'n', 't', 'e', 'n', 't', '-') && word != ZS_W('t', 'r', 'a', 'n', 's', 'f', 'e', 'r');
}

/* Whether the `len` bytes in the work space, 16 to PLAIN_MAX, are exactly one safe request without a body. */
__attribute__((noinline)) int zs_head_plain(__u32 id, __u32 len)
{
	struct zs_work *w = work_get(id);
	__u32 last = len - 4;

	zs_pin(last); /* or the compiler, which knows its range, leaves out the mask that the verifier wants */
	if (!w || len < LINE_MIN || len > PLAIN_MAX || !is_safe(zs_load64(w->request.head)) ||
	    *(__u32 *)zs_request_at(&w->request, last) != (__u32)ZS_W('\r', '\n', '\r', '\n', 0, 0, 0, 0))
		return 0;
	for (__u32 i = 0; i < PLAIN_MAX; i += 8) {
		__u64 feeds = zs_load64(zs_request_at(&w->request, i)) ^ 0x0a0a0a0a0a0a0a0aull;

		if (i >= len)
			break;
		if (!((feeds - 0x0101010101010101ull) & ~feeds & 0x8080808080808080ull))
			continue; /* no line feed among these eight */
		for (__u32 k = 0; k < 8; k++, feeds >>= 8)
			if (!(feeds & 0xff) && !zs_line_plain(id, i + k + 1, len))
				return 0;
	}
	return 1;
}

/* A request begins: what belonged to the one before has ended. Overlapping ones are told apart by nobody. */
static __always_inline void turn_begin(struct zs_conn *c, struct zs_ctl *ctl, int answered)
{
	if (!c->unsafe)
		return;
	invalidate(c, ctl);
	if (!answered)
		c->sticky = 1;
	else if (!c->sticky)
		c->unsafe = 0;
}

/* Exactly one head. */
static __always_inline int is_complete(const struct zs_request *r, int scan, const struct segment *s)
{
	return scan == ZS_SCAN_OK && r->head_len == s->len;
}

/* Exactly one request without a body; an Upgrade, perhaps. */
static __always_inline int is_whole(const struct zs_request *r, int scan, const struct segment *s)
{
	return is_complete(r, scan, s) && !zs_has(r, ZS_SLOT_TE) && !zs_has(r, ZS_SLOT_CL);
}

/* Where the request ends that begins the segment. */
static __always_inline void frame(struct zs_conn *c, const struct zs_request *r, int scan, const struct segment *s)
{
	if ((r->flags & ZS_REQ_PASSIVE) && is_whole(r, scan, s)) {
		c->state = ZS_FRAME_HEAD;
		return;
	}
	zs_frame_request(c, r, scan, s->len);
	if (c->state == ZS_FRAME_PASSIVE && scan == ZS_SCAN_OK && !(r->flags & ZS_REQ_PASSIVE))
		c->unsafe = ZS_UNSAFE_ANY; /* more than the request: another one */
}

/* Two marks before a response: which of the targets it voids is not known. */
static __always_inline void mark(struct zs_conn *c, __u32 voids)
{
	c->unsafe = c->unsafe && c->unsafe != voids ? ZS_UNSAFE_ANY : voids;
	zs_count(ZS_COUNT_unsafe);
}

/* Method, blank, and what begins a target. */
static __always_inline int looks_like_request(const struct zs_request *r)
{
	__u8 first = *zs_request_at(r, r->line[0].value);

	return r->line[0].colon && (first == '/' || first == '*' || (first | 0x20) == 'h');
}

/* Where a request may begin, or not: such a connection never becomes certain again. `w` is ours. */
static __always_inline void uncertain(struct zs_conn *c, struct zs_work *w, int scan, const struct segment *s)
{
	struct zs_request *r = &w->request;

	if (!looks_like_request(r)) {
		if (c->state == ZS_FRAME_PASSIVE)
			mark(c, ZS_UNSAFE_ANY);
		return;
	}
	c->expects = 1;
	if (!is_complete(r, scan, s)) /* what is behind its head may be a request, whatever the head says of a body */
		mark(c, ZS_UNSAFE_ANY);
	else if (w->voids)
		mark(c, w->voids);
	else if (!is_whole(r, scan, s))
		mark(c, ZS_UNSAFE_ANY);
}

/* Where a request begins, unless it is torn. `w` is ours. */
static __always_inline void request(struct zs_conn *c, struct zs_ctl *ctl, struct zs_work *w, int scan,
				    const struct segment *s, int answered)
{
	struct zs_request *r = &w->request;

	if (!r->line[0].colon) {
		if (answered) /* else the body of the request before */
			c->unsafe = ZS_UNSAFE_ANY;
		c->state = ZS_FRAME_PASSIVE;
		return;
	}
	turn_begin(c, ctl, answered);
	c->expects = 1;
	if (w->voids) {
		c->unsafe = w->voids;
		c->sticky |= !answered;
		zs_count(ZS_COUNT_unsafe);
	}
	frame(c, r, scan, s);
}

/* The bytes are in the work space `id`; the request that they may begin. */
static __always_inline void judge(struct zs_conn *c, struct zs_ctl *ctl, struct zs_work *w, __u32 id, __u32 len,
				  const struct segment *s, int answered)
{
	int scan;

	if (c->state == ZS_FRAME_HEAD && !c->unsafe && s->len == len && zs_head_plain(id, len)) {
		c->expects = 1; /* the way of nearly every segment */
		return;
	}
	scan = zs_head_judge(id, len, c->origin);
	if (c->state == ZS_FRAME_HEAD)
		request(c, ctl, w, scan, s, answered);
	else
		uncertain(c, w, scan, s);
}

/* Whatever it was, it was not seen. */
static __always_inline void unseen(struct zs_conn *c)
{
	c->unsafe = ZS_UNSAFE_ANY;
	if (c->state != ZS_FRAME_TUNNEL)
		c->state = ZS_FRAME_PASSIVE;
	c->awaits = 1; /* from now on everything is looked at */
}

static __always_inline void payload(struct __sk_buff *skb, struct zs_conn *c, struct zs_ctl *ctl,
				    const struct segment *s, int answered)
{
	__u64 len = s->len < ZS_HEAD_MAX ? s->len : ZS_HEAD_MAX;
	__u32 id = work_take();
	struct zs_work *w = work_get(id);

	if (!w) {
		zs_count(ZS_COUNT_no_workspace);
		unseen(c);
		return;
	}
	zs_pin(len);
	if (len > 0 && len <= ZS_HEAD_MAX && !bpf_skb_load_bytes(skb, s->off, w->request.head, len))
		judge(c, ctl, w, id, len, s, answered);
	else
		unseen(c);
	work_give(w);
}

/* Every segment that was not sent before. */
static __always_inline void look(struct __sk_buff *skb, const struct bpf_tcp_sock *tp, struct zs_conn *c,
				 struct zs_ctl *ctl, const struct segment *s)
{
	__u32 end = s->seq + s->len, gap = s->seq - c->next_write;
	int answered;

	if ((__s32)(end - c->next_write) <= 0) /* sent before */
		return;
	answered = c->awaits || tp->rcv_nxt != c->turn_rcv;
	c->next_write = end;
	if (gap && c->state != ZS_FRAME_TUNNEL) {
		unseen(c);
		return;
	}
	if (c->state == ZS_FRAME_BODY) {
		zs_frame_begins_request(c, s->len);
		if (c->state == ZS_FRAME_PASSIVE)
			c->unsafe = ZS_UNSAFE_ANY; /* the next request begins behind it, within the segment */
		return;
	}
	if (c->state == ZS_FRAME_PASSIVE && answered)
		c->awaits = 1; /* for good: see above */
	if (c->state == ZS_FRAME_PASSIVE && (!answered || c->unsafe == ZS_UNSAFE_ANY))
		return;
	if (c->state == ZS_FRAME_HEAD)
		c->turn_rcv = tp->rcv_nxt;
	payload(skb, c, ctl, s, answered);
}

SEC("cgroup_skb/egress")
int zs_watcher(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct bpf_tcp_sock *tp;
	struct zs_ctl *ctl;
	struct zs_conn *c;
	struct segment s;

	ctl = zs_ctl_get();
	if (!ctl || !sk || !peer_may_be_origin(skb, ctl))
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP)
		return 1;
	c = bpf_sk_storage_get(&zs_conns, sk, 0, 0);
	if (c && !c->unfollowed)
		return 1;
	if (segment_read(skb, &s)) {
		if (c)
			c->unsafe = ZS_UNSAFE_ANY;
		return 1;
	}
	tp = s.len ? bpf_tcp_sock(sk) : NULL;
	if (!tp)
		return 1;
	if (!c)
		c = conn_begin(sk, tp, ctl, &s);
	if (!c)
		return 1;
	if (is_cold(c))
		unwatched(c, &s);
	else
		look(skb, tp, c, ctl, &s);
	return 1;
}
