/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server for the acceptor tests, in a thread: event-driven, as Caddy is. What it responds with is told by the
 * target, so that a client knows every byte that must come, whoever sends it. Include it after kern_world.h.
 *
 *   /l/N  N bytes, Content-Length        /c/N  N bytes, chunked, in pieces     /n  204
 *   /m    304 with a Content-Length      /i/N  100 and 103 first, then as /l/N   /e  404
 *   /x/N  as /l/N, Connection: close     /d/N  N bytes until the end of the connection
 *   /b    the body of the request        j: as l; anything else: as /l/100
 * Every response says how many requests the connection has had before: X-Turn.
 */
#ifndef ZS_TEST_KERN_SERVER_H
#define ZS_TEST_KERN_SERVER_H

#include <netinet/tcp.h>
#include <sys/epoll.h>

#define SERVER_CONNS 128
#define SERVER_IN    (1u << 18)
#define SERVER_OUT   (1u << 20)
#define SERVER_CHUNK 3000u
#define SERVER_BAD   "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"

struct server_conn {
	int fd;
	uint32_t in_len, out_len, out_at, turns;
	bool closing;
	char *in;
	char *out;
};

static struct {
	pthread_t thread;
	int epoll, stop[2];
	int sndbuf, lowat; /* of accepted sockets: SO_SNDBUF, TCP_NOTSENT_LOWAT; 0: the kernel's */
	uint32_t piece;	   /* bytes per send at most; 0: any */
	volatile uint32_t requests, errors, waits;
	struct server_conn conn[SERVER_CONNS];
} server;

static inline void server_put(struct server_conn *c, const void *data, size_t len)
{
	if (c->out_len + len > SERVER_OUT) {
		server.errors++;
		c->closing = true;
		return;
	}
	memcpy(c->out + c->out_len, data, len);
	c->out_len += (uint32_t)len;
}

/* What the server sends for a request; for the client's expectation as well. `number`: in the target. */
static inline void server_respond(struct server_conn *c, const char *method, const char *target, const uint8_t *body,
				  uint32_t body_len)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
	static __thread uint8_t bytes[SERVER_OUT / 2];
	uint32_t n = target[0] && target[1] && target[2] == '/' ? (uint32_t)atoi(target + 3) : 100;
	bool head = !strcmp(method, "HEAD");
	char text[256], kind = target[0] ? target[1] : 0;
	const char *status = "200 OK", *more = "";

	if (kind == 'n' || kind == 'm' || kind == 'e')
		n = kind == 'n' ? 0 : 10;
	if (kind == 'n')
		status = "204 No Content";
	if (kind == 'm')
		status = "304 Not Modified";
	if (kind == 'e')
		status = "404 Not Found";
	if (kind == 'i')
		server_put(c, interim, sizeof(interim) - 1);
	if (kind == 'x')
		more = "Connection: close\r\n";
	kern_fill(target, bytes, n);
	if (kind == 'b') {
		n = body_len;
		memcpy(bytes, body, n);
	}
	if (kind == 'c')
		snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nX-Turn: %u\r\nTransfer-Encoding: chunked\r\n\r\n", status, c->turns);
	else if (kind == 'd')
		snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nX-Turn: %u\r\nConnection: close\r\n\r\n", status, c->turns);
	else if (kind == 'n')
		snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nX-Turn: %u\r\n\r\n", status, c->turns);
	else
		snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nX-Turn: %u\r\n%sContent-Length: %u\r\n\r\n", status, c->turns, more, n);
	server_put(c, text, strlen(text));
	c->turns++;
	c->closing = c->closing || kind == 'x' || kind == 'd';
	if (head || kind == 'm')
		return;
	for (uint32_t at = 0; kind == 'c' && at < n; at += SERVER_CHUNK) {
		uint32_t len = n - at < SERVER_CHUNK ? n - at : SERVER_CHUNK;

		server_put(c, text, (size_t)sprintf(text, "%x\r\n", len));
		server_put(c, bytes + at, len);
		server_put(c, "\r\n", 2);
	}
	if (kind == 'c')
		server_put(c, "0\r\n\r\n", 5);
	else
		server_put(c, bytes, n);
}

/* The body of a request that begins at `body`: its length, -1: it is not all there, -2: refused. *taken: bytes used. A
 * chunked one is joined in place once it is whole. */
static inline long server_chunked(char *body, uint32_t have, bool join, uint32_t *taken)
{
	uint32_t at = 0, out = 0;

	for (;;) {
		char *end, *line = memmem(body + at, have - at, "\r\n", 2);
		uint32_t len;

		if (!line)
			return -1;
		len = (uint32_t)strtoul(body + at, &end, 16);
		if (end != line)
			return -2;
		at = (uint32_t)(line - body) + 2;
		if (len + 2 > have - at)
			return -1;
		if (join)
			memmove(body + out, body + at, len);
		out += len;
		at += len + 2;
		*taken = at;
		if (!len)
			return out;
	}
}

