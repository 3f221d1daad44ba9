// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The two halves of zs_tables, zs_classes and zs_scopes.
 *
 * A program reads zs_ctl.tables, .scopes and .vary once per message. The latter two only open the way to the
 * half it took: what is not in that half is not found there. So they are raised before the switch, a grace
 * period apart, and lowered when nobody can be in the old half any more. `flush` is raised at
 * that time, too: a program that began in the old half may announce a recording until then.
 */
#include "tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <zs/decide.h>

static int grace_wait(zs_grace_fn *grace)
{
	return grace ? grace() : 0;
}

/* --- scopes ------------------------------------------------------------------------------------ */

/* The number that stands for a host; null: any. */
static int host_number(const struct zs_ctl *ctl, const char *host, uint64_t *out)
{
	static struct zs_key key;
	size_t len = host ? strlen(host) : 0;

	if (len > ZS_HOST_MAX || (host && !len))
		return -EINVAL;
	memset(&key, 0, sizeof(key));
	key.host_len = (uint16_t)len;
	for (size_t i = 0; i < len; i++)
		key.text[i] = (uint8_t)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 'a' - 'A' : host[i]);
	*out = host ? zs_scope_host(&key, ctl->seed[0], ctl->seed[1]) : 0;
	return 0;
}

static int place_write(int fd, const struct zs_ctl *ctl, const struct zs_place *place, uint32_t half)
{
	struct zs_scope_key key = {.half = half};
	size_t len = strlen(place->prefix);
	uint64_t host;
	int err = host_number(ctl, place->host, &host);

	if (err || len > ZS_SCOPE_PATH || place->prefix[0] != '/' || place->class >= ZS_CLASSES)
		return -EINVAL;
	key.prefixlen = ZS_SCOPE_BITS + 8 * (uint32_t)len;
	key.host = host;
	memcpy(key.path, place->prefix, len);
	if (!bpf_map_update_elem(fd, &key, &place->class, BPF_NOEXIST))
		return 0;
	return errno == EEXIST ? -EINVAL : -errno;
}

/* All keys of a half; *out is the caller's. */
static int scopes_list(int fd, uint32_t half, struct zs_scope_key **out, uint32_t *count)
{
	struct zs_scope_key *list = calloc(2 * ZS_SCOPES, sizeof(*list)), at, next;
	void *from = NULL;

	*count = 0;
	if (!list)
		return -ENOMEM;
	while (!bpf_map_get_next_key(fd, from, &next)) {
		at = next;
		from = &at;
		if (at.half == half && *count < 2 * ZS_SCOPES)
			list[(*count)++] = at;
	}
	*out = list;
	return 0;
}

static int scopes_remove(int fd, uint32_t half)
{
	struct zs_scope_key *list;
	uint32_t count;
	int err = scopes_list(fd, half, &list, &count);

	if (err)
		return err;
	for (uint32_t i = 0; i < count; i++)
		if (bpf_map_delete_elem(fd, &list[i]) && errno != ENOENT)
			err = -errno;
	free(list);
	return err;
}

/* --- a half ------------------------------------------------------------------------------------ */

static int classes_write(int fd, const struct zs_tables_plan *plan, uint32_t half)
{
	static const struct zs_class none;

	for (uint32_t i = 0; i < ZS_CLASSES; i++) {
		const struct zs_class *class = i && i < plan->class_count ? &plan->classes[i] : &none;
		uint32_t at = half * ZS_CLASSES + i;

		if (class->params > ZS_CLASS_PARAMS || class->cookies > ZS_CLASS_COOKIES)
			return -EINVAL;
		if (bpf_map_update_elem(fd, &at, class, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int half_write(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_tables_plan *plan,
		      uint32_t half)
{
	int fd = maps->fd[ZS_MAP_scopes], err = scopes_remove(fd, half);

	if (!err)
		err = classes_write(maps->fd[ZS_MAP_classes], plan, half);
	if (!err && bpf_map_update_elem(maps->fd[ZS_MAP_tables], &half, plan->tables, BPF_ANY))
		err = -errno;
	for (uint32_t i = 0; !err && i < plan->place_count; i++)
		err = place_write(fd, ctl, &plan->places[i], half);
	if (err)
		scopes_remove(fd, half);
	return err;
}

/* --- the switch -------------------------------------------------------------------------------- */

static void raise_to(uint32_t *word, uint32_t value)
{
	if (__atomic_load_n(word, __ATOMIC_RELAXED) < value)
		__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static int halves_switch(struct zs_ctl *ctl, const struct zs_tables_plan *plan, uint32_t half, bool flush,
			 zs_grace_fn *grace)
{
	int err;

	raise_to(&ctl->scopes, plan->place_count);
	raise_to(&ctl->vary, plan->vary);
	err = grace_wait(grace);
	if (!err) {
		__atomic_store_n(&ctl->tables, half, __ATOMIC_SEQ_CST);
		err = grace_wait(grace);
		if (err)
			__atomic_store_n(&ctl->tables, !half, __ATOMIC_SEQ_CST);
	}
	if (err) /* the words stay raised, which costs a look-up and nothing else */
		return err;
	if (flush)
		__atomic_fetch_add(&ctl->flush, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&ctl->scopes, plan->place_count, __ATOMIC_SEQ_CST);
	__atomic_store_n(&ctl->vary, plan->vary, __ATOMIC_SEQ_CST);
	return 0;
}

int zs_tables_switch(const struct zs_maps *maps, const struct zs_tables_plan *plan, bool flush, zs_grace_fn *grace)
{
	struct zs_ctl *ctl;
	uint32_t half;
	int err;

	if (plan->class_count > ZS_CLASSES || plan->place_count > ZS_SCOPES || plan->vary > ZS_VARY_FIELDS)
		return -EINVAL;
	ctl = zs_ctl_map(maps);
	if (!ctl)
		return -errno;
	half = !(ctl->tables & 1);
	err = grace_wait(grace); /* whoever switched before us may have died before he waited */
	if (!err)
		err = half_write(maps, ctl, plan, half);
	if (!err)
		err = halves_switch(ctl, plan, half, flush, grace);
	if (!err)
		scopes_remove(maps->fd[ZS_MAP_scopes], !half); /* what stays is found by nobody, and removed next time */
	munmap(ctl, sizeof(*ctl));
	return err;
}
