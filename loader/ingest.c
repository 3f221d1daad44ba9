// SPDX-License-Identifier: GPL-2.0-or-later
/* Judging and storing a response; shared by recordings and fetches. */
#include "ingest.h"

#include <errno.h>

#include "clock.h"
#include "render.h"

/* Lifetimes shorter than this are not refreshed ahead, nor what arrives when half of its is gone: the
 * fetches would outnumber the gain. */
#define REFRESH_LIFETIME_MIN 10u /* seconds */

/* The last tenth of the lifetime. */
static uint64_t refresh_time(const struct zs_ingest *in, const struct zs_policy_verdict *v, uint64_t arrived)
{
	uint64_t lifetime = (uint64_t)(v->fresh_until - v->born), left = (uint64_t)v->fresh_until - arrived;

	if (!in->refresh || lifetime < REFRESH_LIFETIME_MIN * ZS_NS || left < lifetime / 2)
		return ~0ull;
	return (uint64_t)v->fresh_until - lifetime / 10;
}

static enum zs_policy_reason judge(const struct zs_ingest *in, const struct zs_asked *asked,
				   const struct zs_response *response, uint64_t arrived,
				   struct zs_policy_verdict *verdict)
{
	struct zs_policy_input input = {
		.response = response,
		.request = {.accept_encoding = asked->key.ae, .head_len = asked->head_len},
		.get = true,
		.request_time = asked->time,
		.response_time = arrived,
		.response_wall = zs_wall_at(arrived),
		.lifetime_max = in->lifetime_max,
	};

	return zs_policy_judge(&input, verdict);
}

enum zs_policy_reason zs_ingest_judge(struct zs_ingest *in, const struct zs_asked *asked,
				      const struct zs_response *response, uint64_t arrived)
{
	struct zs_policy_verdict verdict;
	enum zs_policy_reason reason = judge(in, asked, response, arrived, &verdict);

	in->reasons[reason]++;
	return reason;
}

int zs_ingest_store(struct zs_ingest *in, const struct zs_asked *asked, const struct zs_response *response,
		    const struct zs_body *body, uint64_t arrived)
{
	uint8_t head[ZS_ANSWER_HEAD_MAX];
	struct zs_rendered rendered;
	struct zs_store_item item = {
		.digest = asked->digest,
		.asked = asked->time,
		.key = &asked->key,
		.key_len = asked->key_len,
		.head = head,
		.body = body->data,
		.body_len = (uint32_t)body->len,
		.status = response->status,
		.generation = asked->generation,
		.flush = asked->flush,
		.bucket = asked->bucket,
		.request = asked->head,
		.request_len = asked->head_len,
	};
	struct zs_policy_verdict verdict;
	int err;

	if (judge(in, asked, response, arrived, &verdict) != ZS_POLICY_STORE)
		return -EINVAL;
	err = zs_render_head(response, body->len, zs_wall_at(arrived), head, sizeof(head), &rendered);
	if (!err) {
		item.born = verdict.born;
		item.fresh_until = (uint64_t)verdict.fresh_until;
		item.stale_until = item.fresh_until;
		item.refresh_at = refresh_time(in, &verdict, arrived);
		item.head_len = rendered.head_len;
		item.age_off = rendered.age_off;
		item.ttl_off = rendered.ttl_off;
		err = zs_store_put(in->store, &item);
	}
	if (err)
		in->failed++;
	else
		in->stored++;
	return err;
}
