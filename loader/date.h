/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP-date (RFC 9110 5.6.7), read and written without the locale or the clock. */
#ifndef ZS_DATE_H
#define ZS_DATE_H

#include "text.h"

#include <stdint.h>

#define ZS_HTTP_DATE_LEN 29

/*
 * HTTP-date (RFC 9110 5.6.7) in its three forms to seconds since 1970. Case matters, the zone is
 * GMT, and the day of the week must be right. A year of two digits is the one in `now`'s (seconds
 * since 1970) century, unless that lies 50 calendar years or more ahead. -EINVAL: anything else.
 */
int zs_http_date_parse(struct zs_text text, int64_t now, int64_t *out);

/* Writes ZS_HTTP_DATE_LEN bytes and a terminator. -EINVAL: not within the years 1 to 9999. */
int zs_http_date_format(int64_t time, char out[ZS_HTTP_DATE_LEN + 1]);

#endif
