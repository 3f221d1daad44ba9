/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet as a cgroup_skb program sees it: from the IP header on. */
#ifndef ZS_CGSKB_SEGMENT_H
#define ZS_CGSKB_SEGMENT_H

#include <zs/bpf/maps.h>
#include <bpf/bpf_endian.h>

#define IPPROTO_TCP 6
#define TCP_FIN     0x01
#define TCP_RST     0x04

struct segment {
	__u32 seq;
	__u32 ack;
	__u32 off; /* of the payload in the packet */
	__u32 len; /* of the payload */
	__u32 fin; /* FIN or RST: no more will come */
};

struct tcp_head {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__be32 ack;
	__u8 doff;
	__u8 flags;
};

/* 0 if the packet is a TCP segment that could be read. Extension headers are not followed. */
static __always_inline int segment_read(struct __sk_buff *skb, struct segment *s)
{
	struct tcp_head tcp;
	__u32 ip, head;
	__u8 first, proto;

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return -1;
	ip = (first >> 4) == 4 ? (first & 15) * 4 : 40;
	if (bpf_skb_load_bytes(skb, (first >> 4) == 4 ? 9 : 6, &proto, 1) || proto != IPPROTO_TCP)
		return -1;
	if (bpf_skb_load_bytes(skb, ip, &tcp, 14))
		return -1;
	head = ip + (tcp.doff >> 4) * 4;
	if (skb->len < head)
		return -1;
	s->seq = bpf_ntohl(tcp.seq);
	s->ack = bpf_ntohl(tcp.ack);
	s->off = head;
	s->len = skb->len - head;
	s->fin = tcp.flags & (TCP_FIN | TCP_RST);
	return 0;
}

#endif
