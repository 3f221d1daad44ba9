// SPDX-License-Identifier: GPL-2.0-or-later
/* RFC 9651 4.2, step by step; every reader takes what it read off the front of *s. */
#include "structured.h"

#include <errno.h>
#include <string.h>

#define INTEGER_DIGITS	15u
#define DECIMAL_DIGITS	12u /* before the point */
#define FRACTION_DIGITS 3u

static bool next_is(const struct zs_text *s, char c)
{
	return s->len && s->p[0] == (uint8_t)c;
}

static bool next_in(const struct zs_text *s, const char *set)
{
	return s->len && s->p[0] && strchr(set, s->p[0]);
}

static bool next_alpha(const struct zs_text *s)
{
	return s->len && (s->p[0] | 0x20) >= 'a' && (s->p[0] | 0x20) <= 'z';
}

static bool next_lower(const struct zs_text *s)
{
	return s->len && s->p[0] >= 'a' && s->p[0] <= 'z';
}

static bool next_digit(const struct zs_text *s)
{
	return s->len && zs_is_digit(s->p[0]);
}

static void skip(struct zs_text *s)
{
	s->p++;
	s->len--;
}

static bool take(struct zs_text *s, char c)
{
	bool is = next_is(s, c);

	if (is)
		skip(s);
	return is;
}

static void skip_all(struct zs_text *s, const char *set)
{
	while (next_in(s, set))
		skip(s);
}

/* 4.2.3.3 */
static bool key_take(struct zs_text *s, struct zs_text *key)
{
	*key = *s;
	if (!next_lower(s) && !next_is(s, '*'))
		return false;
	while (next_lower(s) || next_digit(s) || next_in(s, "_-.*"))
		skip(s);
	key->len -= s->len;
	return true;
}

static unsigned int digits_take(struct zs_text *s, int64_t *value)
{
	unsigned int count = 0;

	for (*value = 0; next_digit(s) && count <= INTEGER_DIGITS; count++, skip(s))
		*value = *value * 10 + (s->p[0] - '0');
	return count;
}

/* 4.2.4 */
static bool number_take(struct zs_text *s, struct zs_sf_member *m)
{
	bool negative = take(s, '-');
	unsigned int count = digits_take(s, &m->integer), fraction;
	int64_t ignored;

	m->type = ZS_SF_INTEGER;
	if (!count || count > INTEGER_DIGITS)
		return false;
	if (negative)
		m->integer = -m->integer;
	if (!take(s, '.'))
		return true;
	m->type = ZS_SF_OTHER;
	fraction = digits_take(s, &ignored);
	return count <= DECIMAL_DIGITS && fraction && fraction <= FRACTION_DIGITS;
}

/* 4.2.5 */
static bool string_take(struct zs_text *s)
{
	skip(s);
	while (s->len && !next_is(s, '"')) {
		if (s->p[0] < 0x20 || s->p[0] > 0x7e)
			return false;
		if (take(s, '\\') && !next_in(s, "\"\\"))
			return false;
		skip(s);
	}
	return take(s, '"');
}

/* 4.2.6 */
static void token_take(struct zs_text *s)
{
	skip(s);
	while (zs_token_len((struct zs_text){s->p, s->len ? 1 : 0}) || next_in(s, ":/"))
		skip(s);
}

/* 4.2.7 */
static bool bytes_take(struct zs_text *s)
{
	skip(s);
	while (next_alpha(s) || next_digit(s) || next_in(s, "+/="))
		skip(s);
	return take(s, ':');
}

/* 4.2.8 */
static bool boolean_take(struct zs_text *s, struct zs_sf_member *m)
{
	skip(s);
	m->type = next_is(s, '1') ? ZS_SF_TRUE : ZS_SF_OTHER;
	return take(s, '0') || take(s, '1');
}

/* 4.2.9 */
static bool date_take(struct zs_text *s)
{
	struct zs_sf_member number;

	skip(s);
	return number_take(s, &number) && number.type == ZS_SF_INTEGER;
}

