/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which cgroup2 directory is meant by a unit, a process or a path; and throw-away cgroups for the
 * self-tests. What is attached there is attach.c's business.
 *
 * All functions but the parser write one log line when they fail. `path` is PATH_MAX bytes and is
 * written only on success.
 */
#ifndef ZS_CGROUP_H
#define ZS_CGROUP_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ZS_CGROUP_MOUNTS_MAX 8

struct zs_cgroup_mount {
	char root[PATH_MAX];  /* what of the hierarchy is mounted, seen from our cgroup namespace */
	char point[PATH_MAX]; /* where */
};

/* The cgroup2 mounts in the text of /proc/self/mountinfo (proc(5)), octal escapes undone. Lines
 * that are malformed or too long are skipped. Returns how many of `mounts` were filled, at most
 * `max`. */
size_t zs_cgroup_mounts_parse(const char *text, struct zs_cgroup_mount *mounts, size_t max);

/* Where a cgroup that the kernel calls `cgroup` ("/a/b", seen from our cgroup namespace) lies below
 * that mount. Does not look at the file system. -ENOENT: outside of the mount; -ENAMETOOLONG. */
int zs_cgroup_below(const struct zs_cgroup_mount *mount, const char *cgroup, char *path);

/* Cgroup of a running systemd unit; ".service" is assumed where the name has no suffix. Asks
 * systemctl, and where that is missing or has no systemd to talk to, looks for system.slice/UNIT.
 * -EINVAL: not a unit name; -ENOENT: no such unit, or not running; -ENODEV: no cgroup2 mounted. */
int zs_cgroup_from_unit(const char *unit, char *path);

/* Cgroup of a process (cgroups(7), the "0::" line). -ENOENT: no such process, or its cgroup lies
 * outside of what we see mounted; -ENODEV: no cgroup2 mounted. */
int zs_cgroup_from_pid(pid_t pid, char *path);

/* An absolute path of a cgroup2 directory, symbolic links resolved.
 * -EINVAL: not absolute, or not on cgroup2; -ENOENT. */
int zs_cgroup_from_path(const char *given, char *path);

/* The id that bpf_get_current_cgroup_id() and link info call this cgroup (Linux 5.5: 64 bit). */
int zs_cgroup_id(const char *path, uint64_t *id);

/* A new, empty cgroup zeroserve-XXXXXX right below the first cgroup2 mount that can be written. */
int zs_cgroup_create_temp(char *path);

/* Moves a process (all its threads) there; 0 means the caller. */
int zs_cgroup_enter(const char *path, pid_t pid);

/* Removes what zs_cgroup_create_temp made, and nothing else (-EINVAL). Waits half a second for
 * processes to finish dying, then -EBUSY. Already gone is success. */
int zs_cgroup_remove_temp(const char *path);

#endif
