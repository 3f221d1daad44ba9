/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the kern tests: a TCP segment from the acceptor to the dialer of an IPv4 pair that the
 * acceptor's kernel never sent, or sent once already. Include it after kern_world.h.
 */
#ifndef ZS_TEST_KERN_FORGE_H
#define ZS_TEST_KERN_FORGE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

/* What the dialer program knows of the connection. */
static inline void forge_conn(int dialer, struct zs_conn *conn)
{
	int conns = kern.rig.maps.fd[ZS_MAP_conns];

	assert_int_equal(bpf_map_lookup_elem(conns, &dialer, conn), 0);
}

/* RFC 1071, over the pseudo header and the segment; len even or followed by a zero. */
static inline uint16_t forge_sum(const struct tcphdr *tcp, size_t len)
{
	const uint16_t *word = (const uint16_t *)tcp;
	uint32_t sum = htons(IPPROTO_TCP) + htons((uint16_t)len) + 2 * (htons(0x7f00) + htons(1));

	for (size_t i = 0; i < (len + 1) / 2; i++)
		sum += word[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static inline void forge_segment(int dialer, uint32_t seq, uint32_t ack, const void *data,
				 size_t len)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
		uint8_t data[2048];
	} p = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP}};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   local;
	socklen_t size = sizeof(local);
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	size_t all = sizeof(p.ip) + sizeof(p.tcp) + len;

	assert_true(fd >= 0 && len < sizeof(p.data));
	assert_int_equal(getsockname(dialer, (struct sockaddr *)&local, &size), 0);
	p.ip.saddr = p.ip.daddr = to.sin_addr.s_addr;
	p.ip.tot_len = htons((uint16_t)all);
	p.tcp.source = htons(kern.rig.port);
	p.tcp.dest = local.sin_port;
	p.tcp.seq = htonl(seq);
	p.tcp.ack_seq = htonl(ack);
	p.tcp.doff = 5;
	p.tcp.ack = p.tcp.psh = 1;
	p.tcp.window = htons(500);
	memcpy(p.data, data, len);
	p.tcp.check = forge_sum(&p.tcp, sizeof(p.tcp) + len);
	assert_int_equal(sendto(fd, &p, all, 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)all);
	close(fd);
	usleep(2000);
}

#endif
