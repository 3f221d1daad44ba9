/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which further targets a successful response to an unsafe request makes void (RFC 9111 4.4): those that its
 * Location and Content-Location name, at the same host. Pure.
 */
#ifndef ZS_LOCATION_H
#define ZS_LOCATION_H

#include "ingest.h"
#include "text.h"

/*
 * The target, path and query, that a field value names: an absolute path, or an http or https URL whose
 * authority is the host that the visitor asked for. It lies within `value`, the fragment left out. 0; -ENOENT:
 * another host, or a form of reference that is not followed.
 */
int zs_location_target(struct zs_text value, struct zs_text host, struct zs_text *target);

/* Calls `each` for every target named; at most once for each field line. Nothing for other statuses than 2xx
 * and 3xx. */
void zs_location_targets(const struct zs_asked *asked, const struct zs_response *response,
			 void (*each)(void *user, const struct zs_asked *asked, struct zs_text target), void *user);

#endif
