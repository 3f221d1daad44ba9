/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of the configuration in shared memory: how `run` and `reload` hand it to the agent. */
#ifndef ZS_CONFIG_TEXT_H
#define ZS_CONFIG_TEXT_H

#include "config.h"
#include "pin.h"

/* Writes path and text (which may be null and 0: none) into the map. One writer at a time (zs_change_lock).
 * -E2BIG; -errno of the map. */
int zs_config_text_put(const struct zs_maps *maps, const char *path, const char *text, size_t len);

/* The command line's inert fields, null-terminated list; kept by zs_config_text_put(). -E2BIG; -errno. */
int zs_config_text_inert_put(const struct zs_maps *maps, const char *const *names);

/* The same back: pointers into `buffer`, at most ZS_LIST_MAX and a null. -errno of the map. */
int zs_config_text_inert_get(const struct zs_maps *maps, char buffer[ZS_CONFIG_INERT_MAX],
			     const char *names[ZS_LIST_MAX + 1]);

/* A copy of what was put last; *text is the caller's to free, terminated. `path` holds ZS_CONFIG_PATH_MAX
 * bytes and may be null. -EAGAIN: it is being written; -ENOMEM; -errno of the map. */
int zs_config_text_get(const struct zs_maps *maps, char *path, char **text, size_t *len);

#endif
