// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The program of a process that dials Caddy on this host: answers a request at its own sendmsg. It knows nothing of the
 * connection itself; the programs of the other end, the acceptor, frame both directions.
 *
 * [A8] A hit is answered here only when the acceptor's programs have framed every byte that was sent, owe nothing, and
 *      every byte that they framed of the server's was received and read. So nothing is on its way in either
 *      direction, whatever the process does: it may pipeline as it likes.
 */
#include "../skskb/acceptor.h"
#include "answer.h"
#include "keying.h"
#include <bpf/bpf_endian.h>

char LICENSE[] SEC("license") = "GPL";

extern const volatile __u32 zs_netns_cookies; /* bpf/sockops/enrol.bpf.c */

/* The acceptor's sockops may run after the first message: then that passes, and the next one looks again. */
static __always_inline struct zs_accept *acceptor_get(struct sk_msg_md *msg, struct zs_conn *c)
{
	struct zs_pair_key pair = {0};
	__u32 *addr = (__u32 *)pair.addr, word;
	__u64 *cookie;

	if (c->acceptor)
		return accept_get(c->acceptor);
	if (msg->family == 2 /* AF_INET */) {
		addr[2] = bpf_htonl(0xffff);
		word = msg->local_ip4;
		zs_pin(word);
		addr[3] = word;
	} else {
		addr[0] = msg->local_ip6[0];
		addr[1] = msg->local_ip6[1];
		addr[2] = msg->local_ip6[2];
		addr[3] = msg->local_ip6[3];
	}
	if (zs_netns_cookies)
		pair.netns = bpf_get_netns_cookie(msg);
	pair.dialer = msg->local_port;
	pair.listener = bpf_ntohl(msg->remote_port); /* network order, in the word's high half */
	cookie = bpf_map_lookup_elem(&zs_pairs, &pair);
	if (!cookie)
		return NULL;
	c->acceptor = *cookie;
	return accept_get(c->acceptor);
}

/*
 * [A8] The other end's programs may be running on another CPU. `framed` is the last that the gate writes, so it is read
 * first: behind it, all that was owed for these bytes is seen. next_write is the first that the sending side writes, so
 * it is read last. x86 keeps both orders; the volatile accesses keep the compiler from changing them.
 */
static __always_inline int is_idle(const struct zs_accept *a, const struct tcp_sock *tp)
{
	const volatile struct zs_accept *v = a;

	if (v->framed != tp->write_seq || v->pending.stage == ZS_PENDING_GATED || v->state != ZS_FRAME_HEAD || v->owed ||
	    v->reply != ZS_REPLY_HEAD)
		return 0;
	return v->next_write == tp->rcv_nxt && tp->copied_seq == tp->rcv_nxt;
}

/* 1: the message is exactly one request that may be answered, and its key is in the work space. */
static __always_inline int recognise(struct sk_msg_md *msg, struct zs_work *w, __u32 id, __u32 origin)
{
	int scan = zs_head_scan(id, zs_head_copy(msg, id, 0));

	if (zs_head_fields(id) || zs_head_framing(id))
		return 0;
	if (!w->scopes)
		zs_request_class(&w->request, 0);
	if (scan != ZS_SCAN_OK || w->request.head_len != msg->size || !zs_request_answerable(&w->request))
		return 0;
	return !head_values(id) && zs_request_answerable(&w->request) && !head_key(w, id, origin) &&
	       zs_request_answerable(&w->request);
}

/* The server believes a connection idle on which it reads nothing. */
static __always_inline int is_due(const struct zs_accept *a, __u64 now)
{
	return a->pass_after && now - a->read_at >= a->pass_after * NS_PER_S;
}

static __always_inline void answer(struct sk_msg_md *msg, struct zs_conn *c, const struct zs_accept *a, struct zs_work *w,
				   __u32 id)
{
	int validated = 0;

	w->event.ev.time = bpf_ktime_get_boot_ns();
	if (zs_lookup(id) != ZS_USABLE_YES)
		return;
	if (is_due(a, w->event.ev.time)) {
		zs_count(ZS_COUNT_passed_up);
		return;
	}
	if (w->request.flags & ZS_REQ_COND)
		validated = zs_validate(id);
	if (validated < 0 || zs_answer(msg, id, c->cookie, validated, ZS_LANE_CLIENT_DIALER))
		zs_count(ZS_COUNT_unanswered);
	else
		zs_count(ZS_COUNT_local_hits);
}

SEC("sk_msg")
int zs_local(struct sk_msg_md *msg)
{
	struct zs_ctl *ctl = zs_ctl_get();
	struct bpf_sock *sk = msg->sk;
	struct zs_accept *a;
	struct tcp_sock *tp;
	struct zs_conn *c;
	struct zs_work *w;
	__u32 id;

	if (!sk || !ctl || ctl->paused || ctl->pressure || !ctl->stored || unjudged(ctl, bpf_ktime_get_boot_ns()))
		return SK_PASS;
	c = bpf_sk_storage_get(&zs_conns, sk, 0, 0);
	if (!c)
		return SK_PASS;
	a = acceptor_get(msg, c);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!a || !tp || !is_idle(a, tp))
		return SK_PASS;
	id = work_take();
	w = work_get(id);
	if (!w)
		return SK_PASS;
	w->half = ctl->tables & 1;
	w->scopes = ctl->scopes;
	w->vary = ctl->vary;
	if (recognise(msg, w, id, c->origin))
		answer(msg, c, a, w, id);
	work_give(w);
	return SK_PASS;
}
