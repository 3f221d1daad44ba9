// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The storing decision: its times are in order, a restriction added to any response is obeyed, an
 * added permission permits nothing, and spelling does not matter. Fourteen bytes of times, then
 * fields in which bytes from 0x80 to 0xbf stand for fragments.
 */
#include "date.h"
#include "policy.h"

#include <zs/abi.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND	     1000000000ll

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
};

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

		if (*p >= 0x80 && *p < 0xc0) {
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

/* The verdict on a response of `first`, the fields under test and `last`. -1: they are no one head.
 */
static int judge(struct zs_policy_input in, const char *first, const char *fields, size_t len,
		 const char *last, struct zs_policy_verdict *v)
{
	static uint8_t text[3 * ZS_RESPONSE_HEAD_MAX];
	static struct zs_response r;
	size_t n =
		(size_t)sprintf((char *)text, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n%s", first);

	memcpy(text + n, fields, len);
	n += len;
	n += (size_t)sprintf((char *)text + n, "%s\r\n", last);
	if (zs_response_head(text, n, &r) || r.head_len != n)
		return -1;
	in.response = &r;
	return (int)zs_policy_judge(&in, v);
}

/* A field line of text either fails to parse or does what is asked for. */
static void check_restrictions(struct zs_policy_input in, const char *fields, size_t len)
{
	static const struct {
		const char *line;
		enum zs_policy_reason reason;
	} rows[] = {
		{"cache-control: x, NO-STORE\r\n", ZS_POLICY_NO_STORE},
		{"Cache-Control: private=\"x\"\r\n", ZS_POLICY_PRIVATE},
		{"Cache-Control: no-cache\r\n", ZS_POLICY_NO_CACHE},
		{"Pragma: no-cache\r\n", ZS_POLICY_NO_CACHE},
		{"Vary: *\r\n", ZS_POLICY_VARY},
		{"Vary: cookie\r\n", ZS_POLICY_VARY},
		{"Set-Cookie: a=b\r\n", ZS_POLICY_SET_COOKIE},
		{"Content-Range: x\r\n", ZS_POLICY_CONTENT_RANGE},
		{"Content-Encoding: x\r\n", ZS_POLICY_CODING},
		{"Connection: vary\r\n", ZS_POLICY_CONNECTION},
		{"Date: x\r\n", ZS_POLICY_DATE},
		{"Cache-Control: s-maxage=x\r\n", ZS_POLICY_BAD_FRESHNESS},
	};
	struct zs_policy_verdict v;

	for (size_t i = 0; i < COUNT(rows); i++) {
		int first = judge(in, rows[i].line, fields, len, "", &v);
		int last = judge(in, "", fields, len, rows[i].line, &v);

		expect(first == -1 || first == (int)rows[i].reason);
		expect(last == -1 || last == (int)rows[i].reason);
	}
	expect(judge(in, "Age: 2147483647\r\n", fields, len, "", &v) != ZS_POLICY_STORE);
	in.get = false;
	expect(judge(in, "", fields, len, "", &v) == ZS_POLICY_METHOD);
}

static void check_verdict(const struct zs_policy_input *in, const struct zs_policy_verdict *v)
{
	int64_t now = (int64_t)in->response_time;

	expect(v->born <= (int64_t)in->request_time && v->born <= now);
	expect(v->fresh_until > now);
	expect(v->fresh_until == v->born + (int64_t)v->lifetime * SECOND);
	expect(v->fresh_until - now <= (int64_t)in->lifetime_max * SECOND);
	expect((now - v->born) / SECOND == v->age);
	expect(v->age <= v->lifetime);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char fields[ZS_RESPONSE_HEAD_MAX];
	struct zs_policy_verdict v, other;
	struct zs_policy_input in = {.get = true};
	uint32_t wall, delay;
	size_t n;
	int reason;

	if (len < 14)
		return 0;
	in.request.accept_encoding = data[0] & 15;
	in.lifetime_max = data[1] & 1 ? data[1] : data[1] * 0x1010101u;
	memcpy(&wall, data + 2, 4);
	memcpy(&in.request_time, data + 6, 4);
	memcpy(&delay, data + 10, 4);
	in.request_time <<= data[0] >> 4;
	in.response_time = in.request_time + delay;
	in.response_wall = data[1] & 2 ? 784111777 + wall % 256 : wall;
	data += 14;
	len -= 14;
	check_date(data, len, in.response_wall);
	n = expand(fields, sizeof(fields), data, len);
	reason = judge(in, "", fields, n, "", &v);
	check_date((uint8_t *)fields, n, in.response_wall);
	if (reason < 0 || reason == ZS_POLICY_CLOCK)
		return 0;
	if (reason == ZS_POLICY_STORE) {
		check_verdict(&in, &v);
		check_restrictions(in, fields, n);
	}
	if (judge(in, "", fields, n, "Cache-Control: public, must-understand\r\n", &other) >= 0)
		expect(judge(in, "", fields, n, "cache-control: public, must-understand\r\n",
			     &other) == reason);
	n = upper_names(fields, n);
	expect(judge(in, "", fields, n, "", &other) == reason);
	return 0;
}
