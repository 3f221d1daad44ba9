/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of the parser, shared between lines (config_parse.c) and sections (config_section.c).
 */
#ifndef ZS_CONFIG_PARSE_H
#define ZS_CONFIG_PARSE_H

#include "config_key.h"

struct zs_config_place {
	uint32_t line;
	uint32_t column;
};

struct zs_config_parser {
	/* the text */
	const char *text;
	size_t len;
	size_t at;
	uint32_t line;
	char raw[ZS_CONFIG_LINE_MAX + 1]; /* the line without comment and line end */
	bool handed; /* it is a setting or more of one, and the library has not come back with it */
	/* the section */
	enum zs_config_section section;
	struct zs_rule rule;
	bool keep;		      /* the rule: its name is right and there is room */
	struct zs_config_place begun; /* where it begins */
	struct zs_config_place given[ZS_CONFIG_KEYS]; /* where it names a key; line 0: not */
	uint32_t global_line;			      /* of [zeroserve]; 0: not yet */
	/* the setting that indented lines add to */
	int key;     /* enum zs_config_key; -1: none */
	bool broken; /* there was an error in it: what is indented below belongs to it, and is
			skipped */
	struct zs_piece end; /* empty, at the end of its last line */
	struct zs_config_taker taker;
	struct zs_config config;
	uint32_t room; /* for rules */
	struct zs_config_errors *errors;
	int err; /* -ENOMEM */
};

/* A part of the line that p->raw holds. */
struct zs_piece zs_config_raw(const struct zs_config_parser *p, size_t offset, size_t len);

/* Ends the setting, or the section and what is open in it; the end of the text ends a section too.
 */
void zs_config_setting_end(struct zs_config_parser *p);
void zs_config_section_end(struct zs_config_parser *p);

/* p->raw is the head of a section: ends the one before it. */
void zs_config_section_begin(struct zs_config_parser *p);

#endif
