// SPDX-License-Identifier: GPL-2.0-or-later
/* Judging and storing a response; shared by recordings and fetches. */
#include "ingest.h"

#include <errno.h>
#include <string.h>
#include <zs/key.h>
#include <zs/request.h>

#include "asked.h"
#include "classes.h"
#include "clock.h"
#include "config.h"
#include "date.h"
#include "render.h"
#include "rules.h"
#include "tags.h"
#include "validators.h"

/* Lifetimes shorter than this are not refreshed ahead, nor what arrives when half of its is gone: the
 * fetches would outnumber the gain. */
#define REFRESH_LIFETIME_MIN 10u /* seconds */

uint64_t zs_refresh_time(const struct zs_policy_verdict *v, uint64_t digest, uint64_t arrived)
{
	uint64_t lifetime = (uint64_t)(v->fresh_until - v->born), left = (uint64_t)v->fresh_until - arrived;

	if (lifetime < REFRESH_LIFETIME_MIN * ZS_NS || left < lifetime / 2)
		return ZS_REFRESH_NEVER;
	return (uint64_t)v->fresh_until - lifetime / 20480 * (512 + 2 * (digest % 1024));
}

/* What holds for one request and its response. */
struct terms {
	struct zs_settings settings;
	struct zs_policy_rule rule;
	struct zs_text vary[ZS_VARY_FIELDS];
	struct zs_policy_verdict verdict;
};

static void terms_settle(const struct zs_ingest *in, const struct zs_asked *asked, uint32_t status,
			 struct terms *t)
{
	struct zs_origin_key origin;
	struct zs_rules_subject subject = {.status = status};

	if (in->origin && !in->origin(in->user, asked->key.origin, &origin))
		subject.origin = &origin;
	zs_asked_place(asked, &subject.host, &subject.path);
	zs_rules_match(in->config, &subject, &t->settings);
	t->rule = (struct zs_policy_rule){
		.bypass = t->settings.bypass,
		.has_ttl = t->settings.has_ttl,
		.ttl = t->settings.ttl,
		.ttl_force = t->settings.ttl_force,
		.grace = t->settings.has_grace ? t->settings.grace : 0,
		.allow_authorized = t->settings.class.flags & ZS_CLASS_AUTHORIZED,
		.max_object = t->settings.max_object,
	};
}

static uint32_t body_limit(const struct zs_ingest *in, const struct terms *t)
{
	uint32_t own = t->settings.max_object;

	return own && own < in->max_body ? own : in->max_body;
}

static enum zs_policy_reason judge(const struct zs_ingest *in, const struct zs_asked *asked,
				   const struct zs_response *response, uint64_t arrived, struct terms *t)
{
	struct zs_policy_input input = {
		.response = response,
		.rule = &t->rule,
		.request = {.accept_encoding = asked->key.ae,
			    .authorized = zs_asked_has(asked, "authorization"),
			    .vary = t->vary,
			    .head_len = asked->head_len,
			    .plain = zs_asked_plain(asked)},
		.get = true,
		.request_time = asked->time,
		.response_time = arrived,
		.response_wall = zs_wall_at(arrived),
		.lifetime_max = in->lifetime_max,
	};
	unsigned int n = 0;

	terms_settle(in, asked, response->status, t);
	if (in->eligible &&
	    !in->eligible(in->user, asked, t->settings.class.flags & (ZS_CLASS_KEEP | ZS_CLASS_DROP)))
		return ZS_POLICY_NOT_ELIGIBLE;
	for (; n < ZS_VARY_FIELDS && in->config->vary[n]; n++)
		t->vary[n] = (struct zs_text){(const uint8_t *)in->config->vary[n], strlen(in->config->vary[n])};
	input.request.vary_count = n;
	return zs_policy_judge(&input, &t->verdict);
}

/* The policy, and what it cannot know: how the key was made, and how long the body is. */
static void decide(struct zs_ingest *in, const struct zs_asked *asked, const struct zs_response *response,
		   uint64_t arrived, uint64_t body_len, struct terms *t)
{
	in->last = judge(in, asked, response, arrived, t);
	if (in->last == ZS_POLICY_STORE && response->status != 200 && zs_asked_normalised(asked))
		in->last = ZS_POLICY_ERROR_REQUEST;
	if (in->last == ZS_POLICY_STORE && body_len > body_limit(in, t))
		in->last = ZS_POLICY_LARGE;
	in->by_request = !zs_asked_ordinary(asked) || zs_policy_by_request(in->last, response->status);
}

enum zs_policy_reason zs_ingest_judge(struct zs_ingest *in, const struct zs_asked *asked,
				      const struct zs_response *response, uint64_t arrived)
{
	struct terms t;

	decide(in, asked, response, arrived, response->framing == ZS_FRAMING_LENGTH ? response->content_length : 0, &t);
	in->reasons[in->last]++;
	return in->last;
}

