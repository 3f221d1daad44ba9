// SPDX-License-Identifier: GPL-2.0-or-later
/* Targeted fields are dictionaries, so that Cache-Control's reader must not read them. */
#include "targeted.h"

#include "structured.h"

#include <errno.h>

static const char *const targets[] = {"cdn-cache-control"};

/* Adds what one line says; the number of its members, or -EBADMSG. */
static int line_parse(struct zs_text line, struct zs_directives *d)
{
	struct zs_sf_member m;
	int more, count = 0;

	while ((more = zs_sf_dictionary_next(&line, &m)) > 0) {
		struct zs_argument argument = {
			.none = m.type == ZS_SF_TRUE,
			.number = m.type == ZS_SF_INTEGER && m.integer >= 0,
		};

		if (argument.number)
			argument.value = (uint64_t)m.integer;
		zs_directive_take(d, m.key, argument, true);
		count++;
	}
	return more < 0 ? more : count;
}

/* Line by line: what is valid only across lines (RFC 9651 4.2) could hide one in a string. */
static int field_parse(const struct zs_response *r, const char *name, struct zs_directives *d)
{
	int members = 0;

	*d = (struct zs_directives){0};
	for (int i = 0; (i = zs_response_find(r, name, (unsigned int)i)) >= 0; i++) {
		int count = line_parse(zs_response_value(r, (unsigned int)i), d);

		if (count < 0)
			return -ENOENT;
		members += count;
	}
	return members ? 0 : -ENOENT;
}

int zs_targeted_parse(const struct zs_response *r, struct zs_directives *d)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (!field_parse(r, targets[i], d))
			return 0;
	}
	return -ENOENT;
}
