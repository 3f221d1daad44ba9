// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's loop: events in, objects out, and what has to be done now and then. */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <jansson.h>

#include "agent_listener.h"
#include "agent_purge.h"
#include "budget.h"
#include "caps.h"
#include "clock.h"
#include "counters.h"
#include "agent_config.h"
#include "asked.h"
#include "config.h"
#include "classes.h"
#include "enrolment.h"
#include "holdoff.h"
#include "ingest.h"
#include "location.h"
#include "log.h"
#include "object.h"
#include "origins.h"
#include "pressure.h"
#include "recording.h"
#include "refresh.h"
#include "watch.h"

#define TICK_MS         50   /* upkeep, and the longest sleep */
#define POLL_MS_LEAST   1    /* while many events come in */
#define POLL_MS_MOST    20   /* while few do */
#define POLL_FEW        4    /* events per poll that are few */
#define POLL_MANY       32   /* events per poll that are many */
#define POLLS_IDLE      10   /* empty polls after which it sleeps until it is woken */
#define REPORT_NS       (ZS_NS / 5)
#define UPKEEP_NS       ZS_NS
#define RECORDING_NS    (30 * ZS_NS)
#define SWEEP_PART      16   /* of the objects, per tick */
#define FETCH_OVERHEAD  (ZS_ANSWER_HEAD_MAX * 2) /* head and chunk framing beside the body */
#define FETCH_TIMEOUT_MS 10000

struct agent {
	struct zs_agent_options o;
	const struct zs_maps *maps;
	struct zs_ctl *ctl;
	uint64_t *generations;
	uint64_t *stop;
	struct zs_report *report;
	struct zs_warmth *warmth;
	struct zs_purge_view purges;
	uint8_t *pages;
	struct ring_buffer *ring;
	struct zs_store *store;
	struct zs_recordings *recordings;
	struct zs_refresh *refresh; /* null: off */
	struct zs_watch *watch;
	struct zs_config config;
	uint32_t config_seq; /* zs_ctl.config_seq that `config` is from */
	struct zs_ingest ingest;
	struct zs_enrolment *enrolment;
	uint32_t resumes; /* zs_ctl.resumes that was heeded */
	struct zs_budget budget;
	uint64_t ends[ZS_RECORDING_ENDS];
	uint64_t located; /* targets made void by Location and Content-Location */
	uint64_t reported, upkept; /* boot-time ns */
	int epoll;
	unsigned int events; /* since the last poll */
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

/* --- recordings ------------------------------------------------------------------------------ */

static int recording_head(void *user, const struct zs_asked *asked, const struct zs_response *response,
			  uint64_t arrived)
{
	struct agent *a = user;

	return zs_ingest_judge(&a->ingest, asked, response, arrived) == ZS_POLICY_STORE;
}

/* Raises the generation of one more target. Its key has the Host that the request had. */
static void target_void(void *user, const struct zs_asked *asked, struct zs_text target)
{
	struct agent *a = user;
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
	struct agent *a = user;
	int err;

	if (!zs_enrolment_may_store(a->enrolment, asked->key.origin, asked->time, zs_boot_ns()))
		return 0; /* the next one will be */
	err = zs_ingest_store(&a->ingest, asked, response, body, arrived);

	if (!err)
		__atomic_store_n(&a->ctl->stored, 1, __ATOMIC_RELEASE); /* the tick counts exactly */
	return err;
}

static void recording_end(void *user, const struct zs_asked *asked, uint64_t record,
			  enum zs_recording_end how)
{
	struct agent *a = user;

