// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The operator's rules against models of them that work on C strings: the first byte of the input
 * chooses the class, then come, with a NUL between them, a target, a Cookie field and an Accept
 * field. Bytes from 0x80 on stand for fragments. And whatever the bytes are: a canonical target is
 * canonical for itself, and no target that is keyed as it was sent meets one.
 */
#include "fields.h"

#include <zs/decide.h>

#include <stdint.h>
#include <stdlib.h>

#include "../lib/class_of.h"
#include "../lib/rules_model.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static const char *const classes[] = {
	"drop utm cookies a b _g*",
	"drop utm utm_* a auth cookies a b _g*",
	"keep id cookies a b _g*",
	"keep a b utm_* cookies a b _g*",
	"sort cookies a b _g*",
	"drop utm sort cookies a b _g*",
	"keep a id b sort cookies a b _g*",
	"drop * cookies a b _g*",
	"keep cookies a b _g*",
	"auth",
};

static const char *const fragments[] = {
	"utm",
	"utm=1",
	"utm_a=",
	"&utm=",
	"id",
	"&id=1",
	"&ID=2",
	"a=1",
	"&a=2",
	"&A=3",
	"&b",
	"&",
	"=",
	"?",
	";",
	"%20",
	"%26",
	"%C3%A9",
	"%",
	"%2",
	".",
	"[]",
	"+",
	"//",
	"/../",
	"/./",
	"/",
	"b=2",
	"; b=2",
	"a=1; ",
	"_ga=1",
	"; _g",
	"\"",
	"\\",
	", ",
	" ",
	"\t",
	"q=0.5",
	"text/html",
	"en-US",
	"A",
	"Z",
	"*",
	"-",
	"_",
	"~",
	"#",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"&a=1&a=2&a=3&a=4&a=5&a=6&a=7&a=8&a=9&b=1&b=2&b=3&b=4&b=5&b=6&b=7&b=8&b=9",
};

static struct zs_tables tables;
static struct zs_decision decision, second;

static void expect(bool ok)
{
	if (!ok)
		abort();
}

/* One part of the input, up to a NUL, as a string of at most `most` bytes. Returns what is behind.
 */
static const uint8_t *part(const uint8_t *in, const uint8_t *end, char *out, size_t most)
{
	size_t n = 0;

	for (; in < end && *in; in++) {
		char one[2] = {(char)*in, 0};
		const char *text = *in < 0x80 ? one : fragments[(*in - 0x80u) % COUNT(fragments)];

		if (n + strlen(text) <= most)
			n += (size_t)sprintf(out + n, "%s", text);
	}
	out[n] = 0;
	return in < end ? in + 1 : in;
}

/* Decides about a head whose fields are in `lines`. false: it is not that head, or none. */
static bool decide(struct zs_decision *d, const struct zs_class *class, const char *target,
		   const char *lines, int expected, uint8_t stale)
{
	char head[ZS_HEAD_MAX + 1];
	int n = snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, lines);

	if (n >= (int)sizeof(head))
		return false;
	memset(d, stale, sizeof(*d));
	memcpy(d->request.head, head, (size_t)n);
	if (zs_request_scan(&d->request, &tables, (uint32_t)n) != ZS_SCAN_OK ||
	    d->request.lines != (uint32_t)expected + 2 || d->request.head_len != (uint32_t)n ||
	    d->request.line[0].end - d->request.line[0].value != (int)strlen(target) ||
	    zs_decide_begin(d, &tables, 1, 0, 1, 2))
		return false;
	zs_decide_end(d, &tables, class);
	return true;
}

static void target_of(const struct zs_decision *d, char *out)
{
	uint32_t at = zs_key_target_at(&d->key), len = d->key.target_len;

	memcpy(out, d->key.text + at, len);
	out[len] = 0;
	for (; len % 8; len++)
		expect(!d->key.text[at + len]);
}

/* Whether a segment of the path is empty (but for the first), a dot or two, or hides something. */
static bool path_odd(const char *path)
{
	for (const char *p = path; *p; p++) {
		if (p[0] == '/' && (p[1] == '/' || (p[1] == '.' && (!p[2] || strchr("/.", p[2])))))
			return true;
		if (p[0] == '%' &&
		    (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]) ||
		     (memcmp(p, "%20", 3) && !strchr("89abcdefABCDEF", p[1]))))
			return true;
		if (!isalnum((unsigned char)*p) && !strchr("_-.~!$&'()*+,=:@/%", *p))
			return true;
	}
	return false;
}

