// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Enrolment: an active connection from Caddy's cgroup to a configured origin gets its state and enters
 * the sockhash. Nobody else's connection is touched.
 */
#include <zs/bpf/maps.h>
#include "listener.h"

char LICENSE[] SEC("license") = "GPL";

/* bpf_get_netns_cookie() came to sockops with 5.15; the loader clears this where it is missing, and the
 * verifier then never sees the call. Can go when 5.15 is the floor. */
const volatile __u32 zs_netns_cookies = 1;

/* IPv4, IPv6 and v4-mapped peers become one form, so that one look-up serves all. */
static __always_inline int origin_key(struct bpf_sock_ops *ops, struct zs_origin_key *key)
{
	__u32 *addr = (__u32 *)key->addr, word;

	__builtin_memset(key, 0, sizeof(*key));
	if (ops->family == 2 /* AF_INET */) {
		addr[2] = bpf_htonl(0xffff);
		word = ops->remote_ip4;
		zs_pin(word); /* or the compiler joins it with the load below, through a computed address */
		addr[3] = word;
	} else if (ops->family == 10 /* AF_INET6 */) {
		addr[0] = ops->remote_ip6[0];
		addr[1] = ops->remote_ip6[1];
		addr[2] = ops->remote_ip6[2];
		addr[3] = ops->remote_ip6[3];
	} else {
		return 0;
	}
	key->port = bpf_ntohl(ops->remote_port); /* network order, in the word's high half */
	if (zs_netns_cookies)
		key->netns = bpf_get_netns_cookie(ops);
	return 1;
}

#define SAMPLE_NS 10000000000ull /* a cold origin gets one connection enrolled in this time at least */

/* Membership in a sockhash costs every message of a connection something. An origin of which nothing can be
 * stored is followed by samples: a random part of its new connections, and the first one after a while. */
static __always_inline int worth_it(__u32 origin)
{
	struct zs_warmth *w = zs_warmth_get(origin);
	__u64 now;

	if (!w || !w->cold)
		return 1;
	now = bpf_ktime_get_boot_ns();
	if (bpf_get_prandom_u32() % ZS_SAMPLE && now - w->sampled < SAMPLE_NS)
		return 0;
	w->sampled = now;
	return 1;
}

/* The watcher looks at it from now on. */
static __always_inline void unfollow(struct bpf_sock_ops *ops, struct zs_conn *conn)
{
	conn->turn_rcv = ops->rcv_nxt - 1; /* nothing is outstanding */
	conn->state = ops->data_segs_out ? ZS_FRAME_TUNNEL : ZS_FRAME_HEAD;
	conn->unfollowed = 1;
	conn->local = 0;
	zs_warmth_unfollowed(conn->origin);
}

static __always_inline void enrol(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct zs_ctl *ctl = zs_ctl_get();
	struct zs_origin_key key;
	struct zs_origin *origin;
	struct zs_conn *conn;
	__u64 cookie;

	if (!sk || !ctl || !origin_key(ops, &key))
		return;
	origin = bpf_map_lookup_elem(&zs_origins, &key);
	if (!origin)
		return;
	cookie = bpf_get_socket_cookie(ops);
	conn = bpf_sk_storage_get(&zs_conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!conn) {
		zs_count(ZS_COUNT_not_enrolled);
		return;
	}
	conn->cookie = cookie;
	conn->origin = origin->id;
	conn->epoch = ctl->epoch;
	conn->next_write = ops->snd_nxt;
	if (!conn->local && !worth_it(origin->id)) {
		unfollow(ops, conn);
		return;
	}
	conn->unfollowed = 0;
	conn->local = 0;
	conn->state = ops->data_segs_out ? ZS_FRAME_PASSIVE : ZS_FRAME_HEAD; /* data that went out with the SYN: unseen */
	if (bpf_sock_hash_update(ops, &zs_socks, &cookie, BPF_ANY)) { /* zs_enrol_local may have come first */
		zs_count(ZS_COUNT_not_enrolled);
		unfollow(ops, conn);
		return;
	}
	zs_count(ZS_COUNT_enrolled);
}

/* The listener that this address is one of: its own, or any address of this host's. A connection whose two addresses are
 * the same stays on this host. */
static __always_inline struct zs_listener *listener_dialled(struct bpf_sock_ops *ops)
{
	struct zs_origin_key key;
	__u32 *addr = (__u32 *)key.addr, here;
	struct zs_listener *l;
	int same;

	if (!origin_key(ops, &key))
		return NULL;
	if (ops->family == 2 /* AF_INET */) {
		here = ops->local_ip4;
		zs_pin(here);
		same = here == addr[3];
	} else {
		here = ops->local_ip6[0];
		zs_pin(here); /* or the compiler joins loads that the verifier wants apart */
		same = here == addr[0];
		here = ops->local_ip6[1];
		zs_pin(here);
		same &= here == addr[1];
		here = ops->local_ip6[2];
		zs_pin(here);
		same &= here == addr[2];
		here = ops->local_ip6[3];
		zs_pin(here);
		same &= here == addr[3];
	}
	if (!same)
		return NULL;
	l = bpf_map_lookup_elem(&zs_listeners, &key);
	return l ? l : listener_wildcard(&key);
}

/* Nothing is kept of it but what zs_local needs: the acceptor's programs frame both directions. A connection of Caddy's to
 * an origin stays that, should the dialers' cgroup hold Caddy's: zs_local would void nothing of what is stored of the origin. */
static __always_inline void enrol_local(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct zs_listener *l;
	struct zs_conn *conn;
	__u64 cookie;

	if (!sk)
		return;
	l = listener_dialled(ops);
	if (!l || !(l->flags & ZS_LISTENER_LOCAL) || bpf_sk_storage_get(&zs_conns, sk, 0, 0)) /* zs_enrol's own */
		return;
	cookie = bpf_get_socket_cookie(ops);
	conn = bpf_sk_storage_get(&zs_conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (conn) {
		conn->cookie = cookie;
		conn->origin = l->origin;
		conn->local = 1;
	}
	zs_count(conn && !bpf_sock_hash_update(ops, &zs_socks, &cookie, BPF_NOEXIST) ? ZS_COUNT_enrolled : ZS_COUNT_not_enrolled);
}

/* On the cgroups of processes that dial Caddy. */
SEC("sockops")
int zs_enrol_local(struct bpf_sock_ops *ops)
{
	if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		enrol_local(ops);
	return 1;
}

SEC("sockops")
int zs_enrol(struct bpf_sock_ops *ops)
{
	if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		enrol(ops);
	return 1;
}
