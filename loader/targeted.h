/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Targeted cache control (RFC 9213): the fields that speak to caches such as this one alone. Here
 * that list is CDN-Cache-Control.
 */
#ifndef ZS_TARGETED_H
#define ZS_TARGETED_H

#include "directives.h"

/*
 * The directives of the first targeted field that is valid and not empty (RFC 9213 2.2); then
 * Cache-Control and Expires must be ignored. A number of the wrong type is bad, a restriction of
 * the wrong type counts, a permission of the wrong type does not (2.1).
 * Each line must be valid by itself. -ENOENT: there is no such
 * field, an invalid one being none; *d is scratch then.
 */
int zs_targeted_parse(const struct zs_response *r, struct zs_directives *d);

#endif
