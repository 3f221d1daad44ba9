// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bodies that are perfect requests for a stored object, written in every way there is: they reach
 * the server, and the connection goes on being answered where, and only where, its framing is
 * certain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define STORED	   "/frame"
#define STORED_LEN 333u

struct post {
	char text[1024];
	size_t head_len, len;
};

/* POST whose body is `times` times the request for the stored object. */
static void post_make(struct post *p, const char *method, unsigned int times)
{
	char get[64];
	size_t n = zs_rig_request("GET", STORED, get, sizeof(get));

	p->head_len = (size_t)sprintf(
		p->text, "%s /upload HTTP/1.1\r\nHost: rig\r\nContent-Length: %zu\r\n\r\n", method,
		n * times);
	p->len = p->head_len;
	for (unsigned int i = 0; i < times; i++, p->len += n)
		memcpy(p->text + p->len, get, n);
}

/* After everything before was served: a request for the stored object is answered, or passes for
 * good. */
static void then(bool framed)
{
	if (framed) {
		kern_hit(STORED, STORED_LEN);
		return;
	}
	kern_miss(STORED);
	kern_miss(STORED);
}

static void test_two_writes(void **state)
{
	struct post p;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	post_make(&p, "POST", 1);
	for (size_t cut = 1; cut <= p.len; cut++) {
		kern_redial();
		kern_send(kern.dialer, p.text, cut);
		if (cut < p.len)
			kern_send(kern.dialer, p.text + cut, p.len - cut);
		kern_served(p.text, p.len);
		then(cut >= p.head_len);
	}
}

/* The same with the server's half read in between, and the connection idle. */
static void test_two_writes_apart(void **state)
{
	struct post p;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	post_make(&p, "PUT", 1);
	for (size_t cut = 1; cut < p.len; cut++) {
		kern_redial();
		kern_send(kern.dialer, p.text, cut);
		kern_arrives(kern.acceptor, p.text, cut);
		kern_send(kern.dialer, p.text + cut, p.len - cut);
		kern_served(p.text + cut, p.len - cut);
		then(cut >= p.head_len);
	}
}

/* Writes [from, to) as one message, in one of the ways there are. */
static void message_write(const struct post *p, size_t from, size_t to)
{
	struct iovec part[3] = {{(char *)p->text + from, (to - from) / 3}};
	struct msghdr msg = {.msg_iov = part, .msg_iovlen = 3};
	size_t rest = to - from - part[0].iov_len;

	part[1] = (struct iovec){(char *)p->text + from + part[0].iov_len, rest / 2};
	part[2] = (struct iovec){(char *)part[1].iov_base + part[1].iov_len, rest - rest / 2};
	switch (kern_random(4)) {
	case 0:
		assert_int_equal(writev(kern.dialer, part, 3), (ssize_t)(to - from));
		break;
	case 1:
		assert_int_equal(sendmsg(kern.dialer, &msg, to < p->len ? MSG_MORE : 0),
				 (ssize_t)(to - from));
		break;
	case 2:
		assert_int_equal(
			send(kern.dialer, p->text + from, to - from, to < p->len ? MSG_MORE : 0),
			(ssize_t)(to - from));
		break;
	default:
		kern_send(kern.dialer, p->text + from, to - from);
	}
}

static void test_many_writes(void **state)
{
	struct post p;

	(void)state;
	for (int round = 0; round < 400; round++) {
		size_t at = 0, first = 0;

		kern_redial();
		kern_put(STORED, STORED_LEN,
			 60); /* a piece may have looked like an unsafe request */
		post_make(&p, round % 2 ? "POST" : "PATCH", 1 + kern_random(8));
		while (at < p.len) {
			size_t left = p.len - at,
			       n = 1 + kern_random((uint32_t)(kern_random(3) ? 60 : left));

			if (!at && kern_random(4)) /* the whole head at once, mostly */
				n = p.head_len + kern_random(50);
			if (n > left)
				n = left;
			message_write(&p, at, at + n);
			first = first ? first : n;
			at += n;
		}
		kern_served(p.text, p.len);
		then(first >= p.head_len);
	}
}

