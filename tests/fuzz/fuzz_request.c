// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The recogniser and the framing against a parser written anew, byte by byte, from RFC 9112 and the
 * project's rules. They agree on what a head is and where it ends; whatever the recogniser holds
 * for certain or answerable, the other one does too. Then the same bytes as a stream, cut at places
 * that the first bytes of the input choose: nothing is taken for a request's start but what is one.
 * Bytes from 0x80 to 0xdf stand for fragments.
 */
#include "fields.h"

#include <zs/frame.h>
#include <zs/key.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX     12000u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static const char *const fragments[] = {
	"GET / HTTP/1.1\r\nHost: a\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"HEAD /b?c HTTP/1.1\r\n",
	"POST /d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
	"GET ",
	" HTTP/1.1\r\n",
	" HTTP/1.0\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"CONNECT ",
	"OPTIONS ",
	"TRACE ",
	"DELETE ",
	"http://a/",
	"/",
	"%00",
	"%",
	"#",
	"\\",
	"\r\n",
	"\r\n\r\n",
	"\n",
	"\r",
	": ",
	"Host: ",
	"Host: B.c:80\r\n",
	"X-Forwarded-Host: ",
	"X-Forwarded-Proto: https\r\n",
	"Accept-Encoding: ",
	"gzip;q=0.5, *;q=0, br",
	"If-None-Match: W/\"a\", \"b\"\r\n",
	"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
	"gzip",
	", br",
	"zstd",
	"deflate",
	"identity",
	";q=0",
	"*",
	"Content-Length: ",
	"Content-Length: 37\r\n",
	"Transfer-Encoding: chunked\r\n",
	"Transfer-Encoding : ",
	"Connection: ",
	"keep-alive",
	"close",
	"Cache-Control: ",
	"no-cache",
	"no-store",
	"max-age=0",
	"min-fresh=1",
	"only-if-cached",
	"Pragma: ",
	"Upgrade: x\r\n",
	"Expect: 100-continue\r\n",
	"Cookie: a\r\n",
	"If-None-Match: a\r\n",
	"Range: ",
	"Accept: ",
	"X-New: a\r\n",
	"User-Agent: curl\r\n",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"a: b\r\na: b\r\na: b\r\na: b\r\na: b\r\na: b\r\na: "
	"b\r\na: b\r\na: b\r\na: b\r\na: b\r\na: b\r\n",
	"00000000000000",
	" ",
	"\t",
	"\"",
	"TE: ",
	"Authorization: ",
	"NTLM",
	"Negotiate",
	"nego",
	"                                                               "};

static struct zs_tables tables;
static uint8_t text[TEXT_MAX];
static size_t text_len;
static uint32_t random_state;

static void expect(bool ok)
{
	if (!ok)
		abort();
}

/* --- the reference ------------------------------------------------------------------------------
 */

struct part {
	size_t at, len;
};

struct reference {
	bool whole, partial; /* a head; the beginning of one */
	bool large;	     /* names or blanks that nobody needs */
	bool framed;	     /* where the message ends is certain */
	bool plain;	     /* may be answered */
	bool known;	     /* no field but known ones */
	size_t head_len, lines;
	struct part method, target, version, host, xfh, xfp;
	unsigned int hosts, xfhs, xfps, lengths, codings, connections, controls, pragmas, auths, tags, dates;
	uint64_t length;
	uint32_t ae;
};

static bool in(uint8_t c, const char *set)
{
	return c && strchr(set, c);
}

