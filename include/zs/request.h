/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recogniser: which bytes are a complete, strictly formed request head, and what it asks for.
 * Pure: the same lines run in BPF, in the unit tests and in the fuzzers. Narrower than any server's
 * grammar (RFC 9112 sections 2 to 5, RFC 9110 section 5): a doubt is never resolved, it is reported.
 *
 * Three passes over a copy of the head, so that nobody can change it in between:
 *   zs_request_scan      finds the lines, and that every byte may stand where it stands
 *   zs_request_fields    one table look-up per line; finds out what the fields mean
 *   zs_request_values    the few values that decide
 */
#ifndef ZS_REQUEST_H
#define ZS_REQUEST_H

#include <zs/bytes.h>

/* --- what comes out -------------------------------------------------------------------------- */

enum zs_slot {
	ZS_SLOT_NONE = 0,
	ZS_SLOT_HOST,
	ZS_SLOT_XFH,
	ZS_SLOT_XFP,
	ZS_SLOT_AE,
	ZS_SLOT_CL,
	ZS_SLOT_TE,
	ZS_SLOT_CONN,
	ZS_SLOT_CC,
	ZS_SLOT_PRAGMA,
	ZS_SLOT_AUTH,
	ZS_SLOT_INM,
	ZS_SLOT_IMS,
	ZS_SLOT_V0 = 16, /* the operator's Vary fields: zs_fields_vary() */
	ZS_SLOT_V1,
	ZS_SLOT_V2,
	ZS_SLOT_V3,
	ZS_SLOT_COOKIE,
	ZS_SLOTS = 32,
};

/* zs_request.flags */
#define ZS_REQ_PASSIVE   0x01u /* framing is not certain */
#define ZS_REQ_BYPASS    0x02u /* framing is certain; not to be answered, not to be recorded */
#define ZS_REQ_NOFILL    0x04u /* may be answered; its response must not be stored */
#define ZS_REQ_GET       0x10u
#define ZS_REQ_HEAD      0x20u
#define ZS_REQ_SAFE      0x40u /* GET, HEAD, OPTIONS, TRACE (RFC 9110 9.2.1) */
#define ZS_REQ_CHUNKED   0x80u /* exactly "Transfer-Encoding: chunked"; set beside PASSIVE */
#define ZS_REQ_COND      0x200u /* If-None-Match or If-Modified-Since: condition.h */
#define ZS_REQ_BAD_TARGET 0x100u /* '#', '\' or %00 in the target: set by the scan */
#define ZS_REQ_COOKIE    0x400u /* Cookie is there; BYPASS too unless the request's class allows it */
#define ZS_REQ_AUTH      0x800u /* Authorization is there; likewise */

/* Half-open range of the head's bytes. start == end: empty or absent. */
struct zs_span {
	__u16 start;
	__u16 end;
};

/* One line of the head: a field's name is [start, colon), its value, trimmed, [value, end). Of line 0
 * the method is [0, colon), the target [value, end). Zero where not reached. */
struct zs_line {
	__u16 start;
	__u16 colon;
	__u16 value;
	__u16 end;
};

/* The work space of one request. In BPF it is taken from a pool; nothing in it outlives the message. */
struct zs_request {
	__u8 head[ZS_HEAD_MAX + 64]; /* the copy; filled by the caller; slack for wide loads */
	struct zs_line line[ZS_LINES_MAX];
	struct zs_span slot[ZS_SLOTS]; /* the values that matter */
	__u64 content_length;
	__u32 head_len; /* CRLFCRLF included; valid after a scan that returned ZS_SCAN_OK */
	__u32 at;       /* of the scan: where it is */
	__u32 limit;    /* of the scan: bytes in head */
	__u32 mark;     /* of the scan: where the value begins */
	__u32 lines;    /* the request line included */
	__u32 flags;
	__u32 seen; /* bit per slot */
	__u32 dup;  /* bit per slot that came more than once */
	__u32 ae;     /* ZS_AE_* */
	__u32 refused; /* ZS_AE_*: codings with weight 0 */
	__u64 since;  /* If-Modified-Since as zs_imf_date() has it; 0: none */
	__u32 step;   /* of the list parser: where within a member it is */
	__u32 weight; /* of the list parser: 1 if the member's weight is not 0 */
	__u64 member; /* of the list parser: the member's text, lower case */
};

