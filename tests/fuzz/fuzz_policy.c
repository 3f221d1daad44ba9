// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The storing decision: its times are in order, a restriction added to any response is obeyed, an
 * added permission permits nothing, and spelling does not matter. What is stored renders as a head
 * as strict as any, and a 304 with the same fields changes nothing. SETUP bytes of times, request
 * and rule, then fields in which bytes from 0x80 to 0xdf stand for fragments.
 */
#include "date.h"
#include "directives.h"
#include "policy.h"
#include "render.h"
#include "revalidate.h"
#include "tags.h"
#include "validators.h"

#include <zs/abi.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND	     1000000000ll
#define SETUP	     24u

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static const char *const fragments[] = {
	"Cache-Control: ",
	"max-age=",
	"s-maxage=",
	"60",
	"max-age=60",
	", ",
	"no-store",
	"private",
	"no-cache",
	"must-understand",
	"public",
	"=\"",
	"\"",
	"\\",
	"\r\n",
	"Expires: ",
	"Date: ",
	"Sun, 06 Nov 1994 08:49:37 GMT",
	"Sunday, 06-Nov-94 08:49:37 GMT",
	"Sun Nov  6 08:49:37 1994",
	"Sun, 06 Nov 2050 08:49:37 GMT",
	"Age: ",
	"Vary: ",
	"Accept-Encoding",
	"*",
	"Content-Encoding: ",
	"gzip",
	"br",
	"zstd",
	"identity",
	"Connection: ",
	"Pragma: ",
	"X-Accel-Expires: ",
	"Set-Cookie: ",
	"0",
	"9",
	"2147483647",
	"99999999999999999999",
	"-",
	",",
	"=",
	" ",
	"\t",
	";",
	"x",
	"Cache-Control: max-age=60\r\n",
	"Vary: Accept-Encoding\r\n",
	"Thu, 01 Jan 1970 00:00:00 GMT",
	"Content-Encoding: gzip\r\n",
	"Content-Encoding: br\r\n",
	"Content-Encoding: zstd\r\n",
	"Content-Encoding: identity\r\n",
	"Expires: Sun, 06 Nov 1994 08:50:37 GMT\r\n",
	"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
	"Age: 5\r\n",
	"Connection: close\r\n",
	"Cache-Control: s-maxage=60, x=\"",
	"CDN-Cache-Control: ",
	"CDN-Cache-Control: max-age=60\r\n",
	"Surrogate-Control: ",
	"Surrogate-Control: max-age=60\r\n",
	"content=\"ESI/1.0\"",
	"no-store-remote",
	"must-revalidate",
	"proxy-revalidate",
	"stale-while-revalidate=30",
	"stale-if-error=30",
	"+30",
	"=?0",
	"=?1",
	"=(1 2)",
	"=1.5",
	"=:aGk=:",
	"=%\"%c3%bc\"",
	"=@5",
	";x",
	"ETag: ",
	"ETag: \"a\"\r\n",
	"ETag: W/\"a\"\r\n",
	"W/",
	"Last-Modified: ",
	"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
	"Surrogate-Key: ",
	"Cache-Tag: ",
	"xkey: ",
	"a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P",
	"Cache-Status: ",
	"zeroserve; hit; ttl=",
	"Origin",
	"Location: /x\r\n",
	"Content-Type: text/plain\r\n",
	"Keep-Alive: x\r\n",
};

static const uint32_t statuses[] = {200, 203, 204, 300, 301, 302, 307, 308,
				    404, 405, 410, 414, 501, 206, 303, 500};

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static size_t expand(char *to, size_t room, const uint8_t *in, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		const uint8_t *p = &in[i];
		size_t add = 1;

		if (*p >= 0x80 && *p < 0xe0) {
			p = (const uint8_t *)fragments[(*p - 0x80u) % COUNT(fragments)];
			add = strlen((const char *)p);
		}
		if (add > room - n)
			break;
		memcpy(to + n, p, add);
		n += add;
	}
	return n;
}

