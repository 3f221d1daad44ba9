/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings in progress: the request as the dialer program announced it, and the response as the recorder
 * program copies it. Puts them together; judging and storing are the owner's, through callbacks.
 */
#ifndef ZS_RECORDING_H
#define ZS_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#include "ingest.h"

#define ZS_RECORDINGS_MAX 512u

enum zs_recording_end {
	ZS_RECORDING_STORED,    /* whole, and the owner took it */
	ZS_RECORDING_REFUSED,   /* the head said no */
	ZS_RECORDING_LARGE,     /* longer than the limit */
	ZS_RECORDING_MALFORMED, /* not a response that can be stored with certainty */
	ZS_RECORDING_UNSAFE,    /* of an unsafe request: there is nothing to store, however it ended */
	/* These say nothing about the key's next response: */
	ZS_RECORDING_OVERTAKEN, /* whole, but purged meanwhile, or a younger one is there, or there was no memory */
	ZS_RECORDING_BROKEN,    /* bytes missing, twice or cut short (visitors can do that), or the connection went on */
	ZS_RECORDING_ENDS,
};

struct zs_recordings;

struct zs_recordings_owner {
	void *user;
	/* The head is there: 1 to go on, 0 to stop. */
	int (*head)(void *user, const struct zs_asked *asked, const struct zs_response *response,
		    uint64_t arrived);
	/* The head of the response to an unsafe request is there. May be null. */
	void (*unsafe)(void *user, const struct zs_asked *asked, const struct zs_response *response);
	/* The response is whole: 0 if it was stored. -EINVAL, -E2BIG, -EFBIG, -ENOSPC: this is no response that can be
	 * stored; any other error: this one was not, the next one may be. */
	int (*whole)(void *user, const struct zs_asked *asked, const struct zs_response *response,
		     const struct zs_body *body, uint64_t arrived);
	/* The recording ended; `record` need not be recorded further. */
	void (*end)(void *user, const struct zs_asked *asked, uint64_t record, enum zs_recording_end how);
	uint32_t max_body; /* bytes */
	uint32_t cap;      /* payload bytes per recording */
};

/* -ENOMEM. */
int zs_recordings_create(const struct zs_recordings_owner *owner, struct zs_recordings **out);
void zs_recordings_destroy(struct zs_recordings *recordings);

/* One event from the ring, of `size` bytes. Malformed events are ignored. */
void zs_recordings_event(struct zs_recordings *recordings, const void *event, size_t size);

/* Ends recordings that have had no byte since `before` (boot-time ns). */
void zs_recordings_expire(struct zs_recordings *recordings, uint64_t before);

uint32_t zs_recordings_active(const struct zs_recordings *recordings);

#endif
