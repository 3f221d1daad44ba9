// SPDX-License-Identifier: GPL-2.0-or-later
/* status: from the pinned maps alone, whether an agent lives or not. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "attach.h"
#include "clock.h"
#include "command.h"
#include "counters.h"
#include "log.h"

static json_t *counters_json(const struct zs_maps *maps)
{
	uint64_t values[ZS_COUNTERS];
	json_t *json;

	if (zs_counters_read(maps->fd[ZS_MAP_counters], values))
		return json_object();
	json = json_object();
	for (int i = 0; i < ZS_COUNTERS; i++)
		json_object_set_new(json, zs_counter_info[i].name, json_integer((json_int_t)values[i]));
	return json;
}

static uint64_t connections(const struct zs_maps *maps)
{
	uint64_t key, next, n = 0;
	void *from = NULL;

	while (n < 1000000 && !bpf_map_get_next_key(maps->fd[ZS_MAP_socks], from, &next)) {
		key = next;
		from = &key;
		n++;
	}
	return n;
}

/* Caddy's listeners and routes, as the agent sees them. */
static void client_hop_set(json_t *answer, const json_t *hop)
{
	static const char *const lists[] = {"listeners", "opted_in"};
	json_t *routes = json_object_get(hop, "routes");

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		json_t *list = json_object_get(hop, lists[i]);

		json_object_set_new(answer, lists[i], list ? json_incref(list) : json_array());
	}
	json_object_set_new(answer, "routes", routes ? json_incref(routes) : json_object());
	json_object_set_new(answer, "routes_cut", json_boolean(json_is_true(json_object_get(hop, "more_routes"))));
	json_object_set_new(answer, "listeners_cut", json_boolean(json_is_true(json_object_get(hop, "more_listeners"))));
}

static json_t *status_json(const struct zs_options *o, const struct zs_instance *instance,
			   const struct zs_maps *maps, const struct zs_ctl *ctl, enum zs_exit *code)
{
	json_t *answer = zs_answer_begin(), *report = zs_report_read(maps), *agent;
	uint64_t cgroup = 0;
	int link = zs_attached_cgroup(instance, &cgroup);
	bool alive = zs_agent_alive(ctl);

	*code = link || !alive ? ZS_EXIT_DEGRADED : ZS_EXIT_OK;
	json_object_set_new(answer, "attached", json_boolean(!link));
	json_object_set_new(answer, "instance", json_string(o->instance));
	json_object_set_new(answer, "pins", json_string(instance->dir));
	json_object_set_new(answer, "cgroup_id", json_integer((json_int_t)(link ? ctl->cgroup : cgroup)));
	json_object_set_new(answer, "cgroup_alive", json_boolean(!link));
	json_object_set_new(answer, "paused", json_boolean(ctl->paused));
	json_object_set_new(answer, "connections", json_integer((json_int_t)connections(maps)));
	json_object_set_new(answer, "draining", json_integer((json_int_t)zs_draining(instance)));
	json_object_set_new(answer, "counters", counters_json(maps));
	agent = report ? json_object_get(report, "agent") : NULL;
	agent = agent ? json_incref(agent) : json_object();
	json_object_set_new(agent, "pid", json_integer(ctl->agent_pid));
	json_object_set_new(agent, "alive", json_boolean(alive));
	json_object_set_new(answer, "agent", agent);
	json_object_set(answer, "enrolment", report ? json_object_get(report, "enrolment") : json_array());
	json_object_set(answer, "origins", report ? json_object_get(report, "origins") : json_array());
	client_hop_set(answer, report ? json_object_get(report, "client_hop") : NULL);
	json_object_set(answer, "admin", report ? json_object_get(report, "admin") : json_null());
	json_decref(report);
	return answer;
}

static void counters_print(const json_t *counters)
{
	for (int i = 0; i < ZS_COUNTERS; i++) {
		json_int_t value = json_integer_value(json_object_get(counters, zs_counter_info[i].name));

		if (value)
			printf("  %12" JSON_INTEGER_FORMAT " %-12s %-16s %s\n", value, zs_counter_info[i].unit,
			       zs_counter_info[i].name, zs_counter_info[i].sentence);
	}
}

static void origins_print(const json_t *origins)
{
	const json_t *origin;
	size_t i;

	puts("origins:");
	if (!json_array_size(origins))
		puts("  none known (yet)");
	json_array_foreach(origins, i, origin)
	{
		const char *dial = json_string_value(json_object_get(origin, "dial"));
		const char *reason = json_string_value(json_object_get(origin, "reason"));
		const char *advice = json_string_value(json_object_get(origin, "advice"));

		printf("  %-28s %s%s%s%s%s\n", dial && *dial ? dial : "(dynamic)",
		       json_is_true(json_object_get(origin, "taken")) ? "taken" : "left to itself",
		       reason ? ": " : "", reason ? reason : "", advice ? "; " : "", advice ? advice : "");
	}
}