/* --- tables ---------------------------------------------------------------------------------- */

/* What a byte may be part of: bits of zs_tables.byte[]. */
#define ZS_B_TOKEN  0x01 /* method, field name (RFC 9110 5.6.2) */
#define ZS_B_TARGET 0x02 /* request target: visible ASCII */
#define ZS_B_ODD    0x04 /* of these: '#' and '\', with which a request is not answered */
#define ZS_B_VALUE  0x08 /* field value: visible ASCII, blanks, 0x80..0xff */
#define ZS_B_BLANK  0x10 /* SP, HTAB */
#define ZS_B_HOST   0x20 /* host name or IP literal with port */
#define ZS_B_COMMA  0x40 /* ',' and ';': blanks beside them mean nothing (RFC 9110 5.6) */
#define ZS_B_UPPER  0x80 /* A to Z */

/* The same for what the operator's rules look into: bits of zs_tables.mark[]. */
#define ZS_M_NAME   0x01 /* a query parameter's name that nobody reads in another way: A-Z a-z 0-9 _ - */
#define ZS_M_VALUE  0x02 /* its value, and what may follow '%' in it */
#define ZS_M_PATH   0x04 /* a path that can choose a class */
#define ZS_M_CUT    0x08 /* ';' and '?': may begin a parameter elsewhere than '&' */
#define ZS_M_OCTET  0x10 /* cookie-octet (RFC 6265 4.1.1) */
#define ZS_M_COOKIE 0x20 /* a cookie's name: A-Z a-z 0-9 . _ - */
#define ZS_M_HIGH   0x40 /* the first digit of %80 to %FF */
#define ZS_M_HEX    0x80

#define ZS_NAME_WORDS 4 /* names up to 32 bytes are known ones */
#define ZS_NAME_SLOTS 1024u /* so many that a name of the operator's finds a place within ZS_NAME_PROBES */
#define ZS_NAME_PROBES 4

/* field effects */
#define ZS_EFFECT_INERT   0u
#define ZS_EFFECT_KEYED   0u
#define ZS_EFFECT_VALUE   0u
#define ZS_EFFECT_BYPASS  ZS_REQ_BYPASS
#define ZS_EFFECT_COND    (ZS_REQ_COND | ZS_REQ_NOFILL) /* the response may be a 304 */
#define ZS_EFFECT_PASSIVE ZS_REQ_PASSIVE
#define ZS_EFFECT_COOKIE  ZS_REQ_COOKIE
#define ZS_EFFECT_AUTH    ZS_REQ_AUTH

struct zs_name {
	__u64 word[ZS_NAME_WORDS]; /* lower case, zero padded */
	__u32 len;                 /* 0: free */
	__u16 slot;
	__u16 flags; /* ZS_REQ_* that its presence sets */
};

/* Where in a list of entity-tags (RFC 9110 8.8.3) a byte leads; beside it ZS_ETAG_TAG if the byte is one of
 * the opaque-tag's. */
enum zs_etag_step {
	ZS_ETAG_BEFORE, /* blanks and commas before a member */
	ZS_ETAG_WEAK,   /* behind 'W' */
	ZS_ETAG_OPEN,   /* behind "W/" */
	ZS_ETAG_INSIDE, /* behind the opening quote */
	ZS_ETAG_CLOSED, /* behind the closing quote */
	ZS_ETAG_BAD,
};
#define ZS_ETAG_TAG 0x80u

/* One map value; built in user space by zs_fields_build(), constant while programs use it. */
struct zs_tables {
	__u8 byte[256];
	__u8 etag_byte[256]; /* the kind of a byte in a list of entity-tags, below 8 */
	__u8 etag[64];       /* by step and kind */
	__u8 mark[256];
	__u32 vary_fold; /* bit per Vary field whose value is compared in its folded form (vary.h) */
	__u32 zero;
	struct zs_name name[ZS_NAME_SLOTS];
};

