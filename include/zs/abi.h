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
#define ZS_ABI 6

/* --- limits ---------------------------------------------------------------------------------- */

#define ZS_HEAD_MAX   4096 /* request head the recogniser reads, bytes */
#define ZS_LINES_MAX  64   /* a head has fewer lines than this, the request line included */
#define ZS_TARGET_MAX 1024 /* bytes; also the field limits below: what may enter a key */
#define ZS_HOST_MAX   256
#define ZS_PROTO_MAX  16
#define ZS_VARY_FIELDS 4   /* further request fields that the operator made part of the key */
#define ZS_VARY_MAX   128  /* bytes of each; a longer value passes the request on */
#define ZS_ETAG_MAX   128  /* opaque-tag, quotes included */

#define ZS_PAGE_SIZE     4096u
#define ZS_STEP          64u                 /* the answering program copies in steps of this */
#define ZS_WINDOW        32768u              /* bytes that the answering program fills at a time */
#define ZS_WINDOWS_MAX   33u
#define ZS_ANSWER_MAX    (ZS_WINDOW * ZS_WINDOWS_MAX) /* head and body, bytes */
#define ZS_ANSWER_HEAD_MAX 8192u             /* stored response head, bytes */
#define ZS_BODY_MAX      (1u << 20)          /* bytes */
#define ZS_SLOT_DIGITS   10                  /* width of the Age and ttl slots in a stored head */

#define ZS_GENERATIONS   65536u              /* power of two */
#define ZS_SEEN          65536u              /* power of two */
#define ZS_STOP_SLOTS    1024u               /* power of two */
#define ZS_STOP_SLOT(record) ((((record) >> 20) ^ (record)) & (ZS_STOP_SLOTS - 1))
#define ZS_REPORT_SIZE   65536u

#define ZS_CLASSES       32u                 /* of requests, by host and path; 0: nothing special */
#define ZS_CLASS_PARAMS  32u                 /* query parameters that a class names */
#define ZS_CLASS_COOKIES 16u                 /* cookies that a class ignores */
#define ZS_SCOPES        1024u               /* places where a class begins to hold */
#define ZS_SCOPE_PATH    200u                /* bytes of a path that can choose a class */

#define ZS_PURGES        64u                 /* purges remembered for what is in flight; power of two */
#define ZS_PURGE_TEXT    (ZS_HOST_MAX + ZS_TARGET_MAX + 8)
#define ZS_CONFIG_SIZE   (256u << 10)        /* bytes of configuration text, header included */
#define ZS_CONFIG_PATH_MAX 1016u             /* bytes of the file's name, its zero included */
#define ZS_CONFIG_INERT_MAX 3072u            /* bytes of names of fields, their zeros included */

#define ZS_RECORD_CHUNK  16384u              /* payload bytes per event at most */

#define ZS_HITS_SIZE     (4u << 20)          /* bytes of the log's ring */
#define ZS_HITS_WAKE     (ZS_HITS_SIZE / 8)  /* the reader is woken when so much waits */
#define ZS_HIT_HEAD_MAX  2048u               /* bytes of a logged answer's head */

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

/* Whether connections to an origin are worth following; value of zs_warmth at origin id % ZS_WARMTH, mmap-ed
 * by the agent. Of a cold origin nothing is stored, and most of its connections are not enrolled. */
#define ZS_WARMTH 4096u /* power of two */
#define ZS_SAMPLE 128u  /* of a cold origin's new connections, one in so many is enrolled */
struct zs_warmth {
	__u32 cold;
	__u32 requests; /* begun on followed connections; wraps, and may miss some: CPUs add without a lock */
	__u64 sampled; /* boot-time ns at which a connection was enrolled last while it was cold */
	__u32 unfollowed; /* connections that were found not enrolled; likewise */
	__u32 zero;
};
ZS_ASSERT_SIZE(struct zs_warmth, 24);

/* --- connections ----------------------------------------------------------------------------- */

