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

static void bytes_build(struct zs_tables *t)
{
	for (int c = 0; c < 256; c++) {
		int visible = c > 0x20 && c < 0x7f, blank = c == ' ' || c == '\t';

		t->byte[c] = (__u8)((is_token(c) ? ZS_B_TOKEN : 0) | (visible ? ZS_B_TARGET : 0) |
				    (c == '#' || c == '\\' ? ZS_B_ODD : 0) |
				    (visible || blank || c >= 0x80 ? ZS_B_VALUE : 0) |
				    (blank ? ZS_B_BLANK : 0) |
				    (is_alpha(c) || is_digit(c) || (c && strchr("-._:[]", c)) ? ZS_B_HOST : 0));
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
