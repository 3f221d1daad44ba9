// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A strict reader of HTTP/1.1 responses. Works from left to right over complete lines, so that what
 * it says about a line does not depend on what follows.
 */
#include "response.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#define CONTENT_LENGTH_DIGITS 15u
#define CHUNK_SIZE_DIGITS     8u

/* --- text ------------------------------------------------------------------------------------ */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool zs_text_equal(struct zs_text a, struct zs_text b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	}
	return true;
}

bool zs_text_is(struct zs_text text, const char *word)
{
	return zs_text_equal(text, (struct zs_text){(const uint8_t *)word, strlen(word)});
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110 5.6.2 */
static bool is_tchar(uint8_t c)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
	       memchr(marks, c, sizeof(marks) - 1);
}

/* RFC 9110 5.5: HTAB, SP, VCHAR and obs-text */
static bool all_text(struct zs_text text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((text.p[i] < ' ' && text.p[i] != '\t') || text.p[i] == 0x7f)
			return false;
	}
	return true;
}

size_t zs_token_len(struct zs_text text)
{
	size_t n = 0;

	while (n < text.len && is_tchar(text.p[n]))
		n++;
	return n;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct zs_text trim(struct zs_text text)
{
	while (text.len && is_blank(text.p[0])) {
		text.p++;
		text.len--;
	}
	while (text.len && is_blank(text.p[text.len - 1]))
		text.len--;
	return text;
}

/* The end of the member that text begins with: its comma, or text.len. -1: a quote stays open. */
static ssize_t member_end(struct zs_text text)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < text.len; i++) {
		if (quoted && text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			quoted = !quoted;
		else if (text.p[i] == ',' && !quoted)
			break;
	}
	return quoted ? -1 : (ssize_t)i;
}

int zs_list_next(struct zs_text *rest, struct zs_text *member)
{
	while (rest->len) {
		ssize_t end = member_end(*rest);
		struct zs_text found;
		size_t used;

		if (end < 0) {
			rest->len = 0;
			return -EBADMSG;
		}
		found = trim((struct zs_text){rest->p, (size_t)end});
		used = (size_t)end < rest->len ? (size_t)end + 1 : (size_t)end;
		rest->p += used;
		rest->len -= used;
		if (found.len) {
			*member = found;
			return 1;
		}
	}
	return 0;
}

/* --- fields ---------------------------------------------------------------------------------- */

struct zs_text zs_response_name(const struct zs_response *r, unsigned int i)
{
	return (struct zs_text){r->head + r->field[i].name, r->field[i].name_len};
}

struct zs_text zs_response_value(const struct zs_response *r, unsigned int i)
{
	return (struct zs_text){r->head + r->field[i].value, r->field[i].value_len};
}

int zs_response_find(const struct zs_response *r, const char *name, unsigned int from)
{
	for (unsigned int i = from; i < r->fields; i++) {
		if (zs_text_is(zs_response_name(r, i), name))
			return (int)i;
	}
	return -ENOENT;
}

/* --- head ------------------------------------------------------------------------------------ */

/*
 * The line at *pos, without its CRLF; *pos moves behind it. `limit` is the offset at which the
 * section that the line belongs to must have ended.
 */
static int line_next(struct zs_text in, size_t *pos, size_t limit, struct zs_text *line)
{
	size_t end = in.len < limit ? in.len : limit;
	const uint8_t *begin = in.p + *pos, *lf = NULL;

	if (*pos < end)
		lf = memchr(begin, '\n', end - *pos);
	if (!lf)
		return in.len >= limit ? -EBADMSG : -EAGAIN;
	if (lf == begin || lf[-1] != '\r')
		return -EBADMSG;
	*line = (struct zs_text){begin, (size_t)(lf - begin) - 1};
	*pos += line->len + 2;
	return 0;
}

/* field-line (RFC 9112 5) into offsets from `head`. */
static int field_parse(struct zs_text line, const uint8_t *head, struct zs_response_field *f)
{
	size_t n = zs_token_len(line);
	struct zs_text value;

	if (!n || n == line.len || line.p[n] != ':')
		return -EBADMSG;
	value = trim((struct zs_text){line.p + n + 1, line.len - n - 1});
	if (!all_text(value))
		return -EBADMSG;
	f->name = (uint16_t)(line.p - head);
	f->name_len = (uint16_t)n;
	f->value = (uint16_t)(value.p - head);
	f->value_len = (uint16_t)value.len;
	return 0;
}

