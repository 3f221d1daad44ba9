/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one reader of the ring zs_hits: events in, lines out. Hits are logged only while it lives: it renews
 * zs_ctl.logging from a timer, so also while it waits for whoever reads its lines, and what does not fit into the ring
 * by then is counted (log_lost). One per process: it takes SIGALRM.
 */
#ifndef ZS_HIT_READER_H
#define ZS_HIT_READER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pin.h"

struct zs_hit_reader_options {
	int out;         /* where lines go */
	int control;     /* a socket over which fds come that replace it (zs_fd_send); -1: none */
	uint64_t lines;  /* ends after so many; 0: no limit */
	uint64_t ns;     /* ends after this time; 0: no limit */
	bool stays;      /* waits for another reader to end, and goes on when lines cannot be written */
	bool news_only;  /* what stands in the ring already is not for us */
	volatile sig_atomic_t *stop; /* set by a handler without SA_RESTART: ends when what is in the ring is written */
};

/*
 * Reads until told to end. 0: that, or nobody reads `out` any more. -EBUSY: another process reads it, and is named.
 * -ECANCELED: another one took the ring, after this one had stopped for seconds. Logged.
 */
int zs_hit_reader_run(const struct zs_maps *maps, const struct zs_hit_reader_options *options);

/* Gives the ring free after its reader died. */
void zs_hit_reader_gone(struct zs_ctl *ctl, pid_t pid);

#endif
