/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF programs and maps as one object: opened, sized, loaded, and given their constant contents. */
#ifndef ZS_OBJECT_H
#define ZS_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zs/abi.h>

struct zs_bpf;
struct zs_maps;
struct zs_tables_plan;

struct zs_object_options {
	uint32_t pages;      /* store pages of ZS_PAGE_SIZE bytes; 0: default */
	uint32_t entries;    /* objects at most; 0: default */
	uint32_t record_cap; /* payload bytes per recording; 0: default */
	uint32_t fail_at;    /* enum zs_fail: for tests, the step of the programs that fails; 0: none */
	bool client_hop;     /* the programs for accepted connections, too; else they are neither loaded nor attached */
	const struct zs_maps *reuse; /* pinned maps to take over; their sizes and contents stay */
	const char *const *inert; /* further inert request fields, null-terminated; may be null */
	const struct zs_tables_plan *plan; /* what the programs look up about requests; null: `inert`, no rules */
};

#define ZS_PAGES_DEFAULT   16384u /* 64 MiB */
#define ZS_ENTRIES_DEFAULT 65536u

/*
 * Opens and loads everything and fills the constant maps; attaches nothing, pins nothing. On success *out
 * is owned by the caller (zs_object_close). -EPERM: privileges; -EEXIST: the maps to take over are of an
 * attachment without the client hop, and it is wanted now; -EOPNOTSUPP: the kernel lacks what the
 * programs need; other negative errno. Errors are logged; the verifier's log goes to the file named there.
 */
int zs_object_load(const struct zs_object_options *options, struct zs_bpf **out);

/* Closes fds; what is pinned or attached lives on. Null is allowed. */
void zs_object_close(struct zs_bpf *obj);

/* Lets dispatchers reach the dialer program (on), or makes every message pass (off). */
int zs_object_switch(int progs_fd, int dialer_fd, bool on);

/* The same for accepted connections, if they have programs; a request on its way goes to the server then. */
int zs_object_switch_accept(const struct zs_bpf *obj, bool on);

/* Makes every chunk and message of accepted connections pass; for whoever has no object. */
int zs_object_accept_off(const struct zs_maps *maps);

/* Whether the programs for accepted connections were loaded. */
bool zs_object_client_hop(const struct zs_bpf *obj);

/* Raises errors of libbpf to our log, and its chatter to debug. */
void zs_object_quiet_libbpf(void);

#endif
