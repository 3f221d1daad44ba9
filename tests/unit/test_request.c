// SPDX-License-Identifier: GPL-2.0-or-later
/* The recogniser: what is a strict request head, and what each of its fields means. */
#include "fields.h"

#include <zs/request.h>

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LINE	     "GET / HTTP/1.1\r\n"
#define HOST	     "Host: a\r\n"
#define START	     LINE HOST
#define END	     "\r\n"

/* What becomes of a message, from the worst to the best. */
enum outcome { BAD, SHORT, PASSIVE, BYPASS, NOFILL, ANSWER, RECORD };
static const char *const outcomes[] = {"bad",	 "short",  "passive", "bypass",
				       "nofill", "answer", "record"};

static struct zs_tables tables;
static struct zs_request req;

/* Recognises text in a work space that holds what `stale` tells from an earlier request. */
static enum outcome recognise(const void *text, size_t len, const char *stale)
{
	size_t n = strlen(stale), seen = len < ZS_HEAD_MAX ? len : ZS_HEAD_MAX;
	enum zs_scan scan;

	for (size_t i = 0; i < sizeof(req); i++)
		((char *)&req)[i] = stale[i % n];
	memcpy(req.head, text, seen);
	scan = zs_request_scan(&req, &tables, (__u32)seen);
	if (scan == ZS_SCAN_BAD)
		return BAD;
	zs_request_fields(&req, &tables);
	zs_request_values(&req, &tables);
	if (scan == ZS_SCAN_SHORT)
		return SHORT;
	if (req.flags & ZS_REQ_PASSIVE)
		return PASSIVE;
	if (req.flags & ZS_REQ_BYPASS)
		return BYPASS;
	assert_true(zs_request_answerable(&req));
	if (req.flags & ZS_REQ_NOFILL)
		return NOFILL;
	return zs_request_recordable(&req) ? RECORD : ANSWER;
}

/* The same, whatever stood in the work space before. */
static enum outcome see(const void *text, size_t len)
{
	static const char *const stale[] = {"\xff", "\r\n\r\n", "HTTP/1.1\r\nhost: b\r\n", "0"};
	enum outcome first = recognise(text, len, stale[0]);

	for (size_t i = 1; i < COUNT(stale); i++)
		assert_string_equal(outcomes[recognise(text, len, stale[i])], outcomes[first]);
	return first;
}

static void check(const char *text, size_t len, enum outcome want)
{
	enum outcome got = see(text, len);

	if (got != want)
		print_error("%s, not %s: %.*s\n", outcomes[got], outcomes[want], (int)len, text);
	assert_int_equal(got, want);
}

static void check_text(const char *text, enum outcome want)
{
	check(text, strlen(text), want);
}

/* A GET with the Host field and one more. */
static void check_field(const char *name, const char *value, enum outcome want)
{
	char text[2 * ZS_HEAD_MAX];

	snprintf(text, sizeof(text), START "%s: %s\r\n" END, name, value);
	check_text(text, want);
}

/* Texts that stand between `before` and `after`, up to the first null; every byte is of the test's
 * choice, but NUL: see test_bytes. */
struct list {
	enum outcome want;
	const char *before, *after;
	const char *text[40];
};

static void check_lists(const struct list *lists, size_t count)
{
	char text[1024];

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < COUNT(lists[i].text) && lists[i].text[k]; k++) {
			snprintf(text, sizeof(text), "%s%s%s", lists[i].before, lists[i].text[k],
				 lists[i].after);
			check_text(text, lists[i].want);
		}
	}
}

/* Request line: RFC 9112 3; D8.1 of the project's rules. */
static const struct list request_lines[] = {
	{RECORD,
	 "GET ",
	 " HTTP/1.1\r\n" HOST END,
	 {"/", "//a/", "/a%2Fb//../c;d=e?f=%20&g'\"<>{}|^`", "/%01", "/%0", "/%0x0", "/%2500",
	  "/00%10"}},
	{BYPASS, "GET ", " HTTP/1.1\r\n" HOST END, {"http://a/", "HTTP://a/", "a:80",	"*",
						    "?",	 "%2f",	      "/%00",	"/%00%00",
						    "/a%00b",	 "/%%00",     "/%0%00", "/?%00",
						    "%00",	 "/#",	      "#",	"/%#",
						    "/%0#",	 "/\\",	      "\\",	"/%0\\"}},
	{BAD,
	 "GET ",
	 " HTTP/1.1\r\n" HOST END,
	 {"", " /", "/ ", "/ /", "/\xc3\xa4", "/\t", "\t/", "/\n"}},
	{ANSWER, "", " / HTTP/1.1\r\n" HOST END, {"HEAD"}},
	{BYPASS,
	 "",
	 " / HTTP/1.1\r\n" HOST END,
	 {"OPTIONS", "TRACE", "POST", "PURGE", "M-SEARCH", "connect", "get", "Get", "GE", "GETT",
	  "GETGETGETGET", "HEADHEAD", "PRI"}},
	{PASSIVE, "", " HTTP/1.1\r\n" HOST END, {"CONNECT a:1", "CONNECT /"}},
	{BYPASS, "", " HTTP/1.1\r\n" HOST END, {"OPTIONS *", "OPTIONS /"}},
	{BAD,
	 "",
	 "/ HTTP/1.1\r\n" HOST END,
	 {"", " ", "GET\t", " GET ", "\r\nGET ", "\nGET ", "\r\n\r\nGET "}},
	{PASSIVE,
	 "GET / ",
	 "\r\n" HOST END,
	 {"HTTP/1.0", "HTTP/0.9", "HTTP/2", "HTTP/2.0", "HTTP/1.2", "HTTP/1.10", "HTTP/1.",
	  "HTTP/11", "http/1.1", "Http/1.1", "XHTTP/1.1", "", "HTTP/1.1,", "HTTP/01.1"}},
	{PASSIVE, "GET / HTTP/1.0\r\n" HOST, END, {"Connection: keep-alive\r\n"}},
	{BAD,
	 "GET",
	 "\r\n" HOST END,
	 {"", " ", " /", " / HTTP/1.1 ", " / HTTP/1.1\t", " / HTTP/1.1\r"}},
	{PASSIVE, "", "", {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}},
	{BAD, "", "", {"\x16\x03\x01\x02", "{", "\x80", "\x7f", "GET / HTTP/1.1\n\n"}},
	{SHORT, "", "", {"", "G", "GET / HTTP/1.1", START, START "\r"}},
};

