/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process may do, and giving it up for good. Both talk about the calling thread: call
 * them before any other thread exists.
 */
#ifndef ZS_CAPS_H
#define ZS_CAPS_H

#include <stddef.h>

/* Capabilities that loading and attaching need and that are not effective, as in
 * "CAP_BPF, CAP_NET_ADMIN"; empty when none is missing. CAP_SYS_ADMIN stands in for CAP_BPF. It
 * does not for CAP_NET_ADMIN: before Linux 6.9 sock_map_alloc() asks for that one by name. Returns
 * how many are missing, or a negative errno; `text` changes only with a result. */
int zs_caps_missing(char *text, size_t size);

/* Becomes an unprivileged user for the rest of its life: `user`, or when that is NULL "zeroserve"
 * if there is one, else "nobody". Groups, all user and group ids and every capability set go;
 * no_new_privs is set, dumpable is cleared; then it is tried whether that holds. A process that is
 * not root keeps its user unless one is named, and loses the rest.
 *
 * After an error the process may be half way down: all it may do is exit. A parent-death signal is
 * forgotten by the kernel here (prctl(2)): set it afterwards.
 *
 * -ENOENT: no such user; -EINVAL: that user is root; -EPERM: not allowed, or the check failed. */
int zs_caps_drop(const char *user);

/* Closes every file descriptor above stderr but the `n` in `keep`: for a process that is about to read what it should
 * not be trusted with. */
void zs_fds_keep(const int *keep, size_t n);

#endif