enum zs_frame_state {
	ZS_FRAME_HEAD = 0, /* the next byte sent begins a request head */
	ZS_FRAME_BODY,     /* body_left bytes of a Content-Length body are to come */
	ZS_FRAME_PASSIVE,  /* nothing is known any more: native for the rest of its life */
	ZS_FRAME_TUNNEL,   /* of an unfollowed connection: it may speak no HTTP any more, or not yet be understood */
};

/* sk_storage of a dialer. Written by sockops at establishment, then only under the socket lock: by the
 * sk_msg program, or, if it is not enrolled, by the watcher; but for `record_left` and `unsafe`, which the
 * recorder clears. Of an unfollowed one next_write, turn_rcv, state, body_left, unsafe and sticky are used; the
 * recorder sets its state when the protocol is switched, and turn_rcv behind an interim response. */
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
	__u32 awaits;      /* a native request was sent, and turn_rcv is valid; of an unfollowed one: everything is
			    * looked at from now on */
	__u32 record_left; /* payload bytes that may still be recorded in this turn */
	__u32 unsafe;      /* 1 + generation bucket of an unsafe request without response, or ZS_UNSAFE_ANY; 0: none */
	__u32 sticky;      /* unsafe requests overlapped: from now on every response voids everything */
	__u32 record_base; /* recorder: sequence number of the response's first byte */
	__u32 record_open; /* recorder: record_base is valid */
	__u64 record_next; /* dialer: the recording that begins once next_write is set */
	__u32 unfollowed;  /* not enrolled: the watcher looks for unsafe requests, nothing is answered */
	__u32 expects;     /* of an unfollowed one: the first segment of a response is to come */
	__u32 unseen;      /* of an unfollowed one: bytes went out while nobody looked, and no final response has begun since */
	__u32 local;       /* of a process in another cgroup, to a listener of Caddy's: only cookie, origin and acceptor count */
	__u64 acceptor;    /* cookie of its other end; 0: not found yet */
};
ZS_ASSERT_SIZE(struct zs_conn, 104);

#define ZS_UNSAFE_ANY (~0u) /* zs_conn.unsafe: of a target that could not be told: success voids everything */

/* --- acceptors --------------------------------------------------------------------------------- */

/* Value of zs_listeners; its key is a local address of Caddy's as struct zs_origin_key has it, :: for a wildcard. */
#define ZS_LISTENER_REMOTE 0x01u /* accepted connections are followed, and answered */
#define ZS_LISTENER_FIRST  0x02u /* also the first request of a connection, behind which a client that makes only one may
				  * close its half at once: then it may lose the answer */
#define ZS_LISTENER_LOCAL  0x04u /* dialers in the cgroups attached to are answered, too: both ends are followed */
struct zs_listener {
	__u32 origin;     /* id, as zs_origin's */
	__u32 flags;      /* ZS_LISTENER_* */
	__u32 pass_after; /* seconds after which a hit is passed up, since Caddy last read anything; 0: never */
	__u32 zero;
};
ZS_ASSERT_SIZE(struct zs_listener, 16);

/* Key of zs_pairs: a connection of this host with itself, both of whose addresses are the same. Ports in host byte order. */
struct zs_pair_key {
	__u8 addr[16];
	__u64 netns;
	__u32 dialer;
	__u32 listener;
};
ZS_ASSERT_SIZE(struct zs_pair_key, 32);

#define ZS_OWED_MAX 8u /* requests outstanding on a connection that are told apart; power of two */
#define ZS_ACCEPT_MAX (65536u + ZS_ANSWER_HEAD_MAX) /* head and body of an answer on an acceptor, bytes */

#define ZS_OWED_HEAD 0x01u /* to a HEAD: its response has no body */
struct zs_owed {
	__u32 voids; /* as zs_conn.unsafe */
	__u32 flags; /* ZS_OWED_* */
};

enum zs_reply_state {
	ZS_REPLY_HEAD = 0, /* the next byte sent begins a response head */
	ZS_REPLY_BODY,     /* reply_left bytes of its body are to come */
	ZS_REPLY_CHUNKED,  /* `step` says where in the chunked body */
};

