// SPDX-License-Identifier: GPL-2.0-or-later
/* One table of names for the three grammars in which directives come. */
#include "directives.h"

#include <errno.h>
#include <stddef.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define AT(name)      offsetof(struct zs_directives, name)

static const struct {
	const char *name;
	size_t at;
} flags[] =
	{
		{"no-store", AT(no_store)},
		{"no-cache", AT(no_cache)},
		{"private", AT(private_)},
		{"must-revalidate", AT(must_revalidate)},
		{"proxy-revalidate", AT(proxy_revalidate)},
},
  numbers[] = {
	  {"max-age", AT(max_age)},
	  {"s-maxage", AT(s_maxage)},
	  {"stale-while-revalidate", AT(stale_while_revalidate)},
	  {"stale-if-error", AT(stale_if_error)},
};

static void seconds_take(struct zs_seconds *s, struct zs_argument argument, bool last_counts)
{
	s->bad = !argument.number || (s->there && !last_counts);
	s->there = true;
	s->value = argument.value < ZS_SECONDS_MAX ? argument.value : ZS_SECONDS_MAX;
}

void zs_directive_take(struct zs_directives *d, struct zs_text name, struct zs_argument argument,
		       bool last_counts)
{
	for (size_t i = 0; i < LENGTH(flags); i++) {
		if (zs_text_is(name, flags[i].name))
			*(bool *)((char *)d + flags[i].at) = true;
	}
	for (size_t i = 0; i < LENGTH(numbers); i++) {
		if (zs_text_is(name, numbers[i].name))
			seconds_take((struct zs_seconds *)((char *)d + numbers[i].at), argument,
				     last_counts);
	}
	if (zs_text_is(name, "must-understand") && argument.none)
		d->must_understand = true;
	if ((zs_text_is(name, "public") || zs_text_is(name, "must-revalidate")) && argument.none)
		d->shared = true;
	if (zs_text_is(name, "s-maxage") && argument.number)
		d->shared = true;
}

/* The length of the quoted-string that text begins with, or 0. */
static size_t quoted_prefix(struct zs_text text)
{
	size_t i;

	if (!text.len || text.p[0] != '"')
		return 0;
	for (i = 1; i < text.len && text.p[i] != '"'; i++) {
		if (text.p[i] == '\\')
			i++;
	}
	return i < text.len ? i + 1 : 0;
}

static struct zs_text text_cut(struct zs_text *text, size_t len)
{
	struct zs_text cut = {text->p, len};

	text->p += len;
	text->len -= len;
	return cut;
}

int zs_directive_split(struct zs_text *text, struct zs_text *name, struct zs_text *argument)
{
	struct zs_text rest = *text;
	size_t len = zs_token_len(rest);

	if (!len)
		return -EBADMSG;
	*name = text_cut(&rest, len);
	*argument = (struct zs_text){0};
	if (rest.len && rest.p[0] == '=') {
		text_cut(&rest, 1);
		len = zs_token_len(rest);
		if (!len)
			len = quoted_prefix(rest);
		if (!len)
			return -EBADMSG;
		*argument = text_cut(&rest, len);
	}
	*text = rest;
	return 0;
}

static int member_take(struct zs_text member, struct zs_directives *d)
{
	struct zs_text name, text;
	struct zs_argument argument;
	int err = zs_directive_split(&member, &name, &text);

	if (err)
		return err;
	if (member.len)
		return -EBADMSG;
	argument = (struct zs_argument){.none = !text.len};
	argument.number = zs_delta_seconds(text, &argument.value);
	zs_directive_take(d, name, argument, false);
	return 0;
}

int zs_directives_parse(const struct zs_response *r, const char *field, struct zs_directives *d)
{
	*d = (struct zs_directives){0};
	for (int i = 0; (i = zs_response_find(r, field, (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;
		int more;

		while ((more = zs_list_next(&rest, &member)) > 0) {
			int err = member_take(member, d);

			if (err)
				return err;
		}
		if (more < 0)
			return more;
	}
	return 0;
}
