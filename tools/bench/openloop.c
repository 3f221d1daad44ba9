// SPDX-License-Identifier: GPL-2.0-or-later
/* An HTTP/1.1 client that asks at a constant rate, whatever the server does, and tells how long answers took.
 * Request number i is due at start + i / rate, and its latency counts from that moment, not from when a connection was
 * free for it: a server that stalls pays for every request that was due meanwhile. No pipelining; answers need a
 * Content-Length. The certificate of a TLS server is not checked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"

#define SECOND 1000000000LL
#define HEAD_MAX 16384
#define MAX_CONNECTIONS 4096
#define DRAIN (5 * SECOND)   /* answers that come later are "unfinished" */
#define CONNECT (15 * SECOND) /* until all connections must stand */

enum state { CLOSED, CONNECTING, IDLE, BUSY };

struct connection {
	int fd;
	SSL *ssl;
	enum state state;
	bool want_out, reused, closing, has_request, ok;
	int64_t due;            /* of the request that it carries */
	const char *request;
	size_t sent, head_len;
	int64_t body_left;      /* < 0: the head is not complete */
	char head[HEAD_MAX];
};

static struct connection *connections[MAX_CONNECTIONS];
static int idle[MAX_CONNECTIONS], idle_count, connection_count = 64;
static char **requests;
static size_t request_count;
static struct sockaddr_in server;
static const char *host;
static SSL_CTX *tls;
static int poll_fd, timer_fd;
static double rate = 100, seconds = 5, warm_seconds = 1;
static int64_t start, warm_end;
static uint64_t issued, scheduled, finished, measured, failed, reconnects;
static struct histogram latency, lateness;

static int64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * SECOND + at.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "openloop: %s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(1);
}

static int64_t due_time(uint64_t number)
{
	return start + (int64_t)((double)number * SECOND / rate);
}

static void watch(struct connection *c, int number, bool out)
{
	struct epoll_event event = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.u32 = (uint32_t)number };

	if (c->want_out != out && epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event))
		die("epoll");
	c->want_out = out;
}

static void open_connection(int number)
{
	struct connection *c = connections[number];
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)number };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS)
		die("connect");
	if (tls) {
		c->ssl = SSL_new(tls);
		if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
			die("TLS");
		SSL_set_connect_state(c->ssl);
	}
	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event))
		die("epoll");
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

/* As read() and write(), with or without TLS: -EAGAIN if the socket must become ready first, 0 at the end, -EIO. */
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
	int64_t took = now_ns() - c->due;

	c->has_request = false;
	finished++;
	if (!good)
		failed++;
	if (c->due < warm_end)
		return;
	measured++;
	histogram_add(&latency, took > 0 ? (uint64_t)took / 1000 : 0);
}

/* A connection ended. A request on a kept-alive one that saw no byte of an answer is sent anew, its clock runs on. */
static void lost(struct connection *c, int number)
{
	bool again = c->has_request && c->reused && c->head_len == 0;

	if (c->has_request && !again)
		settle(c, false);
	reconnects++;
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

/* Looks for the end of the head in what has arrived; bytes after it count as body. False if it is not acceptable. */
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
		die("connect");
	if (c->ssl) {
		done = tls_result(c, SSL_do_handshake(c->ssl));
		if (done == -EAGAIN) {
			watch(c, number, SSL_want_write(c->ssl));
			return;
		}
		if (done <= 0)
			die("TLS handshake");
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

/* Sends what is due on the connections that are free. */
static void issue(int64_t now)
{
	while (issued < scheduled && idle_count && due_time(issued) <= now) {
		int number = idle[--idle_count];
		struct connection *c = connections[number];

		c->due = due_time(issued);
		c->request = requests[issued++ % request_count];
		c->has_request = true;
		if (c->due >= warm_end)
			histogram_add(&lateness, (uint64_t)(now - c->due) / 1000);
		begin(c, number);
	}
}

static void arm(void)
{
	struct itimerspec at = { 0 };
	int64_t due = 0;

	if (issued < scheduled && idle_count)
		due = due_time(issued);
	at.it_value.tv_sec = due / SECOND;
	at.it_value.tv_nsec = due % SECOND;
	if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL))
		die("timer");
}

