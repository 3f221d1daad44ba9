/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several commands need: finding the instance and the target, and turning errors into exit codes. */
#ifndef ZS_COMMAND_H
#define ZS_COMMAND_H

#include <jansson.h>

#include "options.h"
#include "pin.h"

/* The exit code of a negative errno, after whoever knew better has logged it. */
enum zs_exit zs_exit_of(int err);

/* 0, or an exit code after saying that this needs root. */
int zs_need_root(const char *verb);

/* Settles the instance. 0 or an exit code. A missing bpffs is `not attached` unless mount_it. */
int zs_command_instance(const struct zs_options *options, bool mount_it, struct zs_instance *instance);

/* Opens the maps of what is attached. 0, or an exit code (3 with a message). */
int zs_command_maps(const struct zs_options *options, struct zs_instance *instance, struct zs_maps *maps);

/* The cgroup directory that the options name (PATH_MAX bytes). 0 or an exit code. */
int zs_command_target(const struct zs_options *options, char *path);

/* An agent goes its rounds on these maps. */
bool zs_agent_alive(const struct zs_ctl *ctl);

/* The agent's report, parsed; null if there is none yet. A new reference. */
json_t *zs_report_read(const struct zs_maps *maps);

/* Starts an answer: {"schema": "zeroserve/1"}; prints and frees it. */
json_t *zs_answer_begin(void);
void zs_answer_print(json_t *answer);

/*
 * An answer that may be too long to be held in memory, printed as it comes: {"schema": "zeroserve/1",
 * "<name>": [member, ...], and the members of `rest`}. Members and `rest` are taken over and freed.
 */
void zs_answer_array_begin(const char *name);
void zs_answer_array_add(json_t *member);
void zs_answer_array_end(json_t *rest);

#endif
