/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching the programs to a cgroup, taking over, and undoing it without losing a byte. */
#ifndef ZS_ATTACH_H
#define ZS_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "object.h"
#include "pin.h"

/*
 * Attaches to the cgroup directory and pins everything below the instance. If the instance is attached
 * already, its maps and sockets are taken over: the programs are replaced, what was stored is void.
 * *out is the loaded object (zs_object_close); what is attached stays when it is closed. Logged.
 * Errors of zs_object_load; -ENODEV, -EBUSY from the kernel when the cgroup refuses.
 */
int zs_attach(const struct zs_instance *instance, const char *cgroup, const struct zs_object_options *options,
	      struct zs_bpf **out);

#define ZS_DIALERS_MAX 64u /* cgroups of processes that dial listeners of Caddy's */

/* Enrols the connections of another cgroup to listeners of Caddy's, as number n below ZS_DIALERS_MAX; `obj` was loaded
 * with the client hop. Once more for another cgroup is success: it takes the place. -errno; logged. */
int zs_attach_dialer(const struct zs_instance *instance, struct zs_bpf *obj, uint32_t n, const char *cgroup);

/* Whether number n is attached to a cgroup that is there. */
bool zs_dialer_attached(const struct zs_instance *instance, uint32_t n);

/*
 * Undoes zs_attach in reverse: nothing is answered any more, no socket is enrolled, every message passes,
 * pins go. Sockets that are enrolled keep the dispatcher, which passes everything, until they close; their
 * unread bytes stay. 0 also when nothing was attached. The first error is returned. Logged.
 */
int zs_detach(const struct zs_instance *instance);

/* Makes everything stored void, for a new agent that begins with an empty store: what an earlier one
 * stored, and what it was recording. 0 or -errno. */
int zs_store_void(const struct zs_maps *maps);

/* Enrolled sockets that an earlier, detached instance has left to their dispatcher: sums over the
 * sockhashes of our name that are not pinned. Needs root; -errno. */
int64_t zs_draining(const struct zs_instance *instance);

/* 0 and *cgroup when the pinned links are attached to a live cgroup; -ENOENT: no links;
 * -ENOLINK: the cgroup is gone. */
int zs_attached_cgroup(const struct zs_instance *instance, uint64_t *cgroup);

#endif
