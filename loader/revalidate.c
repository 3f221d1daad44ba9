// SPDX-License-Identifier: GPL-2.0-or-later
/* The result is written as a head and parsed again: nothing that a head cannot be comes of it. */
#include "revalidate.h"

#include "date.h"
#include "hop.h"
#include "render.h"
#include "validators.h"
#include "writer.h"

#include <errno.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The value of a field that is there once and is an HTTP-date. */
static bool date_text(const struct zs_response *r, const char *name, struct zs_text *out)
{
	int i = zs_response_find(r, name, 0);
	int64_t ignored;

	if (i < 0 || zs_date_field(r, name, 0, &ignored))
		return false;
	*out = zs_response_value(r, (unsigned int)i);
	return true;
}

int zs_revalidate_fields(const struct zs_response *stored, struct zs_revalidate_fields *out)
{
	struct zs_revalidate_fields found = {0};
	struct zs_etag etag;

	if (stored->status != 200)
		return -ENOENT;
	if (!zs_etag_read(stored, &etag)) {
		int i = zs_response_find(stored, "etag", 0);

		found.none_match = zs_response_value(stored, (unsigned int)i);
	}
	date_text(stored, "last-modified", &found.modified_since);
	if (!found.none_match.len && !found.modified_since.len)
		return -ENOENT;
	*out = found;
	return 0;
}

static bool same_bytes(struct zs_text a, struct zs_text b)
{
	return a.len == b.len && !memcmp(a.p, b.p, a.len);
}

/* RFC 9111 4.3.4; a strong tag is compared strongly, a weak one weakly (RFC 9110 8.8.3.2). */
static bool selects(const struct zs_response *answer, const struct zs_response *stored)
{
	struct zs_text theirs, ours;
	struct zs_etag new, old;
	int err = zs_etag_read(answer, &new);

	if (!err)
		return !zs_etag_read(stored, &old) && same_bytes(new.opaque, old.opaque) &&
		       (new.weak || !old.weak);
	return err == -ENOENT && date_text(answer, "last-modified", &theirs) &&
	       date_text(stored, "last-modified", &ours) && same_bytes(theirs, ours);
}

/* Whether the 304's field of this name goes into the stored response. */
static bool updates(const struct zs_response *answer, struct zs_text name)
{
	static const char *const excepted[] = {
		"content-length", "content-range",  "content-encoding",
		"content-md5",	  "content-digest", "etag",
	};

	return !zs_text_in(name, excepted, LENGTH(excepted)) && !zs_hop_field(answer, name);
}

static bool replaced(const struct zs_response *answer, struct zs_text name)
{
	if (!updates(answer, name))
		return false;
	for (unsigned int i = 0; i < answer->fields; i++) {
		if (zs_text_equal(zs_response_name(answer, i), name))
			return true;
	}
	return false;
}

/* The line that zs_render_head() ends with. */
static bool ours(const struct zs_response *stored, unsigned int i)
{
	static const char begin[] = ZS_CACHE_STATUS;
	struct zs_text value = zs_response_value(stored, i);

	return i + 1 == stored->fields && zs_text_is(zs_response_name(stored, i), "cache-status") &&
	       value.len >= sizeof(begin) - 1 && !memcmp(value.p, begin, sizeof(begin) - 1);
}

static void put_stored(struct zs_writer *w, const struct zs_response *stored,
		       const struct zs_response *answer)
{
	for (unsigned int i = 0; i < stored->fields; i++) {
		struct zs_text name = zs_response_name(stored, i);

		if (zs_text_is(name, "age") || zs_text_is(name, "date") || ours(stored, i) ||
		    replaced(answer, name))
			continue;
		zs_put_field(w, name, zs_response_value(stored, i));
	}
}

static void put_answer(struct zs_writer *w, const struct zs_response *answer)
{
	for (unsigned int i = 0; i < answer->fields; i++) {
		struct zs_text name = zs_response_name(answer, i);

		if (updates(answer, name))
			zs_put_field(w, name, zs_response_value(answer, i));
	}
}

int zs_revalidate_update(const struct zs_response *stored, const struct zs_response *answer,
			 bool surrogate, struct zs_response *out)
{
	uint8_t buf[ZS_RESPONSE_HEAD_MAX];
	struct zs_writer w = {.p = buf, .cap = sizeof(buf)};

	if (stored->status != 200 || stored->framing != ZS_FRAMING_LENGTH || answer->status != 304)
		return -EINVAL;
	if (!selects(answer, stored) ||
	    (surrogate && zs_response_find(answer, "surrogate-control", 0) < 0))
		return -ESTALE;
	if (zs_hop_check(answer))
		return -EBADMSG;
	zs_put_string(&w, "HTTP/1.1 200 ");
	zs_put(&w, (struct zs_text){stored->head + stored->reason, stored->reason_len});
	zs_put_string(&w, "\r\n");
	put_stored(&w, stored, answer);
	put_answer(&w, answer);
	zs_put_string(&w, "\r\n");
	if (w.full || w.fields > ZS_RESPONSE_FIELDS_MAX)
		return -E2BIG;
	return zs_response_head(buf, w.len, out);
}