	a->ends[how]++;
	__atomic_store_n(&a->stop[ZS_STOP_SLOT(record)], record, __ATOMIC_RELEASE);
	if (how == ZS_RECORDING_UNSAFE)
		return;
	if (how != ZS_RECORDING_STORED && how != ZS_RECORDING_BROKEN)
		zs_enrolment_refused(a->enrolment, asked->key.origin, zs_boot_ns());
	if (how == ZS_RECORDING_STORED)
		zs_holdoff_clear(a->maps->fd[ZS_MAP_holdoff], asked->digest);
	else if (how != ZS_RECORDING_BROKEN)
		zs_holdoff_add(a->maps->fd[ZS_MAP_holdoff], asked->digest, zs_boot_ns(),
			       how == ZS_RECORDING_REFUSED ? 1 + a->ingest.last : 0);
}

/* --- events ---------------------------------------------------------------------------------- */

static int on_event(void *user, void *data, size_t size)
{
	struct agent *a = user;
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

/* --- now and then ---------------------------------------------------------------------------- */

static void refill(struct agent *a, uint64_t now)
{
	int32_t left = __atomic_load_n(&a->ctl->tokens, __ATOMIC_RELAXED);
	int32_t have = zs_budget_refill(&a->budget, left, now);

	if (have != left)
		__atomic_fetch_add(&a->ctl->tokens, have - left, __ATOMIC_RELAXED);
	a->ctl->tokens_half = (int32_t)a->budget.rate / 2;
}

static json_t *reasons_json(const struct agent *a)
{
	json_t *json = json_object();

	for (int i = 0; i < ZS_POLICY_REASONS; i++)
		if (a->ingest.reasons[i])
			json_object_set_new(json, zs_policy_reason_name((enum zs_policy_reason)i),
					    json_integer((json_int_t)a->ingest.reasons[i]));
	return json;
}

static json_t *agent_json(const struct agent *a)
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
	json_object_update_new(json, json_pack("{s:I, s:I, s:I, s:I}", "recorded_refused",
					       (json_int_t)a->ends[ZS_RECORDING_REFUSED], "recorded_large",
					       (json_int_t)a->ends[ZS_RECORDING_LARGE], "recorded_malformed",
					       (json_int_t)a->ends[ZS_RECORDING_MALFORMED], "recorded_broken",
					       (json_int_t)a->ends[ZS_RECORDING_BROKEN]));
	json_object_update_new(json, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "fetches", (json_int_t)r.fetched,
					       "fetches_failed", (json_int_t)r.failed, "fetches_refused",
					       (json_int_t)r.refused, "fetches_revalidated",
					       (json_int_t)r.revalidated, "fetches_dropped", (json_int_t)r.dropped,
					       "rules", (json_int_t)a->config.rule_count, "located", (json_int_t)a->located, "cold_origins",
					       (json_int_t)zs_enrolment_cold(a->enrolment)));
	json_object_set_new(json, "decisions", reasons_json(a));
	return json;
}

/* Into the shared report: odd while it is written. */
static void report_write(struct agent *a)
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

/* `reload` has put another text there. A text that cannot be taken leaves everything as it is. */
static void config_check(struct agent *a)
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

static void enrolment_check(struct agent *a, uint64_t now)
{
	uint32_t resumes = __atomic_load_n(&a->ctl->resumes, __ATOMIC_ACQUIRE);

	if (resumes != a->resumes)
		zs_enrolment_warm(a->enrolment, now);
	a->resumes = resumes;
	zs_enrolment_tick(a->enrolment, a->ctl->origins, now);
}

static void tick(struct agent *a)
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

/* --- the loop -------------------------------------------------------------------------------- */

/* The next pause between polls: shorter when one poll brought many events, longer when it brought few. */
static unsigned int poll_next(unsigned int ms, unsigned int events)
{
	if (events >= POLL_MANY && ms > POLL_MS_LEAST)
		return ms / 2;
	if (events < POLL_FEW && ms < POLL_MS_MOST)
		return ms * 2 < POLL_MS_MOST ? ms * 2 : POLL_MS_MOST;
	return ms;
}

/* Waits for fetches, for the ring if it wakes, or for the time to pass. */
static void wait_ms(struct agent *a, int ms)
{
	struct epoll_event ready[4];
	int n = epoll_wait(a->epoll, ready, 4, ms);

	for (int i = 0; i < n; i++)
		if (a->refresh && ready[i].data.u32 == 1)
			zs_refresh_run(a->refresh);
}

/*
 * While events come in, the ring is polled, and the kernel is told not to wake anybody: a wake-up per event
 * would cost more than the event. When the ring stays empty, the flag goes down, the ring is looked at once
 * more (an event may have come in between), and the agent sleeps until the next wake-up.
 */
