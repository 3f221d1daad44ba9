// SPDX-License-Identifier: GPL-2.0-or-later
/* Tokens, lists and numbers of seconds within field values. */
#include "text.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

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

bool zs_text_in(struct zs_text text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (zs_text_is(text, words[i]))
			return true;
	}
	return false;
}

/* RFC 9110 5.6.2 */
static bool is_tchar(uint8_t c)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	return zs_is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
	       memchr(marks, c, sizeof(marks) - 1);
}

bool zs_text_plain(struct zs_text text)
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

bool zs_delta_seconds(struct zs_text text, uint64_t *out)
{
	uint64_t n = 0;

	if (!text.len)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!zs_is_digit(text.p[i]))
			return false;
		n = n * 10 + (text.p[i] - '0');
		if (n > ZS_SECONDS_MAX)
			n = ZS_SECONDS_MAX;
	}
	*out = n;
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct zs_text zs_text_trim(struct zs_text text)
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
		found = zs_text_trim((struct zs_text){rest->p, (size_t)end});
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
