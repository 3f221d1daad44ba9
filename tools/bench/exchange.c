// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections, their requests and answers; exchange.h. Every connection is a small state machine on
 * one epoll. */
#include "exchange.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define CONNECT	 (15 * EXCHANGE_SECOND) /* until all connections must stand */

enum state { CLOSED, CONNECTING, IDLE, BUSY };

struct connection {
	int fd;
	SSL *ssl;
	enum state state;
	bool want_out, reused, closing, has_request, ok;
	int64_t due; /* of the request that it carries */
	const char *request;
	size_t sent, head_len;
	int64_t body_left; /* < 0: the head is not complete */
	char head[HEAD_MAX];
};

static struct connection *connections[EXCHANGE_CONNECTIONS];
static int idle[EXCHANGE_CONNECTIONS], idle_count, connection_count;
static struct sockaddr_in server;
static SSL_CTX *tls;
static int poll_fd = -1;
static void (*settled)(int64_t due, bool good);
static struct exchange_stats stats;

int64_t exchange_now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * EXCHANGE_SECOND + at.tv_nsec;
}

void exchange_die(const char *what)
{
	fprintf(stderr, "openloop: %s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(1);
}

static void watch(struct connection *c, int number, bool out)
{
	struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0),
				    .data.u32 = (uint32_t)number};

	if (c->want_out != out && epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event))
		exchange_die("epoll");
	c->want_out = out;
}

static void open_connection(int number)
{
	struct connection *c = connections[number];
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)number};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		exchange_die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS)
		exchange_die("connect");
	if (tls) {
		c->ssl = SSL_new(tls);
		if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
			exchange_die("TLS");
		SSL_set_connect_state(c->ssl);
	}
	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event))
		exchange_die("epoll");
	c->state = CONNECTING;
	c->want_out = true;
	c->reused = c->closing = false;
}

static void close_connection(struct connection *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	close(c->fd);
	c->state = CLOSED;
}

/* As read() and write(), with or without TLS: -EAGAIN if the socket must become ready first, 0 at
 * the end, -EIO. */
static ssize_t tls_result(struct connection *c, int done)
{
	int why = SSL_get_error(c->ssl, done);

	if (done > 0)
		return done;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	return why == SSL_ERROR_ZERO_RETURN ? 0 : -EIO;
}

static ssize_t take(struct connection *c, char *to, size_t size)
{
	ssize_t done;

	if (c->ssl)
		return tls_result(c, SSL_read(c->ssl, to, (int)size));
	done = recv(c->fd, to, size, 0);
	return done >= 0 ? done : errno == EAGAIN ? -EAGAIN : -EIO;
}

static ssize_t give(struct connection *c, const char *from, size_t size)
{
	ssize_t done;

	if (c->ssl)
		return tls_result(c, SSL_write(c->ssl, from, (int)size));
	done = send(c->fd, from, size, MSG_NOSIGNAL);
	return done >= 0 ? done : errno == EAGAIN ? -EAGAIN : -EIO;
}

/* The request of a connection has its answer, or has failed for good. */
static void settle(struct connection *c, bool good)
{
	c->has_request = false;
	settled(c->due, good);
}

/* A connection ended. A request on a kept-alive one that saw no byte of an answer is sent anew, its
 * clock runs on. */
static void lost(struct connection *c, int number)
{
	bool again = c->has_request && c->reused && c->head_len == 0;

	if (c->has_request && !again)
		settle(c, false);
	stats.reconnects++;
	close_connection(c);
	open_connection(number);
}

static void write_request(struct connection *c, int number)
{
	size_t length = strlen(c->request);
	ssize_t done;

	while (c->sent < length) {
		done = give(c, c->request + c->sent, length - c->sent);
		if (done == -EAGAIN) {
			watch(c, number, true);
			return;
		}
		if (done <= 0) {
			lost(c, number);
			return;
		}
		c->sent += (size_t)done;
	}
	watch(c, number, false);
}

static void begin(struct connection *c, int number)
{
	c->state = BUSY;
	c->sent = c->head_len = 0;
	c->body_left = -1;
	write_request(c, number);
}

static void ready(struct connection *c, int number)
{
	if (c->has_request) {
		begin(c, number);
		return;
	}
	c->state = IDLE;
	watch(c, number, false);
	idle[idle_count++] = number;
}

static void complete(struct connection *c, int number)
{
	settle(c, c->ok);
	c->reused = true;
	if (c->closing) {
		close_connection(c);
		open_connection(number);
		return;
	}
	ready(c, number);
}

/* Value of a field in a complete, terminated head, or NULL. */
static const char *field(const char *head, const char *name)
{
	size_t length = strlen(name);
	const char *line;

	for (line = strchr(head, '\n'); line; line = strchr(line + 1, '\n'))
		if (!strncasecmp(line + 1, name, length) && line[1 + length] == ':')
			return line + length + 2 + strspn(line + length + 2, " \t");
	return NULL;
}