/* Parses a response of `first`, the fields under test and `last`. */
static bool parse(struct zs_response *r, uint32_t status, const char *first, const char *fields,
		  size_t len, const char *last)
{
	static uint8_t text[3 * ZS_RESPONSE_HEAD_MAX];
	size_t n = (size_t)sprintf((char *)text, "HTTP/1.1 %u OK\r\n%s%s", status,
				   status == 204 || status == 304 ? "" : "Content-Length: 3\r\n",
				   first);

	memcpy(text + n, fields, len);
	n += len;
	n += (size_t)sprintf((char *)text + n, "%s\r\n", last);
	return !zs_response_head(text, n, r) && r->head_len == n;
}

static uint32_t status; /* of the response under test */

/* The verdict on it. -1: `first`, the fields and `last` are no one head. */
static int judge(struct zs_policy_input in, const char *first, const char *fields, size_t len,
		 const char *last, struct zs_policy_verdict *v)
{
	static struct zs_response r;

	if (!parse(&r, status, first, fields, len, last))
		return -1;
	in.response = &r;
	return (int)zs_policy_judge(&in, v);
}

static unsigned int count_fields(const struct zs_response *r, const char *name)
{
	unsigned int n = 0;

	for (int i = 0; (i = zs_response_find(r, name, (unsigned int)i)) >= 0; i++)
		n++;
	return n;
}

/* A field line of text either fails to parse or does what is asked for, given that what stands
 * before it in precedence is not there. */
static void check_restrictions(struct zs_policy_input in, const struct zs_response *r,
			       const char *fields, size_t len)
{
	static const struct {
		const char *line;
		enum zs_policy_reason reason;
		int rank; /* 0: always; 1: unless CDN-Cache-Control; 2: nor Surrogate-Control */
	} rows[] = {
		{"cache-control: x, NO-STORE\r\n", ZS_POLICY_NO_STORE, 2},
		{"Cache-Control: private=\"x\"\r\n", ZS_POLICY_PRIVATE, 2},
		{"Cache-Control: no-cache\r\n", ZS_POLICY_NO_CACHE, 2},
		{"Pragma: no-cache\r\n", ZS_POLICY_NO_CACHE, 2},
		{"Cache-Control: s-maxage=x\r\n", ZS_POLICY_BAD_FRESHNESS, 2},
		{"Cache-Control: no-store=\r\n", ZS_POLICY_MALFORMED, 2},
		{"Surrogate-Control: no-store\r\n", ZS_POLICY_NO_STORE, 1},
		{"Surrogate-Control: private\r\n", ZS_POLICY_PRIVATE, 1},
		{"Surrogate-Control: max-age=x\r\n", ZS_POLICY_BAD_FRESHNESS, 1},
		{"CDN-Cache-Control: no-store=?0\r\n", ZS_POLICY_NO_STORE, 1},
		{"CDN-Cache-Control: private;x\r\n", ZS_POLICY_PRIVATE, 1},
		{"CDN-Cache-Control: no-cache=x\r\n", ZS_POLICY_NO_CACHE, 1},
		{"CDN-Cache-Control: max-age=\"60\"\r\n", ZS_POLICY_BAD_FRESHNESS, 1},
		{"Surrogate-Control: content=\"x\"\r\n", ZS_POLICY_SURROGATE_CONTROL, 0},
		{"Vary: *\r\n", ZS_POLICY_VARY, 0},
		{"Vary: cookie\r\n", ZS_POLICY_VARY, 0},
		{"Set-Cookie: a=b\r\n", ZS_POLICY_SET_COOKIE, 0},
		{"Content-Range: x\r\n", ZS_POLICY_CONTENT_RANGE, 0},
		{"Content-Encoding: x\r\n", ZS_POLICY_CODING, 0},
		{"Connection: vary\r\n", ZS_POLICY_CONNECTION, 0},
		{"Date: x\r\n", ZS_POLICY_DATE, 0},
		{"X-Accel-Expires: 0\r\n", ZS_POLICY_ACCEL_EXPIRES, 0},
	};
	int rank = zs_response_find(r, "cdn-cache-control", 0) >= 0   ? 0
		   : zs_response_find(r, "surrogate-control", 0) >= 0 ? 1
								      : 2;
	struct zs_directives said;
	bool lifted = !zs_directives_parse(r, "cache-control", &said) && said.must_understand;
	struct zs_policy_verdict v;

	in.request.authorized = false; /* a refusal of its own, which comes before some */
	for (size_t i = 0; i < COUNT(rows); i++) {
		int first = judge(in, rows[i].line, fields, len, "", &v);
		int last = judge(in, "", fields, len, rows[i].line, &v);

		if (rows[i].rank > rank)
			continue;
		if (lifted && rows[i].reason == ZS_POLICY_NO_STORE && rows[i].rank == 2)
			continue;
		expect(first == -1 || first == (int)rows[i].reason);
		expect(last == -1 || last == (int)rows[i].reason);
	}
	expect(judge(in, "Age: 2147483647\r\n", fields, len, "", &v) != ZS_POLICY_STORE);
}

