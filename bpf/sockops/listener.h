/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listeners of Caddy's that take connections to any address. */
#ifndef ZS_SOCKOPS_LISTENER_H
#define ZS_SOCKOPS_LISTENER_H

#include <zs/bpf/maps.h>
#include <bpf/bpf_endian.h>

/* The listener on any address with the key's port: of IPv4 alone, if the key's address is one, or of both. The key's
 * address is overwritten. */
static __always_inline struct zs_listener *listener_wildcard(struct zs_origin_key *key)
{
	__u32 *addr = (__u32 *)key->addr;
	struct zs_listener *l = NULL;

	if (!addr[0] && !addr[1] && addr[2] == bpf_htonl(0xffff)) {
		addr[3] = 0;
		l = bpf_map_lookup_elem(&zs_listeners, key);
	}
	if (l)
		return l;
	__builtin_memset(key->addr, 0, sizeof(key->addr));
	return bpf_map_lookup_elem(&zs_listeners, key);
}

#endif