/* Where in a chunked body; reply_left counts the bytes of the chunk. */
enum zs_chunk_step {
	ZS_CHUNK_SIZE = 0,
	ZS_CHUNK_SIZE_LF,
	ZS_CHUNK_DATA,
	ZS_CHUNK_CR,
	ZS_CHUNK_LF,
	ZS_CHUNK_LAST_CR,
	ZS_CHUNK_LAST_LF,
	ZS_CHUNK_END,
	ZS_CHUNK_BAD,
};

enum zs_pending_stage {
	ZS_PENDING_NONE = 0,
	ZS_PENDING_GATED, /* the request is on its way to the worker */
	ZS_PENDING_BEGUN, /* the answer was handed to TCP, from `seq` on; it may have taken a part only */
};

/* A hit between the gate and the worker. */
struct zs_pending {
	__u64 now;     /* boot-time ns: of its Age */
	__u32 stage;   /* enum zs_pending_stage */
	__u32 page;    /* of the object, with its serial */
	__u32 serial;
	__u32 request_len;
	__u32 flags;     /* ZS_REQ_* */
	__u32 validated; /* 1: a 304 */
	__u32 from;      /* of the answer in the extent; valid from BEGUN on */
	__u32 len;
	__u32 seq;       /* tcp_sock.write_seq before its first byte */
	__u32 zero;
};
ZS_ASSERT_SIZE(struct zs_pending, 48);

/* Value of zs_accepted, by socket cookie. Written by sockops at establishment, then by the gate and by the
 * sk_msg program only: both run under the socket's lock. */
struct zs_accept {
	__u64 cookie;
	__u64 body_left;  /* of the request, bytes */
	__u64 reply_left; /* of the response, or of its chunk, bytes */
	__u64 read_at;    /* boot-time ns at which Caddy was given bytes last */
	__u64 record;     /* id of the recording that begins with the next message of the server's; 0: none */
	__u32 origin;
	__u32 pass_after; /* of its listener */
	__u32 state;      /* enum zs_frame_state of the requests; PASSIVE: of both directions */
	__u32 reply;      /* enum zs_reply_state */
	__u32 step;       /* enum zs_chunk_step */
	__u32 digits;     /* of a chunk's size so far */
	__u32 next_read;  /* tcp_sock.rcv_nxt if nothing came that the gate has not seen */
	__u32 next_write; /* tcp_sock.write_seq if all that was counted, and no more, was queued */
	__u32 owed;       /* requests without a complete response */
	__u32 first;      /* the oldest of them in owing[] */
	__u32 unsafe;     /* of a passive one: unsafe requests that may be outstanding; 2: for good */
	__u32 tunnel;     /* of a passive one: no HTTP any more */
	__u32 turn;       /* requests that came when nothing was owed */
	__u32 framed;     /* next_read once all that belongs to it is written: for readers without the lock */
	__u32 wary;       /* 1: not answered before a request was passed */
	__u32 received;   /* behind the last byte that came, seen by the gate or not */
	struct zs_owed owing[ZS_OWED_MAX];
	struct zs_pending pending;
};
ZS_ASSERT_SIZE(struct zs_accept, 104 + 8 * ZS_OWED_MAX + 48);

/* sk_storage of an acceptor: sk_msg programs cannot ask for the cookie; and the recording of a response, which the
 * program on its packets copies. All of them run under the socket's lock. */
struct zs_accept_id {
	__u64 cookie;
	__u64 record; /* id; 0: none */
	__u32 base;   /* sequence number of the response's first byte */
	__u32 next;   /* of the next byte to be copied */
	__u32 left;   /* payload bytes that may still be recorded */
	__u32 end;    /* of the byte behind the response; valid if `ended` */
	__u32 ended;
	__u32 zero;
};
ZS_ASSERT_SIZE(struct zs_accept_id, 40);

/* --- keys ------------------------------------------------------------------------------------ */

/* Accept-Encoding classes: codings the client accepts. A bit set, part of the key. */
#define ZS_AE_GZIP    0x01u
#define ZS_AE_BR      0x02u
#define ZS_AE_ZSTD    0x04u
#define ZS_AE_PRESENT 0x08u /* the field was there, even if empty */

#define ZS_KEY_TEXT_MAX (2 * ZS_HOST_MAX + ZS_PROTO_MAX + ZS_VARY_FIELDS * ZS_VARY_MAX + ZS_TARGET_MAX)

