// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is not a strict message of known length: it reaches the server byte for byte, and whatever
 * comes behind it on that connection does too. And large bodies against a slow reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#define STORED	   "/odd"
#define STORED_LEN 444u
#define GET	   "GET " STORED " HTTP/1.1\r\nHost: rig\r\n\r\n"

/* Each part is one write. All of them make the connection passive. */
static const struct {
	const char *name, *part[4];
} odd[] = {
	{"chunked",
	 {"POST /u HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: chunked\r\n\r\n", "26\r\n", GET,
	  "\r\n0\r\n\r\n"}},
	{"chunked, at once",
	 {"POST /u HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: chunked\r\n\r\n26\r\n" GET
	  "\r\n0\r\n\r\n"}},
	{"chunked GET",
	 {"GET /u HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n"}},
	{"another coding",
	 {"POST /u HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", GET}},
	{"identity", {"POST /u HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: identity\r\n\r\n", GET}},
	{"both lengths",
	 {"POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: 3\r\nTransfer-Encoding: "
	  "chunked\r\n\r\nabc"}},
	{"length twice",
	 {"POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"}},
	{"length list", {"POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: 3, 3\r\n\r\nabc"}},
	{"length with sign", {"POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: +3\r\n\r\nabc"}},
	{"negative length", {"POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: -3\r\n\r\nabc"}},
	{"hexadecimal length", {"POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: 0x3\r\n\r\nabc"}},
	{"long length",
	 {"POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: 0000000000000003\r\n\r\nabc"}},
	{"empty length", {"POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length:\r\n\r\n"}},
	{"upgrade",
	 {"GET " STORED
	  " HTTP/1.1\r\nHost: rig\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	  GET}},
	{"upgrade h2c",
	 {"GET " STORED
	  " HTTP/1.1\r\nHost: rig\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"}},
	{"expect",
	 {"POST /u HTTP/1.1\r\nHost: rig\r\nExpect: 100-continue\r\nContent-Length: 38\r\n\r\n",
	  GET}},
	{"expect on GET", {"GET " STORED " HTTP/1.1\r\nHost: rig\r\nExpect: 100-continue\r\n\r\n"}},
	{"CONNECT", {"CONNECT rig:80 HTTP/1.1\r\nHost: rig\r\n\r\n", GET}},
	{"HTTP/1.0", {"GET " STORED " HTTP/1.0\r\nHost: rig\r\n\r\n"}},
	{"HTTP/1.0, alive",
	 {"GET " STORED " HTTP/1.0\r\nHost: rig\r\nConnection: keep-alive\r\n\r\n", GET}},
	{"HTTP/1.2", {"GET " STORED " HTTP/1.2\r\nHost: rig\r\n\r\n"}},
	{"HTTP/0.9", {"GET " STORED "\r\n"}},
	{"h2 preface", {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\4"}},
	{"split head", {"GET " STORED " HTTP/1.1\r\nHost: rig\r\n", "\r\n"}},
	{"split line", {"GE", "T " STORED " HTTP/1.1\r\nHost: rig\r\n\r\n"}},
	{"two at once", {GET GET}},
	{"two and a bit", {GET "G", "ET " STORED " HTTP/1.1\r\nHost: rig\r\n\r\n"}},
	{"one byte too many", {GET "\n"}},
	{"empty line first", {"\r\n" GET}},
	{"bare LF", {"GET " STORED " HTTP/1.1\nHost: rig\n\n"}},
	{"a bare LF", {"GET " STORED " HTTP/1.1\r\nHost: rig\nAccept: a\r\n\r\n"}},
	{"bare CR", {"GET " STORED " HTTP/1.1\r\nHost: rig\rX: y\r\n\r\n"}},
	{"folded line", {"GET " STORED " HTTP/1.1\r\nHost: rig\r\nAccept: a,\r\n b\r\n\r\n"}},
	{"blank before colon", {"GET " STORED " HTTP/1.1\r\nHost : rig\r\n\r\n"}},
	{"folded length", {"POST /u HTTP/1.1\r\nHost: rig\r\n Content-Length: 38\r\n\r\n", GET}},
	{"line without colon", {"GET " STORED " HTTP/1.1\r\nHost: rig\r\nrubbish\r\n\r\n"}},
	{"two blanks", {"GET  " STORED " HTTP/1.1\r\nHost: rig\r\n\r\n"}},
	{"tab in the request line", {"GET\t" STORED " HTTP/1.1\r\nHost: rig\r\n\r\n"}},
	{"control character", {"GET " STORED " HTTP/1.1\r\nHost: rig\r\nAccept: \x01\r\n\r\n"}},
	{"garbage", {"\x16\x03\x01\x02 garbage \xff\xfe", GET}},
	{"a response", {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", GET}},
};

static size_t parts_send(const char *const *part, char *all)
{
	size_t len = 0;

	for (int i = 0; i < 4 && part[i]; i++) {
		size_t n = strlen(part[i]);

		n = n ? n : 4; /* the one that begins with a zero */
		kern_send(kern.dialer, part[i], n);
		memcpy(all + len, part[i], n);
		len += n;
	}
	return len;
}

static void test_odd(void **state)
{
	char all[2048];

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		kern_redial();
		print_message("  %s\n", odd[i].name);
		kern_served(all, parts_send(odd[i].part, all));
		kern_miss(STORED);
		kern_miss(STORED);
		kern_silent(kern.acceptor);
	}
	assert_int_equal(kern_count(ZS_COUNT_hits), 0);
	assert_int_equal(kern_count(ZS_COUNT_passive), sizeof(odd) / sizeof(*odd));
}

/* The same behind requests that were answered. */
static void test_odd_after_hits(void **state)
{
	char all[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		kern_redial();
		kern_put(STORED, STORED_LEN,
			 60); /* the one before may have looked like an unsafe request */
		kern_hit(STORED, STORED_LEN);
		kern_miss("/else");
		kern_hit(STORED, STORED_LEN);
		kern_served(all, parts_send(odd[i].part, all));
		kern_miss(STORED);
	}
}

/* More lines than the recogniser reads. */
static void test_many_lines(void **state)
{
	char text[2048];

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	for (unsigned int fields = 58; fields < 70; fields++) {
		size_t n = (size_t)sprintf(text, "GET " STORED " HTTP/1.1\r\nHost: rig\r\n");

		for (unsigned int i = 1; i < fields; i++)
			n += (size_t)sprintf(text + n, "Via: %u\r\n", i);
		n += (size_t)sprintf(text + n, "\r\n");
		kern_redial();
		kern_send(kern.dialer, text, n);
		if (fields + 1 < ZS_LINES_MAX) {
			kern_answered(kern.dialer, "GET", STORED, STORED_LEN);
		} else {
			kern_served(text, n);
			kern_miss(STORED);
		}
	}
}

/* --- large bodies ---------------------------------------------------------------------------- */

#define LARGE (10u << 20)

static uint8_t large_byte(size_t at)
{
	return (uint8_t)GET[at % (sizeof(GET) - 1)];
}

struct reader {
	int fd;
	size_t head_len;
	size_t got;    /* bytes of head and body */
	size_t behind; /* bytes after them */
	bool wrong;
	char rest[256];
};

/* Reads slowly at first, all of the body, and what comes within a while behind it. */
static void *reader_run(void *user)
{
	struct reader *r = user;
	static uint8_t data[50000];
	ssize_t n;

	for (int slow = 0; r->got < r->head_len + LARGE; slow++) {
		n = recv(r->fd, data, slow < 100 ? 3000 : sizeof(data), 0);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++, r->got++)
			if (r->got >= r->head_len + LARGE && r->behind < sizeof(r->rest))
				r->rest[r->behind++] = (char)data[i];
			else if (r->got >= r->head_len &&
				 data[i] != large_byte(r->got - r->head_len))
				r->wrong = true;
		if (slow < 100)
			usleep(1000);
	}
	return NULL;
}

/* Non-blocking writes of random sizes, as far as the socket takes them; what is refused is sent
 * again. */
static void writer_run(int fd, const uint8_t *data, size_t len, int flags)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	size_t at = 0;

	while (at < len) {
		size_t n = 1 + kern_random(kern_random(2) ? 2000 : 300000);
		ssize_t sent =
			send(fd, data + at, n < len - at ? n : len - at, MSG_NOSIGNAL | flags);

		if (sent < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(poll(&p, 1, 5000), 1);
			continue;
		}
		at += (size_t)sent;
	}
}

/* After 10 MB of requests as a body, the request that follows is answered or served, once. */
static void large_body(int sndbuf, int flags, bool must_hit)
{
	static uint8_t body[LARGE];
	struct reader r = {0};
	char head[128];
	pthread_t thread;
	struct pollfd p[2];

	for (size_t i = 0; i < LARGE; i++)
		body[i] = large_byte(i);
	kern_redial();
	if (sndbuf)
		assert_int_equal(
			setsockopt(kern.dialer, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)), 0);
	r.fd = kern.acceptor;
	r.head_len = (size_t)sprintf(
		head, "POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: %u\r\n\r\n", LARGE);
	assert_int_equal(pthread_create(&thread, NULL, reader_run, &r), 0);
	kern_send(kern.dialer, head, r.head_len);
	writer_run(kern.dialer, body, LARGE, flags);
	pthread_join(thread, NULL);
	assert_false(r.wrong);
	assert_int_equal(r.got, r.head_len + LARGE);
	assert_int_equal(r.behind, 0);
	kern_silent(kern.dialer);
	kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
	kern_arrives(kern.dialer, kern_ok, KERN_OK_LEN);

	kern_text(kern.dialer, GET);
	p[0] = (struct pollfd){.fd = kern.dialer, .events = POLLIN};
	p[1] = (struct pollfd){.fd = kern.acceptor, .events = POLLIN};
	assert_int_equal(poll(p, 2, 2000), 1);
	if (p[0].revents) {
		kern_answered(kern.dialer, "GET", STORED, STORED_LEN);
		kern_quiet(kern.acceptor);
	} else {
		assert_false(must_hit);
		kern_served(GET, strlen(GET));
	}
}

static void test_large_blocking(void **state)
{
	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	large_body(0, 0, true);
	large_body(4096, 0, true);
}

static void test_large_refused(void **state)
{
	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	for (int sndbuf = 0; sndbuf <= 60000; sndbuf += 20000)
		large_body(sndbuf, MSG_DONTWAIT, false);
	assert_int_equal(kern_count(ZS_COUNT_impossible), 0);
}

/* A request in a buffer that is full: the write is refused or taken in part, and repeated. */
static void test_request_refused(void **state)
{
	static uint8_t filler[1 << 20];
	int small = 4096;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	memset(filler, 'f', sizeof(filler));
	for (uint32_t spare = 0; spare < 60; spare++) {
		char head[128];
		size_t body = 0, head_len, n;
		ssize_t sent;

		kern_redial();
		setsockopt(kern.dialer, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		head_len = (size_t)sprintf(
			head, "POST /u HTTP/1.1\r\nHost: rig\r\nContent-Length: 800000\r\n\r\n");
		kern_send(kern.dialer, head, head_len);
		while ((sent = send(kern.dialer, filler, 1 + kern_random(9000), MSG_DONTWAIT)) > 0)
			body += (size_t)sent;
		assert_int_equal(errno, EAGAIN);
		for (n = 0; n < head_len; n++)
			assert_int_equal(recv(kern.acceptor, kern.got + n, 1, 0), 1);
		for (size_t got = 0; got < 800000; got += n) {
			n = 800000 - got < sizeof(kern.got) ? 800000 - got : sizeof(kern.got);
			if (body < 800000 &&
			    got + n > body) /* the writer goes on as soon as it can */
				n = body > got ? body - got : 0;
			assert_int_equal(zs_rig_recv(kern.acceptor, kern.got, n), n);
			while (body < 800000 &&
			       (sent = send(kern.dialer, filler, 800000 - body, MSG_DONTWAIT)) > 0)
				body += (size_t)sent;
		}
		kern_silent(kern.acceptor);
		kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
		kern_arrives(kern.dialer, kern_ok, KERN_OK_LEN);
		kern_text(kern.dialer, GET);
		if (recv(kern.dialer, kern.got, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
			kern_answered(kern.dialer, "GET", STORED, STORED_LEN);
		else
			kern_served(GET, strlen(GET));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KERN_TEST(test_odd),	       KERN_TEST(test_odd_after_hits),
		KERN_TEST(test_many_lines),    KERN_TEST(test_large_blocking),
		KERN_TEST(test_large_refused), KERN_TEST(test_request_refused),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
