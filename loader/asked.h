/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent reads out of a request that the kernel announced: a strict head, recognised once already. Pure. */
#ifndef ZS_ASKED_H
#define ZS_ASKED_H

#include <stdbool.h>

#include "ingest.h"
#include "text.h"

/* Whether a field of that name (lower case) is there. */
bool zs_asked_has(const struct zs_asked *asked, const char *name);

/* The fields that are folded in the key (Host, X-Forwarded-Host, X-Forwarded-Proto) came in lower case: what a
 * response makes of them is everybody's. */
bool zs_asked_lower(const struct zs_asked *asked);

/* All field values are short and visible ASCII: nothing that could make an origin answer with an error. */
#define ZS_ASKED_VALUE_MAX 512u
bool zs_asked_plain(const struct zs_asked *asked);

/* Plain, not long, and with the target of the key: what the response to such a request is, the next one's is, too. */
bool zs_asked_ordinary(const struct zs_asked *asked);

/* The host that the visitor asked for (X-Forwarded-Host, else Host; lower case), and the path of the target as
 * it was sent, up to '?'. Both lie within *asked. */
void zs_asked_place(const struct zs_asked *asked, struct zs_text *host, struct zs_text *path);

/* The target as it was sent: that of the key may lack parameters. Within *asked; empty: no request line. */
struct zs_text zs_asked_target(const struct zs_asked *asked);

/* The target that was sent is not the one of the key, which lacks parameters or has them in another order: what
 * such a parameter makes the origin say, other than 200, must not become everybody's answer. */
bool zs_asked_normalised(const struct zs_asked *asked);

#endif