zs_inline __u32 zs_name_hash(const __u64 *word, __u32 len)
{
	__u64 h = word[0] * 0x9e3779b97f4a7c15ull;

	h = (h ^ (h >> 29) ^ word[1]) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ (h >> 32) ^ word[2] ^ len) * 0x94d049bb133111ebull;
	return (__u32)(h >> 40) & (ZS_NAME_SLOTS - 1);
}

zs_inline const __u8 *zs_request_at(const struct zs_request *r, __u32 pos)
{
	return &r->head[pos & (ZS_HEAD_MAX - 1)];
}

/* Sets bits by way of memory: a value that the verifier follows in a register would split its search for
 * every combination of bits. */
zs_inline void zs_set_bits(__u32 *word, __u32 bits)
{
	*(volatile __u32 *)word |= bits;
}

/* --- pass 1 ---------------------------------------------------------------------------------- */

enum zs_scan { ZS_SCAN_OK, ZS_SCAN_SHORT, ZS_SCAN_BAD };

/* Bytes of a method or field name, and blanks on either side of a value, from which on a head is bad. */
#define ZS_TOKEN_MAX 128u
#define ZS_BLANK_MAX 64u

/*
 * The scan goes from line to line. Where it is, is kept in memory (r->at), which the verifier does not
 * follow: so it checks one line, from any place, and not every way that leads there. Each function below
 * returns a byte that is not there (at or behind r->limit) as ZS_SCAN_SHORT.
 */
zs_inline __u32 zs_scan_at(const struct zs_request *r)
{
	return *(const volatile __u32 *)&r->at;
}

/* What the byte at `at` means for the scan when it was not one that may stand there. */
zs_inline enum zs_scan zs_scan_stop(const struct zs_request *r, __u32 at)
{
	return at >= r->limit ? ZS_SCAN_SHORT : ZS_SCAN_BAD;
}

/* Moves over bytes with the given property, at most `most` of them. They need not be there. */
zs_inline void zs_scan_over(struct zs_request *r, const struct zs_tables *t, __u8 property, __u32 most)
{
	__u32 at = zs_scan_at(r), i;

	for (i = 0; i < most; i++)
		if (!(t->byte[*zs_request_at(r, at + i)] & property))
			break;
	r->at = at + i;
}

/* Moves over the target, at most ZS_SCAN_STEP bytes of it, noting what keeps it from being answered. 1: it
 * may go on. In front of the first byte stands SP. */
#define ZS_SCAN_STEP 256u
zs_inline int zs_scan_target(struct zs_request *r, const struct zs_tables *t)
{
	__u32 at = zs_scan_at(r), odd = 0, i;
	__u32 last = (__u32)*zs_request_at(r, at - 2) << 8 | *zs_request_at(r, at - 1);

	for (i = 0; i < ZS_SCAN_STEP; i++) {
		__u32 c = *zs_request_at(r, at + i), b = t->byte[c];

		if (!(b & ZS_B_TARGET))
			break;
		last = (last << 8 | c) & 0xffffff;
		odd |= (b & ZS_B_ODD) | ((last ^ 0x253030 /* %00 */) - 1) >> 31; /* without a branch */
	}
	r->at = at + i;
	if (odd)
		zs_set_bits(&r->flags, ZS_REQ_BAD_TARGET);
	return i == ZS_SCAN_STEP;
}

/* The two bytes CR LF. On success r->at is behind them. */
zs_inline enum zs_scan zs_scan_crlf(struct zs_request *r)
{
	__u32 at = zs_scan_at(r);

	if (at >= r->limit || *zs_request_at(r, at) != '\r')
		return zs_scan_stop(r, at);
	if (at + 1 >= r->limit || *zs_request_at(r, at + 1) != '\n')
		return zs_scan_stop(r, at + 1);
	r->at = at + 2;
	return ZS_SCAN_OK;
}

