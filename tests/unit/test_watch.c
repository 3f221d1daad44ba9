// SPDX-License-Identifier: GPL-2.0-or-later
/* From an admin API that changes its mind, or does not answer, to what may be stored of a listener. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent_listener.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "asked.h"
#include "clock.h"
#include "config.h"
#include "log.h"

#define OPEN   "{\"handler\":\"file_server\"}"
#define CLOSED "{\"handler\":\"authentication\"}," OPEN

/* An admin API in a thread: one connection at a time, until it is closed. */
static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener;
	char address[32];
	char text[512];
	bool hangs;
} api = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void api_says(const char *handlers, bool hangs)
{
	pthread_mutex_lock(&api.lock);
	snprintf(api.text, sizeof(api.text),
		 "{\"apps\":{\"http\":{\"servers\":{\"s\":{\"listen\":[\"127.0.0.1:8080\"],\"routes\":[{\"handle\":[%s]}]}}}}}",
		 handlers);
	api.hangs = hangs;
	pthread_mutex_unlock(&api.lock);
}

static void *api_main(void *arg)
{
	char request[1024], answer[1024];
	int fd;

	(void)arg;
	while ((fd = accept(api.listener, NULL, NULL)) >= 0) {
		bool hangs;

		recv(fd, request, sizeof(request), 0);
		pthread_mutex_lock(&api.lock);
		hangs = api.hangs;
		snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(api.text), api.text);
		pthread_mutex_unlock(&api.lock);
		if (hangs)
			recv(fd, request, sizeof(request), 0); /* until the other end gives up */
		else
			send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static int api_start(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);

	(void)state;
	zs_log_level_set(ZS_LOG_ERROR);
	api.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(api.listener, (void *)&sa, len) || listen(api.listener, 4) || getsockname(api.listener, (void *)&sa, &len))
		return -1;
	snprintf(api.address, sizeof(api.address), "127.0.0.1:%u", ntohs(sa.sin_port));
	return pthread_create(&api.thread, NULL, api_main, NULL);
}

static int api_stop(void **state)
{
	(void)state;
	shutdown(api.listener, SHUT_RDWR);
	pthread_join(api.thread, NULL);
	return close(api.listener);
}

static struct zs_ctl ctl;
static struct zs_maps maps;

static struct zs_watch *watch_of(const char *const *origins)
{
	static const char *const listeners[] = {"127.0.0.1:8080", NULL};
	struct zs_watch_options options = {
		.admin = api.address, .origins = origins, .maps = &maps, .ctl = &ctl, .listeners = listeners};
	struct zs_watch *w;

	memset(&ctl, 0, sizeof(ctl));
	for (size_t i = 0; i < sizeof(maps.fd) / sizeof(maps.fd[0]); i++)
		maps.fd[i] = -1;
	assert_int_equal(zs_watch_start(&options, &w), 0);
	return w;
}

/* A request to the listener, sent `later` ns from now: the time behind a change is over then. */
static void ask(struct zs_asked *asked, const char *target, const char *fields, uint64_t later)
{
	memset(asked, 0, sizeof(*asked));
	asked->time = zs_boot_ns() + later;
	asked->key.origin = 1;
	asked->key.host_len = 9;
	memcpy(asked->key.text, "a.example", 9);
	asked->head_len = (uint32_t)snprintf((char *)asked->head, sizeof(asked->head), "GET %s HTTP/1.1\r\n%s\r\n", target,
					     fields);
}

static bool allows(struct zs_watch *w, const char *fields)
{
	static struct zs_asked asked;

	ask(&asked, "/x", fields, 2 * ZS_NS);
	return zs_agent_listener_allows(w, &asked, false);
}
#define HOST "Host: a.example\r\n"

/* Milliseconds until it says so. */
static unsigned int until(struct zs_watch *w, bool what)
{
	for (unsigned int ms = 0; ms < 5000; ms += 10) {
		if (allows(w, HOST) == what)
			return ms;
		usleep(10000);
	}
	return 5000;
}

static void changes(void **state)
{
	struct zs_watch *w;
	uint32_t flush;

	(void)state;
	api_says(OPEN, false);
	w = watch_of(NULL);
	assert_true(allows(w, HOST));
	flush = ctl.flush;
	api_says(CLOSED, false);
	assert_in_range(until(w, false), 0, 1000);
	assert_int_equal(ctl.flush, flush + 1);
	api_says(OPEN, false);
	assert_in_range(until(w, true), 0, 1000);
	assert_int_equal(ctl.flush, flush + 2);
	/* silence: nothing more is answered or stored; when it ends, what is stored is what it was */
	assert_true(zs_boot_ns() - ctl.judged < ZS_JUDGED_NS);
	api_says(OPEN, true);
	assert_in_range(until(w, false), 0, 1600);
	assert_true(zs_boot_ns() - ctl.judged >= ZS_JUDGED_NS);
	api_says(OPEN, false);
	assert_in_range(until(w, true), 0, 1400);
	assert_int_equal(ctl.flush, flush + 2);
	zs_watch_stop(w);
}

