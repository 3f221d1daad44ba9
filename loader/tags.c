// SPDX-License-Identifier: GPL-2.0-or-later
/* Splits what no RFC defines; quotes mean nothing here. */
#include "tags.h"

#include <errno.h>
#include <string.h>

static bool known(const struct zs_tags *tags, struct zs_text tag)
{
	for (unsigned int i = 0; i < tags->count; i++) {
		if (tags->tag[i].len == tag.len && !memcmp(tags->tag[i].p, tag.p, tag.len))
			return true;
	}
	return false;
}

static int tag_add(struct zs_tags *tags, struct zs_text tag)
{
	tag = zs_text_trim(tag);
	if (!tag.len || known(tags, tag))
		return 0;
	if (tag.len > ZS_TAG_LEN_MAX || tags->count == ZS_TAGS_MAX)
		return -E2BIG;
	tags->tag[tags->count++] = tag;
	return 0;
}

static int value_split(struct zs_tags *tags, struct zs_text value, const char *separators)
{
	size_t begin = 0;

	for (size_t i = 0; i <= value.len; i++) {
		int err;

		if (i < value.len && !strchr(separators, value.p[i]))
			continue;
		err = tag_add(tags, (struct zs_text){value.p + begin, i - begin});
		if (err)
			return err;
		begin = i + 1;
	}
	return 0;
}

int zs_tags_read(const struct zs_response *r, struct zs_tags *out)
{
	static const struct {
		const char *name;
		const char *separators;
	} fields[] = {{"surrogate-key", " \t"}, {"cache-tag", ","}, {"xkey", " \t,"}};

	out->count = 0;
	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
		const char *name = fields[f].name;

		for (int i = 0; (i = zs_response_find(r, name, (unsigned int)i)) >= 0; i++) {
			int err = value_split(out, zs_response_value(r, (unsigned int)i),
					      fields[f].separators);

			if (err)
				return err;
		}
	}
	return 0;
}
