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

static __u8 byte_class(int c)
{
	switch (c) {
	case '\r': return ZS_C_CR;
	case '\n': return ZS_C_LF;
	case ' ':  return ZS_C_BLANK_SP;
	case '\t': return ZS_C_BLANK_HT;
	case ':':  return ZS_C_COLON;
	case '0':  return ZS_C_ZERO;
	case '%':  return ZS_C_PCT;
	case '#':  return ZS_C_HASH;
	case '\\': return ZS_C_BSL;
	default:   break;
	}
	if (c >= 0x80)
		return ZS_C_OBS;
	if (is_token(c))
		return ZS_C_TOKEN;
	return c > 0x20 && c < 0x7f ? ZS_C_VCHAR : ZS_C_BAD;
}

static void bytes_build(struct zs_tables *t)
{
	for (int c = 0; c < 256; c++) {
		__u8 b = byte_class(c);

		if (is_alpha(c) || is_digit(c) || (c && strchr("-._:[]", c)))
			b |= ZS_B_HOST;
		if (is_digit(c))
			b |= ZS_B_DIGIT;
		t->byte[c] = b;
	}
}

/* One row of the automaton: for each class in the set, the step. */
static void row(struct zs_tables *t, int state, unsigned int classes, __u8 step)
{
	for (int c = 0; c < ZS_CLASSES; c++)
		if (classes & (1u << c))
			t->step[state * ZS_CLASSES + c] = step;
}

static void steps_build(struct zs_tables *t)
{
	const unsigned int token = 1u << ZS_C_TOKEN | 1u << ZS_C_ZERO | 1u << ZS_C_PCT | 1u << ZS_C_HASH;
	const unsigned int visible = token | 1u << ZS_C_COLON | 1u << ZS_C_VCHAR | 1u << ZS_C_BSL;
	const unsigned int text = visible | 1u << ZS_C_OBS;
	const unsigned int odd = 1u << ZS_C_HASH | 1u << ZS_C_BSL;
	const unsigned int blank = 1u << ZS_C_BLANK_SP | 1u << ZS_C_BLANK_HT;
	const unsigned int sp = 1u << ZS_C_BLANK_SP, cr = 1u << ZS_C_CR, lf = 1u << ZS_C_LF;

	memset(t->step, ZS_S_BAD, sizeof(t->step));
	row(t, ZS_S_BEGIN, token, ZS_S_METHOD);
	row(t, ZS_S_METHOD, token, ZS_S_METHOD);
	row(t, ZS_S_METHOD, sp, ZS_S_TARGET0 | ZS_T_COLON);

	row(t, ZS_S_TARGET0, visible, ZS_S_TARGET | ZS_T_VALUE);
	row(t, ZS_S_TARGET0, odd, ZS_S_TARGET | ZS_T_VALUE | ZS_T_TARGET);
	row(t, ZS_S_TARGET0, 1u << ZS_C_PCT, ZS_S_PCT | ZS_T_VALUE);
	for (int s = ZS_S_TARGET; s <= ZS_S_PCT0; s++) {
		row(t, s, visible, ZS_S_TARGET);
		row(t, s, odd, ZS_S_TARGET | ZS_T_TARGET);
		row(t, s, 1u << ZS_C_PCT, ZS_S_PCT);
		row(t, s, sp, ZS_S_VERSION | ZS_T_END);
	}
	row(t, ZS_S_PCT, 1u << ZS_C_ZERO, ZS_S_PCT0);
	row(t, ZS_S_PCT0, 1u << ZS_C_ZERO, ZS_S_TARGET | ZS_T_TARGET);

	row(t, ZS_S_VERSION, visible, ZS_S_VERSION);
	row(t, ZS_S_VERSION, cr, ZS_S_LF);
	row(t, ZS_S_LF, lf, ZS_S_NAME0 | ZS_T_NEWLINE);

	row(t, ZS_S_NAME0, token, ZS_S_NAME);
	row(t, ZS_S_NAME0, cr, ZS_S_END_LF);
	row(t, ZS_S_NAME, token, ZS_S_NAME);
	row(t, ZS_S_NAME, 1u << ZS_C_COLON, ZS_S_VALUE0 | ZS_T_COLON);

	row(t, ZS_S_VALUE0, blank, ZS_S_VALUE0);
	row(t, ZS_S_VALUE0, text, ZS_S_VALUE | ZS_T_VALUE);
	row(t, ZS_S_VALUE0, cr, ZS_S_LF);
	row(t, ZS_S_VALUE, text, ZS_S_VALUE);
	row(t, ZS_S_VALUE, blank, ZS_S_BLANK | ZS_T_END);
	row(t, ZS_S_VALUE, cr, ZS_S_LF | ZS_T_END);
	row(t, ZS_S_BLANK, blank, ZS_S_BLANK);
	row(t, ZS_S_BLANK, text, ZS_S_VALUE);
	row(t, ZS_S_BLANK, cr, ZS_S_LF);
	row(t, ZS_S_END_LF, lf, ZS_S_DONE);
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
	steps_build(t);
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
