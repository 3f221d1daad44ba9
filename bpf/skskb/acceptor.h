/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs of an acceptor share: its state, its socket as the kernel has it, and whose context they run in. */
#ifndef ZS_SKSKB_ACCEPTOR_H
#define ZS_SKSKB_ACCEPTOR_H

#include <zs/accept.h>
#include <zs/bpf/maps.h>

#define TCP_ESTABLISHED 1
#define PF_WQ_WORKER    0x20

/* Members of the kernel's structs, found at load through BTF. */
struct sock_common {
	volatile unsigned char skc_state;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	int sk_sndbuf;
	int sk_wmem_queued;
	unsigned int sk_gso_max_size;
} __attribute__((preserve_access_index));

struct inet_sock {
	struct sock sk;
} __attribute__((preserve_access_index));

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 copied_seq;
	__u32 write_seq;
	__u32 rcv_nxt;
	__u32 max_window;
	__u32 mss_cache;
} __attribute__((preserve_access_index));

struct task_struct {
	unsigned int flags;
} __attribute__((preserve_access_index));

static __always_inline struct zs_accept *accept_get(__u64 cookie)
{
	return bpf_map_lookup_elem(&zs_accepted, &cookie);
}

/* [A4] A workqueue's thread: it sends what the gate redirected, and nothing else. No process of a user's has the flag. */
static __always_inline int is_worker(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return task && (task->flags & PF_WQ_WORKER);
}

/* [A9] Caddy's configuration may have changed unseen, and with it who may be answered. */
static __always_inline int unjudged(const struct zs_ctl *ctl, __u64 now)
{
	return now >= ctl->judged + ZS_JUDGED_NS;
}

static __always_inline int room_for(const struct tcp_sock *tp, __u32 len)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	struct zs_room room = {
		.queued = sk->sk_wmem_queued,
		.limit = sk->sk_sndbuf,
		.gso = sk->sk_gso_max_size,
		.max_window = tp->max_window,
		.mss = tp->mss_cache,
	};

	return zs_room_for(&room, len);
}

static __always_inline void accept_passive(struct zs_accept *a)
{
	if (a->state != ZS_FRAME_PASSIVE)
		zs_count(ZS_COUNT_passive);
	zs_accept_passive(a);
}

/* What the response to a request voids that is certainly no error (RFC 9111 4.4). */
static __always_inline void accept_void(__u32 voids, struct zs_ctl *ctl)
{
	__u32 bucket = (voids - 1) & (ZS_GENERATIONS - 1);
	__u64 *generation;

	if (!voids)
		return;
	zs_count(ZS_COUNT_invalidated);
	if (voids == ZS_UNSAFE_ANY) {
		__sync_fetch_and_add(&ctl->flush, 1);
		return;
	}
	generation = bpf_map_lookup_elem(&zs_gens, &bucket);
	if (generation)
		__sync_fetch_and_add(generation, 1);
}

#endif
