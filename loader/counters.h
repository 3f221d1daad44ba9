/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's counters, summed over CPUs, by id and by name. */
#ifndef ZS_COUNTERS_READ_H
#define ZS_COUNTERS_READ_H

#include <stdint.h>
#include <zs/counters.h>

struct zs_counter_info {
	const char *name;
	const char *unit;
	const char *sentence;
};

extern const struct zs_counter_info zs_counter_info[ZS_COUNTERS];

/* All counters of the per-CPU map. 0 or -errno. */
int zs_counters_read(int map_fd, uint64_t values[ZS_COUNTERS]);

#endif
