/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an acceptor owes, and when a hit may be answered on it. Pure: the state machine that the gate (requests) and the
 * sk_msg program (responses) share. Both run under the socket's lock, so what they read is of one moment.
 *
 * [A1] A hit is answered only when zs_accept_idle(): every byte received was seen here and belongs to complete requests,
 *      every one of them has had its complete response, and what the socket has queued is exactly what was counted.
 * [A5] A connection that is not understood is passive for good: zs_accept_passive().
 */
#ifndef ZS_ACCEPT_H
#define ZS_ACCEPT_H

#include <zs/frame.h>
#include <zs/respond.h>

zs_inline struct zs_owed *zs_accept_oldest(struct zs_accept *a)
{
	return &a->owing[a->first & (ZS_OWED_MAX - 1)];
}

/* A request goes to the server. -1: more are outstanding than are counted. */
zs_inline int zs_accept_push(struct zs_accept *a, __u32 voids, __u32 flags)
{
	struct zs_owed *o;

	if (a->owed >= ZS_OWED_MAX)
		return -1;
	o = &a->owing[(a->first + a->owed) & (ZS_OWED_MAX - 1)];
	o->voids = voids;
	o->flags = flags;
	a->owed++;
	return 0;
}

/* A hit goes to the server after all: when it was noted nothing was owed, and what is owed now came behind it. */
zs_inline int zs_accept_push_first(struct zs_accept *a, __u32 flags)
{
	struct zs_owed *o;

	if (a->owed >= ZS_OWED_MAX)
		return -1;
	a->first--;
	a->owed++;
	o = zs_accept_oldest(a);
	o->voids = 0;
	o->flags = flags;
	return 0;
}

/* The oldest one has had its whole response. */
zs_inline void zs_accept_pop(struct zs_accept *a)
{
	a->first++;
	a->owed--;
	a->reply = ZS_REPLY_HEAD;
}

/* Marks an unsafe request on a passive connection. Two before a response cannot be told apart: 2, for good. */
zs_inline void zs_accept_mark(struct zs_accept *a)
{
	a->unsafe = a->unsafe ? 2 : 1;
}

/* On a passive connection `owed` is an estimate, too high rather than too low: what looked like requests, without what
 * looked like responses. A mark is taken back when nothing seems to be outstanding. */
zs_inline void zs_accept_ended(struct zs_accept *a)
{
	if (a->owed)
		a->owed--;
	if (!a->owed && a->unsafe == 1)
		a->unsafe = 0;
}

/* Nothing is answered on it any more. What of it was outstanding and unsafe is marked. */
zs_inline void zs_accept_passive(struct zs_accept *a)
{
	__u32 n;

	if (a->state == ZS_FRAME_PASSIVE)
		return;
	a->state = ZS_FRAME_PASSIVE;
	for (n = 0; n < ZS_OWED_MAX; n++)
		if (n < a->owed && a->owing[(a->first + n) & (ZS_OWED_MAX - 1)].voids)
			a->unsafe = a->owed > 1 ? 2 : 1;
}

/* Accounts for bytes within a request's body; returns how many of `len` belong to it. */
zs_inline __u32 zs_accept_body(struct zs_accept *a, __u32 len)
{
	__u32 take = a->body_left < len ? (__u32)a->body_left : len;

	a->body_left -= take;
	if (!a->body_left)
		a->state = ZS_FRAME_HEAD;
	return take;
}

/* Accounts for bytes within a response's body, or a chunk's data; returns how many of `len` belong to it. */
zs_inline __u32 zs_accept_reply(struct zs_accept *a, __u32 len)
{
	__u32 take = a->reply_left < len ? (__u32)a->reply_left : len;

	a->reply_left -= take;
	if (a->reply_left)
		return take;
	if (a->reply == ZS_REPLY_CHUNKED)
		a->step = ZS_CHUNK_CR;
	else
		zs_accept_pop(a);
	return take;
}

/*
 * Before the server's next message is looked at: what was queued may not be what was counted. After a send that took a
 * part only, the kernel does not run the program for the next one (v6.18 tcp_bpf_send_verdict leaves psock->eval). That
 * matters nothing within a body of known length, or a chunk's data: it ends where it ends. -1: it matters.
 */
