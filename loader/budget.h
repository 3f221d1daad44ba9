/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recording budget: how many recordings may begin per second. Recording costs; it pays where stored
 * responses are hit. So the rate falls while recordings are many and hits are few, and rises with hits.
 */
#ifndef ZS_BUDGET_H
#define ZS_BUDGET_H

#include <stdint.h>

struct zs_budget {
	uint32_t rate; /* recordings per second now */
	uint32_t most;
	uint32_t least;
	uint64_t filled; /* boot-time ns of the last refill */
	uint64_t judged; /* boot-time ns of the last adaptation */
	uint64_t hits;   /* counters then */
	uint64_t recorded;
	uint64_t refused;
};

/* `most`: the operator's limit. The floor is a fortieth of it, at least 10. */
void zs_budget_init(struct zs_budget *b, uint32_t most, uint64_t now);

/* Tokens to be had by now, the burst being one second's worth of the limit at first. `left`: what there is. */
int32_t zs_budget_refill(struct zs_budget *b, int32_t left, uint64_t now);

/* Once a second: halves the rate when the budget was spent (`refused`: requests not recorded for want of
 * it) and hits did not outnumber recordings; else doubles it. Counters are totals. */
void zs_budget_adapt(struct zs_budget *b, uint64_t hits, uint64_t recorded, uint64_t refused, uint64_t now);

#endif
