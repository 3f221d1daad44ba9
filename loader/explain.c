// SPDX-License-Identifier: GPL-2.0-or-later
/* The fate of a request, in the order of bpf/skmsg/dialer.bpf.c. */
#include "explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <zs/usable.h>

#include "clock.h"

/* --- the object ------------------------------------------------------------------------------ */

/* As the kernel counts a ttl: -1 from that moment on. */
static int64_t seconds_until(uint64_t when, uint64_t now)
{
	int64_t left = (int64_t)(when - now);

	return left > 0 ? left / (int64_t)ZS_NS : -1 - (-left / (int64_t)ZS_NS);
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

/* zs_lookup() of the kernel. `page` holds ZS_PAGE_SIZE bytes. */
static enum zs_usable look(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_decision *d,
			   uint64_t now, uint8_t *page, struct zs_explained *out)
{
	uint64_t digest = zs_key_digest(&d->key, ctl->seed[0], ctl->seed[1]), generation;
	const struct zs_object *o = (const struct zs_object *)page;
	enum zs_usable usable;
	struct zs_ref ref;
	uint32_t bucket;

	if (bpf_map_lookup_elem(maps->fd[ZS_MAP_index], &digest, &ref) ||
	    bpf_map_lookup_elem(maps->fd[ZS_MAP_pages], &ref.page, page) ||
	    !zs_object_matches(page, ref.serial, digest, &d->key, zs_key_len(&d->key), d->request.flags))
		return ZS_USABLE_NONE;
	bucket = o->bucket & (ZS_GENERATIONS - 1);
	if (bpf_map_lookup_elem(maps->fd[ZS_MAP_gens], &bucket, &generation))
		return ZS_USABLE_NONE;
	usable = zs_object_usable(o, (uint32_t)generation, ctl->flush, ctl->heartbeat, now);
	object_tell(o, now, out);
	out->voided = usable == ZS_USABLE_VOID;
	return usable;
}

/* zs_validate() of the kernel. */
static int validate(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_decision *d,
		    const uint8_t *page)
{
	const struct zs_object *o = (const struct zs_object *)page;
	struct zs_tables *tables = malloc(sizeof(*tables));
	size_t etag = ZS_OBJECT_KEY_OFF + (size_t)o->key_len;
	uint32_t half = ctl->tables & 1;
	int said = -1;

	if (o->status != 200) /* RFC 9110 13.2.1 */
		said = 0;
	else if (tables && etag <= ZS_PAGE_SIZE - 2 * ZS_ETAG_MAX &&
		 !bpf_map_lookup_elem(maps->fd[ZS_MAP_tables], &half, tables))
		said = zs_not_modified(&d->request, tables, page + etag, o->etag_len, o->modified);
	free(tables);
	return said;
}

/* seen_before() of the kernel, without remembering. */
static bool seen_before(const struct zs_maps *maps, uint64_t digest)
{
	uint32_t slot = (uint32_t)digest & (ZS_SEEN - 1), mark;

	return !bpf_map_lookup_elem(maps->fd[ZS_MAP_seen], &slot, &mark) && mark == ((uint32_t)(digest >> 32) | 1);
}

/* record_consider() of the kernel. */
static enum zs_fate miss(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_decision *d,
			 uint64_t now, struct zs_explained *out)
{
	uint64_t digest = zs_key_digest(&d->key, ctl->seed[0], ctl->seed[1]);
	struct zs_holdoff h;

	if (!zs_request_recordable(&d->request))
		return ZS_FATE_UNFIT;
	if (!bpf_map_lookup_elem(maps->fd[ZS_MAP_holdoff], &digest, &h)) {
		out->refused = true;
		out->holdoff_reason = h.reason;
		out->held_off = now < h.until;
		out->holdoff_seconds = out->held_off ? seconds_until(h.until, now) : 0;
	}
	if (ctl->tokens <= 0)
		return ZS_FATE_OVER_BUDGET;
	if (out->held_off)
		return ZS_FATE_HELD_OFF;
	return ctl->tokens < ctl->tokens_half && !seen_before(maps, digest) ? ZS_FATE_OVER_BUDGET : ZS_FATE_RECORDED;
}

/* request_try() of the kernel. */
static enum zs_fate try(const struct zs_maps *maps, const struct zs_ctl *ctl, const struct zs_decision *d,
			struct zs_explained *out)
{
	uint64_t now = zs_boot_ns();
	uint8_t *page = malloc(ZS_PAGE_SIZE);
	enum zs_fate fate;
	int validated = 0;

	if (!page || look(maps, ctl, d, now, page, out) != ZS_USABLE_YES)
		fate = miss(maps, ctl, d, now, out);
	else if (d->request.flags & ZS_REQ_COND && (validated = validate(maps, ctl, d, page)))
		fate = validated < 0 ? ZS_FATE_CONDITION : ZS_FATE_NOT_MODIFIED;
	else
		fate = out->ttl < 0 ? ZS_FATE_STALE : ZS_FATE_HIT;
	free(page);
	return fate;
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

/* It is due to what the request is, not to what is stored. */
static bool has_cause(enum zs_fate fate)
{
	return fate == ZS_FATE_PASSED || fate == ZS_FATE_PASSIVE || fate == ZS_FATE_UNFIT || fate == ZS_FATE_ODD;
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
	uint32_t slot = origin & (ZS_WARMTH - 1);
	const bool whole = len < ZS_HEAD_MAX;
	struct zs_warmth warmth;
	int err = -EINVAL;

	if (!d)
		return -ENOMEM;
	*out = (struct zs_explained){.fate = ZS_FATE_ODD};
	out->cold = !bpf_map_lookup_elem(maps->fd[ZS_MAP_warmth], &slot, &warmth) && warmth.cold;
	if (whole) {
		memcpy(d->request.head, head, len);
		err = zs_class_decide(maps, ctl, origin, d, len, &out->class);
	}
	if (err && err != -EINVAL)
		goto out;
	if (err)
		err = 0; /* it stays odd */
	else if (d->request.flags & ZS_REQ_PASSIVE)
		out->fate = ZS_FATE_PASSIVE;
	else if (ctl->paused || ctl->pressure)
		out->fate = ZS_FATE_PAUSED;
	else if (!zs_request_answerable(&d->request))
		out->fate = ZS_FATE_PASSED;
	else
		out->fate = try(maps, ctl, d, out);
	if (whole && has_cause(out->fate))
		cause_find(maps, ctl, origin, head, len, out);
out:
	free(d);
	return err;
}
