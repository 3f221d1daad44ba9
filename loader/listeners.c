// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Caddy's listeners as its http app makes them (listeners by server, automatic HTTPS, defaults of time-outs). On a
 * doubt a listener is not taken; that one taken for plaintext speaks TLS harms nothing but its acceleration.
 */
#include "listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origins.h"

#define NS_PER_S    1000000000.0
#define IDLE_S	    300 /* Caddy's idle_timeout, where it is not set */
#define HEADER_S    60	/* read_header_timeout, from 2.9 on; before, there was none */
#define HTTP_PORT   80
#define HTTPS_PORT  443
#define RANGE_PORTS 65535

/* --- addresses ------------------------------------------------------------------------------- */

/* `family`: what the network's name allows, 0: both. */
static const char *host_read(const char *host, uint8_t family, struct zs_listen_at *out)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (!strcmp(host, "localhost"))
		host = "127.0.0.1";
	if (!host[0]) {
		out->wildcard = true;
		out->family = family;
	} else if (inet_pton(AF_INET, host, &v4) == 1) {
		out->family = 4;
		out->wildcard = v4.s_addr == INADDR_ANY;
		memcpy(out->key.addr + 12, &v4, 4);
	} else if (inet_pton(AF_INET6, host, &v6) == 1) {
		memcpy(out->key.addr, &v6, 16);
		out->family = IN6_IS_ADDR_V4MAPPED(&v6) ? 4 : 6;
		out->wildcard = IN6_IS_ADDR_UNSPECIFIED(&v6);
		if (out->wildcard && !family)
			out->family = 0; /* Go binds it for both */
	} else {
		return "a name; write its address";
	}
	if (family && out->family && family != out->family)
		return "not an address of that network";
	if (out->family == 4)
		memset(out->key.addr + 10, 0xff, 2);
	return NULL;
}

const char *zs_listen_parse(const char *spec, struct zs_listen_at *out)
{
	struct zs_listen_at at = {0};
	char host[ZS_DIAL_MAX];
	const char *why;
	uint16_t port;

	if (strchr(spec, '/'))
		return "a network; write the address alone";
	if (strlen(spec) >= ZS_LISTEN_SPEC)
		return "too long for an address";
	why = zs_dial_split(spec, host, sizeof(host), &port);
	if (!why)
		why = host_read(host, 0, &at);
	if (why)
		return why;
	if (at.wildcard) {
		at.family = 0;
		memset(at.key.addr, 0, sizeof(at.key.addr));
	}
	at.key.port = port;
	*out = at;
	return NULL;
}

static void at_text(const struct zs_listen_at *at, char *text)
{
	char ip[INET6_ADDRSTRLEN] = "";

	if (at->wildcard && !at->family)
		snprintf(text, ZS_LISTEN_SPEC, ":%u", at->key.port);
	else if (at->family == 4)
		snprintf(text, ZS_LISTEN_SPEC, "%s:%u", inet_ntop(AF_INET, at->key.addr + 12, ip, sizeof(ip)),
			 at->key.port);
	else
		snprintf(text, ZS_LISTEN_SPEC, "[%s]:%u", inet_ntop(AF_INET6, at->key.addr, ip, sizeof(ip)),
			 at->key.port);
}

struct zs_origin_key zs_listen_dial(const struct zs_listen_at *at)
{
	struct zs_origin_key key = at->key;

	if (at->wildcard && at->family == 6) {
		inet_pton(AF_INET6, "::1", key.addr);
	} else if (at->wildcard) {
		inet_pton(AF_INET6, "::ffff:127.0.0.1", key.addr);
	}
	return key;
}

/* --- what one server says -------------------------------------------------------------------- */

struct server {
	const char *name;
	const json_t *json;
	long http_port;
	bool tls; /* on every port but http_port */
	uint32_t idle;
};

/* [network/]host:port[-port] in its parts. */
struct written {
	uint8_t family;
	char host[ZS_DIAL_MAX];
	long from, to;
};

static const char *network_read(const char **text, uint8_t *family)
{
	const char *slash = strchr(*text, '/');
	size_t len = slash ? (size_t)(slash - *text) : 0;

	*family = 0;
	if (!slash)
		return NULL;
	if (!strncmp(*text, "unix", 4))
		return "Unix socket";
	if (!strncmp(*text, "udp", 3))
		return "UDP: HTTP/3 alone";
	if (len < 3 || len > 4 || strncmp(*text, "tcp", 3) || (len == 4 && !strchr("46", (*text)[3])))
		return "network other than TCP";
	if (len == 4)
		*family = (uint8_t)((*text)[3] - '0');
	*text = slash + 1;
	return NULL;
}

