// SPDX-License-Identifier: GPL-2.0-or-later
/* What is a complete, strictly formed HTTP/1.1 response, and what is only almost one. */
#include "date.h"
#include "response.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text)  text, sizeof(text) - 1
#define OK	     "HTTP/1.1 200 OK\r\n"
#define CL	     "Content-Length: 0\r\n"
#define BODY_MAX     1000

struct row {
	const char *name;
	const char *text;
	size_t len;
	int result;
};

/* Parses from a copy that ends where the text ends, so that a sanitizer sees each byte too many. */
static int head(const char *text, size_t len, struct zs_response *r)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, text, len);
	err = zs_response_head(copy, len, r);
	free(copy);
	return err;
}

/* A verdict over the whole must be reached by no prefix but by itself, and never change. */
static void check_prefixes(const struct row *row)
{
	struct zs_response r;

	for (size_t n = 0; n < row->len; n++) {
		int err = head(row->text, n, &r);

		assert_true(err == -EAGAIN || err == row->result);
	}
}

static void check_heads(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct zs_response r, before;

		print_message("  %s\n", rows[i].name);
		memset(&r, 0x5a, sizeof(r));
		before = r;
		assert_int_equal(head(rows[i].text, rows[i].len, &r), rows[i].result);
		if (rows[i].result)
			assert_memory_equal(&r, &before, sizeof(r));
		check_prefixes(&rows[i]);
	}
}

static const struct row status_lines[] = {
	{"plain", BYTES(OK CL "\r\n"), 0},
	{"no reason", BYTES("HTTP/1.1 200 \r\n" CL "\r\n"), 0},
	{"reason of blanks, tabs and obs-text", BYTES("HTTP/1.1 200  \t\xff x\r\n" CL "\r\n"), 0},
	{"highest", BYTES("HTTP/1.1 599 OK\r\n" CL "\r\n"), 0},
	{"nothing", BYTES(""), -EAGAIN},
	{"half a version", BYTES("HTTP/1"), -EAGAIN},
	{"no final line", BYTES(OK CL), -EAGAIN},
	{"half a CRLF", BYTES(OK CL "\r"), -EAGAIN},
	{"another protocol", BYTES("SSH-2.0"), -EBADMSG},
	{"one wrong byte", BYTES("h"), -EBADMSG},
	{"HTTP/1.0", BYTES("HTTP/1.0 200 OK\r\n" CL "\r\n"), -EBADMSG},
	{"HTTP/1.2", BYTES("HTTP/1.2 200 OK\r\n" CL "\r\n"), -EBADMSG},
	{"HTTP/2", BYTES("HTTP/2 200 \r\n" CL "\r\n"), -EBADMSG},
	{"HTTP/1.10", BYTES("HTTP/1.10 200 OK\r\n" CL "\r\n"), -EBADMSG},
	{"lower case", BYTES("http/1.1 200 OK\r\n" CL "\r\n"), -EBADMSG},
	{"two blanks", BYTES("HTTP/1.1  200 OK\r\n" CL "\r\n"), -EBADMSG},
	{"tab", BYTES("HTTP/1.1\t200 OK\r\n" CL "\r\n"), -EBADMSG},
	{"no blank behind the code", BYTES("HTTP/1.1 200\r\n" CL "\r\n"), -EBADMSG},
	{"tab behind the code", BYTES("HTTP/1.1 200\tOK\r\n" CL "\r\n"), -EBADMSG},
	{"two digits", BYTES("HTTP/1.1 20 OK\r\n" CL "\r\n"), -EBADMSG},
	{"four digits", BYTES("HTTP/1.1 2000 OK\r\n" CL "\r\n"), -EBADMSG},
	{"no digits", BYTES("HTTP/1.1 OK\r\n" CL "\r\n"), -EBADMSG},
	{"letter", BYTES("HTTP/1.1 20O OK\r\n" CL "\r\n"), -EBADMSG},
	{"sign", BYTES("HTTP/1.1 +20 OK\r\n" CL "\r\n"), -EBADMSG},
	{"099", BYTES("HTTP/1.1 099 OK\r\n" CL "\r\n"), -EBADMSG},
	{"600", BYTES("HTTP/1.1 600 OK\r\n" CL "\r\n"), -EBADMSG},
	{"control in reason", BYTES("HTTP/1.1 200 O\x01K\r\n" CL "\r\n"), -EBADMSG},
	{"DEL in reason", BYTES("HTTP/1.1 200 O\x7fK\r\n" CL "\r\n"), -EBADMSG},
	{"bare CR in reason", BYTES("HTTP/1.1 200 O\rK\r\n" CL "\r\n"), -EBADMSG},
	{"bare LF", BYTES("HTTP/1.1 200 OK\n" CL "\r\n"), -EBADMSG},
	{"leading CRLF", BYTES("\r\n" OK CL "\r\n"), -EBADMSG},
	{"leading LF", BYTES("\n" OK CL "\r\n"), -EBADMSG},
	{"leading blank", BYTES(" " OK CL "\r\n"), -EBADMSG},
	{"empty line only", BYTES("HTTP/1.1 \r\n\r\n"), -EBADMSG},
};

