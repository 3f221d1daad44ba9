/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One instance's directory in bpffs: where maps and links outlive every process, and how they are found. */
#ifndef ZS_PIN_H
#define ZS_PIN_H

#include <limits.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <zs/abi.h>

struct zs_bpf;

/* Every map, in the order of enum zs_map. The pin's name is the map's without "zs_". */
#define ZS_MAP_LIST(X)                                                                              \
	X(socks) X(conns) X(progs) X(origins) X(warmth) X(index) X(front) X(pages) X(ctl) X(gens) X(seen) X(holdoff)   \
	X(stop) X(events) X(hits) X(counters) X(tables) X(classes) X(scopes) X(purges) X(config) X(works) X(report)    \
	X(listeners) X(accepts) X(accepted) X(accept_ids) X(pairs) X(gates)

enum zs_map {
#define X(name) ZS_MAP_##name,
	ZS_MAP_LIST(X)
#undef X
	ZS_MAPS
};

/* File descriptors of an instance's maps; -1: not open. */
struct zs_maps {
	int fd[ZS_MAPS];
};

struct zs_instance {
	char dir[PATH_MAX]; /* <bpffs>/zeroserve/<name> */
	char name[64];
};

/*
 * Settles where the instance lives. `bpffs` null: /sys/fs/bpf if that is one, else the first of
 * /proc/self/mountinfo, else /sys/fs/bpf is mounted when `mount_it` is set, as bpftool does. Creates no
 * directory.
 * -EINVAL: name or directory is not usable; -ENOENT: no bpffs. Logged.
 */
int zs_instance_init(struct zs_instance *instance, const char *bpffs, const char *name, bool mount_it);

/* There are pins of this instance. */
bool zs_instance_exists(const struct zs_instance *instance);

/* Maps of a loaded object. The fds stay the object's. */
void zs_maps_of_object(struct zs_bpf *obj, struct zs_maps *maps);

/* Opens the pinned maps; the caller closes them (zs_maps_close). -ENOENT: not attached; -EPROTO: another
 * ABI. Silent on -ENOENT, logged otherwise. */
int zs_maps_open(const struct zs_instance *instance, struct zs_maps *maps);
void zs_maps_close(struct zs_maps *maps);

/* Creates the directory and pins all maps, those already there left alone. Undone on failure. Logged. */
int zs_pin_publish(const struct zs_instance *instance, struct zs_bpf *obj);

/* Removes every pin of the instance, then its directory, then the parent if it is empty. What is gone
 * already is fine. The first error is returned, the rest is done all the same. Logged. */
int zs_pin_remove(const struct zs_instance *instance);

/* "<dir>/<name>" in a static buffer. */
const char *zs_pin_path(const struct zs_instance *instance, const char *name);

/* Takes the lock that `run` holds for its life: an fd, or -EBUSY. The directory must exist. */
int zs_instance_lock(const struct zs_instance *instance);

/* Takes the lock under which anything is attached or detached on this bpffs; waits up to ten seconds. An fd,
 * which the caller closes, or -EBUSY (logged). */
int zs_change_lock(const struct zs_instance *instance);

/* Takes the lock under which purges are announced: another one, since attaching holds that for seconds. An fd,
 * which the caller closes, or -errno after five seconds (logged). */
int zs_announce_lock(const struct zs_instance *instance);

/* The control map of an instance, mmap-ed read and write; null on failure (errno). */
struct zs_ctl *zs_ctl_map(const struct zs_maps *maps);

/* Adds or replaces an origin, after its bit in `ctl->ports` is set: a clear one ends every look-up. -errno. */
int zs_origin_put(const struct zs_maps *maps, struct zs_ctl *ctl, const struct zs_origin_key *key, uint32_t id);

/* max_entries of a map; 0 on failure (errno). */
uint32_t zs_map_entries(int fd);

/* mmap of a mmap-able array; null on failure (errno). */
void *zs_map_view(int fd, size_t size);

#endif