/* CR LF, and a new line behind it. */
zs_inline enum zs_scan zs_scan_newline(struct zs_request *r)
{
	enum zs_scan scan = zs_scan_crlf(r);
	__u32 n = r->lines + 1;

	if (scan != ZS_SCAN_OK)
		return scan;
	if (n >= ZS_LINES_MAX)
		return ZS_SCAN_BAD;
	r->lines = n;
	r->line[n & (ZS_LINES_MAX - 1)] = (struct zs_line){.start = (__u16)zs_scan_at(r)};
	return ZS_SCAN_OK;
}

/* Method and SP. */
zs_inline enum zs_scan zs_scan_method(struct zs_request *r, const struct zs_tables *t)
{
	__u32 at;

	zs_scan_over(r, t, ZS_B_TOKEN, ZS_TOKEN_MAX);
	at = zs_scan_at(r);
	if (at >= r->limit || !at || *zs_request_at(r, at) != ' ')
		return zs_scan_stop(r, at);
	r->line[0].colon = (__u16)at;
	r->line[0].value = (__u16)(at + 1);
	r->at = at + 1;
	return ZS_SCAN_OK;
}

/* Behind the target: SP, and a version of visible bytes up to CR LF. */
zs_inline enum zs_scan zs_scan_version(struct zs_request *r, const struct zs_tables *t)
{
	__u32 at = zs_scan_at(r);

	if (at >= r->limit || at == r->line[0].value || *zs_request_at(r, at) != ' ')
		return zs_scan_stop(r, at);
	r->line[0].end = (__u16)at;
	r->at = at + 1;
	zs_scan_over(r, t, ZS_B_TARGET, ZS_TOKEN_MAX);
	return zs_scan_newline(r);
}

/* All of line 0. */
zs_inline enum zs_scan zs_scan_first(struct zs_request *r, const struct zs_tables *t)
{
	enum zs_scan scan = zs_scan_method(r, t);
	__u32 n;

	if (scan != ZS_SCAN_OK)
		return scan;
	for (n = 0; n < ZS_HEAD_MAX / ZS_SCAN_STEP; n++)
		if (!zs_scan_target(r, t))
			break;
	return zs_scan_version(r, t);
}

/* Whether all eight bytes may stand in a value, HTAB left out. */
zs_inline int zs_scan_plain8(__u64 w)
{
	const __u64 ones = 0x0101010101010101ull, high = ones * 0x80;
	__u64 control = (w - ones * 0x20) & ~w & high; /* some byte below 0x20 */
	__u64 del = w ^ (ones * 0x7f);

	del = (del - ones) & ~del & high; /* some byte 0x7f */
	return !(control | del);
}

/* Moves over a value, eight bytes at a time and then one by one. */
zs_inline void zs_scan_value(struct zs_request *r, const struct zs_tables *t)
{
	__u32 at = zs_scan_at(r), i;

	for (i = 0; i < ZS_HEAD_MAX; i += 8)
		if (at + i >= r->limit || !zs_scan_plain8(zs_load64(zs_request_at(r, at + i))))
			break;
	r->at = at + i;
	zs_scan_over(r, t, ZS_B_VALUE, ZS_HEAD_MAX);
}

/* Sets the line's value to [start, r->at) without the blanks behind it. */
zs_inline enum zs_scan zs_scan_trim(struct zs_request *r, struct zs_line *line)
{
	__u32 start = *(volatile __u32 *)&r->mark, end = zs_scan_at(r), i;

	for (i = 0; i < ZS_BLANK_MAX; i++) {
		__u8 c = *zs_request_at(r, end - i - 1);

		if (end - i <= start || (c != ' ' && c != '\t'))
			break;
	}
	if (i == ZS_BLANK_MAX)
		return ZS_SCAN_BAD;
	if (end - i > start) {
		line->value = (__u16)start;
		line->end = (__u16)(end - i);
	}
	return ZS_SCAN_OK;
}