/* What of an object is made from the response; the item's pointers are into it. */
struct made {
	uint8_t head[ZS_ANSWER_HEAD_MAX];
	uint8_t alt[ZS_ANSWER_HEAD_MAX];
	uint8_t tags[ZS_ANSWER_HEAD_MAX];
	struct zs_validators validators;
};

/* Each tag with a zero behind it. -E2BIG: more than a purge could find. */
static int tags_make(const struct zs_response *response, struct made *m, struct zs_store_item *item)
{
	struct zs_tags tags;
	size_t len = 0;

	if (zs_tags_read(response, &tags))
		return -E2BIG;
	for (unsigned int i = 0; i < tags.count; i++) {
		if (tags.tag[i].len + 1 > sizeof(m->tags) - len)
			return -E2BIG;
		memcpy(m->tags + len, tags.tag[i].p, tags.tag[i].len);
		len += tags.tag[i].len;
		m->tags[len++] = 0;
	}
	item->tags = m->tags;
	item->tags_len = (uint32_t)len;
	return 0;
}

/* What preconditions are compared with, and the 304 for those that hold. */
static int validators_make(const struct zs_response *response, int64_t wall, struct made *m,
			   struct zs_store_item *item)
{
	char date[ZS_HTTP_DATE_LEN + 1];
	struct zs_rendered alt;
	int err;

	if (response->status != 200)
		return 0;
	zs_validators_read(response, wall, &m->validators);
	item->etag = m->validators.etag.opaque.p;
	item->etag_len = (uint32_t)m->validators.etag.opaque.len;
	if (m->validators.dated && !zs_http_date_format(m->validators.modified, date))
		item->modified = zs_imf_date((const uint8_t *)date);
	err = zs_render_not_modified(response, wall, m->alt, sizeof(m->alt), &alt);
	if (err)
		return err;
	item->alt = m->alt;
	item->alt_len = alt.head_len;
	item->alt_age_off = alt.age_off;
	item->alt_ttl_off = alt.ttl_off;
	return 0;
}

static int head_make(const struct zs_response *response, uint64_t body_len, int64_t wall, struct made *m,
		     struct zs_store_item *item)
{
	struct zs_rendered rendered;
	int err = zs_render_head(response, body_len, wall, m->head, sizeof(m->head), &rendered);

	if (err)
		return err;
	item->head = m->head;
	item->head_len = rendered.head_len;
	item->age_off = rendered.age_off;
	item->ttl_off = rendered.ttl_off;
	return 0;
}

static void times_set(const struct zs_ingest *in, const struct zs_policy_verdict *v, uint64_t arrived,
		      struct zs_store_item *item)
{
	item->born = v->born;
	item->fresh_until = (uint64_t)v->fresh_until;
	item->stale_until = in->refresh ? (uint64_t)v->stale_until : item->fresh_until;
	item->error_until = in->refresh ? (uint64_t)v->error_until : item->fresh_until;
	item->refresh_at = in->refresh ? zs_refresh_time(v, item->digest, arrived) : ZS_REFRESH_NEVER;
	item->flags = v->authorized_ok ? ZS_OBJECT_AUTHORIZED : 0;
	item->surrogate = v->surrogate;
}

/* Whether the rules may have changed since the request left, or say more than the kernel had to know. */
static int confirm(const struct zs_ingest *in, const struct zs_asked *asked)
{
	uint32_t flags;

	if (!in->maps || (!in->ctl->scopes && !in->ctl->vary))
		return 0;
	return zs_class_confirm(in->maps, in->ctl, asked, &flags);
}

int zs_ingest_store(struct zs_ingest *in, const struct zs_asked *asked, const struct zs_response *response,
		    const struct zs_body *body, uint64_t arrived)
{
	struct zs_store_item item = {
		.digest = asked->digest,
		.asked = asked->time,
		.key = &asked->key,
		.key_len = asked->key_len,
		.body = body->data,
		.body_len = (uint32_t)body->len,
		.status = response->status,
		.generation = asked->generation,
		.flush = asked->flush,
		.bucket = asked->bucket,
		.request = asked->head,
		.request_len = asked->head_len,
	};
	int64_t wall = zs_wall_at(arrived);
	struct terms t;
	struct made m;
	int err;

	decide(in, asked, response, arrived, body->len, &t);
	if (in->last != ZS_POLICY_STORE)
		return -EINVAL;
	err = confirm(in, asked);
	if (!err)
		err = head_make(response, body->len, wall, &m, &item);
	if (!err)
		err = validators_make(response, wall, &m, &item);
	if (!err)
		err = tags_make(response, &m, &item);
	if (!err) {
		times_set(in, &t.verdict, arrived, &item);
		err = zs_store_put(in->store, &item);
	}
	if (err)
		in->failed++;
	else
		in->stored++;
	return err;
}
