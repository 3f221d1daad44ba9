// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which accepted connections are followed: those of Caddy's cgroup whose local address is a listener with the remote
 * lane. Their state lives from here until the socket closes.
 */
#include "../skskb/acceptor.h"
#include "listener.h"

char LICENSE[] SEC("license") = "GPL";

extern const volatile __u32 zs_netns_cookies; /* bpf/sockops/enrol.bpf.c */

/* IPv4, IPv6 and v4-mapped addresses become one form. */
static __always_inline int listener_key(struct bpf_sock_ops *ops, struct zs_origin_key *key)
{
	__u32 *addr = (__u32 *)key->addr, word;

	__builtin_memset(key, 0, sizeof(*key));
	if (ops->family == 2 /* AF_INET */) {
		addr[2] = bpf_htonl(0xffff);
		word = ops->local_ip4;
		zs_pin(word); /* or the compiler joins it with the load below, through a computed address */
		addr[3] = word;
	} else if (ops->family == 10 /* AF_INET6 */) {
		addr[0] = ops->local_ip6[0];
		addr[1] = ops->local_ip6[1];
		addr[2] = ops->local_ip6[2];
		addr[3] = ops->local_ip6[3];
	} else {
		return 0;
	}
	key->port = ops->local_port;
	if (zs_netns_cookies)
		key->netns = bpf_get_netns_cookie(ops);
	return 1;
}

/* The address itself, or any address with the port. */
static __always_inline struct zs_listener *listener_find(struct bpf_sock_ops *ops)
{
	struct zs_origin_key key;
	struct zs_listener *l;

	if (!listener_key(ops, &key))
		return NULL;
	l = bpf_map_lookup_elem(&zs_listeners, &key);
	if (l)
		return l;
	return listener_wildcard(&key);
}

/* 0: a connection of this host with itself, as its dialer's program will look it up. Each word is pinned, or the compiler
 * joins loads that the verifier wants apart. */
static __always_inline int pair_key(struct bpf_sock_ops *ops, struct zs_pair_key *pair)
{
	__u32 *addr = (__u32 *)pair->addr, *local, a = 0, b = 0, c = bpf_htonl(0xffff), d;
	struct zs_origin_key key;

	if (!listener_key(ops, &key))
		return -1;
	local = (__u32 *)key.addr;
	if (ops->family == 2 /* AF_INET */) {
		d = ops->remote_ip4;
		zs_pin(d);
	} else {
		a = ops->remote_ip6[0];
		zs_pin(a);
		b = ops->remote_ip6[1];
		zs_pin(b);
		c = ops->remote_ip6[2];
		zs_pin(c);
		d = ops->remote_ip6[3];
		zs_pin(d);
	}
	if (a != local[0] || b != local[1] || c != local[2] || d != local[3])
		return -1;
	addr[0] = a;
	addr[1] = b;
	addr[2] = c;
	addr[3] = d;
	pair->netns = key.netns;
	pair->listener = key.port;
	pair->dialer = bpf_ntohl(ops->remote_port); /* network order, in the word's high half */
	return 0;
}

static __always_inline void pair_begin(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct zs_pair_key pair = {0};

	if (!pair_key(ops, &pair))
		bpf_map_update_elem(&zs_pairs, &pair, &cookie, BPF_ANY);
}

static __always_inline void pair_end(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct zs_pair_key pair = {0};
	__u64 *there;

	if (pair_key(ops, &pair))
		return;
	there = bpf_map_lookup_elem(&zs_pairs, &pair);
	if (there && *there == cookie)
		bpf_map_delete_elem(&zs_pairs, &pair);
}

static __always_inline int accept_begin(struct bpf_sock_ops *ops, struct bpf_sock *sk, const struct zs_listener *l)
{
	__u64 cookie = bpf_get_socket_cookie(ops);
	struct zs_accept_id *id = bpf_sk_storage_get(&zs_accept_ids, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct zs_accept a = {.cookie = cookie, .origin = l->origin, .pass_after = l->pass_after,
			      .wary = !(l->flags & ZS_LISTENER_FIRST)};

	if (!id)
		return -1;
	id->cookie = cookie;
	a.read_at = bpf_ktime_get_boot_ns();
	a.next_read = ops->rcv_nxt;
	a.received = a.next_read;
	a.next_write = ops->snd_nxt;
	a.state = ops->data_segs_out ? ZS_FRAME_PASSIVE : ZS_FRAME_HEAD; /* data that went out with the SYN: unseen */
	if (bpf_map_update_elem(&zs_accepted, &cookie, &a, BPF_ANY))
		return -1;
	if (bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG) ||
	    bpf_sock_hash_update(ops, &zs_accepts, &cookie, BPF_NOEXIST)) {
		bpf_map_delete_elem(&zs_accepted, &cookie);
		return -1;
	}
	if (l->flags & ZS_LISTENER_LOCAL)
		pair_begin(ops, cookie);
	return 0;
}

static __always_inline void established(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct zs_listener *l;

	if (!sk)
		return;
	l = listener_find(ops);
	if (!l || !(l->flags & ZS_LISTENER_REMOTE))
		return;
	zs_count(accept_begin(ops, sk, l) ? ZS_COUNT_not_accepted : ZS_COUNT_accepted);
}

/* An unsafe request without a response when the connection ends is taken to have succeeded. */
static __always_inline void closed(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops);
	struct zs_accept *a = accept_get(cookie);
	struct zs_ctl *ctl = zs_ctl_get();

	if (!a)
		return;
	if (ctl && a->unsafe)
		accept_void(ZS_UNSAFE_ANY, ctl);
	for (__u32 n = 0; ctl && n < ZS_OWED_MAX; n++) {
		if (n >= a->owed || a->state == ZS_FRAME_PASSIVE)
			break;
		accept_void(a->owing[(a->first + n) & (ZS_OWED_MAX - 1)].voids, ctl);
	}
	bpf_map_delete_elem(&zs_accepted, &cookie);
	pair_end(ops, cookie);
}

SEC("sockops")
int zs_accept(struct bpf_sock_ops *ops)
{
	if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		established(ops);
	else if (ops->op == BPF_SOCK_OPS_STATE_CB && ops->args[1] == BPF_TCP_CLOSE)
		closed(ops);
	return 1;
}
