// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the text of the configuration file to struct zs_config. libinih takes a line apart; this
 * file hands it the lines one by one, because the library tells neither where a value stands nor
 * that a section began.
 */
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_parse.h"
#include "fields.h"
#include "rules.h"

static struct zs_piece value_at(const struct zs_config_parser *p, const char *text, size_t len,
				size_t offset)
{
	return (struct zs_piece){text, len, p->line, (uint32_t)offset + 1, p->errors};
}

struct zs_piece zs_config_raw(const struct zs_config_parser *p, size_t offset, size_t len)
{
	return value_at(p, p->raw + offset, len, offset);
}

/* --- settings -------------------------------------------------------------------------------- */

static void key_unknown(struct zs_config_parser *p, const struct zs_piece *name)
{
	const char *names[ZS_CONFIG_KEYS + 1] = {0}, *nearest;
	const char *section = p->section == ZS_SECTION_RULE ? "a rule" : "[zeroserve]";
	size_t n = 0;

	for (int k = 0; k < ZS_CONFIG_KEYS; k++) {
		if (zs_config_key_infos[k].section == p->section)
			names[n++] = zs_config_key_infos[k].name;
		else if (zs_piece_is(name, zs_config_key_infos[k].name)) {
			zs_piece_error(name, "not a key of %s; move it to %s", section,
				       p->section == ZS_SECTION_RULE ? "[zeroserve]"
								     : "a [rule NAME]");
			return;
		}
	}
	nearest = zs_piece_nearest(name, names);
	if (nearest)
		zs_piece_error(name, "no such key in %s; did you mean %s?", section, nearest);
	else
		zs_piece_error(name, "no such key in %s; docs/config.md lists them", section);
}

static int key_find(enum zs_config_section section, const char *name)
{
	for (int k = 0; k < ZS_CONFIG_KEYS; k++)
		if (zs_config_key_infos[k].section == section &&
		    !strcmp(zs_config_key_infos[k].name, name))
			return k;
	return -1;
}

/* KEY = VALUE: which key, and may it stand here? Sets p->key if so. */
static void key_begin(struct zs_config_parser *p, const char *name)
{
	struct zs_piece at = zs_config_raw(p, 0, strlen(name));
	int k = key_find(p->section, name);

	zs_config_setting_end(p);
	p->broken = true;
	if (p->section == ZS_SECTION_NONE) {
		zs_piece_error(&at, "stands in no section; begin with [zeroserve] or [rule NAME]");
		return;
	}
	if (p->section == ZS_SECTION_UNKNOWN)
		return;
	if (k < 0) {
		key_unknown(p, &at);
		return;
	}
	if (p->given[k].line && !(zs_config_key_infos[k].flags & ZS_KEY_REPEAT)) {
		zs_piece_error(&at, "there already in this section, in line %u; remove one of them",
			       p->given[k].line);
		return;
	}
	if (!p->given[k].line)
		p->given[k] = (struct zs_config_place){p->line, 1};
	*(p->section == ZS_SECTION_RULE ? &p->rule.given : &p->config.given) |= 1u << k;
	p->taker.words = 0;
	p->taker.state = 0;
	p->key = k;
	p->broken = false;
}

static void value_take(struct zs_config_parser *p, struct zs_piece v)
{
	const struct zs_config_key_info *info = &zs_config_key_infos[p->key];
	int err;

	p->end = value_at(p, v.text + v.len, 0, strlen(p->raw));
	if (p->taker.more && !(info->flags & ZS_KEY_LIST)) {
		zs_config_error_add(p->errors, v.line, v.column,
				    "an indented line adds to the list above it, and %s takes no "
				    "list; begin a setting at the "
				    "line's start",
				    info->name);
		err = -EINVAL;
	} else if (!v.len) {
		err = zs_config_error_add(p->errors, v.line, v.column,
					  "no value; write one, or remove the line");
	} else {
		err = info->take(&p->taker, &v);
	}
	if (err) {
		p->key = -1;
		p->broken = true;
	}
	if (err == -ENOMEM)
		p->err = err;
}

