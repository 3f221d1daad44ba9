// SPDX-License-Identifier: GPL-2.0-or-later
/* Token bucket with a rate that follows the yield. Pure: the caller brings time and counters. */
#include "budget.h"

#include "clock.h"

#define LEAST_DIVISOR   100u
#define TRICKLE_DIVISOR 1000u

static uint32_t floor_of(uint32_t most, uint32_t divisor)
{
	return most / divisor ? most / divisor : (most ? 1 : 0);
}

void zs_budget_init(struct zs_budget *b, uint32_t most, uint64_t now)
{
	*b = (struct zs_budget){
		.rate = most,
		.most = most,
		.least = floor_of(most, LEAST_DIVISOR),
		.trickle = floor_of(most, TRICKLE_DIVISOR),
		.filled = now,
		.judged = now,
	};
}

int32_t zs_budget_refill(struct zs_budget *b, int32_t left, uint64_t now)
{
	uint64_t gain = (now - b->filled) * b->rate / ZS_NS;
	int64_t have = left > 0 ? left : 0;

	if (!gain)
		return left < (int32_t)b->rate ? left : (int32_t)b->rate;
	b->filled += gain * ZS_NS / b->rate;
	have += (int64_t)gain;
	return (int32_t)(have < b->rate ? have : b->rate);
}

void zs_budget_adapt(struct zs_budget *b, uint64_t hits, uint64_t recorded, uint64_t stored, uint64_t now)
{
	uint64_t new_hits = hits - b->hits, new_recorded = recorded - b->recorded;
	uint64_t new_stored = stored - b->stored;
	uint32_t least = new_stored * 10 < new_recorded ? b->trickle : b->least;

	if (now - b->judged < ZS_NS)
		return;
	if (new_hits < new_recorded)
		b->rate = b->rate / 2 > least ? b->rate / 2 : least;
	else if (new_hits)
		b->rate = b->rate * 2 < b->most ? b->rate * 2 : b->most;
	b->judged = now;
	b->hits = hits;
	b->recorded = recorded;
	b->stored = stored;
}