/* Line ends, field lines, white space: RFC 9112 2.2, 5; D8.2. */
static const struct list grammar[] = {
	{BAD, START, "", {"\n", "\r\r\n", "\rx", "\r\r", "Accept: a\n", "Accept: a\r\r\n"}},
	{BAD, "GET / HTTP/1.1", HOST END, {"\n", "\r", "\n\r", "\r\r\n", " \r\n"}},
	{BAD,
	 START,
	 "\r\n" END,
	 {"Accept: a\rb", "Accept: a\nCookie: b", "Accept: a\r\n b", "Accept: a\r\n\tb",
	  " Accept: a", "\tAccept: a", "Accept : a", "Accept\t: a", "Transfer-Encoding : chunked",
	  "Transfer-Encoding\x0b: chunked", "Content-Length\xa0: 5", ": a", "Accept", "a b: c",
	  "a/b: c", "\"a\": c", "(a): c", "a\x80: c"}},
	{RECORD,
	 START,
	 "\r\n" END,
	 {"Accept: ", "Accept:", "Accept: \t \t", "Accept:a", "Accept: \t a \t b\t ",
	  "Accept: a:b::", "Accept: \x80\xff", "Accept: a\\b\"c#%00", "accept: a\r\nACCEPT: b"}},
	{NOFILL, START, "\r\n" END, {"X-New: a", "0: a\r\n%: b\r\n#: c\r\n!$&'*+-.^_`|~: d"}},
	{NOFILL, "HEAD / HTTP/1.1\r\n" HOST, END, {"X-New: a\r\n"}},
	{RECORD, START END, "", {"\r\n\n garbage", START END, "\xff"}},
};

/* Authority: RFC 9110 7.2; D8.3. */
static const struct list hosts[] = {
	{RECORD,
	 LINE,
	 "\r\n" END,
	 {"Host: a.example:8080", "hOST:[::1]:80", "Host: xn--a_b.", "Accept: a\r\nHost: a"}},
	/* the key has it in lower case, an origin may look at the case */
	{NOFILL,
	 LINE,
	 END,
	 {"Host: A.example:8080\r\n", "Host: examplE\r\n", HOST "X-Forwarded-Host: B\r\n",
	  HOST "X-Forwarded-Proto: HTTPS\r\n"}},
	{BYPASS,
	 LINE,
	 END,
	 {"", HOST HOST, HOST "Host: b\r\n", HOST "HOST:\r\n", "Host:\r\n" HOST}},
	{BYPASS,
	 LINE "Host:",
	 "\r\n" END,
	 {"", " \t", "a, b", "a,b", "a b", "a\tb", "u@a", "a/b", "a?b", "a#b", "a\\b", "a%41",
	  "\"a\"", "\xe4", "http://a", "{a}"}},
	{BYPASS, "POST / HTTP/1.1\r\n", END, {""}},
	{RECORD, START, END, {"X-Forwarded-Host: b\r\nX-Forwarded-Proto: https\r\n"}},
	{BYPASS,
	 START "X-Forwarded-",
	 "\r\n" END,
	 {"Host: b\r\nX-Forwarded-Host: b", "Proto: http\r\nx-forwarded-proto: https",
	  "Host:", "Proto:", "Host: a, b", "Host: u@a", "Host: a b", "Proto: http,https",
	  "Proto: \xff", "Host:\r\nX-Forwarded-Host: b"}},
	{NOFILL, START, END, {"X_Forwarded_Host: b\r\n", "Forwarded: host=b\r\n"}},
};

