/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every map, once. bpf/maps.bpf.c defines them, the other files declare them, the BPF linker joins them.
 * Sizes that depend on the machine or the operator are set by the loader.
 */
#ifndef ZS_BPF_MAPS_H
#define ZS_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <zs/abi.h>
#include <zs/counters.h>
#include <zs/decide.h>

#ifdef ZS_DEFINE_MAPS
#define ZS_MAP(type, name) struct type name SEC(".maps")
#else
#define ZS_MAP(type, name) extern struct type name SEC(".maps")
#endif

/* Enrolled dialers, by socket cookie. Carries zs_dispatch. */
struct zs_socks_map {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
};
ZS_MAP(zs_socks_map, zs_socks);

struct zs_conns_map {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct zs_conn);
};
ZS_MAP(zs_conns_map, zs_conns);

/* Slot 0: what zs_dispatch calls; slot 1: what zs_accept_enter calls. Empty: every message passes. */
struct zs_progs_map {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
};
ZS_MAP(zs_progs_map, zs_progs);

struct zs_origins_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct zs_origin_key);
	__type(value, struct zs_origin);
};
ZS_MAP(zs_origins_map, zs_origins);

/* By origin id; see struct zs_warmth. */
struct zs_warmth_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ZS_WARMTH);
	__type(key, __u32);
	__type(value, struct zs_warmth);
};
ZS_MAP(zs_warmth_map, zs_warmth);

/* Key digest to object. */
struct zs_index_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct zs_ref);
};
ZS_MAP(zs_index_map, zs_index);

/* The first place to look; see struct zs_front_line. */
struct zs_front_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct zs_front_line);
};
ZS_MAP(zs_front_map, zs_front);

struct zs_page {
	__u8 byte[ZS_PAGE_SIZE];
};

struct zs_pages_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct zs_page);
};
ZS_MAP(zs_pages_map, zs_pages);

struct zs_ctl_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct zs_ctl);
};
ZS_MAP(zs_ctl_map, zs_ctl);

/* Generation per bucket of targets. */
struct zs_gens_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ZS_GENERATIONS);
	__type(key, __u32);
	__type(value, __u64);
};
ZS_MAP(zs_gens_map, zs_gens);

/* Fingerprints of digests that missed before; direct-mapped. */
struct zs_seen_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ZS_SEEN);
	__type(key, __u32);
	__type(value, __u32);
};
ZS_MAP(zs_seen_map, zs_seen);

struct zs_holdoff_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct zs_holdoff);
};
ZS_MAP(zs_holdoff_map, zs_holdoff);

/* Recordings the agent wants no more of: the id, at its ZS_STOP_SLOT. */
struct zs_stop_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ZS_STOP_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
};
ZS_MAP(zs_stop_map, zs_stop);

struct zs_events_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
};
ZS_MAP(zs_events_map, zs_events);

/* Answered requests, for the log: struct zs_event_hit. */
struct zs_hits_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, ZS_HITS_SIZE);
};
ZS_MAP(zs_hits_map, zs_hits);

struct zs_counters_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ZS_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
};
ZS_MAP(zs_counters_map, zs_counters);

/* Two halves; see zs_ctl.tables. */
struct zs_tables_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct zs_tables);
};
ZS_MAP(zs_tables_map, zs_tables);

/* Two halves, as with zs_tables. */
struct zs_classes_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * ZS_CLASSES);
	__type(key, __u32);
	__type(value, struct zs_class);
};
ZS_MAP(zs_classes_map, zs_classes);

/* Two halves: the key's second word. */
struct zs_scopes_map {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * ZS_SCOPES);
	__type(key, struct zs_scope_key);
	__type(value, __u32);
};
ZS_MAP(zs_scopes_map, zs_scopes);

/* Not read by programs. */
struct zs_purges_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ZS_PURGES);
	__type(key, __u32);
	__type(value, struct zs_purge);
};
ZS_MAP(zs_purges_map, zs_purges);