/* Header words, then Host, X-Forwarded-Host, X-Forwarded-Proto, the values of the operator's Vary fields, and
 * the target, each padded with zeros to eight bytes. Host and X-Forwarded-* in lower case. Compared byte for
 * byte. The target is as it was sent, but for query parameters that the operator's rules drop or sort. */
struct zs_key {
	__u32 origin;
	__u16 host_len;
	__u16 xfh_len;
	__u16 xfp_len;
	__u16 target_len;
	__u16 vary_len[ZS_VARY_FIELDS];
	__u16 ae;        /* ZS_AE_* */
	__u16 vary_seen; /* bit per Vary field that was there, even if empty */
	__u8 text[ZS_KEY_TEXT_MAX];
};
ZS_ASSERT_SIZE(struct zs_key, 24 + ZS_KEY_TEXT_MAX);

/* --- classes of requests ---------------------------------------------------------------------- */

/* What the operator's rules say about a request before there is a response. The loader writes the half of
 * the maps that is not in use (zs_ctl.tables), then switches. */
#define ZS_CLASS_KEEP       0x01u /* of the query, only the named parameters are part of the key */
#define ZS_CLASS_DROP       0x02u /* the named parameters are not part of the key */
#define ZS_CLASS_SORT       0x04u /* parameters of different names may change places */
#define ZS_CLASS_COOKIES_ON 0x08u /* requests whose cookies are all named may be answered */
#define ZS_CLASS_AUTHORIZED 0x10u /* RFC 9111 3.5 instead of passing Authorization on */

/* A name, or what a name begins with. Zero padded; parameters and cookies as they are written. */
struct zs_pattern {
	__u8 text[32];
	__u32 len;
	__u32 prefix; /* 1: any name that begins so */
};
ZS_ASSERT_SIZE(struct zs_pattern, 40);

/* Value of zs_classes, at half * ZS_CLASSES + class. */
struct zs_class {
	__u32 flags; /* ZS_CLASS_* */
	__u32 params;
	__u32 cookies;
	__u32 zero;
	struct zs_pattern param[ZS_CLASS_PARAMS];
	struct zs_pattern cookie[ZS_CLASS_COOKIES];
};
ZS_ASSERT_SIZE(struct zs_class, 16 + 40 * (ZS_CLASS_PARAMS + ZS_CLASS_COOKIES));

/* Key of zs_scopes, a longest-prefix-match map: the class of a request is that of the longest path prefix
 * below its host, or below any host (0) if its own has none. The value is a __u32. */
struct zs_scope_key {
	__u32 prefixlen; /* bits behind this word */
	__u32 half;
	__u64 host;      /* zs_scope_host(); 0: any */
	__u8 path[ZS_SCOPE_PATH];
};
ZS_ASSERT_SIZE(struct zs_scope_key, 16 + ZS_SCOPE_PATH);

/* --- store ----------------------------------------------------------------------------------- */

/* Value of the index (key: the key's digest). One aligned word, so that a reader never sees half. */
struct zs_ref {
	__u32 page;   /* first page of the object's extent */
	__u32 serial; /* repeated in the object */
};
ZS_ASSERT_SIZE(struct zs_ref, 8);

/* Value of zs_front, at the lower half of a digest modulo the number of lines: one cache line, so that a look-up in
 * a large set waits for memory once. A hint: most of what the index names, for the first look. A word: the upper
 * half of a digest, then 1 + the first page; 0: empty. Nothing is named here that the index does not name, but
 * for the moment in which the agent and a purge change the same entry. */
#define ZS_FRONT_WAYS 8u
struct zs_front_line {
	__u64 word[ZS_FRONT_WAYS];
};
ZS_ASSERT_SIZE(struct zs_front_line, 64);

#define ZS_OBJECT_MAGIC 0x7a734f42u

#define ZS_OBJECT_AUTHORIZED 0x01u /* may answer requests with Authorization (RFC 9111 3.5) */

