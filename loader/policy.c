// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RFC 9111 for a shared cache that never revalidates on its own and never serves stale. Read the
 * storing rules from zs_policy_judge() upwards; zs_policy_render() writes the stored head.
 */
#include "policy.h"

#include <zs/abi.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND	    1000000000ll
#define TIME_MAX    (1ull << 62)   /* ns; leaves room for the largest age and lifetime */
#define WALL_MAX    253402300799ll /* the last second of the year 9999 */
#define SECONDS_MAX (1ull << 31)   /* RFC 9111 1.2.2: what is larger counts as this */

#define OPTIONS_MAX 32u /* of Connection: each field of a stored head is compared with each */

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* --- reasons --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *text;
} reasons[] = {
#define ZS_POLICY_REASON(id, name, text) {name, text},
#include "policy_reasons.def"
#undef ZS_POLICY_REASON
};

const char *zs_policy_reason_name(enum zs_policy_reason reason)
{
	return (unsigned int)reason < LENGTH(reasons) ? reasons[reason].name : "unknown";
}

const char *zs_policy_reason_text(enum zs_policy_reason reason)
{
	return (unsigned int)reason < LENGTH(reasons) ? reasons[reason].text : "unknown";
}

/* --- directives ------------------------------------------------------------------------------ */

/* 1*DIGIT (RFC 9111 1.2.2), saturating. */
static bool seconds_parse(struct zs_text text, uint64_t *out)
{
	uint64_t n = 0;

	if (!text.len)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		n = n * 10 + (text.p[i] - '0');
		if (n > SECONDS_MAX)
			n = SECONDS_MAX;
	}
	*out = n;
	return true;
}

/* One directive that says a time; `bad` also where it came twice. */
struct seconds {
	bool there;
	bool bad;
	uint64_t value;
};

struct directives {
	bool no_store;
	bool no_cache;
	bool private;
	struct seconds max_age;
	struct seconds s_maxage;
};

/* The length of the quoted-string that is all of text (RFC 9110 5.6.4), or 0. */
static size_t quoted_len(struct zs_text text)
{
	size_t i;

	if (!text.len || text.p[0] != '"')
		return 0;
	for (i = 1; i < text.len && text.p[i] != '"'; i++) {
		if (text.p[i] == '\\')
			i++;
	}
	return i + 1 == text.len ? text.len : 0;
}

/* Only the token form counts: a quoted number is invalid. */
static void seconds_take(struct seconds *s, struct zs_text argument)
{
	s->bad = s->there || !seconds_parse(argument, &s->value);
	s->there = true;
}

/*
 * cache-directive (RFC 9111 5.2). The qualified forms of private and no-cache count as unqualified
 * ones, must-understand does not lift no-store, unknown ones are ignored. -EBADMSG: malformed.
 */
static int directive_take(struct zs_text member, struct directives *d)
{
	struct zs_text name = {member.p, zs_token_len(member)};
	struct zs_text argument = {member.p + name.len, member.len - name.len};

	if (!name.len)
		return -EBADMSG;
	if (argument.len) {
		if (argument.p[0] != '=')
			return -EBADMSG;
		argument.p++;
		argument.len--;
		if (!argument.len || (zs_token_len(argument) != argument.len &&
				      quoted_len(argument) != argument.len))
			return -EBADMSG;
	}
	if (zs_text_is(name, "no-store"))
		d->no_store = true;
	else if (zs_text_is(name, "no-cache"))
		d->no_cache = true;
	else if (zs_text_is(name, "private"))
		d->private = true;
	else if (zs_text_is(name, "max-age"))
		seconds_take(&d->max_age, argument);
	else if (zs_text_is(name, "s-maxage"))
		seconds_take(&d->s_maxage, argument);
	return 0;
}

