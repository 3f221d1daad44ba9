// SPDX-License-Identifier: GPL-2.0-or-later
/* From the request that the kernel announced to the question that Caddy's configuration answers. */
#include "agent_listener.h"

#include <errno.h>

#include <bpf/bpf.h>

#include "asked.h"
#include "log.h"

bool zs_agent_listener_allows(struct zs_watch *watch, const struct zs_asked *asked, bool query_open)
{
	struct zs_eligible_request request = {
		/* Caddy's matchers look at Host, whatever X-Forwarded-Host says */
		.host = {asked->key.text, asked->key.host_len},
		.target = zs_asked_target(asked),
		.forwarded = zs_asked_has(asked, "x-forwarded-host") || zs_asked_has(asked, "x-forwarded-proto"),
		.query_open = query_open,
	};
	char why[ZS_ELIGIBLE_WHY];

	if (zs_watch_listener(watch, asked->key.origin) && !zs_asked_lower(asked))
		return false;
	if (zs_watch_eligible(watch, asked->key.origin, &request, asked->time, why))
		return true;
	zs_debug("not stored: %s", why);
	return false;
}

/* Half of the time after which Caddy may close a connection of which it sees no request. */
static uint32_t pass_after(uint32_t idle)
{
	return idle > 1 ? idle / 2 : idle;
}

int zs_agent_listener_put(void *user, const struct zs_opted_place *place)
{
	struct zs_agent *a = user;
	struct zs_listener value = {
		.origin = place->id,
		.flags = ZS_LISTENER_REMOTE | (a->o.dialers ? ZS_LISTENER_LOCAL : 0),
		.pass_after = pass_after(place->idle),
	};

	return bpf_map_update_elem(a->maps->fd[ZS_MAP_listeners], &place->key, &value, BPF_ANY) ? -errno : 0;
}

void zs_agent_listener_remove(void *user, const struct zs_opted_place *place)
{
	struct zs_agent *a = user;

	bpf_map_delete_elem(a->maps->fd[ZS_MAP_listeners], &place->key);
}

int zs_agent_listeners_clear(struct zs_agent *a)
{
	int fd = a->maps->fd[ZS_MAP_listeners];
	struct zs_origin_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		if (bpf_map_delete_elem(fd, &key))
			return -errno;
	return 0;
}