/* Looks for the end of the head in what has arrived; bytes after it count as body. False if it is
 * not acceptable. */
static bool read_head(struct connection *c)
{
	char *end;
	const char *value;

	c->head[c->head_len] = 0;
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return c->head_len < HEAD_MAX - 1;
	end[2] = 0;
	c->ok = !strncmp(c->head, "HTTP/1.1 2", 10);
	value = strncmp(c->head, "HTTP/1.1 204", 12) ? field(c->head, "Content-Length") : "0";
	if (!value)
		return false;
	c->body_left = strtoll(value, NULL, 10) - (c->head + c->head_len - (end + 4));
	value = field(c->head, "Connection");
	c->closing = value && !strncasecmp(value, "close", 5);
	return true;
}

static void read_answer(struct connection *c, int number)
{
	static char sink[65536];
	ssize_t done;

	for (;;) {
		if (c->body_left >= 0)
			done = take(c, sink, sizeof(sink));
		else
			done = take(c, c->head + c->head_len, HEAD_MAX - 1 - c->head_len);
		if (done == -EAGAIN)
			return;
		if (done <= 0) {
			lost(c, number);
			return;
		}
		if (c->body_left >= 0) {
			c->body_left -= done;
		} else {
			c->head_len += (size_t)done;
			if (!read_head(c)) {
				c->reused = false;
				lost(c, number);
				return;
			}
		}
		if (c->body_left == 0) {
			complete(c, number);
			return;
		}
	}
}

static void drop_idle(int number)
{
	int i;

	for (i = 0; i < idle_count; i++)
		if (idle[i] == number) {
			idle[i] = idle[--idle_count];
			return;
		}
}

static void connecting(struct connection *c, int number)
{
	socklen_t size = sizeof(errno);
	ssize_t done;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errno, &size) || errno)
		exchange_die("connect");
	if (c->ssl) {
		done = tls_result(c, SSL_do_handshake(c->ssl));
		if (done == -EAGAIN) {
			watch(c, number, SSL_want_write(c->ssl));
			return;
		}
		if (done <= 0)
			exchange_die("TLS handshake");
	}
	ready(c, number);
}

static void advance(struct connection *c, int number)
{
	char byte;
	ssize_t done;

	switch (c->state) {
	case CONNECTING:
		connecting(c, number);
		return;
	case IDLE: /* an end, or TLS session tickets */
		done = take(c, &byte, 1);
		if (done == -EAGAIN)
			return;
		drop_idle(number);
		lost(c, number);
		return;
	case BUSY:
		if (c->sent < strlen(c->request))
			write_request(c, number);
		if (c->state == BUSY)
			read_answer(c, number);
		return;
	case CLOSED:
		return;
	}
}

bool exchange_free(void)
{
	return idle_count > 0;
}

void exchange_send(const char *request, int64_t due)
{
	int number = idle[--idle_count];
	struct connection *c = connections[number];

	c->due = due;
	c->request = request;
	c->has_request = true;
	begin(c, number);
}

void exchange_watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};

	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event))
		exchange_die("epoll");
}

void exchange_step(int timeout_ms)
{
	struct epoll_event events[256];
	int i, count;

	count = epoll_wait(poll_fd, events, 256, timeout_ms);
	if (count < 0 && errno != EINTR)
		exchange_die("epoll");
	for (i = 0; i < count; i++)
		if (events[i].data.u32 != UINT32_MAX)
			advance(connections[events[i].data.u32], (int)events[i].data.u32);
}

void exchange_open(const struct sockaddr_in *to, bool with_tls, int count,
		   void (*tell)(int64_t due, bool good))
{
	int64_t limit = exchange_now() + CONNECT;

	server = *to;
	settled = tell;
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (poll_fd < 0)
		exchange_die("epoll");
	tls = with_tls ? SSL_CTX_new(TLS_client_method()) : NULL;
	if (with_tls && !tls)
		exchange_die("TLS");
	while (connection_count < count) {
		connections[connection_count] = calloc(1, sizeof(struct connection));
		if (!connections[connection_count])
			exchange_die("memory");
		open_connection(connection_count++);
	}
	while (idle_count < count) {
		if (exchange_now() > limit) {
			errno = ETIMEDOUT;
			exchange_die("connect");
		}
		exchange_step(100);
	}
	stats.reconnects = 0;
}

void exchange_under_way(void (*tell)(int64_t due))
{
	int number;

	for (number = 0; number < connection_count; number++)
		if (connections[number]->has_request)
			tell(connections[number]->due);
}

const struct exchange_stats *exchange_told(void)
{
	return &stats;
}