/* Framing and connection: RFC 9112 6, 9; D8.4, D8.7, D8.8. */
static const struct list framing[] = {
	{BYPASS,
	 START "Content-Length:",
	 "\r\n" END,
	 {" 0", "5", " \t 000000000000005\t", " 999999999999999"}},
	{PASSIVE,
	 START "Content-Length:",
	 "\r\n" END,
	 {"",
	  " ",
	  " 5\r\nContent-Length: 5",
	  " 5\r\ncontent-length: 6",
	  "\r\nContent-Length: 5",
	  " 5, 5",
	  " 5 5",
	  " 5,",
	  " +5",
	  " -5",
	  " 0x5",
	  " 5_0",
	  " 5.0",
	  " 5e1",
	  " \"5\"",
	  " \xb2",
	  " 5/",
	  " 5:",
	  " 5;a",
	  " 0000000000000005",
	  " 18446744073709551616",
	  " 18446744073709551621",
	  " 4294967296x",
	  " 5\r\nTransfer-Encoding: chunked"}},
	{PASSIVE,
	 START "Authorization:",
	 "\r\n" END,
	 {" NTLM a", "negotiate", " nEGOTIATE a", " Basic a\r\nAuthorization: Basic a"}},
	{PASSIVE,
	 START,
	 "\r\n" END,
	 {"Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding:",
	  "tRANSFER-eNCODING: xchunked", "Upgrade: websocket\r\nConnection: upgrade",
	  "Upgrade:", "Expect: 100-continue", "HTTP2-Settings: a"}},
	{PASSIVE, "POST / HTTP/1.1\r\n" HOST, END, {"Transfer-Encoding: gzip, chunked\r\n"}},
	{BYPASS, "POST / HTTP/1.1\r\n" HOST, END, {"Content-Length: 5\r\n", ""}},
	{NOFILL,
	 START,
	 "\r\n" END,
	 {"Transfer_Encoding: chunked", "Content_Length: 5", "XTransfer-Encoding: chunked",
	  "Transfer-Encodin: chunked", "Transfer-Encoding-: chunked"}},
	{RECORD, START "Connection:", "\r\n" END, {" keep-alive", "Keep-Alive", " KEEP-ALIVE\t"}},
	{BYPASS,
	 START "Connection:",
	 "\r\n" END,
	 {" close", "", " keep-alive, X-Foo", " keep-alive,", " keep-aliv\xe5", " keep_alive",
	  " keep-aliv", " keep-alive\r\nConnection: keep-alive", " keep-alive\r\nConnection: close",
	  " Host", " keep-alivee", " keep-alivekeep-alive"}},
	{BYPASS,
	 START,
	 "\r\n" END,
	 {"Cookie:", "Authorization: Basic YQ==", "Range: bytes=0-", "If-Match: \"a\"",
	  "TE: trailers", "Proxy-Connection: keep-alive", "Trailer: a", "Max-Forwards: 0",
	  "If-Modified-Since: x", "Origin: a", "X-Requested-With: a", "HX-Request: true"}},
};

static void test_lines(void **state)
{
	(void)state;
	check_lists(request_lines, COUNT(request_lines));
}

static void test_grammar(void **state)
{
	(void)state;
	check_lists(grammar, COUNT(grammar));
}

static void test_hosts(void **state)
{
	(void)state;
	check_lists(hosts, COUNT(hosts));
}

static void test_framing(void **state)
{
	(void)state;
	check_lists(framing, COUNT(framing));
}

/* --- every byte at every kind of place -------------------------------------------------------- */

static int is_tchar(int c)
{
	return isascii(c) && (isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c)));
}

static int is_visible(int c)
{
	return c > ' ' && c < 0x7f;
}

static enum outcome in_method(int c)
{
	return c == 'E' ? RECORD : is_tchar(c) ? BYPASS : BAD;
}

static enum outcome in_target(int c)
{
	return !is_visible(c) ? BAD : c == '#' || c == '\\' ? BYPASS : RECORD;
}

static enum outcome first_of_target(int c)
{
	return !is_visible(c) ? BAD : c == '/' ? RECORD : BYPASS;
}

static enum outcome in_version(int c)
{
	return !is_visible(c) ? BAD : c == '.' ? RECORD : PASSIVE;
}

static enum outcome first_of_name(int c)
{
	return is_tchar(c) ? NOFILL : BAD;
}

static enum outcome in_name(int c)
{
	return is_tchar(c) || c == ':' ? NOFILL : BAD;
}

static enum outcome behind_name(int c)
{
	return c == ':' ? RECORD : is_tchar(c) ? NOFILL : BAD;
}

static enum outcome in_value(int c)
{
	return is_visible(c) || c >= 0x80 || c == ' ' || c == '\t' ? RECORD : BAD;
}

static enum outcome in_host(int c)
{
	if (in_value(c) == BAD)
		return BAD;
	if (isascii(c) && isupper(c))
		return NOFILL;
	return isascii(c) && (isalnum(c) || strchr("-._:[]", c)) ? RECORD : BYPASS;
}

static enum outcome in_length(int c)
{
	return in_value(c) == BAD ? BAD : isascii(c) && isdigit(c) ? BYPASS : PASSIVE;
}

static enum outcome cr(int c)
{
	return c == '\r' ? RECORD : BAD;
}

static enum outcome lf(int c)
{
	return c == '\n' ? RECORD : BAD;
}

static enum outcome behind(int c)
{
	(void)c;
	return RECORD;
}

