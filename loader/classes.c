// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's decisions about a request, from user space. */
#include "classes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#define TRIES 8

/* The number of the class at d->scope; 0 if there is none. */
static int class_look(const struct zs_maps *maps, struct zs_decision *d, uint32_t *class)
{
	int fd = maps->fd[ZS_MAP_scopes];

	*class = 0;
	if (d->query.flags & ZS_QUERY_PATH_ODD)
		return 0;
	if (!bpf_map_lookup_elem(fd, &d->scope, class))
		return 0;
	d->scope.host = 0;
	if (bpf_map_lookup_elem(fd, &d->scope, class) && errno != ENOENT)
		return -errno;
	return 0;
}

/* By one half of the maps, which may be written over meanwhile. */
static int decide(const struct zs_maps *maps, const struct zs_ctl *ctl, uint32_t half, uint32_t origin,
		  struct zs_decision *d, size_t len, uint32_t *class)
{
	static struct zs_tables tables;
	static struct zs_class found;
	uint32_t at;
	int err;

	if (bpf_map_lookup_elem(maps->fd[ZS_MAP_tables], &half, &tables))
		return -errno;
	if (zs_request_scan(&d->request, &tables, (uint32_t)len) != ZS_SCAN_OK ||
	    zs_decide_begin(d, &tables, origin, half, ctl->seed[0], ctl->seed[1]))
		return -EINVAL;
	err = class_look(maps, d, class);
	if (err)
		return err;
	at = half * ZS_CLASSES + (*class & (ZS_CLASSES - 1));
	if (*class && bpf_map_lookup_elem(maps->fd[ZS_MAP_classes], &at, &found))
		return -errno;
	zs_decide_end(d, &tables, *class ? &found : NULL);
	return 0;
}

int zs_class_decide(const struct zs_maps *maps, const struct zs_ctl *ctl, uint32_t origin, struct zs_decision *d,
		    size_t len, uint32_t *class)
{
	if (len > ZS_HEAD_MAX)
		return -EINVAL;
	for (int i = 0; i < TRIES; i++) {
		uint32_t half = __atomic_load_n(&ctl->tables, __ATOMIC_ACQUIRE), number = 0;
		int err = decide(maps, ctl, half & 1, origin, d, len, &number);

		if (__atomic_load_n(&ctl->tables, __ATOMIC_ACQUIRE) != half)
			continue;
		if (!err)
			*class = number;
		return err;
	}
	return -EAGAIN;
}

int zs_key_canonical(const struct zs_maps *maps, const struct zs_ctl *ctl, const char *host, const char *target,
		     char *out)
{
	static struct zs_decision d;
	size_t len = strlen(target);
	const char *key = target;
	uint32_t class;
	int n, err;

	if (len > ZS_TARGET_MAX)
		return -EINVAL;
	n = snprintf((char *)d.request.head, ZS_HEAD_MAX, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);
	if (n < 0 || n >= (int)ZS_HEAD_MAX)
		return -EINVAL;
	err = zs_class_decide(maps, ctl, 0, &d, (size_t)n, &class);
	if (err && err != -EINVAL)
		return err;
	if (!err) {
		key = (const char *)d.key.text + zs_key_target_at(&d.key);
		len = d.key.target_len;
	}
	memmove(out, key, len);
	out[len] = 0;
	return 0;
}

int zs_class_confirm(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_asked *asked,
		     uint32_t *flags)
{
	static struct zs_decision d;
	uint32_t class;
	int err;

	if (asked->head_len > ZS_HEAD_MAX)
		return -EINVAL;
	memcpy(d.request.head, asked->head, asked->head_len);
	err = zs_class_decide(maps, ctl, asked->key.origin, &d, asked->head_len, &class);
	if (err)
		return err;
	if (!zs_request_recordable(&d.request) || zs_key_len(&d.key) != asked->key_len ||
	    !zs_key_equal(&d.key, (const uint8_t *)&asked->key, asked->key_len))
		return -ESTALE;
	*flags = d.request.flags;
	return 0;
}
