// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watcher: on every packet that leaves Caddy's cgroup. Looks for unsafe requests on connections to origins
 * that are not enrolled, so that their success still invalidates (the recorder sees the response). Has no
 * effect on the packet or the socket: it always returns 1.
 *
 * [I10] A request on such a connection is seen although nobody follows the stream: Go's transport writes the head
 *       of a request in one piece with what fits of its body, and only after the response before was read, so
 *       what stood in the send queue before it has been sent. The head therefore begins a segment, also when it
 *       is sent again, and also as a part of a larger one that the device would cut. A segment of a body that
 *       looks like a head voids more than it must, never less.
 */
#include "segment.h"

char LICENSE[] SEC("license") = "GPL";

#define METHOD_MAX 32 /* bytes looked at for a method; one that is longer counts as unsafe */

static __always_inline int is_token(__u8 c)
{
	__u8 low = c | 0x20;

	/* letters, digits, and the marks of RFC 9110 5.6.2; a few more do no harm */
	return (low >= 'a' && low <= 'z') || (c >= '-' && c <= '9' && c != '/') || (c >= '!' && c <= '\'' && c != '"') ||
	       c == '*' || c == '+' || c == '^' || c == '_' || c == '`' || c == '|' || c == '~';
}

/* GET, HEAD, OPTIONS or TRACE, and a blank (RFC 9110 9.2.1). */
static __always_inline int is_safe(__u64 word)
{
	return zs_keep_bytes(word, 4) == ZS_W('G', 'E', 'T', ' ', 0, 0, 0, 0) ||
	       zs_keep_bytes(word, 5) == ZS_W('H', 'E', 'A', 'D', ' ', 0, 0, 0) ||
	       zs_keep_bytes(word, 6) == ZS_W('T', 'R', 'A', 'C', 'E', ' ', 0, 0) ||
	       word == ZS_W('O', 'P', 'T', 'I', 'O', 'N', 'S', ' ');
}

/* Whether the payload may begin an unsafe request: a method that is not a safe one, a blank, and a target. */
static __always_inline int may_be_unsafe(struct __sk_buff *skb, const struct segment *s)
{
	__u8 text[METHOD_MAX + 8] __attribute__((aligned(8))) = {0};
	__u64 there = s->len < sizeof(text) ? s->len : sizeof(text);
	__u32 n;

	zs_pin(there);
	if (there < 1 || there > sizeof(text) || bpf_skb_load_bytes(skb, s->off, text, there))
		return 1;
	if (is_safe(zs_load64(text)))
		return 0;
	for (n = 0; n < METHOD_MAX; n++)
		if (!is_token(text[n]))
			break;
	if (n == METHOD_MAX || n == there) /* longer than any that is known, or torn */
		return 1;
	return n && text[n] == ' ' && (text[n + 1] == '/' || text[n + 1] == '*' || (text[n + 1] | 0x20) == 'h');
}

SEC("cgroup_skb/egress")
int zs_watcher(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct zs_conn *c;
	struct segment s;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	c = bpf_sk_storage_get(&zs_conns, sk, 0, 0);
	if (!c || c->state != ZS_FRAME_UNFOLLOWED || c->unsafe)
		return 1;
	if (segment_read(skb, &s) || (s.len && may_be_unsafe(skb, &s))) {
		c->unsafe = 1; /* the recorder knows by the state that no bucket is meant */
		zs_count(ZS_COUNT_unsafe);
	}
	return 1;
}