static const struct {
	const char *before, *after;
	enum outcome (*want)(int c);
} places[] = {
	{"G", "T / HTTP/1.1\r\n" HOST END, in_method},
	{"GET /a", "b HTTP/1.1\r\n" HOST END, in_target},
	{"GET /%", "b HTTP/1.1\r\n" HOST END, in_target},
	{"GET /%0", "b HTTP/1.1\r\n" HOST END, NULL},
	{"GET ", "b HTTP/1.1\r\n" HOST END, first_of_target},
	{"GET / HTTP/1", "1\r\n" HOST END, in_version},
	{START, "x: y\r\n" END, first_of_name},
	{START "x", "y: z\r\n" END, in_name},
	{START "Accept", ": z\r\n" END, behind_name},
	{START "Accept: a", "b\r\n" END, in_value},
	{START "Accept: aaaaaaa", "bbbbbbbbbbbbbbbb\r\n" END, in_value},
	{START "Accept: aaaaaaaaaaa", "bbbbbbbbbbbbbbbb\r\n" END, in_value},
	{START "Accept: aaaaaaaa ", " aaaaaaaa\r\n" END, in_value},
	{LINE "Host: a", "b\r\n" END, in_host},
	{START "X-Forwarded-Host: a", "b\r\n" END, in_host},
	{START "X-Forwarded-Proto: a", "b\r\n" END, in_host},
	{START "Content-Length: 1", "1\r\n" END, in_length},
	{"GET / HTTP/1.1", "\n" HOST END, cr},
	{"GET / HTTP/1.1\r", HOST END, lf},
	{START, "\n", cr},
	{START "\r", "", lf},
	{START END, "", behind},
};

static void test_bytes(void **state)
{
	char text[256];
	(void)state;

	for (size_t i = 0; i < COUNT(places); i++) {
		size_t before = strlen(places[i].before), after = strlen(places[i].after);

		for (int c = 0; c < 256; c++) {
			memcpy(text, places[i].before, before);
			text[before] = (char)c;
			memcpy(text + before + 1, places[i].after, after);
			if (places[i].want)
				check(text, before + 1 + after, places[i].want(c));
			else
				check(text, before + 1 + after, c == '0' ? BYPASS : in_target(c));
		}
	}
}

/* Values of all lengths and alignments: trimmed as a loop over bytes would, no bad byte overlooked.
 */
static void test_values(void **state)
{
	static const char bytes[] = "a  \tb ";
	char text[256];
	(void)state;

	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)sprintf(text, START), name = (size_t)rand() % 9, n, from, to,
		       bad;

		memset(text + len, 'x', name + 1);
		len += name + 1;
		text[len++] = ':';
		n = (size_t)rand() % 64;
		for (size_t i = 0; i < n; i++)
			text[len + i] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
		memcpy(text + len + n, "\r\n\r\n", 4);
		for (from = len; from < len + n && isblank(text[from]); from++)
			;
		for (to = len + n; to > from && isblank(text[to - 1]); to--)
			;
		assert_int_equal(recognise(text, len + n + 4, "\n"), NOFILL);
		assert_int_equal(req.line[2].end - req.line[2].value, to - from);
		assert_true(from == to || req.line[2].value == from);
		if (!n)
			continue;
		bad = len + (size_t)rand() % n;
		text[bad] = "\0\x01\x08\n\x0b\x1f\x7f\r"[rand() % 8];
		assert_int_equal(recognise(text, len + n + 4, "a"), BAD);
	}
}

/* --- names ------------------------------------------------------------------------------------ */

static const struct known {
	const char *name;
	enum zs_slot slot;
	unsigned int flags;
} known[] = {
#define ZS_FIELD(text, slot, effect) {text, ZS_SLOT_##slot, ZS_EFFECT_##effect},
#include <zs/fields.def>
#undef ZS_FIELD
};

static const struct known *known_find(const char *name)
{
	for (size_t i = 0; i < COUNT(known); i++)
		if (!strcasecmp(known[i].name, name))
			return &known[i];
	return NULL;
}

/* The table knows exactly the names of fields.def, in any case. */
static void check_name(const char *name)
{
	const struct known *want = known_find(name);
	const struct zs_name *got;
	size_t len = strlen(name);

	memset(&req, 0xff, sizeof(req));
	memcpy(req.head, name, len);
	got = zs_name_find(&req, &tables, 0, (__u32)len);
	assert_int_equal(!got, !want);
	if (want) {
		assert_int_equal(got->slot, want->slot);
		assert_int_equal(got->flags, want->flags);
	}
}

static void test_effects(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		const struct known *k = &known[i];
		char upper[40] = "";

		if (k->slot && k->slot != ZS_SLOT_TE && k->slot != ZS_SLOT_AUTH &&
		    k->slot != ZS_SLOT_COOKIE && k->slot != ZS_SLOT_INM)
			continue;
		for (size_t n = 0; k->name[n]; n++)
			upper[n] = (char)toupper(k->name[n]);
		for (int twice = 0; twice < 2; twice++) {
			check_field(twice ? upper : k->name, twice ? "" : "gzip",
				    k->flags & ZS_REQ_PASSIVE  ? PASSIVE
				    : k->flags & ZS_REQ_NOFILL ? NOFILL
				    : k->flags		       ? BYPASS
							       : RECORD);
		}
	}
}

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		size_t len = strlen(known[i].name);
		char name[64] = "";

		assert_true(len <= 8 * ZS_NAME_WORDS);
		strcpy(name, known[i].name);
		check_name(name);
		for (size_t n = 0; n < len; n++) {
			for (int c = 1; c < 256; c++) {
				name[n] = (char)c;
				check_name(name);
			}
			name[n] = known[i].name[n];
		}
		for (int c = 1; c < 256; c++) {
			name[len] = (char)c;
			check_name(name);
			memmove(name + 1, known[i].name, len + 1);
			name[0] = (char)c;
			check_name(name);
			strcpy(name, known[i].name);
		}
		check_name(name + 1);
		name[len - 1] = '\0';
		check_name(name);
	}
}

