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
 *   - a body of known length is skipped, byte for byte, and the next head begins behind it;
 *   - in a body of unknown length nothing is looked for until response bytes have arrived: no head can follow
 *     before. From then on, what is not a whole request may hide one, and voids everything if it succeeds;
 *   - bytes that stand where no body can be, and are no request, are taken for a torn one, unless the protocol
 *     was switched (101), or may have been before anybody looked.
 */
#include <zs/frame.h>
#include "../skmsg/work.h"
#include "invalidate.h"
#include "segment.h"

char LICENSE[] SEC("license") = "GPL";

#define LINE_MIN   16 /* bytes of the shortest request line, its CRLF, and the head's */
#define WRITE_SIZE 4096 /* Go's write buffer: in a shorter segment stands a whole request, or the end of one */

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

/* The way of nearly every segment: where a head is expected, one whole safe request without a body. */
static __always_inline int plain(struct __sk_buff *skb, const struct bpf_tcp_sock *tp, struct zs_conn *c,
				 const struct segment *s)
{
	__u64 method;
	__u32 end;

	if (c->state != ZS_FRAME_HEAD || c->unsafe || s->seq != c->next_write || s->len < LINE_MIN ||
	    s->len >= WRITE_SIZE)
		return 0;
	if (bpf_skb_load_bytes(skb, s->off, &method, sizeof(method)) || !is_safe(method) ||
	    bpf_skb_load_bytes(skb, s->off + s->len - 4, &end, sizeof(end)) || end != (__u32)ZS_W('\r', '\n', '\r', '\n', 0, 0, 0, 0))
		return 0;
	c->next_write = s->seq + s->len;
	c->turn_rcv = tp->rcv_nxt;
	c->expects = 1;
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

/* Where the request ends that begins the segment. */
static __always_inline void frame(struct zs_conn *c, const struct zs_request *r, int scan, const struct segment *s)
{
	if (scan == ZS_SCAN_OK && (r->flags & ZS_REQ_PASSIVE) && r->head_len == s->len && !zs_has(r, ZS_SLOT_TE) &&
	    !zs_has(r, ZS_SLOT_CL)) {
		c->state = ZS_FRAME_HEAD; /* it has no body; an Upgrade, perhaps */
		return;
	}
	zs_frame_request(c, r, scan, s->len);
	if (c->state == ZS_FRAME_PASSIVE && scan == ZS_SCAN_OK && !(r->flags & ZS_REQ_PASSIVE))
		c->unsafe = ZS_UNSAFE_ANY; /* more than the request: another one */
}

/* Where a request may begin. `w` is ours. */
static __always_inline void request(struct zs_conn *c, struct zs_ctl *ctl, struct zs_work *w, int scan,
				    const struct segment *s, int answered)
{
	struct zs_request *r = &w->request;
	__u8 first = *zs_request_at(r, r->line[0].value);

	if (!r->line[0].colon || (c->state == ZS_FRAME_TUNNEL && first != '/' && first != '*' && (first | 0x20) != 'h')) {
		if (c->state == ZS_FRAME_TUNNEL)
			return;
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

static __always_inline void judge(struct __sk_buff *skb, struct zs_conn *c, struct zs_ctl *ctl, const struct segment *s,
				  int answered)
{
	__u32 id = work_take();
	struct zs_work *w = work_get(id);
	__u64 len = s->len < ZS_HEAD_MAX ? s->len : ZS_HEAD_MAX;

	zs_pin(len);
	if (!w) {
		zs_count(ZS_COUNT_no_workspace);
		c->unsafe = ZS_UNSAFE_ANY;
		c->state = ZS_FRAME_PASSIVE;
		return;
	}
	if (len > 0 && len <= ZS_HEAD_MAX && !bpf_skb_load_bytes(skb, s->off, w->request.head, len)) {
		request(c, ctl, w, zs_head_judge(id, len, c->origin), s, answered);
	} else {
		c->unsafe = ZS_UNSAFE_ANY;
		c->state = ZS_FRAME_PASSIVE;
	}
	work_give(w);
}

/* Every segment that is not plain. */
static __always_inline void look(struct __sk_buff *skb, const struct bpf_tcp_sock *tp, struct zs_conn *c,
				 struct zs_ctl *ctl, const struct segment *s)
{
	__u32 end = s->seq + s->len, gap = s->seq - c->next_write;
	int answered;

	if ((__s32)(end - c->next_write) <= 0) /* sent before */
		return;
	answered = tp->rcv_nxt != c->turn_rcv;
	c->next_write = end;
	if (gap) {
		c->unsafe = ZS_UNSAFE_ANY;
		c->state = ZS_FRAME_PASSIVE;
		answered = 1;
	}
	if (c->state == ZS_FRAME_BODY) {
		zs_frame_begins_request(c, s->len);
		if (c->state == ZS_FRAME_PASSIVE)
			c->unsafe = ZS_UNSAFE_ANY; /* the next request begins behind it, within the segment */
		return;
	}
	if (c->state == ZS_FRAME_PASSIVE && !answered)
		return;
	c->turn_rcv = tp->rcv_nxt;
	judge(skb, c, ctl, s, answered);
}

SEC("cgroup_skb/egress")
int zs_watcher(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct bpf_tcp_sock *tp;
	struct zs_ctl *ctl;
	struct zs_conn *c;
	struct segment s;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	c = bpf_sk_storage_get(&zs_conns, sk, 0, 0);
	if ((c && !c->unfollowed) || sk->protocol != IPPROTO_TCP)
		return 1;
	if (segment_read(skb, &s)) {
		if (c)
			c->unsafe = ZS_UNSAFE_ANY;
		return 1;
	}
	tp = s.len ? bpf_tcp_sock(sk) : NULL;
	if (!tp || (c && plain(skb, tp, c, &s)))
		return 1;
	ctl = zs_ctl_get();
	if (!ctl)
		return 1;
	if (!c)
		c = conn_begin(sk, tp, ctl, &s);
	if (c)
		look(skb, tp, c, ctl, &s);
	return 1;
}