static const struct row field_lines[] = {
	{"all of tchar", BYTES(OK CL "!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n"), 0},
	{"no value", BYTES(OK CL "A:\r\n\r\n"), 0},
	{"blank value", BYTES(OK CL "A: \t \r\n\r\n"), 0},
	{"tab and obs-text in value", BYTES(OK CL "A: a\tb\x80\xff\r\n\r\n"), 0},
	{"no blank before value", BYTES(OK CL "A:b\r\n\r\n"), 0},
	{"obs-fold", BYTES(OK CL "A: b\r\n c\r\n\r\n"), -EBADMSG},
	{"obs-fold with tab", BYTES(OK CL "A: b\r\n\tc\r\n\r\n"), -EBADMSG},
	{"obs-fold at first", BYTES(OK " c\r\n" CL "\r\n"), -EBADMSG},
	{"blank line that is none", BYTES(OK CL " \r\n\r\n"), -EBADMSG},
	{"blank before colon", BYTES(OK CL "A : b\r\n\r\n"), -EBADMSG},
	{"tab before colon", BYTES(OK CL "A\t: b\r\n\r\n"), -EBADMSG},
	{"no name", BYTES(OK CL ": b\r\n\r\n"), -EBADMSG},
	{"no colon", BYTES(OK CL "A\r\n\r\n"), -EBADMSG},
	{"blank in name", BYTES(OK CL "A B: c\r\n\r\n"), -EBADMSG},
	{"separator in name", BYTES(OK CL "A(B: c\r\n\r\n"), -EBADMSG},
	{"obs-text in name", BYTES(OK CL "A\xe4: c\r\n\r\n"), -EBADMSG},
	{"NUL in name", BYTES(OK CL "A\0: c\r\n\r\n"), -EBADMSG},
	{"NUL in value", BYTES(OK CL "A: b\0c\r\n\r\n"), -EBADMSG},
	{"bare CR in value", BYTES(OK CL "A: b\rc\r\n\r\n"), -EBADMSG},
	{"CR CR LF", BYTES(OK CL "A: b\r\r\n\r\n"), -EBADMSG},
	{"bare LF behind a field", BYTES(OK CL "A: b\nC: d\r\n\r\n"), -EBADMSG},
	{"bare LF as end", BYTES(OK CL "\n"), -EBADMSG},
	{"control in value", BYTES(OK CL "A: b\x0b\r\n\r\n"), -EBADMSG},
	{"DEL in value", BYTES(OK CL "A: b\x7f\r\n\r\n"), -EBADMSG},
	{"escape in value", BYTES(OK CL "A: \x1b[2J\r\n\r\n"), -EBADMSG},
};

