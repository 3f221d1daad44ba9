// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warm: asks Caddy for a list of URLs, within the limits of the agent's own fetches, so that the recorder sees the
 * responses; then says which of them are stored, and why the others are not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "command.h"
#include "explain.h"
#include "log.h"
#include "visitor.h"
#include "warm_ask.h"
#include "warm_list.h"

#define SETTLE_NS (3 * ZS_NS) /* for the agent to store what was recorded last */
#define REPORT_MS 3000	      /* for an agent that has just begun */

static const char unseen[] = "No response of an accelerated upstream was seen; look at: zs-load status";

struct warm {
	const struct zs_options *o;
	struct zs_maps maps;
	struct zs_ctl *ctl;
	struct zs_warm_list list;
	struct zs_warm_item *items; /* one for each of the list */
	size_t count, stored;
	const char *headers[ZS_LIST_MAX + 4]; /* of every request; null-terminated */
	uint64_t rate, at_once;
};

/* --- what is sent ------------------------------------------------------------------------------ */

/* Fields that curl or Caddy would add, so that what is asked of explain.h is what is sent. */
static void headers_set(struct warm *w)
{
	static const char *const own[] = {"Accept-Encoding: gzip", "Accept: */*", "User-Agent: zeroserve-warm"};
	size_t n = 0, len;

	for (; w->o->headers[n]; n++)
		w->headers[n] = w->o->headers[n];
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(own[i], ":"), own[i]);
		if (!zs_visitor_field(w->o->headers, name, &len))
			w->headers[n++] = own[i];
	}
}

static uint64_t bounded(const char *option, uint64_t wanted, const char *by, uint64_t limit)
{
	if (wanted > limit)
		zs_warn("warm: --%s %llu: more than --%s of `run` allows; going by its %llu", option,
			(unsigned long long)wanted, by, (unsigned long long)limit);
	return wanted && wanted < limit ? wanted : limit;
}

/* The agent's fetches and those of `warm` have the same limits. */
static int limits_set(struct warm *w)
{
	int err = -EAGAIN;

	for (int ms = 0; err == -EAGAIN && ms <= REPORT_MS; ms += 100) {
		json_t *report = zs_report_read(&w->maps), *agent = json_object_get(report, "agent");
		json_int_t rate, at_once;

		if (agent && !json_unpack(agent, "{s:I, s:I}", "fetch_rate", &rate, "fetch_concurrency", &at_once)) {
			err = rate > 0 && at_once > 0 ? 0 : -EPERM;
			w->rate = (uint64_t)rate;
			w->at_once = (uint64_t)at_once;
		} else {
			usleep(100000);
		}
		json_decref(report);
	}
	if (err == -EPERM)
		zs_error("warm: nothing is fetched, because fetch-rate is 0; start `zs-load run` with another");
	else if (err)
		zs_error("warm: the agent has not said its limits yet; try again in a moment");
	if (err)
		return err;
	w->rate = bounded("rate", w->o->rate, "fetch-rate", w->rate);
	w->at_once = bounded("concurrency", w->o->at_once, "fetch-concurrency", w->at_once);
	return 0;
}

/* --- what came of it --------------------------------------------------------------------------- */

static bool is_stored(const struct zs_explained *e)
{
	return e->fate == ZS_FATE_HIT || e->fate == ZS_FATE_STALE || e->fate == ZS_FATE_NOT_MODIFIED;
}

/* Whether the next such GET would be a hit at any origin; else why it would not. A reason that was found before stays
 * until there is another: the key may not be held off any more. */
static void look(void *user, struct zs_warm_item *item)
{
	const struct warm *w = user;
	struct zs_origin_key at, next;
	struct zs_origin origin;
	struct zs_explained e;
	char head[ZS_HEAD_MAX];
	struct zs_url url;
	void *from = NULL;
	size_t len;

	if (item->outcome == ZS_WARM_ASKED)
		item->why = unseen;
	item->outcome = ZS_WARM_NOT_STORED;
	if (zs_url_parse(item->text, &url))
		return;
	len = zs_visitor_head(w->headers, &url, !strncasecmp(item->text, "https:", 6), head);
	while (!bpf_map_get_next_key(w->maps.fd[ZS_MAP_origins], from, &next)) {
		at = next;
		from = &at;
		if (bpf_map_lookup_elem(w->maps.fd[ZS_MAP_origins], &at, &origin) ||
		    zs_explain(&w->maps, w->ctl, origin.id, head, len, &e))
			continue;
		if (is_stored(&e)) {
			item->outcome = ZS_WARM_STORED;
			return;
		}
		if (e.refused)
			item->why = zs_holdoff_text(e.holdoff_reason);
		if (e.fate == ZS_FATE_RECORDED)
			continue;
		if (!e.refused)
			item->why = zs_fate_text(e.fate);
		item->sure = e.held_off || e.fate != ZS_FATE_OVER_BUDGET;
	}
}

/* Once more of those that are not there yet; done when all are, or after a while. */
static void settle(struct warm *w)
{
	const uint64_t until = zs_boot_ns() + SETTLE_NS;
	size_t waits;

	do {
		w->stored = waits = 0;
		for (size_t i = 0; i < w->count; i++) {
			struct zs_warm_item *item = &w->items[i];

			if (item->outcome == ZS_WARM_NOT_STORED)
				look(w, item);
			w->stored += item->outcome == ZS_WARM_STORED;
			waits += item->outcome == ZS_WARM_NOT_STORED && !item->sure;
		}
		if (waits)
			usleep(100000);
	} while (waits && zs_boot_ns() < until);
}

