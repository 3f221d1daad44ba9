// SPDX-License-Identifier: GPL-2.0-or-later
/* From words of the configuration file to values, with an error at the word's place. */
#include "config_piece.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int error_addv(struct zs_config_errors *errors, uint32_t line, uint32_t column,
		      const char *lead, const char *format, va_list args)
{
	struct zs_config_error *e = &errors->list[errors->count];
	size_t n = strlen(lead);

	if (errors->count == ZS_CONFIG_ERRORS) {
		errors->more++;
		return -EINVAL;
	}
	errors->count++;
	e->line = line;
	e->column = column;
	memcpy(e->text, lead, n + 1);
	vsnprintf(e->text + n, sizeof(e->text) - n, format, args);
	return -EINVAL;
}

int zs_config_error_add(struct zs_config_errors *errors, uint32_t line, uint32_t column,
			const char *format, ...)
{
	va_list args;
	int err;

	va_start(args, format);
	err = error_addv(errors, line, column, "", format, args);
	va_end(args);
	return err;
}

/* What the file says goes to a terminal: printable ASCII only, and not much of it. */
#define QUOTE_MAX 40
static void quote(const struct zs_piece *v, char out[4 * QUOTE_MAX + 8])
{
	size_t n = v->len < QUOTE_MAX ? v->len : QUOTE_MAX;

	out += sprintf(out, "'");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)v->text[i];

		out += sprintf(out, c < 0x20 || c >= 0x7f ? "\\x%02x" : "%c", c);
	}
	sprintf(out, "%s': ", n < v->len ? "..." : "");
}

int zs_piece_error(const struct zs_piece *v, const char *format, ...)
{
	char lead[4 * QUOTE_MAX + 8];
	va_list args;
	int err;

	quote(v, lead);
	va_start(args, format);
	err = error_addv(v->errors, v->line, v->column, lead, format, args);
	va_end(args);
	return err;
}

static struct zs_piece part(const struct zs_piece *v, size_t at, size_t len)
{
	struct zs_piece out = *v;

	out.text += at;
	out.column += (uint32_t)at;
	out.len = len;
	return out;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool zs_piece_next(struct zs_piece *rest, const char *separators, struct zs_piece *word)
{
	size_t start = 0, end;

	while (start < rest->len &&
	       (is_blank(rest->text[start]) || strchr(separators, rest->text[start])))
		start++;
	for (end = start; end < rest->len; end++)
		if (is_blank(rest->text[end]) || strchr(separators, rest->text[end]))
			break;
	*word = part(rest, start, end - start);
	*rest = part(rest, end, rest->len - end);
	return word->len > 0;
}

int zs_piece_only(struct zs_piece *v, struct zs_piece *word)
{
	struct zs_piece second;

	zs_piece_next(v, "", word);
	if (zs_piece_next(v, "", &second))
		return zs_piece_error(&second, "one word too many; remove it");
	return 0;
}

bool zs_piece_is(const struct zs_piece *v, const char *text)
{
	return v->len == strlen(text) && !memcmp(v->text, text, v->len);
}

int zs_piece_check(const struct zs_piece *v, const char *allowed, const char *noun)
{
	for (size_t i = 0; i < v->len; i++) {
		struct zs_piece at = part(v, i, 1);

		if (!v->text[i] || !strchr(allowed, v->text[i]))
			return zs_piece_error(&at, "must not stand in %s; write it without", noun);
	}
	return 0;
}

/* Digits, then what is behind them in *unit. */
static int digits(const struct zs_piece *v, uint64_t *out, struct zs_piece *unit)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < v->len && is_digit(v->text[i]); i++) {
		unsigned int d = (unsigned int)(v->text[i] - '0');

		if (value > (UINT64_MAX - d) / 10)
			return -ERANGE;
		value = value * 10 + d;
	}
	*out = value;
	*unit = part(v, i, v->len - i);
	return i ? 0 : -EINVAL;
}

/* A number, then one of `units` ("" for none), which stands for that many of the `scale`. */
static int scaled(const struct zs_piece *v, const char *units, const uint64_t *scale,
		  uint64_t least, uint64_t most, uint64_t *out)
{
	struct zs_piece unit;
	const char *found = NULL;
	uint64_t value;

	if (digits(v, &value, &unit) || unit.len > 1)
		return -EINVAL;
	if (unit.len) {
		found = unit.text[0] ? strchr(units, unit.text[0]) : NULL;
		if (!found)
			return -EINVAL;
		if (value > UINT64_MAX / scale[found - units])
			return -EINVAL;
		value *= scale[found - units];
	}
	if (value < least || value > most)
		return -EINVAL;
	*out = value;
	return 0;
}

int zs_piece_number(const struct zs_piece *v, uint64_t least, uint64_t most, uint64_t *out)
{
	if (!scaled(v, "", NULL, least, most, out))
		return 0;
	return zs_piece_error(v, "not what is expected here; write a number from %llu to %llu",
			      (unsigned long long)least, (unsigned long long)most);
}

