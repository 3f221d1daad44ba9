/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's part in a purge: what was on its way when it was announced is not stored, and what was stored is
 * made stale (a soft purge) or forgotten (the command has taken it out of the index already).
 */
#ifndef ZS_AGENT_PURGE_H
#define ZS_AGENT_PURGE_H

#include <stdbool.h>
#include <stdint.h>

#include "purge.h"
#include "store.h"

/* For zs_store_options.still_wanted; `user` is a struct zs_purge_view. */
bool zs_agent_purge_wanted(void *user, const struct zs_store_item *item);

/*
 * Carries out what was announced since zs_ctl.purge_done, on objects whose request had left by then, and raises
 * purge_done. Nothing announced: a comparison. If more was announced than is remembered, every object older
 * than what is remembered goes. Objects that a soft purge matches and that have no grace go at once.
 */
void zs_agent_purge_tick(const struct zs_purge_view *view, struct zs_store *store);

#endif
