/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this kernel must prove before a lane is switched on: live tests on loopback pairs, with the real
 * programs. Version tables are advice to the reader; these are the switch.
 */
#ifndef ZS_SELFTEST_H
#define ZS_SELFTEST_H

#include <stdbool.h>

struct zs_selftest {
	const char *name;     /* kebab-case */
	const char *question; /* what is tried, one line */
	const char *next;     /* what to do when it fails */
	bool passed;
	char detail[160]; /* what happened; empty when passed */
};

#define ZS_SELFTESTS 8

/* Runs all in a process of its own. 0: `results` is filled, look at `passed`. -EPERM, -EOPNOTSUPP...: the
 * programs could not even be loaded (logged). */
int zs_selftest_run(struct zs_selftest results[ZS_SELFTESTS]);

#endif
