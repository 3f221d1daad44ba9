/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recording budget: how many recordings may begin per second. Recording costs; it pays where stored
 * responses are hit. So the rate falls while recordings outnumber hits, and rises with hits. Where next to
 * nothing that was recorded could be stored, it falls lower still.
 */
#ifndef ZS_BUDGET_H
#define ZS_BUDGET_H

#include <stdint.h>

struct zs_budget {
	uint32_t rate; /* recordings per second now */
	uint32_t most;
	uint32_t least;  /* floor while recordings are stored */
	uint32_t trickle; /* floor while they are not */
	uint64_t filled; /* boot-time ns of the last refill */
	uint64_t judged; /* boot-time ns of the last adaptation */
	uint64_t hits;   /* counters then */
	uint64_t recorded;
	uint64_t stored;
};

/* `most`: the operator's limit. The floors are a hundredth of it and a thousandth. */
void zs_budget_init(struct zs_budget *b, uint32_t most, uint64_t now);

/* Tokens to be had by now, the burst being one second's worth of the limit at first. `left`: what there is. */
int32_t zs_budget_refill(struct zs_budget *b, int32_t left, uint64_t now);

/* Once a second, with the totals so far: halves the rate when there were more recordings than hits, doubles
 * it when there were hits, and leaves it when there was neither. */
void zs_budget_adapt(struct zs_budget *b, uint64_t hits, uint64_t recorded, uint64_t stored, uint64_t now);

#endif
