// SPDX-License-Identifier: GPL-2.0-or-later
/* Directives as in Cache-Control, but for the plus in max-age and the names of addressees. */
#include "surrogate.h"

#include <errno.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct zs_argument number(struct zs_text text)
{
	struct zs_argument argument = {.none = !text.len};

	argument.number = zs_delta_seconds(text, &argument.value);
	return argument;
}

/* delta-seconds [ "+" delta-seconds ] (2.2.3) */
static void max_age_take(struct zs_text text, struct zs_directives *d)
{
	const uint8_t *plus = text.len ? memchr(text.p, '+', text.len) : NULL;
	struct zs_argument extra = {.none = true};

	if (plus) {
		extra = number((struct zs_text){plus + 1, (size_t)(text.p + text.len - plus) - 1});
		text.len = (size_t)(plus - text.p);
	}
	if (plus && !extra.number)
		text.len = 0; /* half of it says nothing */
	zs_directive_take(d, (struct zs_text){(const uint8_t *)"max-age", 7}, number(text), false);
	if (plus && extra.number && !d->stale_while_revalidate.there && !d->stale_if_error.there)
		d->stale_while_revalidate = d->stale_if_error =
			(struct zs_seconds){.there = true, .value = extra.value};
}

/* *decides: it says whether or how long to store. */
static int member_take(struct zs_text member, struct zs_directives *d, bool *decides)
{
	static const char *const deciding[] = {"no-store", "no-cache", "private"};
	static const char *const others[] = {"must-revalidate", "proxy-revalidate",
					     "stale-while-revalidate", "stale-if-error"};
	struct zs_text name, argument;
	int err = zs_directive_split(&member, &name, &argument);

	member = zs_text_trim(member);
	if (err || (member.len && member.p[0] != ';'))
		return -EBADMSG;
	if (member.len || zs_text_is(name, "content"))
		return -EOPNOTSUPP;
	if (zs_text_is(name, "no-store-remote"))
		*decides = d->no_store = true;
	if (zs_text_is(name, "max-age")) {
		*decides = true;
		max_age_take(argument, d);
	}
	if (zs_text_in(name, deciding, LENGTH(deciding))) {
		*decides = true;
		zs_directive_take(d, name, number(argument), false);
	}
	if (zs_text_in(name, others, LENGTH(others)))
		zs_directive_take(d, name, number(argument), false);
	return 0;
}

int zs_surrogate_parse(const struct zs_response *r, struct zs_directives *d)
{
	bool decides = false;

	*d = (struct zs_directives){0};
	for (int i = 0; (i = zs_response_find(r, "surrogate-control", (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;
		int more;

		while ((more = zs_list_next(&rest, &member)) > 0) {
			int err = member_take(member, d, &decides);

			if (err)
				return err;
		}
		if (more < 0)
			return more;
	}
	d->shared = false;
	return decides ? 0 : -ENOENT;
}