static void requests(void **state)
{
	static const char *const origins[] = {"127.0.0.1:9000", NULL};
	static struct zs_asked asked;
	struct zs_origin_key key;
	struct zs_watch *w;

	(void)state;
	api_says("{\"handler\":\"static_response\",\"body\":\"{http.request.host}\"}", false);
	w = watch_of(origins); /* named, and asked all the same */
	assert_true(allows(w, HOST "X-Forwarded-Proto: https\r\n"));
	assert_false(allows(w, "Host: A.example\r\n"));
	assert_false(allows(w, HOST "X-Forwarded-Proto: HTTPS\r\n"));
	assert_true(allows(w, HOST "X-Other: ABC\r\n"));
	ask(&asked, "/x", HOST, 0);
	assert_false(zs_agent_listener_allows(w, &asked, false)); /* the configuration is new */
	ask(&asked, "/x", HOST, 2 * ZS_NS);
	asked.key.origin = 99;
	assert_false(zs_agent_listener_allows(w, &asked, false));
	assert_true(zs_watch_listener(w, 1));
	assert_false(zs_watch_listener(w, 2));
	assert_int_equal(zs_watch_address(w, 1, &key), 0);
	assert_int_equal(key.port, 8080);
	zs_watch_stop(w);
}

/* Host decides in Caddy, not X-Forwarded-Host; a parameter that is not in the key decides nothing. */
static void places(void **state)
{
	static struct zs_asked asked;
	struct zs_watch *w;

	(void)state;
	api_says("{\"handler\":\"subroute\",\"routes\":[{\"match\":[{\"host\":[\"b.example\"]}],\"handle\":[" CLOSED "]},"
		 "{\"match\":[{\"query\":{\"a\":[\"1\"]}}],\"handle\":[" OPEN "]}]}," OPEN, false);
	w = watch_of(NULL);
	ask(&asked, "/x", HOST "X-Forwarded-Host: b.example\r\n", 2 * ZS_NS);
	asked.key.xfh_len = 9;
	memcpy(asked.key.text + 16, "b.example", 9);
	assert_true(zs_agent_listener_allows(w, &asked, false));
	assert_false(zs_agent_listener_allows(w, &asked, true));
	memcpy(asked.key.text, "b.example", 9);
	assert_false(zs_agent_listener_allows(w, &asked, false));
	zs_watch_stop(w);
}

/* --- where it is asked ----------------------------------------------------------------------- */

static bool open_query, answer;

static bool eligible(void *user, const struct zs_asked *asked, bool query_open)
{
	(void)user;
	(void)asked;
	open_query = query_open;
	return answer;
}

static void stored(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n";
	static const char text[] = "[rule r]\nprefix = /q\nkey-query = drop utm_*\n";
	static struct zs_response response;
	static struct zs_config config;
	static struct zs_asked asked;
	struct zs_config_errors errors = {0};
	struct zs_ingest in = {.config = &config, .eligible = eligible, .max_body = 1000, .lifetime_max = 1000};
	struct zs_body body = {0};

	(void)state;
	assert_int_equal(zs_config_parse(text, strlen(text), &config, &errors), 0);
	assert_int_equal(zs_response_head((const uint8_t *)head, strlen(head), &response), 0);
	ask(&asked, "/x", HOST, 0);
	answer = true;
	assert_int_equal(zs_ingest_judge(&in, &asked, &response, zs_boot_ns()), ZS_POLICY_STORE);
	assert_false(open_query);
	ask(&asked, "/q", HOST, 0);
	zs_ingest_judge(&in, &asked, &response, zs_boot_ns());
	assert_true(open_query);
	answer = false;
	assert_int_equal(zs_ingest_judge(&in, &asked, &response, zs_boot_ns()), ZS_POLICY_NOT_ELIGIBLE);
	assert_int_equal(in.reasons[ZS_POLICY_NOT_ELIGIBLE], 1);
	assert_string_equal(zs_policy_reason_name(in.last), "not-eligible");
	assert_int_equal(zs_ingest_store(&in, &asked, &response, &body, zs_boot_ns()), -22);
	zs_config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(changes, api_start, api_stop),
		cmocka_unit_test_setup_teardown(requests, api_start, api_stop),
		cmocka_unit_test_setup_teardown(places, api_start, api_stop),
		cmocka_unit_test(stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
