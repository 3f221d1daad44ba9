/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a response that was received whole to an object in the store, or to a reason why not. */
#ifndef ZS_INGEST_H
#define ZS_INGEST_H

#include <stdbool.h>
#include <stdint.h>
#include <zs/abi.h>

#include "policy.h"
#include "response.h"
#include "store.h"

struct zs_config;
struct zs_maps;

/* The request that a response belongs to, and what was valid when it left. */
struct zs_asked {
	uint64_t digest;
	uint64_t time; /* boot-time ns */
	uint32_t bucket;
	uint32_t generation;
	uint32_t flush;
	uint32_t key_len;
	uint32_t head_len;
	bool unsafe; /* its response is looked at for Location alone */
	struct zs_key key;
	uint8_t head[ZS_HEAD_MAX];
};

struct zs_ingest {
	struct zs_store *store;
	const struct zs_config *config; /* rules and Vary fields; borrowed, never null */
	const struct zs_maps *maps;     /* for what the kernel goes by now; null (tests): it has no classes */
	const struct zs_ctl *ctl;       /* with maps */
	/* The address of an origin, for rules that name one. 0 or -ENOENT. May be null. */
	int (*origin)(void *user, uint32_t id, struct zs_origin_key *out);
	/* Whether Caddy's configuration allows a response to be stored, if the origin is a listener of Caddy's [A6].
	 * May be null: every origin is an upstream. */
	bool (*listener)(void *user, uint32_t id); /* whether it is one; may be null */
	bool (*eligible)(void *user, const struct zs_asked *asked, bool query_open);
	void *user;
	uint32_t max_body;     /* bytes */
	uint32_t lifetime_max; /* seconds */
	int refresh;           /* ask for refreshes */
	uint64_t reasons[ZS_POLICY_REASONS]; /* how often each decision was made */
	enum zs_policy_reason last;          /* the newest decision */
	bool by_request; /* it hangs on the request: the next one with this key may be stored */
	uint64_t stored;
	uint64_t failed; /* the store had no room */
};

/* What policy.h says of the head. `arrived`: boot-time ns of the first byte. Sets `last`, `by_request`, and counts. */
enum zs_policy_reason zs_ingest_judge(struct zs_ingest *in, const struct zs_asked *asked,
				      const struct zs_response *response, uint64_t arrived);

/*
 * When hits ask for a refresh (boot-time ns): in the last tenth of the lifetime or so, from a twentieth to three
 * twentieths before its end, by the key, so that what was stored together is not refreshed together.
 * ZS_REFRESH_NEVER for lifetimes below ten seconds, and for what arrived (boot-time ns) when half of its is gone.
 */
#define ZS_REFRESH_NEVER (~0ull)
uint64_t zs_refresh_time(const struct zs_policy_verdict *v, uint64_t digest, uint64_t arrived);

/* Renders and stores. -EINVAL: not to be stored by policy; -ESTALE: by the rules in use now the request may
 * not fill the store, or means another key; -E2BIG: the head does not fit; errors of zs_store_put. Sets `last` and
 * `by_request` to what the policy says of the whole, and counts. */
int zs_ingest_store(struct zs_ingest *in, const struct zs_asked *asked, const struct zs_response *response,
		    const struct zs_body *body, uint64_t arrived);

#endif
