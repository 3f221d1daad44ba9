// SPDX-License-Identifier: GPL-2.0-or-later
/* What `warm` asks for, how fast and how much at once, of a server that counts its connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "warm_ask.h"

#define ITEMS	 12
#define ANSWER_NS (ZS_NS / 20)

/* --- a server: each connection is answered a while after its beginning, and closed -------------- */

struct server {
	int listener, stop[2];
	uint16_t port;
	pthread_t thread;
	struct pollfd fds[2 + ITEMS];
	uint64_t due[2 + ITEMS];
	nfds_t open, most;
	unsigned int requests;
	char request[4096]; /* the last one */
};

static void server_accept(struct server *s)
{
	s->fds[2 + s->open] = (struct pollfd){.fd = accept(s->listener, NULL, NULL)};
	s->due[2 + s->open++] = zs_boot_ns() + ANSWER_NS;
	if (s->open > s->most)
		s->most = s->open;
}

static void server_answer(struct server *s, nfds_t i)
{
	static const char text[] = "HTTP/1.1 203 Fine\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	ssize_t n = recv(s->fds[i].fd, s->request, sizeof(s->request) - 1, 0);

	s->request[n > 0 ? n : 0] = 0;
	s->requests += n > 0;
	send(s->fds[i].fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
	close(s->fds[i].fd);
	s->open--;
	s->fds[i] = s->fds[2 + s->open];
	s->due[i] = s->due[2 + s->open];
}

static void *server_run(void *user)
{
	struct server *s = user;

	while (!poll(s->fds, 2, 1) || !s->fds[1].revents) {
		if (s->fds[0].revents && s->open < ITEMS)
			server_accept(s);
		for (nfds_t i = 2; i < 2 + s->open;) {
			if (s->due[i] <= zs_boot_ns())
				server_answer(s, i);
			else
				i++;
		}
	}
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(sa);

	memset(s, 0, sizeof(*s));
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_false(bind(s->listener, (struct sockaddr *)&sa, size) || listen(s->listener, 64));
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&sa, &size), 0);
	assert_int_equal(pipe(s->stop), 0);
	s->port = ntohs(sa.sin_port);
	s->fds[0] = (struct pollfd){.fd = s->listener, .events = POLLIN};
	s->fds[1] = (struct pollfd){.fd = s->stop[0], .events = POLLIN};
	assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void server_stop(struct server *s)
{
	assert_int_equal(write(s->stop[1], "", 1), 1);
	pthread_join(s->thread, NULL);
	close(s->stop[0]);
	close(s->stop[1]);
	close(s->listener);
}

/* --- asking ------------------------------------------------------------------------------------ */

static struct server server;
static unsigned int looks;
static char urls[ITEMS][64];

static void look(void *user, struct zs_warm_item *item)
{
	assert_ptr_equal(user, &server);
	assert_int_equal(item->outcome, ZS_WARM_ASKED);
	assert_true(zs_boot_ns() >= item->ended + ZS_NS / 5);
	item->outcome = ZS_WARM_STORED;
	looks++;
}

static const char *const headers[] = {"Accept-Encoding: br", "X-Empty:", "Accept: a/b", NULL};

/* All of the URLs; returns how long that took, in ns. */
static uint64_t ask(struct zs_warm_item *items, const char *where, uint64_t rate, uint64_t at_once)
{
	const struct zs_warm_way way = {
		.headers = headers, .connect = where, .rate = rate, .at_once = at_once, .look = look, .user = &server};
	const uint64_t began = zs_boot_ns();

	memset(items, 0, ITEMS * sizeof(*items));
	looks = 0;
	for (int i = 0; i < ITEMS; i++) {
		snprintf(urls[i], sizeof(urls[i]), "http://site.example/%d/../x?%%41", i);
		items[i].text = urls[i];
	}
	assert_int_equal(zs_warm_ask(&way, items, ITEMS), 0);
	return zs_boot_ns() - began;
}

static void test_at_once(void **state)
{
	struct zs_warm_item items[ITEMS];
	char where[32];
	uint64_t took;

	(void)state;
	server_start(&server);
	snprintf(where, sizeof(where), "127.0.0.1:%u", server.port);
	took = ask(items, where, 10000, 3);
	assert_int_equal(server.most, 3);
	assert_true(took >= ITEMS / 3 * ANSWER_NS);
	assert_int_equal(server.requests, ITEMS);
	assert_int_equal(looks, ITEMS);
	for (int i = 0; i < ITEMS; i++) {
		assert_int_equal(items[i].outcome, ZS_WARM_STORED);
		assert_int_equal(items[i].status, 203);
		assert_null(items[i].why);
	}
	server_stop(&server);
	assert_non_null(strstr(server.request, "/../x?%41 HTTP/1.1\r\nHost: site.example\r\n"));
	assert_non_null(strstr(server.request, "\r\nAccept-Encoding: br\r\nX-Empty:\r\nAccept: a/b\r\n"));
	assert_null(strstr(server.request, "User-Agent"));
}

static void test_rate(void **state)
{
	struct zs_warm_item items[ITEMS];
	char where[32];

	(void)state;
	server_start(&server);
	snprintf(where, sizeof(where), "127.0.0.1:%u", server.port);
	assert_true(ask(items, where, 20, ZS_WARM_AT_ONCE_MAX) >= (ITEMS - 1) * ZS_NS / 20);
	assert_int_equal(server.requests, ITEMS);
	server_stop(&server);
}

static void test_nobody(void **state)
{
	struct zs_warm_item items[ITEMS];
	char where[32];

	(void)state;
	server_start(&server);
	snprintf(where, sizeof(where), "127.0.0.1:%u", server.port);
	server_stop(&server);
	ask(items, where, 10000, 8);
	assert_int_equal(looks, 0);
	for (int i = 0; i < ITEMS; i++) {
		assert_int_equal(items[i].outcome, ZS_WARM_FAILED);
		assert_int_equal(items[i].status, 0);
		assert_non_null(items[i].why);
	}
}

static void test_refused(void **state)
{
	static char field[400], where[400];
	const char *const long_field[] = {field, NULL};
	struct zs_warm_way way = {.headers = long_field, .rate = 1, .at_once = 1, .look = look, .user = &server};
	struct zs_warm_item item = {.text = "http://127.0.0.1:1/"};

	(void)state;
	memset(field, 'a', sizeof(field) - 2);
	field[sizeof(field) - 2] = ':';
	assert_int_equal(zs_warm_ask(&way, &item, 1), -EINVAL);
	memset(where, '1', sizeof(where) - 1);
	way.headers = headers;
	way.connect = where;
	assert_int_equal(zs_warm_ask(&way, &item, 1), -EINVAL);
	assert_int_equal(item.outcome, ZS_WARM_WAITING);
	way.connect = NULL;
	assert_int_equal(zs_warm_ask(&way, &item, 0), 0);
	assert_int_equal(item.outcome, ZS_WARM_WAITING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_refused),
	};

	zs_log_level_set(ZS_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
