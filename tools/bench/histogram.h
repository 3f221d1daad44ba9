/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts of durations in buckets that are at most 1/128 wide, from 1 us to more than an hour;
 * nothing else. Below 256 us a bucket is one microsecond; above, every doubling has 128 of them.
 */
#ifndef ZS_BENCH_HISTOGRAM_H
#define ZS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 7
#define HISTOGRAM_STEPS	    (1u << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_DOUBLINGS 25
#define HISTOGRAM_BUCKETS   (HISTOGRAM_STEPS * (HISTOGRAM_DOUBLINGS + 2))

struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS];
	uint64_t total;
	uint64_t most; /* us, exact */
};

/* The bucket of a duration in microseconds; what is longer than the last bucket is in the last
 * bucket. */
static inline uint32_t histogram_bucket(uint64_t us)
{
	uint32_t shift, bucket;

	if (us < 2 * HISTOGRAM_STEPS)
		return (uint32_t)us;
	shift = 63 - (uint32_t)__builtin_clzll(us) - HISTOGRAM_STEP_BITS;
	bucket = shift * HISTOGRAM_STEPS + (uint32_t)(us >> shift);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The longest duration, in microseconds, that falls into the bucket. */
static inline uint64_t histogram_upper(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < 2 * HISTOGRAM_STEPS)
		return bucket;
	shift = bucket / HISTOGRAM_STEPS - 1;
	return ((uint64_t)(bucket - shift * HISTOGRAM_STEPS + 1) << shift) - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t us)
{
	h->count[histogram_bucket(us)]++;
	h->total++;
	if (us > h->most)
		h->most = us;
}

/* The smallest bucket bound, in microseconds, that `permille_10` of 10,000 durations do not exceed;
 * 0 if there are none. */
static inline uint64_t histogram_quantile(const struct histogram *h, uint32_t permille_10)
{
	uint64_t want = (h->total * permille_10 + 9999) / 10000, seen = 0;
	uint64_t upper;
	uint32_t bucket;

	for (bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
		seen += h->count[bucket];
		if (seen && seen >= want) {
			upper = histogram_upper(bucket);
			return upper < h->most ? upper : h->most;
		}
	}
	return 0;
}

#endif