/* A field line, or the empty line that ends the head: then r->head_len is set. */
zs_inline enum zs_scan zs_scan_field(struct zs_request *r, const struct zs_tables *t)
{
	struct zs_line *line = &r->line[r->lines & (ZS_LINES_MAX - 1)];
	enum zs_scan scan;
	__u32 at;

	zs_scan_over(r, t, ZS_B_TOKEN, ZS_TOKEN_MAX);
	at = zs_scan_at(r);
	if (at == line->start) { /* no name: the end of the head, or nothing that may stand here */
		scan = zs_scan_crlf(r);
		if (scan == ZS_SCAN_OK)
			r->head_len = zs_scan_at(r);
		return scan;
	}
	if (at >= r->limit || *zs_request_at(r, at) != ':')
		return zs_scan_stop(r, at);
	line->colon = (__u16)at;
	r->at = at + 1;
	zs_scan_over(r, t, ZS_B_BLANK, ZS_BLANK_MAX);
	at = zs_scan_at(r);
	if (at < r->limit && (t->byte[*zs_request_at(r, at)] & ZS_B_BLANK))
		return ZS_SCAN_BAD;
	r->mark = at;
	zs_scan_value(r, t);
	if (zs_scan_at(r) >= r->limit)
		return ZS_SCAN_SHORT;
	scan = zs_scan_trim(r, line);
	return scan == ZS_SCAN_OK ? zs_scan_newline(r) : scan;
}

/* Begins the scan of head[0..len), len at most ZS_HEAD_MAX. */
zs_inline void zs_scan_begin(struct zs_request *r, __u32 len)
{
	r->line[0] = (struct zs_line){0};
	r->lines = 0;
	r->flags = 0;
	r->head_len = 0;
	r->at = 0;
	r->limit = len;
}

/*
 * The whole scan of head[0..len), len at most ZS_HEAD_MAX. Sets lines (complete ones), line[] and flags
 * (0 or ZS_REQ_BAD_TARGET). ZS_SCAN_OK: head_len is set, and bytes from there on did not matter.
 * ZS_SCAN_SHORT: a strict head so far, its end is not there; head_len is 0. ZS_SCAN_BAD: anything else.
 * The kernel runs the lines one by one, as it does here.
 */
zs_inline enum zs_scan zs_request_scan(struct zs_request *r, const struct zs_tables *t, __u32 len)
{
	enum zs_scan scan;
	__u32 n;

	zs_scan_begin(r, len);
	scan = zs_scan_first(r, t);
	for (n = 0; n < ZS_LINES_MAX; n++) {
		if (scan != ZS_SCAN_OK || r->head_len)
			break;
		scan = zs_scan_field(r, t);
	}
	return scan;
}

/* --- pass 2 ---------------------------------------------------------------------------------- */

/* Loads up to 32 bytes of a name, in lower case, zero padded. */
zs_inline void zs_name_load(const struct zs_request *r, __u32 start, __u32 len, __u64 *word)
{
	const __u8 *p = zs_request_at(r, start);

	ZS_UNROLL
	for (int k = 0; k < ZS_NAME_WORDS; k++) {
		__u32 rest = len > 8u * k ? len - 8u * k : 0;

		word[k] = zs_keep_bytes(zs_lower8(zs_load64(p + 8 * k)), rest);
	}
}

/* The known name that equals [start, start + len), or null. Compares every byte. */
zs_inline const struct zs_name *zs_name_find(const struct zs_request *r, const struct zs_tables *t,
					     __u32 start, __u32 len)
{
	__u64 word[ZS_NAME_WORDS];
	__u32 h;

	if (len > 8 * ZS_NAME_WORDS)
		return 0;
	zs_name_load(r, start, len, word);
	h = zs_name_hash(word, len);
	ZS_UNROLL
	for (int probe = 0; probe < ZS_NAME_PROBES; probe++) {
		const struct zs_name *e = &t->name[(h + probe) & (ZS_NAME_SLOTS - 1)];

		if (e->len == len && !((e->word[0] ^ word[0]) | (e->word[1] ^ word[1]) |
				       (e->word[2] ^ word[2]) | (e->word[3] ^ word[3])))
			return e;
	}
	return 0;
}