static const char *written_read(const char *text, struct written *out)
{
	const char *why, *colon;
	char *end;
	size_t len;

	if (strpbrk(text, "{}"))
		return "placeholder in the address";
	why = network_read(&text, &out->family);
	if (why)
		return why;
	colon = strrchr(text, ':');
	if (!colon || strchr(colon, ']'))
		return "no port";
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(out->host) || memchr(text, '%', len))
		return "address too long, or with a zone";
	memcpy(out->host, text, len);
	out->host[len] = '\0';
	out->from = out->to = strtol(colon + 1, &end, 10);
	if (end != colon + 1 && *end == '-')
		out->to = strtol(end + 1, &end, 10);
	if (*end || out->from < 1 || out->to < out->from || out->to > RANGE_PORTS)
		return "port is not between 1 and 65535";
	return NULL;
}

/* A server without a port other than this one. Addresses that are none do not count, as in Caddy. */
static bool only_port(const json_t *server, long port)
{
	json_t *listen;
	size_t i;

	json_array_foreach(json_object_get(server, "listen"), i, listen)
	{
		struct written w;

		if (json_is_string(listen) && !written_read(json_string_value(listen), &w) &&
		    (port < w.from || port > w.to))
			return false;
	}
	return true;
}

static bool string_in(const json_t *array, const char *text)
{
	json_t *one;
	size_t i;

	json_array_foreach(array, i, one)
	{
		if (json_is_string(one) && !strcmp(json_string_value(one), text))
			return true;
	}
	return false;
}

/* Hosts in the matchers of the outermost routes, but for those that automatic HTTPS is told to skip. */
static bool names_hosts(const json_t *server, const json_t *skip)
{
	json_t *route, *set, *host;
	size_t i, j, k;

	json_array_foreach(json_object_get(server, "routes"), i, route)
	{
		json_array_foreach(json_object_get(route, "match"), j, set)
		{
			json_array_foreach(json_object_get(set, "host"), k, host)
			{
				if (json_is_string(host) && !string_in(skip, json_string_value(host)))
					return true;
			}
		}
	}
	return false;
}

static bool speaks_tls(const json_t *server, long http_port, long https_port)
{
	const json_t *policies = json_object_get(server, "tls_connection_policies");
	const json_t *automatic = json_object_get(server, "automatic_https");

	if (policies && !json_is_null(policies))
		return json_array_size(policies) > 0;
	if (json_is_true(json_object_get(automatic, "disable")) || only_port(server, http_port))
		return false;
	return only_port(server, https_port) || names_hosts(server, json_object_get(automatic, "skip"));
}

/* --- time-outs ------------------------------------------------------------------------------- */

static double unit_seconds(const char **text)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {
		{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*text, units[i].name, len))
			continue;
		*text += len;
		return units[i].seconds;
	}
	return -1;
}

/* Caddy's durations: nanoseconds, or "1m30s". Seconds; 0: not set, or not understood. */
static double seconds_of(const json_t *server, const char *name)
{
	const json_t *value = json_object_get(server, name);
	const char *text = json_string_value(value);
	double sum = 0;

	if (json_is_number(value))
		return json_number_value(value) / NS_PER_S;
	while (text && *text) {
		char *end;
		double number = strtod(text, &end), unit;

		if (end == text)
			return 0;
		text = end;
		unit = unit_seconds(&text);
		if (unit < 0)
			return 0;
		sum += number * unit;
	}
	return sum;
}

/* A connection of which Caddy has seen no request yet ends after read_header_timeout (read_timeout, if only that is
 * set), another one after idle_timeout; negative ones never end. The sooner of both counts. */
static uint32_t idle_seconds(const json_t *server)
{
	double idle = seconds_of(server, "idle_timeout"), header = seconds_of(server, "read_header_timeout");
	double read = seconds_of(server, "read_timeout"), least;

	idle = idle > 0 ? idle : IDLE_S;
	if (header <= 0)
		header = read > 0 && read < HEADER_S ? read : HEADER_S;
	least = idle < header ? idle : header;
	return least < 1 ? 1 : (uint32_t)least;
}

/* --- the list -------------------------------------------------------------------------------- */

