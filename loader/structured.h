/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dictionaries of Structured Field Values (RFC 9651 3.2 and 4.2.2, which contains RFC 8941), read
 * strictly and from left to right. Only what a cache directive can be is told apart.
 */
#ifndef ZS_STRUCTURED_H
#define ZS_STRUCTURED_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

enum zs_sf_type {
	ZS_SF_TRUE, /* also where no value is given */
	ZS_SF_INTEGER,
	ZS_SF_OTHER,
};

struct zs_sf_member {
	struct zs_text key; /* lower case by its grammar */
	enum zs_sf_type type;
	int64_t integer; /* of 15 digits at most; ZS_SF_INTEGER only */
};

/*
 * Takes the next member off the front of *rest, which begins as a whole dictionary. A key may come
 * again: the last one counts (4.2.2). 1: *member is set; 0: no more; -EBADMSG: all of the
 * dictionary is invalid, what was read before included.
 */
int zs_sf_dictionary_next(struct zs_text *rest, struct zs_sf_member *member);

#endif
