/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run's log of hits: a process that reads them and writes lines. Like the agent it reads what the network sent, and
 * has no privileges; so the file is opened by the parent, which hands it over, also anew when it was rotated.
 */
#ifndef ZS_LOGGER_H
#define ZS_LOGGER_H

#include <sys/types.h>

#include "pin.h"

struct zs_logger {
	const char *path; /* "-": stdout; null: no log, and nothing below does anything */
	const char *user; /* as the agent's */
	const struct zs_maps *maps;
	struct zs_ctl *ctl;
	int out;          /* the file, open */
	int control;      /* our end of the socket over which it goes */
	pid_t pid;        /* 0: not running */
	int pause;        /* ms until it is started anew */
	uint64_t due;     /* boot-time ns: when */
};

/* Opens the file, for appending; makes it (mode 0640) if it is not there. To be called before anything is attached.
 * 0 or -errno (logged). */
int zs_logger_open(struct zs_logger *logger, const char *path);

/* Starts the process. `maps` and `ctl` must live as long as it. 0 or -errno (logged). */
int zs_logger_start(struct zs_logger *logger, const struct zs_maps *maps, struct zs_ctl *ctl, const char *user);

/* Starts it anew if it has died, after a while that grows. To be called now and then. */
void zs_logger_check(struct zs_logger *logger);

/* Opens the path anew, and lets the process go over to it, without a line less. On failure it stays with the old
 * file. 0 or -errno (logged). */
int zs_logger_reopen(struct zs_logger *logger);

/* Lets it write what is in the ring, and end. */
void zs_logger_end(struct zs_logger *logger);

#endif