static const char *word(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static json_int_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

/* Where connections are left alone, or were found to be. */
static void enrolment_print(const json_t *enrolment)
{
	const json_t *of;
	size_t i;

	json_array_foreach(enrolment, i, of)
	{
		bool cold = json_is_true(json_object_get(of, "cold"));

		if (cold || number(of, "unfollowed"))
			printf("  %-28s %s; connections not enrolled so far: %" JSON_INTEGER_FORMAT "\n",
			       json_string_value(json_object_get(of, "address")),
			       cold ? "cold: one new connection in 128 is enrolled" : "warm: every new connection is enrolled",
			       number(of, "unfollowed"));
	}
}

static void opted_print(const json_t *opted_in)
{
	const json_t *of;
	size_t i;

	json_array_foreach(opted_in, i, of)
	{
		printf("  %-28s %s%s\n", word(of, "listener"),
		       json_is_true(json_object_get(of, "followed")) ? "opted in, followed" : "opted in, not followed: ",
		       word(of, "reason"));
		if (number(of, "refused"))
			printf("  %-28s %" JSON_INTEGER_FORMAT " responses not stored, the last one: %s\n", "",
			       number(of, "refused"), word(of, "last_refused"));
	}
}

static void routes_print(const json_t *routes)
{
	const json_t *list, *of;
	const char *server;
	size_t i;

	json_object_foreach((json_t *)routes, server, list)
	{
		json_array_foreach(list, i, of)
		{
			bool able = json_is_true(json_object_get(of, "eligible"));

			printf("  %-12s route %-8s %-8s %s%s%s\n", server, word(of, "route"), able ? "eligible" : "refused",
			       word(of, "match"), able ? "" : *word(of, "match") ? ": " : "", word(of, "reason"));
		}
	}
}

/* Where visitors come in: what could be answered there, and what is. */
static void client_hop_print(const json_t *s)
{
	const json_t *listeners = json_object_get(s, "listeners"), *of;
	size_t i;

	if (!json_array_size(listeners) && !json_array_size(json_object_get(s, "opted_in")))
		return;
	puts("listeners of Caddy's:");
	json_array_foreach(listeners, i, of)
	{
		bool able = json_is_true(json_object_get(of, "eligible"));

		printf("  %-28s server %s, %s%s\n", *word(of, "address") ? word(of, "address") : word(of, "listen"),
		       word(of, "server"), able ? "plaintext: may be opted in" : "", word(of, "reason"));
	}
	opted_print(json_object_get(s, "opted_in"));
	routes_print(json_object_get(s, "routes"));
	if (json_is_true(json_object_get(s, "routes_cut")) || json_is_true(json_object_get(s, "listeners_cut")))
		puts("  (there are more)");
}

static void status_print(const json_t *s)
{
	const json_t *agent = json_object_get(s, "agent"), *counters = json_object_get(s, "counters");
	json_int_t hits = number(counters, "hits"), misses = number(counters, "misses");

	printf("zeroserve '%s': %s%s\n", json_string_value(json_object_get(s, "instance")),
	       json_is_true(json_object_get(s, "attached")) ? "attached" : "the cgroup it was attached to is gone",
	       json_is_true(json_object_get(s, "paused")) ? ", paused" : "");
	printf("  pins         %s\n", json_string_value(json_object_get(s, "pins")));
	printf("  connections  %" JSON_INTEGER_FORMAT " enrolled, %" JSON_INTEGER_FORMAT
	       " of earlier attachments still draining\n",
	       number(s, "connections"), number(s, "draining"));
	printf("  agent        %s, pid %" JSON_INTEGER_FORMAT "\n",
	       json_is_true(json_object_get(agent, "alive")) ? "alive" : "NOT RUNNING: nothing new is stored",
	       number(agent, "pid"));
	printf("  store        %" JSON_INTEGER_FORMAT " objects, %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
	       " pages\n",
	       number(agent, "stored"), number(agent, "pages_used"), number(agent, "pages_total"));
	if (number(agent, "cold_origins"))
		printf("  enrolment    %" JSON_INTEGER_FORMAT " origin%s of which nothing can be stored: most connections are "
		       "left alone\n", number(agent, "cold_origins"), number(agent, "cold_origins") == 1 ? "" : "s");
	if (hits + misses)
		printf("  hit ratio    %.1f %% of %" JSON_INTEGER_FORMAT " cacheable requests\n",
		       100.0 * (double)hits / (double)(hits + misses), hits + misses);
	origins_print(json_object_get(s, "origins"));
	enrolment_print(json_object_get(s, "enrolment"));
	client_hop_print(s);
	puts("counters:");
	counters_print(counters);
}

static int not_attached(const struct zs_options *o, const struct zs_instance *instance)
{
	int64_t draining = zs_draining(instance);

	if (o->json) {
		json_t *answer = zs_answer_begin();

		json_object_set_new(answer, "attached", json_false());
		json_object_set_new(answer, "instance", json_string(o->instance));
		json_object_set_new(answer, "draining", json_integer((json_int_t)draining));
		zs_answer_print(answer);
	} else {
		printf("zeroserve '%s': not attached\n", o->instance);
		if (draining > 0)
			printf("  %" PRId64 " connections of an earlier attachment pass everything until they close\n",
			       draining);
	}
	return ZS_EXIT_NOT_ATTACHED;
}

int zs_cmd_status(const struct zs_options *o)
{
	struct zs_instance instance = {0};
	struct zs_maps maps;
	struct zs_ctl *ctl;
	enum zs_exit exit_code;
	json_t *answer;
	int code = zs_need_root("status"), err;

	if (code)
		return code;
	if (zs_instance_init(&instance, o->bpffs, o->instance, false) == -EINVAL)
		return ZS_EXIT_USAGE;
	err = instance.dir[0] ? zs_maps_open(&instance, &maps) : -ENOENT;
	if (err == -ENOENT)
		return not_attached(o, &instance);
	if (err)
		return zs_exit_of(err);
	ctl = zs_ctl_map(&maps);
	if (!ctl) {
		zs_error("status: cannot map the control map: %s", strerror(errno));
		zs_maps_close(&maps);
		return ZS_EXIT_FAILED;
	}
	answer = status_json(o, &instance, &maps, ctl, &exit_code);
	munmap(ctl, sizeof(*ctl));
	zs_maps_close(&maps);
	if (o->json) {
		zs_answer_print(answer);
	} else {
		status_print(answer);
		json_decref(answer);
	}
	return exit_code;
}
