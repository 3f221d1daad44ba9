// SPDX-License-Identifier: GPL-2.0-or-later
/* Warm and cold origins; see enrolment.h. */
#include "enrolment.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"

struct origin {
	uint64_t since;   /* boot-time ns of the first refusal counted; 0: none */
	uint64_t warm_at; /* boot-time ns from which on what is asked for may be stored */
	uint64_t stored;  /* boot-time ns at which something could be stored last; 0: never */
	uint32_t refused;
};

struct zs_enrolment {
	struct zs_warmth *warmth;
	bool adaptive;
	zs_enrolment_in_use_fn *in_use;
	void *user;
	uint32_t cold;
	struct origin origin[ZS_WARMTH];
};

int zs_enrolment_create(struct zs_warmth *warmth, bool adaptive, zs_enrolment_in_use_fn *in_use, void *user,
			struct zs_enrolment **out)
{
	struct zs_enrolment *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->warmth = warmth;
	e->adaptive = adaptive;
	e->in_use = in_use;
	e->user = user;
	for (uint32_t i = 0; i < ZS_WARMTH; i++) /* an agent before us may have left others */
		__atomic_store_n(&warmth[i].cold, 0, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < ZS_WARMTH; i++)
		e->origin[i].warm_at = zs_boot_ns();
	*out = e;
	return 0;
}

void zs_enrolment_destroy(struct zs_enrolment *e)
{
	free(e);
}

static bool is_cold(const struct zs_enrolment *e, uint32_t slot)
{
	return __atomic_load_n(&e->warmth[slot].cold, __ATOMIC_SEQ_CST);
}

void zs_enrolment_refused(struct zs_enrolment *e, uint32_t origin, uint64_t now)
{
	uint32_t slot = origin % ZS_WARMTH;
	struct origin *o = &e->origin[slot];
	uint64_t least = o->stored ? ZS_COOL_SECONDS : ZS_COLD_SECONDS;

	if (!e->adaptive || is_cold(e, slot))
		return;
	if (!o->since)
		o->since = now;
	o->refused++;
	if (o->refused < ZS_COLD_JUDGED || now - o->since < least * ZS_NS)
		return;
	if (o->stored && e->in_use(e->user, slot)) { /* looked at again when as many came once more */
		o->since = now;
		o->refused = 0;
		return;
	}
	__atomic_store_n(&e->warmth[slot].cold, 1, __ATOMIC_SEQ_CST);
	e->cold++;
}

bool zs_enrolment_may_store(struct zs_enrolment *e, uint32_t origin, uint64_t asked, uint64_t now)
{
	uint32_t slot = origin % ZS_WARMTH;
	struct origin *o = &e->origin[slot];

	o->since = 0;
	o->refused = 0;
	o->stored = now;
	if (is_cold(e, slot)) {
		__atomic_store_n(&e->warmth[slot].cold, 0, __ATOMIC_SEQ_CST);
		e->cold--;
		o->warm_at = now;
	}
	return asked >= o->warm_at;
}

uint32_t zs_enrolment_cold(const struct zs_enrolment *e)
{
	return e->cold;
}
