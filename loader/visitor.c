// SPDX-License-Identifier: GPL-2.0-or-later
/* The request as Caddy passes it on. What the kernel makes of it is explain.c's question. */
#include "visitor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "log.h"

static bool is(const char *header, const char *name)
{
	size_t len = strlen(name);

	return !strncasecmp(header, name, len) && header[len] == ':';
}

static const char *value_of(const char *header, size_t *len)
{
	const char *value = strchr(header, ':') + 1;

	value += strspn(value, " \t");
	*len = strlen(value);
	while (*len && (value[*len - 1] == ' ' || value[*len - 1] == '\t'))
		--*len;
	return value;
}

const char *zs_visitor_field(const char *const *headers, const char *name, size_t *len)
{
	for (size_t i = 0; headers[i]; i++)
		if (is(headers[i], name))
			return value_of(headers[i], len);
	return NULL;
}

/* --- what a field may be (RFC 9110 5.1, 5.5) ---------------------------------------------------- */

static bool well_formed(const char *header)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t name = strspn(header, token);

	if (!name || header[name] != ':')
		return false;
	for (const unsigned char *c = (const unsigned char *)header + name; *c; c++)
		if ((*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
	return true;
}

int zs_visitor_check(const char *command, const char *const *headers)
{
	static const char *const framing[] = {"Content-Length", "Transfer-Encoding", "Trailer", NULL};

	for (size_t i = 0; headers[i]; i++) {
		if (!well_formed(headers[i])) {
			zs_error("%s: --header '%s': no field; write 'NAME: VALUE'", command, headers[i]);
			return -EINVAL;
		}
		for (size_t n = 0; framing[n]; n++) {
			if (!is(headers[i], framing[n]))
				continue;
			zs_error("%s: --header '%s': the GET that is meant has no body; leave it out", command, headers[i]);
			return -EINVAL;
		}
	}
	return 0;
}

/* --- the head ------------------------------------------------------------------------------------ */

/* Fields of the visitor that Caddy does not pass on, or sets itself. Of those of one hop it passes on an upgrade, and
 * that trailers are welcome. */
static bool dropped(const char *const *headers, const char *header)
{
	static const char *const names[] = {"Host", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Alt-Svc",
					    "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate",
					    "Proxy-Authorization", NULL};
	size_t len;

	for (size_t i = 0; names[i]; i++)
		if (is(header, names[i]))
			return true;
	if (is(header, "TE"))
		return !strcasestr(header, "trailers");
	return is(header, "Connection") && !zs_visitor_field(headers, "Upgrade", &len);
}

struct text {
	char *at;
	size_t len; /* of all, whether it fits or not */
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
	size_t room = t->len < ZS_HEAD_MAX ? ZS_HEAD_MAX - t->len : 0;
	va_list args;

	va_start(args, format);
	t->len += (size_t)vsnprintf(t->at + (room ? t->len : 0), room, format, args);
	va_end(args);
}

size_t zs_visitor_head(const char *const *headers, const struct zs_url *url, bool tls, char *head)
{
	size_t host_len = strlen(url->host), len;
	const char *host = zs_visitor_field(headers, "Host", &len);
	struct text t = {.at = head};

	if (host)
		host_len = len;
	add(&t, "GET %s HTTP/1.1\r\nHost: %.*s\r\n", url->target, (int)host_len, host ? host : url->host);
	if (!zs_visitor_field(headers, "User-Agent", &len))
		add(&t, "User-Agent: zs-load explain\r\n");
	for (size_t i = 0; headers[i]; i++) {
		const char *value = value_of(headers[i], &len);

		if (!dropped(headers, headers[i]))
			add(&t, "%.*s: %.*s\r\n", (int)(strchr(headers[i], ':') - headers[i]), headers[i], (int)len, value);
	}
	add(&t, "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: %s\r\nX-Forwarded-Proto: %s\r\n", url->host,
	    tls ? "https" : "http");
	if (!zs_visitor_field(headers, "Accept-Encoding", &len) && !zs_visitor_field(headers, "Range", &len))
		add(&t, "Accept-Encoding: gzip\r\n");
	add(&t, "\r\n");
	return t.len;
}
