// SPDX-License-Identifier: GPL-2.0-or-later
/* Through libcurl. Whether a response was stored is for its caller to look at, soon after: reasons are forgotten. */
#include "warm_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "clock.h"
#include "log.h"

#define TIMEOUT_MS 20000l
#define LOOK_NS	   (ZS_NS / 4) /* for the agent to judge a response */

struct asking {
	const struct zs_warm_way *way;
	struct zs_warm_item *items;
	size_t count;
	size_t next; /* to be begun */
	size_t done;
	size_t looked;
	struct zs_warm_item **ended; /* in the order in which they ended: `done` of them */
	CURLM *multi;
	CURL *easy[ZS_WARM_AT_ONCE_MAX]; /* under way; null: free */
	struct curl_slist *fields, *connect;
	uint64_t began, shown; /* boot-time ns */
	bool tty;
};

/* --- one request ------------------------------------------------------------------------------- */

static size_t discard(char *data, size_t size, size_t count, void *user)
{
	(void)data;
	(void)user;
	return size * count;
}

static CURL **slot_find(struct asking *a, const CURL *easy)
{
	CURL **slot = a->easy;

	while (*slot != easy)
		slot++;
	return slot;
}

static int begin(struct asking *a, struct zs_warm_item *item)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return -ENOMEM;
	*slot_find(a, NULL) = easy;
	curl_easy_setopt(easy, CURLOPT_URL, item->text);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1l);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, item);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, a->fields);
	if (a->connect)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, a->connect);
	if (a->way->cacert)
		curl_easy_setopt(easy, CURLOPT_CAINFO, a->way->cacert);
	if (a->way->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0l);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0l);
	}
	return curl_multi_add_handle(a->multi, easy) ? -ENOMEM : 0;
}

static void end(struct asking *a, CURL *easy, CURLcode result)
{
	struct zs_warm_item *item;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &item);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &item->status);
	item->outcome = result == CURLE_OK ? ZS_WARM_ASKED : ZS_WARM_FAILED;
	item->why = result == CURLE_OK ? NULL : curl_easy_strerror(result);
	item->ended = zs_boot_ns();
	*slot_find(a, easy) = NULL;
	curl_multi_remove_handle(a->multi, easy);
	curl_easy_cleanup(easy);
	a->ended[a->done++] = item;
}

/* --- all of them ------------------------------------------------------------------------------- */

static void progress(struct asking *a, bool last)
{
	const uint64_t now = zs_boot_ns();
	int bar = a->count ? (int)(a->done * 30 / a->count) : 30;

	if (zs_log_level_get() < ZS_LOG_INFO || (!last && now - a->shown < (a->tty ? ZS_NS / 10 : 5 * ZS_NS)))
		return;
	a->shown = now;
	if (a->tty)
		fprintf(stderr, "\r[%-30.*s] %zu of %zu URLs%s", bar, "##############################", a->done,
			a->count, last ? "\n" : "");
	else
		zs_info("%zu of %zu URLs asked for", a->done, a->count);
}

static void look(struct asking *a, uint64_t now)
{
	for (; a->looked < a->done && a->ended[a->looked]->ended + LOOK_NS <= now; a->looked++)
		if (a->ended[a->looked]->outcome == ZS_WARM_ASKED)
			a->way->look(a->way->user, a->ended[a->looked]);
}

static int ask(struct asking *a)
{
	int running, left, err;
	CURLMsg *message;

	a->began = a->shown = zs_boot_ns();
	while (a->looked < a->count) {
		const uint64_t now = zs_boot_ns(), due = 1 + (now - a->began) * a->way->rate / ZS_NS;

		while (a->next < a->count && a->next < due && a->next - a->done < a->way->at_once) {
			err = begin(a, &a->items[a->next]);
			if (err)
				return err;
			a->next++;
		}
		if (curl_multi_perform(a->multi, &running) || curl_multi_poll(a->multi, NULL, 0, 10, NULL))
			return -EIO;
		while ((message = curl_multi_info_read(a->multi, &left)))
			if (message->msg == CURLMSG_DONE)
				end(a, message->easy_handle, message->data.result);
		look(a, now);
		progress(a, false);
	}
	return 0;
}

/* Without a value it is sent as such, which curl writes with a semicolon. */
static int field_add(struct curl_slist **list, const char *field)
{
	const size_t name = strcspn(field, ":");
	char empty[256];
	struct curl_slist *more;

	if (!field[name + 1 + strspn(field + name + 1, " \t")]) {
		if (name + 2 > sizeof(empty))
			return -EINVAL;
		snprintf(empty, sizeof(empty), "%.*s;", (int)name, field);
		field = empty;
	}
	more = curl_slist_append(*list, field);
	if (!more)
		return -ENOMEM;
	*list = more;
	return 0;
}

static int prepare(struct asking *a)
{
	char to[256];
	int err = 0;

	if (a->way->connect) {
		if (snprintf(to, sizeof(to), "::%s", a->way->connect) >= (int)sizeof(to))
			return -EINVAL;
		a->connect = curl_slist_append(NULL, to);
	}
	for (size_t i = 0; !err && a->way->headers[i]; i++)
		err = field_add(&a->fields, a->way->headers[i]);
	a->multi = curl_multi_init();
	a->ended = calloc(a->count + 1, sizeof(*a->ended));
	if (err)
		return err;
	return a->multi && a->ended && (!a->way->connect || a->connect) ? 0 : -ENOMEM;
}

int zs_warm_ask(const struct zs_warm_way *way, struct zs_warm_item *items, size_t count)
{
	struct asking a = {.way = way, .items = items, .count = count, .tty = isatty(STDERR_FILENO) == 1};
	int err = prepare(&a);

	if (!err) {
		err = ask(&a);
		progress(&a, true);
	}
	for (size_t i = 0; i < ZS_WARM_AT_ONCE_MAX; i++) {
		if (a.easy[i]) {
			curl_multi_remove_handle(a.multi, a.easy[i]);
			curl_easy_cleanup(a.easy[i]);
		}
	}
	curl_slist_free_all(a.fields);
	curl_slist_free_all(a.connect);
	if (a.multi)
		curl_multi_cleanup(a.multi);
	free(a.ended);
	return err;
}
