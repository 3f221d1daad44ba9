// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The recorder: on every packet that reaches Caddy's cgroup. Copies the payload of responses that the
 * dialer program asked for, and raises a generation when an unsafe request succeeded, before the dialer
 * can read the response. Has no effect on the packet or the socket: it always returns 1.
 */
#include <zs/bpf/fails.h>
#include "invalidate.h"
#include "segment.h"

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

static __always_inline __u64 wake(const struct zs_ctl *ctl)
{
	return ctl->awake ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP;
}

/* One recording, as it was when the segment came: the dialer may begin the next one meanwhile. */
struct recording {
	__u64 id;
	__u64 cookie;
	__u32 base;
};

static __always_inline void event_head(struct zs_event_data *ev, const struct recording *r, __u32 seq,
				       __u32 len, __u32 flags)
{
	ev->ev.kind = ZS_EVENT_DATA;
	ev->ev.len = sizeof(*ev) + len;
	ev->ev.cookie = r->cookie;
	ev->ev.record = r->id;
	ev->ev.time = bpf_ktime_get_boot_ns();
	ev->base = r->base;
	ev->seq = seq;
	ev->data_len = len;
	ev->flags = flags;
}

/* One event of a fixed size class, `len` bytes of payload in it: 5.10's ring reserves constants only. The
 * barrier keeps the checked length in one register, where the verifier can follow it. */
#define EMIT(size)                                                                                  \
	do {                                                                                        \
		struct zs_event_data *ev = bpf_ringbuf_reserve(&zs_events, sizeof(*ev) + (size), 0); \
		__u64 n = len;                                                                      \
                                                                                                    \
		if (!ev)                                                                            \
			return -1;                                                                  \
		event_head(ev, r, seq, len, flags);                                                 \
		asm volatile("" : "+r"(n));                                                         \
		if (n > 0 && n <= (size) && bpf_skb_load_bytes(skb, off, ev->data, n)) {            \
			bpf_ringbuf_discard(ev, BPF_RB_NO_WAKEUP);                                  \
			return -1;                                                                  \
		}                                                                                   \
		bpf_ringbuf_submit(ev, wake(ctl));                                                  \
		return 0;                                                                           \
	} while (0)

static __always_inline int emit(struct __sk_buff *skb, const struct zs_ctl *ctl, const struct recording *r,
				const struct segment *s, __u32 done, __u32 len, __u32 flags)
{
	__u32 seq = s->seq + done, off = s->off + done;

	if (len <= 1024)
		EMIT(1024);
	if (len <= 4096)
		EMIT(4096);
	EMIT(ZS_RECORD_CHUNK);
}

/* The id the agent put into the slot is that of a recording it wants no more of. */
static __always_inline int stopped(const struct recording *r)
{
	__u32 slot = ZS_STOP_SLOT(r->id);
	__u64 *id = bpf_map_lookup_elem(&zs_stop, &slot);

	return !id || *id == r->id;
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

#define CHUNKS_MAX 5 /* 64 KiB of one segment */
static __always_inline int copy_payload(struct __sk_buff *skb, const struct zs_ctl *ctl, struct zs_conn *c,
					const struct recording *r, const struct segment *s)
{
	__u32 done = 0, flags = s->fin ? ZS_DATA_FIN : 0;

	if (s->len > c->record_left) {
		emit(skb, ctl, r, s, 0, 0, flags | ZS_DATA_CUT);
		return -1;
	}
	c->record_left -= s->len;
	for (int i = 0; i < CHUNKS_MAX; i++) {
		__u32 len = s->len - done;

		if (len > ZS_RECORD_CHUNK)
			len = ZS_RECORD_CHUNK;
		if (fails(ZS_FAIL_PAYLOAD) || emit(skb, ctl, r, s, done, len, flags)) {
			zs_count(ZS_COUNT_events_lost);
			return -1;
		}
		done += len;
		if (done >= s->len)
			return 0;
	}
	return -1;
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
	if (!stopped(&r) && !copy_payload(skb, ctl, c, &r, s))
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