static void loop(struct agent *a)
{
	unsigned int idle = POLLS_IDLE, ms = POLL_MS_LEAST;
	uint64_t ticked = 0;

	while (!stopping) {
		bool awake = idle < POLLS_IDLE;

		__atomic_store_n(&a->ctl->awake, (uint32_t)awake, __ATOMIC_SEQ_CST);
		a->events = 0;
		zs_agent_purge_tick(&a->purges, a->store);
		ring_buffer__consume(a->ring);
		idle = a->events ? 0 : (awake ? idle + 1 : idle);
		ms = awake ? poll_next(ms, a->events) : POLL_MS_LEAST;
		wait_ms(a, idle < POLLS_IDLE ? (int)ms : TICK_MS);
		if (zs_boot_ns() - ticked >= TICK_MS * 1000000ull) {
			ticked = zs_boot_ns();
			tick(a);
		}
	}
	a->ctl->awake = 0;
	a->ctl->tokens = 0;
}

/* --- life ------------------------------------------------------------------------------------ */

/* Before 5.19, kernel.unprivileged_bpf_disabled closes bpf(2) to a process without CAP_BPF altogether. */
static int maps_usable(const struct zs_maps *maps)
{
	uint64_t counters[ZS_COUNTERS];
	int err = zs_counters_read(maps->fd[ZS_MAP_counters], counters);

	if (err == -EPERM)
		zs_error("this kernel lets no unprivileged process use BPF maps; set "
			 "kernel.unprivileged_bpf_disabled=0, or use Linux 5.19 or later");
	return err;
}

static int views_open(struct agent *a)
{
	const struct zs_maps *m = a->maps;

	a->ctl = zs_ctl_map(m);
	a->generations = zs_map_view(m->fd[ZS_MAP_gens], ZS_GENERATIONS * sizeof(uint64_t));
	a->stop = zs_map_view(m->fd[ZS_MAP_stop], ZS_STOP_SLOTS * sizeof(uint64_t));
	a->report = zs_map_view(m->fd[ZS_MAP_report], sizeof(struct zs_report));
	if (a->ctl)
		a->pages = zs_map_view(m->fd[ZS_MAP_pages], (size_t)a->ctl->pages * ZS_PAGE_SIZE);
	a->warmth = zs_map_view(m->fd[ZS_MAP_warmth], ZS_WARMTH * sizeof(struct zs_warmth));
	a->purges.ring = zs_map_view(m->fd[ZS_MAP_purges], sizeof(struct zs_purge) * ZS_PURGES);
	a->purges.ctl = a->ctl;
	if (!a->warmth || !a->ctl || !a->generations || !a->stop || !a->report || !a->pages || !a->purges.ring)
		return -errno;
	a->report->seq &= ~1u; /* an agent that died while it wrote leaves it odd */
	return 0;
}

static int watch_fd(struct agent *a, int fd, uint32_t tag)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = tag};

	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int origin_address(void *user, uint32_t id, struct zs_origin_key *out)
{
	struct agent *a = user;

	return a->watch ? zs_watch_address(a->watch, id, out) : -ENOENT;
}

static bool origin_listener(void *user, uint32_t id)
{
	struct agent *a = user;

	return a->watch && zs_watch_listener(a->watch, id);
}

static bool origin_eligible(void *user, const struct zs_asked *asked, bool query_open)
{
	struct agent *a = user;

	return a->watch && zs_agent_listener_allows(a->watch, asked, query_open);
}

struct slot_search {
	uint32_t slot;
	bool found;
};

static bool slot_note(void *user, const struct zs_store_entry *e, const struct zs_object *o)
{
	const struct zs_key *key = (const struct zs_key *)((const uint8_t *)o + ZS_OBJECT_KEY_OFF);
	struct slot_search *s = user;

	(void)e;
	s->found |= key->origin % ZS_WARMTH == s->slot;
	return true;
}

static bool slot_in_use(void *user, uint32_t slot)
{
	struct agent *a = user;
	struct slot_search s = {.slot = slot};

	zs_store_filter(a->store, slot_note, &s);
	return s.found;
}

