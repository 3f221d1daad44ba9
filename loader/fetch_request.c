// SPDX-License-Identifier: GPL-2.0-or-later
/* A stored request head taken apart again. It was recognised as strict once; here it still has to
 * be. */
#include "fetch_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_tchar(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool name_is(const char *name, size_t len, const char *other)
{
	return len == strlen(other) && !strncasecmp(name, other, len);
}

/* Fields of the connection, of this one visitor, or of a body that is not there. */
static bool field_dropped(const char *name, size_t len)
{
	static const char *const dropped[] = {
		"Connection",	 "Keep-Alive", "TE",	 "Trailer",	  "Transfer-Encoding",
		"Upgrade",	 "Range",      "Cookie", "Authorization", "Content-Length",
		"Cache-Control", "Pragma",     "Expect",
	};

	if (len >= 3 && !strncasecmp(name, "If-", 3))
		return true;
	if (len >= 6 && !strncasecmp(name, "Proxy-", 6))
		return true;
	for (size_t i = 0; i < sizeof(dropped) / sizeof(*dropped); i++) {
		if (name_is(name, len, dropped[i]))
			return true;
	}
	return false;
}

/* A list that names further fields of the connection cannot be repeated without them. */
static bool connection_plain(const char *value, size_t len)
{
	return name_is(value, len, "keep-alive") || name_is(value, len, "close");
}

static int field_append(struct curl_slist **fields, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*fields, text);

	if (!longer)
		return -ENOMEM;
	*fields = longer;
	return 0;
}

/* A precondition of our own (RFC 9111 4.3.1). */
static int condition_append(struct curl_slist **fields, const char *name, const char *value,
			    size_t len)
{
	char text[ZS_HEAD_MAX + 1];

	if (!value || !len)
		return 0;
	if (len > ZS_HEAD_MAX / 2)
		return -EINVAL;
	snprintf(text, sizeof(text), "%s: %.*s", name, (int)len, value);
	return field_append(fields, text);
}

struct seen {
	unsigned host;
	bool accept;
	bool to_listener;
};

/* One line without CRLF. libcurl reads "Name:" as "leave it out" and "Name;" as an empty value. */
static int field_repeat(const char *line, size_t len, struct curl_slist **fields, struct seen *seen)
{
	char text[ZS_HEAD_MAX + 1];
	size_t name = 0, from, to = len;

	while (name < len && is_tchar(line[name]))
		name++;
	if (!name || name == len || line[name] != ':')
		return -EINVAL;
	for (size_t i = name + 1; i < len; i++) {
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return -EINVAL;
	}
	for (from = name + 1; from < len && strchr(" \t", line[from]); from++)
		;
	while (to > from && strchr(" \t", line[to - 1]))
		to--;
	if (name_is(line, name, "Connection") && !connection_plain(line + from, to - from))
		return -EINVAL;
	if (name_is(line, name, "Host") && (seen->host++ || from == to))
		return -EINVAL;
	if (name_is(line, name, "Accept"))
		seen->accept = true;
	if (field_dropped(line, name) || (seen->to_listener && name_is(line, name, "User-Agent")))
		return 0;
	snprintf(text, sizeof(text), "%.*s", (int)len, line);
	if (from == to)
		memcpy(text + name, ";", 2);
	return field_append(fields, text);
}

/* Only the origin form, without anything that libcurl or an origin could read in another way. */
static bool target_plain(const char *target, size_t len)
{
	if (!len || len > ZS_TARGET_MAX || target[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (target[i] <= ' ' || target[i] >= 0x7f)
			return false;
	}
	return true;
}

/* GET or HEAD, this target, HTTP/1.1, CRLF. Returns its length, 0 for anything else. */
static size_t request_line(const struct zs_fetch_request *r)
{
	static const char version[] = " HTTP/1.1\r\n";
	size_t method = 0, need;

	if (r->head_len > 5 && !memcmp(r->head, "GET ", 4))
		method = 4;
	else if (r->head_len > 5 && !memcmp(r->head, "HEAD ", 5))
		method = 5;
	need = method + r->target_len + strlen(version);
	if (!method || r->target_len > ZS_TARGET_MAX || r->head_len < need ||
	    memcmp(r->head + method, r->target, r->target_len) ||
	    memcmp(r->head + need - strlen(version), version, strlen(version)))
		return 0;
	return need;
}

int zs_fetch_fields(const struct zs_fetch_request *r, struct curl_slist **out)
{
	const char *line = r->head + request_line(r), *end = r->head + r->head_len;
	struct curl_slist *fields = NULL;
	struct seen seen = {.to_listener = r->to_listener};
	int err = 0;

	if (r->head_len > ZS_HEAD_MAX || line == r->head || !target_plain(r->target, r->target_len))
		err = -EINVAL;
	while (!err) {
		const char *cr = memchr(line, '\r', (size_t)(end - line));

		if (!cr || end - cr < 2 || cr[1] != '\n')
			err = -EINVAL;
		else if (cr == line)
			break;
		else
			err = field_repeat(line, (size_t)(cr - line), &fields, &seen);
		line = cr ? cr + 2 : line;
	}
	if (!err && (end - line != 2 || seen.host != 1))
		err = -EINVAL;
	if (!err)
		err = condition_append(&fields, "If-None-Match", r->none_match, r->none_match_len);
	if (!err)
		err = condition_append(&fields, "If-Modified-Since", r->modified_since,
				       r->modified_since_len);
	if (!err && r->to_listener)
		err = field_append(&fields, "Connection: close");
	if (!err && r->to_listener)
		err = field_append(&fields, "User-Agent: zeroserve/" ZS_VERSION);
	if (!err && !seen.accept)
		err = field_append(&fields, "Accept:"); /* else libcurl adds its own */
	if (err)
		curl_slist_free_all(fields);
	else
		*out = fields;
	return err;
}

int zs_fetch_url(const struct zs_origin_key *to, char url[ZS_FETCH_URL_MAX])
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	char text[INET6_ADDRSTRLEN];
	bool v4 = !memcmp(to->addr, mapped, sizeof(mapped));

	if (!to->port || to->port > 65535)
		return -EINVAL;
	inet_ntop(v4 ? AF_INET : AF_INET6, to->addr + (v4 ? 12 : 0), text, sizeof(text));
	if (v4)
		snprintf(url, ZS_FETCH_URL_MAX, "http://%s:%u/", text, to->port);
	else
		snprintf(url, ZS_FETCH_URL_MAX, "http://[%s]:%u/", text, to->port);
	return 0;
}