/* --- the answer -------------------------------------------------------------------------------- */

/* {reason: how many} of those with this outcome. */
static json_t *reasons_json(const struct warm *w, enum zs_warm_outcome outcome)
{
	json_t *reasons = json_object();

	for (size_t i = 0; i < w->count; i++) {
		const struct zs_warm_item *item = &w->items[i];

		if (item->outcome == outcome)
			json_object_set_new(reasons, item->why,
					    json_integer(json_integer_value(json_object_get(reasons, item->why)) + 1));
	}
	return reasons;
}

static void items_tell(const struct warm *w, json_t *list)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct zs_warm_item *item = &w->items[i];

		if (item->outcome == ZS_WARM_STORED)
			continue;
		if (list)
			json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "url", item->text, "status",
							      (int)item->status, "why", item->why));
		else
			printf("%s: %s\n", item->text, item->why);
	}
}

static void reasons_print(json_t *reasons, const char *what)
{
	const char *why;
	json_t *count;

	json_object_foreach(reasons, why, count)
	{
		printf("  %" JSON_INTEGER_FORMAT " %s: %s\n", json_integer_value(count), what, why);
	}
}

static void answer(const struct warm *w)
{
	json_t *reasons = reasons_json(w, ZS_WARM_NOT_STORED), *failures = reasons_json(w, ZS_WARM_FAILED);
	size_t failed = 0;

	for (size_t i = 0; i < w->count; i++)
		failed += w->items[i].outcome == ZS_WARM_FAILED;
	if (w->o->json) {
		json_t *list = json_array();

		items_tell(w, list);
		zs_answer_print(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:O, s:O}", "schema", "zeroserve/1", "urls",
					  (json_int_t)w->count, "stored", (json_int_t)w->stored, "failed",
					  (json_int_t)failed, "rate", (json_int_t)w->rate, "concurrency",
					  (json_int_t)w->at_once, "not_stored", list, "reasons", reasons, "failures",
					  failures));
	} else {
		items_tell(w, NULL);
		printf("%zu URLs: %zu stored, %zu not stored, %zu failed\n", w->count, w->stored,
		       w->count - w->stored - failed, failed);
		reasons_print(reasons, "not stored");
		reasons_print(failures, "failed");
	}
	json_decref(reasons);
	json_decref(failures);
}

/* --- the command ------------------------------------------------------------------------------- */

static int warm(struct warm *w)
{
	struct zs_warm_way way = {
		.headers = w->headers,
		.connect = w->o->connect,
		.cacert = w->o->cacert,
		.insecure = w->o->insecure,
		.look = look,
		.user = w,
	};
	int err;

	w->items = calloc(w->list.count + 1, sizeof(*w->items));
	if (!w->items)
		return -ENOMEM;
	for (; w->count < w->list.count; w->count++)
		w->items[w->count].text = w->list.lines[w->count];
	way.rate = w->rate;
	way.at_once = w->at_once;
	err = zs_warm_ask(&way, w->items, w->count);
	if (err) {
		zs_error("warm: %s: %s", w->o->file, strerror(-err));
		return err;
	}
	settle(w);
	answer(w);
	return 0;
}

/* With the maps open. Returns an exit code. */
static int attached(struct warm *w)
{
	int err;

	w->ctl = zs_ctl_map(&w->maps);
	if (!w->ctl) {
		zs_error("warm: cannot map the control map: %s", strerror(errno));
		return ZS_EXIT_FAILED;
	}
	if (!zs_agent_alive(w->ctl)) {
		zs_error("warm: no agent is running, so nothing would be stored; start: zs-load run");
		err = ZS_EXIT_DEGRADED;
	} else if (limits_set(w) || warm(w)) {
		err = ZS_EXIT_FAILED;
	} else {
		err = w->stored == w->count ? ZS_EXIT_OK : ZS_EXIT_FAILED;
	}
	munmap(w->ctl, sizeof(*w->ctl));
	return err;
}

static int usage_check(const struct zs_options *o)
{
	size_t len;

	if (!o->file) {
		zs_error("warm: give a file with one URL on each line, or - for standard input");
		return -EINVAL;
	}
	if (!zs_visitor_field(o->headers, "Host", &len))
		return zs_visitor_check("warm", o->headers);
	zs_error("warm: --header Host: the URLs say it; --connect says where Caddy listens");
	return -EINVAL;
}

int zs_cmd_warm(const struct zs_options *o)
{
	struct warm w = {.o = o};
	struct zs_instance instance;
	int code = zs_need_root("warm"), err;

	if (code)
		return code;
	if (usage_check(o))
		return ZS_EXIT_USAGE;
	err = zs_warm_list_read(o->file, &w.list);
	if (err)
		return err == -EINVAL ? (int)ZS_EXIT_USAGE : (int)zs_exit_of(err);
	headers_set(&w);
	code = zs_command_maps(o, &instance, &w.maps);
	if (!code) {
		code = attached(&w);
		zs_maps_close(&w.maps);
	}
	zs_warm_list_free(&w.list);
	free(w.items);
	return code;
}
