/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client for the acceptor tests, which knows what must come back for each request that it sent, in order. Include it
 * after kern_world.h.
 */
#ifndef ZS_TEST_KERN_CLIENT_H
#define ZS_TEST_KERN_CLIENT_H

#include <netinet/in.h>
#include <strings.h>

#include "kern_server.h"

#define CLIENT_ASKED 4096

struct client_ask {
	char target[64];
	bool head, hit_or_miss; /* who answers is not known */
	uint8_t *body; /* of a /b request, or null */
	uint32_t body_len;
};

static struct {
	int fd;
	int rcvbuf; /* for the next client_dial(); 0: the kernel's */
	struct client_ask ask[CLIENT_ASKED];
	uint32_t first, count;
	char *out; /* bytes that were not sent yet */
	size_t out_len;
	char in[SERVER_OUT];
	size_t in_len;
	uint32_t hits;
} client;

static inline int client_open(enum zs_rig_family family)
{
	kern.options.client_hop = true;
	kern.options.client_first = true;
	return kern_open(family);
}

static inline int client_open_v4(void **state)
{
	(void)state;
	return client_open(ZS_RIG_V4);
}

static inline int client_open_v6(void **state)
{
	(void)state;
	return client_open(ZS_RIG_V6);
}

static inline int client_open_dual(void **state)
{
	(void)state;
	return client_open(ZS_RIG_DUAL);
}

/* Whatever the end of the connection voids is void now. */
static inline void client_hang_up(void)
{
	__u64 key;

	if (client.fd > 0)
		close(client.fd);
	client.fd = 0;
	for (int i = 0; i < 1000 && !bpf_map_get_next_key(kern.rig.maps.fd[ZS_MAP_accepted], NULL, &key); i++)
		usleep(200);
}

static inline void client_dial(void)
{
	struct timeval timeout = {.tv_sec = 3};
	struct sockaddr_storage to = {0};
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
	int one = 1;

	client_hang_up();
	if (kern.rig.family == ZS_RIG_V6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_addr.s6_addr[15] = 1;
		v6->sin6_port = htons(kern.rig.port);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v4->sin_port = htons(kern.rig.port);
	}
	client.fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client.rcvbuf)
		setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &client.rcvbuf, sizeof(client.rcvbuf));
	assert_int_equal(connect(client.fd, (struct sockaddr *)&to, sizeof(to)), 0);
	setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (uint32_t i = 0; i < CLIENT_ASKED; i++) {
		free(client.ask[i].body);
		client.ask[i].body = NULL;
	}
	client.first = client.count = client.in_len = client.out_len = client.hits = 0;
}

static inline int client_begin(void)
{
	alarm(KERN_SECONDS);
	kern.rig.ctl->paused = 0;
	kern.rig.ctl->judged = zs_boot_ns() + KERN_SECONDS * ZS_NS;
	kern.rig.ctl->tokens = 0;
	if (!client.out)
		client.out = malloc(SERVER_IN * 2);
	server_start();
	client_dial();
	return zs_counters_read(kern.rig.maps.fd[ZS_MAP_counters], kern.before);
}

static inline int client_end(void)
{
	close(client.fd);
	client.fd = client.rcvbuf = 0;
	server_stop();
	for (uint32_t i = 0; i < CLIENT_ASKED; i++) {
		free(client.ask[i].body);
		client.ask[i].body = NULL;
	}
	/* no path that the kernel's source rules out was taken */
	return kern_count(ZS_COUNT_impossible) ? -1 : 0;
}

/* Stores what the server would send for /<kind>/<len>, but for the head. */
static inline void client_store(char kind, uint32_t len)
{
	char target[64];

	snprintf(target, sizeof(target), "/%c/%u", kind, len);
	kern_put(target, len, 600);
}

/* --- sending --------------------------------------------------------------------------------------- */

static inline void client_flush(void)
{
	kern_send(client.fd, client.out, client.out_len);
	client.out_len = 0;
}

static inline struct client_ask *client_note(const char *target, bool head)
{
	struct client_ask *a = &client.ask[(client.first + client.count++) % CLIENT_ASKED];

	assert_true(client.count < CLIENT_ASKED);
	free(a->body);
	memset(a, 0, sizeof(*a));
	snprintf(a->target, sizeof(a->target), "%s", target);
	a->head = head;
	return a;
}

/* Appends a request to what will be sent, with further field lines. */
static inline void client_add(const char *method, char kind, uint32_t n, const char *fields)
{
	char target[64];

	snprintf(target, sizeof(target), "/%c/%u", kind, n);
	client_note(target, !strcmp(method, "HEAD"));
	client.out_len += (size_t)sprintf(client.out + client.out_len, "%s %s HTTP/1.1\r\nHost: rig\r\n%s\r\n", method, target,
					  fields);
}

/* The same for one with a body; `pieces` > 0: chunked. The server sends it back. */
static inline void client_add_body(const char *method, const void *body, uint32_t len, uint32_t piece)
{
	struct client_ask *a = client_note("/b/", false);

	a->body = malloc(len + 1);
	memcpy(a->body, body, len);
	a->body_len = len;
	client.out_len += (size_t)sprintf(client.out + client.out_len, "%s /b/ HTTP/1.1\r\nHost: rig\r\n", method);
	if (!piece) {
		client.out_len += (size_t)sprintf(client.out + client.out_len, "Content-Length: %u\r\n\r\n", len);
		memcpy(client.out + client.out_len, body, len);
		client.out_len += len;
		return;
	}
	client.out_len += (size_t)sprintf(client.out + client.out_len, "Transfer-Encoding: chunked\r\n\r\n");
	for (uint32_t at = 0; at < len; at += piece) {
		uint32_t n = len - at < piece ? len - at : piece;

		client.out_len += (size_t)sprintf(client.out + client.out_len, "%x\r\n", n);
		memcpy(client.out + client.out_len, (const char *)body + at, n);
		client.out_len += n;
		client.out_len += (size_t)sprintf(client.out + client.out_len, "\r\n");
	}
	client.out_len += (size_t)sprintf(client.out + client.out_len, "0\r\n\r\n");
}

