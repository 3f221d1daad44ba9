// SPDX-License-Identifier: GPL-2.0-or-later
/* The fate of a request, in the order of bpf/skmsg/dialer.bpf.c. */
#include "explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <bpf/bpf.h>
#include <zs/usable.h>

#include "clock.h"
#include "policy.h"

static const struct {
	const char *name;
	const char *text;
} fates[] = {
	[ZS_FATE_HIT] = {"hit", "answered in the kernel"},
	[ZS_FATE_STALE] = {"stale-hit", "answered in the kernel, stale, while it is refreshed"},
	[ZS_FATE_PASSIVE] = {"passive", "passed on, and its connection is native from then on"},
	[ZS_FATE_PASSED] = {"passed", "passed on: such a request is never answered in the kernel"},
	[ZS_FATE_PAUSED] = {"paused", "passed on: zeroserve is paused, or the host is short of TCP memory"},
	[ZS_FATE_HELD_OFF] = {"held-off", "a miss that is not recorded: the response could not be stored lately"},
	[ZS_FATE_UNFIT] = {"unfit", "a miss that is not recorded: a field is neither part of the key nor known to be inert"},
	[ZS_FATE_RECORDED] = {"miss", "a miss; its response is recorded, as far as the budget goes"},
};

const char *zs_fate_name(enum zs_fate fate)
{
	return fates[fate].name;
}

const char *zs_fate_text(enum zs_fate fate)
{
	return fates[fate].text;
}

/* --- the request, as Caddy passes it on ------------------------------------------------------- */

static bool named(const char *const *headers, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; headers[i]; i++)
		if (!strncasecmp(headers[i], name, len) && headers[i][len] == ':')
			return true;
	return false;
}

/* Caddy's reverse_proxy adds X-Forwarded-*; Go's transport asks for gzip where the visitor says nothing. */
int zs_explain_head(const char *const *headers, const struct zs_url *url, bool tls, char *head)
{
	size_t n = (size_t)snprintf(head, ZS_HEAD_MAX, "GET %s HTTP/1.1\r\nHost: %s\r\n", url->target, url->host);

	if (!named(headers, "user-agent"))
		n += (size_t)snprintf(head + n, ZS_HEAD_MAX - n, "User-Agent: zs-load explain\r\n");
	for (size_t i = 0; headers[i] && n < ZS_HEAD_MAX; i++)
		n += (size_t)snprintf(head + n, ZS_HEAD_MAX - n, "%s\r\n", headers[i]);
	if (n < ZS_HEAD_MAX)
		n += (size_t)snprintf(head + n, ZS_HEAD_MAX - n,
				      "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: %s\r\nX-Forwarded-Proto: %s\r\n"
				      "%s\r\n",
				      url->host, tls ? "https" : "http",
				      named(headers, "accept-encoding") ? "" : "Accept-Encoding: gzip\r\n");
	return n < ZS_HEAD_MAX ? (int)n : -EINVAL;
}

/* --- words ------------------------------------------------------------------------------------ */

const char *zs_holdoff_name(uint32_t reason)
{
	return reason ? zs_policy_reason_name((enum zs_policy_reason)(reason - 1)) : "unusable";
}

const char *zs_holdoff_text(uint32_t reason)
{
	return reason ? zs_policy_reason_text((enum zs_policy_reason)(reason - 1)) :
			"The response was malformed, too large, or cut short.";
}

/* --- the object ------------------------------------------------------------------------------ */

static int64_t seconds_until(uint64_t when, uint64_t now)
{
	int64_t left = (int64_t)(when - now);

	return left >= 0 ? left / (int64_t)ZS_NS : -1 - (-left / (int64_t)ZS_NS);
}

static void object_tell(const struct zs_object *o, uint64_t now, struct zs_explained *out)
{
	out->there = true;
	out->age = (int64_t)(now - o->born) / (int64_t)ZS_NS;
	out->ttl = seconds_until(o->fresh_until, now);
	out->stale_ttl = seconds_until(o->stale_until, now);
	out->status = o->status;
	out->size = o->body_len;
	out->hits = o->hits;
}

