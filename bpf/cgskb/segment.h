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

/* Most packets are nobody's: told by one bit, before any helper is called. The socket must be there. */
static __always_inline int peer_may_be_origin(const struct __sk_buff *skb, const struct zs_ctl *ctl)
{
	return ctl->ports >> ZS_PORT_BIT(bpf_ntohl(skb->remote_port)) & 1;
}

struct tcp_head {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__be32 ack;
	__u8 doff;
	__u8 flags;
};

/* What `tcp` says of the segment, whose header begins at `at`. 0, or -1. */
static __always_inline int segment_set(struct segment *s, const struct tcp_head *tcp, __u32 at, __u32 packet)
{
	__u32 head = at + (tcp->doff >> 4) * 4;

	if (packet < head)
		return -1;
	s->seq = bpf_ntohl(tcp->seq);
	s->ack = bpf_ntohl(tcp->ack);
	s->off = head;
	s->len = packet - head;
	s->fin = tcp->flags & (TCP_FIN | TCP_RST);
	return 0;
}

/* Headers that are not in one piece, or have options. */
static __always_inline int segment_load(struct __sk_buff *skb, struct segment *s)
{
	struct tcp_head tcp;
	__u8 first, proto;
	__u32 ip;

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return -1;
	ip = (first >> 4) == 4 ? (first & 15) * 4 : 40;
	if (bpf_skb_load_bytes(skb, (first >> 4) == 4 ? 9 : 6, &proto, 1) || proto != IPPROTO_TCP)
		return -1;
	if (bpf_skb_load_bytes(skb, ip, &tcp, 14))
		return -1;
	return segment_set(s, &tcp, ip, skb->len);
}

/* 0 if the packet is a TCP segment that could be read. Extension headers are not followed. */
static __always_inline int segment_read(struct __sk_buff *skb, struct segment *s)
{
	__u8 *ip = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;

	if (ip + 60 <= end && ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP)
		return segment_set(s, (struct tcp_head *)(ip + 40), 40, skb->len);
	if (ip + 40 <= end && ip[0] == 0x45 && ip[9] == IPPROTO_TCP)
		return segment_set(s, (struct tcp_head *)(ip + 20), 20, skb->len);
	return segment_load(skb, s);
}

#endif
