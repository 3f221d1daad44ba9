// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading counters.def's counters out of the per-CPU map. */
#include "counters.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

const struct zs_counter_info zs_counter_info[ZS_COUNTERS] = {
#define ZS_COUNTER(id, unit, sentence) {#id, unit, sentence},
#include <zs/counters.def>
#undef ZS_COUNTER
};

int zs_counters_read(int map_fd, uint64_t values[ZS_COUNTERS])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *per_cpu;

	if (cpus < 0)
		return cpus;
	per_cpu = calloc((size_t)cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	for (uint32_t id = 0; id < ZS_COUNTERS; id++) {
		if (bpf_map_lookup_elem(map_fd, &id, per_cpu)) {
			int err = -errno;

			free(per_cpu);
			return err;
		}
		values[id] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			values[id] += per_cpu[cpu];
	}
	free(per_cpu);
	return 0;
}
