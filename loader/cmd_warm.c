// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warm: asks Caddy for a list of URLs, as a visitor would, so that the recorder sees the responses; then says
 * which of them are stored. At a bounded rate, with a few at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <curl/curl.h>

#include "clock.h"
#include "command.h"
#include "explain.h"
#include "log.h"
#include "warm_list.h"

#define AT_ONCE	   8
#define TIMEOUT_MS 20000l
#define USER_AGENT "zeroserve-warm"
#define SETTLE_NS  (3 * ZS_NS) /* for the agent to store what was recorded last */

enum outcome { WAITING, ASKED, FAILED, STORED, NOT_STORED };

struct item {
	const char *text;
	const struct zs_url *url;
	enum outcome outcome;
	long status;
	const char *why; /* static text; NOT_STORED */
};

struct warm {
	const struct zs_options *o;
	struct zs_warm_list list;
	struct item *items; /* one for each of the list */
	size_t count;
	size_t next; /* to be begun */
	size_t done;
	size_t failed; /* could not be asked for */
	CURLM *multi;
	const char *fields_text[ZS_LIST_MAX + 2]; /* of every request; null-terminated */
	struct curl_slist *fields, *connect;
	uint64_t began, shown; /* boot-time ns */
};

/* --- asking ------------------------------------------------------------------------------------ */

static size_t discard(char *data, size_t size, size_t count, void *user)
{
	(void)data;
	(void)user;
	return size * count;
}

static int begin(struct warm *w, struct item *item)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_URL, item->text);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1l);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, item);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, w->fields);
	if (w->connect)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, w->connect);
	if (w->o->cacert)
		curl_easy_setopt(easy, CURLOPT_CAINFO, w->o->cacert);
	if (w->o->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0l);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0l);
	}
	if (curl_multi_add_handle(w->multi, easy)) {
		curl_easy_cleanup(easy);
		return -ENOMEM;
	}
	return 0;
}

static void ended(struct warm *w, CURL *easy, CURLcode result)
{
	struct item *item;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &item);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &item->status);
	item->outcome = result == CURLE_OK ? ASKED : FAILED;
	item->why = result == CURLE_OK ? NULL : curl_easy_strerror(result);
	curl_multi_remove_handle(w->multi, easy);
	curl_easy_cleanup(easy);
	w->done++;
}

static void progress(struct warm *w, bool last)
{
	uint64_t now = zs_boot_ns();
	bool tty = isatty(STDERR_FILENO);
	int bar = w->count ? (int)(w->done * 30 / w->count) : 30;

	if (zs_log_level_get() < ZS_LOG_INFO || (!last && now - w->shown < (tty ? ZS_NS / 10 : 5 * ZS_NS)))
		return;
	w->shown = now;
	if (tty)
		fprintf(stderr, "\r[%-30.*s] %zu of %zu%s", bar, "##############################", w->done, w->count,
			last ? "\n" : "");
	else
		zs_info("%zu of %zu URLs asked for", w->done, w->count);
}

static int ask_all(struct warm *w)
{
	int running = 0, left;
	CURLMsg *message;

	w->began = w->shown = zs_boot_ns();
	while (w->done < w->count) {
		uint64_t due = 1 + (zs_boot_ns() - w->began) * w->o->rate / ZS_NS;

		while (w->next < w->count && w->next < due && w->next - w->done < AT_ONCE) {
			int err = begin(w, &w->items[w->next]);

			if (err)
				return err;
			w->next++;
		}
		if (curl_multi_perform(w->multi, &running) || curl_multi_poll(w->multi, NULL, 0, 10, NULL))
			return -EIO;
		while ((message = curl_multi_info_read(w->multi, &left)))
			if (message->msg == CURLMSG_DONE)
				ended(w, message->easy_handle, message->data.result);
		progress(w, w->done == w->count);
	}
	return 0;
}

/* --- what came of it --------------------------------------------------------------------------- */

/* Whether a visitor's GET would be a hit at any origin; else why the first one that says so would not store. */
static void outcome_find(const struct warm *w, const struct zs_maps *maps, const struct zs_ctl *ctl, struct item *item)
{
	struct zs_origin_key at, next;
	char head[ZS_HEAD_MAX];
	struct zs_origin origin;
	struct zs_explained e;
	void *from = NULL;
	int len = zs_explain_head(w->fields_text, item->url, !strncasecmp(item->text, "https:", 6), head);

	if (item->outcome == ASKED)
		item->why = "not stored, for a reason that is not known (any more)";
	item->outcome = NOT_STORED; /* a reason that was found before stays: the key may not be held off any more */
	while (len > 0 && !bpf_map_get_next_key(maps->fd[ZS_MAP_origins], from, &next)) {
		at = next;
		from = &at;
		if (bpf_map_lookup_elem(maps->fd[ZS_MAP_origins], &at, &origin) ||
		    zs_explain(maps, ctl, origin.id, head, (size_t)len, &e))
			continue;
		if (e.fate == ZS_FATE_HIT || e.fate == ZS_FATE_STALE) {
			item->outcome = STORED;
			return;
		}
		if (e.fate == ZS_FATE_HELD_OFF)
			item->why = zs_holdoff_text(e.holdoff_reason);
		else if (e.fate != ZS_FATE_RECORDED)
			item->why = zs_fate_text(e.fate);
	}
}

