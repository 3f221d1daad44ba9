/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration of Caddy's with one server, "s", and what is said of a request to it. ' stands for ". */
#ifndef ZS_ELIGIBLE_OF_H
#define ZS_ELIGIBLE_OF_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eligible.h"

struct answer {
	bool eligible;
	char why[ZS_ELIGIBLE_WHY];
};

static inline json_t *config_of(const char *members)
{
	static char text[16384];
	json_error_t error;
	json_t *config;

	snprintf(text, sizeof(text), "{'apps':{'http':{'servers':{'s':{%s}}}}}", members);
	for (char *c = text; *c; c++) {
		if (c[0] == '\\' && c[1] == '\'')
			memmove(c, c + 1, strlen(c)); /* \' stays one */
		else if (*c == '\'')
			*c = '"';
	}
	config = json_loads(text, 0, &error);
	if (!config)
		fail_msg("%s at %d: %s", error.text, error.position, text);
	return config;
}

/* `allowed` must live as long. */
static inline struct zs_eligible *eligible_of(const char *routes, const char *const *allowed)
{
	char members[8192];
	struct zs_eligible *e;
	json_t *config;

	snprintf(members, sizeof(members), "'listen':[':80'],'routes':[%s]", routes);
	config = config_of(members);
	assert_int_equal(zs_eligible_create(config, allowed, &e), 0);
	json_decref(config);
	return e;
}

static inline struct zs_text text_of(const char *text)
{
	return (struct zs_text){(const uint8_t *)text, strlen(text)};
}

static inline struct answer server_judge(const char *members, const char *host, const char *target,
					 const char *allow, bool forwarded, bool query_open)
{
	const char *const allowed[] = {allow, NULL};
	struct zs_eligible_request request = {text_of(host), text_of(target), forwarded, query_open};
	struct answer a = {0};
	struct zs_eligible *e;
	json_t *config = config_of(members);

	assert_int_equal(zs_eligible_create(config, allowed, &e), 0);
	json_decref(config);
	a.eligible = zs_eligible_judge(e, "s", &request, a.why);
	zs_eligible_destroy(e);
	return a;
}

static inline struct answer routes_judge(const char *routes, const char *host, const char *target)
{
	char members[8192];

	snprintf(members, sizeof(members), "'listen':[':80'],'routes':[%s]", routes);
	return server_judge(members, host, target, NULL, false, false);
}

#endif
