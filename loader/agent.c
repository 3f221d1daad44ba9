// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's life and its loop. What it does with events is agent_record.c's, the rest agent_upkeep.c's. */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "agent_config.h"
#include "agent_listener.h"
#include "agent_purge.h"
#include "agent_record.h"
#include "agent_state.h"
#include "agent_upkeep.h"
#include "caps.h"
#include "clock.h"
#include "counters.h"
#include "enrolment.h"
#include "log.h"
#include "origins.h"
#include "refresh.h"
#include "watch.h"

#define TICK_MS          50 /* upkeep, and the longest sleep */
#define POLL_MS_LEAST    1  /* while many events come in */
#define POLL_MS_MOST     20 /* while few do */
#define POLL_FEW         4  /* events per poll that are few */
#define POLL_MANY        32 /* events per poll that are many */
#define POLLS_IDLE       10 /* empty polls after which it sleeps until it is woken */
#define FETCH_TIMEOUT_MS 10000

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
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
static void wait_ms(struct zs_agent *a, int ms)
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
static void loop(struct zs_agent *a)
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
			zs_agent_tick(a);
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

static int views_open(struct zs_agent *a)
{
	const struct zs_maps *m = a->maps;
	int err = zs_front_open(m, &a->front);

	if (err)
		return err;
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

static int watch_fd(struct zs_agent *a, int fd, uint32_t tag)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = tag};

	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int origin_address(void *user, uint32_t id, struct zs_origin_key *out)
{
	struct zs_agent *a = user;

	return a->watch ? zs_watch_address(a->watch, id, out) : -ENOENT;
}

static bool origin_listener(void *user, uint32_t id)
{
	struct zs_agent *a = user;

	return a->watch && zs_watch_listener(a->watch, id);
}

static bool origin_eligible(void *user, const struct zs_asked *asked, bool query_open)
{
	struct zs_agent *a = user;

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
	struct zs_agent *a = user;
	struct slot_search s = {.slot = slot};

	zs_store_filter(a->store, slot_note, &s);
	return s.found;
}

static int parts_create(struct zs_agent *a)
{
	struct zs_store_options store = {
		.index_fd = a->maps->fd[ZS_MAP_index],
		.front = a->front,
		.pages = a->pages,
		.count = a->ctl->pages,
		.entries = zs_map_entries(a->maps->fd[ZS_MAP_index]),
		.grace = zs_grace_membarrier,
		.still_wanted = zs_agent_purge_wanted,
		.user = &a->purges,
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
		err = zs_agent_record_create(a);
	if (err)
		return err;
	a->ctl->record_cap = a->o.max_body + ZS_FETCH_OVERHEAD;
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
	a->ring = ring_buffer__new(a->maps->fd[ZS_MAP_events], zs_agent_event, a, NULL);
	return a->ring ? 0 : -errno;
}

static int connections_create(struct zs_agent *a)
{
	struct zs_refresh_options refresh = {
		.ingest = &a->ingest,
		.generations = a->generations,
		.ctl = a->ctl,
		.limits = {.concurrency = a->o.fetch_concurrency,
			   .rate = a->o.fetch_rate,
			   .timeout_ms = FETCH_TIMEOUT_MS,
			   .max_bytes = (size_t)a->o.max_body * 2 + ZS_FETCH_OVERHEAD},
	};
	struct zs_watch_options watch = {
		.admin = a->o.admin,
		.origins = a->o.origins,
		.listeners = a->o.listeners,
		.allowed = a->o.allowed,
		.maps = a->maps,
		.ctl = a->ctl,
		.listener_put = zs_agent_listener_put,
		.listener_remove = zs_agent_listener_remove,
		.user = a,
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
	if (!err)
		err = zs_agent_listeners_clear(a);
	return err ? err : zs_watch_start(&watch, &a->watch);
}

static void destroy(struct zs_agent *a)
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
	signal(SIGHUP, SIG_IGN); /* may go to the whole unit, for the log's sake */
}

int zs_agent_run(const struct zs_maps *maps, const struct zs_agent_options *options, pid_t parent, int ready_fd)
{
	struct zs_agent *a = calloc(1, sizeof(*a));
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
		zs_agent_tick(a);
		if (write(ready_fd, "1", 1) != 1)
			zs_debug("nobody waits for the agent");
		loop(a);
	} else {
		zs_error("the agent cannot start: %s", strerror(-err));
	}
	destroy(a);
	return err;
}