zs_inline int zs_accept_sync(struct zs_accept *a, __u32 write_seq)
{
	__s32 gap = (__s32)(write_seq - a->next_write);
	int counted = a->reply == ZS_REPLY_BODY || (a->reply == ZS_REPLY_CHUNKED && a->step == ZS_CHUNK_DATA);

	if (!gap)
		return 0;
	if (!counted || (gap > 0 && (__u64)gap > a->reply_left))
		return -1;
	*(volatile __u32 *)&a->next_write = write_seq; /* first: bpf/skmsg/local.bpf.c */
	if (gap < 0)
		a->reply_left += (__u64)-(__s64)gap;
	else
		zs_accept_reply(a, (__u32)gap);
	return 0;
}

/* [A1] `read`: tcp_sock.rcv_nxt, `write_seq` its; the bytes at hand are seen already. */
zs_inline int zs_accept_idle(const struct zs_accept *a, __u32 rcv_nxt, __u32 write_seq)
{
	return a->state == ZS_FRAME_HEAD && !a->owed && a->reply == ZS_REPLY_HEAD && a->next_read == rcv_nxt &&
	       a->next_write == write_seq;
}

/* An answer on its way has gone out whole; what it left behind is cleared. */
zs_inline void zs_accept_settle(struct zs_accept *a, __u32 write_seq)
{
	if (a->pending.stage == ZS_PENDING_BEGUN && write_seq == a->next_write)
		a->pending.stage = ZS_PENDING_NONE;
}

/*
 * How many bytes of a chunk of the client's belong to the request that begins it, whose scanned head is `r`: it goes to
 * the server. 0: it was not understood, and the connection is passive.
 */
zs_inline __u32 zs_accept_request(struct zs_accept *a, const struct zs_request *r, enum zs_scan scan, __u32 voids,
				  __u32 len)
{
	__u32 flags = r->flags & ZS_REQ_HEAD ? ZS_OWED_HEAD : 0;

	if (scan != ZS_SCAN_OK || (r->flags & ZS_REQ_PASSIVE) || r->head_len > len || !r->head_len ||
	    zs_accept_push(a, voids, flags)) {
		zs_accept_passive(a);
		return 0;
	}
	a->body_left = r->content_length;
	if (!a->body_left)
		return r->head_len;
	a->state = ZS_FRAME_BODY;
	return r->head_len + zs_accept_body(a, len - r->head_len);
}

/* What follows from a response head for the connection. `r` as zs_respond_body() left it. */
zs_inline void zs_accept_respond(struct zs_accept *a, const struct zs_request *r, enum zs_respond body)
{
	switch (body) {
	case ZS_RESPOND_INTERIM:
		return;
	case ZS_RESPOND_NONE:
		zs_accept_pop(a);
		return;
	case ZS_RESPOND_LENGTH:
		a->reply = ZS_REPLY_BODY;
		a->reply_left = r->content_length;
		return;
	case ZS_RESPOND_CHUNKED:
		a->reply = ZS_REPLY_CHUNKED;
		a->reply_left = 0;
		a->step = ZS_CHUNK_SIZE;
		a->digits = 0;
		return;
	default:
		zs_accept_passive(a);
	}
}

/*
 * Whether TCP takes an answer of `len` bytes at once (v6.18 tcp_sendmsg_locked asks for room before each buffer that it
 * begins). One buffer always fits an empty queue; else there must be room for all, with what each costs in overhead.
 */
struct zs_room {
	__u32 queued;     /* sock.sk_wmem_queued */
	__u32 limit;      /* sock.sk_sndbuf */
	__u32 gso;        /* sock.sk_gso_max_size */
	__u32 max_window; /* tcp_sock.max_window */
	__u32 mss;        /* tcp_sock.mss_cache */
};

#define ZS_ROOM_OVERHEAD 2048u
#define ZS_ROOM_PAGES    65536u /* bytes of page fragments that one buffer takes */
zs_inline int zs_room_for(const struct zs_room *room, __u32 len)
{
	__u32 goal = room->max_window >> 1;

	if (goal > room->gso)
		goal = room->gso;
	goal = goal > 2 * room->mss ? goal - room->mss : room->mss;
	if (goal > ZS_ROOM_PAGES)
		goal = ZS_ROOM_PAGES;
	if (!goal || room->queued >= room->limit)
		return 0;
	if (!room->queued && len <= goal)
		return 1;
	return (__u64)room->queued + len + (len / goal + 2) * (__u64)ZS_ROOM_OVERHEAD <= room->limit;
}

#endif