static const struct row framings[] = {
	{"length", BYTES(OK "Content-Length: 15\r\n\r\n"), 0},
	{"length, any case", BYTES(OK "cONTENT-lENGTH: 15\r\n\r\n"), 0},
	{"15 digits", BYTES(OK "Content-Length: 123456789012345\r\n\r\n"), 0},
	{"chunked", BYTES(OK "Transfer-Encoding: chunked\r\n\r\n"), 0},
	{"chunked, any case", BYTES(OK "transfer-encoding: CHUNKED\r\n\r\n"), 0},
	{"until close", BYTES(OK "\r\n"), -EBADMSG},
	{"until close, said", BYTES(OK "Connection: close\r\n\r\n"), -EBADMSG},
	{"16 digits", BYTES(OK "Content-Length: 1234567890123456\r\n\r\n"), -EBADMSG},
	{"empty length", BYTES(OK "Content-Length:\r\n\r\n"), -EBADMSG},
	{"plus", BYTES(OK "Content-Length: +5\r\n\r\n"), -EBADMSG},
	{"minus", BYTES(OK "Content-Length: -5\r\n\r\n"), -EBADMSG},
	{"hex", BYTES(OK "Content-Length: 0x5\r\n\r\n"), -EBADMSG},
	{"underscore", BYTES(OK "Content-Length: 1_0\r\n\r\n"), -EBADMSG},
	{"leading zero", BYTES(OK "Content-Length: 010\r\n\r\n"), -EBADMSG},
	{"fraction", BYTES(OK "Content-Length: 5.0\r\n\r\n"), -EBADMSG},
	{"blank within", BYTES(OK "Content-Length: 1 0\r\n\r\n"), -EBADMSG},
	{"quoted", BYTES(OK "Content-Length: \"5\"\r\n\r\n"), -EBADMSG},
	{"list of equals", BYTES(OK "Content-Length: 5, 5\r\n\r\n"), -EBADMSG},
	{"list", BYTES(OK "Content-Length: 5, 6\r\n\r\n"), -EBADMSG},
	{"twice the same", BYTES(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), -EBADMSG},
	{"twice", BYTES(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), -EBADMSG},
	{"both", BYTES(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), -EBADMSG},
	{"both, turned", BYTES(OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
	 -EBADMSG},
	{"both, other coding", BYTES(OK "Transfer-Encoding: x\r\nContent-Length: 5\r\n\r\n"),
	 -EBADMSG},
	{"gzip, chunked", BYTES(OK "Transfer-Encoding: gzip, chunked\r\n\r\n"), -EBADMSG},
	{"chunked, chunked", BYTES(OK "Transfer-Encoding: chunked, chunked\r\n\r\n"), -EBADMSG},
	{"chunked twice",
	 BYTES(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), -EBADMSG},
	{"identity", BYTES(OK "Transfer-Encoding: identity\r\n\r\n"), -EBADMSG},
	{"empty coding", BYTES(OK "Transfer-Encoding:\r\n\r\n"), -EBADMSG},
	{"xchunked", BYTES(OK "Transfer-Encoding: xchunked\r\n\r\n"), -EBADMSG},
	{"chunked;q=1", BYTES(OK "Transfer-Encoding: chunked;q=1\r\n\r\n"), -EBADMSG},
	{"chunked and comma", BYTES(OK "Transfer-Encoding: chunked,\r\n\r\n"), -EBADMSG},
	{"vertical tab",
	 BYTES(OK "Transfer-Encoding: \x0b"
		  "chunked\r\n\r\n"),
	 -EBADMSG},
	{"204", BYTES("HTTP/1.1 204 No Content\r\n\r\n"), 0},
	{"204 with length 0", BYTES("HTTP/1.1 204 No Content\r\n" CL "\r\n"), 0},
	{"204 with length", BYTES("HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n"), -EBADMSG},
	{"204 chunked", BYTES("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n"), -EBADMSG},
	{"304", BYTES("HTTP/1.1 304 Not Modified\r\n\r\n"), 0},
	{"304 with length", BYTES("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), 0},
	{"304 with bad length", BYTES("HTTP/1.1 304 N\r\nContent-Length: x\r\n\r\n"), -EBADMSG},
	{"304 chunked", BYTES("HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n"), -EBADMSG},
	{"404 without framing", BYTES("HTTP/1.1 404 No\r\n\r\n"), -EBADMSG},
};

static const struct row interims[] = {
	{"100", BYTES("HTTP/1.1 100 Continue\r\n\r\n" OK CL "\r\n"), 0},
	{"103 with fields, 102",
	 BYTES("HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" OK CL "\r\n"), 0},
	{"only interim", BYTES("HTTP/1.1 100 Continue\r\n\r\n"), -EAGAIN},
	{"101", BYTES("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), -EBADMSG},
	{"101 behind 100", BYTES("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 101 S\r\n\r\n" OK CL "\r\n"),
	 -EBADMSG},
	{"malformed interim", BYTES("HTTP/1.1 100 C\r\nA : b\r\n\r\n" OK CL "\r\n"), -EBADMSG},
	{"interim of 1.0", BYTES("HTTP/1.0 100 C\r\n\r\n" OK CL "\r\n"), -EBADMSG},
	{"interim with length", BYTES("HTTP/1.1 100 C\r\n" CL "\r\n" OK CL "\r\n"), -EBADMSG},
	{"interim chunked",
	 BYTES("HTTP/1.1 100 C\r\nTransfer-Encoding: chunked\r\n\r\n" OK CL "\r\n"), -EBADMSG},
	{"blank line between", BYTES("HTTP/1.1 100 C\r\n\r\n\r\n" OK CL "\r\n"), -EBADMSG},
	{"framing is not inherited", BYTES("HTTP/1.1 100 C\r\nA: b\r\n\r\n" OK "\r\n"), -EBADMSG},
};

static void test_status_lines(void **state)
{
	(void)state;
	check_heads(status_lines, COUNT(status_lines));
}

static void test_field_lines(void **state)
{
	(void)state;
	check_heads(field_lines, COUNT(field_lines));
}

static void test_framings(void **state)
{
	(void)state;
	check_heads(framings, COUNT(framings));
}

static void test_interims(void **state)
{
	(void)state;
	check_heads(interims, COUNT(interims));
}

/* Each byte value in each place of a head: only what the grammar names may pass. */
static void test_every_byte(void **state)
{
	static const char tchars[] = "!#$%&'*+-.^_`|~0123456789"
				     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	(void)state;

	for (int c = 0; c < 256; c++) {
		bool is_text = c == '\t' || (c >= ' ' && c != 0x7f);
		char text[] = OK CL "AxB: CyD\r\n\r\n";
		struct zs_response r;

		*strchr(text, 'x') = (char)c;
		assert_int_equal(head(text, sizeof(text) - 1, &r),
				 (c && strchr(tchars, c)) || c == ':' ? 0 : -EBADMSG);
		strcpy(text, OK CL "AxB: CyD\r\n\r\n");
		*strchr(text, 'y') = (char)c;
		assert_int_equal(head(text, sizeof(text) - 1, &r), is_text ? 0 : -EBADMSG);
	}
}

static void test_parts(void **state)
{
	static const char text[] =
		"HTTP/1.1 103 E\r\nZ: z\r\n\r\nHTTP/1.1 404 Not  Found\r\n"
		"content-length:3\r\nA-b: \t c, d \t\r\nEmpty:  \r\na-B: e\r\n\r\nabc";
	struct zs_response r;
	(void)state;

	assert_int_equal(head(text, sizeof(text) - 1, &r), 0);
	assert_int_equal(r.status, 404);
	assert_int_equal(r.interim, 1);
	assert_int_equal(r.reason_len, 10);
	assert_memory_equal(r.head + r.reason, "Not  Found", 10);
	assert_int_equal(r.framing, ZS_FRAMING_LENGTH);
	assert_int_equal(r.content_length, 3);
	assert_int_equal(r.body_off, sizeof(text) - 1 - 3);
	assert_int_equal(r.head_len, sizeof(text) - 1 - 3 - 24);
	assert_memory_equal(r.head, text + 24, r.head_len);
	assert_int_equal(r.fields, 4);
	assert_int_equal(zs_response_find(&r, "content-length", 0), 0);
	assert_int_equal(zs_response_find(&r, "a-b", 0), 1);
	assert_int_equal(zs_response_find(&r, "a-b", 2), 3);
	assert_int_equal(zs_response_find(&r, "a-b", 4), -ENOENT);
	assert_int_equal(zs_response_find(&r, "z", 0), -ENOENT);
	assert_int_equal(zs_response_value(&r, 1).len, 4);
	assert_memory_equal(zs_response_value(&r, 1).p, "c, d", 4);
	assert_int_equal(zs_response_value(&r, 2).len, 0);
	assert_memory_equal(zs_response_name(&r, 3).p, "a-B", 3);
}

/* A head of `fields` fields and `bytes` bytes in all, behind what is there already. */
static size_t big_head(char *to, const char *status_line, const char *framing, unsigned int fields,
		       size_t bytes)
{
	size_t n = (size_t)sprintf(to, "%s%s", status_line, framing);

	for (unsigned int i = 0; i + 2 < fields; i++)
		n += (size_t)sprintf(to + n, "F%u: x\r\n", i);
	n += (size_t)sprintf(to + n, "Last: ");
	while (n + 4 < bytes)
		to[n++] = 'x';
	n += (size_t)sprintf(to + n, "\r\n\r\n");
	return n;
}

static void test_limits(void **state)
{
	static char text[64 * 1024];
	struct zs_response r;
	size_t n;
	(void)state;

	n = big_head(text, OK, CL, ZS_RESPONSE_FIELDS_MAX, 0);
	assert_int_equal(head(text, n, &r), 0);
	assert_int_equal(r.fields, ZS_RESPONSE_FIELDS_MAX);
	n = big_head(text, OK, CL, ZS_RESPONSE_FIELDS_MAX + 1, 0);
	assert_int_equal(head(text, n, &r), -EBADMSG);

	n = big_head(text, OK, CL, 2, ZS_RESPONSE_HEAD_MAX);
	assert_int_equal(n, ZS_RESPONSE_HEAD_MAX);
	assert_int_equal(head(text, n - 1, &r), -EAGAIN);
	assert_int_equal(head(text, n, &r), 0);
	n = big_head(text, OK, CL, 2, ZS_RESPONSE_HEAD_MAX + 1);
	assert_int_equal(head(text, n, &r), -EBADMSG);
	assert_int_equal(head(text, ZS_RESPONSE_HEAD_MAX, &r), -EBADMSG);
	assert_int_equal(head(text, ZS_RESPONSE_HEAD_MAX - 1, &r), -EAGAIN);

	/* an endless status line */
	memset(text, 'x', sizeof(text));
	memcpy(text, "HTTP/1.1 200 ", 13);
	assert_int_equal(head(text, ZS_RESPONSE_HEAD_MAX, &r), -EBADMSG);

	/* interim heads: their bytes, and their number */
	n = big_head(text, "HTTP/1.1 103 E\r\n", "", 2, ZS_RESPONSE_HEAD_MAX);
	strcpy(text + n, OK CL "\r\n");
	assert_int_equal(head(text, n + strlen(OK CL "\r\n"), &r), 0);
	n = big_head(text, "HTTP/1.1 103 E\r\n", "", 2, ZS_RESPONSE_HEAD_MAX - 10);
	n += (size_t)sprintf(text + n, "HTTP/1.1 100 C\r\n\r\n" OK CL "\r\n");
	assert_int_equal(head(text, n, &r), -EBADMSG);
	for (unsigned int i = 0, at = 0; i <= ZS_RESPONSE_INTERIM_MAX; i++) {
		char *end =
			text + (at += (unsigned int)sprintf(text + at, "HTTP/1.1 100 C\r\n\r\n"));

		strcpy(end, OK CL "\r\n");
		assert_int_equal(head(text, strlen(text), &r),
				 i < ZS_RESPONSE_INTERIM_MAX ? 0 : -EBADMSG);
	}
}

/* --- body ------------------------------------------------------------------------------------ */

struct body_row {
	const char *name;
	const char *text;
	size_t len;
	int result;
	const char *body;
};

#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define LENGTH5 OK "Content-Length: 5\r\n\r\n"

static const struct body_row bodies[] = {
	{"length", BYTES(LENGTH5 "hello"), 0, "hello"},
	{"length 0", BYTES(OK CL "\r\n"), 0, ""},
	{"length, short", BYTES(LENGTH5 "hell"), -EAGAIN, NULL},
	{"length, surplus", BYTES(LENGTH5 "hello!"), -EBADMSG, NULL},
	{"length, surplus CRLF", BYTES(LENGTH5 "hello\r\n"), -EBADMSG, NULL},
	{"length 0, next response", BYTES(OK CL "\r\n" OK CL "\r\n"), -EBADMSG, NULL},
	{"length at the limit", BYTES(OK "Content-Length: 1000\r\n\r\n"), -EAGAIN, NULL},
	{"length over the limit", BYTES(OK "Content-Length: 1001\r\n\r\n"), -EFBIG, NULL},
	{"length far over the limit", BYTES(OK "Content-Length: 999999999999999\r\n\r\n"), -EFBIG,
	 NULL},
	{"204", BYTES("HTTP/1.1 204 N\r\n\r\n"), 0, ""},
	{"204, surplus", BYTES("HTTP/1.1 204 N\r\n\r\nx"), -EBADMSG, NULL},
	{"304", BYTES("HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n"), 0, ""},
	{"304, surplus", BYTES("HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\nhello"), -EBADMSG, NULL},
	{"chunked, empty", BYTES(CHUNKED "0\r\n\r\n"), 0, ""},
	{"chunked", BYTES(CHUNKED "5\r\nhello\r\n0\r\n\r\n"), 0, "hello"},
	{"chunks, hex of both cases",
	 BYTES(CHUNKED "a\r\n0123456789\r\nB\r\nabcdefghijk\r\n0\r\n\r\n"), 0,
	 "0123456789abcdefghijk"},
	{"chunk that holds CRLF", BYTES(CHUNKED "7\r\n0\r\n\r\nab\r\n0\r\n\r\n"), 0, "0\r\n\r\nab"},
	{"leading zeros", BYTES(CHUNKED "00000005\r\nhello\r\n00000000\r\n\r\n"), 0, "hello"},
	{"trailers", BYTES(CHUNKED "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"), 0, "hello"},
	{"nothing yet", BYTES(CHUNKED), -EAGAIN, NULL},
	{"half a size", BYTES(CHUNKED "5"), -EAGAIN, NULL},
	{"half a size line", BYTES(CHUNKED "5\r"), -EAGAIN, NULL},
	{"half a chunk", BYTES(CHUNKED "5\r\nhel"), -EAGAIN, NULL},
	{"no CRLF behind the chunk", BYTES(CHUNKED "5\r\nhello"), -EAGAIN, NULL},
	{"half of it", BYTES(CHUNKED "5\r\nhello\r"), -EAGAIN, NULL},
	{"no last chunk", BYTES(CHUNKED "5\r\nhello\r\n"), -EAGAIN, NULL},
	{"no end of trailers", BYTES(CHUNKED "5\r\nhello\r\n0\r\n"), -EAGAIN, NULL},
	{"half an end", BYTES(CHUNKED "5\r\nhello\r\n0\r\n\r"), -EAGAIN, NULL},
	{"surplus", BYTES(CHUNKED "5\r\nhello\r\n0\r\n\r\nx"), -EBADMSG, NULL},
	{"surplus response", BYTES(CHUNKED "0\r\n\r\n" OK CL "\r\n"), -EBADMSG, NULL},
	{"nine digits", BYTES(CHUNKED "000000005\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"overflow", BYTES(CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"over the limit", BYTES(CHUNKED "3e9\r\n"), -EFBIG, NULL},
	{"largest size", BYTES(CHUNKED "ffffffff\r\n"), -EFBIG, NULL},
	{"over the limit in sum", BYTES(CHUNKED "5\r\nhello\r\n3e4\r\n"), -EFBIG, NULL},
	{"limit in sum", BYTES(CHUNKED "5\r\nhello\r\n3e3\r\n"), -EAGAIN, NULL},
	{"extension", BYTES(CHUNKED "5;a=b\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"extension of the last", BYTES(CHUNKED "5\r\nhello\r\n0;a\r\n\r\n"), -EBADMSG, NULL},
	{"blank behind size", BYTES(CHUNKED "5 \r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"blank before size", BYTES(CHUNKED " 5\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"0x", BYTES(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"plus", BYTES(CHUNKED "+5\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"minus", BYTES(CHUNKED "-5\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"no size", BYTES(CHUNKED "\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"not hex", BYTES(CHUNKED "g\r\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"bare LF behind size", BYTES(CHUNKED "5\nhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"bare CR behind size", BYTES(CHUNKED "5\rhello\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"bare LF behind data", BYTES(CHUNKED "5\r\nhello\n0\r\n\r\n"), -EBADMSG, NULL},
	{"CR and something behind data", BYTES(CHUNKED "5\r\nhello\rx0\r\n\r\n"), -EBADMSG, NULL},
	{"data too long", BYTES(CHUNKED "5\r\nhello!\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"data too short", BYTES(CHUNKED "5\r\nhell\r\n0\r\n\r\n"), -EBADMSG, NULL},
	{"bare LF behind last", BYTES(CHUNKED "0\n\r\n"), -EBADMSG, NULL},
	{"bare LF as end", BYTES(CHUNKED "0\r\n\n"), -EBADMSG, NULL},
	{"malformed trailer", BYTES(CHUNKED "0\r\nA : b\r\n\r\n"), -EBADMSG, NULL},
	{"folded trailer", BYTES(CHUNKED "0\r\nA: b\r\n c\r\n\r\n"), -EBADMSG, NULL},
	{"NUL in trailer", BYTES(CHUNKED "0\r\nA: \0\r\n\r\n"), -EBADMSG, NULL},
};

/* The body of the first `len` bytes, whose head is complete, from a copy of that size. */
static int body(const char *text, size_t len, struct zs_response *r, struct zs_body *out,
		uint8_t **copy)
{
	*copy = malloc(len ? len : 1);
	memcpy(*copy, text, len);
	return zs_response_body(*copy, len, r, BODY_MAX, out);
}

static void check_body(const struct body_row *row)
{
	struct zs_response fresh, walked;
	struct zs_body out = {.len = 77}, last = {.len = 77};
	uint8_t *copy;

	assert_int_equal(head(row->text, row->len, &fresh), 0);
	walked = fresh;
	/* byte by byte, always in another place, then at once: the same answer */
	for (size_t n = fresh.body_off; n <= row->len; n++) {
		int err = body(row->text, n, &walked, &last, &copy);

		assert_true(err == -EAGAIN || err == row->result || (!err && n < row->len));
		if (n == row->len)
			assert_int_equal(err, row->result);
		else if (!err)
			zs_body_free(&last);
		if (n == row->len && !err)
			assert_memory_equal(last.data, row->body, last.len);
		free(copy);
	}
	assert_int_equal(body(row->text, row->len, &fresh, &out, &copy), row->result);
	if (row->result) {
		assert_int_equal(out.len, 77);
	} else {
		assert_int_equal(out.len, strlen(row->body));
		assert_int_equal(last.len, out.len);
		assert_memory_equal(out.data, row->body, out.len);
		zs_body_free(&out);
		zs_body_free(&last);
		assert_null(out.data);
	}
	free(copy);
}

static void test_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		print_message("  %s\n", bodies[i].name);
		check_body(&bodies[i]);
	}
}

static void test_body_limits(void **state)
{
	static char text[32 * 1024];
	size_t n = (size_t)sprintf(text, CHUNKED "5\r\nhello\r\n0\r\n"), start;
	struct zs_response r;
	struct zs_body out;
	(void)state;

	/* trailers are bounded as a head is */
	assert_int_equal(head(text, n, &r), 0);
	start = n;
	n += (size_t)sprintf(text + n, "A: ");
	memset(text + n, 'x', 20000);
	assert_int_equal(
		zs_response_body((uint8_t *)text, start + ZS_RESPONSE_HEAD_MAX - 1, &r, 5, &out),
		-EAGAIN);
	assert_int_equal(
		zs_response_body((uint8_t *)text, start + ZS_RESPONSE_HEAD_MAX, &r, 5, &out),
		-EBADMSG);
	memcpy(text + start + ZS_RESPONSE_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(
		zs_response_body((uint8_t *)text, start + ZS_RESPONSE_HEAD_MAX, &r, 5, &out), 0);
	zs_body_free(&out);

	/* the limit may shrink between calls; the buffer may not */
	assert_int_equal(zs_response_body((uint8_t *)text, start, &r, 4, &out), -EAGAIN);
	assert_int_equal(head(text, start, &r), 0);
	assert_int_equal(zs_response_body((uint8_t *)text, start, &r, 4, &out), -EFBIG);
	assert_int_equal(zs_response_body((uint8_t *)text, r.body_off - 1, &r, 5, &out), -EINVAL);
}

/* --- lists and dates ------------------------------------------------------------------------- */

static void test_lists(void **state)
{
	static const struct {
		const char *list;
		int end;
		const char *member[4];
	} rows[] = {
		{"", 0, {NULL}},
		{" , ,,\t", 0, {NULL}},
		{"a", 0, {"a"}},
		{" a ,b,\tc ", 0, {"a", "b", "c"}},
		{"a=\"b, c\", d", 0, {"a=\"b, c\"", "d"}},
		{"a=\"b\\\", c\", d", 0, {"a=\"b\\\", c\"", "d"}},
		{"a=\"\\\\\", d", 0, {"a=\"\\\\\"", "d"}},
		{"a\\, b", 0, {"a\\", "b"}},
		{"a, b=\"c, d", -EBADMSG, {"a"}},
		{"\"", -EBADMSG, {NULL}},
		{"\"a\\\"", -EBADMSG, {NULL}},
		{"\"\\", -EBADMSG, {NULL}},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_text rest = {(const uint8_t *)rows[i].list, strlen(rows[i].list)}, member;
		int result;

		for (size_t k = 0; (result = zs_list_next(&rest, &member)) > 0; k++) {
			assert_non_null(rows[i].member[k]);
			assert_int_equal(member.len, strlen(rows[i].member[k]));
			assert_memory_equal(member.p, rows[i].member[k], member.len);
		}
		assert_int_equal(result, rows[i].end);
		assert_int_equal(rest.len, 0);
	}
}

#define NOW 1700000000 /* 14 November 2023 */

static void test_dates(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t seconds;
	} rows[] = {
		{"Sun, 06 Nov 1994 08:49:37 GMT", 0, 784111777},
		{"Sunday, 06-Nov-94 08:49:37 GMT", 0, 784111777},
		{"Sun Nov  6 08:49:37 1994", 0, 784111777},
		{"Sun Nov 06 08:49:37 1994", 0, 784111777},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0, 0},
		{"Wed, 31 Dec 1969 23:59:59 GMT", 0, -1},
		{"Tue, 29 Feb 2000 00:00:00 GMT", 0, 951782400},
		{"Thu, 29 Feb 2024 12:00:00 GMT", 0, 1709208000},
		{"Sat, 31 Dec 2016 23:59:60 GMT", 0, 1483228800},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 0, 253402300799},
		{"Mon, 01 Jan 0001 00:00:00 GMT", 0, -62135596800},
		{"Tuesday, 19-Jan-38 03:14:07 GMT", 0, 2147483647},
		/* 2072 is 49 years ahead; 73 is 1973 */
		{"Friday, 01-Jan-72 00:00:00 GMT", 0, 3218832000},
		{"Monday, 01-Jan-73 00:00:00 GMT", 0, 94694400},
		{"Sunday, 01-Jan-73 00:00:00 GMT", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"0", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"784111777", -EINVAL, 0},
		{"Mon, 06 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:49:37", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:49:37 UTC", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:49:37 gmt", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:49:37 +0000", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:49:37 AEST", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:49:37 GMT ", -EINVAL, 0},
		{" Sun, 06 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:49:37 GMT;", -EINVAL, 0},
		{"sun, 06 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun, 06 nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun, 6 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun,  6 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun 06 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun, 06  Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun, 06-Nov-1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun, 06 Nov 94 08:49:37 GMT", -EINVAL, 0},
		{"Sun, 06 Nov 1994 8:49:37 GMT", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08.49.37 GMT", -EINVAL, 0},
		{"Sun, 06 Nov 1994 24:00:00 GMT", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:60:00 GMT", -EINVAL, 0},
		{"Sun, 06 Nov 1994 08:49:61 GMT", -EINVAL, 0},
		{"Sun, 00 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Thu, 31 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Wed, 29 Feb 2023 00:00:00 GMT", -EINVAL, 0},
		{"Thu, 29 Feb 1900 00:00:00 GMT", -EINVAL, 0},
		{"Sat, 01 Jan 0000 00:00:00 GMT", -EINVAL, 0},
		{"Sun, -6 Nov 1994 08:49:37 GMT", -EINVAL, 0},
		{"Sun Nov  6 08:49:37 1994 GMT", -EINVAL, 0},
		{"Sun Nov 6 08:49:37 1994", -EINVAL, 0},
		{"Sun Nov 6  08:49:37 1994", -EINVAL, 0},
		{"Sun, 06-Nov-94 08:49:37 GMT", -EINVAL, 0},
		{"Sunday, 06-Nov-94 08:49:37 UTC", -EINVAL, 0},
		{"Sunday, 06-Nov-1994 08:49:37 GMT", -EINVAL, 0},
	};
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_text text = {(const uint8_t *)rows[i].text, strlen(rows[i].text)};
		int64_t seconds = 77;

		print_message("  %s\n", rows[i].text);
		assert_int_equal(zs_http_date_parse(text, NOW, &seconds), rows[i].result);
		assert_true(seconds == (rows[i].result ? 77 : rows[i].seconds));
		for (size_t n = 0; !rows[i].result && n < text.len; n++) {
			struct zs_text part = {text.p, n};

			assert_int_equal(zs_http_date_parse(part, NOW, &seconds), -EINVAL);
		}
	}
}

/* What is written can be read; each day of four centuries. */
static void test_date_round_trip(void **state)
{
	char text[ZS_HTTP_DATE_LEN + 1];
	int64_t seconds;
	(void)state;

	assert_int_equal(zs_http_date_format(784111777, text), 0);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_int_equal(zs_http_date_format(253402300800, text), -EINVAL);
	assert_int_equal(zs_http_date_format(-62135596801, text), -EINVAL);
	assert_int_equal(zs_http_date_format(INT64_MAX, text), -EINVAL);
	assert_int_equal(zs_http_date_format(INT64_MIN, text), -EINVAL);
	for (int64_t day = -70 * 365; day < 330 * 365; day++) {
		int64_t t = day * 86400 + day % 86400 + 86399;

		assert_int_equal(zs_http_date_format(t, text), 0);
		assert_int_equal(zs_http_date_parse((struct zs_text){(uint8_t *)text, strlen(text)},
						    NOW, &seconds),
				 0);
		assert_true(seconds == t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_lines), cmocka_unit_test(test_field_lines),
		cmocka_unit_test(test_framings),     cmocka_unit_test(test_interims),
		cmocka_unit_test(test_every_byte),   cmocka_unit_test(test_parts),
		cmocka_unit_test(test_limits),	     cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_body_limits),  cmocka_unit_test(test_lists),
		cmocka_unit_test(test_dates),	     cmocka_unit_test(test_date_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
