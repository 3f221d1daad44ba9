// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fetches by libcurl's multi interface in an epoll instance of their own, which the caller's loop
 * watches like any other descriptor. The URL is always a literal address and neither proxies nor
 * redirects are followed, so a fetch reaches the origin it names or nobody. Every fetch has its own
 * connection: what an origin sends too much cannot become the beginning of another response.
 */
#include "fetch.h"
#include "fetch_request.h"
#include "log.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S	1000000000ull
#define CONNECT_WAIT_MS 2000u
#define PROGRESS_BYTES	64L /* per second; less counts as none */
#define BUFFER_FIRST	4096u

struct job {
	CURL *easy;
	struct curl_slist *fields;
	struct zs_fetch *fetch;
	bool active;
	bool too_big;
	void *user;
	uint64_t digest;
	uint64_t started;
	uint64_t first_byte;
	char *buf;
	size_t len;
	size_t room;
};

struct zs_fetch {
	struct zs_fetch_limits limits;
	zs_fetch_done_fn *done;
	CURLM *multi;
	int epoll;
	int timer;
	uint32_t active;
	uint64_t credit;   /* ns of the rate that are saved up, at most a second */
	uint64_t refilled; /* CLOCK_MONOTONIC ns */
	struct job jobs[];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- the response ---------------------------------------------------------------------------- */

static size_t response_append(char *data, size_t size, size_t n, void *user)
{
	struct job *job = user;
	size_t room = job->room ? job->room : BUFFER_FIRST, max = job->fetch->limits.max_bytes;
	char *buf;

	n *= size;
	if (!job->first_byte)
		job->first_byte = clock_ns(CLOCK_BOOTTIME);
	if (n > max - job->len) {
		job->too_big = true;
		return 0;
	}
	while (room < job->len + n)
		room *= 2;
	if (room > job->room) {
		buf = realloc(job->buf, room);
		if (!buf)
			return 0;
		job->buf = buf;
		job->room = room;
	}
	memcpy(job->buf + job->len, data, n);
	job->len += n;
	return n;
}

static int status_of(const struct job *job, CURLcode code)
{
	long os = 0;

	curl_easy_getinfo(job->easy, CURLINFO_OS_ERRNO, &os);
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return os ? -(int)os : -ECONNREFUSED;
	case CURLE_FILESIZE_EXCEEDED:
		return -EMSGSIZE;
	case CURLE_WRITE_ERROR:
		return job->too_big ? -EMSGSIZE : -ENOMEM;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
		return -ECONNRESET;
	case CURLE_RECV_ERROR: /* also a malformed chunk */
		return os == ECONNRESET ? -ECONNRESET : -EPROTO;
	case CURLE_PARTIAL_FILE:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, which is to say: no HTTP */
	case CURLE_BAD_CONTENT_ENCODING:
		return -EPROTO;
	default:
		return -EIO;
	}
}

/* The slot is free again before the callback, which may want it. */
static void job_finish(struct job *job, CURLcode code)
{
	struct zs_fetch *fetch = job->fetch;
	struct zs_fetch_result result = {
		.user = job->user,
		.digest = job->digest,
		.status = status_of(job, code),
		.started = job->started,
		.first_byte = job->first_byte,
	};
	char *buf = job->buf;
	const char *url = NULL;

	if (!result.status) {
		result.response = buf;
		result.len = job->len;
	} else {
		curl_easy_getinfo(job->easy, CURLINFO_EFFECTIVE_URL, &url);
		zs_debug("background fetch from %s: %s: the object ages on", url ? url : "?",
			 curl_easy_strerror(code));
	}
	curl_multi_remove_handle(fetch->multi, job->easy);
	curl_slist_free_all(job->fields);
	job->fields = NULL;
	job->buf = NULL;
	job->active = false;
	fetch->active--;
	fetch->done(&result);
	free(buf);
}

