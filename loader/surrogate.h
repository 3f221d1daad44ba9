/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Surrogate-Control (Edge Architecture Specification 1.0, W3C Note of 4 August 2001): what an
 * origin says to caches that act on its behalf.
 */
#ifndef ZS_SURROGATE_H
#define ZS_SURROGATE_H

#include "directives.h"

/*
 * 0: it says what a cache shall do, in *d, and stands before Cache-Control and Expires.
 * `max-age=N+M` also allows M seconds of staleness; no-store-remote counts as no-store; private,
 * no-cache, must-revalidate, stale-while-revalidate and stale-if-error, which others added, count
 * as in Cache-Control; it allows nothing for requests with Authorization.
 *
 * -ENOENT: not there, or nothing of that in it.
 *
 * -EBADMSG: malformed. -EOPNOTSUPP: content="..." asks for processing (ESI) that is not done here,
 * or a directive addresses some surrogate by name: nothing of the kind may be stored. *d is
 * scratch.
 */
int zs_surrogate_parse(const struct zs_response *r, struct zs_directives *d);

#endif
