/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grammar that field values share (RFC 9110 5.5 and 5.6): tokens, quoted strings and lists over
 * bytes that somebody else owns. What a value means is its reader's question.
 */
#ifndef ZS_TEXT_H
#define ZS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes owned by somebody else; not terminated. */
struct zs_text {
	const uint8_t *p;
	size_t len;
};

static inline bool zs_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Equal but for the case of ASCII letters. `word` is in lower case, terminated. */
bool zs_text_is(struct zs_text text, const char *word);
bool zs_text_equal(struct zs_text a, struct zs_text b);

/* Whether zs_text_is() any of the words. */
bool zs_text_in(struct zs_text text, const char *const *words, size_t count);

/* Bytes of the token that text begins with (RFC 9110 5.6.2); 0: none. */
size_t zs_token_len(struct zs_text text);

/*
 * Takes the next member of a list off the front of *rest (RFC 9110 5.6.1), trimmed. Empty members
 * are skipped; a comma within a quoted string does not separate.
 *
 * 1: *member is set; 0: no more; -EBADMSG: a quoted string does not end, *rest is empty then.
 */
int zs_list_next(struct zs_text *rest, struct zs_text *member);

#define ZS_SECONDS_MAX (1ull << 31) /* RFC 9111 1.2.2: what is larger counts as this */

/* delta-seconds, 1*DIGIT (RFC 9111 1.2.2), all of text. False: it is none, *out is untouched. */
bool zs_delta_seconds(struct zs_text text, uint64_t *out);

/* Without the blanks and tabs around it. */
struct zs_text zs_text_trim(struct zs_text text);

/* Whether a field value may consist of it: HTAB, SP, VCHAR and obs-text (RFC 9110 5.5). */
bool zs_text_plain(struct zs_text text);

#endif
