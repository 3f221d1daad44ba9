/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keys hold as numbers, in words: origins and accepted codings. */
#ifndef ZS_NAMES_H
#define ZS_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "pin.h"
#include "watch.h"

#define ZS_ORIGIN_TEXT 64 /* bytes of "[IPv6]:port" and its end */

/* The origins of a moment, with their numbers. */
struct zs_origin_names {
	struct {
		uint32_t id;
		char text[ZS_ORIGIN_TEXT];
	} list[ZS_ORIGINS_MAX];
	uint32_t count;
};

/* "10.0.0.1:80" or "[2001:db8::1]:80", terminated; `out` holds ZS_ORIGIN_TEXT bytes. */
void zs_origin_text(const struct zs_origin_key *key, char *out);

/* Those in the map now; one that comes or goes meanwhile may be missing. */
void zs_origin_names_get(const struct zs_maps *maps, struct zs_origin_names *out);

/* Valid as long as `names`; of an origin that is not accelerated any more: "gone". */
const char *zs_origin_name(const struct zs_origin_names *names, uint32_t id);

/* "gzip, br" of ZS_AE_*, `between` being ", "; terminated, cut if it must be. */
void zs_codings_text(uint32_t ae, const char *between, char *out, size_t size);

#endif
