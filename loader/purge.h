/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Purges that are more than a generation: what one matches, how it is announced, and whether one came after a
 * request left ([I9] in docs/design.md). Taking objects away is left to the command and to the agent.
 */
#ifndef ZS_PURGE_H
#define ZS_PURGE_H

#include <stdbool.h>
#include <stdint.h>
#include <zs/abi.h>

/* The announced purges, mmap-ed: zs_purges and zs_ctl. Borrowed. */
struct zs_purge_view {
	struct zs_purge *ring; /* ZS_PURGES of them */
	struct zs_ctl *ctl;
};

/*
 * An object of this key (zs_key_len() bytes) and these tags (each with a zero behind it; may be null) is
 * purged. The host is the key's Host or its X-Forwarded-Host, byte for byte in lower case; a purge that names
 * a host without a port means that host at every port. A purge that makes no sense matches everything.
 */
bool zs_purge_matches(const struct zs_purge *purge, const struct zs_key *key, const uint8_t *tags,
		      uint32_t tags_len);

/* Fills in a purge to announce: its number and time are settled then. `host` (null: any) is in lower case;
 * `text` is a prefix, a target or a tag. -EINVAL: longer than a request can have, or an empty tag. */
int zs_purge_set(struct zs_purge *purge, enum zs_purge_kind kind, const char *host, const char *text);

/* Gives the purge its number and time, and lets the agent see it. The caller holds zs_announce_lock(): there is
 * one announcer at a time. */
void zs_purge_announce(const struct zs_purge_view *view, struct zs_purge *purge);

/*
 * Copies the purge of that number. False: it is overwritten, or is being so; *out is scratch then.
 */
bool zs_purge_read(const struct zs_purge_view *view, uint64_t seq, struct zs_purge *out);

/*
 * Whether a purge matches that was announced at or after `asked` (boot-time ns), when the request of what is
 * to be stored left. True as well if there were so many since that not all are remembered.
 */
bool zs_purge_newer(const struct zs_purge_view *view, uint64_t asked, const struct zs_key *key,
		    const uint8_t *tags, uint32_t tags_len);

#endif