/* How far a UTF-8 sequence is (RFC 3629 4): what its next byte may be. */
struct utf8 {
	unsigned int left;
	uint8_t low;
	uint8_t high;
};

static bool utf8_feed(struct utf8 *u, uint8_t byte)
{
	if (u->left) {
		bool ok = byte >= u->low && byte <= u->high;

		*u = (struct utf8){u->left - 1, 0x80, 0xbf};
		return ok;
	}
	u->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	u->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	u->left = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	return byte < 0x80 || (byte >= 0xc2 && byte <= 0xf4);
}

static bool hex_take(struct zs_text *s, uint8_t *byte)
{
	static const char digits[] = "0123456789abcdef";

	*byte = 0;
	for (int i = 0; i < 2; i++) {
		if (!next_in(s, digits))
			return false;
		*byte = (uint8_t)(*byte << 4 | (strchr(digits, s->p[0]) - digits));
		skip(s);
	}
	return true;
}

/* 4.2.10 */
static bool display_take(struct zs_text *s)
{
	struct utf8 u = {0};

	skip(s);
	if (!take(s, '"'))
		return false;
	while (s->len && !next_is(s, '"')) {
		uint8_t byte = s->p[0];

		if (byte < 0x20 || byte > 0x7e)
			return false;
		skip(s);
		if (byte == '%' && !hex_take(s, &byte))
			return false;
		if (!utf8_feed(&u, byte))
			return false;
	}
	return take(s, '"') && !u.left;
}

/* 4.2.3.1 */
static bool bare_item_take(struct zs_text *s, struct zs_sf_member *m)
{
	m->type = ZS_SF_OTHER;
	if (next_digit(s) || next_is(s, '-'))
		return number_take(s, m);
	if (next_is(s, '"'))
		return string_take(s);
	if (next_is(s, ':'))
		return bytes_take(s);
	if (next_is(s, '?'))
		return boolean_take(s, m);
	if (next_is(s, '@'))
		return date_take(s);
	if (next_is(s, '%'))
		return display_take(s);
	if (!next_alpha(s) && !next_is(s, '*'))
		return false;
	token_take(s);
	return true;
}

/* 4.2.3.2 */
static bool parameters_take(struct zs_text *s)
{
	struct zs_sf_member ignored;
	struct zs_text key;

	while (take(s, ';')) {
		skip_all(s, " ");
		if (!key_take(s, &key) || (take(s, '=') && !bare_item_take(s, &ignored)))
			return false;
	}
	return true;
}

/* 4.2.1.2, behind its parenthesis */
static bool inner_list_take(struct zs_text *s)
{
	struct zs_sf_member ignored;

	for (;;) {
		skip_all(s, " ");
		if (take(s, ')'))
			return true;
		if (!bare_item_take(s, &ignored) || !parameters_take(s) || !next_in(s, " )"))
			return false;
	}
}

static bool member_take(struct zs_text *s, struct zs_sf_member *m)
{
	m->type = ZS_SF_TRUE;
	if (!key_take(s, &m->key))
		return false;
	if (take(s, '=')) {
		if (take(s, '(')) {
			m->type = ZS_SF_OTHER;
			if (!inner_list_take(s))
				return false;
		} else if (!bare_item_take(s, m)) {
			return false;
		}
	}
	return parameters_take(s);
}

/* What may follow a member: the end, or a comma and another one. */
static bool separator_take(struct zs_text *s)
{
	skip_all(s, " \t");
	if (!s->len)
		return true;
	if (!take(s, ','))
		return false;
	skip_all(s, " \t");
	return s->len;
}

int zs_sf_dictionary_next(struct zs_text *rest, struct zs_sf_member *member)
{
	struct zs_sf_member found;

	if (!rest->len)
		return 0;
	if (!member_take(rest, &found) || !separator_take(rest))
		return -EBADMSG;
	*member = found;
	return 1;
}
