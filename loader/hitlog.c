// SPDX-License-Identifier: GPL-2.0-or-later
/* Events of the ring zs_hits as lines of Caddy's access log. */
#include "hitlog.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <zs/abi.h>

#include "clock.h"

#define FIELDS_MAX 128u /* of a head; a request has less than ZS_LINES_MAX */

struct piece {
	const uint8_t *p;
	size_t n;
};

struct field {
	struct piece name, value;
	bool written;
};

struct head {
	struct piece start; /* the request line or status line */
	struct field field[FIELDS_MAX];
	size_t count;
	bool cut; /* not all of it is there */
};

/* --- text ------------------------------------------------------------------------------------ */

struct text {
	char *p, *end;
};

static void put(struct text *t, const void *bytes, size_t n)
{
	if ((size_t)(t->end - t->p) < n)
		return;
	memcpy(t->p, bytes, n);
	t->p += n;
}

#define PUT(t, literal) put(t, literal, sizeof(literal) - 1)

static void put_number(struct text *t, uint64_t value, int digits)
{
	char buffer[20];
	int at = sizeof(buffer);

	do {
		buffer[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (at && (value || (int)sizeof(buffer) - at < digits));
	put(t, buffer + at, sizeof(buffer) - (size_t)at);
}

static void put_signed(struct text *t, int64_t value)
{
	if (value < 0)
		PUT(t, "-");
	put_number(t, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

/* Seconds with nine digits behind the point. */
static void put_seconds(struct text *t, uint64_t ns)
{
	put_number(t, ns / ZS_NS, 1);
	PUT(t, ".");
	put_number(t, ns % ZS_NS, 9);
}

/* The length of the UTF-8 sequence at p (RFC 3629 4); 0: it is none. */
static size_t utf8(const uint8_t *p, size_t n)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

static void put_escaped(struct text *t, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	char code[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '"': PUT(t, "\\\""); return;
	case '\\': PUT(t, "\\\\"); return;
	case '\n': PUT(t, "\\n"); return;
	case '\r': PUT(t, "\\r"); return;
	case '\t': PUT(t, "\\t"); return;
	default: put(t, code, sizeof(code)); return;
	}
}

/* What stands between the quotes of a string. */
static void put_bytes(struct text *t, struct piece s)
{
	for (size_t at = 0, run; at < s.n; at += run) {
		uint8_t c = s.p[at];

		for (run = 0; at + run < s.n; run++) {
			c = s.p[at + run];
			if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
				break;
		}
		put(t, s.p + at, run);
		if (at + run == s.n)
			return;
		at += run;
		run = c < 0x80 ? 0 : utf8(s.p + at, s.n - at);
		if (run) {
			put(t, s.p + at, run);
			continue;
		}
		run = 1;
		if (c < 0x80)
			put_escaped(t, c);
		else
			PUT(t, "\\ufffd");
	}
}

static void put_string(struct text *t, struct piece s)
{
	PUT(t, "\"");
	put_bytes(t, s);
	PUT(t, "\"");
}

/* --- heads ----------------------------------------------------------------------------------- */

static struct piece trim(struct piece s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Bytes of a token (RFC 9110 5.6.2). */
static bool is_token(struct piece s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c && strchr("!#$%&'*+-.^_`|~", c))))
			return false;
	}
	return s.n > 0;
}

static void field_add(struct head *h, struct piece line)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	struct piece name, value;

	if (!colon)
		return;
	name = (struct piece){line.p, (size_t)(colon - line.p)};
	value = (struct piece){colon + 1, line.n - name.n - 1};
	if (!is_token(name))
		return;
	if (h->count == FIELDS_MAX) {
		h->cut = true;
		return;
	}
	h->field[h->count++] = (struct field){.name = name, .value = trim(value)};
}

/* Lines that are whole, up to the empty one. */
static void head_split(struct head *h, struct piece s)
{
	bool first = true;

	h->start = (struct piece){s.p, 0};
	h->count = 0;
	h->cut = false;
	for (;;) {
		const uint8_t *end = s.n ? memchr(s.p, '\n', s.n) : NULL;
		struct piece line;

		if (!end) {
			h->cut = true;
			return;
		}
		line = (struct piece){s.p, (size_t)(end - s.p)};
		s.n -= line.n + 1;
		s.p = end + 1;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (!line.n)
			return;
		if (first)
			h->start = line;
		else
			field_add(h, line);
		first = false;
	}
}

static bool named(const struct field *f, const char *name)
{
	return f->name.n == strlen(name) && !strncasecmp((const char *)f->name.p, name, f->name.n);
}

static bool same_name(const struct field *a, const struct field *b)
{
	return a->name.n == b->name.n && !strncasecmp((const char *)a->name.p, (const char *)b->name.p, a->name.n);
}

