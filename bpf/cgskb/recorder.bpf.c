// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The recorder: on every packet that reaches Caddy's cgroup. Copies the payload of responses that the
 * dialer program asked for, and raises a generation when an unsafe request succeeded, before the dialer
 * can read the response. Has no effect on the packet or the socket: it always returns 1.
 */
#include "emit.h"
#include "invalidate.h"

char LICENSE[] SEC("license") = "GPL";

/*
 * RFC 9111 4.4: a non-error (2xx, 3xx) response to an unsafe request invalidates the target. Only what is
 * certainly an error does not: a status line that cannot be seen whole, or a connection that ends without
 * one, counts as success. A lone interim response leaves the mark for the final one.
 */
static __always_inline void unsafe_response(struct __sk_buff *skb, struct zs_conn *c,
					    struct zs_ctl *ctl, const struct segment *s)
{
	__u8 line[12] = {0}; /* "HTTP/1.1 200" */
	int http;

	if (s->len >= sizeof(line) && bpf_skb_load_bytes(skb, s->off, line, sizeof(line)))
		line[0] = 0;
	http = line[0] == 'H' && line[1] == 'T' && line[2] == 'T' && line[3] == 'P' && line[8] == ' ';
	if (http && line[9] == '1' && s->len <= 25 && !s->fin) { /* "HTTP/1.1 100 Continue", alone */
		if (c->unfollowed) /* for the watcher the response has not begun */
			c->turn_rcv = s->seq + s->len;
		return;
	}
	if (!http || (line[9] != '4' && line[9] != '5') || c->sticky)
		invalidate(c, ctl);
	if ((!http || line[9] != '1') && !c->sticky)
		c->unsafe = 0;
}

/* Does HTTP end here? (RFC 9110 15.2.2) */
static __always_inline int is_101(const __u8 *line)
{
	return line[9] == '1' && line[10] == '0' && line[11] == '1';
}

/* The first segment of a response on a connection that is not enrolled. */
static __always_inline void unfollowed_response(struct __sk_buff *skb, struct zs_conn *c, const struct segment *s)
{
	__u8 line[12];

	c->expects = 0;
	if (s->len >= sizeof(line) && !bpf_skb_load_bytes(skb, s->off, line, sizeof(line)) && is_101(line))
		c->state = ZS_FRAME_TUNNEL;
}

/* What is responded to may be an unsafe request that went out while the origin was cold. A segment that begins no
 * response belongs to one that began before, or to another protocol. */
static __always_inline void unseen_response(struct __sk_buff *skb, struct zs_conn *c, struct zs_ctl *ctl,
					    const struct segment *s)
{
	__u8 line[12];

	if (s->len < sizeof(line) || bpf_skb_load_bytes(skb, s->off, line, sizeof(line))) {
		void_all(c, ctl);
		return;
	}
	if (line[0] != 'H' || line[1] != 'T' || line[2] != 'T' || line[3] != 'P' || line[4] != '/')
		return;
	void_all(c, ctl);
	if (line[9] == '1' && !is_101(line)) /* the final one is to come */
		return;
	c->state = is_101(line) ? ZS_FRAME_TUNNEL : ZS_FRAME_PASSIVE;
	c->unseen = 0;
}

/*
 * The first segment must come after the request: it acknowledges exactly what was sent up to its end, and
 * is the next one in order. Bytes that a server sent before it had the whole request are not its response
 * (RFC 9112 9.2: a response belongs to the oldest outstanding request).
 */
static __always_inline int response_begins(struct bpf_sock *sk, struct zs_conn *c, const struct segment *s)
{
	struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);

	if (!tp || s->ack != c->next_write || s->seq != tp->rcv_nxt)
		return 0;
	c->record_base = s->seq;
	c->record_open = 1;
	return 1;
}

static __always_inline void record(struct __sk_buff *skb, struct bpf_sock *sk, const struct zs_ctl *ctl,
				   struct zs_conn *c, const struct segment *s)
{
	struct recording r = {.id = *(volatile __u64 *)&c->record, .cookie = c->cookie};

	if (!r.id || (!s->len && !s->fin))
		return;
	if (!c->record_open && !response_begins(sk, c, s))
		goto stop;
	r.base = c->record_base;
	if (!stopped(&r) && !copy_payload(skb, ctl, &c->record_left, &r, s))
		return;
stop:
	if (c->record == r.id)
		c->record = 0;
}

/* All of its payload has been received before: TCP throws it away, and so do we. */
static __always_inline int segment_old(struct bpf_sock *sk, const struct segment *s)
{
	struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);

	return tp && s->len && (__s32)(s->seq + s->len - tp->rcv_nxt) <= 0;
}

SEC("cgroup_skb/ingress")
int zs_recorder(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct zs_ctl *ctl;
	struct zs_conn *c;
	struct segment s;

	ctl = zs_ctl_get();
	if (!ctl || !sk || !peer_may_be_origin(skb, ctl))
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	c = bpf_sk_storage_get(&zs_conns, sk, 0, 0);
	if (!c || (!c->record && !c->unsafe && !c->expects && !c->unseen))
		return 1;
	if (segment_read(skb, &s)) { /* whatever it is, it may be the response */
		if (c->unsafe)
			invalidate(c, ctl);
		c->record = 0;
		return 1;
	}
	if (segment_old(sk, &s))
		return 1;
	if (c->unseen && s.len)
		unseen_response(skb, c, ctl, &s);
	if (c->expects && s.len)
		unfollowed_response(skb, c, &s);
	if (c->unsafe && (s.len || s.fin))
		unsafe_response(skb, c, ctl, &s);
	if (c->record)
		record(skb, sk, ctl, c, &s);
	return 1;
}
