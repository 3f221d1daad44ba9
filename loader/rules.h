/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which settings of the configuration hold for a request and its response, and what of them the
 * kernel needs to know beforehand. Every rule whose conditions all hold is applied in the order of
 * the file; what it sets replaces what was set before. Pure.
 */
#ifndef ZS_RULES_H
#define ZS_RULES_H

#include "config.h"
#include "response.h"

struct zs_settings {
	bool bypass;   /* store nothing */
	bool odd_path; /* bypass is set because of zs_rules_path_odd() */
	bool has_ttl;
	bool ttl_force;
	uint32_t ttl; /* seconds; with has_ttl */
	bool has_grace;
	uint32_t grace;	       /* seconds; with has_grace */
	uint32_t max_object;   /* bytes of body */
	struct zs_class class; /* what the kernel went by */
};

struct zs_rules_subject {
	const struct zs_origin_key *origin; /* null: not known, rules with an origin do not hold */
	struct zs_text host; /* X-Forwarded-Host, if it is there, else Host; lower case */
	struct zs_text path; /* the target up to '?' */
	uint32_t status;     /* 0: no response yet, rules with a status do not hold */
};

/* All conditions of the rule hold. */
bool zs_rule_holds(const struct zs_rule *rule, const struct zs_rules_subject *subject);

void zs_rules_match(const struct zs_config *config, const struct zs_rules_subject *subject,
		    struct zs_settings *out);

bool zs_settings_equal(const struct zs_settings *a, const struct zs_settings *b);

/*
 * May servers read this path in different ways: a segment "." or "..", ';', '\', an escape of '.',
 * '/', ';', '\',
 * '%', '?', '#' or of a control character, or a '%' that begins no escape? A rule's prefix or
 * suffix says nothing about such a path, and a ttl or a cookie that is ignored because of it may
 * store one visitor's page for all (web cache deception): where a rule with prefix or suffix holds
 * for such a path, nothing is stored.
 */
bool zs_rules_path_odd(const uint8_t *path, size_t len);

/* --- what the kernel needs ------------------------------------------------------------------- */

/* Requests to this host ("": any) whose path begins so are of this class, unless a longer prefix
 * says otherwise. */
struct zs_scope {
	char host[ZS_HOST_MAX + 1];
	char prefix[ZS_SCOPE_PATH + 1];
	uint32_t class;
};

/* {} is empty. The longest prefix among the scopes of the request's host decides, if it has any,
 * else among those of any host. Every host that is here, and any host, has a scope with an empty
 * prefix. */
struct zs_scopes {
	struct zs_class classes[ZS_CLASSES]; /* [0]: defaults; no two are equal */
	uint32_t class_count;
	struct zs_scope *list; /* by host, then prefix */
	uint32_t count;	       /* at most ZS_SCOPES */
};

/* Gives every request the class that zs_rules_match() gives it. -E2BIG: more than ZS_SCOPES;
 * -ENOSPC: more than ZS_CLASSES; -ENOMEM; *out is unchanged then. zs_config_parse() has seen to it
 * that it is neither of the first two. Free with zs_scopes_free(). */
int zs_rules_compile(const struct zs_config *config, struct zs_scopes *out);

/* True: every request has the same class in both. It may be false although that is so. */
bool zs_scopes_equal(const struct zs_scopes *a, const struct zs_scopes *b);

void zs_scopes_free(struct zs_scopes *scopes);

#endif
