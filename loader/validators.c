// SPDX-License-Identifier: GPL-2.0-or-later
/* Entity-tags and modification dates; neither is compared here. */
#include "validators.h"

#include "date.h"

#include <errno.h>

/* etagc (RFC 9110 8.8.3) */
static bool is_etagc(uint8_t c)
{
	return c == 0x21 || (c >= 0x23 && c != 0x7f);
}

int zs_etag_read(const struct zs_response *r, struct zs_etag *out)
{
	int i = zs_response_find(r, "etag", 0);
	struct zs_text tag;
	bool weak;

	if (i < 0)
		return -ENOENT;
	if (zs_response_find(r, "etag", (unsigned int)i + 1) >= 0)
		return -EBADMSG;
	tag = zs_response_value(r, (unsigned int)i);
	weak = tag.len > 2 && tag.p[0] == 'W' && tag.p[1] == '/';
	if (weak) {
		tag.p += 2;
		tag.len -= 2;
	}
	if (tag.len < 2 || tag.p[0] != '"' || tag.p[tag.len - 1] != '"')
		return -EBADMSG;
	for (size_t k = 1; k + 1 < tag.len; k++) {
		if (!is_etagc(tag.p[k]))
			return -EBADMSG;
	}
	*out = (struct zs_etag){tag, weak};
	return 0;
}

void zs_validators_read(const struct zs_response *r, int64_t wall, struct zs_validators *out)
{
	struct zs_validators v = {0};
	int err;

	if (zs_etag_read(r, &v.etag) || v.etag.opaque.len > ZS_ETAG_MAX)
		v.etag = (struct zs_etag){0};
	err = zs_date_field(r, "last-modified", wall, &v.modified);
	if (err == -ENOENT)
		err = zs_date_field(r, "date", wall, &v.modified);
	if (err == -ENOENT) {
		v.modified = wall;
		err = 0;
	}
	v.dated = !err && v.modified >= 0;
	if (!v.dated)
		v.modified = 0;
	*out = v;
}