static int parts_create(struct agent *a)
{
	struct zs_store_options store = {
		.index_fd = a->maps->fd[ZS_MAP_index],
		.pages = a->pages,
		.count = a->ctl->pages,
		.entries = zs_map_entries(a->maps->fd[ZS_MAP_index]),
		.grace = zs_grace_membarrier,
		.still_wanted = zs_agent_purge_wanted,
		.user = &a->purges,
	};
	struct zs_recordings_owner owner = {
		.user = a,
		.head = recording_head,
		.unsafe = recording_unsafe,
		.whole = recording_whole,
		.end = recording_end,
		.max_body = a->o.max_body,
		.cap = a->o.max_body + FETCH_OVERHEAD,
	};
	int err = zs_grace_membarrier();

	if (err) {
		zs_error("membarrier(2) does not wait for RCU here: %s; without it pages cannot be reused safely",
			 strerror(-err));
		return err;
	}
	zs_config_defaults(&a->config);
	a->config_seq = __atomic_load_n(&a->ctl->config_seq, __ATOMIC_ACQUIRE);
	err = zs_agent_config_take(a->maps, a->o.max_body, &a->config);
	if (err)
		return err;
	__atomic_store_n(&a->ctl->config_done, a->config_seq, __ATOMIC_RELEASE);
	err = zs_store_create(&store, &a->store);
	a->resumes = a->ctl->resumes;
	if (!err)
		err = zs_enrolment_create(a->warmth, a->o.enrol_adaptive, slot_in_use, a, &a->enrolment);
	if (!err)
		err = zs_recordings_create(&owner, &a->recordings);
	if (err)
		return err;
	a->ctl->record_cap = a->o.max_body + FETCH_OVERHEAD;
	a->ingest = (struct zs_ingest){
		.store = a->store,
		.config = &a->config,
		.maps = a->maps,
		.ctl = a->ctl,
		.origin = origin_address,
		.listener = origin_listener,
		.eligible = origin_eligible,
		.user = a,
		.max_body = a->o.max_body,
		.lifetime_max = a->o.lifetime_max,
		.refresh = a->o.refresh,
	};
	zs_budget_init(&a->budget, a->o.record_rate, zs_boot_ns());
	a->ctl->tokens = (int32_t)a->o.record_rate;
	a->ring = ring_buffer__new(a->maps->fd[ZS_MAP_events], on_event, a, NULL);
	return a->ring ? 0 : -errno;
}

static int connections_create(struct agent *a)
{
	struct zs_refresh_options refresh = {
		.ingest = &a->ingest,
		.generations = a->generations,
		.ctl = a->ctl,
		.limits = {.concurrency = a->o.fetch_concurrency,
			   .rate = a->o.fetch_rate,
			   .timeout_ms = FETCH_TIMEOUT_MS,
			   .max_bytes = (size_t)a->o.max_body * 2 + FETCH_OVERHEAD},
	};
	struct zs_watch_options watch = {
		.admin = a->o.admin,
		.origins = a->o.origins,
		.listeners = a->o.listeners,
		.allowed = a->o.allowed,
		.maps = a->maps,
		.ctl = a->ctl,
	};
	int err = 0;

	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll < 0)
		return -errno;
	err = watch_fd(a, ring_buffer__epoll_fd(a->ring), 0);
	if (!err && a->o.refresh)
		err = zs_refresh_create(&refresh, &a->refresh);
	if (!err && a->refresh)
		err = watch_fd(a, zs_refresh_fd(a->refresh), 1);
	if (!err && a->ctl->netns_known)
		err = zs_netns_cookie(&watch.netns);
	a->ctl->netns = watch.netns;
	return err ? err : zs_watch_start(&watch, &a->watch);
}

static void destroy(struct agent *a)
{
	zs_watch_stop(a->watch);
	zs_refresh_destroy(a->refresh);
	ring_buffer__free(a->ring);
	zs_recordings_destroy(a->recordings);
	zs_enrolment_destroy(a->enrolment);
	zs_store_destroy(a->store);
	zs_config_free(&a->config);
	if (a->epoll >= 0)
		close(a->epoll);
	free(a);
}

static void signals_set(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int zs_agent_run(const struct zs_maps *maps, const struct zs_agent_options *options, pid_t parent, int ready_fd)
{
	struct agent *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->o = *options;
	a->maps = maps;
	a->epoll = -1;
	signals_set();
	err = zs_caps_drop(options->user);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* it died before it could be asked for */
		err = -ESRCH;
	if (!err)
		err = maps_usable(maps);
	if (!err)
		err = views_open(a);
	if (!err)
		err = parts_create(a);
	if (!err)
		err = connections_create(a);
	if (!err) {
		a->ctl->agent_pid = (uint32_t)getpid();
		tick(a);
		if (write(ready_fd, "1", 1) != 1)
			zs_debug("nobody waits for the agent");
		loop(a);
	} else {
		zs_error("the agent cannot start: %s", strerror(-err));
	}
	destroy(a);
	return err;
}