/* --- the loop -------------------------------------------------------------------------------- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
	struct zs_fetch *fetch = user;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(fetch->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(fetch->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
		return -1; /* libcurl ends the fetch */
	curl_multi_assign(fetch->multi, fd, fetch);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
	struct zs_fetch *fetch = user;
	struct itimerspec when = {0};

	(void)multi;
	if (timeout_ms > 0) {
		when.it_value.tv_sec = timeout_ms / 1000;
		when.it_value.tv_nsec = timeout_ms % 1000 * 1000000;
	} else if (timeout_ms == 0) {
		when.it_value.tv_nsec = 1; /* at once, but zero would disarm */
	}
	return timerfd_settime(fetch->timer, 0, &when, NULL) ? -1 : 0;
}

static void finished_collect(struct zs_fetch *fetch)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetch->multi, &left))) {
		CURLcode code = message->data.result;
		struct job *job = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
		job_finish(job, code);
	}
}

void zs_fetch_run(struct zs_fetch *fetch)
{
	struct epoll_event events[16];
	int n = epoll_wait(fetch->epoll, events, 16, 0), running;
	uint64_t expired;

	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd, flags = 0;

		if (fd == fetch->timer) {
			if (read(fd, &expired, sizeof(expired)) == sizeof(expired))
				curl_multi_socket_action(fetch->multi, CURL_SOCKET_TIMEOUT, 0,
							 &running);
			continue;
		}
		if (events[i].events & EPOLLIN)
			flags |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			flags |= CURL_CSELECT_OUT;
		if (events[i].events & (EPOLLERR | EPOLLHUP))
			flags |= CURL_CSELECT_ERR;
		curl_multi_socket_action(fetch->multi, fd, flags, &running);
	}
	finished_collect(fetch);
}

/* --- starting -------------------------------------------------------------------------------- */

static bool token_take(struct zs_fetch *fetch)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), cost;

	if (!fetch->limits.rate)
		return false;
	cost = NS_PER_S / fetch->limits.rate;
	fetch->credit += now - fetch->refilled;
	if (fetch->credit > NS_PER_S)
		fetch->credit = NS_PER_S;
	fetch->refilled = now;
	if (fetch->credit < cost)
		return false;
	fetch->credit -= cost;
	return true;
}

static struct job *job_idle(struct zs_fetch *fetch, uint64_t digest, int *err)
{
	struct job *idle = NULL;

	*err = 0;
	for (uint32_t i = 0; i < fetch->limits.concurrency; i++) {
		if (!fetch->jobs[i].active)
			idle = idle ? idle : &fetch->jobs[i];
		else if (fetch->jobs[i].digest == digest)
			*err = -EEXIST;
	}
	if (!*err && !idle)
		*err = -EAGAIN;
	return idle;
}

static CURLcode easy_setup(struct job *job, const char *url, const char *target)
{
	uint32_t total = job->fetch->limits.timeout_ms;
	CURL *easy = job->easy;
	CURLcode code = CURLE_OK;

#define SET(option, value)                                                                         \
	do {                                                                                       \
		if (!code)                                                                         \
			code = curl_easy_setopt(easy, option, value);                              \
	} while (0)
	curl_easy_reset(easy);
	SET(CURLOPT_PRIVATE, job);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_REQUEST_TARGET, target);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_HTTPGET, 1L);
	SET(CURLOPT_HTTPHEADER, job->fields);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_HTTP_TRANSFER_DECODING, 0L);
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_PROTOCOLS_STR, "http");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)total);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(total < CONNECT_WAIT_MS ? total : CONNECT_WAIT_MS));
	SET(CURLOPT_LOW_SPEED_LIMIT, PROGRESS_BYTES);
	SET(CURLOPT_LOW_SPEED_TIME, (long)(total + 1999) / 2000);
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)job->fetch->limits.max_bytes);
	SET(CURLOPT_HEADERFUNCTION, response_append);
	SET(CURLOPT_HEADERDATA, job);
	SET(CURLOPT_WRITEFUNCTION, response_append);
	SET(CURLOPT_WRITEDATA, job);
#undef SET
	return code;
}

