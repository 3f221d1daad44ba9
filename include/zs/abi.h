/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every byte that crosses the line between the BPF programs and user space: map keys, map values,
 * events and limits. Fixed widths, host byte order unless a comment says otherwise, no functions.
 */
#ifndef ZS_ABI_H
#define ZS_ABI_H

#include <linux/types.h>

#ifndef __cplusplus
#define ZS_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " changed size")
#endif

/* Raised whenever a layout below changes: pinned maps of another number are not taken over. */
#define ZS_ABI 1

/* --- limits ---------------------------------------------------------------------------------- */

#define ZS_HEAD_MAX   4096 /* request head the recogniser reads, bytes */
#define ZS_LINES_MAX  64   /* a head has fewer lines than this, the request line included */
#define ZS_TARGET_MAX 1024 /* bytes; also the field limits below: what may enter a key */
#define ZS_HOST_MAX   256
#define ZS_PROTO_MAX  16

#define ZS_PAGE_SIZE     4096u
#define ZS_STEP          64u                 /* the answering program copies in steps of this */
#define ZS_WINDOW        32768u              /* bytes that the answering program fills at a time */
#define ZS_WINDOWS_MAX   3u
#define ZS_ANSWER_MAX    (ZS_WINDOW * ZS_WINDOWS_MAX) /* head and body, bytes */
#define ZS_ANSWER_HEAD_MAX 8192u             /* stored response head, bytes */
#define ZS_BODY_MAX      (ZS_ANSWER_MAX - ZS_ANSWER_HEAD_MAX) /* 88 KiB */
#define ZS_SLOT_DIGITS   10                  /* width of the Age and ttl slots in a stored head */

#define ZS_GENERATIONS   65536u              /* power of two */
#define ZS_SEEN          65536u              /* power of two */
#define ZS_STOP_SLOTS    1024u               /* power of two */
#define ZS_STOP_SLOT(record) ((((record) >> 20) ^ (record)) & (ZS_STOP_SLOTS - 1))
#define ZS_REPORT_SIZE   65536u

#define ZS_RECORD_CHUNK  16384u              /* payload bytes per event at most */

/* --- origins --------------------------------------------------------------------------------- */

/* The address that Caddy dials. IPv4 stands as ::ffff:a.b.c.d. Port in host byte order. */
struct zs_origin_key {
	__u8 addr[16];
	__u64 netns; /* SO_NETNS_COOKIE; 0 where the kernel has none (before 5.14) */
	__u32 port;
	__u32 zero;
};
ZS_ASSERT_SIZE(struct zs_origin_key, 32);

struct zs_origin {
	__u32 id; /* from 1; part of every cache key */
	__u32 zero;
};
ZS_ASSERT_SIZE(struct zs_origin, 8);

/* --- connections ----------------------------------------------------------------------------- */

enum zs_frame_state {
	ZS_FRAME_HEAD = 0, /* the next byte sent begins a request head */
	ZS_FRAME_BODY,     /* body_left bytes of a Content-Length body are to come */
	ZS_FRAME_PASSIVE,  /* nothing is known any more: native for the rest of its life */
};

/* sk_storage of an enrolled dialer. Written by sockops at establishment, then only under the socket
 * lock by the sk_msg program, but for `record_left` and `unsafe`, which the recorder clears. */
struct zs_conn {
	__u64 cookie;
	__u64 body_left;   /* bytes */
	__u64 record;      /* id of the recording of this turn, 0: none */
	__u32 origin;
	__u32 epoch;       /* zs_ctl.epoch at enrolment */
	__u32 state;       /* enum zs_frame_state */
	__u32 turn;        /* requests seen */
	__u32 next_write;  /* tcp_sock.write_seq expected when the next message is sent */
	__u32 turn_rcv;    /* tcp_sock.rcv_nxt when the last native request was sent */
	__u32 awaits;      /* a native request was sent, and turn_rcv is valid */
	__u32 record_left; /* payload bytes that may still be recorded in this turn */
	__u32 unsafe;      /* 1 + generation bucket of an unsafe request without response; 0: none */
	__u32 sticky;      /* unsafe requests overlapped: from now on every response voids everything */
	__u32 record_base; /* recorder: sequence number of the response's first byte */
	__u32 record_open; /* recorder: record_base is valid */
	__u64 record_next; /* dialer: the recording that begins once next_write is set */
};
ZS_ASSERT_SIZE(struct zs_conn, 80);

/* --- keys ------------------------------------------------------------------------------------ */

/* Accept-Encoding classes: codings the client accepts. A bit set, part of the key. */
#define ZS_AE_GZIP    0x01u
#define ZS_AE_BR      0x02u
#define ZS_AE_ZSTD    0x04u
#define ZS_AE_PRESENT 0x08u /* the field was there, even if empty */

#define ZS_KEY_TEXT_MAX (ZS_TARGET_MAX + 2 * ZS_HOST_MAX + ZS_PROTO_MAX)

/* Header words, then target, Host, X-Forwarded-Host, X-Forwarded-Proto, each padded with zeros to
 * eight bytes. Host and X-Forwarded-* in lower case. Compared byte for byte. */
struct zs_key {
	__u32 origin;
	__u16 target_len;
	__u16 host_len;
	__u16 xfh_len;
	__u16 xfp_len;
	__u32 ae; /* ZS_AE_* */
	__u8 text[ZS_KEY_TEXT_MAX];
};
ZS_ASSERT_SIZE(struct zs_key, 16 + ZS_KEY_TEXT_MAX);

/* --- store ----------------------------------------------------------------------------------- */

