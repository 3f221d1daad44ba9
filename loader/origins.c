// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From Caddy's JSON to addresses. On any doubt an upstream is not taken, and says why; that the
 * configuration is one that Caddy runs is never relied upon.
 */
#include "origins.h"
#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* --- addresses ------------------------------------------------------------------------------- */

/* Caddy's networks are written before a slash. Strips TCP's; returns why another is refused. */
static const char *network_strip(const char **dial)
{
	const char *slash = strchr(*dial, '/');
	size_t n = slash ? (size_t)(slash - *dial) : 0;

	if (!slash)
		return NULL;
	if (!strncmp(*dial, "unix", 4))
		return "Unix socket";
	if (n < 3 || n > 4 || strncmp(*dial, "tcp", 3) || (n == 4 && !strchr("46", (*dial)[3])))
		return "network other than TCP";
	*dial = slash + 1;
	return NULL;
}

static const char *port_parse(const char *text, uint16_t *port)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long value;

	if (!*text)
		return "no port";
	if (digits && text[digits] == '-')
		return "port range";
	if (!digits || text[digits])
		return "port is not a number";
	value = digits > 5 ? 0 : strtoul(text, NULL, 10);
	if (!value || value > 65535)
		return "port is not between 1 and 65535";
	*port = (uint16_t)value;
	return NULL;
}

/* A name or an IPv4 address; between brackets an IPv6 address. */
static const char *host_check(const char *host, bool bracketed)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789.-_";
	struct in6_addr addr;

	if (bracketed && strchr(host, '%'))
		return "IPv6 address with a zone";
	if (bracketed && inet_pton(AF_INET6, host, &addr) != 1)
		return "not an IPv6 address";
	if (!bracketed && (host[strspn(host, allowed)] || host[0] == '-'))
		return "not a host name";
	return NULL;
}

const char *zs_dial_split(const char *dial, char *host, size_t size, uint16_t *port)
{
	bool bracketed;
	const char *end, *why;

	if (strlen(dial) >= ZS_DIAL_MAX)
		return "address too long";
	if (strpbrk(dial, "{}"))
		return "placeholder in the address";
	why = network_strip(&dial);
	if (why)
		return why;
	bracketed = *dial == '[';
	dial += bracketed;
	end = bracketed ? strchr(dial, ']') : strrchr(dial, ':');
	if (!end)
		return bracketed ? "no closing bracket" : "no port";
	if (!bracketed && memchr(dial, ':', (size_t)(end - dial)))
		return "IPv6 address without brackets";
	if ((size_t)(end - dial) >= size)
		return "host name too long";
	memcpy(host, dial, (size_t)(end - dial));
	host[end - dial] = '\0';
	why = host_check(host, bracketed);
	if (!why && bracketed && *++end != ':')
		why = *end ? "no colon before the port" : "no port";
	return why ? why : port_parse(end + 1, port);
}

/* --- the list -------------------------------------------------------------------------------- */

static bool upstream_same(const struct zs_upstream *a, const struct zs_upstream *b)
{
	return !strcmp(a->dial, b->dial) && a->taken == b->taken &&
	       (a->taken || !strcmp(a->reason, b->reason));
}

