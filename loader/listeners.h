/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where Caddy listens, by its configuration: addresses, whether visitors speak TLS there, and after which time
 * Caddy closes what it believes idle. And which of that an operator has opted in. Pure.
 */
#ifndef ZS_LISTENERS_H
#define ZS_LISTENERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zs/abi.h>

#define ZS_LISTENERS_MAX 256
#define ZS_LISTEN_SPEC	 72 /* bytes of an address and port as text, its zero included */

/* A local address. The netns of `key` is 0. Of a wildcard, `key.addr` is :: for both families and for IPv6 alone,
 * ::ffff:0.0.0.0 for IPv4 alone. */
struct zs_listen_at {
	struct zs_origin_key key;
	bool wildcard;
	uint8_t family; /* 4, 6; 0: both, of a wildcard */
};

struct zs_served {
	const char *server; /* its name, within the configuration */
	const char *listen; /* as configured, likewise */
	struct zs_listen_at at;
	char text[ZS_LISTEN_SPEC]; /* `at` in words; "" where it is none */
	const char *reason;	   /* static: why the kernel cannot answer there; null: it is plaintext TCP */
	bool tls;
	uint32_t idle; /* seconds without a request that Caddy sees, after which it may close; at least 1 */
};

/* {} is an empty list. */
struct zs_listeners {
	struct zs_served *list;
	size_t count;
	bool more;	/* there were more than ZS_LISTENERS_MAX */
	json_t *config; /* a reference: names are within */
};

/* Every address of every server in apps.http.servers of what GET /config/ gives, ranges of ports one by one. What
 * Caddy adds by itself (the server for redirects to HTTPS) is not among them. -ENOMEM. */
int zs_listeners_read(json_t *config, struct zs_listeners *out);
void zs_listeners_free(struct zs_listeners *listeners);

/* ADDRESS:PORT or [IPV6]:PORT; `localhost` is 127.0.0.1, no address at all is every address, as 0.0.0.0 and [::] are
 * here. Returns null, or why it is none (static). */
const char *zs_listen_parse(const char *spec, struct zs_listen_at *out);

/*
 * The listener that serves what an operator wrote, and the address to follow: that of the listener, or the operator's
 * own below a wildcard. Returns null, or why nothing is to be followed (static); *listener is set if one was found
 * all the same, else null.
 */
const char *zs_listeners_find(const struct zs_listeners *listeners, const char *spec,
			      const struct zs_served **listener, struct zs_listen_at *out);

/* Where a connection from this host reaches it. */
struct zs_origin_key zs_listen_dial(const struct zs_listen_at *at);

#endif
