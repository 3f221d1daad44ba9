// SPDX-License-Identifier: GPL-2.0-or-later
/* One value in a mapped array, with a sequence number around every change. */
#include "config_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIES 200 /* of a millisecond */

static struct zs_config_text *view(const struct zs_maps *maps)
{
	return zs_map_view(maps->fd[ZS_MAP_config], sizeof(struct zs_config_text));
}

int zs_config_text_put(const struct zs_maps *maps, const char *path, const char *text, size_t len)
{
	struct zs_config_text *t;
	size_t path_len = path ? strlen(path) : 0;

	if (len > sizeof(t->text) || path_len >= sizeof(t->path))
		return -E2BIG;
	t = view(maps);
	if (!t)
		return -errno;
	__atomic_store_n(&t->seq, t->seq | 1, __ATOMIC_SEQ_CST);
	memset(t->path, 0, sizeof(t->path));
	if (path_len)
		memcpy(t->path, path, path_len);
	if (len)
		memcpy(t->text, text, len);
	t->len = (uint32_t)len;
	__atomic_store_n(&t->seq, (t->seq | 1) + 1, __ATOMIC_SEQ_CST);
	munmap(t, sizeof(*t));
	return 0;
}

static int copy(const struct zs_config_text *t, char *path, char *buffer, size_t *len)
{
	uint32_t seq = __atomic_load_n(&t->seq, __ATOMIC_SEQ_CST);

	*len = t->len;
	if (seq % 2 || *len > sizeof(t->text))
		return -EAGAIN;
	memcpy(buffer, t->text, *len);
	buffer[*len] = 0;
	if (path) {
		memcpy(path, t->path, sizeof(t->path));
		path[sizeof(t->path) - 1] = 0;
	}
	return __atomic_load_n(&t->seq, __ATOMIC_SEQ_CST) == seq ? 0 : -EAGAIN;
}

int zs_config_text_get(const struct zs_maps *maps, char *path, char **text, size_t *len)
{
	char *buffer = malloc(ZS_CONFIG_TEXT_MAX + 1);
	struct zs_config_text *t = buffer ? view(maps) : NULL;
	int err = buffer ? -EAGAIN : -ENOMEM;

	if (buffer && !t)
		err = -errno;
	for (int i = 0; t && err == -EAGAIN && i < TRIES; i++) {
		err = copy(t, path, buffer, len);
		if (err)
			usleep(1000);
	}
	if (t)
		munmap(t, sizeof(*t));
	if (err)
		free(buffer);
	else
		*text = buffer;
	return err;
}

int zs_config_text_inert_put(const struct zs_maps *maps, const char *const *names)
{
	struct zs_config_text *t = view(maps);
	size_t at = 0;
	int err = 0;

	if (!t)
		return -errno;
	memset(t->inert, 0, sizeof(t->inert));
	for (size_t i = 0; !err && names && names[i]; i++) {
		size_t len = strlen(names[i]) + 1;

		if (len > sizeof(t->inert) - at)
			err = -E2BIG;
		else
			memcpy(t->inert + at, names[i], len);
		at += len;
	}
	munmap(t, sizeof(*t));
	return err;
}

int zs_config_text_inert_get(const struct zs_maps *maps, char buffer[ZS_CONFIG_INERT_MAX],
			     const char *names[ZS_LIST_MAX + 1])
{
	struct zs_config_text *t = view(maps);
	size_t at = 0, n = 0;

	if (!t)
		return -errno;
	memcpy(buffer, t->inert, ZS_CONFIG_INERT_MAX);
	munmap(t, sizeof(*t));
	buffer[ZS_CONFIG_INERT_MAX - 1] = 0;
	for (; n < ZS_LIST_MAX && at < ZS_CONFIG_INERT_MAX && buffer[at]; at += strlen(buffer + at) + 1)
		names[n++] = buffer + at;
	names[n] = NULL;
	return 0;
}
