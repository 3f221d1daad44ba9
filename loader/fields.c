// SPDX-License-Identifier: GPL-2.0-or-later
/* From the grammar of a request head (RFC 9112) and fields.def to the recogniser's tables. */
#include "fields.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char token_marks[] = "!#$%&'*+-.^_`|~";

static int is_alpha(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int is_token(int c)
{
	return is_alpha(c) || is_digit(c) || (c && strchr(token_marks, c));
}

static int is_hex(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int is_word(int c)
{
	return is_alpha(c) || is_digit(c) || c == '_' || c == '-';
}

static int among(int c, const char *set)
{
	return c && strchr(set, c);
}

static __u8 marks_of(int c)
{
	int octet = c > 0x20 && c < 0x7f && !among(c, "\",;\\");

	return (__u8)((is_word(c) ? ZS_M_NAME : 0) | (is_word(c) || among(c, ".~+,:/@!*|%") ? ZS_M_VALUE : 0) |
		      (is_word(c) || among(c, ".~!$&'()*+,=:@/%") ? ZS_M_PATH : 0) |
		      (among(c, ";?") ? ZS_M_CUT : 0) | (octet ? ZS_M_OCTET : 0) |
		      (is_word(c) || c == '.' ? ZS_M_COOKIE : 0) |
		      (is_hex(c) && (is_alpha(c) || c >= '8') ? ZS_M_HIGH : 0) | (is_hex(c) ? ZS_M_HEX : 0));
}

static void bytes_build(struct zs_tables *t)
{
	for (int c = 0; c < 256; c++) {
		int visible = c > 0x20 && c < 0x7f, blank = c == ' ' || c == '\t';

		t->byte[c] = (__u8)((is_token(c) ? ZS_B_TOKEN : 0) | (visible ? ZS_B_TARGET : 0) |
				    (c == '#' || c == '\\' ? ZS_B_ODD : 0) |
				    (visible || blank || c >= 0x80 ? ZS_B_VALUE : 0) |
				    (blank ? ZS_B_BLANK : 0) |
				    (is_alpha(c) || is_digit(c) || (c && strchr("-._:[]", c)) ? ZS_B_HOST : 0) |
				    (among(c, ",;") ? ZS_B_COMMA : 0) | (c >= 'A' && c <= 'Z' ? ZS_B_UPPER : 0));
		t->mark[c] = marks_of(c);
	}
}

/* The grammar of a list of entity-tags (RFC 9110 8.8.3, 5.6.1), for condition.h. */
static void etags_build(struct zs_tables *t)
{
	enum kind { QUOTE, LETTER_W, SLASH, BLANK, COMMA, OTHER, NEVER, KINDS };
	static const __u8 next[][KINDS] = {
		[ZS_ETAG_BEFORE] = {[QUOTE] = ZS_ETAG_INSIDE | ZS_ETAG_TAG, [LETTER_W] = ZS_ETAG_WEAK,
				    [BLANK] = ZS_ETAG_BEFORE, [COMMA] = ZS_ETAG_BEFORE, [SLASH] = ZS_ETAG_BAD,
				    [OTHER] = ZS_ETAG_BAD, [NEVER] = ZS_ETAG_BAD},
		[ZS_ETAG_WEAK] = {ZS_ETAG_BAD, ZS_ETAG_BAD, ZS_ETAG_OPEN, ZS_ETAG_BAD, ZS_ETAG_BAD, ZS_ETAG_BAD,
				  ZS_ETAG_BAD},
		[ZS_ETAG_OPEN] = {ZS_ETAG_INSIDE | ZS_ETAG_TAG, ZS_ETAG_BAD, ZS_ETAG_BAD, ZS_ETAG_BAD,
				  ZS_ETAG_BAD, ZS_ETAG_BAD, ZS_ETAG_BAD},
		[ZS_ETAG_INSIDE] = {[QUOTE] = ZS_ETAG_CLOSED | ZS_ETAG_TAG,
				    [LETTER_W] = ZS_ETAG_INSIDE | ZS_ETAG_TAG,
				    [SLASH] = ZS_ETAG_INSIDE | ZS_ETAG_TAG, [BLANK] = ZS_ETAG_BAD,
				    [COMMA] = ZS_ETAG_INSIDE | ZS_ETAG_TAG,
				    [OTHER] = ZS_ETAG_INSIDE | ZS_ETAG_TAG, [NEVER] = ZS_ETAG_BAD},
		[ZS_ETAG_CLOSED] = {[QUOTE] = ZS_ETAG_BAD, [LETTER_W] = ZS_ETAG_BAD, [SLASH] = ZS_ETAG_BAD,
				    [BLANK] = ZS_ETAG_CLOSED, [COMMA] = ZS_ETAG_BEFORE, [OTHER] = ZS_ETAG_BAD,
				    [NEVER] = ZS_ETAG_BAD},
	};

	memset(t->etag, ZS_ETAG_BAD, sizeof(t->etag));
	for (size_t step = 0; step < sizeof(next) / sizeof(next[0]); step++)
		memcpy(t->etag + 8 * step, next[step], KINDS);
	memset(t->etag_byte, OTHER, sizeof(t->etag_byte));
	memset(t->etag_byte, NEVER, ' ');
	t->etag_byte[0x7f] = NEVER;
	t->etag_byte['"'] = QUOTE;
	t->etag_byte['W'] = LETTER_W;
	t->etag_byte['/'] = SLASH;
	t->etag_byte[' '] = t->etag_byte['\t'] = BLANK;
	t->etag_byte[','] = COMMA;
}

/* A name in the form in which the recogniser compares it. */
static int name_words(const char *name, __u64 *word, size_t *len)
{
	__u8 text[8 * ZS_NAME_WORDS] = {0};

	*len = strlen(name);
	if (*len < 1 || *len > sizeof(text))
		return -EINVAL;
	for (size_t i = 0; i < *len; i++) {
		if (!is_token((unsigned char)name[i]))
			return -EINVAL;
		text[i] = (__u8)name[i];
	}
	for (int k = 0; k < ZS_NAME_WORDS; k++)
		word[k] = zs_lower8(zs_load64(text + 8 * k));
	return 0;
}

static int name_add(struct zs_tables *t, const char *name, enum zs_slot slot, unsigned int flags)
{
	__u64 word[ZS_NAME_WORDS];
	size_t len;
	int err = name_words(name, word, &len);

	if (err)
		return err;
	for (unsigned int p = 0; p < ZS_NAME_PROBES; p++) {
		struct zs_name *e =
			&t->name[(zs_name_hash(word, (__u32)len) + p) & (ZS_NAME_SLOTS - 1)];

		if (!e->len) {
			memcpy(e->word, word, sizeof(e->word));
			e->len = (__u32)len;
			e->slot = (__u16)slot;
			e->flags = (__u16)flags;
			return 0;
		}
		if (e->len == len && !memcmp(e->word, word, sizeof(e->word)))
			return e->flags == flags && e->slot == slot ? 0 : -EEXIST;
	}
	return -ENOSPC;
}

static const struct {
	const char *name;
	enum zs_slot slot;
	unsigned int flags;
} known[] = {
#define ZS_FIELD(text, slot, effect) {text, ZS_SLOT_##slot, ZS_EFFECT_##effect},
#include <zs/fields.def>
#undef ZS_FIELD
};

int zs_fields_build(struct zs_tables *t)
{
	memset(t, 0, sizeof(*t));
	bytes_build(t);
	etags_build(t);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		int err = name_add(t, known[i].name, known[i].slot, known[i].flags);

		if (err)
			return err;
	}
	return 0;
}

int zs_fields_add(struct zs_tables *t, const char *name)
{
	return name_add(t, name, ZS_SLOT_NONE, ZS_EFFECT_INERT);
}

/* The entry of a name, or null. */
static struct zs_name *name_find(struct zs_tables *t, const __u64 *word, size_t len)
{
	for (unsigned int p = 0; p < ZS_NAME_PROBES; p++) {
		struct zs_name *e =
			&t->name[(zs_name_hash(word, (__u32)len) + p) & (ZS_NAME_SLOTS - 1)];

		if (e->len == len && !memcmp(e->word, word, sizeof(e->word)))
			return e;
	}
	return NULL;
}

static int name_is(const __u64 *word, const char *name)
{
	__u64 other[ZS_NAME_WORDS];
	size_t len;

	return !name_words(name, other, &len) && !memcmp(other, word, sizeof(other));
}

static int name_begins(const __u64 *word, const char *with)
{
	return !memcmp(word, with, strlen(with));
}

/* Fields for which requests are passed on only because responses depend on their value. */
static int may_vary(const struct zs_name *e)
{
	static const char *const names[] = {"origin",	  "x-requested-with", "x-pjax",
					    "hx-request", "turbo-frame",      "rsc"};

	if (e->slot != ZS_SLOT_NONE || (e->flags && e->flags != ZS_REQ_BYPASS))
		return 0;
	for (size_t i = 0; e->flags && i < sizeof(names) / sizeof(names[0]); i++)
		if (name_is(e->word, names[i]))
			return 1;
	return !e->flags;
}

int zs_fields_vary(struct zs_tables *t, const char *name, unsigned int n)
{
	static const char *const folded[] = {"accept", "accept-language", "accept-charset"};
	__u64 word[ZS_NAME_WORDS];
	struct zs_name *e;
	size_t len;
	int err = name_words(name, word, &len);

	if (err || n >= ZS_VARY_FIELDS || name_begins(word, "proxy-") || name_begins(word, "if-"))
		return -EINVAL;
	e = name_find(t, word, len);
	if (e && e->slot >= ZS_SLOT_V0 && e->slot <= ZS_SLOT_V3)
		return -EEXIST;
	if (e && !may_vary(e))
		return -EINVAL;
	if (!e)
		err = name_add(t, name, (enum zs_slot)(ZS_SLOT_V0 + n), ZS_EFFECT_KEYED);
	if (err)
		return err;
	if (e) {
		e->slot = (__u16)(ZS_SLOT_V0 + n);
		e->flags = ZS_EFFECT_KEYED;
	}
	for (size_t i = 0; i < sizeof(folded) / sizeof(folded[0]); i++)
		if (name_is(word, folded[i]))
			t->vary_fold |= 1u << n;
	return 0;
}
