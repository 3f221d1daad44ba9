// SPDX-License-Identifier: GPL-2.0-or-later
/* Recordings of the agent, and the events that feed them. */
#include "agent_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zs/key.h>

#include "agent_state.h"
#include "asked.h"
#include "classes.h"
#include "clock.h"
#include "enrolment.h"
#include "holdoff.h"
#include "location.h"
#include "refresh.h"

/* --- recordings ------------------------------------------------------------------------------ */

static int recording_head(void *user, const struct zs_asked *asked, const struct zs_response *response,
			  uint64_t arrived)
{
	struct zs_agent *a = user;

	return zs_ingest_judge(&a->ingest, asked, response, arrived) == ZS_POLICY_STORE;
}

/* Raises the generation of one more target. Its key has the Host that the request had. */
static void target_void(void *user, const struct zs_asked *asked, struct zs_text target)
{
	struct zs_agent *a = user;
	char host[ZS_HOST_MAX + 1], sent[ZS_TARGET_MAX + 1], canonical[ZS_TARGET_MAX + 1];
	struct zs_key key = asked->key;
	struct zs_text visited, path;
	uint32_t bucket;

	zs_asked_place(asked, &visited, &path);
	snprintf(host, sizeof(host), "%.*s", (int)visited.len, (const char *)visited.p);
	snprintf(sent, sizeof(sent), "%.*s", (int)target.len, (const char *)target.p);
	if (zs_key_canonical(a->maps, a->ctl, host, sent, canonical))
		snprintf(canonical, sizeof(canonical), "%s", sent);
	key.target_len = (uint16_t)strlen(canonical);
	memset(key.text + zs_key_target_at(&key), 0, zs_pad8(key.target_len));
	memcpy(key.text + zs_key_target_at(&key), canonical, key.target_len);
	bucket = zs_key_bucket(&key, a->ctl->seed[0], a->ctl->seed[1]);
	__atomic_fetch_add(&a->generations[bucket], 1, __ATOMIC_SEQ_CST);
	a->located++;
}

static void recording_unsafe(void *user, const struct zs_asked *asked, const struct zs_response *response)
{
	zs_location_targets(asked, response, target_void, user);
}

static int recording_whole(void *user, const struct zs_asked *asked, const struct zs_response *response,
			   const struct zs_body *body, uint64_t arrived)
{
	struct zs_agent *a = user;
	int err;

	if (!zs_enrolment_may_store(a->enrolment, asked->key.origin, asked->time, zs_boot_ns()))
		return -ECANCELED; /* the next one will be */
	err = zs_ingest_store(&a->ingest, asked, response, body, arrived);

	if (!err)
		__atomic_store_n(&a->ctl->stored, 1, __ATOMIC_RELEASE); /* the tick counts exactly */
	return err;
}

/* The response was not one to be stored. Nobody may keep others from the key by what he asks for, or by how. */
static void refused(struct zs_agent *a, const struct zs_asked *asked, enum zs_recording_end how)
{
	int map = a->maps->fd[ZS_MAP_holdoff];
	bool decided = how == ZS_RECORDING_REFUSED, by_request = decided ? a->ingest.by_request : !zs_asked_ordinary(asked);
	uint32_t reason = decided && a->ingest.last != ZS_POLICY_STORE ? 1 + a->ingest.last : 0;

	if (by_request) {
		zs_holdoff_note(map, asked->digest, zs_boot_ns(), reason);
		return;
	}
	zs_enrolment_refused(a->enrolment, asked->key.origin, zs_boot_ns());
	zs_holdoff_add(map, asked->digest, zs_boot_ns(), reason);
}

static void recording_end(void *user, const struct zs_asked *asked, uint64_t record,
			  enum zs_recording_end how)
{
	struct zs_agent *a = user;

	a->ends[how]++;
	__atomic_store_n(&a->stop[ZS_STOP_SLOT(record)], record, __ATOMIC_RELEASE);
	if (how == ZS_RECORDING_STORED)
		zs_holdoff_clear(a->maps->fd[ZS_MAP_holdoff], asked->digest);
	else if (how == ZS_RECORDING_REFUSED || how == ZS_RECORDING_LARGE || how == ZS_RECORDING_MALFORMED)
		refused(a, asked, how);
}

/* --- events ---------------------------------------------------------------------------------- */

int zs_agent_event(void *user, void *data, size_t size)
{
	struct zs_agent *a = user;
	const struct zs_event *ev = data;

	a->events++;
	if (size < sizeof(*ev))
		return 0;
	if (ev->kind == ZS_EVENT_REFRESH) {
		if (a->refresh)
			zs_refresh_event(a->refresh, data, size);
	} else {
		zs_recordings_event(a->recordings, data, size);
	}
	return 0;
}

int zs_agent_record_create(struct zs_agent *a)
{
	struct zs_recordings_owner owner = {
		.user = a,
		.head = recording_head,
		.unsafe = recording_unsafe,
		.whole = recording_whole,
		.end = recording_end,
		.max_body = a->o.max_body,
		.cap = a->o.max_body + ZS_FETCH_OVERHEAD,
	};

	return zs_recordings_create(&owner, &a->recordings);
}
