// SPDX-License-Identifier: GPL-2.0-or-later
/* Live tests of the kernel's behaviour that the answered lane stands on (kernel-support.md). */
#include "selftest.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "log.h"
#include "rig.h"

#define ROUNDS 100

struct bench {
	struct zs_rig rig;
	int dialer, acceptor;
	char head[ZS_ANSWER_HEAD_MAX];
	uint8_t *body;
	uint8_t *got;
};

#define FAIL(...)                                                                                   \
	do {                                                                                        \
		snprintf(t->detail, sizeof(t->detail), __VA_ARGS__);                                \
		return false;                                                                       \
	} while (0)

/* Sends a request for a stored object and compares what comes back, byte for byte. */
static bool hit(struct bench *b, struct zs_selftest *t, const char *target, uint32_t body_len)
{
	char request[256];
	size_t len = zs_rig_request("GET", target, request, sizeof(request)), head_len, got;
	ssize_t sent = send(b->dialer, request, len, MSG_NOSIGNAL);

	if (sent != (ssize_t)len)
		FAIL("send of %zu bytes returned %zd (%s)", len, sent, sent < 0 ? strerror(errno) : "short");
	head_len = strlen(b->head);
	got = zs_rig_recv(b->dialer, b->got, head_len + body_len);
	if (got != head_len + body_len)
		FAIL("%zu of %zu bytes came back", got, head_len + body_len);
	if (!zs_rig_head_equal(b->head, (char *)b->got, head_len))
		FAIL("the head that came back differs from the stored one");
	if (memcmp(b->got + head_len, b->body, body_len))
		FAIL("the body that came back differs from the stored one");
	return true;
}

static bool silent(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

static bool stored_hit(struct bench *b, struct zs_selftest *t, const char *target, uint32_t body_len)
{
	int err = zs_rig_put(&b->rig, target, b->body, body_len, 60, b->head);

	if (err)
		FAIL("cannot store an object: %s", strerror(-err));
	return hit(b, t, target, body_len);
}

static bool test_answer(struct bench *b, struct zs_selftest *t)
{
	static const uint32_t sizes[] = {0, 1, 100, 4096, 40000, 65536};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char target[32];

		snprintf(target, sizeof(target), "/answer/%u", sizes[i]);
		if (!stored_hit(b, t, target, sizes[i]))
			return false;
	}
	if (!silent(b->acceptor))
		FAIL("an answered request reached the server as well");
	return true;
}

/* A request that is longer than its answer: the message must shrink, and send() still return its length. */
static bool test_shrink(struct bench *b, struct zs_selftest *t)
{
	char request[4096], target[1000];
	size_t len, head_len;
	ssize_t sent;
	int err;

	memset(target, 'x', sizeof(target));
	target[0] = '/';
	target[sizeof(target) - 1] = 0;
	err = zs_rig_put(&b->rig, target, b->body, 0, 60, b->head);
	if (err)
		FAIL("cannot store an object: %s", strerror(-err));
	len = zs_rig_request("GET", target, request, sizeof(request));
	head_len = strlen(b->head);
	sent = send(b->dialer, request, len, MSG_NOSIGNAL);
	if (sent != (ssize_t)len)
		FAIL("send of %zu bytes returned %zd", len, sent);
	if (zs_rig_recv(b->dialer, b->got, head_len) != head_len ||
	    !zs_rig_head_equal(b->head, (char *)b->got, head_len))
		FAIL("the answer came back wrong");
	if (!silent(b->dialer) || !silent(b->acceptor))
		FAIL("bytes of the request were left over");
	return true;
}

static bool test_pass(struct bench *b, struct zs_selftest *t)
{
	char request[256];
	size_t len = zs_rig_request("GET", "/not-stored", request, sizeof(request));

	if (send(b->dialer, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		FAIL("send: %s", strerror(errno));
	if (zs_rig_recv(b->acceptor, b->got, len) != len || memcmp(b->got, request, len))
		FAIL("a request that is not stored did not reach the server unchanged");
	if (send(b->acceptor, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 38, MSG_NOSIGNAL) != 38 ||
	    zs_rig_recv(b->dialer, b->got, 38) != 38)
		FAIL("its response did not come back");
	return stored_hit(b, t, "/after-a-miss", 1000);
}

static bool test_edge(struct bench *b, struct zs_selftest *t)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	int ep = epoll_create1(EPOLL_CLOEXEC), woken = 0;

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, b->dialer, &ev))
		FAIL("epoll: %s", strerror(errno));
	if (zs_rig_put(&b->rig, "/edge", b->body, 500, 60, b->head)) {
		close(ep);
		FAIL("cannot store an object");
	}
	for (int i = 0; i < ROUNDS; i++) {
		char request[64];
		size_t len = zs_rig_request("GET", "/edge", request, sizeof(request));

		if (send(b->dialer, request, len, MSG_NOSIGNAL) != (ssize_t)len)
			break;
		if (epoll_wait(ep, &ev, 1, 500) != 1 || !(ev.events & EPOLLIN))
			break;
		if (zs_rig_recv(b->dialer, b->got, strlen(b->head) + 500) != strlen(b->head) + 500)
			break;
		woken++;
	}
	close(ep);
	if (woken != ROUNDS)
		FAIL("an edge-triggered epoll was woken for %d of %d answers", woken, ROUNDS);
	return true;
}

