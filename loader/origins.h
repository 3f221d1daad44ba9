/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which upstreams Caddy dials, by its configuration or by the operator's word, and which of them
 * may be answered: plaintext HTTP/1.1 over TCP to an address that the configuration spells out.
 * admin.h fetches the configuration; what is done with the addresses is the agent's business.
 */
#ifndef ZS_ORIGINS_H
#define ZS_ORIGINS_H

#include "zs/abi.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_UPSTREAMS_MAX 256
#define ZS_DIAL_MAX	 288	     /* bytes of a dial string that are kept */
#define ZS_CONFIG_MAX	 (16u << 20) /* bytes of Caddy's configuration */
#define ZS_RESOLVE_SECONDS 30	     /* between look-ups of unchanged names */

struct zs_upstream {
	char dial[ZS_DIAL_MAX]; /* as configured; empty where the address is found while Caddy runs
				 */
	char host[256];		/* without brackets; empty: this host */
	uint16_t port;		/* host byte order */
	bool taken;		/* host and port are valid, and it may be answered */
	bool by_operator;	/* named by the operator, not found in the configuration */
	bool unresolved;	/* its name had no address when it was looked up last */
	uint32_t addresses;	/* keys that zs_origins_resolve made of it */
	const char *reason;	/* static: why not taken, or why it has no addresses; else NULL */
};

/* {} is an empty list. */
struct zs_origins {
	struct zs_upstream *list;
	size_t count;
	bool more; /* there were more than ZS_UPSTREAMS_MAX */
};

/* Every upstream of every reverse_proxy handler below apps.http.servers, once per (address,
 * reason): an address used with TLS here and in plain there stands twice. Pure and silent; *out is
 * overwritten, not freed. "null", an empty configuration, is an empty list.
 * -EINVAL: not JSON; -EFBIG; -ENOMEM. */
int zs_origins_from_config(const char *json, size_t len, struct zs_origins *out);

/* Appends what an operator wrote: ADDRESS:PORT, [IPV6]:PORT or NAME:PORT. Already there is success.
 * -EINVAL and -ENOSPC are logged. */
int zs_origins_add(struct zs_origins *origins, const char *spec);

void zs_origins_free(struct zs_origins *origins);

/* Splits [tcp/]HOST:PORT, with an IPv6 address between brackets; host gets it without them, terminated, port
 * in host byte order. Returns NULL, or why it is none (static; `host` and `port` are undefined then). */
const char *zs_dial_split(const char *dial, char *host, size_t size, uint16_t *port);

/* Looks up all addresses of all taken upstreams (getaddrinfo: blocks, for as long as the resolver
 * does) and writes each once to `keys`, with that netns. What cannot be resolved stays taken, with
 * a reason, for the next try. Returns the number of keys, at most `max`. */
size_t zs_origins_resolve(struct zs_origins *origins, uint64_t netns, struct zs_origin_key *keys,
			  size_t max);

/* For `status`: an array of {dial, host, port, taken, source, addresses, reason, advice}; `taken` is false of what
 * has no address, too, and `advice` says what to do, or is null. A new reference, NULL without memory. */
json_t *zs_origins_json(const struct zs_origins *origins);

/* SO_NETNS_COOKIE of this process's network namespace (Linux 5.14, e8b9eab99232); 0 where the
 * kernel has none. */
int zs_netns_cookie(uint64_t *cookie);

#endif
