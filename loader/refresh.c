// SPDX-License-Identifier: GPL-2.0-or-later
/* From a refresh event to a newer object, or to the old one for a while longer. */
#include "refresh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zs/key.h>

#include "asked.h"
#include "clock.h"
#include "log.h"
#include "revalidate.h"

#define RETRY_NS  (2 * ZS_NS) /* between two tries for an object whose origin fails */
#define SPREAD_NS ZS_NS       /* by the key, so that many do not try at the same moment */

struct zs_refresh {
	struct zs_refresh_options o;
	struct zs_fetch *fetch;
	struct zs_refresh_stats stats;
};

/* One fetch in flight. */
struct pending {
	struct zs_refresh *refresh;
	bool conditional;
	struct zs_asked asked;
};

/* --- the stored response --------------------------------------------------------------------- */

/* The head of an object as a response. -ENOENT: it is not there any more, or not the one meant. */
static int stored_head(const struct zs_refresh *r, uint64_t digest, struct zs_response *out)
{
	const struct zs_object *o = zs_store_object(r->o.ingest->store, digest);

	if (!o)
		return -ENOENT;
	return zs_response_head((const uint8_t *)o + o->data_off, o->head_len, out);
}

/* A copy: storing may take the pages of the old object. */
static int stored_body(const struct zs_refresh *r, uint64_t digest, struct zs_body *out)
{
	const struct zs_object *o = zs_store_object(r->o.ingest->store, digest);

	if (!o)
		return -ENOENT;
	out->owned = malloc(o->body_len ? o->body_len : 1);
	if (!out->owned)
		return -ENOMEM;
	memcpy(out->owned, (const uint8_t *)o + o->data_off + o->head_len, o->body_len);
	out->data = out->owned;
	out->len = o->body_len;
	return 0;
}

/* --- what came of it ------------------------------------------------------------------------- */

static void try_again(struct zs_refresh *r, uint64_t digest, bool failing)
{
	zs_store_retry(r->o.ingest->store, digest, zs_boot_ns() + RETRY_NS + SPREAD_NS / 1024 * (digest % 1024),
		       failing);
}

/* A newer response that may not be stored says that the older one should not be there either. */
static int settle(struct zs_refresh *r, const struct pending *p, const struct zs_response *response,
		  const struct zs_body *body, uint64_t arrived)
{
	int err;

	if (zs_ingest_judge(r->o.ingest, &p->asked, response, arrived) == ZS_POLICY_STORE)
		err = zs_ingest_store(r->o.ingest, &p->asked, response, body, arrived);
	else
		err = -EINVAL;
	if (err == -EINVAL) {
		zs_store_drop(r->o.ingest->store, p->asked.digest);
		r->stats.dropped++;
		return 0;
	}
	return err;
}

/* RFC 9111 4.3.3 and 4.3.4: the stored response with the fields of the 304. */
static int not_modified(struct zs_refresh *r, const struct pending *p, const struct zs_response *answer,
			uint64_t arrived)
{
	const struct zs_store_entry *e = zs_store_find(r->o.ingest->store, p->asked.digest);
	struct zs_response *stored = malloc(2 * sizeof(*stored)), *merged = stored + 1;
	struct zs_body body = {0};
	int err = e ? 0 : -ENOENT;

	if (!stored)
		return -ENOMEM;
	if (!err)
		err = stored_head(r, p->asked.digest, stored);
	if (!err)
		err = zs_revalidate_update(stored, answer, e->surrogate, merged);
	if (!err)
		err = stored_body(r, p->asked.digest, &body);
	if (!err)
		err = settle(r, p, merged, &body, arrived);
	if (!err)
		r->stats.revalidated++;
	zs_body_free(&body);
	free(stored);
	return err;
}

static int answered(struct zs_refresh *r, const struct pending *p, const struct zs_fetch_result *result)
{
	struct zs_response *response = malloc(sizeof(*response));
	const uint8_t *bytes = (const uint8_t *)result->response;
	struct zs_body body;
	int err = response ? zs_response_head(bytes, result->len, response) : -ENOMEM;

	if (!err && response->status >= 500) /* RFC 9111 4.3.3 */
		err = -EREMOTEIO;
	if (!err && response->status == 304 && p->conditional) {
		err = not_modified(r, p, response, result->first_byte);
		if (err == -ESTALE) /* a 304 about something else: what is stored is in doubt */
			zs_store_drop(r->o.ingest->store, p->asked.digest);
	} else if (!err) {
		err = zs_response_body(bytes, result->len, response, r->o.ingest->max_body, &body);
		if (!err) {
			err = settle(r, p, response, &body, result->first_byte);
			zs_body_free(&body);
		}
	}
	free(response);
	return err;
}