/* Takes one field line into account. n from 1 to lines - 1. */
zs_inline void zs_request_field(struct zs_request *r, const struct zs_tables *t, __u32 n)
{
	const struct zs_line *line = &r->line[n & (ZS_LINES_MAX - 1)];
	__u32 start = line->start, len = (__u32)line->colon - start;
	const struct zs_name *e = zs_name_find(r, t, start, len & 0xffff);
	__u32 bit, slot;

	if (!e) {
		r->flags |= ZS_REQ_NOFILL;
		return;
	}
	slot = e->slot & (ZS_SLOTS - 1);
	bit = 1u << slot;
	r->flags |= e->flags;
	r->dup |= r->seen & bit;
	r->seen |= bit;
	r->slot[slot].start = line->value;
	r->slot[slot].end = line->end;
}

zs_inline void zs_request_fields(struct zs_request *r, const struct zs_tables *t)
{
	__u32 n;

	r->seen = 0;
	r->dup = 0;
	zs_zero(r->slot, sizeof(r->slot));
	for (n = 1; n < ZS_LINES_MAX; n++) {
		if (n >= r->lines)
			break;
		zs_request_field(r, t, n);
	}
}

/* --- pass 3 ---------------------------------------------------------------------------------- */

zs_inline __u32 zs_span_len(const struct zs_span *s)
{
	return s->end > s->start ? (__u32)s->end - s->start : 0;
}

zs_inline int zs_has(const struct zs_request *r, enum zs_slot slot)
{
	return (r->seen >> slot) & 1;
}

/* The first `len` bytes of a value (at most 16) in lower case against a word pair. */
zs_inline int zs_value_is(const struct zs_request *r, enum zs_slot slot, __u64 w0, __u64 w1, __u32 len)
{
	const __u8 *p = zs_request_at(r, r->slot[slot].start);

	return zs_span_len(&r->slot[slot]) == len &&
	       zs_keep_bytes(zs_lower8(zs_load64(p)), len) == w0 &&
	       zs_keep_bytes(zs_lower8(zs_load64(p + 8)), len > 8 ? len - 8 : 0) == w1;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ZS_W(a, b, c, d, e, f, g, h)                                                                \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |     \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)
#else
#define ZS_W(a, b, c, d, e, f, g, h)                                                                \
	((__u64)(h) | (__u64)(g) << 8 | (__u64)(f) << 16 | (__u64)(e) << 24 | (__u64)(d) << 32 |     \
	 (__u64)(c) << 40 | (__u64)(b) << 48 | (__u64)(a) << 56)
#endif

/* RFC 9110 8.6, narrower: 1 to 15 digits. */
#define ZS_CL_DIGITS 15
zs_inline void zs_request_content_length(struct zs_request *r)
{
	__u32 start = r->slot[ZS_SLOT_CL].start, len = zs_span_len(&r->slot[ZS_SLOT_CL]), i;
	__u64 value = 0;

	r->content_length = 0;
	if (!zs_has(r, ZS_SLOT_CL))
		return;
	if (len < 1 || len > ZS_CL_DIGITS || (r->dup & (1u << ZS_SLOT_CL))) {
		zs_set_bits(&r->flags, ZS_REQ_PASSIVE);
		return;
	}
	for (i = 0; i < ZS_CL_DIGITS; i++) {
		__u8 c;

		if (i >= len)
			break;
		c = *zs_request_at(r, start + i);
		if (c < '0' || c > '9') {
			zs_set_bits(&r->flags, ZS_REQ_PASSIVE);
			return;
		}
		value = value * 10 + (c - '0');
	}
	r->content_length = value;
}

/*
 * Cache-Control and Pragma of a request (RFC 9111 5.2.1). A window of eight lower-case bytes slides over
 * the value; where it shows a directive that restricts reuse, the request is passed on. That a directive
 * could stand inside another's quoted string makes this pass more than it must, never less.
 */
