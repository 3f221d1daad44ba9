// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * On every packet that leaves Caddy's cgroup: copies the payload of responses on accepted connections whose request the
 * gate announced. The mirror of the recorder. Has no effect on the packet or the socket: it always returns 1.
 *
 * The response begins with the first byte that the server sends after a request before which nothing was owed, and ends
 * where the acceptor's program saw it end; both are sequence numbers. What was sent before is sent again: skipped.
 */
#include "emit.h"

char LICENSE[] SEC("license") = "GPL";

/* Takes from the segment what is the response's, and new. 0, or -1: nothing of it. */
static __always_inline int segment_trim(const struct zs_accept_id *key, struct segment *s)
{
	__u32 end = s->seq + s->len;

	if (s->len && (__s32)(end - key->next) <= 0)
		return -1;
	if (key->ended && (__s32)(end - key->end) >= 0) {
		s->len = (__s32)(key->end - s->seq) > 0 ? key->end - s->seq : 0;
		s->fin = 0;
	}
	return s->len || s->fin ? 0 : -1;
}

/* 0: the recording goes on. */
static __always_inline int record(struct __sk_buff *skb, const struct zs_ctl *ctl, struct zs_accept_id *key,
				  const struct segment *s)
{
	struct recording r = {.id = key->record, .cookie = key->cookie, .base = key->base};

	if (stopped(&r))
		return -1;
	if (s->len && s->seq != key->next) { /* old and new in one, or a gap */
		emit(skb, ctl, &r, s, 0, 0, ZS_DATA_CUT);
		return -1;
	}
	if (copy_payload(skb, ctl, &key->left, &r, s))
		return -1;
	key->next += s->len;
	return s->fin || (key->ended && key->next == key->end) ? -1 : 0;
}

SEC("cgroup_skb/egress")
int zs_replies(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct zs_accept_id *key;
	struct zs_ctl *ctl;
	struct segment s;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP)
		return 1;
	key = bpf_sk_storage_get(&zs_accept_ids, sk, 0, 0);
	if (!key || !key->record)
		return 1;
	ctl = zs_ctl_get();
	if (!ctl || segment_read(skb, &s)) {
		key->record = 0;
		return 1;
	}
	if (!segment_trim(key, &s) && record(skb, ctl, key, &s))
		key->record = 0;
	return 1;
}