/* No request and no rule makes of what must not be stored something that may. */
static void check_request(struct zs_policy_input in, const char *fields, size_t len,
			  const struct zs_policy_verdict *stored)
{
	struct zs_policy_rule rule = in.rule ? *in.rule : (struct zs_policy_rule){0};
	struct zs_policy_input other = in;
	struct zs_policy_verdict v;

	other.get = false;
	expect(judge(other, "", fields, len, "", &v) == ZS_POLICY_METHOD);
	other = in;
	other.request.plain = false;
	expect(judge(other, "", fields, len, "", &v) ==
	       (status < 400 ? ZS_POLICY_STORE : ZS_POLICY_ERROR_REQUEST));
	rule.allow_authorized = false;
	other = in;
	other.rule = &rule;
	other.request.authorized = true;
	expect(judge(other, "", fields, len, "", &v) == ZS_POLICY_AUTHORIZATION);
	rule.allow_authorized = true;
	expect(judge(other, "", fields, len, "", &v) ==
	       (stored->authorized_ok ? ZS_POLICY_STORE : ZS_POLICY_AUTHORIZATION));
	rule.grace = 0;
	other.request.authorized = false;
	expect(judge(other, "", fields, len, "", &v) == ZS_POLICY_STORE);
	expect(v.fresh_until == stored->fresh_until && v.stale_until == v.fresh_until &&
	       v.error_until == v.fresh_until);
	rule.bypass = true;
	expect(judge(other, "", fields, len, "", &v) == ZS_POLICY_BYPASS_RULE);
}

static void check_verdict(const struct zs_policy_input *in, const struct zs_policy_verdict *v)
{
	int64_t now = (int64_t)in->response_time, grace = in->rule ? in->rule->grace : 0;

	expect(v->born <= (int64_t)in->request_time && v->born <= now);
	expect(v->fresh_until > now);
	expect(v->fresh_until == v->born + (int64_t)v->lifetime * SECOND);
	expect(v->fresh_until - now <= (int64_t)in->lifetime_max * SECOND);
	expect((now - v->born) / SECOND == v->age);
	expect(v->age <= v->lifetime);
	expect(v->stale_until >= v->fresh_until && v->error_until >= v->fresh_until);
	expect(v->stale_until - v->fresh_until <= grace * SECOND);
	expect(v->error_until - v->fresh_until <= grace * SECOND);
}

/* What is refused whatever the rest says. */
static void check_stored(const struct zs_response *r)
{
	struct zs_tags tags;

	expect(r->status != 206 && r->status != 303 && r->status != 500);
	expect(!count_fields(r, "set-cookie") && !count_fields(r, "content-range"));
	expect(!count_fields(r, "trailer") && !count_fields(r, "upgrade"));
	for (int i = 0; (i = zs_response_find(r, "vary", (unsigned int)i)) >= 0; i++)
		expect(!zs_text_is(zs_response_value(r, (unsigned int)i), "*"));
	expect(!zs_tags_read(r, &tags) && tags.count <= ZS_TAGS_MAX);
	for (unsigned int i = 0; i < tags.count; i++)
		expect(tags.tag[i].len && tags.tag[i].len <= ZS_TAG_LEN_MAX);
}

