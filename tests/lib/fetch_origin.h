/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the tests of background fetches: an origin on loopback in a thread of its own, and a caller
 * that keeps what the callback was given. Bounded by PATIENCE_MS. Include it after cmocka.h.
 */
#ifndef ZS_TEST_FETCH_ORIGIN_H
#define ZS_TEST_FETCH_ORIGIN_H

#include "fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 8000
#define DIGEST	    0x1122334455667788ull

/* --- an origin ------------------------------------------------------------------------------- */

struct origin {
	int listener;
	pthread_t thread;
	struct zs_origin_key key;
	const char *parts[8]; /* sent one by one, `pause_ms` apart */
	int pause_ms;
	bool hold;    /* leave the connection open after the last part, until the peer closes */
	bool endless; /* go on with zeros until the peer closes */
	bool reset;   /* close with RST */
	char request[8192];
	size_t request_len;
	int connections;
};

static void origin_answer(struct origin *o, int fd)
{
	static const char zeros[16384];
	const struct linger rst = {.l_onoff = 1};
	char rest[256];

	for (int i = 0; i < 8 && o->parts[i]; i++) {
		if (i)
			poll(NULL, 0, o->pause_ms);
		if (send(fd, o->parts[i], strlen(o->parts[i]), MSG_NOSIGNAL) < 0)
			break;
	}
	while (o->endless && send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0)
		;
	while (o->hold && recv(fd, rest, sizeof(rest), 0) > 0)
		;
	if (o->reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
	close(fd);
}

static void *origin_run(void *user)
{
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	struct origin *o = user;
	int fd;

	while ((fd = accept(o->listener, NULL, NULL)) >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		o->connections++;
		o->request_len = 0;
		memset(o->request, 0, sizeof(o->request));
		while (!strstr(o->request, "\r\n\r\n")) {
			ssize_t n = recv(fd, o->request + o->request_len,
					 sizeof(o->request) - 1 - o->request_len, 0);

			if (n <= 0)
				break;
			o->request_len += (size_t)n;
		}
		origin_answer(o, fd);
	}
	return NULL;
}

static void origin_listen(struct origin *o, int family)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *sa = family == AF_INET ? (void *)&v4 : (void *)&v6;
	socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);

	o->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (o->listener < 0 || bind(o->listener, sa, size) || listen(o->listener, 16)) {
		print_message("no loopback for family %d: %s\n", family, strerror(errno));
		if (o->listener >= 0)
			close(o->listener);
		skip();
	}
	assert_int_equal(getsockname(o->listener, sa, &size), 0);
	if (family == AF_INET) {
		memset(o->key.addr + 10, 0xff, 2);
		memcpy(o->key.addr + 12, &v4.sin_addr, 4);
		o->key.port = ntohs(v4.sin_port);
	} else {
		memcpy(o->key.addr, &v6.sin6_addr, 16);
		o->key.port = ntohs(v6.sin6_port);
	}
}

static void origin_start(struct origin *o)
{
	if (!o->key.port)
		origin_listen(o, AF_INET);
	assert_int_equal(pthread_create(&o->thread, NULL, origin_run, o), 0);
}

static void origin_stop(struct origin *o)
{
	shutdown(o->listener, SHUT_RDWR);
	pthread_join(o->thread, NULL);
	close(o->listener);
}

/* --- a caller -------------------------------------------------------------------------------- */

struct answer {
	int calls;
	int status;
	char text[65536];
	size_t len;
	uint64_t digest, started, first_byte;
	void (*hook)(struct answer *answer); /* called once, from within the callback */
};

static const struct zs_fetch_limits limits = {
	.concurrency = 4, .rate = 100, .timeout_ms = 3000, .max_bytes = 32768};

static inline void done(const struct zs_fetch_result *r)
{
	struct answer *a = r->user;

	a->calls++;
	a->status = r->status;
	a->len = r->len;
	a->digest = r->digest;
	a->started = r->started;
	a->first_byte = r->first_byte;
	assert_true(r->len < sizeof(a->text));
	assert_true(!r->status == !!r->response);
	if (r->response)
		memcpy(a->text, r->response, r->len);
	a->text[r->len] = '\0';
	if (a->hook) {
		void (*hook)(struct answer *) = a->hook;

		a->hook = NULL;
		hook(a);
	}
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The caller's loop: only the one descriptor is watched. */
static inline void run(struct zs_fetch *f, const struct answer *a, int calls)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + PATIENCE_MS * 1000000ull;
	struct pollfd pfd = {.fd = zs_fetch_fd(f), .events = POLLIN};

	while (a->calls < calls && now_ns(CLOCK_MONOTONIC) < end) {
		poll(&pfd, 1, 100);
		if (pfd.revents)
			zs_fetch_run(f);
	}
	assert_int_equal(a->calls, calls);
}

#endif
