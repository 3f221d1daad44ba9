// SPDX-License-Identifier: GPL-2.0-or-later
/* Read from zs_agent_tick() upwards. */
#include "agent_upkeep.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "agent_config.h"
#include "agent_state.h"
#include "clock.h"
#include "counters.h"
#include "enrolment.h"
#include "log.h"
#include "pressure.h"
#include "refresh.h"
#include "watch.h"

#define REPORT_NS    (ZS_NS / 5)
#define UPKEEP_NS    ZS_NS
#define RECORDING_NS (30 * ZS_NS)
#define SWEEP_PART   16 /* of the objects, per tick */

/* --- the budget ------------------------------------------------------------------------------ */

static void refill(struct zs_agent *a, uint64_t now)
{
	int32_t left = __atomic_load_n(&a->ctl->tokens, __ATOMIC_RELAXED);
	int32_t have = zs_budget_refill(&a->budget, left, now);

	if (have != left)
		__atomic_fetch_add(&a->ctl->tokens, have - left, __ATOMIC_RELAXED);
	a->ctl->tokens_half = (int32_t)a->budget.rate / 2;
}

/* --- the report ------------------------------------------------------------------------------ */

static json_t *reasons_json(const struct zs_agent *a)
{
	json_t *json = json_object();

	for (int i = 0; i < ZS_POLICY_REASONS; i++)
		if (a->ingest.reasons[i])
			json_object_set_new(json, zs_policy_reason_name((enum zs_policy_reason)i),
					    json_integer((json_int_t)a->ingest.reasons[i]));
	return json;
}

static json_t *agent_json(const struct zs_agent *a)
{
	struct zs_refresh_stats r = {0};
	struct zs_store_stats s;
	json_t *json;

	zs_store_stats(a->store, &s);
	if (a->refresh)
		zs_refresh_stats(a->refresh, &r);
	json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "stored", (json_int_t)s.objects,
			 "stored_total", (json_int_t)s.stored, "replaced", (json_int_t)s.replaced, "evicted",
			 (json_int_t)s.evicted, "expired", (json_int_t)s.expired, "pages_used",
			 (json_int_t)s.pages_used, "pages_total", (json_int_t)s.pages_total, "recordings",
			 (json_int_t)zs_recordings_active(a->recordings), "record_rate",
			 (json_int_t)a->budget.rate);
	json_object_update_new(json, json_pack("{s:I, s:I, s:I, s:I, s:I}", "recorded_refused",
					       (json_int_t)a->ends[ZS_RECORDING_REFUSED], "recorded_large",
					       (json_int_t)a->ends[ZS_RECORDING_LARGE], "recorded_malformed",
					       (json_int_t)a->ends[ZS_RECORDING_MALFORMED], "recorded_broken",
					       (json_int_t)a->ends[ZS_RECORDING_BROKEN], "recorded_overtaken",
					       (json_int_t)a->ends[ZS_RECORDING_OVERTAKEN]));
	json_object_update_new(json, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "fetches", (json_int_t)r.fetched,
					       "fetches_failed", (json_int_t)r.failed, "fetches_refused",
					       (json_int_t)r.refused, "fetches_revalidated",
					       (json_int_t)r.revalidated, "fetches_dropped", (json_int_t)r.dropped,
					       "rules", (json_int_t)a->config.rule_count, "located", (json_int_t)a->located, "cold_origins",
					       (json_int_t)zs_enrolment_cold(a->enrolment)));
	json_object_update_new(json, json_pack("{s:I, s:I}", "fetch_rate", (json_int_t)a->o.fetch_rate,
					       "fetch_concurrency", (json_int_t)a->o.fetch_concurrency));
	json_object_set_new(json, "decisions", reasons_json(a));
	return json;
}

/* Into the shared report: odd while it is written. */
static void report_write(struct zs_agent *a)
{
	json_t *json = zs_watch_json(a->watch, a->warmth);
	char *text;
	size_t len;

	if (!json)
		return;
	json_object_set_new(json, "agent", agent_json(a));
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!text)
		return;
	len = strlen(text);
	if (len <= sizeof(a->report->text)) {
		__atomic_fetch_add(&a->report->seq, 1, __ATOMIC_SEQ_CST);
		memcpy(a->report->text, text, len);
		a->report->len = (uint32_t)len;
		__atomic_fetch_add(&a->report->seq, 1, __ATOMIC_SEQ_CST);
	}
	free(text);
}

/* --- the rest -------------------------------------------------------------------------------- */

/* `reload` has put another text there. A text that cannot be taken leaves everything as it is. */
static void config_check(struct zs_agent *a)
{
	uint32_t seq = __atomic_load_n(&a->ctl->config_seq, __ATOMIC_ACQUIRE);
	struct zs_config new;
	uint32_t gone;

	if (seq == a->config_seq)
		return;
	a->config_seq = seq;
	zs_config_defaults(&new);
	if (zs_agent_config_take(a->maps, a->o.max_body, &new)) {
		zs_config_free(&new);
		return;
	}
	gone = zs_agent_config_apply(&a->ingest, &a->config, &new);
	zs_info("the configuration has changed: %u rules; %u objects were stored by others and are gone",
		new.rule_count, gone);
	zs_config_free(&a->config);
	a->config = new;
	__atomic_store_n(&a->ctl->config_done, seq, __ATOMIC_RELEASE);
}

static void enrolment_check(struct zs_agent *a, uint64_t now)
{
	uint32_t resumes = __atomic_load_n(&a->ctl->resumes, __ATOMIC_ACQUIRE);

	if (resumes != a->resumes)
		zs_enrolment_warm(a->enrolment, now);
	a->resumes = resumes;
	zs_enrolment_tick(a->enrolment, a->ctl->origins, now);
}

void zs_agent_tick(struct zs_agent *a)
{
	uint64_t now = zs_boot_ns(), counters[ZS_COUNTERS];
	struct zs_store_stats stats;

	__atomic_store_n(&a->ctl->heartbeat, now, __ATOMIC_RELEASE);
	refill(a, now);
	config_check(a);
	zs_store_stats(a->store, &stats);
	__atomic_store_n(&a->ctl->stored, stats.objects, __ATOMIC_RELEASE);
	zs_store_sweep(a->store, now, __atomic_load_n(&a->ctl->flush, __ATOMIC_ACQUIRE), a->generations,
		       stats.objects / SWEEP_PART + SWEEP_PART);
	if (now - a->reported >= REPORT_NS) {
		a->reported = now;
		report_write(a);
	}
	if (now - a->upkept < UPKEEP_NS)
		return;
	a->upkept = now;
	zs_recordings_expire(a->recordings, now - RECORDING_NS);
	zs_store_reclaim(a->store);
	if (!zs_counters_read(a->maps->fd[ZS_MAP_counters], counters))
		zs_budget_adapt(&a->budget, counters[ZS_COUNT_hits], counters[ZS_COUNT_recorded],
				a->ingest.stored, now);
	__atomic_store_n(&a->ctl->pressure, (uint32_t)zs_tcp_pressure(), __ATOMIC_RELAXED);
	enrolment_check(a, now);
}