static void step(int timeout_ms)
{
	struct epoll_event events[256];
	uint64_t expirations;
	int i, count;

	count = epoll_wait(poll_fd, events, 256, timeout_ms);
	if (count < 0 && errno != EINTR)
		die("epoll");
	for (i = 0; i < count; i++) {
		if (events[i].data.u32 != UINT32_MAX)
			advance(connections[events[i].data.u32], (int)events[i].data.u32);
		else if (read(timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
			die("timer");
	}
}

static void connect_all(void)
{
	int64_t limit = now_ns() + CONNECT;
	int number;

	for (number = 0; number < connection_count; number++) {
		connections[number] = calloc(1, sizeof(**connections));
		if (!connections[number])
			die("memory");
		open_connection(number);
	}
	while (idle_count < connection_count) {
		if (now_ns() > limit) {
			errno = ETIMEDOUT;
			die("connect");
		}
		step(100);
	}
	reconnects = 0;
}

static void run(void)
{
	int64_t limit;

	start = now_ns() + SECOND / 100;
	warm_end = start + (int64_t)(warm_seconds * SECOND);
	scheduled = (uint64_t)((warm_seconds + seconds) * rate);
	limit = due_time(scheduled) + DRAIN;
	while (finished < scheduled && now_ns() < limit) {
		issue(now_ns());
		arm();
		step(100);
	}
}

/* What has no answer yet has waited at least so long: it must not be missing from the percentiles. */
static uint64_t count_unfinished(void)
{
	int64_t now = now_ns();
	uint64_t unfinished = scheduled - finished;
	int number;

	for (number = 0; number < connection_count; number++)
		if (connections[number]->has_request && connections[number]->due >= warm_end)
			histogram_add(&latency, (uint64_t)(now - connections[number]->due) / 1000);
	for (; issued < scheduled; issued++)
		if (due_time(issued) >= warm_end)
			histogram_add(&latency, (uint64_t)(now - due_time(issued)) / 1000);
	return unfinished;
}

static void print_result(void)
{
	uint64_t unfinished = count_unfinished();

	printf("{\"rate\": %.1f, \"seconds\": %.1f, \"connections\": %d, \"scheduled\": %llu, \"measured\": %llu, "
	       "\"failed\": %llu, \"unfinished\": %llu, \"reconnects\": %llu,\n",
	       rate, seconds, connection_count, (unsigned long long)scheduled, (unsigned long long)measured,
	       (unsigned long long)failed, (unsigned long long)unfinished, (unsigned long long)reconnects);
	printf(" \"us\": {\"p50\": %llu, \"p90\": %llu, \"p99\": %llu, \"p999\": %llu, \"max\": %llu},\n",
	       (unsigned long long)histogram_quantile(&latency, 5000),
	       (unsigned long long)histogram_quantile(&latency, 9000),
	       (unsigned long long)histogram_quantile(&latency, 9900),
	       (unsigned long long)histogram_quantile(&latency, 9990), (unsigned long long)latency.most);
	printf(" \"sent_late_us\": {\"p50\": %llu, \"p99\": %llu, \"max\": %llu}}\n",
	       (unsigned long long)histogram_quantile(&lateness, 5000),
	       (unsigned long long)histogram_quantile(&lateness, 9900), (unsigned long long)lateness.most);
}

/* Every line is a target, or "POST target" for an empty POST. */
static void load_requests(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	if (!file)
		die(path);
	while ((length = getline(&line, &size, file)) > 0) {
		bool post = !strncmp(line, "POST ", 5);

		line[strcspn(line, "\n")] = 0;
		requests = reallocarray(requests, request_count + 1, sizeof(*requests));
		if (!requests ||
		    asprintf(&requests[request_count], "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: openloop\r\n%s\r\n",
			     post ? "POST" : "GET", post ? line + 5 : line, host, post ? "Content-Length: 0\r\n" : "") < 0)
			die("memory");
		request_count++;
	}
	free(line);
	fclose(file);
	if (!request_count) {
		errno = ENODATA;
		die(path);
	}
}

static void usage(void)
{
	fprintf(stderr, "usage: openloop [--tls] [--rate N] [--seconds N] [--warm N] [--connections N] "
			"ADDRESS PORT HOST TARGETS-FILE\n");
	exit(2);
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "tls", no_argument, NULL, 't' },          { "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' }, { "warm", required_argument, NULL, 'w' },
		{ "connections", required_argument, NULL, 'c' }, { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 't':
			tls = SSL_CTX_new(TLS_client_method());
			if (!tls)
				die("TLS");
			break;
		case 'r':
			rate = strtod(optarg, NULL);
			break;
		case 's':
			seconds = strtod(optarg, NULL);
			break;
		case 'w':
			warm_seconds = strtod(optarg, NULL);
			break;
		case 'c':
			connection_count = atoi(optarg);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 4 || rate <= 0 || seconds <= 0 || warm_seconds < 0 || connection_count < 1 ||
	    connection_count > MAX_CONNECTIONS)
		usage();
}

int main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = UINT32_MAX };

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	host = argv[optind + 2];
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
	if (inet_pton(AF_INET, argv[optind], &server.sin_addr) != 1)
		usage();
	load_requests(argv[optind + 3]);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (poll_fd < 0 || timer_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer_fd, &event))
		die("epoll");
	connect_all();
	run();
	print_result();
	return 0;
}
