/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test rig: the real programs, attached to a throw-away cgroup, with a listener as their origin. Used by
 * the self-test of `doctor` and `run`, and by the kern tests. Nothing is pinned.
 */
#ifndef ZS_RIG_H
#define ZS_RIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <zs/abi.h>

#include "pin.h"
#include "purge.h"
#include "store.h"

struct bpf_link;

/* MAPPED: an IPv6 socket dials an IPv4 listener; DUAL: an IPv4 socket dials a listener on [::]. */
enum zs_rig_family { ZS_RIG_V4, ZS_RIG_V6, ZS_RIG_MAPPED, ZS_RIG_DUAL };

struct zs_rig_options {
	uint32_t pages;   /* of the store; 0: 8192 */
	uint32_t entries; /* objects at most; 0: 4096 */
	bool client_first; /* with client_hop: ZS_LISTENER_FIRST */
	bool client_hop;  /* the listener is no origin, but a listener of Caddy's: zs_rig_listen() */
	bool local;       /* and its dialers are answered at their own sendmsg */
};

struct zs_rig {
	char cgroup[PATH_MAX];
	char home[PATH_MAX]; /* the cgroup the process came from */
	enum zs_rig_family family;
	struct zs_rig_options options; /* defaults filled in */
	struct zs_bpf *obj;
	struct bpf_link *enrol, *recorder, *watcher, *accept, *replies, *enrol_local;
	struct zs_maps maps;
	struct zs_ctl *ctl;
	uint64_t *generations;
	uint8_t *pages;
	struct zs_front front;
	struct zs_purge_view purges;
	struct zs_store *store;
	struct zs_store_item more; /* what zs_rig_put() stores beside head and body: ETag, 304, stale_until, ... */
	int listener;
	uint16_t port;
	struct zs_origin_key origin; /* the listener's */
};

/* Moves the calling process into a new cgroup, loads, attaches, listens on a free loopback port. All the
 * sockets it makes from now on belong there. `options` may be null: defaults. Several rigs are closed in the
 * reverse order. Logged; undone on failure. Errors of zs_object_load. */
int zs_rig_open(struct zs_rig *rig, enum zs_rig_family family, const struct zs_rig_options *options);

/* Undoes zs_rig_open, also a half-done one. */
void zs_rig_close(struct zs_rig *rig);

/* Makes the listener an origin, or no longer one: connections made then are not enrolled. -errno. */
int zs_rig_origin(struct zs_rig *rig, bool on);

/* With the client hop: connections accepted from now on are followed, under origin 1, hits are passed up after
 * `pass_after` seconds (0: never); or no longer. `any`: the entry is for any address with the port. With `client_first` the first request of a connection is
 * answered, too. -errno. */
int zs_rig_listen(struct zs_rig *rig, bool on, bool any, uint32_t pass_after);

/* With the client hop: lets the programs of accepted connections be reached, or not. -errno. */
int zs_rig_gate(struct zs_rig *rig, bool on);

/* A new connection to the listener; both ends block, with a receive time-out of two seconds. */
int zs_rig_pair(struct zs_rig *rig, int *dialer, int *acceptor);

/* "GET <target> HTTP/1.1" with Host: rig and no other field. Returns its length. */
size_t zs_rig_request(const char *method, const char *target, char *text, size_t size);

/* The digest that the kernel computes for that request. */
uint64_t zs_rig_digest(struct zs_rig *rig, const char *target);

/*
 * Stores a response to GET <target> as the agent would, fresh for `seconds`, with the given body. The text
 * that a hit must begin with is written to head (ZS_ANSWER_HEAD_MAX bytes), its slots blank.
 */
int zs_rig_put(struct zs_rig *rig, const char *target, const uint8_t *body, uint32_t body_len,
	       uint32_t seconds, char *head);

/* Receives until `want` bytes are there, or time-out, or end. Returns the number received. */
size_t zs_rig_recv(int fd, void *data, size_t want);

/* Whether a received head equals a stored one, whose slots are blank, and has numbers in the slots. */
int zs_rig_head_equal(const char *stored, const char *received, size_t len);

/* The program that sockets carry, borrowed: what the kernel counts of its runs includes the tail call's. */
int zs_rig_dispatch(const struct zs_rig *rig);

/* One counter's value. */
uint64_t zs_rig_counter(struct zs_rig *rig, int id);

#endif
