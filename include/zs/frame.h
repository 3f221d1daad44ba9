/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the messages of a dialer's stream begin and end. Pure. An attacker chooses request bodies, and a
 * body may look like a request: nothing is recognised but at a place that is certainly a message's start.
 *
 * [I1] A byte is looked at as the start of a request only if every byte sent before it on the connection
 *      was counted, and belongs to complete earlier requests.
 * [I2] A connection of which [I1] cannot be shown is passive, and stays passive.
 */
#ifndef ZS_FRAME_H
#define ZS_FRAME_H

#include <zs/request.h>

/* Accounts for a message that begins inside a body, or on a passive connection. Returns 1 if the message
 * begins a request instead, and nothing was accounted. */
zs_inline int zs_frame_begins_request(struct zs_conn *c, __u32 msg_len)
{
	if (c->state == ZS_FRAME_HEAD)
		return 1;
	if (c->state != ZS_FRAME_BODY)
		return 0;
	if (msg_len > c->body_left) {
		c->state = ZS_FRAME_PASSIVE; /* more than the body: pipelined */
		return 0;
	}
	c->body_left -= msg_len;
	if (!c->body_left)
		c->state = ZS_FRAME_HEAD;
	return 0;
}

/* Accounts for a message that begins with the scanned head `r` and passes on natively. A head that is
 * not complete in one message, or not strict, makes the connection passive. */
zs_inline void zs_frame_request(struct zs_conn *c, const struct zs_request *r, enum zs_scan scan,
				__u32 msg_len)
{
	__u64 behind;

	if (scan != ZS_SCAN_OK || (r->flags & ZS_REQ_PASSIVE) || r->head_len > msg_len) {
		c->state = ZS_FRAME_PASSIVE;
		return;
	}
	behind = msg_len - r->head_len;
	if (behind > r->content_length) {
		c->state = ZS_FRAME_PASSIVE;
		return;
	}
	c->body_left = r->content_length - behind;
	c->state = c->body_left ? ZS_FRAME_BODY : ZS_FRAME_HEAD;
}

#endif
