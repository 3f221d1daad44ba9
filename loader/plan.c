// SPDX-License-Identifier: GPL-2.0-or-later
/* From the configuration to the tables of the kernel. */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "log.h"

static int inert_add(struct zs_tables *tables, const char *const *names)
{
	for (size_t i = 0; names && names[i]; i++) {
		int err = zs_fields_add(tables, names[i]);

		if (err) {
			zs_error("inert field '%s': %s; name a field that zeroserve does not judge itself", names[i],
				 strerror(-err));
			return err;
		}
	}
	return 0;
}

static int vary_add(struct zs_tables *tables, char *const *names, uint32_t *count)
{
	for (*count = 0; names[*count]; ++*count) {
		int err = zs_fields_vary(tables, names[*count], *count);

		if (err) {
			zs_error("vary field '%s': %s; leave it out", names[*count], strerror(-err));
			return err;
		}
	}
	return 0;
}

static int places_make(struct zs_plan *p)
{
	const struct zs_scopes *s = &p->scopes;
	bool plain = s->count == 1 && !s->list[0].class; /* everything is of class 0 */

	if (!s->count || plain)
		return 0;
	p->places = calloc(s->count, sizeof(*p->places));
	if (!p->places)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->count; i++)
		p->places[i] = (struct zs_place){
			.host = s->list[i].host[0] ? s->list[i].host : NULL,
			.prefix = s->list[i].prefix[0] ? s->list[i].prefix : "/",
			.class = s->list[i].class,
		};
	p->plan.places = p->places;
	p->plan.place_count = s->count;
	p->plan.classes = s->classes;
	p->plan.class_count = s->class_count;
	return 0;
}

int zs_plan_make(const struct zs_config *config, const char *const *inert, struct zs_plan *out)
{
	int err;

	memset(out, 0, sizeof(*out));
	err = zs_fields_build(&out->tables);
	if (!err)
		err = inert_add(&out->tables, inert);
	if (!err)
		err = inert_add(&out->tables, (const char *const *)config->inert);
	if (!err)
		err = vary_add(&out->tables, config->vary, &out->plan.vary);
	if (!err)
		err = zs_rules_compile(config, &out->scopes);
	if (!err)
		err = places_make(out);
	if (err)
		zs_plan_free(out);
	else
		out->plan.tables = &out->tables;
	return err;
}

void zs_plan_free(struct zs_plan *p)
{
	zs_scopes_free(&p->scopes);
	free(p->places);
	memset(p, 0, sizeof(*p));
}