/* The library's word on a line that was handed to it. It repeats the key's name for an indented
 * line, cut off. */
static int take(void *user, const char *section, const char *name, const char *value)
{
	struct zs_config_parser *p = user;
	size_t at = strspn(p->raw, " \t");

	(void)section; /* known already, and whole */
	p->handed = false;
	p->taker.more = at > 0;
	if (!p->taker.more) {
		key_begin(p, name);
		at = (size_t)(strchr(p->raw, '=') - p->raw) + 1;
		at += strspn(p->raw + at, " \t");
	}
	if (p->key >= 0 && !p->err)
		value_take(p, value_at(p, value, strlen(value), at));
	return 1;
}

/* --- lines ----------------------------------------------------------------------------------- */

/* The first byte that may stand nowhere: -1: none. */
static long control_find(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
			return (long)i;
	return -1;
}

/* Length without the comment and the blanks before it. */
static size_t content_len(const char *line, size_t len)
{
	bool blank = true;
	size_t end = 0;

	for (size_t i = 0; i < len; i++) {
		if (blank && (line[i] == ';' || line[i] == '#'))
			break;
		blank = line[i] == ' ' || line[i] == '\t';
		if (!blank)
			end = i + 1;
	}
	return end;
}

static void control_refuse(struct zs_config_parser *p, const char *line, long at)
{
	unsigned char c = (unsigned char)line[at];

	zs_config_error_add(p->errors, p->line, (uint32_t)at + 1, "%s; %s",
			    c == '\r' ? "a carriage return"
			    : c	      ? "a control character"
				      : "a NUL byte",
			    c == '\r' ? "save the file with the line ends of Unix" : "remove it");
}

/* A line that begins with a blank. */
static bool more_begin(struct zs_config_parser *p, size_t at)
{
	if (p->raw[at] == '[' || strchr(p->raw, '='))
		zs_config_error_add(p->errors, p->line, (uint32_t)at + 1,
				    "an indented line adds to the list above it; begin a setting "
				    "or a section at the "
				    "line's start");
	else if (p->key >= 0)
		return true;
	else if (!p->broken)
		zs_config_error_add(p->errors, p->line, (uint32_t)at + 1,
				    "an indented line adds to the list above it, and there is "
				    "none; write KEY = VALUE at the "
				    "line's start");
	return false;
}

static bool setting_begin(struct zs_config_parser *p)
{
	const char *equals = strchr(p->raw, '=');

	if (equals && !memchr(p->raw, ':', (size_t)(equals - p->raw)))
		return true;
	zs_config_setting_end(p);
	p->broken = true;
	zs_config_error_add(p->errors, p->line, 1, "not a setting; write KEY = VALUE");
	return false;
}

/* Sets p->raw, and does what can be done without the library. True: the library shall see it. */
static bool line_begin(struct zs_config_parser *p, const char *line, size_t len, size_t limit)
{
	long control = control_find(line, len);
	size_t keep = content_len(line, len);

	p->raw[0] = '\0';
	if (control >= 0 || keep > limit) {
		zs_config_setting_end(p);
		p->broken = true;
		if (control >= 0)
			control_refuse(p, line, control);
		else
			zs_config_error_add(
				p->errors, p->line, (uint32_t)limit + 1,
				"more than %zu bytes in a line; break a list into indented lines",
				limit);
		return false;
	}
	memcpy(p->raw, line, keep);
	p->raw[keep] = '\0';
	if (!keep)
		return false;
	if (p->raw[0] == '[') {
		zs_config_section_begin(p);
		return true;
	}
	keep = strspn(p->raw, " \t");
	p->handed = keep ? more_begin(p, keep) : setting_begin(p);
	return p->handed;
}

