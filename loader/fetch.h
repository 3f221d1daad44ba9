/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Background fetches: the request of a stored object once more, to its origin only. What the
 * response is worth is judged by whoever asked. Not thread-safe; nothing here blocks.
 */
#ifndef ZS_FETCH_H
#define ZS_FETCH_H

#include "zs/abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_FETCH_CONCURRENCY_MAX 256

struct zs_fetch_limits {
	uint32_t concurrency; /* fetches at once, 1 to ZS_FETCH_CONCURRENCY_MAX */
	uint32_t rate;	      /* fetches begun per second, and in one burst; 0: none at all */
	uint32_t timeout_ms; /* from start to last byte; half of it without progress also ends it */
	size_t max_bytes;    /* of a response as received, heads included */
};

/* Nothing of it is kept after zs_fetch_start but `user`. */
struct zs_fetch_request {
	uint64_t digest;	 /* of the cache key: one fetch at a time each */
	struct zs_origin_key to; /* netns is not looked at: sockets are made in this process's */
	const char *target;	 /* as in the head; sent byte for byte */
	size_t target_len;
	const char *head; /* of the original GET or HEAD, request line to empty line */
	size_t head_len;
	const char *none_match; /* value of If-None-Match to send; may be null */
	size_t none_match_len;
	const char *modified_since; /* value of If-Modified-Since to send; may be null */
	size_t modified_since_len;
	bool to_listener; /* of Caddy's: says Connection: close [A7], and our own User-Agent, by which Caddy's log knows it */
	void *user;
};

struct zs_fetch_result {
	void *user;
	uint64_t digest;
	int status; /* 0: a response that ended where its own framing says so; else below */
	/* As received: every head (1xx too) and the body, chunked framing and content coding not
	 * undone. Bytes that came along with the last chunk of a chunked body may follow it: the
	 * parser must look. NULL after an error. Valid during the callback. */
	const char *response;
	size_t len;
	uint64_t started;    /* boot-time ns */
	uint64_t first_byte; /* boot-time ns; 0: none came */
};

/* Status: -ECONNREFUSED or another errno of connect(2); -ETIMEDOUT: too slow; -EMSGSIZE: larger
 * than max_bytes; -EPROTO: not HTTP/1.x, or ended before its framing says so; -ECONNRESET; -ENOMEM;
 * -EIO. May call zs_fetch_start, also for the same digest; must not call anything else here. */
typedef void zs_fetch_done_fn(const struct zs_fetch_result *result);

struct zs_fetch;

/* -EINVAL: limits out of range; -ENOMEM; errors of epoll_create1(2). Logged. */
int zs_fetch_create(const struct zs_fetch_limits *limits, zs_fetch_done_fn *done,
		    struct zs_fetch **out);

/* Ends all fetches without a callback. NULL is fine. */
void zs_fetch_destroy(struct zs_fetch *fetch);

/* Becomes readable when zs_fetch_run has something to do: for the caller's poll or epoll. */
int zs_fetch_fd(const struct zs_fetch *fetch);

/* Does what can be done now, callbacks included. */
void zs_fetch_run(struct zs_fetch *fetch);

/* Fetches in flight. */
uint32_t zs_fetch_active(const struct zs_fetch *fetch);

/* Begins `GET target HTTP/1.1` with the fields of the original head but for those of the connection
 * (RFC 9110 7.6.1), conditions, Range, Cookie, Authorization, Expect, Content-Length, Cache-Control
 * and Pragma. The order of fields is kept, except that Host comes first. -EEXIST: one for this
 * digest is in flight; -EAGAIN: too many at once or per second; -EINVAL: the head is not a strict
 * one, or cannot be repeated; -ENOMEM. Silent: refusals are routine. */
int zs_fetch_start(struct zs_fetch *fetch, const struct zs_fetch_request *request);

#endif
