/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fields that end at a connection (RFC 9110 7.6.1, RFC 9111 3.1): never stored, never updated. */
#ifndef ZS_HOP_H
#define ZS_HOP_H

#include "response.h"

#include <stdbool.h>

/*
 * -EBADMSG: Connection is malformed, names more than 32 options, or names a field that is meant for
 * every recipient and that the decision or the stored head depends on.
 */
int zs_hop_check(const struct zs_response *r);

/* Whether a field of this name ends at the connection that r came over. */
bool zs_hop_field(const struct zs_response *r, struct zs_text name);

#endif