/* The library does not see a line only where it was built without indented lines. */
static void handed_check(struct zs_config_parser *p)
{
	if (p->handed)
		zs_config_error_add(p->errors, p->line, 1,
				    "libinih did not take this line: it was built without lists "
				    "over several lines; put the "
				    "list into one line");
	p->handed = false;
}

/* fgets() for libinih: one line at a time; an empty one for what it shall not see. */
static char *line_next(char *buffer, int size, void *stream)
{
	struct zs_config_parser *p = stream;
	const char *line = p->text + p->at, *end;
	size_t len, limit = size > 2 && size - 2 < ZS_CONFIG_LINE_MAX ? (size_t)size - 2
								      : ZS_CONFIG_LINE_MAX;

	handed_check(p);
	if (p->at == p->len || p->err || size <= 2)
		return NULL;
	end = memchr(line, '\n', p->len - p->at);
	len = end ? (size_t)(end - line) : p->len - p->at;
	p->at += len + (end != NULL);
	p->line++;
	if (line_begin(p, line, len, limit))
		snprintf(buffer, (size_t)size, "%s\n", p->raw);
	else
		strcpy(buffer, "\n");
	return buffer;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* The first rule with which the kernel's tables become too small. */
static int kernel_check(struct zs_config_parser *p)
{
	struct zs_config part = p->config;
	struct zs_scopes scopes = {0};
	int err = zs_rules_compile(&p->config, &scopes);

	zs_scopes_free(&scopes);
	if (err != -E2BIG && err != -ENOSPC)
		return err;
	for (part.rule_count = 1; part.rule_count < p->config.rule_count; part.rule_count++) {
		int with = zs_rules_compile(&part, &scopes);

		zs_scopes_free(&scopes);
		if (with)
			break;
	}
	return zs_config_error_add(
		p->errors, part.rules[part.rule_count - 1].line, 1,
		err == -E2BIG
			? "with this rule, hosts and prefixes of ignore-cookies, key-query and "
			  "authorization come to more than %u combinations; use fewer"
			: "with this rule, ignore-cookies, key-query and authorization come to "
			  "more than "
			  "%u combinations; use fewer",
		err == -E2BIG ? ZS_SCOPES : ZS_CLASSES);
}

static int by_place(const void *a, const void *b)
{
	const struct zs_config_error *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

static int parse(struct zs_config_parser *p)
{
	if (p->len >= 3 && !memcmp(p->text, "\xef\xbb\xbf", 3))
		p->at = 3; /* a byte order mark */
	ini_parse_stream(line_next, p, take, p);
	if (!p->err && p->at != p->len)
		p->err = -ENOMEM; /* the library gave up: it may allocate, depending on how it was
				     built */
	zs_config_section_end(p);
	if (!p->err && !p->errors->count)
		p->err = kernel_check(p);
	qsort(p->errors->list, p->errors->count, sizeof(p->errors->list[0]), by_place);
	if (!p->err && p->errors->count)
		p->err = -EINVAL;
	return p->err;
}

int zs_config_parse(const char *text, size_t len, struct zs_config *out,
		    struct zs_config_errors *errors)
{
	struct zs_config_parser *p = calloc(1, sizeof(*p));
	struct zs_tables *tables = malloc(sizeof(*tables));
	int err = -ENOMEM;

	errors->count = errors->more = 0;
	if (!p || !tables)
		goto out;
	p->text = text;
	p->len = len;
	p->key = -1;
	p->errors = errors;
	zs_config_defaults(&p->config);
	p->taker =
		(struct zs_config_taker){.config = &p->config, .rule = &p->rule, .tables = tables};
	err = zs_fields_build(tables);
	if (!err && len > ZS_CONFIG_TEXT_MAX)
		err = zs_config_error_add(errors, 0, 0, "larger than %u bytes; use fewer rules",
					  ZS_CONFIG_TEXT_MAX);
	if (!err)
		err = parse(p);
	if (err)
		zs_config_free(&p->config);
	else
		*out = p->config;
out:
	free(tables);
	free(p);
	return err;
}
