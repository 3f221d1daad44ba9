// SPDX-License-Identifier: GPL-2.0-or-later
/* What Connection names, and what never crosses a connection. */
#include "hop.h"

#include <errno.h>

#define OPTIONS_MAX   32u /* each field of a stored head is compared with each */
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

int zs_hop_check(const struct zs_response *r)
{
	static const char *const needed[] = {
		"age",
		"cache-control",
		"cache-tag",
		"cdn-cache-control",
		"content-encoding",
		"content-length",
		"content-type",
		"date",
		"etag",
		"expires",
		"last-modified",
		"location",
		"pragma",
		"surrogate-control",
		"surrogate-key",
		"vary",
		"x-accel-expires",
		"xkey",
	};
	unsigned int options = 0;

	for (int i = 0; (i = zs_response_find(r, "connection", (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;
		int more;

		while ((more = zs_list_next(&rest, &member)) > 0) {
			if (zs_token_len(member) != member.len || ++options > OPTIONS_MAX ||
			    zs_text_in(member, needed, LENGTH(needed)))
				return -EBADMSG;
		}
		if (more < 0)
			return more;
	}
	return 0;
}

static bool named_by_connection(const struct zs_response *r, struct zs_text name)
{
	for (int i = 0; (i = zs_response_find(r, "connection", (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;

		while (zs_list_next(&rest, &member) > 0) {
			if (zs_text_equal(member, name))
				return true;
		}
	}
	return false;
}

bool zs_hop_field(const struct zs_response *r, struct zs_text name)
{
	static const char *const always[] = {
		"connection",	       "keep-alive",
		"proxy-connection",    "te",
		"transfer-encoding",   "upgrade",
		"proxy-authenticate",  "proxy-authentication-info",
		"proxy-authorization", "trailer",
	};

	return zs_text_in(name, always, LENGTH(always)) || named_by_connection(r, name);
}