static void check_query(const struct zs_class *class, const char *target)
{
	static struct query_model m, got;
	static char have[ZS_TARGET_MAX + 1], want[ZS_TARGET_MAX + 1], again[ZS_TARGET_MAX + 1];

	target_of(&decision, have);
	query_model_split(&m, target);
	expect(!(decision.query.flags & ZS_QUERY_PATH_ODD) == !path_odd(m.path));
	query_model_judge(&m, class);
	if (m.raw || !m.query || !(class->flags & ZS_QUERY_CLASS)) {
		expect(!strcmp(have, target));
	} else if (class->flags & ZS_CLASS_SORT) {
		query_model_split(&got, have);
		expect(!strcmp(got.path, m.path) && same_but_order(&got, &m));
	} else {
		query_model_join(&m, want);
		expect(!strcmp(have, want));
	}
	expect(decide(&second, class, have, "", 0, 0x55));
	target_of(&second, again);
	expect(!strcmp(again, have));
	expect(m.raw || !(second.query.flags & ZS_QUERY_RAW));
}

/* More blanks in a row than the cookie parser goes over. */
static bool blanks_long(const char *text)
{
	for (; *text; text += strcspn(text, " \t")) {
		size_t blanks = strspn(text, " \t");

		if (blanks > ZS_COOKIE_GAP)
			return true;
		text += blanks;
	}
	return false;
}

static void check_cookie(const struct zs_class *class, const char *value)
{
	const char *from = value + strspn(value, " \t"), *end = value + strlen(value);
	char text[512], lines[600];

	while (end > from && strchr(" \t", end[-1]))
		end--;
	snprintf(text, sizeof(text), "%.*s", (int)(end - from), from);
	snprintf(lines, sizeof(lines), "Cookie: %s\r\n", value);
	if (!decide(&decision, class, "/", lines, 1, 0xff))
		return;
	if (zs_request_answerable(&decision.request))
		expect((class->flags & ZS_CLASS_COOKIES_ON) && cookie_model(text));
	else if (strlen(text) <= ZS_COOKIE_NAME && (class->flags & ZS_CLASS_COOKIES_ON))
		expect(!cookie_model(text) || blanks_long(text));
	expect(decide(&decision, NULL, "/", lines, 1, 0) &&
	       !zs_request_answerable(&decision.request));
}

static void check_accept(const char *value)
{
	char want[600], lines[600];
	enum outcome outcome = vary_model(value, want);
	const uint8_t *text;

	snprintf(lines, sizeof(lines), "Accept: %s\r\n", value);
	if (!decide(&decision, NULL, "/", lines, 1, 0xaa))
		return;
	if (zs_span_len(&decision.request.slot[ZS_SLOT_V0]) > ZS_VARY_MAX)
		outcome = BYPASS;
	expect(zs_request_answerable(&decision.request) == (outcome != BYPASS));
	expect(zs_request_recordable(&decision.request) == (outcome == RECORD));
	if (outcome == BYPASS)
		return;
	text = decision.key.text + zs_pad8(1);
	expect(decision.key.vary_seen == 1 && decision.key.vary_len[0] == strlen(want) &&
	       !memcmp(text, want, strlen(want)));
	for (size_t i = strlen(want); i % 8; i++)
		expect(!text[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static char target[ZS_TARGET_MAX + 1], cookie[400], accept[400];
	const uint8_t *end = in + len;
	struct zs_class class;

	if (!tables.byte['a'])
		expect(!zs_fields_build(&tables) && !zs_fields_vary(&tables, "accept", 0));
	if (len < 2)
		return 0;
	class = class_of(classes[*in % COUNT(classes)]);
	target[0] = '/';
	in = part(in + 1, end, target + 1, ZS_TARGET_MAX - 1);
	in = part(in, end, cookie, sizeof(cookie) - 1);
	part(in, end, accept, sizeof(accept) - 1);
	if (decide(&decision, &class, target, "", 0, 0xff))
		check_query(&class, target);
	check_cookie(&class, cookie);
	check_accept(accept);
	return 0;
}
