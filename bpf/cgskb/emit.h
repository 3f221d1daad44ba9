/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The payload of one recorded response, segment by segment, into the ring. */
#ifndef ZS_CGSKB_EMIT_H
#define ZS_CGSKB_EMIT_H

#include <zs/bpf/fails.h>
#include "segment.h"

static __always_inline __u64 wake(const struct zs_ctl *ctl)
{
	return ctl->awake ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP;
}

/* One recording, as it was when the segment came: the dialer may begin the next one meanwhile. */
struct recording {
	__u64 id;
	__u64 cookie;
	__u32 base;
};

static __always_inline void event_head(struct zs_event_data *ev, const struct recording *r, __u32 seq,
				       __u32 len, __u32 flags)
{
	ev->ev.kind = ZS_EVENT_DATA;
	ev->ev.len = sizeof(*ev) + len;
	ev->ev.cookie = r->cookie;
	ev->ev.record = r->id;
	ev->ev.time = bpf_ktime_get_boot_ns();
	ev->base = r->base;
	ev->seq = seq;
	ev->data_len = len;
	ev->flags = flags;
}

/* One event of a fixed size class, `len` bytes of payload in it: 5.10's ring reserves constants only. The
 * barrier keeps the checked length in one register, where the verifier can follow it. */
#define EMIT(size)                                                                                  \
	do {                                                                                        \
		struct zs_event_data *ev = bpf_ringbuf_reserve(&zs_events, sizeof(*ev) + (size), 0); \
		__u64 n = len;                                                                      \
                                                                                                    \
		if (!ev)                                                                            \
			return -1;                                                                  \
		event_head(ev, r, seq, len, flags);                                                 \
		asm volatile("" : "+r"(n));                                                         \
		if (n > 0 && n <= (size) && bpf_skb_load_bytes(skb, off, ev->data, n)) {            \
			bpf_ringbuf_discard(ev, BPF_RB_NO_WAKEUP);                                  \
			return -1;                                                                  \
		}                                                                                   \
		bpf_ringbuf_submit(ev, wake(ctl));                                                  \
		return 0;                                                                           \
	} while (0)

static __always_inline int emit(struct __sk_buff *skb, const struct zs_ctl *ctl, const struct recording *r,
				const struct segment *s, __u32 done, __u32 len, __u32 flags)
{
	__u32 seq = s->seq + done, off = s->off + done;

	if (len <= 1024)
		EMIT(1024);
	if (len <= 4096)
		EMIT(4096);
	EMIT(ZS_RECORD_CHUNK);
}

/* The id the agent put into the slot is that of a recording it wants no more of. */
static __always_inline int stopped(const struct recording *r)
{
	__u32 slot = ZS_STOP_SLOT(r->id);
	__u64 *id = bpf_map_lookup_elem(&zs_stop, &slot);

	return !id || *id == r->id;
}

/* All of the segment's payload, within `*left`. 0, or -1: the recording ends here. */
#define CHUNKS_MAX 5 /* 64 KiB of one segment */
static __always_inline int copy_payload(struct __sk_buff *skb, const struct zs_ctl *ctl, __u32 *left,
					const struct recording *r, const struct segment *s)
{
	__u32 done = 0, flags = s->fin ? ZS_DATA_FIN : 0;

	if (s->len > *left) {
		emit(skb, ctl, r, s, 0, 0, flags | ZS_DATA_CUT);
		return -1;
	}
	*left -= s->len;
	for (int i = 0; i < CHUNKS_MAX; i++) {
		__u32 len = s->len - done;

		if (len > ZS_RECORD_CHUNK)
			len = ZS_RECORD_CHUNK;
		if (fails(ZS_FAIL_PAYLOAD) || emit(skb, ctl, r, s, done, len, flags)) {
			zs_count(ZS_COUNT_events_lost);
			return -1;
		}
		done += len;
		if (done >= s->len)
			return 0;
	}
	return -1;
}

#endif