#define ZS_CC_MAX 256
zs_inline void zs_request_directives(struct zs_request *r, enum zs_slot slot)
{
	__u32 start = r->slot[slot].start, len = zs_span_len(&r->slot[slot]), i, hit = 0;
	__u64 window = 0;

	if (!zs_has(r, slot))
		return;
	if (len > ZS_CC_MAX || (r->dup & (1u << slot)))
		hit = 1;
	for (i = 0; i < ZS_CC_MAX; i++) {
		if (i >= len || hit)
			break;
		window = window << 8 | (*zs_request_at(r, start + i) | 0x20);
		hit = window == 0x6e6f2d6361636865ull /* no-cache */ ||
		      window == 0x6e6f2d73746f7265ull /* no-store */ ||
		      window == 0x6d696e2d66726573ull /* min-fres */ ||
		      window == 0x6f6e6c792d69662dull /* only-if- */ ||
		      (window & 0xffffffffffffffull) == 0x6d61782d616765ull /* max-age */;
	}
	if (hit)
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
}

/* A field that names an authority (RFC 9110 7.2), or a scheme: present once, not empty, of a size that fits
 * the key, only bytes of a host name, IP literal and port. With a capital it never fills the store. */
zs_inline void zs_request_host(struct zs_request *r, const struct zs_tables *t, enum zs_slot slot, __u32 max)
{
	__u32 start = r->slot[slot].start, len = zs_span_len(&r->slot[slot]), i, all = ZS_B_HOST, any = 0;

	if (len < 1 || len > max || (r->dup & (1u << slot))) {
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
		return;
	}
	for (i = 0; i < ZS_HOST_MAX; i++) {
		if (i >= len)
			break;
		all &= t->byte[*zs_request_at(r, start + i)];
		any |= t->byte[*zs_request_at(r, start + i)];
	}
	if (!all)
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
	if (any & ZS_B_UPPER) /* the key has it in lower case, the origin sees it as it is */
		zs_set_bits(&r->flags, ZS_REQ_NOFILL);
}

/* Method, target form and version: the request line (RFC 9112 3). */
zs_inline void zs_request_line(struct zs_request *r)
{
	const struct zs_line *line = &r->line[0];
	__u32 len = line->colon, target = line->value, version = (__u32)line->end + 1;
	__u64 method = zs_keep_bytes(zs_load64(zs_request_at(r, 0)), len);

	/* "HTTP/1.1" and its CR, which line 0 must end with */
	if (zs_load64(zs_request_at(r, version)) != ZS_W('H', 'T', 'T', 'P', '/', '1', '.', '1') ||
	    *zs_request_at(r, version + 8) != '\r')
		zs_set_bits(&r->flags, ZS_REQ_PASSIVE);

	if (len == 3 && method == ZS_W('G', 'E', 'T', 0, 0, 0, 0, 0))
		zs_set_bits(&r->flags, ZS_REQ_GET | ZS_REQ_SAFE);
	else if (len == 4 && method == ZS_W('H', 'E', 'A', 'D', 0, 0, 0, 0))
		zs_set_bits(&r->flags, ZS_REQ_HEAD | ZS_REQ_SAFE);
	else if (len == 5 && method == ZS_W('T', 'R', 'A', 'C', 'E', 0, 0, 0))
		zs_set_bits(&r->flags, ZS_REQ_SAFE | ZS_REQ_BYPASS);
	else if (len == 7 && method == ZS_W('O', 'P', 'T', 'I', 'O', 'N', 'S', 0))
		zs_set_bits(&r->flags, ZS_REQ_SAFE | ZS_REQ_BYPASS);
	else if (len == 7 && method == ZS_W('C', 'O', 'N', 'N', 'E', 'C', 'T', 0))
		zs_set_bits(&r->flags, ZS_REQ_PASSIVE);
	else
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);

	if (*zs_request_at(r, target) != '/' || (r->flags & ZS_REQ_BAD_TARGET) ||
	    (__u32)line->end - target > ZS_TARGET_MAX)
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
}

/* NTLM and Negotiate authenticate the connection, not the request: what comes after on it may be private
 * without saying so. */
zs_inline void zs_request_auth(struct zs_request *r)
{
	const __u8 *p = zs_request_at(r, r->slot[ZS_SLOT_AUTH].start);
	__u64 scheme = zs_keep_bytes(zs_lower8(zs_load64(p)), 4);

	if (zs_has(r, ZS_SLOT_AUTH) && (scheme == ZS_W('n', 't', 'l', 'm', 0, 0, 0, 0) ||
					scheme == ZS_W('n', 'e', 'g', 'o', 0, 0, 0, 0) ||
					(r->dup & (1u << ZS_SLOT_AUTH))))
		zs_set_bits(&r->flags, ZS_REQ_PASSIVE);
}