static void done(const struct zs_fetch_result *result)
{
	struct pending *p = result->user;
	struct zs_refresh *r = p->refresh;
	int err = result->status;

	r->stats.fetched++;
	if (!err)
		err = answered(r, p, result);
	if (err && err != -EEXIST && err != -ECANCELED) {
		r->stats.failed++;
		zs_debug("refresh failed: %s", strerror(-err));
		try_again(r, p->asked.digest, true);
	}
	free(p);
}

/* --- beginning ------------------------------------------------------------------------------- */

/* What a fetch begun now belongs to: the stored request, and the generation as of now. */
static struct pending *pending_make(struct zs_refresh *r, const struct zs_object *o, const struct zs_store_entry *e)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->refresh = r;
	p->asked.digest = e->digest;
	p->asked.time = zs_boot_ns();
	p->asked.bucket = o->bucket;
	p->asked.generation = (uint32_t)__atomic_load_n(&r->o.generations[o->bucket], __ATOMIC_ACQUIRE);
	p->asked.flush = __atomic_load_n(&r->o.ctl->flush, __ATOMIC_ACQUIRE);
	p->asked.key_len = o->key_len;
	p->asked.head_len = e->request_len;
	memcpy(&p->asked.key, (const uint8_t *)o + ZS_OBJECT_KEY_OFF, o->key_len);
	memcpy(p->asked.head, e->request, e->request_len);
	return p;
}

/* `stored` is the scratch that the preconditions' texts lie in. */
static int begin(struct zs_refresh *r, struct pending *p, struct zs_response *stored)
{
	struct zs_text target = zs_asked_target(&p->asked);
	struct zs_revalidate_fields fields = {0};
	struct zs_fetch_request request = {
		.digest = p->asked.digest,
		.target = (const char *)target.p,
		.target_len = target.len,
		.head = (const char *)p->asked.head,
		.head_len = p->asked.head_len,
		.user = p,
	};

	if (!stored_head(r, p->asked.digest, stored) && !zs_revalidate_fields(stored, &fields)) {
		request.none_match = (const char *)fields.none_match.p;
		request.none_match_len = fields.none_match.len;
		request.modified_since = (const char *)fields.modified_since.p;
		request.modified_since_len = fields.modified_since.len;
		p->conditional = fields.none_match.len || fields.modified_since.len;
	}
	if (!r->o.ingest->origin || r->o.ingest->origin(r->o.ingest->user, p->asked.key.origin, &request.to))
		return -ENOENT;
	request.to_listener = r->o.ingest->listener && r->o.ingest->listener(r->o.ingest->user, p->asked.key.origin);
	return zs_fetch_start(r->fetch, &request);
}

void zs_refresh_event(struct zs_refresh *r, const struct zs_event_refresh *ev, size_t size)
{
	const struct zs_store_entry *e;
	struct zs_response *stored;
	struct pending *p;

	if (size < sizeof(*ev))
		return;
	e = zs_store_find(r->o.ingest->store, ev->digest);
	if (!e || e->ref.serial != ev->ref.serial)
		return;
	p = pending_make(r, zs_store_object(r->o.ingest->store, ev->digest), e);
	stored = malloc(sizeof(*stored));
	if (!p || !stored || begin(r, p, stored)) {
		r->stats.refused++;
		try_again(r, ev->digest, false);
		free(p);
	}
	free(stored);
}

/* --- life ------------------------------------------------------------------------------------ */

int zs_refresh_create(const struct zs_refresh_options *options, struct zs_refresh **out)
{
	struct zs_refresh *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->o = *options;
	err = zs_fetch_create(&options->limits, done, &r->fetch);
	if (err)
		free(r);
	else
		*out = r;
	return err;
}

void zs_refresh_destroy(struct zs_refresh *r)
{
	if (!r)
		return;
	zs_fetch_destroy(r->fetch);
	free(r);
}

int zs_refresh_fd(const struct zs_refresh *r)
{
	return zs_fetch_fd(r->fetch);
}

void zs_refresh_run(struct zs_refresh *r)
{
	zs_fetch_run(r->fetch);
}

void zs_refresh_stats(const struct zs_refresh *r, struct zs_refresh_stats *out)
{
	*out = r->stats;
}