static void check_head(const uint8_t *buf, const struct zs_rendered *out, struct zs_response *again)
{
	static const char *const gone[] = {"transfer-encoding", "connection", "keep-alive", "te",
					   "surrogate-control", "upgrade",    "trailer"};

	expect(!zs_response_head(buf, out->head_len, again) && again->head_len == out->head_len);
	expect(count_fields(again, "age") == 1 && count_fields(again, "date") >= 1);
	expect(zs_text_is(zs_response_name(again, again->fields - 1), "cache-status"));
	for (size_t i = 0; i < COUNT(gone); i++)
		expect(!count_fields(again, gone[i]));
	for (unsigned int i = 0; i < ZS_SLOT_DIGITS; i++)
		expect(buf[out->age_off + i] == ' ' && buf[out->ttl_off + i] == ' ');
}

/* Both heads of a stored 200 carry the same validators. */
static void check_not_modified(const struct zs_response *r, int64_t wall)
{
	static struct zs_response again;
	struct zs_validators ours, theirs;
	uint8_t buf[ZS_ANSWER_HEAD_MAX];
	struct zs_rendered out;

	expect(!zs_render_not_modified(r, wall, buf, sizeof(buf), &out));
	check_head(buf, &out, &again);
	expect(again.status == 304 && !count_fields(&again, "content-length"));
	zs_validators_read(r, wall, &ours);
	zs_validators_read(&again, wall, &theirs);
	expect(ours.dated == theirs.dated && ours.modified == theirs.modified);
	expect(ours.etag.weak == theirs.etag.weak &&
	       ours.etag.opaque.len == theirs.etag.opaque.len);
	expect(!ours.etag.opaque.len ||
	       !memcmp(ours.etag.opaque.p, theirs.etag.opaque.p, ours.etag.opaque.len));
}

/* A 304 with the very fields of the stored response leaves it as it was. */
static void check_revalidation(struct zs_policy_input in, const struct zs_response *stored,
			       const struct zs_policy_verdict *v, const char *fields, size_t len)
{
	static struct zs_response answer, updated;
	struct zs_revalidate_fields asked;
	struct zs_policy_verdict again;
	int err;

	if (!parse(&answer, 304, "", fields, len, ""))
		return;
	err = zs_revalidate_update(stored, &answer, v->surrogate, &updated);
	expect(!err || err == -ESTALE || err == -E2BIG);
	if (err)
		return;
	expect(!zs_revalidate_fields(stored, &asked));
	expect(updated.content_length == stored->content_length && updated.status == 200);
	expect(count_fields(&updated, "cache-status") + 1 == count_fields(stored, "cache-status"));
	in.response = &updated;
	expect(zs_policy_judge(&in, &again) == ZS_POLICY_STORE);
	expect(again.fresh_until == v->fresh_until && again.stale_until == v->stale_until);
	expect(again.error_until == v->error_until && again.born == v->born);
	expect(again.authorized_ok == v->authorized_ok && again.surrogate == v->surrogate);
}

static void check_heads(const struct zs_policy_input *in, const struct zs_response *r,
			const struct zs_policy_verdict *v, const char *fields, size_t len)
{
	static struct zs_response stored;
	uint64_t body_len = r->status == 204 ? 0 : 3;
	uint8_t buf[ZS_ANSWER_HEAD_MAX];
	struct zs_rendered out;
	int err = zs_render_head(r, body_len, in->response_wall, buf, sizeof(buf), &out);

	expect(!err || err == -E2BIG);
	if (err)
		return;
	check_head(buf, &out, &stored);
	expect(stored.status == r->status && stored.content_length == body_len);
	expect(count_fields(&stored, "content-length") == (r->status != 204));
	if (r->status != 200)
		return;
	check_not_modified(r, in->response_wall);
	check_revalidation(*in, &stored, v, fields, len);
}

/* Field names and directive names in the other case mean the same; values of dates do not matter.
 */