/*
 * Field lines and the empty line behind them; *pos moves behind that. The section that they are
 * part of begins at `start` and holds ZS_RESPONSE_HEAD_MAX bytes at most. `field` and *count are
 * scratch.
 */
static int fields_parse(struct zs_text in, size_t start, size_t *pos,
			struct zs_response_field *field, uint32_t *count)
{
	*count = 0;
	for (;;) {
		struct zs_text line;
		int err = line_next(in, pos, start + ZS_RESPONSE_HEAD_MAX, &line);

		if (err || !line.len)
			return err;
		if (*count == ZS_RESPONSE_FIELDS_MAX)
			return -EBADMSG;
		err = field_parse(line, in.p + start, &field[*count]);
		if (err)
			return err;
		++*count;
	}
}

/* status-line (RFC 9112 4): "HTTP/1.1", SP, three digits, SP, any reason. */
static int status_parse(struct zs_text line, struct zs_response *r)
{
	const uint8_t *code = line.p + 9;

	if (line.len < 13 || memcmp(line.p, "HTTP/1.1 ", 9) || code[3] != ' ')
		return -EBADMSG;
	if (code[0] < '1' || code[0] > '5' || !is_digit(code[1]) || !is_digit(code[2]))
		return -EBADMSG;
	if (!all_text((struct zs_text){line.p + 13, line.len - 13}))
		return -EBADMSG;
	r->status = (uint32_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
	r->reason = 13;
	r->reason_len = (uint16_t)(line.len - 13);
	return 0;
}

/* RFC 9112 6.2, narrower: 1 to 15 digits, a leading zero only alone. */
static int content_length_parse(struct zs_text value, uint64_t *out)
{
	uint64_t n = 0;

	if (!value.len || value.len > CONTENT_LENGTH_DIGITS || (value.p[0] == '0' && value.len > 1))
		return -EBADMSG;
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.p[i]))
			return -EBADMSG;
		n = n * 10 + (value.p[i] - '0');
	}
	*out = n;
	return 0;
}

/* RFC 9112 6.3, narrower. */
static int framing_parse(struct zs_response *r)
{
	int length = zs_response_find(r, "content-length", 0);
	int coding = zs_response_find(r, "transfer-encoding", 0);

	r->content_length = 0;
	r->framing = ZS_FRAMING_NONE;
	if (length >= 0) {
		if (zs_response_find(r, "content-length", (unsigned int)length + 1) >= 0 ||
		    content_length_parse(zs_response_value(r, (unsigned int)length),
					 &r->content_length))
			return -EBADMSG;
		r->framing = ZS_FRAMING_LENGTH;
	}
	if (coding >= 0) {
		if (length >= 0 ||
		    zs_response_find(r, "transfer-encoding", (unsigned int)coding + 1) >= 0 ||
		    !zs_text_is(zs_response_value(r, (unsigned int)coding), "chunked"))
			return -EBADMSG;
		r->framing = ZS_FRAMING_CHUNKED;
	}
	if (r->status < 200)
		return r->framing == ZS_FRAMING_NONE ? 0 : -EBADMSG;
	if (r->status != 204 && r->status != 304)
		return r->framing == ZS_FRAMING_NONE ? -EBADMSG : 0;
	if (coding >= 0 || (r->status == 204 && r->content_length))
		return -EBADMSG;
	r->framing = ZS_FRAMING_NONE;
	return 0;
}

/* One head, interim or final, at `start`. r is scratch; r->body_off is the offset behind the head.
 */
static int head_parse(struct zs_text in, size_t start, struct zs_response *r)
{
	size_t pos = start, there = in.len - start;
	struct zs_text line;
	int err;

	/* what is no HTTP/1.1 response is not worth waiting for the end of its line */
	if (there && memcmp(in.p + start, "HTTP/1.1 ", there < 9 ? there : 9))
		return -EBADMSG;
	err = line_next(in, &pos, start + ZS_RESPONSE_HEAD_MAX, &line);
	if (err)
		return err;
	err = status_parse(line, r);
	if (err)
		return err;
	err = fields_parse(in, start, &pos, r->field, &r->fields);
	if (err)
		return err;
	r->head_len = (uint32_t)(pos - start);
	memcpy(r->head, in.p + start, r->head_len);
	r->body_off = pos;
	return framing_parse(r);
}

int zs_response_head(const uint8_t *buf, size_t len, struct zs_response *r)
{
	struct zs_text in = {buf, len};
	struct zs_response found;

	if (!len)
		return -EAGAIN;
	memset(&found, 0, sizeof(found));
	while (found.interim <= ZS_RESPONSE_INTERIM_MAX) {
		int err = head_parse(in, found.body_off, &found);

		if (err)
			return err;
		if (found.status >= 200) {
			found.walk_off = found.body_off;
			*r = found;
			return 0;
		}
		if (found.status == 101 || found.body_off > ZS_RESPONSE_HEAD_MAX)
			return -EBADMSG;
		found.interim++;
	}
	return -EBADMSG;
}