static size_t settle(struct warm *w, const struct zs_maps *maps, const struct zs_ctl *ctl)
{
	const uint64_t until = zs_boot_ns() + SETTLE_NS;
	size_t stored;

	for (;;) {
		stored = 0;
		for (size_t i = 0; i < w->count; i++) {
			struct item *item = &w->items[i];

			if (item->outcome == ASKED || item->outcome == NOT_STORED)
				outcome_find(w, maps, ctl, item);
			stored += item->outcome == STORED;
		}
		if (stored == w->count || zs_boot_ns() > until)
			return stored;
		usleep(100000);
	}
}

/* Returns how many could not be asked for. */
static size_t answer(const struct warm *w, size_t stored)
{
	json_t *json = w->o->json ? zs_answer_begin() : NULL, *left = json_array();
	size_t failed = 0;

	for (size_t i = 0; i < w->count; i++) {
		const struct item *item = &w->items[i];

		if (item->outcome == STORED)
			continue;
		failed += item->outcome == FAILED;
		json_array_append_new(left, json_pack("{s:s, s:i, s:s}", "url", item->text, "status", (int)item->status,
						      "why", item->why));
		if (!json)
			printf("%s: %s\n", item->text, item->why);
	}
	if (json) {
		json_object_set_new(json, "urls", json_integer((json_int_t)w->count));
		json_object_set_new(json, "stored", json_integer((json_int_t)stored));
		json_object_set_new(json, "failed", json_integer((json_int_t)failed));
		json_object_set(json, "not_stored", left);
		zs_answer_print(json);
	} else {
		printf("%zu URLs: %zu stored, %zu not stored, %zu failed\n", w->count, stored,
		       w->count - stored - failed, failed);
	}
	json_decref(left);
	return failed;
}

/* Those of --header; without an Accept-Encoding there, gzip, which Caddy asks for in place of a visitor that says
 * nothing. */
static void fields_set(struct warm *w)
{
	bool coding = false;
	size_t n = 0;

	for (; w->o->headers[n]; n++) {
		w->fields_text[n] = w->o->headers[n];
		coding |= !strncasecmp(w->o->headers[n], "Accept-Encoding:", 16);
	}
	if (!coding)
		w->fields_text[n] = "Accept-Encoding: gzip";
	for (n = 0; w->fields_text[n]; n++) {
		struct curl_slist *more = curl_slist_append(w->fields, w->fields_text[n]);

		if (!more) {
			curl_slist_free_all(w->fields);
			w->fields = NULL;
			return;
		}
		w->fields = more;
	}
}

static int warm(struct warm *w, const struct zs_maps *maps, const struct zs_ctl *ctl)
{
	char to[256];
	int err;

	if (w->o->connect) {
		snprintf(to, sizeof(to), "::%s", w->o->connect);
		w->connect = curl_slist_append(NULL, to);
	}
	fields_set(w);
	w->multi = curl_multi_init();
	w->items = calloc(w->list.count + 1, sizeof(*w->items));
	if (!w->multi || !w->items || !w->fields || (w->o->connect && !w->connect))
		return -ENOMEM;
	for (w->count = 0; w->count < w->list.count; w->count++)
		w->items[w->count] = (struct item){.text = w->list.lines[w->count].text,
						   .url = &w->list.lines[w->count].url};
	err = ask_all(w);
	if (!err)
		w->failed = answer(w, settle(w, maps, ctl));
	return err;
}

static void warm_free(struct warm *w)
{
	zs_warm_list_free(&w->list);
	free(w->items);
	curl_slist_free_all(w->fields);
	curl_slist_free_all(w->connect);
	if (w->multi)
		curl_multi_cleanup(w->multi);
}

int zs_cmd_warm(const struct zs_options *o)
{
	struct warm w = {.o = o};
	struct zs_instance instance;
	struct zs_maps maps;
	struct zs_ctl *ctl = NULL;
	int code = zs_need_root("warm"), err;

	if (code)
		return code;
	if (!o->file) {
		zs_error("warm: give a file with one URL on each line, or - for standard input");
		return ZS_EXIT_USAGE;
	}
	err = zs_warm_list_read(o->file, &w.list);
	if (!err)
		code = zs_command_maps(o, &instance, &maps);
	if (!err && !code) {
		ctl = zs_ctl_map(&maps);
		err = ctl ? warm(&w, &maps, ctl) : -errno;
		if (err)
			zs_error("warm: %s", strerror(-err));
		if (ctl)
			munmap(ctl, sizeof(*ctl));
		zs_maps_close(&maps);
	}
	warm_free(&w);
	if (code || !err)
		return code ? code : w.failed ? ZS_EXIT_FAILED : ZS_EXIT_OK;
	return err == -EINVAL ? ZS_EXIT_USAGE : (int)zs_exit_of(err);
}