static void test_names_added(void **state)
{
	static const char longest[] = "abcdefghijklmnopqrstuvwxyz-01234X";
	static struct zs_tables t, before;
	const char *bad[] = {"", "a b", "a:", "a\x80", "a\n", "a\x7f", longest};
	char name[40];
	int err = 0, n;
	(void)state;

	assert_int_equal(zs_fields_build(&t), 0);
	assert_memory_equal(&t, &tables, sizeof(t));
	before = t;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(zs_fields_add(&t, bad[i]), -EINVAL);
	for (size_t i = 0; i < COUNT(known); i++)
		assert_int_equal(zs_fields_add(&t, known[i].name),
				 known[i].slot || known[i].flags ? -EEXIST : 0);
	assert_int_equal(zs_fields_add(&t, "USER-Agent"), 0);
	assert_int_equal(zs_fields_add(&t, "COOKIE"), -EEXIST);
	assert_memory_equal(&t, &before, sizeof(t));

	assert_int_equal(zs_fields_add(&t, "X-nEW"), 0);
	snprintf(name, sizeof(name), "%.32s", longest);
	assert_int_equal(zs_fields_add(&t, name), 0);
	before = tables;
	tables = t;
	check_text(START "x-New: a\r\nABCDEFGHIJKLMNOPQRSTUVWXYZ-01234: b\r\n" END, RECORD);
	check_text(START "ABCDEFGHIJKLMNOPQRSTUVWXYZ-01234X: b\r\n" END, NOFILL);
	check_text(START "ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123: b\r\n" END, NOFILL);
	/* until the table is full: nothing that was added is lost, nothing changes by the failure
	 */
	for (n = 0; !err; n++) {
		before = t;
		snprintf(name, sizeof(name), "x-%d", n);
		err = zs_fields_add(&t, name);
	}
	assert_int_equal(err, -ENOSPC);
	assert_memory_equal(&t, &before, sizeof(t));
	tables = t;
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "X-%d", i);
		check_field(name, "a", i < n - 1 ? RECORD : NOFILL);
	}
	check_field("Cookie", "a", BYPASS);
	assert_int_equal(zs_fields_build(&tables), 0);
}

/* --- values ----------------------------------------------------------------------------------- */

static const struct {
	const char *value;
	unsigned int ae;
	bool unknown; /* it names a coding that is not known: it never fills the store */
} codings[] = {
	{"", 0, false},
	{",", 0, false},
	{" , \t,", 0, false},
	{"identity", 0, false},
	{"deflate", 0, false},
	{"gzip", ZS_AE_GZIP, false},
	{"GZip", ZS_AE_GZIP, false},
	{"br", ZS_AE_BR, false},
	{"zstd", ZS_AE_ZSTD, false},
	{"gzip,deflate,br,zstd", ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD, false},
	{",gzip ,\t br,,  identity\t,", ZS_AE_GZIP | ZS_AE_BR, false},
	{"gzip, gzip", ZS_AE_GZIP, false},
	{"x-gzip", ZS_AE_GZIP, false},
	/* codings that no stored response has */
	{"gzipp", 0, true},
	{"ggzip", 0, true},
	{"compress, dcb", 0, true},
	{"xidentity", 0, true},
	{"identityx", 0, true},
	{"xxxxxxxxgzip", 0, true},
	{"xxxxxxxxxbr, zstd", ZS_AE_ZSTD, true},
	{"aaaaaaaaaaaaaaaa", 0, true},
	/* weights */
	{"gzip;q=1", ZS_AE_GZIP, false},
	{"gzip;q=1.000,br;q=1.0,zstd;q=1.", ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD, false},
	{"gzip;q=0", 0, false},
	{"gzip ; Q=0.000 , br", ZS_AE_BR, false},
	{"gzip\t;\tq=0.001", ZS_AE_GZIP, false},
	{"br, gzip;q=0.5", ZS_AE_BR | ZS_AE_GZIP, false},
	{"br;q=0.0, gzip;q=0.", 0, false},
	{"deflate;q=0, gzip", ZS_AE_GZIP, false},
	{"identity;q=0.1", 0, false},
	{"xxxxxxxxxxx;q=0, br", ZS_AE_BR, true},
	/* any */
	{"*", ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD, false},
	{"gzip, *", ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD, false},
	{"*;q=0.1, gzip;q=0", ZS_AE_BR | ZS_AE_ZSTD, false},
	{"identity, *;q=0", 0, false},
	{"identity;q=0.5, gzip, *;q=0", ZS_AE_GZIP, false},
};

