// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * run: attaches, then lives as two processes. The parent keeps the privileges and does nothing with them
 * but attach and detach; the agent reads what the network sent and has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include "zs.skel.h"

#include "agent.h"
#include "attach.h"
#include "caps.h"
#include "cgroup.h"
#include "clock.h"
#include "command.h"
#include "config_text.h"
#include "dialers.h"
#include "log.h"
#include "logger.h"
#include "origins.h"
#include "plan.h"
#include "selftest.h"

#define WATCH_MS        200
#define RESTART_MS_LEAST 250
#define RESTART_MS_MOST  8000
#define AGENT_READY_MS  10000

struct supervisor {
	const struct zs_options *o; /* the file's settings among them */
	struct zs_config config;
	struct zs_plan plan;
	char path[ZS_CONFIG_PATH_MAX]; /* of the file; empty: none */
	char *text;
	size_t text_len;
	struct zs_instance instance;
	struct zs_maps maps;
	int signals;
	int lock; /* of the instance's directory, for as long as we run */
	bool terminal; /* we have a controlling one */
	pid_t agent;
	struct zs_logger logger;
	struct zs_dialers dialers;
};

/* The maps that the agent works on. The others, and the programs, could be turned against the host by an
 * agent that somebody has taken over: whoever holds a sockops program's fd may attach it elsewhere. */
static void agent_fds_keep(const struct zs_maps *maps, int ready)
{
	static const enum zs_map theirs[] = {
		ZS_MAP_origins, ZS_MAP_index, ZS_MAP_front, ZS_MAP_pages, ZS_MAP_ctl, ZS_MAP_gens,
		ZS_MAP_holdoff, ZS_MAP_stop, ZS_MAP_events, ZS_MAP_counters, ZS_MAP_report,
		ZS_MAP_listeners, ZS_MAP_warmth, ZS_MAP_tables, ZS_MAP_classes, ZS_MAP_scopes, ZS_MAP_config, ZS_MAP_purges,
	};
	int keep[ZS_MAPS + 1];
	size_t n = 0;

	for (; n < sizeof(theirs) / sizeof(theirs[0]); n++)
		keep[n] = maps->fd[theirs[n]];
	keep[n++] = ready;
	zs_fds_keep(keep, n);
}

static int agent_spawn(struct supervisor *s)
{
	struct zs_agent_options options = {
		.user = s->o->user,
		.admin = s->o->admin,
		.origins = s->o->origins,
		.listeners = s->o->listeners,
		.allowed = s->o->allowed,
		.dialers = s->o->dialers[0] != NULL,
		.max_body = (uint32_t)s->o->max_object,
		.lifetime_max = (uint32_t)s->o->lifetime_max,
		.record_rate = (uint32_t)s->o->record_rate,
		.fetch_rate = (uint32_t)s->o->fetch_rate,
		.fetch_concurrency = (uint32_t)s->o->fetch_concurrency,
		.enrol_adaptive = s->o->enrol_adaptive,
		.refresh = !s->o->no_refresh && s->o->fetch_rate > 0,
	};
	struct pollfd ready;
	pid_t parent = getpid();
	sigset_t none;
	int fds[2];

	if (pipe(fds))
		return -errno;
	s->agent = fork();
	if (s->agent < 0)
		return -errno;
	if (!s->agent) {
		agent_fds_keep(&s->maps, fds[1]);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		_exit(zs_agent_run(&s->maps, &options, parent, fds[1]) ? 1 : 0);
	}
	close(fds[1]);
	ready = (struct pollfd){.fd = fds[0], .events = POLLIN};
	poll(&ready, 1, AGENT_READY_MS);
	close(fds[0]);
	return ready.revents & POLLIN ? 0 : -EIO;
}

static void agent_end(struct supervisor *s)
{
	int status;

	if (s->agent <= 0)
		return;
	kill(s->agent, SIGTERM);
	for (int i = 0; i < 300; i++) {
		if (waitpid(s->agent, &status, WNOHANG) == s->agent) {
			s->agent = 0;
			return;
		}
		usleep(10000);
	}
	kill(s->agent, SIGKILL);
	waitpid(s->agent, &status, 0);
	s->agent = 0;
}

/* What an agent that died had stored goes on being served until it expires, but nobody could purge it by
 * tag or refresh it: the next agent begins with an empty store. */
static int agent_restart(struct supervisor *s)
{
	int err = zs_store_void(&s->maps);

	return err ? err : agent_spawn(s);
}