/* --- body ------------------------------------------------------------------------------------ */

static int hex_digit(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The CRLF at `pos`, as far as it is there. */
static int crlf_check(struct zs_text in, size_t pos)
{
	if (pos < in.len && in.p[pos] != '\r')
		return -EBADMSG;
	if (pos + 1 < in.len && in.p[pos + 1] != '\n')
		return -EBADMSG;
	return pos + 1 < in.len ? 0 : -EAGAIN;
}

/* A chunk-size line without extension (RFC 9112 7.1); *pos moves behind it. */
static int chunk_size_parse(struct zs_text in, size_t *pos, uint64_t *size)
{
	size_t i = *pos;
	uint64_t n = 0;
	int err;

	for (; i < in.len && hex_digit(in.p[i]) >= 0; i++) {
		if (i - *pos == CHUNK_SIZE_DIGITS)
			return -EBADMSG;
		n = n << 4 | (uint64_t)hex_digit(in.p[i]);
	}
	if (i == *pos)
		return i < in.len ? -EBADMSG : -EAGAIN;
	err = crlf_check(in, i);
	if (err)
		return err;
	*pos = i + 2;
	*size = n;
	return 0;
}

/* Moves r->walk_off to the last chunk's line; *end is the offset behind the trailers. */
static int chunks_walk(struct zs_text in, struct zs_response *r, uint64_t max_body, size_t *end)
{
	struct zs_response_field scratch[ZS_RESPONSE_FIELDS_MAX];
	uint32_t count;

	for (;;) {
		size_t pos = r->walk_off;
		uint64_t size;
		int err = chunk_size_parse(in, &pos, &size);

		if (err)
			return err;
		if (!size) {
			err = fields_parse(in, pos, &pos, scratch, &count);
			if (!err)
				*end = pos;
			return err;
		}
		if (r->walk_len > max_body || size > max_body - r->walk_len)
			return -EFBIG;
		if (size > in.len - pos)
			return -EAGAIN;
		err = crlf_check(in, pos + size);
		if (err)
			return err;
		r->walk_off = pos + size + 2;
		r->walk_len += size;
	}
}

/* Copies what chunks_walk() has found complete. */
static void chunks_copy(struct zs_text in, const struct zs_response *r, uint8_t *to)
{
	size_t pos = r->body_off;
	uint64_t size;

	while (pos < r->walk_off && !chunk_size_parse(in, &pos, &size)) {
		memcpy(to, in.p + pos, size);
		to += size;
		pos += size + 2;
	}
}

static int chunked_body(struct zs_text in, struct zs_response *r, uint64_t max_body,
			struct zs_body *out)
{
	struct zs_body body = {.data = in.p + r->body_off};
	size_t end;
	int err = chunks_walk(in, r, max_body, &end);

	if (err)
		return err;
	if (end != in.len)
		return -EBADMSG;
	body.len = (size_t)r->walk_len;
	if (body.len) {
		body.owned = malloc(body.len);
		if (!body.owned)
			return -ENOMEM;
		chunks_copy(in, r, body.owned);
		body.data = body.owned;
	}
	*out = body;
	return 0;
}

int zs_response_body(const uint8_t *buf, size_t len, struct zs_response *r, uint64_t max_body,
		     struct zs_body *out)
{
	struct zs_text in = {buf, len};
	uint64_t body_len = r->framing == ZS_FRAMING_LENGTH ? r->content_length : 0;

	if (len < r->body_off)
		return -EINVAL;
	if (r->framing == ZS_FRAMING_CHUNKED)
		return chunked_body(in, r, max_body, out);
	if (body_len > max_body)
		return -EFBIG;
	if (len - r->body_off > body_len)
		return -EBADMSG;
	if (len - r->body_off < body_len)
		return -EAGAIN;
	*out = (struct zs_body){.data = buf + r->body_off, .len = (size_t)body_len};
	return 0;
}

void zs_body_free(struct zs_body *body)
{
	free(body->owned);
	*body = (struct zs_body){0};
}

/* --- dates ----------------------------------------------------------------------------------- */

struct date {
	int year;  /* two digits where the form has two */
	int month; /* from 0 */
	int day;
	int weekday; /* from Sunday, 0 */
	int hour;
	int minute;
	int second;
};

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
				       "Thursday", "Friday", "Saturday"};

