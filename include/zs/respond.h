/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the responses of an acceptor's stream begin and end: the head, and what it says about the body (RFC 9112 6.3).
 * Pure. Narrower than any client's grammar: what is not understood, or ends the connection, is ZS_RESPOND_BAD.
 * The head stands in a struct zs_request, whose scan of field lines and look-up of names serve here, too.
 */
#ifndef ZS_RESPOND_H
#define ZS_RESPOND_H

#include <zs/request.h>

enum zs_respond {
	ZS_RESPOND_BAD,     /* the end is not certain, or no response follows */
	ZS_RESPOND_INTERIM, /* 1xx: the final response is to come */
	ZS_RESPOND_NONE,    /* ends with its head */
	ZS_RESPOND_LENGTH,  /* r->content_length bytes follow */
	ZS_RESPOND_CHUNKED,
};

/* The status line, "HTTP/1.1 nnn" and a reason, of the `len` bytes in r->head. */
zs_inline enum zs_scan zs_respond_line(struct zs_request *r, const struct zs_tables *t, __u32 len)
{
	zs_scan_begin(r, len);
	if (len < 15) /* with the CRLF behind an empty reason */
		return ZS_SCAN_SHORT;
	if (zs_load64(r->head) != ZS_W('H', 'T', 'T', 'P', '/', '1', '.', '1') || r->head[8] != ' ' || r->head[12] != ' ')
		return ZS_SCAN_BAD;
	for (int i = 9; i < 12; i++)
		if (r->head[i] < '0' || r->head[i] > '9')
			return ZS_SCAN_BAD;
	r->at = 13;
	zs_scan_value(r, t);
	return zs_scan_newline(r);
}

/* The whole head of head[0..len): as zs_request_scan(). The kernel runs the lines one by one. */
zs_inline enum zs_scan zs_respond_scan(struct zs_request *r, const struct zs_tables *t, __u32 len)
{
	enum zs_scan scan = zs_respond_line(r, t, len);
	__u32 n;

	for (n = 0; n < ZS_LINES_MAX; n++) {
		if (scan != ZS_SCAN_OK || r->head_len)
			break;
		scan = zs_scan_field(r, t);
	}
	return scan;
}

/* Behind zs_respond_line(). */
zs_inline __u32 zs_respond_status(const struct zs_request *r)
{
	return (__u32)(r->head[9] - '0') * 100 + (__u32)(r->head[10] - '0') * 10 + (__u32)(r->head[11] - '0');
}

/* RFC 9111 4.4: a response with such a status voids nothing. */
zs_inline int zs_respond_is_error(__u32 status)
{
	return status >= 400 && status < 600;
}

/* After zs_request_fields(). `to_head`: the request was a HEAD. */
zs_inline enum zs_respond zs_respond_body(struct zs_request *r, int to_head)
{
	__u32 status = zs_respond_status(r), twice = 1u << ZS_SLOT_CL | 1u << ZS_SLOT_TE | 1u << ZS_SLOT_CONN;
	int coded = zs_has(r, ZS_SLOT_TE), sized = zs_has(r, ZS_SLOT_CL);

	r->flags = 0;
	zs_request_content_length(r);
	if (status < 100 || status >= 600 || status == 101 || (r->dup & twice) || (r->flags & ZS_REQ_PASSIVE) ||
	    (coded && sized))
		return ZS_RESPOND_BAD;
	if (coded && !zs_value_is(r, ZS_SLOT_TE, ZS_W('c', 'h', 'u', 'n', 'k', 'e', 'd', 0), 0, 7))
		return ZS_RESPOND_BAD;
	if (zs_has(r, ZS_SLOT_CONN) && !zs_value_is(r, ZS_SLOT_CONN, ZS_W('k', 'e', 'e', 'p', '-', 'a', 'l', 'i'),
						     ZS_W('v', 'e', 0, 0, 0, 0, 0, 0), 10))
		return ZS_RESPOND_BAD;
	if (status < 200)
		return coded || sized ? ZS_RESPOND_BAD : ZS_RESPOND_INTERIM;
	if (to_head || status == 204 || status == 304)
		return ZS_RESPOND_NONE;
	if (coded)
		return ZS_RESPOND_CHUNKED;
	if (!sized) /* until the connection closes */
		return ZS_RESPOND_BAD;
	return r->content_length ? ZS_RESPOND_LENGTH : ZS_RESPOND_NONE;
}

/* --- chunked bodies (RFC 9112 7.1) -------------------------------------------------------------- */

#define ZS_CHUNK_DIGITS 8 /* of a size; more: ZS_CHUNK_BAD. So are extensions and trailers. */

/* The value of a hexadecimal digit; 16: none. */
zs_inline __u32 zs_chunk_digit(__u8 c)
{
	__u32 low = c | 0x20;

	if (c >= '0' && c <= '9')
		return c - '0';
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : 16;
}

zs_inline __u32 zs_chunk_size(struct zs_accept *a, __u8 c)
{
	__u32 digit = zs_chunk_digit(c), digits = a->digits;

	if (c == '\r')
		return digits ? ZS_CHUNK_SIZE_LF : ZS_CHUNK_BAD;
	if (digit > 15 || digits >= ZS_CHUNK_DIGITS)
		return ZS_CHUNK_BAD;
	a->reply_left = digits ? a->reply_left << 4 | digit : digit;
	a->digits = digits + 1;
	return ZS_CHUNK_SIZE;
}

/* One byte that is not data. */
zs_inline __u32 zs_chunk_next(struct zs_accept *a, __u8 c)
{
	switch (a->step) {
	case ZS_CHUNK_SIZE:
		return zs_chunk_size(a, c);
	case ZS_CHUNK_SIZE_LF:
		if (c != '\n')
			return ZS_CHUNK_BAD;
		return a->reply_left ? ZS_CHUNK_DATA : ZS_CHUNK_LAST_CR;
	case ZS_CHUNK_CR:
		return c == '\r' ? ZS_CHUNK_LF : ZS_CHUNK_BAD;
	case ZS_CHUNK_LF:
		a->digits = 0;
		return c == '\n' ? ZS_CHUNK_SIZE : ZS_CHUNK_BAD;
	case ZS_CHUNK_LAST_CR:
		return c == '\r' ? ZS_CHUNK_LAST_LF : ZS_CHUNK_BAD;
	case ZS_CHUNK_LAST_LF:
		return c == '\n' ? ZS_CHUNK_END : ZS_CHUNK_BAD;
	default:
		return ZS_CHUNK_BAD;
	}
}

/* What stands between the data of two chunks is never longer. */
#define ZS_CHUNK_WINDOW 16u

/* Takes bytes of window[0..len), len at most ZS_CHUNK_WINDOW, up to the next byte of data or the body's end.
 * Returns how many; a->step is then ZS_CHUNK_DATA, _END, _BAD, or all were taken. */
zs_inline __u32 zs_chunk_take(struct zs_accept *a, const __u8 *window, __u32 len)
{
	__u32 i;

	for (i = 0; i < ZS_CHUNK_WINDOW; i++) {
		__u32 step = a->step;

		if (i >= len || step == ZS_CHUNK_DATA || step == ZS_CHUNK_END || step == ZS_CHUNK_BAD)
			break;
		a->step = zs_chunk_next(a, window[i]);
	}
	return i;
}

#endif
