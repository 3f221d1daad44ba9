// SPDX-License-Identifier: GPL-2.0-or-later
/* Segments of a client's that bring bytes which were received before beside new ones, as a retransmission of two
 * segments joined into one does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_client.h"

static int begin(void **state)
{
	(void)state;
	return client_begin();
}

static int finish(void **state)
{
	(void)state;
	return client_end();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

/* The next sequence numbers of a socket's: which = 1: to receive, 2: to send. */
static uint32_t sequence(int fd, int which)
{
	socklen_t len = sizeof(uint32_t);
	uint32_t seq = 0;
	int on = 1, off = -1;

	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &which, sizeof(which)), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)), 0);
	return seq;
}

static uint32_t sum16(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

/* A segment as if the client's socket had sent it. */
static void inject(uint32_t seq, uint32_t ack, const char *payload)
{
	struct sockaddr_in own, to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct {
		struct tcphdr h;
		char data[256];
	} s = {0};
	size_t len = strlen(payload), all = sizeof(s.h) + len;
	socklen_t own_len = sizeof(own);
	uint32_t sum = 2 * (0x7f00 + 0x0001) + IPPROTO_TCP + (uint32_t)all;
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	assert_true(raw >= 0);
	assert_int_equal(getsockname(client.fd, (struct sockaddr *)&own, &own_len), 0);
	memcpy(s.data, payload, len);
	s.h.source = own.sin_port;
	s.h.dest = htons(kern.rig.port);
	s.h.seq = htonl(seq);
	s.h.ack_seq = htonl(ack);
	s.h.doff = 5;
	s.h.ack = s.h.psh = 1;
	s.h.window = htons(60000);
	sum = sum16(sum, &s, all);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	s.h.check = htons((uint16_t)~sum);
	assert_int_equal(sendto(raw, &s, all, 0, (struct sockaddr *)&to, sizeof(to)), all);
	close(raw);
}

/* The server gets every byte once, followed or not. */
static void overlaps(bool followed, uint32_t repeated)
{
	static const char first[] = "POST /b/ HTTP/1.1\r\nHost: rig\r\nContent-Length: 10\r\n\r\n01234";
	char text[256];
	uint32_t seq, ack;

	assert_int_equal(zs_rig_listen(&kern.rig, followed, false, 0), 0);
	client_dial();
	client_ask("GET", 'l', 10);
	client_expect(false);
	kern_send(client.fd, first, strlen(first));
	usleep(20000);
	seq = sequence(client.fd, 2);
	ack = sequence(client.fd, 1);
	snprintf(text, sizeof(text), "%s56789", first + strlen(first) - repeated);
	server.requests = 0;
	inject(seq - repeated, ack, text);
	for (int i = 0; i < 200 && !server.requests; i++)
		usleep(5000);
	usleep(20000);
	assert_int_equal(server.requests, 1);
	for (struct server_conn *c = server.conn; c < server.conn + SERVER_CONNS; c++) {
		if (!c->fd)
			continue;
		assert_int_equal(c->in_len, 0);
		assert_non_null(memmem(c->out, 400, "\r\n\r\n0123456789", 14));
	}
	assert_int_equal(kern_count(ZS_COUNT_repeated) > 0, followed);
}

static void test_not_followed(void **state)
{
	(void)state;
	overlaps(false, 3);
}

static void test_followed(void **state)
{
	(void)state;
	overlaps(true, 3);
}

/* What sockets carry for life sees to it alone. */
static void test_gate_gone(void **state)
{
	(void)state;
	assert_int_equal(zs_rig_gate(&kern.rig, false), 0);
	overlaps(true, 7);
	assert_int_equal(zs_rig_gate(&kern.rig, true), 0);
}

static void test_whole(void **state)
{
	(void)state;
	overlaps(true, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_not_followed), TEST(test_followed), TEST(test_whole),
					   TEST(test_gate_gone)};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests_name("acceptor/overlap", tests, client_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