/* The number of a signal; 0: none within the time. */
static int signal_wait(struct supervisor *s, int ms)
{
	struct pollfd p = {.fd = s->signals, .events = POLLIN};
	struct signalfd_siginfo info;

	if (poll(&p, 1, ms) != 1 || read(s->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	return info.ssi_signo == SIGCHLD ? 0 : (int)info.ssi_signo;
}

/* A hang-up ends us if it was our terminal's. Services get it from log rotation. */
static bool is_over(struct supervisor *s, int ms)
{
	int number = signal_wait(s, ms);

	if (number != SIGHUP || s->terminal)
		return number != 0;
	zs_logger_reopen(&s->logger);
	return false;
}

/* Until a signal comes, somebody else detaches, or the cgroup is gone. */
static int supervise(struct supervisor *s)
{
	int pause = RESTART_MS_LEAST, status;
	uint64_t cgroup;

	while (!is_over(s, WATCH_MS)) {
		int err = zs_attached_cgroup(&s->instance, &cgroup);

		if (err == -ENOENT) {
			zs_info("detached by somebody else: stopping");
			return 0;
		}
		if (err == -ENOLINK) {
			zs_warn("the cgroup is gone (Caddy stopped): stopping; start again with Caddy");
			return 0;
		}
		if (s->agent > 0 && waitpid(s->agent, &status, WNOHANG) == s->agent) {
			zs_error("the agent died (%s %d); starting another in %d ms",
				 WIFSIGNALED(status) ? "signal" : "exit",
				 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), pause);
			s->agent = 0;
			if (is_over(s, pause))
				return 0;
			if (agent_restart(s))
				zs_error("the agent did not start");
			pause = pause * 2 < RESTART_MS_MOST ? pause * 2 : RESTART_MS_MOST;
		}
		zs_logger_check(&s->logger);
		zs_dialers_settle(&s->dialers, zs_boot_ns());
	}
	return 0;
}

static int signals_take(struct supervisor *s)
{
	int tty = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	sigset_t set;

	s->terminal = tty >= 0;
	if (s->terminal)
		close(tty);

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return s->signals < 0 ? -errno : 0;
}

/* The lane stands or falls with its self-test. */
static int lane_check(void)
{
	struct zs_selftest results[ZS_SELFTESTS];
	int err = zs_selftest_run(results);

	for (int i = 0; !err && i < ZS_SELFTESTS; i++) {
		if (results[i].passed)
			continue;
		zs_error("self-test %s failed: %s; %s", results[i].name, results[i].detail, results[i].next);
		err = -EOPNOTSUPP;
	}
	return err;
}

static int run_attached(struct supervisor *s)
{
	struct zs_ctl *ctl = zs_ctl_map(&s->maps);
	int err = ctl ? zs_logger_start(&s->logger, &s->maps, ctl, s->o->user) : -errno;

	if (!err)
		err = agent_spawn(s);
	if (err) {
		zs_error("the agent did not start; see the lines above");
	} else {
		zs_info("ready: answering for '%s' from now on", s->o->instance);
		err = supervise(s);
	}
	agent_end(s);
	return err;
}

/* The file's text, for the agent and for `reload`. */
static int config_publish(struct supervisor *s, struct zs_bpf *obj)
{
	struct zs_maps maps;
	int err;

	zs_maps_of_object(obj, &maps);
	err = zs_config_text_inert_put(&maps, s->o->inert);
	if (!err)
		err = zs_config_text_put(&maps, s->path, s->text, s->text_len);
	if (err)
		zs_error("the configuration does not fit into shared memory: %s", strerror(-err));
	return err;
}

/* Attaches and takes the instance's lock, both under the change lock. */
static int attach_locked(struct supervisor *s, const char *cgroup, struct zs_bpf **obj)
{
	struct zs_object_options options = {
		.pages = (uint32_t)(s->o->store_size / ZS_PAGE_SIZE),
		.entries = (uint32_t)s->o->max_objects,
		.plan = &s->plan.plan,
		.client_hop = s->o->listeners[0] != NULL,
	};
	int change = zs_change_lock(&s->instance), lock, err;

	if (change < 0)
		return change;
	lock = zs_instance_lock(&s->instance);
	if (lock == -EBUSY) {
		zs_error("'%s' has a running agent already; stop it first, or use another --instance",
			 s->o->instance);
		close(change);
		return lock;
	}
	if (lock >= 0)
		close(lock);
	err = zs_attach(&s->instance, cgroup, &options, obj);
	if (!err) {
		s->lock = zs_instance_lock(&s->instance);
		err = s->lock < 0 ? s->lock : 0;
	}
	if (!err)
		err = config_publish(s, *obj);
	close(change);
	return err;
}

/* Detaches what is still ours: somebody may have detached it, and attached anew, meanwhile. */
static int detach_locked(struct supervisor *s)
{
	int change = zs_change_lock(&s->instance), err = 0;
	struct stat ours, there;

	if (change < 0)
		return change;
	if (!fstat(s->lock, &ours) && !stat(s->instance.dir, &there) && ours.st_ino == there.st_ino)
		err = zs_detach(&s->instance);
	close(s->lock);
	close(change);
	return err;
}

/* What the operator named is looked at before anything is touched. */
static int origins_check(const struct zs_options *o)
{
	struct zs_origins origins = {0};
	int err = 0;

	for (size_t i = 0; !err && o->origins[i]; i++)
		err = zs_origins_add(&origins, o->origins[i]);
	zs_origins_free(&origins);
	return err ? ZS_EXIT_USAGE : 0;
}

/* A dialer without a listener would be followed for nothing. */
static int dialers_check(const struct zs_options *o)
{
	if (!o->dialers[0] || o->listeners[0])
		return 0;
	zs_error("--dialer %s: no listener is opted in that it could dial; add --listener ADDRESS:PORT", o->dialers[0]);
	return ZS_EXIT_USAGE;
}

static int run(struct supervisor *s)
{
	char cgroup[PATH_MAX];
	struct zs_bpf *obj;
	int code = origins_check(s->o), err, undone;

	if (!code)
		code = dialers_check(s->o);
	if (!code)
		code = zs_command_target(s->o, cgroup);
	if (!code)
		code = zs_command_instance(s->o, true, &s->instance);
	if (code)
		return code;
	err = zs_logger_open(&s->logger, s->o->log);
	if (!err)
		err = lane_check();
	if (!err)
		err = signals_take(s);
	if (!err)
		err = attach_locked(s, cgroup, &obj);
	if (err) {
		zs_logger_end(&s->logger);
		return zs_exit_of(err);
	}
	zs_info("attached to %s", cgroup);
	zs_maps_of_object(obj, &s->maps);
	s->dialers = (struct zs_dialers){.instance = &s->instance, .obj = obj, .named = s->o->dialers};
	zs_dialers_settle(&s->dialers, zs_boot_ns());
	err = run_attached(s);
	undone = detach_locked(s);
	zs_logger_end(&s->logger); /* last: nothing is answered any more */
	zs_object_close(obj);
	if (!undone)
		zs_info("detached");
	return zs_exit_of(err ? err : undone);
}

/* What the file says, but for what the command line says. */
static void config_merge(const struct zs_config *c, struct zs_options *o)
{
	uint32_t from = c->given & ~o->given;

#define TAKE(key, member)                                                                           \
	if (from & ZS_GIVEN(key))                                                                   \
		o->member = c->member;
	TAKE(ADMIN, admin)
	TAKE(USER, user)
	TAKE(LOG, log)
	TAKE(STORE_SIZE, store_size)
	TAKE(MAX_OBJECTS, max_objects)
	TAKE(MAX_OBJECT, max_object)
	TAKE(RECORD_RATE, record_rate)
	TAKE(FETCH_RATE, fetch_rate)
	TAKE(FETCH_CONCURRENCY, fetch_concurrency)
	TAKE(LIFETIME_MAX, lifetime_max)
#undef TAKE
	if (from & ZS_GIVEN(REFRESH))
		o->no_refresh = !c->refresh;
	if (from & ZS_GIVEN(ORIGIN))
		memcpy(o->origins, c->origins, sizeof(o->origins));
	if (from & ZS_GIVEN(LISTENER))
		memcpy(o->listeners, c->listeners, sizeof(o->listeners));
	if (from & ZS_GIVEN(DIALER))
		memcpy(o->dialers, c->dialers, sizeof(o->dialers));
	if (from & ZS_GIVEN(ALLOW_HANDLER))
		memcpy(o->allowed, c->allowed, sizeof(o->allowed));
}

/* The configuration file, if there is one, into s and into `merged`. 0 or an exit code. */
static int config_load(struct supervisor *s, struct zs_options *merged)
{
	struct zs_config_errors errors = {0};
	const char *path = merged->config ? merged->config : ZS_CONFIG_PATH;
	int err = 0;

	zs_config_defaults(&s->config);
	if (merged->config || !access(path, F_OK)) {
		snprintf(s->path, sizeof(s->path), "%s", path);
		err = zs_config_read(path, &s->text, &s->text_len, &errors);
		if (!err)
			err = zs_config_parse(s->text, s->text_len, &s->config, &errors);
		if (err) {
			zs_config_errors_log(path, &errors);
			return ZS_EXIT_USAGE;
		}
		config_merge(&s->config, merged);
	}
	return zs_plan_make(&s->config, merged->inert, &s->plan) ? ZS_EXIT_USAGE : 0;
}

static void config_unload(struct supervisor *s)
{
	zs_plan_free(&s->plan);
	zs_config_free(&s->config);
	free(s->text);
}

int zs_cmd_run(const struct zs_options *given)
{
	struct zs_options merged = *given;
	static struct supervisor s;
	int code;

	s = (struct supervisor){.o = &merged, .lock = -1};
	code = zs_need_root("run");
	if (!code)
		code = config_load(&s, &merged);
	if (!code)
		code = run(&s);
	config_unload(&s);
	return code;
}
