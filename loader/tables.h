/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs look up about requests: written to the half of the maps that is not in use, then switched. */
#ifndef ZS_TABLES_H
#define ZS_TABLES_H

#include <stdbool.h>
#include <stdint.h>
#include <zs/request.h>

#include "pages.h"
#include "pin.h"

/* Requests for paths that begin with `prefix` are of this class, unless a longer one says otherwise. A host
 * of its own goes before any host, whatever the length. */
struct zs_place {
	const char *host;   /* as visitors ask for it, port included; null: any */
	const char *prefix; /* begins with '/'; at most ZS_SCOPE_PATH bytes */
	uint32_t class;     /* below ZS_CLASSES; 0: nothing special */
};

/* Everything is borrowed. */
struct zs_tables_plan {
	const struct zs_tables *tables; /* fields.h */
	const struct zs_class *classes; /* by number, 0 is not looked at; may be null if class_count is 0 */
	uint32_t class_count;           /* at most ZS_CLASSES */
	const struct zs_place *places;
	uint32_t place_count;           /* at most ZS_SCOPES */
	uint32_t vary;                  /* how many fields zs_fields_vary() was called for */
};

/*
 * Writes the plan and switches to it: every message is judged by the old or the new one, whole. With `flush`
 * nothing that was stored or requested by the old plan is an answer any more when this returns. `grace` waits
 * until every program that runs now has ended; null: none can be running. One call at a time (zs_change_lock).
 *
 * -EINVAL: a number or text out of range, or two places that are the same; -errno of the maps. Silent. After
 * an error the old plan holds.
 */
int zs_tables_switch(const struct zs_maps *maps, const struct zs_tables_plan *plan, bool flush, zs_grace_fn *grace);

#endif
