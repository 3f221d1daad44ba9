/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the configuration the kernel goes by, ready to be switched to (tables.h). */
#ifndef ZS_PLAN_H
#define ZS_PLAN_H

#include "config.h"
#include "rules.h"
#include "tables.h"

/* Owns everything that `plan` points to; stays where it was made. */
struct zs_plan {
	struct zs_tables tables;
	struct zs_scopes scopes;
	struct zs_place *places;
	struct zs_tables_plan plan;
};

/* Fields that do not matter, Vary fields and classes of `config`; fields of `inert` (null-terminated, may be
 * null) do not matter either. -ENOSPC: no room in the tables (logged); -EINVAL: a field that zeroserve judges
 * itself (logged); -ENOMEM. *out is zero then. Free with zs_plan_free(). */
int zs_plan_make(const struct zs_config *config, const char *const *inert, struct zs_plan *out);
void zs_plan_free(struct zs_plan *plan);

#endif
