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
	uint64_t counting; /* boot-time ns from which on requests are counted */
	uint32_t requests; /* zs_warmth.requests then */
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
	zs_enrolment_warm(e, zs_boot_ns()); /* an agent before us may have left others */
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

/* What is asked for before the kernel knows may have met an unsafe request that voided nothing. */
static void warm(struct zs_enrolment *e, uint32_t slot, uint64_t now)
{
	uint64_t known;

	__atomic_store_n(&e->warmth[slot].cold, 0, __ATOMIC_SEQ_CST);
	known = zs_boot_ns();
	e->origin[slot].warm_at = known > now ? known : now;
}

static void evidence_forget(struct zs_enrolment *e, uint32_t slot, uint64_t now)
{
	struct origin *o = &e->origin[slot];

	o->since = 0;
	o->refused = 0;
	o->counting = now;
	o->requests = __atomic_load_n(&e->warmth[slot].requests, __ATOMIC_RELAXED);
}

/* Nothing could be stored since the evidence began: cold, unless what was stored before is there still. */
static void cool(struct zs_enrolment *e, uint32_t slot, uint64_t now)
{
	struct origin *o = &e->origin[slot];

	evidence_forget(e, slot, now);
	if (o->stored && e->in_use(e->user, slot)) /* looked at again when as much came once more */
		return;
	__atomic_store_n(&e->warmth[slot].cold, 1, __ATOMIC_SEQ_CST);
	e->cold++;
}

static uint64_t least_ns(const struct origin *o)
{
	return (o->stored ? ZS_COOL_SECONDS : ZS_COLD_SECONDS) * ZS_NS;
}

void zs_enrolment_refused(struct zs_enrolment *e, uint32_t origin, uint64_t now)
{
	uint32_t slot = origin % ZS_WARMTH;
	struct origin *o = &e->origin[slot];

	if (!e->adaptive || is_cold(e, slot))
		return;
	if (!o->since)
		o->since = now;
	o->refused++;
	if (o->refused >= ZS_COLD_JUDGED && now - o->since >= least_ns(o))
		cool(e, slot, now);
}

void zs_enrolment_tick(struct zs_enrolment *e, uint32_t last, uint64_t now)
{
	for (uint32_t slot = 1; e->adaptive && slot <= last && slot < ZS_WARMTH; slot++) {
		struct origin *o = &e->origin[slot];
		uint32_t begun = __atomic_load_n(&e->warmth[slot].requests, __ATOMIC_RELAXED) - o->requests;

		if (is_cold(e, slot))
			continue;
		if (!begun)
			o->counting = now;
		else if (begun >= ZS_COLD_REQUESTS && now - o->counting >= least_ns(o))
			cool(e, slot, now);
	}
}

void zs_enrolment_warm(struct zs_enrolment *e, uint64_t now)
{
	for (uint32_t slot = 0; slot < ZS_WARMTH; slot++) {
		evidence_forget(e, slot, now);
		warm(e, slot, now);
	}
	e->cold = 0;
}

bool zs_enrolment_may_store(struct zs_enrolment *e, uint32_t origin, uint64_t asked, uint64_t now)
{
	uint32_t slot = origin % ZS_WARMTH;
	struct origin *o = &e->origin[slot];

	evidence_forget(e, slot, now);
	o->stored = now;
	if (is_cold(e, slot)) {
		warm(e, slot, now);
		e->cold--;
	}
	return asked >= o->warm_at;
}

uint32_t zs_enrolment_cold(const struct zs_enrolment *e)
{
	return e->cold;
}