/* All lines of one field. A quoted string does not reach over from one line to the next. */
static int directives_parse(const struct zs_response *r, const char *field, struct directives *d)
{
	*d = (struct directives){0};
	for (int i = 0; (i = zs_response_find(r, field, (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;
		int more;

		while ((more = zs_list_next(&rest, &member)) > 0) {
			int err = directive_take(member, d);

			if (err)
				return err;
		}
		if (more < 0)
			return more;
	}
	return 0;
}

/* --- what must not be there ------------------------------------------------------------------ */

static enum zs_policy_reason fields_judge(const struct zs_response *r)
{
	static const struct {
		const char *name;
		enum zs_policy_reason reason;
	} refused[] = {
		{"set-cookie", ZS_POLICY_SET_COOKIE},
		{"set-cookie2", ZS_POLICY_SET_COOKIE},
		{"content-range", ZS_POLICY_CONTENT_RANGE},
		{"trailer", ZS_POLICY_TRAILER},
		{"upgrade", ZS_POLICY_UPGRADE},
		{"cdn-cache-control", ZS_POLICY_CDN_CACHE_CONTROL},
		{"surrogate-control", ZS_POLICY_SURROGATE_CONTROL},
	};

	for (size_t i = 0; i < LENGTH(refused); i++) {
		if (zs_response_find(r, refused[i].name, 0) >= 0)
			return refused[i].reason;
	}
	for (int i = 0; (i = zs_response_find(r, "x-accel-expires", (unsigned int)i)) >= 0; i++) {
		uint64_t seconds;

		if (!seconds_parse(zs_response_value(r, (unsigned int)i), &seconds) || !seconds)
			return ZS_POLICY_ACCEL_EXPIRES;
	}
	return ZS_POLICY_STORE;
}

/* A connection option must not name a field meant for every recipient (RFC 9110 7.6.1). */
static enum zs_policy_reason connection_judge(const struct zs_response *r)
{
	static const char *const needed[] = {
		"age",		"cache-control", "content-length",
		"content-type", "date",		 "content-encoding",
		"expires",	"pragma",	 "vary",
	};

	unsigned int options = 0;

	for (int i = 0; (i = zs_response_find(r, "connection", (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;
		int more;

		while ((more = zs_list_next(&rest, &member)) > 0) {
			if (zs_token_len(member) != member.len || ++options > OPTIONS_MAX)
				return ZS_POLICY_CONNECTION;
			for (size_t k = 0; k < LENGTH(needed); k++) {
				if (zs_text_is(member, needed[k]))
					return ZS_POLICY_CONNECTION;
			}
		}
		if (more < 0)
			return ZS_POLICY_CONNECTION;
	}
	return ZS_POLICY_STORE;
}

static enum zs_policy_reason directives_judge(const struct zs_response *r, struct directives *d)
{
	struct directives pragma;

	if (directives_parse(r, "cache-control", d) || directives_parse(r, "pragma", &pragma))
		return ZS_POLICY_MALFORMED;
	if (d->no_store)
		return ZS_POLICY_NO_STORE;
	if (d->private)
		return ZS_POLICY_PRIVATE;
	if (d->no_cache || pragma.no_cache)
		return ZS_POLICY_NO_CACHE;
	return ZS_POLICY_STORE;
}

/* --- variants -------------------------------------------------------------------------------- */

/* RFC 9110 12.5.5. *coding: Accept-Encoding is named. */
static enum zs_policy_reason vary_judge(const struct zs_response *r, bool *coding)
{
	*coding = false;
	for (int i = 0; (i = zs_response_find(r, "vary", (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;
		int more;

		while ((more = zs_list_next(&rest, &member)) > 0) {
			if (!zs_text_is(member, "accept-encoding"))
				return ZS_POLICY_VARY;
			*coding = true;
		}
		if (more < 0)
			return ZS_POLICY_VARY;
	}
	return ZS_POLICY_STORE;
}

static uint32_t coding_bit(struct zs_text coding)
{
	if (zs_text_is(coding, "gzip"))
		return ZS_AE_GZIP;
	if (zs_text_is(coding, "br"))
		return ZS_AE_BR;
	if (zs_text_is(coding, "zstd"))
		return ZS_AE_ZSTD;
	return 0;
}

/* RFC 9110 8.4: one line with one coding, or none. */
static enum zs_policy_reason coding_judge(const struct zs_policy_input *in)
{
	const struct zs_response *r = in->response;
	int i = zs_response_find(r, "content-encoding", 0);
	enum zs_policy_reason reason;
	struct zs_text coding;
	uint32_t bit;
	bool varies;

	reason = vary_judge(r, &varies);
	if (reason || i < 0)
		return reason;
	coding = zs_response_value(r, (unsigned int)i);
	bit = coding_bit(coding);
	if (zs_response_find(r, "content-encoding", (unsigned int)i + 1) >= 0)
		return ZS_POLICY_CODING;
	if (zs_text_is(coding, "identity"))
		return ZS_POLICY_STORE;
	if (!bit)
		return ZS_POLICY_CODING;
	if (!varies)
		return ZS_POLICY_CODING_VARY;
	return (in->accept_encoding & bit) ? ZS_POLICY_STORE : ZS_POLICY_CODING_CLASS;
}

/* --- freshness ------------------------------------------------------------------------------- */

/* A field that is one HTTP-date. 0; -ENOENT: not there; -EBADMSG: invalid, or there twice. */
static int date_field(const struct zs_policy_input *in, const char *name, int64_t *out)
{
	int i = zs_response_find(in->response, name, 0);

	if (i < 0)
		return -ENOENT;
	if (zs_response_find(in->response, name, (unsigned int)i + 1) >= 0)
		return -EBADMSG;
	if (zs_http_date_parse(zs_response_value(in->response, (unsigned int)i), in->response_wall,
			       out))
		return -EBADMSG;
	return 0;
}

static uint64_t seconds_between(int64_t from, int64_t to)
{
	uint64_t n = to > from ? (uint64_t)(to - from) : 0;

	return n < SECONDS_MAX ? n : SECONDS_MAX;
}

/* RFC 9111 4.2.1, without heuristics. */
static enum zs_policy_reason lifetime_judge(const struct zs_policy_input *in,
					    const struct directives *d, int64_t date,
					    uint64_t *lifetime)
{
	int64_t expires;
	int err;

	if (d->max_age.bad || d->s_maxage.bad)
		return ZS_POLICY_BAD_FRESHNESS;
	if (d->s_maxage.there) {
		*lifetime = d->s_maxage.value;
		return ZS_POLICY_STORE;
	}
	if (d->max_age.there) {
		*lifetime = d->max_age.value;
		return ZS_POLICY_STORE;
	}
	err = date_field(in, "expires", &expires);
	if (err)
		return err == -ENOENT ? ZS_POLICY_NO_FRESHNESS : ZS_POLICY_BAD_FRESHNESS;
	*lifetime = seconds_between(date, expires);
	return ZS_POLICY_STORE;
}

/* RFC 9111 5.1: the first member counts, and an invalid one for nothing. */
static uint64_t age_value(const struct zs_response *r)
{
	for (int i = 0; (i = zs_response_find(r, "age", (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;
		uint64_t seconds;
		int more = zs_list_next(&rest, &member);

		if (more > 0)
			return seconds_parse(member, &seconds) ? seconds : 0;
		if (more < 0)
			return 0;
	}
	return 0;
}

/* RFC 9111 4.2.3, kept exact: the older of the two births that apparent_age and Age mean. */
static int64_t born(const struct zs_policy_input *in, int64_t date)
{
	int64_t apparent = (int64_t)seconds_between(date, in->response_wall);
	int64_t by_date = (int64_t)in->response_time - apparent * SECOND;
	int64_t by_age = (int64_t)in->request_time - (int64_t)age_value(in->response) * SECOND;

	return by_date < by_age ? by_date : by_age;
}

static enum zs_policy_reason freshness_judge(const struct zs_policy_input *in,
					     const struct directives *d,
					     struct zs_policy_verdict *out)
{
	struct zs_policy_verdict v;
	int64_t date, now = (int64_t)in->response_time;
	enum zs_policy_reason reason;
	uint64_t lifetime;
	int err = date_field(in, "date", &date);

	if (err == -EBADMSG)
		return ZS_POLICY_DATE;
	if (err)
		date = in->response_wall;
	reason = lifetime_judge(in, d, date, &lifetime);
	if (reason)
		return reason;
	v.born = born(in, date);
	if ((now - v.born) / SECOND >= (int64_t)SECONDS_MAX - 1) /* or more: Age saturates */
		return ZS_POLICY_STALE;
	v.age = (uint32_t)((now - v.born) / SECOND);
	if (lifetime > (uint64_t)v.age + in->lifetime_max)
		lifetime = (uint64_t)v.age + in->lifetime_max;
	v.lifetime = (uint32_t)lifetime;
	v.fresh_until = v.born + (int64_t)lifetime * SECOND;
	if (v.fresh_until <= now)
		return ZS_POLICY_STALE;
	*out = v;
	return ZS_POLICY_STORE;
}

enum zs_policy_reason zs_policy_judge(const struct zs_policy_input *in,
				      struct zs_policy_verdict *out)
{
	enum zs_policy_reason reason;
	struct directives d;

	if (!in->get)
		return ZS_POLICY_METHOD;
	if (in->request_time > in->response_time || in->response_time >= TIME_MAX ||
	    in->response_wall <= 0 || in->response_wall > WALL_MAX)
		return ZS_POLICY_CLOCK;
	if (in->response->status != 200)
		return ZS_POLICY_STATUS;
	reason = fields_judge(in->response);
	if (!reason)
		reason = connection_judge(in->response);
	if (!reason)
		reason = directives_judge(in->response, &d);
	if (!reason)
		reason = coding_judge(in);
	if (!reason)
		reason = freshness_judge(in, &d, out);
	return reason;
}

/* --- the stored head ------------------------------------------------------------------------- */

struct writer {
	uint8_t *p;
	size_t cap;
	size_t len;
	unsigned int fields;
	bool full;
};

static void put(struct writer *w, struct zs_text text)
{
	if (w->full || text.len > w->cap - w->len) {
		w->full = true;
		return;
	}
	if (text.len)
		memcpy(w->p + w->len, text.p, text.len);
	w->len += text.len;
}

static void put_string(struct writer *w, const char *s)
{
	put(w, (struct zs_text){(const uint8_t *)s, strlen(s)});
}

static void put_field(struct writer *w, struct zs_text name, struct zs_text value)
{
	put(w, name);
	put_string(w, ": ");
	put(w, value);
	put_string(w, "\r\n");
	w->fields++;
}

/* A field whose value ends in a slot; returns the slot's offset. */
static size_t put_slot(struct writer *w, const char *begin)
{
	static const char blanks[] = "          ";
	size_t off;

	_Static_assert(sizeof(blanks) - 1 == ZS_SLOT_DIGITS, "blanks do not fill a slot");
	put_string(w, begin);
	off = w->len;
	put_string(w, blanks);
	put_string(w, "\r\n");
	w->fields++;
	return off;
}

static bool named_by_connection(const struct zs_response *r, struct zs_text name)
{
	for (int i = 0; (i = zs_response_find(r, "connection", (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;

		while (zs_list_next(&rest, &member) > 0) {
			if (zs_text_equal(member, name))
				return true;
		}
	}
	return false;
}

/* RFC 9111 3.1, and what the cache writes itself. */
static bool kept(const struct zs_response *r, struct zs_text name)
{
	static const char *const dropped[] = {
		"connection",
		"keep-alive",
		"proxy-connection",
		"te",
		"transfer-encoding",
		"upgrade",
		"proxy-authenticate",
		"proxy-authentication-info",
		"proxy-authorization",
		"trailer",
		"age",
		"content-length",
	};

	for (size_t i = 0; i < LENGTH(dropped); i++) {
		if (zs_text_is(name, dropped[i]))
			return false;
	}
	return !named_by_connection(r, name);
}

static void put_received(struct writer *w, const struct zs_response *r, bool *dated)
{
	*dated = false;
	for (unsigned int i = 0; i < r->fields; i++) {
		struct zs_text name = zs_response_name(r, i);

		if (!kept(r, name))
			continue;
		*dated |= zs_text_is(name, "date");
		put_field(w, name, zs_response_value(r, i));
	}
}

int zs_policy_render(const struct zs_response *r, uint64_t body_len, int64_t wall, uint8_t *buf,
		     size_t cap, struct zs_rendered *out)
{
	struct writer w = {.p = buf, .cap = cap < ZS_ANSWER_HEAD_MAX ? cap : ZS_ANSWER_HEAD_MAX};
	char date[ZS_HTTP_DATE_LEN + 1], length[48];
	size_t age_off, ttl_off;
	bool dated;

	if (r->status != 200 || zs_http_date_format(wall, date))
		return -EINVAL;
	put_string(&w, "HTTP/1.1 200 ");
	if (r->reason_len)
		put(&w, (struct zs_text){r->head + r->reason, r->reason_len});
	else
		put_string(&w, "OK");
	put_string(&w, "\r\n");
	put_received(&w, r, &dated);
	if (!dated) {
		put_string(&w, "Date: ");
		put_string(&w, date);
		put_string(&w, "\r\n");
		w.fields++;
	}
	snprintf(length, sizeof(length), "Content-Length: %llu\r\n", (unsigned long long)body_len);
	put_string(&w, length);
	w.fields++;
	age_off = put_slot(&w, "Age: ");
	ttl_off = put_slot(&w, "Cache-Status: zeroserve; hit; ttl=");
	put_string(&w, "\r\n");
	if (w.full || w.fields > ZS_RESPONSE_FIELDS_MAX)
		return -E2BIG;
	*out = (struct zs_rendered){(uint32_t)w.len, (uint32_t)age_off, (uint32_t)ttl_off};
	return 0;
}