struct zs_config_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct zs_config_text);
};
ZS_MAP(zs_config_map, zs_config);

/* Where Caddy listens; filled by user space. */
struct zs_listeners_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct zs_origin_key);
	__type(value, struct zs_listener);
};
ZS_MAP(zs_listeners_map, zs_listeners);

/* The sizes of the next two are 1 where the client hop is off. Accepted connections, by socket cookie; carries
 * zs_gate_enter and zs_accept_enter. */
struct zs_accepts_map {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
};
ZS_MAP(zs_accepts_map, zs_accepts);

/* Their state: a verdict program has no sk_storage. */
struct zs_accepted_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct zs_accept);
};
ZS_MAP(zs_accepted_map, zs_accepted);

struct zs_accept_ids_map {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct zs_accept_id);
};
ZS_MAP(zs_accept_ids_map, zs_accept_ids);

/* The acceptor's cookie, for dialers of this host. */
struct zs_pairs_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct zs_pair_key);
	__type(value, __u64);
};
ZS_MAP(zs_pairs_map, zs_pairs);

/* Slot 0: what zs_gate_enter calls. Empty: every chunk passes. */
struct zs_gates_map {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};
ZS_MAP(zs_gates_map, zs_gates);

/* One work space: an event under construction, and the request it is made from. The sk_msg program runs
 * in process context and can be preempted by another task's run on the same CPU, so "per CPU" does not
 * mean "mine" (v6.18 sk_psock_msg_verdict: migration is disabled, preemption is not). A work space is
 * therefore taken and given back under a lock; the loader sizes the pool as ZS_WORK_PER_CPU per CPU. */
#define ZS_WORK_PER_CPU 4
struct zs_work {
	struct bpf_spin_lock lock;
	__u32 taken;
	__u64 digest;
	__u32 bucket;
	__u32 key_len;
	__u32 first_page;
	__u32 copied; /* bytes of the message in request.head */
	__u32 half;   /* zs_ctl.tables, .scopes and .vary, read once for all of this message */
	__u32 scopes;
	__u32 vary;
	__u32 class;  /* of the request, at half * ZS_CLASSES; 0: none */
	__u32 voids;  /* as zs_conn.unsafe: what the request's success voids */
	__u32 zero;
	struct zs_sip sip; /* between the two halves of the digest */
	struct zs_scope_key scope;
	struct zs_query query;
	struct zs_request request;
	struct zs_event_request event;
	struct zs_event_hit hit;
};

struct zs_work_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ZS_WORK_PER_CPU);
	__type(key, __u32);
	__type(value, struct zs_work);
};
ZS_MAP(zs_work_map, zs_works);

/* The agent's report for `zs-load status`. */
struct zs_report_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct zs_report);
};
ZS_MAP(zs_report_map, zs_report);

static __always_inline struct zs_ctl *zs_ctl_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&zs_ctl, &zero);
}

static __always_inline struct zs_warmth *zs_warmth_get(__u32 origin)
{
	__u32 slot = origin & (ZS_WARMTH - 1);

	return bpf_map_lookup_elem(&zs_warmth, &slot);
}

static __always_inline void zs_count_add(enum zs_counter id, __u64 n)
{
	__u32 key = id;
	__u64 *value = bpf_map_lookup_elem(&zs_counters, &key);

	if (value)
		__sync_fetch_and_add(value, n);
}

static __always_inline void zs_count(enum zs_counter id)
{
	zs_count_add(id, 1);
}

/* A request on a followed connection to that origin. */
static __always_inline void zs_warmth_request(__u32 origin)
{
	struct zs_warmth *w = zs_warmth_get(origin);

	if (w)
		w->requests++;
}

/* A connection to that origin which is not enrolled. */
static __always_inline void zs_warmth_unfollowed(__u32 origin)
{
	struct zs_warmth *w = zs_warmth_get(origin);

	if (w)
		w->unfollowed++;
	zs_count(ZS_COUNT_unfollowed);
}

#endif