/* `job` is idle. Takes over `fields`, also on failure. */
static int job_begin(struct job *job, const struct zs_fetch_request *r, struct curl_slist *fields)
{
	struct zs_fetch *fetch = job->fetch;
	char url[ZS_FETCH_URL_MAX], target[ZS_TARGET_MAX + 1];
	CURL *easy = job->easy ? job->easy : curl_easy_init();
	int err = zs_fetch_url(&r->to, url);

	*job = (struct job){.easy = easy,
			    .fields = fields,
			    .fetch = fetch,
			    .user = r->user,
			    .digest = r->digest,
			    .started = clock_ns(CLOCK_BOOTTIME)};
	memcpy(target, r->target, r->target_len);
	target[r->target_len] = '\0';
	if (!err &&
	    (!easy || easy_setup(job, url, target) || curl_multi_add_handle(fetch->multi, easy)))
		err = -ENOMEM;
	if (err) {
		curl_slist_free_all(fields);
		job->fields = NULL;
		return err;
	}
	job->active = true;
	fetch->active++;
	return 0;
}

int zs_fetch_start(struct zs_fetch *fetch, const struct zs_fetch_request *request)
{
	struct curl_slist *fields = NULL;
	struct job *job;
	int err;

	job = job_idle(fetch, request->digest, &err);
	if (!err)
		err = zs_fetch_fields(request, &fields);
	if (!err && !token_take(fetch)) {
		curl_slist_free_all(fields);
		err = -EAGAIN;
	}
	return err ? err : job_begin(job, request, fields);
}

/* --- life ------------------------------------------------------------------------------------ */

static int loop_setup(struct zs_fetch *fetch)
{
	struct epoll_event event = {.events = EPOLLIN};

	fetch->epoll = epoll_create1(EPOLL_CLOEXEC);
	fetch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	event.data.fd = fetch->timer;
	if (fetch->epoll < 0 || fetch->timer < 0 ||
	    epoll_ctl(fetch->epoll, EPOLL_CTL_ADD, fetch->timer, &event))
		return -errno;
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return -ENOMEM;
	fetch->multi = curl_multi_init();
	if (!fetch->multi)
		return -ENOMEM;
	curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
	curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
	return 0;
}

int zs_fetch_create(const struct zs_fetch_limits *limits, zs_fetch_done_fn *done,
		    struct zs_fetch **out)
{
	struct zs_fetch *fetch = NULL;
	int err = -EINVAL;

	if (limits->concurrency && limits->concurrency <= ZS_FETCH_CONCURRENCY_MAX &&
	    limits->timeout_ms && limits->max_bytes && limits->rate <= NS_PER_S) {
		fetch = calloc(1, sizeof(*fetch) + limits->concurrency * sizeof(*fetch->jobs));
		err = -ENOMEM;
	}
	if (fetch) {
		*fetch = (struct zs_fetch){.limits = *limits,
					   .done = done,
					   .credit = NS_PER_S,
					   .refilled = clock_ns(CLOCK_MONOTONIC),
					   .epoll = -1,
					   .timer = -1};
		for (uint32_t i = 0; i < limits->concurrency; i++)
			fetch->jobs[i].fetch = fetch;
		err = loop_setup(fetch);
	}
	if (err) {
		zs_error("background fetches: cannot be set up: %s: check their limits",
			 strerror(-err));
		zs_fetch_destroy(fetch);
		return err;
	}
	*out = fetch;
	return 0;
}

void zs_fetch_destroy(struct zs_fetch *fetch)
{
	if (!fetch)
		return;
	for (uint32_t i = 0; i < fetch->limits.concurrency; i++) {
		struct job *job = &fetch->jobs[i];

		if (job->active)
			curl_multi_remove_handle(fetch->multi, job->easy);
		curl_easy_cleanup(job->easy);
		curl_slist_free_all(job->fields);
		free(job->buf);
	}
	curl_multi_cleanup(fetch->multi);
	if (fetch->timer >= 0)
		close(fetch->timer);
	if (fetch->epoll >= 0)
		close(fetch->epoll);
	free(fetch);
}

int zs_fetch_fd(const struct zs_fetch *fetch)
{
	return fetch->epoll;
}

uint32_t zs_fetch_active(const struct zs_fetch *fetch)
{
	return fetch->active;
}