/* Uploads and hits by turns on one connection; the body alone in a message of its own each time. */
static void test_by_turns(void **state)
{
	struct post p;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	post_make(&p, "POST", 1);
	for (int i = 0; i < 200; i++) {
		kern_send(kern.dialer, p.text, p.head_len);
		kern_send(kern.dialer, p.text + p.head_len, p.len - p.head_len);
		kern_served(p.text, p.len);
		kern_hit(STORED, STORED_LEN);
		if (i % 3 == 0)
			kern_miss("/other");
	}
	assert_int_equal(kern_count(ZS_COUNT_hits), 200);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

/* A body of which each byte is a message. */
static void test_single_bytes(void **state)
{
	struct post p;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	post_make(&p, "POST", 3);
	kern_send(kern.dialer, p.text, p.head_len);
	for (size_t at = p.head_len; at < p.len; at++)
		kern_send(kern.dialer, p.text + at, 1);
	kern_served(p.text, p.len);
	then(true);
	for (size_t at = 0; at < p.len; at++)
		kern_send(kern.dialer, p.text + at, 1);
	kern_served(p.text, p.len);
	then(false);
}

/* A message that is longer than the body, by a request or by a byte. */
static void test_beyond_the_body(void **state)
{
	struct post p;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	post_make(&p, "POST", 2);
	for (size_t announced = 0; announced < p.len - p.head_len; announced++) {
		char text[1024];
		size_t head = (size_t)sprintf(
			text, "POST /upload HTTP/1.1\r\nHost: rig\r\nContent-Length: %zu\r\n\r\n",
			announced);
		size_t body = p.len - p.head_len;

		memcpy(text + head, p.text + p.head_len, body);
		kern_redial();
		if (announced % 2) {
			kern_send(kern.dialer, text, head);
			kern_send(kern.dialer, text + head, body);
		} else {
			kern_send(kern.dialer, text, head + body);
		}
		kern_served(text, head + body);
		then(false);
	}
}

/* --- files ----------------------------------------------------------------------------------- */

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("kern", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	return fd;
}

/* The file's own pages are not written to by anyone on the way. */
static void file_still(int fd, const void *data, size_t len)
{
	static char again[4096];

	assert_int_equal(pread(fd, again, sizeof(again), 0), (ssize_t)len);
	assert_memory_equal(again, data, len);
}

static void test_sendfile_body(void **state)
{
	struct post p;
	int fd;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	post_make(&p, "POST", 2);
	fd = file_of(p.text, p.len);
	for (size_t cut = 1; cut < p.len - p.head_len; cut += 5) {
		off_t at = (off_t)p.head_len;

		kern_redial();
		kern_send(kern.dialer, p.text, p.head_len);
		assert_int_equal(sendfile(kern.dialer, fd, &at, cut), (ssize_t)cut);
		assert_int_equal(sendfile(kern.dialer, fd, &at, p.len),
				 (ssize_t)(p.len - p.head_len - cut));
		kern_served(p.text, p.len);
		then(true);
		file_still(fd, p.text, p.len);
	}
	close(fd);
}

/* As the first bytes of a connection: answered or served, and once. */
static void test_sendfile_request(void **state)
{
	char get[64];
	size_t n = zs_rig_request("GET", STORED, get, sizeof(get));
	int fd = file_of(get, n);

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	for (int i = 0; i < 20; i++) {
		struct pollfd p[2] = {{.fd = kern.dialer, .events = POLLIN},
				      {.fd = kern.acceptor, .events = POLLIN}};
		off_t at = 0;

		assert_int_equal(sendfile(kern.dialer, fd, &at, n), (ssize_t)n);
		assert_int_equal(poll(p, 2, 2000), 1);
		if (p[0].revents) {
			kern_answered(kern.dialer, "GET", STORED, STORED_LEN);
			kern_quiet(kern.acceptor);
		} else {
			kern_served(get, n);
		}
		file_still(fd, get, n);
		if (i % 4 == 3)
			kern_redial();
	}
	close(fd);
}

static void test_sendfile_upload(void **state)
{
	struct post p;
	int fd;

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	post_make(&p, "POST", 4);
	fd = file_of(p.text, p.len);
	for (size_t cut = p.head_len; cut < p.len; cut += 17) {
		off_t at = 0;

		kern_redial();
		assert_int_equal(sendfile(kern.dialer, fd, &at, cut), (ssize_t)cut);
		assert_int_equal(sendfile(kern.dialer, fd, &at, p.len - cut),
				 (ssize_t)(p.len - cut));
		kern_served(p.text, p.len);
		kern_ask(kern.dialer, "GET", STORED);
		kern_readable(kern.dialer);
		kern_answered(kern.dialer, "GET", STORED, STORED_LEN);
		file_still(fd, p.text, p.len);
	}
	close(fd);
}

static void test_splice_body(void **state)
{
	struct post p;
	int pipes[2];

	(void)state;
	kern_put(STORED, STORED_LEN, 60);
	post_make(&p, "POST", 1);
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < 20; i++) {
		size_t body = p.len - p.head_len;

		kern_send(kern.dialer, p.text, p.head_len);
		assert_int_equal(write(pipes[1], p.text + p.head_len, body), (ssize_t)body);
		assert_int_equal(splice(pipes[0], NULL, kern.dialer, NULL, body, 0), (ssize_t)body);
		kern_served(p.text, p.len);
		then(true);
	}
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KERN_TEST(test_two_writes),	 KERN_TEST(test_two_writes_apart),
		KERN_TEST(test_many_writes),	 KERN_TEST(test_by_turns),
		KERN_TEST(test_single_bytes),	 KERN_TEST(test_beyond_the_body),
		KERN_TEST(test_sendfile_body),	 KERN_TEST(test_sendfile_request),
		KERN_TEST(test_sendfile_upload), KERN_TEST(test_splice_body),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("IPv4", tests, kern_open_v4, kern_close);

	failed += cmocka_run_group_tests_name("IPv6", tests, kern_open_v6, kern_close);
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