static inline void client_ask(const char *method, char kind, uint32_t n)
{
	client_add(method, kind, n, "");
	client_flush();
}

/* Sends the bytes in segments: `cut(at)` says how many at a time. */
static inline void client_flush_cut(uint32_t least, uint32_t most)
{
	for (size_t at = 0; at < client.out_len;) {
		size_t n = least + kern_random(most - least + 1);

		if (n > client.out_len - at)
			n = client.out_len - at;
		kern_send(client.fd, client.out + at, n);
		at += n;
	}
	client.out_len = 0;
}

/* --- receiving ------------------------------------------------------------------------------------- */

/* Until `want` bytes are there. False: the connection ended, or nothing comes. */
static inline bool client_have(size_t want)
{
	while (client.in_len < want) {
		ssize_t n = recv(client.fd, client.in + client.in_len, sizeof(client.in) - client.in_len, 0);

		if (n <= 0)
			return false;
		client.in_len += (size_t)n;
	}
	return true;
}

static inline void client_drop(size_t n)
{
	client.in_len -= n;
	memmove(client.in, client.in + n, client.in_len);
}

/* A head at the beginning of what was received: its length; 0: none comes. */
static inline size_t client_head(void)
{
	char *end;

	for (;;) {
		end = memmem(client.in, client.in_len, "\r\n\r\n", 4);
		if (end)
			return (size_t)(end - client.in) + 4;
		if (!client_have(client.in_len + 1))
			return 0;
	}
}

static inline bool client_says(size_t head, const char *text)
{
	return memmem(client.in, head, text, strlen(text));
}

/* The chunked body behind the head is taken apart, in place. Its length, -1: malformed. *taken: bytes it had. */
static inline long client_chunked(size_t head, size_t *taken)
{
	size_t at = head, out = head;

	for (;;) {
		char *line, *end;
		size_t len;

		while (!(line = memmem(client.in + at, client.in_len - at, "\r\n", 2)))
			if (!client_have(client.in_len + 1))
				return -1;
		len = strtoul(client.in + at, &end, 16);
		if (end != line)
			return -1;
		at = (size_t)(line - client.in) + 2;
		if (!client_have(at + len + 2) || memcmp(client.in + at + len, "\r\n", 2))
			return -1;
		memmove(client.in + out, client.in + at, len);
		out += len;
		at += len + 2;
		*taken = at - head;
		if (!len)
			return (long)(out - head);
	}
}

/* The response to the oldest request, whole and right. Returns whether it came from the store. */
static inline bool client_take(void)
{
	static uint8_t want[SERVER_OUT];
	struct client_ask *a = &client.ask[client.first++ % CLIENT_ASKED];
	char kind = a->target[1];
	size_t head, taken = 0;
	uint32_t n = (uint32_t)atoi(a->target + 3);
	long len = 0;
	bool hit;

	assert_true(client.count > 0);
	client.count--;
	head = client_head();
	while (head && client_says(head, "HTTP/1.1 1")) {
		client_drop(head);
		head = client_head();
	}
	if (!head)
		fail_msg("no response to %s (%zu bytes received, %u requests outstanding)", a->target, client.in_len, client.count + 1);
	hit = client_says(head, "Cache-Status: zeroserve; hit");
	assert_true(client_says(head, kind == 'n' ? "HTTP/1.1 204 " : kind == 'm' ? "HTTP/1.1 304 " : kind == 'e' ? "HTTP/1.1 404 "
												: "HTTP/1.1 200 "));
	if (kind == 'e' || kind == 'm')
		n = 10;
	if (!a->head && kind != 'n' && kind != 'm') {
		if (client_says(head, "Transfer-Encoding: chunked"))
			len = client_chunked(head, &taken);
		else
			taken = (size_t)(len = atol(strstr(client.in, "Content-Length:") + 15));
		assert_true(client_have(head + taken));
		if (a->body)
			n = a->body_len, memcpy(want, a->body, n);
		else
			kern_fill(a->target, want, n);
		assert_int_equal(len, n);
		assert_memory_equal(client.in + head, want, n);
	}
	client_drop(head + taken);
	client.hits += hit;
	return hit;
}

static inline void client_expect(bool hit)
{
	if (client_take() != hit)
		fail_msg("%s was answered by the %s; passive %llu, fenced %llu, behind %llu, unanswered %llu, misses %llu",
			 client.ask[(client.first - 1) % CLIENT_ASKED].target, hit ? "server" : "kernel",
			 (unsigned long long)kern_count(ZS_COUNT_passive), (unsigned long long)kern_count(ZS_COUNT_fenced),
			 (unsigned long long)kern_count(ZS_COUNT_behind), (unsigned long long)kern_count(ZS_COUNT_unanswered),
			 (unsigned long long)kern_count(ZS_COUNT_misses));
}

/* Everything outstanding comes, and nothing else. */
static inline void client_settle(void)
{
	while (client.count)
		client_take();
	assert_int_equal(client.in_len, 0);
	kern_silent(client.fd);
}

#endif