/* Everything that decides about the connection: request line, Content-Length, Transfer-Encoding,
 * Connection, Authorization. */
zs_inline void zs_request_framing(struct zs_request *r)
{
	zs_request_auth(r);
	zs_request_line(r);
	zs_request_content_length(r);
	if (zs_has(r, ZS_SLOT_TE) && !zs_has(r, ZS_SLOT_CL) && !(r->dup & (1u << ZS_SLOT_TE)) &&
	    zs_value_is(r, ZS_SLOT_TE, ZS_W('c', 'h', 'u', 'n', 'k', 'e', 'd', 0), 0, 7))
		zs_set_bits(&r->flags, ZS_REQ_CHUNKED);
	if (zs_has(r, ZS_SLOT_CL))
		zs_set_bits(&r->flags, ZS_REQ_BYPASS); /* a GET with a body is nobody's hit */
	if (zs_has(r, ZS_SLOT_CONN) &&
	    ((r->dup & (1u << ZS_SLOT_CONN)) ||
	     !zs_value_is(r, ZS_SLOT_CONN, ZS_W('k', 'e', 'e', 'p', '-', 'a', 'l', 'i'),
			  ZS_W('v', 'e', 0, 0, 0, 0, 0, 0), 10)))
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
}

/* The fields that name the target's authority. */
zs_inline void zs_request_authority(struct zs_request *r, const struct zs_tables *t)
{
	zs_request_host(r, t, ZS_SLOT_HOST, ZS_HOST_MAX);
	if (zs_has(r, ZS_SLOT_XFH))
		zs_request_host(r, t, ZS_SLOT_XFH, ZS_HOST_MAX);
	if (zs_has(r, ZS_SLOT_XFP))
		zs_request_host(r, t, ZS_SLOT_XFP, ZS_PROTO_MAX);
}

#include <zs/coding.h>
#include <zs/condition.h>

/* Cookie and Authorization pass a request on, unless its class says otherwise; null: it has none. Which
 * cookies a class ignores is looked at behind this (cookie.h). */
zs_inline void zs_request_class(struct zs_request *r, const struct zs_class *class)
{
	__u32 flags = class ? class->flags : 0;

	if ((r->flags & ZS_REQ_COOKIE) && !(flags & ZS_CLASS_COOKIES_ON))
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
	if ((r->flags & ZS_REQ_AUTH) && !(flags & ZS_CLASS_AUTHORIZED))
		zs_set_bits(&r->flags, ZS_REQ_BYPASS);
}

/* After zs_request_fields(): settles flags, content_length and ae, but for what the class of the request
 * decides (decide.h). The kernel runs the parts one by one. */
zs_inline void zs_request_settle(struct zs_request *r, const struct zs_tables *t)
{
	zs_request_framing(r);
	zs_request_directives(r, ZS_SLOT_CC);
	zs_request_directives(r, ZS_SLOT_PRAGMA);
	zs_request_codings(r, t);
	zs_request_authority(r, t);
	zs_request_conditions(r);
}

/* The same for a request without a class. */
zs_inline void zs_request_values(struct zs_request *r, const struct zs_tables *t)
{
	zs_request_settle(r, t);
	zs_request_class(r, 0);
}

/* May be answered from the store. */
zs_inline int zs_request_answerable(const struct zs_request *r)
{
	return !(r->flags & (ZS_REQ_PASSIVE | ZS_REQ_BYPASS)) &&
	       (r->flags & (ZS_REQ_GET | ZS_REQ_HEAD));
}

/* May fill the store: a GET all of whose fields are keyed or inert. */
zs_inline int zs_request_recordable(const struct zs_request *r)
{
	return zs_request_answerable(r) && (r->flags & ZS_REQ_GET) && !(r->flags & ZS_REQ_NOFILL);
}

#endif