static int append(struct zs_listeners *all, const struct zs_served *one)
{
	struct zs_served *list;

	if (all->count == ZS_LISTENERS_MAX) {
		all->more = true;
		return 0;
	}
	list = realloc(all->list, (all->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	all->list = list;
	list[all->count++] = *one;
	return 0;
}

static int address_add(struct zs_listeners *all, const struct server *s, const char *listen)
{
	struct zs_served one = {.server = s->name, .listen = listen, .idle = s->idle};
	struct written w = {0};
	int err = 0;

	one.reason = written_read(listen, &w);
	if (!one.reason)
		one.reason = host_read(w.host, w.family, &one.at);
	if (one.reason)
		return append(all, &one);
	for (long port = w.from; !err && port <= w.to; port++) {
		one.at.key.port = (uint32_t)port;
		one.tls = s->tls && port != s->http_port;
		one.reason = one.tls ? "TLS: its visitors profit at the upstream hop" : NULL;
		at_text(&one.at, one.text);
		err = append(all, &one);
		if (all->more)
			break;
	}
	return err;
}

static long port_of(const json_t *http, const char *name, long otherwise)
{
	long port = (long)json_integer_value(json_object_get(http, name));

	return port > 0 ? port : otherwise;
}

int zs_listeners_read(json_t *config, struct zs_listeners *out)
{
	const json_t *http = json_object_get(json_object_get(config, "apps"), "http");
	struct zs_listeners all = {.config = json_incref(config)};
	struct server s = {.http_port = port_of(http, "http_port", HTTP_PORT)};
	json_t *server, *listen;
	int err = 0;
	size_t i;

	json_object_foreach(json_object_get(http, "servers"), s.name, server)
	{
		s.json = server;
		s.tls = speaks_tls(server, s.http_port, port_of(http, "https_port", HTTPS_PORT));
		s.idle = idle_seconds(server);
		json_array_foreach(json_object_get(server, "listen"), i, listen)
		{
			if (!err && json_is_string(listen))
				err = address_add(&all, &s, json_string_value(listen));
		}
	}
	if (err)
		zs_listeners_free(&all);
	else
		*out = all;
	return err;
}

void zs_listeners_free(struct zs_listeners *listeners)
{
	free(listeners->list);
	json_decref(listeners->config);
	*listeners = (struct zs_listeners){0};
}

/* --- what was opted in ----------------------------------------------------------------------- */

static bool covers(const struct zs_listen_at *wildcard, const struct zs_listen_at *at)
{
	return wildcard->wildcard && wildcard->key.port == at->key.port &&
	       (!wildcard->family || !at->family || wildcard->family == at->family);
}

/* Of an exact address its own listener, else the wildcard that covers it. */
static const struct zs_served *serving(const struct zs_listeners *all, const struct zs_listen_at *at)
{
	const struct zs_served *found = NULL;

	for (size_t i = 0; i < all->count; i++) {
		const struct zs_served *one = &all->list[i];

		if (!one->text[0])
			continue;
		if (!at->wildcard && !one->at.wildcard && !memcmp(&one->at.key, &at->key, sizeof(at->key)))
			return one;
		if (!found && covers(&one->at, at))
			found = one;
	}
	return found;
}

/* Whether it may take TCP connections to that port, as far as its address is understood. */
static bool may_have(const struct zs_served *one, uint32_t port)
{
	struct written w;

	if (one->text[0])
		return one->at.key.port == port;
	if (!strncmp(one->listen, "unix", 4) || !strncmp(one->listen, "udp", 3))
		return false;
	return written_read(one->listen, &w) || (port >= w.from && port <= w.to);
}

/* Whether no second listener would be taken for this wildcard: the kernel's map has no exceptions. `exact`: of one address
 * of it alone, which then may still be that of a listener whose address is not understood. */
static bool alone(const struct zs_listeners *all, const struct zs_served *wildcard, bool exact)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct zs_served *one = &all->list[i];

		if (one != wildcard && !(exact && one->text[0]) && may_have(one, wildcard->at.key.port))
			return false;
	}
	return !all->more;
}

const char *zs_listeners_find(const struct zs_listeners *listeners, const char *spec,
			      const struct zs_served **listener, struct zs_listen_at *out)
{
	const struct zs_served *found;
	struct zs_listen_at at;
	const char *why = zs_listen_parse(spec, &at);

	*listener = NULL;
	if (why)
		return why;
	found = serving(listeners, &at);
	if (!found)
		return "Caddy does not listen there";
	*listener = found;
	if (found->reason)
		return found->reason;
	if (found->at.wildcard && !alone(listeners, found, !at.wildcard))
		return "several listeners have this port; name their addresses";
	*out = at.wildcard ? found->at : at;
	return NULL;
}
