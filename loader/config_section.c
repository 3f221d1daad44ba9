// SPDX-License-Identifier: GPL-2.0-or-later
/* Sections of the configuration file: how they begin, and what must be true when they end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_parse.h"

void zs_config_setting_end(struct zs_config_parser *p)
{
	if (p->key >= 0)
		zs_config_key_finish(&p->taker, (enum zs_config_key)p->key, &p->end);
	p->key = -1;
	p->broken = false;
}

/* The condition that keeps a rule's settings from being known before there is a response; null:
 * none. */
static const char *late_condition(const struct zs_rule *r)
{
	static const enum zs_config_key late[] = {ZS_CONFIG_RULE_ORIGIN, ZS_CONFIG_SUFFIX,
						  ZS_CONFIG_STATUS};

	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		if (r->given & 1u << late[i])
			return zs_config_key_infos[late[i]].name;
	return NULL;
}

static void rule_check(struct zs_config_parser *p)
{
	const char *late = late_condition(&p->rule);
	bool sets = false;

	for (int k = 0; k < ZS_CONFIG_KEYS; k++) {
		const struct zs_config_key_info *info = &zs_config_key_infos[k];

		if (!p->given[k].line)
			continue;
		sets |= !(info->flags & ZS_KEY_CONDITION);
		if (late && info->flags & ZS_KEY_EARLY)
			zs_config_error_add(p->errors, p->given[k].line, p->given[k].column,
					    "%s decides before there is a response, by host and "
					    "prefix alone, and this rule "
					    "has %s; move it to a rule without",
					    info->name, late);
	}
	if (!sets && p->keep)
		zs_config_error_add(p->errors, p->begun.line, p->begun.column,
				    "rule %s sets nothing; give it a setting, or remove it",
				    p->rule.name);
}

static void rule_keep(struct zs_config_parser *p)
{
	struct zs_config *c = &p->config;

	if (c->rule_count == p->room) {
		uint32_t room = p->room ? 2 * p->room : 8;
		struct zs_rule *rules = realloc(c->rules, room * sizeof(*rules));

		if (!rules) {
			p->err = -ENOMEM;
			return;
		}
		c->rules = rules;
		p->room = room;
	}
	c->rules[c->rule_count++] = p->rule;
}

void zs_config_section_end(struct zs_config_parser *p)
{
	zs_config_setting_end(p);
	if (p->section == ZS_SECTION_RULE) {
		rule_check(p);
		if (p->keep)
			rule_keep(p);
	}
	p->section = ZS_SECTION_UNKNOWN;
	memset(p->given, 0, sizeof(p->given));
	memset(&p->rule, 0, sizeof(p->rule));
}

static void rule_begin(struct zs_config_parser *p, struct zs_piece *rest)
{
	struct zs_piece name, second;

	p->section = ZS_SECTION_RULE;
	p->keep = false;
	if (!zs_piece_next(rest, "", &name)) {
		zs_piece_error(&name, "a rule without a name; write [rule NAME]");
		return;
	}
	if (zs_piece_next(rest, "", &second)) {
		zs_piece_error(&second, "one word too many; write [rule NAME]");
		return;
	}
	if (zs_piece_check(&name, ZS_PIECE_ALNUM "-._", "the name of a rule") ||
	    zs_piece_string(&name, p->rule.name, sizeof(p->rule.name)))
		return;
	for (uint32_t i = 0; i < p->config.rule_count; i++) {
		if (!strcmp(p->config.rules[i].name, p->rule.name)) {
			zs_piece_error(&name,
				       "the rule of line %u has that name too; give it another",
				       p->config.rules[i].line);
			return;
		}
	}
	if (p->config.rule_count == ZS_RULES_MAX) {
		zs_piece_error(&name, "more than %u rules; put some together", ZS_RULES_MAX);
		return;
	}
	p->rule.line = p->line;
	p->keep = true;
}

void zs_config_section_begin(struct zs_config_parser *p)
{
	static const char *const names[] = {"zeroserve", "rule", NULL};
	size_t len = strlen(p->raw);
	struct zs_piece rest = zs_config_raw(p, 1, len - 1), word, second;
	const char *close = strchr(p->raw, ']'), *nearest;

	zs_config_section_end(p);
	p->begun = (struct zs_config_place){p->line, 1};
	if (!close || close[1]) {
		zs_config_error_add(
			p->errors, p->line, (uint32_t)(close ? close - p->raw + 2 : (long)len + 1),
			"a section is [zeroserve] or [rule NAME]; %s",
			close ? "remove what is behind the bracket" : "close the bracket");
		return;
	}
	rest.len--;
	if (!zs_piece_next(&rest, "", &word)) {
		zs_piece_error(&word, "no section; write [zeroserve] or [rule NAME]");
	} else if (zs_piece_is(&word, "rule")) {
		rule_begin(p, &rest);
	} else if (!zs_piece_is(&word, "zeroserve")) {
		nearest = zs_piece_nearest(&word, names);
		zs_piece_error(&word, "no such section; write %s",
			       !nearest		     ? "[zeroserve] or [rule NAME]"
			       : nearest == names[0] ? "[zeroserve]"
						     : "[rule NAME]");
	} else if (zs_piece_next(&rest, "", &second)) {
		zs_piece_error(&second, "one word too many; write [zeroserve]");
	} else if (p->global_line) {
		zs_piece_error(&word, "there already, in line %u; put both together",
			       p->global_line);
	} else {
		p->global_line = p->line;
		p->section = ZS_SECTION_GLOBAL;
	}
}