static bool test_fin(struct bench *b, struct zs_selftest *t)
{
	char request[64];
	size_t len, want;

	if (zs_rig_put(&b->rig, "/fin", b->body, 3000, 60, b->head))
		FAIL("cannot store an object");
	want = strlen(b->head) + 3000;
	len = zs_rig_request("GET", "/fin", request, sizeof(request));
	if (send(b->dialer, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		FAIL("send: %s", strerror(errno));
	close(b->acceptor);
	b->acceptor = -1;
	usleep(20000);
	if (zs_rig_recv(b->dialer, b->got, want) != want)
		FAIL("data was lost when the server closed behind it");
	if (recv(b->dialer, b->got, 1, 0) != 0)
		FAIL("no end of file behind the data");
	return true;
}

/* A request body that is a perfect request for a stored object must reach the server. */
static bool test_body(struct bench *b, struct zs_selftest *t)
{
	char body[64], head[128];
	size_t body_len = zs_rig_request("GET", "/body", body, sizeof(body)), head_len;

	if (zs_rig_put(&b->rig, "/body", b->body, 10, 60, b->head))
		FAIL("cannot store an object");
	head_len = (size_t)snprintf(head, sizeof(head), "POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: %zu\r\n\r\n",
				    body_len);
	if (send(b->dialer, head, head_len, MSG_NOSIGNAL) != (ssize_t)head_len ||
	    send(b->dialer, body, body_len, MSG_NOSIGNAL) != (ssize_t)body_len)
		FAIL("send: %s", strerror(errno));
	if (zs_rig_recv(b->acceptor, b->got, head_len + body_len) != head_len + body_len ||
	    memcmp(b->got + head_len, body, body_len) || !silent(b->dialer))
		FAIL("a body was taken for a request");
	return true;
}

static int count_event(void *user, void *data, size_t size)
{
	const struct zs_event *ev = data;
	int *kinds = user;

	if (size >= sizeof(*ev) && ev->kind <= ZS_EVENT_REFRESH)
		kinds[ev->kind]++;
	return 0;
}

static bool test_record(struct bench *b, struct zs_selftest *t)
{
	int kinds[ZS_EVENT_REFRESH + 1] = {0};
	struct ring_buffer *ring;

	b->rig.ctl->tokens = 10;
	if (!test_pass(b, t))
		return false;
	ring = ring_buffer__new(b->rig.maps.fd[ZS_MAP_events], count_event, kinds, NULL);
	if (!ring)
		FAIL("cannot read the ring buffer: %s", strerror(errno));
	ring_buffer__consume(ring);
	ring_buffer__free(ring);
	if (kinds[ZS_EVENT_REQUEST] != 1 || kinds[ZS_EVENT_DATA] != 1)
		FAIL("recording a response gave %d requests and %d payloads, not one of each",
		     kinds[ZS_EVENT_REQUEST], kinds[ZS_EVENT_DATA]);
	return true;
}

/* One exchange on a connection that is not enrolled. */
static bool exchange(int dialer, int acceptor, const char *request, const char *response, char *got)
{
	size_t len = strlen(request);

	if (send(dialer, request, len, MSG_NOSIGNAL) != (ssize_t)len || zs_rig_recv(acceptor, got, len) != len)
		return false;
	len = strlen(response);
	return send(acceptor, response, len, MSG_NOSIGNAL) == (ssize_t)len && zs_rig_recv(dialer, got, len) == len;
}

#define SELFTEST_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
static bool test_watch(struct bench *b, struct zs_selftest *t)
{
	int dialer, acceptor, err = zs_rig_origin(&b->rig, false), last;
	const struct zs_object *o;
	uint64_t before;
	bool done;

	if (!err)
		err = zs_rig_pair(&b->rig, &dialer, &acceptor);
	last = zs_rig_origin(&b->rig, true);
	if (err || last)
		FAIL("cannot make a connection that is not enrolled: %s", strerror(err ? -err : -last));
	err = zs_rig_put(&b->rig, "/watch", b->body, 10, 60, b->head);
	o = err ? NULL : zs_store_object(b->rig.store, zs_rig_digest(&b->rig, "/watch"));
	before = o ? b->rig.generations[o->bucket] : 0;
	done = o && exchange(dialer, acceptor, "GET /watch HTTP/1.1\r\nHost: rig\r\n\r\n", SELFTEST_OK, (char *)b->got) &&
	       b->rig.generations[o->bucket] == before &&
	       exchange(dialer, acceptor, "POST /watch HTTP/1.1\r\nHost: rig\r\nContent-Length: 0\r\n\r\n", SELFTEST_OK,
			(char *)b->got);
	close(dialer);
	close(acceptor);
	if (!done)
		FAIL("the exchanges went wrong, or a GET voided what is stored");
	if (b->rig.generations[o->bucket] == before)
		FAIL("a POST that succeeded left what is stored valid");
	return true;
}

static const struct {
	const char *name, *question, *next;
	bool (*run)(struct bench *b, struct zs_selftest *t);
} tests[ZS_SELFTESTS] = {
	{"answer", "messages grow to 64 KiB and turn back to their sender, send() returns the request's length",
	 "use a kernel with the push/pop fixes: 5.10.231, 6.1.120, 6.12 or later", test_answer},
	{"shrink", "messages longer than their answer shrink, nothing is left over",
	 "use a kernel with the push/pop fixes: 5.10.231, 6.1.120, 6.12 or later", test_shrink},
	{"pass", "what is not stored passes unchanged, and answers go on behind it",
	 "report it with the output of zs-load doctor --json", test_pass},
	{"edge-wakeup", "edge-triggered epoll wakes up for every answer",
	 "report it: event-driven servers would hang on this kernel", test_edge},
	{"fin-order", "an answer is read before the end of file that came later",
	 "report it with the output of zs-load doctor --json", test_fin},
	{"body", "a body that looks like a request stays a body",
	 "report it with the output of zs-load doctor --json", test_body},
	{"record", "the recorder sees the response of a miss",
	 "see whether another program on the cgroup drops or changes packets", test_record},
	{"watch", "a write on a connection that is not enrolled voids what is stored",
	 "see whether another program on the cgroup drops or changes packets; zs-load run --enrol always avoids most of them",
	 test_watch},
};

static void one(struct bench *b, int i, struct zs_selftest *t)
{
	int err = zs_rig_pair(&b->rig, &b->dialer, &b->acceptor);

	if (err) {
		snprintf(t->detail, sizeof(t->detail), "no loopback connection: %s", strerror(-err));
		return;
	}
	t->passed = tests[i].run(b, t);
	close(b->dialer);
	if (b->acceptor >= 0)
		close(b->acceptor);
}

static int child(int out)
{
	static struct bench b;
	static struct zs_selftest results[ZS_SELFTESTS];
	int err = zs_rig_open(&b.rig, ZS_RIG_V4, NULL);

	if (!err) {
		b.body = malloc(ZS_ANSWER_MAX);
		b.got = malloc(ZS_ANSWER_MAX + ZS_ANSWER_HEAD_MAX);
		for (uint32_t i = 0; b.body && i < ZS_ANSWER_MAX; i++)
			b.body[i] = (uint8_t)(i * 2654435761u >> 13);
		for (int i = 0; b.body && b.got && i < ZS_SELFTESTS; i++)
			one(&b, i, &results[i]);
		zs_rig_close(&b.rig);
	}
	if (write(out, &err, sizeof(err)) != sizeof(err) ||
	    write(out, results, sizeof(results)) != sizeof(results))
		return 1;
	return 0;
}

int zs_selftest_run(struct zs_selftest results[ZS_SELFTESTS])
{
	int fds[2], err = -EIO, status;
	pid_t pid;

	if (pipe(fds))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(fds[0]);
		/* it ends by itself within seconds, and must tidy up its cgroup */
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		_exit(child(fds[1]));
	}
	close(fds[1]);
	if (read(fds[0], &err, sizeof(err)) != sizeof(err) ||
	    read(fds[0], results, ZS_SELFTESTS * sizeof(*results)) !=
		    (ssize_t)(ZS_SELFTESTS * sizeof(*results)))
		err = -EIO;
	close(fds[0]);
	waitpid(pid, &status, 0);
	for (int i = 0; i < ZS_SELFTESTS; i++) {
		results[i].name = tests[i].name;
		results[i].question = tests[i].question;
		results[i].next = tests[i].next;
	}
	return err;
}