/* The largest unit in which a limit is a whole number, for the sentence that names it. */
static const char *in_units(uint64_t value, const char *units, const uint64_t *scale, char out[32])
{
	char unit[2] = "";

	for (size_t i = 0; units[i]; i++)
		if (value && value % scale[i] == 0)
			unit[0] = units[i];
	snprintf(out, 32, "%llu%s",
		 (unsigned long long)(unit[0] ? value / scale[strchr(units, unit[0]) - units]
					      : value),
		 unit);
	return out;
}

int zs_piece_size(const struct zs_piece *v, uint64_t least, uint64_t most, uint64_t *out)
{
	static const uint64_t scale[] = {1024, 1024, 1 << 20, 1 << 20, 1 << 30, 1 << 30};
	static const char units[] = "kKmMgG";
	char from[32], to[32];

	if (!scaled(v, units, scale, least, most, out))
		return 0;
	return zs_piece_error(v, "not a size from %s to %s; write bytes, or a number and K, M or G",
			      in_units(least, units, scale, from),
			      in_units(most, units, scale, to));
}

int zs_piece_duration(const struct zs_piece *v, uint64_t least, uint64_t most, uint64_t *out)
{
	static const uint64_t scale[] = {1, 60, 3600, 86400};
	static const char units[] = "smhd";
	char from[32], to[32];

	if (!scaled(v, units, scale, least, most, out))
		return 0;
	return zs_piece_error(
		v, "not a duration from %s to %s; write seconds, or a number and s, m, h or d",
		in_units(least, units, scale, from), in_units(most, units, scale, to));
}

int zs_piece_yes(const struct zs_piece *v, bool *out)
{
	if (!zs_piece_is(v, "yes") && !zs_piece_is(v, "no"))
		return zs_piece_error(v, "neither yes nor no; write one of them");
	*out = v->len == 3;
	return 0;
}

int zs_piece_string(const struct zs_piece *v, char *out, size_t size)
{
	if (v->len >= size)
		return zs_piece_error(v, "longer than %zu bytes; write a shorter one", size - 1);
	memcpy(out, v->text, v->len);
	out[v->len] = '\0';
	return 0;
}

/* --- patterns -------------------------------------------------------------------------------- */

int zs_piece_pattern(const struct zs_piece *v, const char *allowed, const char *noun,
		     struct zs_pattern *out)
{
	bool prefix = v->len && v->text[v->len - 1] == '*';
	struct zs_piece name = part(v, 0, v->len - prefix);
	struct zs_pattern p = {.prefix = prefix};

	if (!name.len)
		return zs_piece_error(
			v, "stands for every name; write what the names begin with before the *");
	if (name.len > sizeof(p.text))
		return zs_piece_error(v,
				      "%s longer than %zu bytes; write what it begins with and a *",
				      noun, sizeof(p.text));
	if (memchr(name.text, '*', name.len))
		return zs_piece_error(v, "a * may stand at the end alone; write what the names "
					 "begin with before it");
	if (zs_piece_check(&name, allowed, noun))
		return -EINVAL;
	memcpy(p.text, name.text, name.len);
	p.len = (uint32_t)name.len;
	*out = p;
	return 0;
}

int zs_piece_pattern_add(const struct zs_piece *v, const struct zs_pattern *add,
			 struct zs_pattern *list, uint32_t *count, uint32_t most)
{
	uint32_t at = 0;

	while (at < *count && memcmp(&list[at], add, sizeof(*add)) < 0)
		at++;
	if (at < *count && !memcmp(&list[at], add, sizeof(*add)))
		return zs_piece_error(v, "there already; remove one of them");
	if (*count == most)
		return zs_piece_error(v, "more than %u names; let a * stand for several", most);
	memmove(&list[at + 1], &list[at], (*count - at) * sizeof(*list));
	list[at] = *add;
	++*count;
	return 0;
}

/* --- what was meant -------------------------------------------------------------------------- */

#define NAME_MAX_LEN 32

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c == '_' ? '-' : c;
}

/* Letters to add, remove, change or swap with their neighbour to get from one word to the other. */
static unsigned int distance(const struct zs_piece *v, const char *name)
{
	unsigned int row[3][NAME_MAX_LEN + 1];
	size_t n = strlen(name);

	if (v->len > NAME_MAX_LEN || n > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= n; j++)
		row[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= v->len; i++) {
		unsigned int *now = row[i % 3], *above = row[(i + 2) % 3],
			     *before = row[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= n; j++) {
			char c = lower(v->text[i - 1]);
			unsigned int best = above[j - 1] + (c != name[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && c == name[j - 2] &&
			    lower(v->text[i - 2]) == name[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[v->len % 3][n];
}

const char *zs_piece_nearest(const struct zs_piece *v, const char *const *names)
{
	const char *nearest = NULL;
	unsigned int least = 4;

	for (; *names; names++) {
		unsigned int d = distance(v, *names);

		if (d < least && d < strlen(*names)) {
			least = d;
			nearest = *names;
		}
	}
	return nearest;
}