/* Begins the first page of an extent. The key follows at once, behind it the ETag; the response (head, then
 * body) begins at `data_off` of the extent, a multiple of ZS_STEP, and runs on through consecutive pages;
 * behind it, at `alt_off`, a multiple of ZS_STEP too, the head of a 304, and at `tags_off` the tags, each
 * with a zero behind it. Written by user space before the index names it; afterwards the kernel writes `hits`
 * and `refresh_asked` only, user space what is marked with *, and the pages are freed after an RCU grace
 * period. */
struct zs_object {
	__u32 magic;
	__u32 serial;
	__u64 digest;
	__u64 born;        /* boot-time ns at which its age was 0; may lie before the boot: signed */
	__u64 fresh_until; /* * boot-time ns; from then on it is stale */
	__u64 stale_until; /* * boot-time ns; from then on it is not served; not before fresh_until */
	__u64 refresh_at;  /* * boot-time ns; the first hit after it asks for a refresh; ~0: never */
	__u64 modified;    /* Last-Modified or Date as zs_imf_date() has it; 0: none */
	__u32 generation;  /* * of its bucket, seen when the request passed; ~: not published yet */
	__u32 flush;       /* zs_ctl.flush seen when the request passed */
	__u32 bucket;
	__u32 flags;       /* ZS_OBJECT_* */
	__u32 key_len;     /* header words and padded text, a multiple of 8 */
	__u32 etag_len;    /* bytes at ZS_OBJECT_KEY_OFF + key_len: the opaque-tag; 0: none */
	__u32 data_off;
	__u32 head_len;    /* bytes, CRLFCRLF included */
	__u32 body_len;
	__u32 age_off;     /* of the Age slot within the head; ZS_SLOT_DIGITS wide */
	__u32 ttl_off;
	__u32 alt_off;
	__u32 alt_len;     /* bytes; 0: no 304 */
	__u32 alt_age_off;
	__u32 alt_ttl_off;
	__u32 tags_off;
	__u32 tags_len;
	__u32 hits;
	__u32 refresh_asked; /* * */
	__u32 pages;       /* length of the extent */
	__u32 status;
	__u32 zero[3];
};
ZS_ASSERT_SIZE(struct zs_object, 152);
#define ZS_OBJECT_KEY_OFF 152u

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
	__u32 tables;      /* the half of zs_tables, zs_classes and zs_scopes that is in use: 0 or 1 */
	__u32 scopes;      /* places in that half of zs_scopes; 0: every request is of class 0 */
	__u32 vary;        /* Vary fields that the tables make part of the key */
	__u32 config_seq;  /* raised by `reload` behind a new text in zs_config */
	__u32 config_done; /* of the agent: the config_seq that it has taken over */
	__u32 resumes;     /* raised by `resume`: every origin is warm again */
	__u64 netns;       /* cookie that every origin carries; 0: none */
	__u64 purge_seq;   /* number of the newest purge in zs_purges; from 1 */
	__u64 purge_done;  /* of the agent: the newest one that it has carried out */
	__u64 ports;       /* of the origins: bits ZS_PORT_BIT. A clear one: certainly no origin */
	__u64 logging;     /* boot-time ns until which hits are logged; its reader renews it. 0: off */
	__u32 log_reader;  /* pid of the one reader of zs_hits; 0: none */
	__u32 front_mask;  /* lines of zs_front - 1 */
	__u64 judged;      /* boot-time ns as of which Caddy's configuration is known: listeners are judged by it */
};
ZS_ASSERT_SIZE(struct zs_ctl, 168);

#define ZS_JUDGED_NS 1000000000ull /* so long after it listeners are answered and their responses stored */

#define ZS_PORT_BIT(port) (((port) * 0x9e3779b1u) >> 26)

/* --- purges and configuration ------------------------------------------------------------------ */

enum zs_purge_kind {
	ZS_PURGE_PREFIX = 1, /* host_len bytes of host, then the beginning of a target; host_len 0: any host */
	ZS_PURGE_TAG,        /* a tag, byte for byte */
	ZS_PURGE_URL,        /* as ZS_PURGE_PREFIX, but a whole target */
};

