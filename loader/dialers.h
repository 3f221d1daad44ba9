/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cgroups of processes that dial listeners of Caddy's: found, attached to, and found again when they come anew. */
#ifndef ZS_DIALERS_H
#define ZS_DIALERS_H

#include "attach.h"

struct zs_dialers {
	const struct zs_instance *instance; /* borrowed, as are the next */
	struct zs_bpf *obj;
	const char *const *named; /* units, PIDs or paths; null-terminated */
	uint64_t next[ZS_DIALERS_MAX];  /* boot-time ns at which it is looked for again */
	uint32_t pause[ZS_DIALERS_MAX]; /* seconds, of the last one that was not there; 0: it was */
};

/* Attaches to those that are not attached and are there now. A unit that does not run is looked for again after
 * seconds that become minutes. Cheap; for every second or so. Logged. */
void zs_dialers_settle(struct zs_dialers *d, uint64_t now);

#endif
