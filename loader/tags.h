/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names under which an origin lets a response be purged: Surrogate-Key (separated by blanks),
 * Cache-Tag (by commas) and xkey (by either), each on any number of lines. Compared byte for byte.
 */
#ifndef ZS_TAGS_H
#define ZS_TAGS_H

#include "response.h"

#define ZS_TAGS_MAX    64u
#define ZS_TAG_LEN_MAX 128u /* bytes */

struct zs_tags {
	unsigned int count;
	struct zs_text
		tag[ZS_TAGS_MAX]; /* within the response; none is empty, none is there twice */
};

/* 0; -E2BIG: more or longer ones, so that a purge could miss the response; *out is scratch then. */
int zs_tags_read(const struct zs_response *r, struct zs_tags *out);

#endif