static const char *const odd_codings[] = {"*;q=0",
					  "gzip, *;q=0",
					  "identity;q=0",
					  "identity;q=0.000, gzip",
					  "gzip, gzip;q=0",
					  "*, *;q=0",
					  "g zip",
					  "gzip br",
					  "gz\tip",
					  "gzip/br",
					  "\"gzip\"",
					  "gzip;",
					  "gzip;,br",
					  "gzip;q",
					  "gzip;q=",
					  "gzip;q=,br",
					  "gzip;q= 1",
					  "gzip;q =1",
					  "gzip;q=2",
					  "gzip;q=0.0000",
					  "gzip;q=0.a",
					  "gzip;q=-0",
					  "gzip;q=\"0\"",
					  "gzip;q=0;q=1",
					  "gzip;level=9",
					  "gzip;q=0x",
					  "gzip;q=0 1",
					  "gzip q=0",
					  ";q=0",
					  "b\x52\x80",
					  "gzi\xf0",
					  "gzip=",
					  "=br"};

static void test_codings(void **state)
{
	char value[200];
	(void)state;

	for (size_t i = 0; i < COUNT(codings); i++) {
		check_field("Accept-Encoding", codings[i].value, codings[i].unknown ? NOFILL : RECORD);
		assert_int_equal(req.ae, ZS_AE_PRESENT | codings[i].ae);
	}
	for (size_t i = 0; i < COUNT(odd_codings); i++)
		check_field("Accept-Encoding", odd_codings[i], BYPASS);
	check_text(START END, RECORD);
	assert_int_equal(req.ae, 0);
	check_text(START "Accept-Encoding: gzip\r\nAccept-Encoding: gzip\r\n" END, BYPASS);
	check_text(START "Accept-Encoding:\r\nAccept-Encoding: br\r\n" END, BYPASS);
	for (size_t len = 100; len < 200; len++) {
		memset(value, ',', len);
		memcpy(value + len - 4, "gzip", 5);
		check_field("Accept-Encoding", value, len <= ZS_AE_MAX ? RECORD : BYPASS);
		if (len <= ZS_AE_MAX)
			assert_int_equal(req.ae, ZS_AE_PRESENT | ZS_AE_GZIP);
		value[len - 4] = '"';
		check_field("Accept-Encoding", value, BYPASS);
	}
}

static const char *const limits[] = {"no-cache", "no-store", "max-age=0", "min-fresh=1",
				     "only-if-cached"};
static const char *const harmless[] = {"",	    ",",	"no-transform", "max-stale",
				       "x",	    "nocache",	"no_cache",	"no-cach",
				       "max_age=0", "no- cache"};

static void test_directives(void **state)
{
	char value[300];
	(void)state;

	for (size_t i = 0; i < COUNT(harmless); i++) {
		check_field("Cache-Control", harmless[i], RECORD);
		check_field("Pragma", harmless[i], RECORD);
	}
	for (size_t i = 0; i < COUNT(limits); i++) {
		size_t len = strlen(limits[i]);

		for (size_t at = 0; at + len <= ZS_CC_MAX; at++) {
			memset(value, at % 2 ? ',' : 'x', at);
			strcpy(value + at, limits[i]);
			for (size_t k = at; k < at + len; k++)
				value[k] = (char)((at + k) % 3 ? value[k] : toupper(value[k]));
			check_field("Cache-Control", value, BYPASS);
			check_field("Pragma", value, BYPASS);
			strcat(value, at + len < 200 ? ",\"no-transform\"" : "");
			check_field("CACHE-control", value, BYPASS);
		}
	}
	memset(value, 'x', sizeof(value));
	value[ZS_CC_MAX + 1] = '\0';
	check_field("Cache-Control", value, BYPASS);
	value[ZS_CC_MAX] = '\0';
	check_field("Cache-Control", value, RECORD);
}

/* Where two lines, or two fields, say something. */
static void test_directives_twice(void **state)
{
	static const char *const rows[] = {
		"Cache-Control: x=\"%s\"", "Cache-Control: x\r\nCache-Control: %s",
		"Cache-Control: %s\r\nCache-Control: x", "Cache-Control: x\r\nPragma: %s",
		"Pragma: %s\r\nCache-Control: x"};
	char text[400], field[300];
	(void)state;

	for (size_t i = 0; i < COUNT(limits); i++) {
		for (size_t k = 0; k < COUNT(rows); k++) {
			const char *at = strstr(rows[k], "%s");

			snprintf(field, sizeof(field), "%.*s%s%s", (int)(at - rows[k]), rows[k],
				 limits[i], at + 2);
			snprintf(text, sizeof(text), START "%s\r\n" END, field);
			check_text(text, BYPASS);
		}
	}
}

static void test_lengths(void **state)
{
	(void)state;
	check_field("Content-Length", "123456789012345", BYPASS);
	assert_true(req.content_length == 123456789012345ull);
	check_field("Content-Length", "1234567890123456", PASSIVE);
	assert_true(req.content_length == 0);
	check_field("Content-Length", "000000000000007", BYPASS);
	assert_true(req.content_length == 7);
	check_text(START END, RECORD);
	assert_true(req.content_length == 0);
	check_field("Transfer-Encoding", "Chunked", PASSIVE);
	assert_true(req.flags & ZS_REQ_CHUNKED);
	check_field("Transfer-Encoding", "chunked,", PASSIVE);
	assert_false(req.flags & ZS_REQ_CHUNKED);
	check_text(START "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END,
		   PASSIVE);
	assert_false(req.flags & ZS_REQ_CHUNKED);
	check_text(START "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" END, PASSIVE);
	assert_false(req.flags & ZS_REQ_CHUNKED);
}