/* zs_lookup() of the kernel. */
static enum zs_usable look(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_decision *d,
			   uint64_t now, struct zs_explained *out)
{
	uint64_t digest = zs_key_digest(&d->key, ctl->seed[0], ctl->seed[1]), generation;
	uint8_t *page = malloc(ZS_PAGE_SIZE);
	const struct zs_object *o = (const struct zs_object *)page;
	enum zs_usable usable = ZS_USABLE_NONE;
	struct zs_ref ref;
	uint32_t bucket;

	if (!page || bpf_map_lookup_elem(maps->fd[ZS_MAP_index], &digest, &ref) ||
	    bpf_map_lookup_elem(maps->fd[ZS_MAP_pages], &ref.page, page) ||
	    !zs_object_matches(page, ref.serial, &d->key, zs_key_len(&d->key), d->request.flags))
		goto out;
	bucket = o->bucket & (ZS_GENERATIONS - 1);
	if (bpf_map_lookup_elem(maps->fd[ZS_MAP_gens], &bucket, &generation))
		goto out;
	usable = zs_object_usable(o, (uint32_t)generation, ctl->flush, ctl->heartbeat, now);
	object_tell(o, now, out);
	out->voided = usable == ZS_USABLE_VOID;
out:
	free(page);
	return usable;
}

static enum zs_fate miss(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_decision *d,
			 uint64_t now, struct zs_explained *out)
{
	uint64_t digest = zs_key_digest(&d->key, ctl->seed[0], ctl->seed[1]);
	struct zs_holdoff h;

	if (!zs_request_recordable(&d->request))
		return ZS_FATE_UNFIT;
	if (!bpf_map_lookup_elem(maps->fd[ZS_MAP_holdoff], &digest, &h) && now < h.until) {
		out->holdoff_reason = h.reason;
		out->holdoff_seconds = seconds_until(h.until, now);
		return ZS_FATE_HELD_OFF;
	}
	return ZS_FATE_RECORDED;
}

/* --- the cause ------------------------------------------------------------------------------- */

/* Whether the decision is better without the line at [from, to). */
static bool better_without(const struct zs_maps *maps, const struct zs_ctl *ctl, uint32_t origin, const char *head,
			   size_t len, size_t from, size_t to, enum zs_fate fate)
{
	struct zs_decision *d = calloc(1, sizeof(*d));
	uint32_t class;
	bool better = false;

	if (!d)
		return false;
	memcpy(d->request.head, head, from);
	memcpy(d->request.head + from, head + to, len - to);
	if (!zs_class_decide(maps, ctl, origin, d, len - (to - from), &class))
		better = fate == ZS_FATE_UNFIT ? zs_request_recordable(&d->request) :
						 zs_request_answerable(&d->request);
	free(d);
	return better;
}

/* The field whose absence would change the decision: asked of the decision itself. */
static void cause_find(const struct zs_maps *maps, const struct zs_ctl *ctl, uint32_t origin, const char *head,
		       size_t len, struct zs_explained *out)
{
	size_t from = 0, to;

	out->cause[0] = 0;
	for (const char *cr; (cr = memchr(head + from, '\r', len - from)) && cr != head + from; from = to) {
		to = (size_t)(cr - head) + 2;
		if (from && better_without(maps, ctl, origin, head, len, from, to, out->fate)) {
			snprintf(out->cause, sizeof(out->cause), "%.*s", (int)strcspn(head + from, ":"), head + from);
			return;
		}
	}
}

int zs_explain(const struct zs_maps *maps, const struct zs_ctl *ctl, uint32_t origin, const char *head, size_t len,
	       struct zs_explained *out)
{
	struct zs_decision *d = calloc(1, sizeof(*d));
	uint64_t now = zs_boot_ns();
	int err;

	if (!d)
		return -ENOMEM;
	*out = (struct zs_explained){0};
	if (len > ZS_HEAD_MAX) {
		free(d);
		return -EINVAL;
	}
	memcpy(d->request.head, head, len);
	err = zs_class_decide(maps, ctl, origin, d, len, &out->class);
	if (err)
		goto out;
	if (d->request.flags & ZS_REQ_PASSIVE)
		out->fate = ZS_FATE_PASSIVE;
	else if (ctl->paused || ctl->pressure)
		out->fate = ZS_FATE_PAUSED;
	else if (!zs_request_answerable(&d->request))
		out->fate = ZS_FATE_PASSED;
	else if (look(maps, ctl, d, now, out) == ZS_USABLE_YES)
		out->fate = out->ttl < 0 ? ZS_FATE_STALE : ZS_FATE_HIT;
	else
		out->fate = miss(maps, ctl, d, now, out);
	if (out->fate == ZS_FATE_PASSED || out->fate == ZS_FATE_PASSIVE || out->fate == ZS_FATE_UNFIT)
		cause_find(maps, ctl, origin, head, len, out);
out:
	free(d);
	return err;
}