/* Value of the index (key: the key's digest). One aligned word, so that a reader never sees half. */
struct zs_ref {
	__u32 page;   /* first page of the object's extent */
	__u32 serial; /* repeated in the object */
};
ZS_ASSERT_SIZE(struct zs_ref, 8);

#define ZS_OBJECT_MAGIC 0x7a734f42u

/* Begins the first page of an extent. The key follows at once; the response (head, then body) begins
 * at `data_off` of the extent, a multiple of ZS_STEP, and runs on through consecutive pages. Written
 * by user space before the index names it; afterwards the kernel writes `visited` and
 * `refresh_asked` only, and user space frees the pages after an RCU grace period. */
struct zs_object {
	__u32 magic;
	__u32 serial;
	__u64 digest;
	__u64 born;        /* boot-time ns at which its age was 0; may lie before the boot: signed */
	__u64 fresh_until; /* boot-time ns; from then on it is not served */
	__u64 refresh_at;  /* boot-time ns; the first hit after it asks for a refresh; ~0: never */
	__u32 generation;  /* of its bucket, seen when the request passed */
	__u32 flush;       /* zs_ctl.flush seen when the request passed */
	__u32 bucket;
	__u32 key_len;     /* header words and padded text, a multiple of 8 */
	__u32 data_off;
	__u32 head_len;    /* bytes, CRLFCRLF included */
	__u32 body_len;
	__u32 age_off;     /* of the Age slot within the head; ZS_SLOT_DIGITS wide */
	__u32 ttl_off;
	__u32 visited;
	__u32 refresh_asked;
	__u32 pages;       /* length of the extent */
	__u32 status;
	__u32 zero[5];
};
ZS_ASSERT_SIZE(struct zs_object, 112);
#define ZS_OBJECT_KEY_OFF 112u

/* --- control --------------------------------------------------------------------------------- */

/* One value, mmap-ed by the agent. */
struct zs_ctl {
	__u64 seed[2];     /* of the key digest; fixed for the life of the maps */
	__u32 abi;
	__u32 epoch;       /* raised when the program array was empty: older connections stay passive */
	__u32 paused;      /* framing goes on, nothing is answered or recorded */
	__u32 flush;       /* raised by purge --all: every older object is void */
	__s32 tokens;      /* recordings that may still begin; the agent refills it */
	__s32 tokens_half; /* below this, only keys seen before */
	__u32 record_cap;  /* payload bytes per recording */
	__u32 awake;       /* the agent polls the ring: no wake-up needed */
	__u64 heartbeat;   /* boot-time ns at which the agent last went round */
	__u32 agent_pid;
	__u32 pages;       /* entries of zs_pages */
	__u64 cgroup;      /* id of the cgroup attached to */
	__u32 netns_known; /* origins carry a netns cookie */
	__u32 origins;     /* the highest origin id given out: none is ever given out twice */
	__u32 pressure;    /* TCP memory is short: answer nothing */
	__u32 stored;      /* objects in the store; 0: no look-up can succeed */
};
ZS_ASSERT_SIZE(struct zs_ctl, 88);

/* Hold-off: keyed by a digest, not recorded before `until` (boot-time ns). */
struct zs_holdoff {
	__u64 until;
	__u32 level; /* how often in a row; the agent doubles the time with it */
	__u32 zero;
};
ZS_ASSERT_SIZE(struct zs_holdoff, 16);

/* --- events ---------------------------------------------------------------------------------- */

enum zs_event_kind {
	ZS_EVENT_REQUEST = 1, /* a miss whose response is being recorded: struct zs_event_request */
	ZS_EVENT_DATA,        /* payload of a recorded response: struct zs_event_data */
	ZS_EVENT_REFRESH,     /* a hit near the end of freshness: struct zs_event_refresh */
};

struct zs_event {
	__u32 kind;
	__u32 len;    /* of the whole event, this header included */
	__u64 cookie; /* of the socket */
	__u64 record; /* id of the recording; never 0 */
	__u64 time;   /* boot-time ns */
};
ZS_ASSERT_SIZE(struct zs_event, 32);

/* `head` holds head_len bytes; the event ends there. */
struct zs_event_request {
	struct zs_event ev;
	__u64 digest;
	__u32 bucket;
	__u32 generation;
	__u32 flush;
	__u32 key_len;
	__u32 head_len;
	__u32 zero;
	struct zs_key key;
	__u8 head[ZS_HEAD_MAX];
};
ZS_ASSERT_SIZE(struct zs_event_request, 64 + sizeof(struct zs_key) + ZS_HEAD_MAX);

#define ZS_DATA_FIN 1u /* the server closed behind this payload */
#define ZS_DATA_CUT 2u /* no payload: the response is longer than zs_ctl.record_cap */

/* `data` holds len - 48 bytes. `base` is the sequence number of the response's first byte. */
struct zs_event_data {
	struct zs_event ev;
	__u32 base;
	__u32 seq;
	__u32 data_len;
	__u32 flags; /* ZS_DATA_* */
	__u8 data[];
};
ZS_ASSERT_SIZE(struct zs_event_data, 48);

struct zs_event_refresh {
	struct zs_event ev; /* cookie and record unused: 0 */
	__u64 digest;
	struct zs_ref ref;
};
ZS_ASSERT_SIZE(struct zs_event_refresh, 48);

/* --- report ---------------------------------------------------------------------------------- */

/* One value, mmap-ed: the agent's own view, one JSON object, for `zs-load status`. A reader takes it
 * when `seq` is even and the same before and after. */
struct zs_report {
	__u32 seq;
	__u32 len;
	__u8 text[ZS_REPORT_SIZE - 8];
};
ZS_ASSERT_SIZE(struct zs_report, ZS_REPORT_SIZE);

#endif
