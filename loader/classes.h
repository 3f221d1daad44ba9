/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel would make of a request, asked from user space: by the maps in use, and by decide.h. */
#ifndef ZS_CLASSES_H
#define ZS_CLASSES_H

#include <stddef.h>
#include <stdint.h>
#include <zs/decide.h>

#include "ingest.h"
#include "pin.h"

/*
 * Decides about the head in d->request.head, `len` bytes of at most ZS_HEAD_MAX, as a request to `origin`.
 * 0: d->request.flags and d->key are settled, *class is the number of its class (0: none). -EINVAL: not a
 * strict head, or none that has a key; -EAGAIN: the tables were switched again and again; -errno of the maps.
 * Silent.
 */
int zs_class_decide(const struct zs_maps *maps, const struct zs_ctl *ctl, uint32_t origin, struct zs_decision *d,
		    size_t len, uint32_t *class);

/*
 * The target that stands in the key of a request for `target` whose visitor asked for `host`: what the class
 * of the request leaves of it. `out` holds ZS_TARGET_MAX bytes and a zero. A target of which no strict head
 * can be made is as it was. Errors as above; -EINVAL: longer than ZS_TARGET_MAX.
 */
int zs_key_canonical(const struct zs_maps *maps, const struct zs_ctl *ctl, const char *host, const char *target,
		     char *out);

/*
 * Once more, before a response is stored: whether the request of a recording may fill the store by the rules
 * in use now, and under the key that it was announced with. 0: it may; *flags are ZS_REQ_* (ZS_REQ_AUTH: RFC
 * 9111 3.5 has a say). -ESTALE: it may not, or has another key by now; errors of zs_class_decide().
 */
int zs_class_confirm(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_asked *asked,
		     uint32_t *flags);

#endif