static bool is_credential(const struct field *f)
{
	return named(f, "Cookie") || named(f, "Set-Cookie") || named(f, "Authorization") ||
	       named(f, "Proxy-Authorization");
}

/* A token in the form of Go's CanonicalMIMEHeaderKey; nothing in it needs to be escaped. */
static void put_name(struct text *t, struct piece name)
{
	bool upper = true;

	PUT(t, "\"");
	for (size_t i = 0; i < name.n; i++) {
		char c = (char)name.p[i];

		if (upper && c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (!upper && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		put(t, &c, 1);
		upper = c == '-';
	}
	PUT(t, "\":[");
}

/* Field n and all later ones of its name. */
static void put_field(struct text *t, struct head *h, size_t n)
{
	bool more = false;

	put_name(t, h->field[n].name);
	if (is_credential(&h->field[n]))
		PUT(t, "\"REDACTED\"");
	for (size_t i = n; i < h->count; i++) {
		if (i > n && !same_name(&h->field[i], &h->field[n]))
			continue;
		h->field[i].written = true;
		if (is_credential(&h->field[n]))
			continue;
		if (more)
			PUT(t, ",");
		put_string(t, h->field[i].value);
		more = true;
	}
	PUT(t, "]");
}

static void put_fields(struct text *t, struct head *h)
{
	bool more = false;

	PUT(t, "{");
	for (size_t i = 0; i < h->count; i++) {
		if (h->field[i].written)
			continue;
		if (more)
			PUT(t, ",");
		put_field(t, h, i);
		more = true;
	}
	PUT(t, "}");
}

/* --- the visitor ------------------------------------------------------------------------------ */

/* An address in text, or nothing if it is none. */
static struct piece address(struct piece s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr any;

	s = trim(s);
	if (s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return (struct piece){s.p, 0};
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (inet_pton(AF_INET, text, &any) != 1 && inet_pton(AF_INET6, text, &any) != 1)
		s.n = 0;
	return s;
}

static struct piece last_element(struct piece list)
{
	for (size_t i = list.n; i > 0; i--)
		if (list.p[i - 1] == ',')
			return (struct piece){list.p + i, list.n - i};
	return list;
}

static struct piece first_address(struct piece list)
{
	struct piece found = {list.p, 0};

	while (!found.n && list.n) {
		const uint8_t *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;

		found = address((struct piece){list.p, n});
		n += !!comma;
		list.p += n;
		list.n -= n;
	}
	return found;
}

/* On the upstream hop: whom Caddy says it serves. Caddy appends its peer to X-Forwarded-For, and drops what stood
 * there unless it trusts that peer; then the first address is the client's. */
static void put_forwarded(struct text *t, const struct head *h)
{
	struct piece remote = {(const uint8_t *)"", 0}, client = remote;
	bool listed = false;

	for (size_t i = 0; i < h->count; i++) {
		const struct field *f = &h->field[i];

		if (named(f, "X-Forwarded-For")) {
			remote = address(last_element(f->value));
			client = client.n && listed ? client : first_address(f->value);
			listed = true;
		} else if (named(f, "X-Real-IP") && !listed) {
			remote = client = address(f->value);
		}
	}
	PUT(t, "\"remote_ip\":");
	put_string(t, remote);
	PUT(t, ",\"remote_port\":\"\",\"client_ip\":");
	put_string(t, client);
}

static void put_peer(struct text *t, const uint8_t addr[16], uint16_t port)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	bool v4 = !memcmp(addr, mapped, sizeof(mapped));
	char ip[INET6_ADDRSTRLEN] = "";

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + sizeof(mapped) : addr, ip, sizeof(ip));
	PUT(t, "\"remote_ip\":\"");
	put(t, ip, strlen(ip));
	PUT(t, "\",\"remote_port\":\"");
	put_number(t, port, 1);
	PUT(t, "\",\"client_ip\":\"");
	put(t, ip, strlen(ip));
	PUT(t, "\"");
}

/* --- the line --------------------------------------------------------------------------------- */

static void put_visitor(struct text *t, const struct zs_event_hit *hit, const struct head *request)
{
	if (hit->lane == ZS_LANE_CLIENT)
		put_peer(t, hit->remote, hit->remote_port);
	else if (hit->lane == ZS_LANE_CLIENT_DIALER)
		put_peer(t, hit->local, hit->local_port);
	else
		put_forwarded(t, request);
}

/* Method and version are what stands before the first and behind the last blank; between them is the target. */
static void put_request_line(struct text *t, struct piece line, struct piece host)
{
	const uint8_t *first = line.n ? memchr(line.p, ' ', line.n) : NULL;
	const uint8_t *last = first ? memrchr(line.p, ' ', line.n) : NULL, *end = line.p + line.n;
	struct piece method = {line.p, first ? (size_t)(first - line.p) : line.n};
	struct piece proto = {last ? last + 1 : end, last ? (size_t)(end - last - 1) : 0};
	struct piece uri = {last > first ? first + 1 : end, last > first ? (size_t)(last - first - 1) : 0};

	PUT(t, ",\"proto\":");
	put_string(t, proto);
	PUT(t, ",\"method\":");
	put_string(t, method);
	PUT(t, ",\"host\":");
	put_string(t, host);
	PUT(t, ",\"uri\":");
	put_string(t, uri);
}

static void put_request(struct text *t, const struct zs_event_hit *hit, struct head *request)
{
	struct piece host = {(const uint8_t *)"", 0};

	for (size_t i = 0; i < request->count; i++) {
		if (!named(&request->field[i], "Host"))
			continue;
		host = host.n ? host : request->field[i].value;
		request->field[i].written = true; /* Go's server takes it out of the fields */
	}
	PUT(t, "\"request\":{");
	put_visitor(t, hit, request);
	put_request_line(t, request->start, host);
	PUT(t, ",\"headers\":");
	put_fields(t, request);
	PUT(t, "}");
}

static void put_zeroserve(struct text *t, const struct zs_event_hit *hit, bool cut)
{
	PUT(t, ",\"zeroserve\":{\"result\":");
	if (hit->flags & ZS_HIT_NOT_MODIFIED)
		PUT(t, "\"not modified\"");
	else if (hit->flags & ZS_HIT_STALE)
		PUT(t, "\"stale\"");
	else
		PUT(t, "\"hit\"");
	PUT(t, ",\"age\":");
	put_signed(t, hit->age);
	PUT(t, ",\"ttl\":");
	put_signed(t, hit->ttl);
	if (hit->lane == ZS_LANE_CLIENT || hit->lane == ZS_LANE_CLIENT_DIALER)
		PUT(t, ",\"lane\":\"client\"");
	else
		PUT(t, ",\"lane\":\"upstream\"");
	if (cut)
		PUT(t, ",\"cut\":true");
	PUT(t, "}");
}

/* The event's parts, as far as they are there. */
static void event_split(const void *event, size_t size, struct zs_event_hit *hit, struct piece *request,
			struct piece *answer)
{
	const size_t fixed = offsetof(struct zs_event_hit, bytes);
	const uint8_t *bytes = (const uint8_t *)event + (size < fixed ? size : fixed);
	size_t n = size < fixed ? 0 : size - fixed, at;

	memset(hit, 0, fixed);
	if (size)
		memcpy(hit, event, size < fixed ? size : fixed);
	n = n < sizeof(hit->bytes) ? n : sizeof(hit->bytes);
	*request = (struct piece){bytes, hit->request_len < n ? hit->request_len : n};
	at = (request->n + ZS_STEP - 1) / ZS_STEP * ZS_STEP;
	at = at < n ? at : n;
	*answer = (struct piece){bytes + at, hit->answer_len < n - at ? hit->answer_len : n - at};
}

size_t zs_hitlog_line(const void *event, size_t size, int64_t wall, char *out)
{
	struct text t = {out, out + ZS_HITLOG_LINE_MAX - 1};
	struct piece request_bytes, answer_bytes;
	struct head request, answer;
	struct zs_event_hit hit;
	int64_t ts;

	event_split(event, size, &hit, &request_bytes, &answer_bytes);
	head_split(&request, request_bytes);
	head_split(&answer, answer_bytes);
	ts = (int64_t)((uint64_t)wall + hit.done);
	if (hit.status >= 400)
		PUT(&t, "{\"level\":\"error\",\"ts\":");
	else
		PUT(&t, "{\"level\":\"info\",\"ts\":");
	put_seconds(&t, ts < 0 ? 0 : (uint64_t)ts);
	PUT(&t, ",\"logger\":\"http.log.access\",\"msg\":\"handled request\",");
	put_request(&t, &hit, &request);
	PUT(&t, ",\"bytes_read\":0,\"user_id\":\"\",\"duration\":");
	put_seconds(&t, hit.done > hit.time ? hit.done - hit.time : 0);
	PUT(&t, ",\"size\":");
	put_number(&t, hit.body_len, 1);
	PUT(&t, ",\"status\":");
	put_number(&t, hit.status, 1);
	PUT(&t, ",\"resp_headers\":");
	put_fields(&t, &answer);
	put_zeroserve(&t, &hit, request.cut || answer.cut);
	PUT(&t, "}");
	*t.p++ = '\n';
	return (size_t)(t.p - out);
}