static inline long server_body(const char *head, char *body, uint32_t have, uint32_t *taken)
{
	const char *cl = strcasestr(head, "\r\nContent-Length:"), *te = strcasestr(head, "\r\nTransfer-Encoding:");
	long len;

	*taken = cl ? (uint32_t)atol(cl + 17) : 0;
	if (!te)
		return *taken <= have ? (long)*taken : -1;
	len = server_chunked(body, have, false, taken);
	return len < 0 ? len : server_chunked(body, have, true, taken);
}

static inline bool server_request(struct server_conn *c)
{
	char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4), method[32], target[1024];
	uint32_t head, taken;
	long body;

	if (c->closing || !end)
		return false;
	head = (uint32_t)(end - c->in) + 4;
	end[2] = 0; /* the head as a string */
	if (sscanf(c->in, "%31[A-Z] %1023s HTTP/1.1\r", method, target) != 2) {
		server_put(c, SERVER_BAD, sizeof(SERVER_BAD) - 1);
		c->closing = true;
		return false;
	}
	body = server_body(c->in, c->in + head, c->in_len - head, &taken);
	end[2] = '\r';
	if (body == -1)
		return false;
	if (body < 0) {
		server_put(c, SERVER_BAD, sizeof(SERVER_BAD) - 1);
		c->closing = true;
		return false;
	}
	server.requests++;
	server_respond(c, method, target, (uint8_t *)c->in + head, (uint32_t)body);
	c->in_len -= head + taken;
	memmove(c->in, c->in + head + taken, c->in_len);
	return true;
}

static inline void server_drop(struct server_conn *c)
{
	close(c->fd);
	free(c->in);
	free(c->out);
	c->fd = 0;
}

/* Sends what it can. False: the connection is over. */
static inline bool server_flush(struct server_conn *c)
{
	while (c->out_at < c->out_len) {
		uint32_t len = c->out_len - c->out_at;
		ssize_t n;

		if (server.piece && len > server.piece)
			len = server.piece;
		n = send(c->fd, c->out + c->out_at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			server.waits++;
			return true;
		}
		if (n <= 0)
			return false;
		c->out_at += (uint32_t)n;
	}
	c->out_at = c->out_len = 0;
	return !c->closing;
}

static inline bool server_read(struct server_conn *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->in_len, SERVER_IN - c->in_len, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		c->in_len += (uint32_t)n;
		while (server_request(c))
			;
		if (!server_flush(c))
			return false;
	}
}

static inline void server_accept(void)
{
	struct server_conn *c = server.conn;
	int fd = accept4(kern.rig.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET};

	if (fd < 0)
		return;
	while (c->fd)
		c++;
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->in = malloc(SERVER_IN);
	c->out = malloc(SERVER_OUT);
	e.data.ptr = c;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (server.sndbuf)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &server.sndbuf, sizeof(server.sndbuf));
	if (server.lowat)
		setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &server.lowat, sizeof(server.lowat));
	epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &e);
}

static inline void *server_run(void *unused)
{
	struct epoll_event e[16];

	for (;;) {
		int n = epoll_wait(server.epoll, e, 16, -1);

		for (int i = 0; i < n; i++) {
			struct server_conn *c = e[i].data.ptr;

			if (c == (void *)&server.stop)
				return unused;
			if (c == NULL)
				server_accept();
			else if (c->fd && (!server_flush(c) || !server_read(c)))
				server_drop(c);
		}
	}
}

static inline void server_start(void)
{
	struct epoll_event listener = {.events = EPOLLIN}, stop = {.events = EPOLLIN, .data.ptr = &server.stop};

	memset(&server, 0, sizeof(server));
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(pipe2(server.stop, O_CLOEXEC), 0);
	epoll_ctl(server.epoll, EPOLL_CTL_ADD, kern.rig.listener, &listener);
	epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.stop[0], &stop);
	assert_int_equal(pthread_create(&server.thread, NULL, server_run, NULL), 0);
}

static inline void server_stop(void)
{
	assert_int_equal(write(server.stop[1], "x", 1), 1);
	pthread_join(server.thread, NULL);
	for (struct server_conn *c = server.conn; c < server.conn + SERVER_CONNS; c++)
		if (c->fd)
			server_drop(c);
	close(server.stop[0]);
	close(server.stop[1]);
	close(server.epoll);
}

#endif