/* The newest ZS_PURGES purges that are not by generation: value of zs_purges at seq % ZS_PURGES. Whoever
 * purges takes the next number under a lock on the instance, writes the entry, publishes zs_ctl.purge_seq, and
 * then takes what matches out of the index; the agent does not store what a purge newer than its request
 * matches. */
struct zs_purge {
	__u64 seq;  /* written last */
	__u64 time; /* boot-time ns */
	__u32 kind; /* enum zs_purge_kind */
	__u32 soft; /* 1: to be stale, not gone; the agent carries it out */
	__u32 host_len;
	__u32 text_len; /* host_len included */
	__u8 text[ZS_PURGE_TEXT];
};
ZS_ASSERT_SIZE(struct zs_purge, 32 + ZS_PURGE_TEXT);

/* One value, mmap-ed: the text of the configuration file, for the agent. Even `seq`: whole. */
struct zs_config_text {
	__u32 seq;
	__u32 len;
	char path[ZS_CONFIG_PATH_MAX]; /* of the file; empty: none */
	char inert[ZS_CONFIG_INERT_MAX]; /* further inert fields of the command line, each with a zero behind it */
	__u8 text[ZS_CONFIG_SIZE - ZS_CONFIG_PATH_MAX - ZS_CONFIG_INERT_MAX - 8];
};
ZS_ASSERT_SIZE(struct zs_config_text, ZS_CONFIG_SIZE);

/* Hold-off: keyed by a digest, not recorded before `until` (boot-time ns); 0: the reason is only noted. */
struct zs_holdoff {
	__u64 until;
	__u32 level;  /* how often in a row; the agent doubles the time with it */
	__u32 reason; /* for `explain`: 1 + enum zs_policy_reason, 0: malformed, too large or cut short */
};
ZS_ASSERT_SIZE(struct zs_holdoff, 16);

/* --- events ---------------------------------------------------------------------------------- */

enum zs_event_kind {
	ZS_EVENT_REQUEST = 1, /* a miss whose response is being recorded: struct zs_event_request */
	ZS_EVENT_DATA,        /* payload of a recorded response: struct zs_event_data */
	ZS_EVENT_REFRESH,     /* a hit near the end of freshness: struct zs_event_refresh */
	ZS_EVENT_UNSAFE,      /* an unsafe request whose response is recorded, for its Location; as REQUEST */
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

/* Where a hit was answered, which decides who the visitor is. */
enum zs_lane {
	ZS_LANE_UPSTREAM = 0,  /* on Caddy's own connection to an origin: the visitor is not a peer */
	ZS_LANE_CLIENT,        /* on a connection that Caddy accepted: the visitor is `remote` */
	ZS_LANE_CLIENT_DIALER, /* on a local connection to Caddy, at its dialer: the visitor is `local` */
};

#define ZS_HIT_NOT_MODIFIED 1u /* answered with 304 */
#define ZS_HIT_STALE        2u /* answered stale while the agent revalidates */

/* Of the ring zs_hits: a request that was answered. `bytes` holds the request's head, request_len bytes, and at the
 * next multiple of ZS_STEP the beginning of the answer's, answer_len bytes; the event ends there. */
struct zs_event_hit {
	__u64 time;        /* boot-time ns at which the request was recognised */
	__u64 done;        /* the same, when the answer was certain */
	__s64 age;         /* seconds */
	__s64 ttl;         /* seconds; negative: stale for so long */
	__u32 origin;
	__u32 body_len;    /* bytes that were sent: 0 for HEAD and 304 */
	__u16 status;
	__u16 flags;       /* ZS_HIT_* */
	__u16 lane;        /* enum zs_lane */
	__u16 request_len;
	__u16 answer_len;
	__u16 head_len;    /* of the answer's whole head: more than answer_len if it was cut */
	__u16 local_port;  /* of the socket that it was answered on */
	__u16 remote_port;
	__u8 local[16];    /* likewise; IPv4 stands as ::ffff:a.b.c.d */
	__u8 remote[16];
	__u8 bytes[ZS_HEAD_MAX + ZS_HIT_HEAD_MAX];
};
ZS_ASSERT_SIZE(struct zs_event_hit, 88 + ZS_HEAD_MAX + ZS_HIT_HEAD_MAX);

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
