/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a message to a recognised request in the work space. Each step is a global function: the
 * verifier checks it once, for every work space and length, and not once per path that leads to it.
 */
#ifndef ZS_SKMSG_RECOGNISE_H
#define ZS_SKMSG_RECOGNISE_H

#include "work.h"

static __always_inline struct zs_tables *tables_get(const struct zs_work *w)
{
	__u32 half = w ? w->half & 1 : 0;

	return bpf_map_lookup_elem(&zs_tables, &half);
}

/* One step of copying; see zs_u64_unaligned for why it is not declared unaligned. */
struct words8 {
	__u64 w[8];
};

/* By way of pointers of that type: clang looks through a cast at the place of use, sees bytes, and copies bytes. */
static __always_inline void words8_copy(void *to, const void *from)
{
	const struct words8 *f = from;
	struct words8 *t = to;

	*t = *f;
}

/* The value by way of memory, which the verifier does not follow: it would go through what comes next once
 * for every way out of the loop before. At most twice ZS_HEAD_MAX. */
static __always_inline __u32 opaque(struct zs_work *w, __u32 value)
{
	*(volatile __u32 *)&w->copied = value;
	return *(volatile __u32 *)&w->copied & (2 * ZS_HEAD_MAX - 1);
}

/*
 * Copies the message from offset `from` on, at most ZS_HEAD_MAX bytes, to request.head. The bytes are looked
 * at only in the copy: a message whose pages somebody may still write (sendfile before 6.5) cannot change
 * under the recogniser. Returns the number of bytes, 0 if they cannot be seen.
 */
ZS_SHARED int zs_head_copy(struct sk_msg_md *msg, __u32 id, __u32 from)
{
	struct zs_work *w = work_get(id);
	__u32 size = msg->size, off = 0;
	void *data, *end;

	if (!w || msg->data == msg->data_end || from >= size)
		return 0;
	size -= from;
	if (size > ZS_HEAD_MAX)
		size = ZS_HEAD_MAX;
	if ((from || msg->data_end - msg->data < size) && bpf_msg_pull_data(msg, from, from + size, 0))
		return 0;
	data = msg->data;
	end = msg->data_end;
	for (int i = 0; i < ZS_HEAD_MAX / 64; i++, off += 64) {
		if (data + off + 64 > end)
			break;
		words8_copy(&w->request.head[off & (ZS_HEAD_MAX - 1)], data + off);
	}
	off = opaque(w, off);
	for (int i = 0; i < 7; i++, off += 8) {
		if (off > ZS_HEAD_MAX - 8 || data + off + 8 > end)
			break;
		*(zs_u64_unaligned *)&w->request.head[off & (ZS_HEAD_MAX - 1)] =
			*(zs_u64_unaligned *)(data + off);
	}
	off = opaque(w, off);
	for (int i = 0; i < 7; i++, off++) {
		if (off >= ZS_HEAD_MAX || data + off + 1 > end)
			break;
		w->request.head[off & (ZS_HEAD_MAX - 1)] = *(__u8 *)(data + off);
	}
	return off < size ? off : size;
}

ZS_SHARED int zs_head_target(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t)
		return 0;
	return zs_scan_target(&w->request, t);
}

/* zs_scan_first(), the target step by step. */
ZS_SHARED int zs_head_first(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);
	int scan;

	if (!w || !t)
		return ZS_SCAN_BAD;
	scan = zs_scan_method(&w->request, t);
	if (scan != ZS_SCAN_OK)
		return scan;
	for (__u32 n = 0; n < ZS_HEAD_MAX / ZS_SCAN_STEP; n++)
		if (!zs_head_target(id))
			break;
	return zs_scan_version(&w->request, t);
}

ZS_SHARED int zs_head_field(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t)
		return ZS_SCAN_BAD;
	return zs_scan_field(&w->request, t);
}

/* zs_request_scan(), line by line. */
ZS_SHARED int zs_head_scan(__u32 id, __u32 len)
{
	struct zs_work *w = work_get(id);
	int scan;

	if (!w)
		return ZS_SCAN_BAD;
	zs_scan_begin(&w->request, len);
	scan = zs_head_first(id);
	for (__u32 n = 0; n < ZS_LINES_MAX; n++) {
		if (scan != ZS_SCAN_OK || w->request.head_len)
			break;
		scan = zs_head_field(id);
	}
	return scan;
}

ZS_SHARED int zs_head_fields(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t)
		return -1;
	zs_request_fields(&w->request, t);
	return 0;
}

ZS_SHARED int zs_head_framing(__u32 id)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return -1;
	zs_request_framing(&w->request);
	return 0;
}

ZS_SHARED int zs_head_direct(__u32 id, __u32 slot)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return -1;
	zs_request_directives(&w->request, slot & (ZS_SLOTS - 1));
	return 0;
}

ZS_SHARED int zs_head_codings(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t)
		return -1;
	zs_request_codings(&w->request, t);
	return 0;
}

ZS_SHARED int zs_head_authority(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t)
		return -1;
	zs_request_authority(&w->request, t);
	return 0;
}

ZS_SHARED int zs_head_conditions(__u32 id)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return -1;
	zs_request_conditions(&w->request);
	return 0;
}

/* What zs_request_settle() does after the framing, in the parts that the verifier likes to see alone. Only
 * for requests that may be answered so far: it can only say no. */
static __always_inline int head_values(__u32 id)
{
	return zs_head_direct(id, ZS_SLOT_CC) ||
	       zs_head_direct(id, ZS_SLOT_PRAGMA) || zs_head_codings(id) || zs_head_authority(id) ||
	       zs_head_conditions(id);
}

ZS_SHARED int zs_key_name(__u32 id, __u32 part)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return -1;
	zs_key_put_name(&w->event.key, &w->request, part);
	return 0;
}

ZS_SHARED int zs_key_raw(__u32 id)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return -1;
	zs_key_put_target(&w->event.key, &w->request);
	return 0;
}

/* The first half of the digest, which is also the bucket. */
ZS_SHARED int zs_key_target(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	struct zs_sip s;

	if (!w || !ctl)
		return -1;
	zs_sip_init(&s, ctl->seed[0], ctl->seed[1]);
	zs_key_hash_target(&s, &w->event.key);
	w->sip = s;
	return 0;
}

ZS_SHARED int zs_key_rest(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_sip s;

	if (!w)
		return -1;
	s = w->sip;
	w->bucket = (__u32)zs_sip_end(s) & (ZS_GENERATIONS - 1);
	zs_key_hash_rest(&s, &w->event.key);
	w->digest = zs_sip_end(s);
	w->key_len = zs_key_len(&w->event.key);
	return 0;
}

#endif
