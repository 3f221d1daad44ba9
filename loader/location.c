// SPDX-License-Identifier: GPL-2.0-or-later
/* References in Location and Content-Location, as far as they can be followed without guessing. */
#include "location.h"

#include <errno.h>
#include <string.h>
#include <zs/abi.h>

#include "asked.h"

static bool take(struct zs_text *text, const char *word)
{
	size_t len = strlen(word);

	if (text->len < len || !zs_text_is((struct zs_text){text->p, len}, word))
		return false;
	text->p += len;
	text->len -= len;
	return true;
}

/* Bytes before the first of `stops`. */
static size_t span(struct zs_text text, const char *stops)
{
	size_t n = 0;

	while (n < text.len && !(text.p[n] && strchr(stops, text.p[n])))
		n++;
	return n;
}

int zs_location_target(struct zs_text value, struct zs_text host, struct zs_text *target)
{
	struct zs_text rest = value;

	if (take(&rest, "https://") || take(&rest, "http://")) {
		struct zs_text authority = {rest.p, span(rest, "/?#")};

		if (!zs_text_equal(authority, host))
			return -ENOENT;
		rest.p += authority.len;
		rest.len -= authority.len;
	}
	if (!rest.len || rest.p[0] != '/' || (rest.len > 1 && rest.p[1] == '/'))
		return -ENOENT;
	rest.len = span(rest, "#");
	if (rest.len > ZS_TARGET_MAX)
		return -ENOENT;
	*target = rest;
	return 0;
}

void zs_location_targets(const struct zs_asked *asked, const struct zs_response *response,
			 void (*each)(void *user, const struct zs_asked *asked, struct zs_text target), void *user)
{
	static const char *const fields[] = {"location", "content-location"};
	struct zs_text host, path, target;

	if (response->status < 200 || response->status >= 400)
		return;
	zs_asked_place(asked, &host, &path);
	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
		for (int i = 0; (i = zs_response_find(response, fields[f], (unsigned int)i)) >= 0; i++)
			if (!zs_location_target(zs_response_value(response, (unsigned int)i), host, &target))
				each(user, asked, target);
}