static int upstream_append(struct zs_origins *origins, const struct zs_upstream *up)
{
	struct zs_upstream *list;

	for (size_t i = 0; i < origins->count; i++) {
		if (upstream_same(&origins->list[i], up)) {
			origins->list[i].by_operator |= up->by_operator;
			return 0;
		}
	}
	if (origins->count >= ZS_UPSTREAMS_MAX)
		return -ENOSPC;
	list = realloc(origins->list, (origins->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	origins->list = list;
	list[origins->count++] = *up;
	return 0;
}

/* One upstream of a handler; `why` is the handler's own reason to be left alone, or NULL. */
static int upstream_add(struct zs_origins *origins, const char *dial, const char *why)
{
	struct zs_upstream up = {0};
	size_t len = strlen(dial);
	int err;

	if (len >= sizeof(up.dial)) {
		len = sizeof(up.dial) - 1;
		while (len && ((unsigned char)dial[len] & 0xc0) == 0x80)
			len--; /* not in the middle of a UTF-8 sequence */
	}
	memcpy(up.dial, dial, len);
	up.reason = why;
	if (!up.reason)
		up.reason = zs_dial_split(dial, up.host, sizeof(up.host), &up.port);
	up.taken = !up.reason;
	if (!up.taken) {
		up.host[0] = '\0';
		up.port = 0;
	}
	err = upstream_append(origins, &up);
	if (err == -ENOSPC)
		origins->more = true;
	return err == -ENOSPC ? 0 : err;
}

int zs_origins_add(struct zs_origins *origins, const char *spec)
{
	struct zs_upstream up = {.taken = true, .by_operator = true};
	int err;

	up.reason = *spec ? zs_dial_split(spec, up.host, sizeof(up.host), &up.port) : "empty";
	if (!up.reason && !up.host[0])
		up.reason = "no host";
	if (up.reason) {
		zs_error("origin \"%.64s\": %s: write ADDRESS:PORT, [IPV6]:PORT or NAME:PORT", spec,
			 up.reason);
		return -EINVAL;
	}
	memcpy(up.dial, spec, strlen(spec) + 1);
	err = upstream_append(origins, &up);
	if (err)
		zs_error("origin %s: %s: at most %d can be watched", spec, strerror(-err),
			 ZS_UPSTREAMS_MAX);
	return err;
}

void zs_origins_free(struct zs_origins *origins)
{
	free(origins->list);
	*origins = (struct zs_origins){0};
}

/* --- the configuration ----------------------------------------------------------------------- */

static bool present(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return value && !json_is_null(value) && !json_is_false(value) &&
	       !(json_is_string(value) && !json_string_length(value));
}

/* HTTP/1.1 is Caddy's default; without TLS, "2" beside it is never negotiated. */
static const char *versions_refusal(json_t *versions)
{
	bool http11 = !versions || json_is_null(versions) || !json_array_size(versions);
	const char *text;
	json_t *version;
	size_t i;

	json_array_foreach(versions, i, version)
	{
		text = json_string_value(version);
		if (text && !strcmp(text, "h2c"))
			return "HTTP/2 without TLS (h2c)";
		if (text && !strcmp(text, "1.1"))
			http11 = true;
	}
	return http11 ? NULL : "HTTP version other than 1.1";
}

static const char *transport_refusal(const json_t *handler)
{
	json_t *transport = json_object_get(handler, "transport");
	const json_t *protocol = json_object_get(transport, "protocol");

	if (!transport || json_is_null(transport))
		return NULL;
	if (!json_is_object(transport))
		return "transport is malformed";
	if (json_is_string(protocol) && !strcmp(json_string_value(protocol), "fastcgi"))
		return "FastCGI";
	if (protocol && (!json_is_string(protocol) || strcmp(json_string_value(protocol), "http")))
		return "transport other than HTTP";
	if (present(transport, "tls"))
		return "TLS to the upstream";
	if (present(transport, "proxy_protocol"))
		return "PROXY protocol";
	if (present(transport, "forward_proxy_url") || present(transport, "network_proxy"))
		return "through a forward proxy";
	return versions_refusal(json_object_get(transport, "versions"));
}

static int handler_add(struct zs_origins *origins, const json_t *handler)
{
	const char *why = transport_refusal(handler);
	json_t *upstream;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(handler, "upstreams"), i, upstream)
	{
		const json_t *dial = json_object_get(upstream, "dial");
		const char *text = json_string_value(dial);

		if (!text || !*text)
			err = upstream_add(origins, "", "address looked up by Caddy per request");
		else if (strlen(text) != json_string_length(dial))
			err = upstream_add(origins, text, "NUL in the address");
		else
			err = upstream_add(origins, text, why);
		if (err)
			return err;
	}
	if (present(handler, "dynamic_upstreams"))
		err = upstream_add(origins, "", "dynamic upstreams");
	return err;
}

/* As deep as jansson parses (JSON_PARSER_MAX_DEPTH, 2048): handlers nest in routes, in named
 * routes, in handle_response, in errors and in whatever a plug-in adds. */
static int handlers_walk(json_t *node, struct zs_origins *origins)
{
	const char *name, *handler;
	json_t *child;
	size_t i;
	int err = 0;

	handler = json_string_value(json_object_get(node, "handler"));
	if (handler && !strcmp(handler, "reverse_proxy"))
		err = handler_add(origins, node);
	json_array_foreach(node, i, child)
	{
		err = err ? err : handlers_walk(child, origins);
	}
	json_object_foreach(node, name, child)
	{
		err = err ? err : handlers_walk(child, origins);
	}
	return err;
}

int zs_origins_from_config(const char *json, size_t len, struct zs_origins *out)
{
	struct zs_origins found = {0};
	json_t *config, *http;
	json_error_t error;
	int err;

	if (len > ZS_CONFIG_MAX)
		return -EFBIG;
	config = json_loadb(json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!config)
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EINVAL;
	http = json_object_get(json_object_get(config, "apps"), "http");
	err = handlers_walk(json_object_get(http, "servers"), &found);
	json_decref(config);
	if (err)
		zs_origins_free(&found);
	else
		*out = found;
	return err;
}

/* --- resolving ------------------------------------------------------------------------------- */

static bool key_from_sockaddr(const struct sockaddr *sa, struct zs_origin_key *key)
{
	const struct sockaddr_in6 *v6 = (const void *)sa;
	const struct sockaddr_in *v4 = (const void *)sa;

	if (sa->sa_family == AF_INET6) {
		memcpy(key->addr, &v6->sin6_addr, 16);
		return true;
	}
	memset(key->addr, 0, 10);
	memset(key->addr + 10, 0xff, 2);
	memcpy(key->addr + 12, &v4->sin_addr, 4);
	return sa->sa_family == AF_INET;
}

/* Dialling the unspecified address reaches the loopback address, and that is what the kernel says.
 */
static const char *host_dialled(const struct zs_upstream *up)
{
	if (!up->host[0] || !strcmp(up->host, "0.0.0.0"))
		return "127.0.0.1";
	return strcmp(up->host, "::") ? up->host : "::1";
}

static size_t upstream_resolve(struct zs_upstream *up, uint64_t netns, struct zs_origin_key *keys,
			       size_t count, size_t max)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found, *ai;
	int err = getaddrinfo(host_dialled(up), NULL, &hints, &found);
	size_t i;

	up->addresses = 0;
	up->unresolved = err != 0;
	up->reason = err ? gai_strerror(err) : NULL;
	if (err)
		return count;
	for (ai = found; ai; ai = ai->ai_next) {
		struct zs_origin_key key = {.netns = netns, .port = up->port};

		if (!key_from_sockaddr(ai->ai_addr, &key))
			continue;
		for (i = 0; i < count && memcmp(&keys[i], &key, sizeof(key)); i++)
			;
		if (i == max) {
			up->reason = "too many addresses";
			break;
		}
		keys[i] = key;
		count += i == count;
		up->addresses++;
	}
	freeaddrinfo(found);
	return count;
}

size_t zs_origins_resolve(struct zs_origins *origins, uint64_t netns, struct zs_origin_key *keys,
			  size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < origins->count; i++) {
		if (origins->list[i].taken)
			count = upstream_resolve(&origins->list[i], netns, keys, count, max);
	}
	return count;
}

int zs_netns_cookie(uint64_t *cookie)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t value = 0;
	socklen_t size = sizeof(value);
	int err = fd < 0 ? -errno : 0;

	if (!err && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &value, &size) &&
	    errno != ENOPROTOOPT && errno != EOPNOTSUPP)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		zs_error("network namespace: its cookie cannot be read: %s", strerror(-err));
	else
		*cookie = value;
	return err;
}