/* --- limits ----------------------------------------------------------------------------------- */

/* `before`, then `n` times c, then `after`. */
static void check_run(const char *before, int c, size_t n, const char *after, enum outcome want)
{
	static char text[2 * ZS_HEAD_MAX];
	size_t len = strlen(before);

	memcpy(text, before, len);
	memset(text + len, c, n);
	strcpy(text + len + n, after);
	check_text(text, want);
}

static void check_limit(const char *before, size_t most, const char *after, enum outcome above)
{
	check_run(before, '1', most, after, RECORD);
	check_run(before, '1', most + 1, after, above);
}

/* Wherever a step of the scan ends: what a target must not hold is seen, and nothing else. */
static void test_target_steps(void **state)
{
	static const char *const odd[] = {"%00", "#", "\\", "%%00"}, *const fine[] = {"%0", "00", "%20", "%01"};
	char before[1200];
	(void)state;

	for (size_t at = 1; at < 3 * ZS_SCAN_STEP + 10; at++) {
		memset(before, '0', sizeof(before));
		memcpy(before, "GET /", 5);
		for (size_t i = 0; i < COUNT(odd); i++) {
			strcpy(before + 4 + at, odd[i]);
			check_run(before, 'a', 5, " HTTP/1.1\r\n" HOST END, BYPASS);
			strcpy(before + 4 + at, fine[i]);
			check_run(before, 'a', 5, " HTTP/1.1\r\n" HOST END, RECORD);
		}
	}
}

static void test_limits(void **state)
{
	const size_t fixed = strlen(START "Accept: \r\n" END);
	char text[1024];
	(void)state;

	check_limit("GET /", ZS_TARGET_MAX - 1, " HTTP/1.1\r\n" HOST END, BYPASS);
	check_limit(LINE "Host: ", ZS_HOST_MAX, "\r\n" END, BYPASS);
	check_limit(START "X-Forwarded-Host: ", ZS_HOST_MAX, "\r\n" END, BYPASS);
	check_limit(START "X-Forwarded-Proto: ", ZS_PROTO_MAX, "\r\n" END, BYPASS);
	check_limit(START "Accept: ", ZS_HEAD_MAX - fixed, "\r\n" END, SHORT);
	assert_int_equal(req.head_len, 0);
	check_run(START "Accept: ", 'a', ZS_HEAD_MAX - fixed, "\r\n" END, RECORD);
	assert_int_equal(req.head_len, ZS_HEAD_MAX);
	check_run(START "Accept: ", 'a', ZS_HEAD_MAX - fixed, "\r\n" END START END, RECORD);
	check_run("GET /", '\n', 5000, "", BAD);
	for (int count = 60; count < 70; count++) {
		size_t len = (size_t)sprintf(text, START);

		for (int n = 2; n < count; n++)
			len += (size_t)sprintf(text + len, "dnt: 1\r\n");
		strcpy(text + len, END);
		check_text(text, count < ZS_LINES_MAX ? RECORD : BAD);
		if (count < ZS_LINES_MAX)
			assert_int_equal(req.lines, count);
		text[len] = '\0';
		check_text(text, count < ZS_LINES_MAX ? SHORT : BAD);
	}
}

/* Names and blanks longer than anybody's. Behind a value, the most is not told: 63 blanks, or 64.
 */
static void test_tokens(void **state)
{
	(void)state;
	check_run("", 'G', ZS_TOKEN_MAX, " / HTTP/1.1\r\n" HOST END, BYPASS);
	check_run("", 'G', ZS_TOKEN_MAX + 1, " / HTTP/1.1\r\n" HOST END, BAD);
	check_run("", 'G', 5000, "", BAD);
	check_run("GET /", 'a', 5000, "", SHORT);
	check_run(START, '1', ZS_TOKEN_MAX, ": a\r\n" END, NOFILL);
	check_run(START, '1', ZS_TOKEN_MAX + 1, ": a\r\n" END, BAD);
	check_run(START, '1', 4100, ": a\r\n" END, BAD);
	check_run(START "Accept:", ' ', ZS_BLANK_MAX, "a\r\n" END, RECORD);
	check_run(START "Accept:", '\t', ZS_BLANK_MAX + 1, "a\r\n" END, BAD);
	check_run(START "Accept:", ' ', ZS_BLANK_MAX, "\r\n" END, RECORD);
	check_run(START "Accept:", ' ', ZS_BLANK_MAX + 1, "\r\n" END, BAD);
	check_run(START "Accept: a", ' ', ZS_BLANK_MAX - 1, "\r\n" END, RECORD);
	check_run(START "Accept: a", '\t', ZS_BLANK_MAX + 1, "\r\n" END, BAD);
	check_run(START "Accept: a", ' ', 500, "a\r\n" END, RECORD);
	check_run("GET / H", 'H', 500, "\r\n" HOST END, BAD);
}

/* --- splits and spans ------------------------------------------------------------------------- */

static void assert_span(__u32 start, __u32 end, const char *want)
{
	assert_int_equal(end - start, strlen(want));
	assert_memory_equal(req.head + start, want, end - start);
}

