// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Paths as Caddy compares them: decoded, cleaned, without regard to case. Here only paths that cleaning leaves as
 * they are count as known; of all others nothing is certain.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "eligible_walk.h"

static int hex(uint8_t c)
{
	if (zs_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes that mean the same however they are written: no escape is left, nothing beyond ASCII to fold. */
static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("/-._~!$&'()*+,;=:@ ", c));
}

/* path.Clean would take something away, or Caddy before 2.7: dots and blanks at the end. */
static bool is_odd(const char *path)
{
	size_t all = strlen(path);

	if (all && strchr(". ", path[all - 1]))
		return true;
	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		size_t len = strcspn(slash + 1, "/");

		if (!strncmp(slash, "//", 2) || (len == 1 && slash[1] == '.') ||
		    (len == 2 && slash[1] == '.' && slash[2] == '.'))
			return true;
	}
	return false;
}

bool zs_path_of(struct zs_text target, char out[ZS_TARGET_MAX + 1])
{
	bool plain = target.len && target.p[0] == '/' && target.len <= ZS_TARGET_MAX;
	size_t n = 0;

	for (size_t i = 0; i < target.len && target.p[i] != '?' && n < ZS_TARGET_MAX; i++) {
		int high = -1, low = -1;
		char c = (char)target.p[i];

		if (c == '%' && i + 2 < target.len) {
			high = hex(target.p[i + 1]);
			low = hex(target.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			c = (char)(high << 4 | low);
			i += 2;
			plain &= c != '/';
		}
		plain &= is_plain(c);
		out[n++] = c;
	}
	out[n] = '\0';
	return plain && !is_odd(out);
}

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && !strcasecmp(text + a - b, end);
}

/* `part` is not terminated. */
static bool contains(const char *text, const char *part, size_t len)
{
	for (; strlen(text) >= len; text++) {
		if (!strncasecmp(text, part, len))
			return true;
		if (!*text)
			break;
	}
	return false;
}

static enum zs_match said(bool yes)
{
	return yes ? ZS_MATCH_YES : ZS_MATCH_NO;
}

enum zs_match zs_path_match(const char *path, const char *pattern)
{
	size_t len = strlen(pattern), stars = 0;

	if (!strcmp(pattern, "*"))
		return ZS_MATCH_YES;
	for (size_t i = 0; i < len; i++) {
		stars += pattern[i] == '*';
		if (pattern[i] == '%' || (unsigned char)pattern[i] >= 0x80)
			return ZS_MATCH_EITHER; /* compared in its escaped form; folded as Unicode */
	}
	if (stars == 2 && pattern[0] == '*' && pattern[len - 1] == '*')
		return said(contains(path, pattern + 1, len - 2));
	if (stars == 1 && pattern[0] == '*')
		return said(ends_with(path, pattern + 1));
	if (stars == 1 && pattern[len - 1] == '*')
		return said(!strncasecmp(path, pattern, len - 1));
	if (stars || strpbrk(pattern, "?[\\"))
		return ZS_MATCH_EITHER; /* a glob */
	return said(!strcasecmp(path, pattern));
}

bool zs_path_strip(char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (prefix[0] != '/' || strchr(prefix, '%') || strstr(prefix, "//"))
		return false;
	for (const char *c = prefix; *c; c++)
		if (!is_plain(*c) || *c == '*')
			return false;
	if (strncasecmp(path, prefix, len))
		return true;
	if (path[len] != '/')
		return false; /* what is left is no path, and versions differ in what they make of it */
	memmove(path, path + len, strlen(path + len) + 1);
	return !is_odd(path);
}
