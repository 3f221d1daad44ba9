/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hold-off: keys found uncacheable are not recorded for a while, and the kernel emits nothing for them. */
#ifndef ZS_HOLDOFF_H
#define ZS_HOLDOFF_H

#include <stdint.h>

#define ZS_HOLDOFF_FIRST 2u   /* seconds */
#define ZS_HOLDOFF_LAST  600u /* seconds */

/* Holds the key off from `now` (boot-time ns) on: ZS_HOLDOFF_FIRST, and twice as long each time in a row,
 * up to ZS_HOLDOFF_LAST. A key that is held off already stays so as it is. `reason` as in struct zs_holdoff.
 * 0 or -errno of the map. */
int zs_holdoff_add(int map_fd, uint64_t digest, uint64_t now, uint32_t reason);

/* Notes why the key's newest response was not stored, and does not hold it off. A hold-off stays as it is. */
int zs_holdoff_note(int map_fd, uint64_t digest, uint64_t now, uint32_t reason);

/* Seconds for the n-th time in a row, from 0. */
uint32_t zs_holdoff_seconds(uint32_t level);

/* The key was cacheable after all. */
void zs_holdoff_clear(int map_fd, uint64_t digest);

#endif