static const char full[] =
	"GET /a/%62?c=d HTTP/1.1\r\nAccept: x  y \t\r\nhost: \ta.example:80\t \r\n"
	"X-Forwarded-Host:b\r\nX-Forwarded-Proto: https\r\nAccept-Encoding: gzip, br\r\n"
	"User-Agent: z\r\nConnection: keep-alive\r\nReferer:\r\n\r\n";

static void test_splits(void **state)
{
	char text[sizeof(full) + 1];
	(void)state;

	for (size_t len = 0; len < sizeof(full) - 1; len++) {
		check(full, len, SHORT);
		assert_int_equal(req.head_len, 0);
	}
	strcpy(text, full);
	for (int c = 0; c < 256; c++) {
		text[sizeof(full) - 1] = (char)c;
		check(text, sizeof(full), RECORD);
		assert_int_equal(req.head_len, sizeof(full) - 1);
	}
}

static void test_spans(void **state)
{
	(void)state;
	check_text(full, RECORD);
	assert_int_equal(req.lines, 9);
	assert_int_equal(req.head_len, strlen(full));
	assert_span(req.line[0].start, req.line[0].colon, "GET");
	assert_span(req.line[0].value, req.line[0].end, "/a/%62?c=d");
	assert_span(req.line[1].start, req.line[1].colon, "Accept");
	assert_span(req.line[1].value, req.line[1].end, "x  y");
	assert_span(req.slot[ZS_SLOT_HOST].start, req.slot[ZS_SLOT_HOST].end, "a.example:80");
	assert_span(req.slot[ZS_SLOT_XFH].start, req.slot[ZS_SLOT_XFH].end, "b");
	assert_span(req.slot[ZS_SLOT_XFP].start, req.slot[ZS_SLOT_XFP].end, "https");
	assert_span(req.slot[ZS_SLOT_AE].start, req.slot[ZS_SLOT_AE].end, "gzip, br");
	assert_int_equal(req.ae, ZS_AE_PRESENT | ZS_AE_GZIP | ZS_AE_BR);
	assert_int_equal(zs_span_len(&req.slot[ZS_SLOT_CL]), 0);
	assert_int_equal(req.dup & ~1u, 0);
}

/* Cookies and credentials are told apart from what passes a request on in any case. */
static void test_classes(void **state)
{
	static const struct {
		const char *lines;
		unsigned int flags; /* that the fields set */
		unsigned int allowed; /* ZS_CLASS_* with which it may be answered; 0: never */
	} rows[] = {
		{"", 0, ~0u},
		{"Cookie: a=1\r\n", ZS_REQ_COOKIE, ZS_CLASS_COOKIES_ON},
		{"Authorization: Basic a\r\n", ZS_REQ_AUTH, ZS_CLASS_AUTHORIZED},
		{"Cookie: a\r\nAuthorization: a\r\n", ZS_REQ_COOKIE | ZS_REQ_AUTH,
		 ZS_CLASS_COOKIES_ON | ZS_CLASS_AUTHORIZED},
		{"Cookie2: a\r\n", ZS_REQ_BYPASS, 0},
		{"Cookie: a\r\nRange: a\r\n", ZS_REQ_COOKIE | ZS_REQ_BYPASS, 0},
		{"Authorization: NTLM a\r\n", ZS_REQ_AUTH | ZS_REQ_PASSIVE, 0},
	};
	const unsigned int all = ZS_REQ_COOKIE | ZS_REQ_AUTH | ZS_REQ_BYPASS | ZS_REQ_PASSIVE;
	char text[256];
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (unsigned int flags = 0; flags < 0x20; flags++) {
			struct zs_class class = {.flags = flags};
			size_t len = (size_t)sprintf(text, START "%s" END, rows[i].lines);
			bool may = !rows[i].flags || (rows[i].allowed && !(rows[i].allowed & ~flags));

			memset(&req, 0xff, sizeof(req));
			memcpy(req.head, text, len);
			assert_int_equal(zs_request_scan(&req, &tables, (__u32)len), ZS_SCAN_OK);
			zs_request_fields(&req, &tables);
			zs_request_settle(&req, &tables);
			assert_int_equal(req.flags & all, rows[i].flags);
			zs_request_class(&req, &class);
			assert_int_equal(zs_request_answerable(&req), may);
			check_text(text, !rows[i].flags			  ? RECORD
					 : rows[i].flags & ZS_REQ_PASSIVE ? PASSIVE
									  : BYPASS);
		}
	}
}

static int setup(void **state)
{
	(void)state;
	return zs_fields_build(&tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	    cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_hosts),	    cmocka_unit_test(test_framing),
		cmocka_unit_test(test_bytes),	    cmocka_unit_test(test_values),
		cmocka_unit_test(test_effects),	    cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_added), cmocka_unit_test(test_codings),
		cmocka_unit_test(test_directives),  cmocka_unit_test(test_directives_twice),
		cmocka_unit_test(test_lengths),	    cmocka_unit_test(test_limits),
		cmocka_unit_test(test_tokens),	    cmocka_unit_test(test_splits),
		cmocka_unit_test(test_spans),	    cmocka_unit_test(test_classes),
		cmocka_unit_test(test_target_steps),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