static bool take_literal(struct zs_text *s, char c)
{
	if (!s->len || s->p[0] != (uint8_t)c)
		return false;
	s->p++;
	s->len--;
	return true;
}

/* Takes `n` digits off the front of *s; a blank may stand for a leading zero where `blank` says so.
 */
static bool take_number(struct zs_text *s, size_t n, bool blank, int *out)
{
	int value = 0;

	if (s->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (blank && !i && s->p[i] == ' ')
			continue;
		if (!is_digit(s->p[i]))
			return false;
		value = value * 10 + (s->p[i] - '0');
	}
	s->p += n;
	s->len -= n;
	*out = value;
	return true;
}

/* Takes one of `count` words, of each its first `most` letters, off the front of *s. */
static bool take_word(struct zs_text *s, const char *const *words, int count, size_t most, int *out)
{
	for (int i = 0; i < count; i++) {
		size_t n = strnlen(words[i], most);

		if (s->len >= n && !memcmp(s->p, words[i], n)) {
			s->p += n;
			s->len -= n;
			*out = i;
			return true;
		}
	}
	return false;
}

/* Takes what a letter of strptime(3) stands for. */
static bool take_part(struct zs_text *s, char letter, struct date *d)
{
	switch (letter) {
	case 'a':
		return take_word(s, weekdays, 7, 3, &d->weekday);
	case 'A':
		return take_word(s, weekdays, 7, 9, &d->weekday);
	case 'b':
		return take_word(s, months, 12, 3, &d->month);
	case 'd':
		return take_number(s, 2, false, &d->day);
	case 'e':
		return take_number(s, 2, true, &d->day);
	case 'Y':
		return take_number(s, 4, false, &d->year);
	case 'y':
		return take_number(s, 2, false, &d->year);
	default: /* 'T' */
		return take_number(s, 2, false, &d->hour) && take_literal(s, ':') &&
		       take_number(s, 2, false, &d->minute) && take_literal(s, ':') &&
		       take_number(s, 2, false, &d->second);
	}
}

/* All of s; `form` is written as for strptime(3). */
static bool take_date(struct zs_text s, const char *form, struct date *d)
{
	for (; *form; form++) {
		if (*form == '%' ? !take_part(&s, *++form, d) : !take_literal(&s, *form))
			return false;
	}
	return !s.len;
}

/* Seconds since 1970 of a date that exists; a leap second counts as the next (RFC 9110 5.6.7). */
static int date_seconds(const struct date *d, int64_t *out)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
	bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;
	int length = before[d->month + 1] - before[d->month] + (leap && d->month == 1);
	int64_t year = d->year - 1, days;

	if (d->year < 1 || d->day < 1 || d->day > length)
		return -EINVAL;
	if (d->hour > 23 || d->minute > 59 || d->second > 60)
		return -EINVAL;
	days = year * 365 + year / 4 - year / 100 + year / 400 + before[d->month] +
	       (leap && d->month > 1) + d->day - 1; /* since Monday, 1 January of year 1 */
	if ((days + 1) % 7 != d->weekday)
		return -EINVAL;
	days -= 719162; /* since 1 January 1970 */
	*out = ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
	return 0;
}

int zs_http_date_parse(struct zs_text text, int64_t now, int64_t *out)
{
	struct date d;
	struct tm tm;
	time_t t = now;

	if (take_date(text, "%a, %d %b %Y %T GMT", &d) || take_date(text, "%a %b %e %T %Y", &d))
		return date_seconds(&d, out);
	if (!take_date(text, "%A, %d-%b-%y %T GMT", &d) || !gmtime_r(&t, &tm))
		return -EINVAL;
	d.year += (tm.tm_year + 1900) / 100 * 100;
	if (d.year >= tm.tm_year + 1900 + 50)
		d.year -= 100;
	return date_seconds(&d, out);
}

int zs_http_date_format(int64_t time, char out[ZS_HTTP_DATE_LEN + 1])
{
	time_t t = time;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999)
		return -EINVAL;
	snprintf(out, ZS_HTTP_DATE_LEN + 1, "%.3s, %02u %s %04u %02u:%02u:%02u GMT",
		 weekdays[tm.tm_wday], (unsigned int)tm.tm_mday % 100, months[tm.tm_mon],
		 (unsigned int)(tm.tm_year + 1900) % 10000, (unsigned int)tm.tm_hour % 100,
		 (unsigned int)tm.tm_min % 100, (unsigned int)tm.tm_sec % 100);
	return 0;
}