static size_t upper_names(char *text, size_t len)
{
	bool name = true;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			name = true;
		else if (text[i] == ':')
			name = false;
		else if (name && text[i] >= 'a' && text[i] <= 'z')
			text[i] -= 32;
	}
	return len;
}

static void check_date(const uint8_t *in, size_t len, int64_t now)
{
	char text[ZS_HTTP_DATE_LEN + 1];
	int64_t t, again;

	if (!zs_http_date_format(now, text)) {
		expect(!zs_http_date_parse((struct zs_text){(uint8_t *)text, ZS_HTTP_DATE_LEN}, 0,
					   &t));
		expect(t == now);
	}
	if (zs_http_date_parse((struct zs_text){in, len}, now, &t))
		return;
	if (zs_http_date_format(t, text))
		return; /* the leap second of the year 9999 */
	expect(!zs_http_date_parse((struct zs_text){(uint8_t *)text, ZS_HTTP_DATE_LEN}, 0, &again));
	expect(again == t);
}

/* Reads SETUP bytes; all zero, they stand in nobody's way. */
static void set_up(const uint8_t *data, struct zs_policy_input *in, struct zs_policy_rule *rule)
{
	static const struct zs_text keyed[] = {{(const uint8_t *)"origin", 6},
					       {(const uint8_t *)"accept", 6}};
	uint32_t wall, delay;

	*in = (struct zs_policy_input){.get = true};
	in->request.accept_encoding = ~data[0] & 15u;
	in->lifetime_max = data[1] & 1 ? data[1] : ~(data[1] * 0x1010101u);
	memcpy(&wall, data + 2, 4);
	memcpy(&in->request_time, data + 6, 4);
	memcpy(&delay, data + 10, 4);
	in->request_time <<= data[0] >> 4;
	in->response_time = in->request_time + delay;
	in->response_wall = data[1] & 2 ? wall : 784111777 + wall % 256;
	status = statuses[data[14] % COUNT(statuses)];
	in->request.plain = !(data[15] & 1);
	in->request.authorized = data[15] & 2;
	in->request.vary = keyed;
	in->request.vary_count = data[15] >> 2 & 1 ? COUNT(keyed) : 0;
	in->request.head_len = data[16] * 9u;
	rule->bypass = (data[17] & 0x0f) == 0x0f;
	rule->has_ttl = data[17] & 0x10;
	rule->ttl_force = data[17] & 0x20;
	rule->allow_authorized = data[17] & 0x40;
	rule->ttl = data[18] & 1 ? data[18] : data[18] * 0x1010101u;
	rule->grace = data[19] & 1 ? data[19] : data[19] * 0x1010101u;
	rule->max_object = data[20];
	if (data[17] & 0x80)
		in->rule = rule;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char fields[ZS_RESPONSE_HEAD_MAX];
	static struct zs_response r;
	struct zs_policy_verdict v, other;
	struct zs_policy_input in;
	struct zs_policy_rule rule;
	size_t n;
	int reason;

	if (len < SETUP)
		return 0;
	set_up(data, &in, &rule);
	data += SETUP;
	len -= SETUP;
	check_date(data, len, in.response_wall);
	n = expand(fields, sizeof(fields), data, len);
	reason = judge(in, "", fields, n, "", &v);
	check_date((uint8_t *)fields, n, in.response_wall);
	if (reason < 0 || reason == ZS_POLICY_CLOCK)
		return 0;
	if (reason == ZS_POLICY_STORE) {
		expect(parse(&r, status, "", fields, n, ""));
		check_verdict(&in, &v);
		check_stored(&r);
		check_restrictions(in, &r, fields, n);
		check_request(in, fields, n, &v);
		check_heads(&in, &r, &v, fields, n);
	}
	if (!in.request.authorized &&
	    judge(in, "", fields, n, "Cache-Control: public, immutable\r\n", &other) >= 0)
		expect(judge(in, "", fields, n, "cache-control: public, immutable\r\n", &other) ==
		       reason);
	n = upper_names(fields, n);
	expect(judge(in, "", fields, n, "", &other) == reason);
	return 0;
}