static bool is_tchar(uint8_t c)
{
	return in(c,
		  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-.^_`|~");
}

static bool is_host(uint8_t c)
{
	return in(c, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._:[]");
}

static uint8_t lower(uint8_t c)
{
	return in(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") ? (uint8_t)(c + 32) : c;
}

static bool is(const uint8_t *p, struct part part, const char *word)
{
	if (part.len != strlen(word))
		return false;
	for (size_t i = 0; i < part.len; i++)
		if (lower(p[part.at + i]) != (uint8_t)word[i])
			return false;
	return true;
}

static bool is_exactly(const uint8_t *p, struct part part, const char *word)
{
	return part.len == strlen(word) && !memcmp(p + part.at, word, part.len);
}

static struct part trim(const uint8_t *p, size_t from, size_t to)
{
	while (from < to && in(p[from], " \t"))
		from++;
	while (from < to && in(p[to - 1], " \t"))
		to--;
	return (struct part){from, to - from};
}

/* Takes the next member of a list; a comma within quotes counts too: both readings must be refused.
 */
static bool member(const uint8_t *p, struct part *rest, struct part *out)
{
	size_t end = rest->at, stop = rest->at + rest->len;

	if (rest->len == 0)
		return false;
	while (end < stop && p[end] != ',')
		end++;
	*out = trim(p, rest->at, end);
	rest->at = end < stop ? end + 1 : stop;
	rest->len = stop - rest->at;
	return true;
}

static void refuse(struct reference *r, bool framing)
{
	r->plain = false;
	if (framing)
		r->framed = false;
}

static void ref_authority(struct reference *r, const uint8_t *p, struct part value,
			  struct part *out, size_t max, unsigned int *seen)
{
	bool ok = value.len >= 1 && value.len <= max && !(*seen)++;

	for (size_t i = 0; i < value.len; i++) {
		ok = ok && is_host(p[value.at + i]);
		r->known = r->known && !(p[value.at + i] >= 'A' && p[value.at + i] <= 'Z');
	}
	if (!ok)
		refuse(r, false);
	*out = value;
}

static void ref_length(struct reference *r, const uint8_t *p, struct part value)
{
	bool ok = value.len >= 1 && value.len <= 15 && !r->lengths++;

	r->length = 0;
	for (size_t i = 0; ok && i < value.len; i++) {
		ok = in(p[value.at + i], "0123456789");
		r->length = r->length * 10 + (uint64_t)(p[value.at + i] - '0');
	}
	refuse(r, !ok);
}

/* A weight (RFC 9110 12.4.2), with any digits behind the point. -1: none; else whether it is above 0. */
static int ref_weight(const uint8_t *p, struct part text)
{
	int above = 0;

	if (text.len < 3 || text.len > 7 || (p[text.at] | 0x20) != 'q' || p[text.at + 1] != '=' ||
	    !in(p[text.at + 2], "01") || (text.len > 3 && p[text.at + 3] != '.'))
		return -1;
	for (size_t i = 2; i < text.len; i++) {
		if (i != 3 && !in(p[text.at + i], "0123456789"))
			return -1;
		above |= i != 3 && p[text.at + i] != '0';
	}
	return above;
}

static void ref_codings(struct reference *r, const uint8_t *p, struct part value)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} codings[] = {{"gzip", ZS_AE_GZIP}, {"x-gzip", ZS_AE_GZIP}, {"br", ZS_AE_BR},
		       {"zstd", ZS_AE_ZSTD}, {"identity", 0x100},    {"*", 0x200}};
	uint32_t all = ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD, took = 0, refused = 0;
	struct part rest = value, one;

	if (r->codings++ || value.len > 128)
		refuse(r, false);
	while (member(p, &rest, &one)) {
		size_t len = 0;
		int above = 1;
		bool known_coding;

		while (len < one.len && is_tchar(p[one.at + len]))
			len++;
		if (len < one.len) {
			struct part behind = trim(p, one.at + len, one.at + one.len);

			above = -1;
			if (len && behind.len && p[behind.at] == ';')
				above = ref_weight(p, trim(p, behind.at + 1, behind.at + behind.len));
		}
		if (above < 0)
			refuse(r, false);
		known_coding = !len || is(p, (struct part){one.at, len}, "deflate");
		for (size_t i = 0; i < COUNT(codings); i++) {
			if (!is(p, (struct part){one.at, len}, codings[i].name))
				continue;
			*(above ? &took : &refused) |= codings[i].bit;
			known_coding = true;
		}
		r->known = r->known && known_coding;
	}
	if ((took & refused) || (refused & 0x100) || ((refused & 0x200) && !(took & 0x100)))
		refuse(r, false);
	if (took & 0x200)
		took |= all & ~refused;
	r->ae = ZS_AE_PRESENT | (took & all);
}

/* IMF-fixdate but for the day's name. */
static bool ref_date(const uint8_t *p, struct part value)
{
	static const char form[] = "xxx, ## xxx #### ##:##:## GMT";
	const char *text = (const char *)p + value.at;

	if (value.len != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '#' ? !in((uint8_t)text[i], "0123456789") : form[i] != 'x' && form[i] != text[i])
			return false;
	for (const char *month = "JanFebMarAprMayJunJulAugSepOctNovDec"; *month; month += 3)
		if (!memcmp(text + 8, month, 3))
			return atoi(text + 5) >= 1 && atoi(text + 5) <= 31 && atoi(text + 17) < 24 &&
			       atoi(text + 20) < 60 && atoi(text + 23) <= 60;
	return false;
}

static void ref_directives(struct reference *r, const uint8_t *p, struct part value,
			   unsigned int *seen)
{
	static const char *const limits[] = {"no-cache", "no-store", "max-age", "min-fresh",
					     "only-if-cached"};
	struct part rest = value, one;

	if ((*seen)++ || value.len > 256)
		refuse(r, false);
	while (member(p, &rest, &one)) {
		size_t len = 0;

		while (len < one.len && is_tchar(p[one.at + len]))
			len++;
		for (size_t i = 0; i < COUNT(limits); i++)
			if (is(p, (struct part){one.at, len}, limits[i]))
				refuse(r, false);
	}
}

/* Schemes that authenticate the connection. */
static void ref_auth(struct reference *r, const uint8_t *p, struct part value)
{
	if (r->auths++)
		refuse(r, true);
	for (size_t len = 0; len <= value.len; len++)
		if (is(p, (struct part){value.at, len}, "ntlm") ||
		    is(p, (struct part){value.at, len}, "negotiate"))
			refuse(r, true);
}

static const char *const known[] = {
#define ZS_FIELD(text, slot, effect) text,
#include <zs/fields.def>
#undef ZS_FIELD
};

static void ref_field(struct reference *r, const uint8_t *p, struct part name, struct part value)
{
	static const char *const uncertain[] = {"transfer-encoding", "upgrade", "expect",
						"http2-settings"};
	static const char *const never[] = {"te",
					    "trailer",
					    "keep-alive",
					    "proxy-connection",
					    "proxy-authorization",
					    "proxy-authenticate",
					    "authorization",
					    "cookie",
					    "cookie2",
					    "range",
					    "if-range",
					    "if-match",
					    "if-unmodified-since",
					    "max-forwards",
					    "content-encoding",
					    "x-http-method-override",
					    "origin",
					    "x-requested-with"};
	bool found = false;

	for (size_t i = 0; i < COUNT(uncertain); i++)
		if (is(p, name, uncertain[i]))
			refuse(r, true);
	for (size_t i = 0; i < COUNT(never); i++)
		if (is(p, name, never[i]))
			refuse(r, false);
	for (size_t i = 0; i < COUNT(known); i++)
		found = found || is(p, name, known[i]);
	r->known = r->known && found;
	if (is(p, name, "host"))
		ref_authority(r, p, value, &r->host, 256, &r->hosts);
	if (is(p, name, "x-forwarded-host"))
		ref_authority(r, p, value, &r->xfh, 256, &r->xfhs);
	if (is(p, name, "x-forwarded-proto"))
		ref_authority(r, p, value, &r->xfp, 16, &r->xfps);
	if (is(p, name, "content-length"))
		ref_length(r, p, value);
	if (is(p, name, "accept-encoding"))
		ref_codings(r, p, value);
	if (is(p, name, "connection") && (r->connections++ || !is(p, value, "keep-alive")))
		refuse(r, false);
	if (is(p, name, "cache-control"))
		ref_directives(r, p, value, &r->controls);
	if (is(p, name, "authorization"))
		ref_auth(r, p, value);
	if (is(p, name, "if-none-match") && (r->tags++ || value.len > 256))
		refuse(r, false);
	if (is(p, name, "if-modified-since") && (r->dates++ || !ref_date(p, value)))
		refuse(r, false);
	if (is(p, name, "pragma"))
		ref_directives(r, p, value, &r->pragmas);
}

static void ref_line(struct reference *r, const uint8_t *p)
{
	if (!is_exactly(p, r->version, "HTTP/1.1") || is_exactly(p, r->method, "CONNECT"))
		refuse(r, true);
	if (!is_exactly(p, r->method, "GET") && !is_exactly(p, r->method, "HEAD"))
		refuse(r, false);
	if (p[r->target.at] != '/' || r->target.len > 1024)
		refuse(r, false);
	for (size_t i = r->target.at; i < r->target.at + r->target.len; i++)
		if (in(p[i], "#\\") || !memcmp(p + i, "%00", 3))
			refuse(r, false);
}

static bool is_visible(uint8_t c)
{
	return c >= 0x21 && c <= 0x7e;
}

static bool is_text(uint8_t c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_none(uint8_t c)
{
	(void)c;
	return false;
}

/* A run of bytes that satisfy `ok`, at least `least`, then `stop`. Advances *at behind it. */
static bool run(struct reference *r, const uint8_t *p, size_t n, size_t *at, bool (*ok)(uint8_t),
		size_t least, uint8_t stop, struct part *out)
{
	size_t from = *at;

	while (*at < n && p[*at] != stop && ok(p[*at]))
		(*at)++;
	*out = (struct part){from, *at - from};
	if (ok == is_tchar || stop == '\r')
		r->large = r->large || (ok != is_text && out->len > ZS_TOKEN_MAX);
	if (*at == n)
		r->partial = true;
	else if (p[*at] == stop && out->len >= least)
		return ++*at;
	return false;
}

static struct part ref_value(struct reference *r, const uint8_t *p, struct part value)
{
	size_t end = value.at + value.len;
	struct part out = trim(p, value.at, end);

	if (out.at - value.at > ZS_BLANK_MAX || end - out.at - out.len >= ZS_BLANK_MAX)
		r->large = true;
	return out;
}

static void ref_head(struct reference *r, const uint8_t *p, size_t n)
{
	struct part name, value, none;
	size_t at = 0;

	memset(r, 0, sizeof(*r));
	r->framed = r->plain = r->known = true;
	if (!run(r, p, n, &at, is_tchar, 1, ' ', &r->method) ||
	    !run(r, p, n, &at, is_visible, 1, ' ', &r->target) ||
	    !run(r, p, n, &at, is_visible, 0, '\r', &r->version) ||
	    !run(r, p, n, &at, is_none, 0, '\n', &none))
		return;
	ref_line(r, p);
	for (r->lines = 1; at == n || p[at] != '\r'; r->lines++) {
		if (!run(r, p, n, &at, is_tchar, 1, ':', &name) ||
		    !run(r, p, n, &at, is_text, 0, '\r', &value) ||
		    !run(r, p, n, &at, is_none, 0, '\n', &none))
			return;
		ref_field(r, p, name, ref_value(r, p, value));
	}
	at++;
	if (!run(r, p, n, &at, is_none, 0, '\n', &none))
		return;
	r->whole = true;
	r->head_len = at;
	if (!r->hosts)
		refuse(r, false);
}

/* --- the recogniser -----------------------------------------------------------------------------
 */

static enum zs_scan recognise(struct zs_request *req, const uint8_t *p, size_t n, uint8_t stale)
{
	enum zs_scan scan;

	if (n > ZS_HEAD_MAX)
		n = ZS_HEAD_MAX;
	memset(req, stale, sizeof(*req));
	memcpy(req->head, p, n);
	scan = zs_request_scan(req, &tables, (__u32)n);
	if (scan != ZS_SCAN_BAD) {
		zs_request_fields(req, &tables);
		zs_request_values(req, &tables);
	}
	return scan;
}

static void check_span(size_t start, size_t end, struct part want)
{
	expect(end - start == want.len && (!want.len || start == want.at));
}

/* Each part of a key in its place, and zeros up to the next one. */
static void check_part(const struct zs_key *k, size_t *at, const uint8_t *p, struct part part,
		       bool host)
{
	for (size_t i = 0; i < part.len; i++)
		expect(k->text[*at + i] == (host ? lower(p[part.at + i]) : p[part.at + i]));
	for (*at += part.len; *at % 8; ++*at)
		expect(!k->text[*at]);
}

static void check_key(const struct zs_request *req, const struct reference *r, const uint8_t *p)
{
	struct zs_key k;
	size_t at = 0;

	expect(zs_key_fits(req));
	memset(&k, 0xff, sizeof(k));
	zs_key_build(&k, req, 3);
	check_part(&k, &at, p, r->host, true);
	check_part(&k, &at, p, r->xfh, true);
	check_part(&k, &at, p, r->xfp, true);
	check_part(&k, &at, p, r->target, false);
	expect(zs_key_len(&k) == ZS_KEY_HEAD + at && k.origin == 3 && k.ae == r->ae);
	expect(k.target_len == r->target.len && k.host_len == r->host.len &&
	       k.xfh_len == r->xfh.len && k.xfp_len == r->xfp.len);
}

static void check_head(const uint8_t *p, size_t n, uint8_t stale)
{
	static struct zs_request req, other;
	static struct reference r;
	enum zs_scan scan = recognise(&req, p, n, stale);
	enum zs_scan again = recognise(&other, p, n, (uint8_t)~stale);

	ref_head(&r, p, n < ZS_HEAD_MAX ? n : ZS_HEAD_MAX);
	expect((scan == ZS_SCAN_OK) == (again == ZS_SCAN_OK));
	expect((scan == ZS_SCAN_OK) == (r.whole && !r.large && r.lines < ZS_LINES_MAX));
	expect((scan != ZS_SCAN_SHORT && again != ZS_SCAN_SHORT) || r.partial);
	if (scan != ZS_SCAN_OK)
		return;
	expect(req.flags == other.flags && req.ae == other.ae &&
	       req.content_length == other.content_length);
	expect(req.head_len == r.head_len && req.lines == r.lines);
	check_span(req.line[0].start, req.line[0].colon, r.method);
	check_span(req.line[0].value, req.line[0].end, r.target);
	expect(!(req.flags & ZS_REQ_GET) == !is_exactly(p, r.method, "GET"));
	expect(!(req.flags & ZS_REQ_HEAD) == !is_exactly(p, r.method, "HEAD"));
	expect((req.flags & ZS_REQ_PASSIVE) || r.framed);
	expect(!(req.flags & ZS_REQ_PASSIVE) || !r.framed || r.auths);
	if (r.framed)
		expect(req.content_length == r.length);
	if (!zs_request_answerable(&req))
		return;
	expect(r.plain && !r.length);
	check_span(req.slot[ZS_SLOT_HOST].start, req.slot[ZS_SLOT_HOST].end, r.host);
	expect(req.ae == r.ae);
	expect(zs_request_recordable(&req) ==
	       (r.known && !r.tags && !r.dates && is_exactly(p, r.method, "GET")));
	check_key(&req, &r, p);
}

/* --- streams ------------------------------------------------------------------------------------
 */

static uint32_t any(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

/* Where requests begin, as far as that is certain; and where heads end. */
static void starts_find(bool *starts, bool *ends)
{
	static struct reference r;
	size_t at = 0;

	memset(starts, 0, TEXT_MAX + 1);
	memset(ends, 0, TEXT_MAX + 1);
	for (;;) {
		starts[at] = true;
		ref_head(&r, text + at, text_len - at);
		if (!r.whole || !r.framed || r.length > text_len - at - r.head_len)
			return;
		ends[at + r.head_len] = true;
		at += r.head_len + r.length;
		if (at == text_len)
			break;
	}
	starts[at] = true;
}

static void check_stream(void)
{
	static bool starts[TEXT_MAX + 1], ends[TEXT_MAX + 1];
	static struct zs_request req;
	struct zs_conn c = {.state = ZS_FRAME_HEAD};
	bool passive = false;

	starts_find(starts, ends);
	for (size_t at = 0, n; at < text_len; at += n) {
		bool cut = any(8);

		n = 1 + (cut ? 0 : any(60));
		while (cut && at + n < text_len && !starts[at + n] && !(ends[at + n] && any(2)))
			n++;
		if (n > text_len - at)
			n = text_len - at;
		if (zs_frame_begins_request(&c, (__u32)n)) {
			expect(starts[at] && !passive);
			zs_frame_request(&c, &req, recognise(&req, text + at, n, 0), (__u32)n);
		}
		passive = passive || c.state == ZS_FRAME_PASSIVE;
		expect(!passive || c.state == ZS_FRAME_PASSIVE);
	}
}

static void expand(const uint8_t *from, size_t len)
{
	text_len = 0;
	for (size_t i = 0; i < len; i++) {
		const uint8_t *p = &from[i];
		size_t n = 1;

		if (*p >= 0x80 && *p < 0xe0) {
			p = (const uint8_t *)fragments[(*p - 0x80u) % COUNT(fragments)];
			n = strlen((const char *)p);
		}
		if (n > TEXT_MAX - 8 - text_len)
			break;
		memcpy(text + text_len, p, n);
		text_len += n;
	}
	memset(text + text_len, 0, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!tables.byte['a'])
		expect(!zs_fields_build(&tables));
	if (len < 4)
		return 0;
	memcpy(&random_state, data, 4);
	expand(data + 4, len - 4);
	check_head(text, text_len, data[0]);
	check_head(text, any((uint32_t)text_len + 1), data[1]);
	check_stream();
	return 0;
}
