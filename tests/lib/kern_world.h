/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the kern tests: one rig per group of tests, a connection per test, objects whose bodies can
 * be told from their names, and exact expectations at both ends. Every test is bounded by an alarm
 * that leaves nothing behind. Include it after cmocka.h.
 */
#ifndef ZS_TEST_KERN_WORLD_H
#define ZS_TEST_KERN_WORLD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <zs/counters.h>

#include "cgroup.h"
#include "clock.h"
#include "counters.h"
#include "rig.h"

#define KERN_SECONDS 30	  /* a test may take */
#define KERN_FDS     1024 /* connections' ends open at once */
#define KERN_QUIET   20	  /* ms that are waited where nothing must come */

static struct {
	struct zs_rig rig;
	struct zs_rig_options options; /* for the next kern_open() */
	int dialer, acceptor;
	int fds[KERN_FDS];
	unsigned int count;
	uint64_t before[ZS_COUNTERS];
	char head[ZS_ANSWER_HEAD_MAX];	 /* of the last object stored, slots blank */
	uint8_t body[2 * ZS_ANSWER_MAX]; /* what was stored last, or is expected */
	uint8_t got[2 * ZS_ANSWER_MAX];	 /* what was received last */
	char cgroup[PATH_MAX];		 /* of the rig, after it is gone too */
	char home[PATH_MAX + 32];	 /* cgroup.procs of where the process belongs */
	char mount[64];			 /* of a bpffs of the test's own, if it has one */
} kern;

static const char kern_ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
#define KERN_OK_LEN (sizeof(kern_ok) - 1)

/* --- from opening to the proof that nothing is left ------------------------------------------ */

/* A test took too long, or the run was stopped. Only calls that are safe in a handler. */
static inline void kern_bail(int number)
{
	static const char late[] = "\nthis test ran out of time, or was stopped\n";
	int fd = open(kern.home, O_WRONLY | O_CLOEXEC);

	if (write(STDERR_FILENO, late, sizeof(late) - 1) < 0 || fd < 0 || write(fd, "0\n", 2) < 0)
		number = 1;
	rmdir(kern.rig.cgroup[0] ? kern.rig.cgroup : kern.cgroup);
	umount2(kern.mount, MNT_DETACH);
	rmdir(kern.mount);
	_exit(number ? 1 : 2);
}

static inline void kern_guard(void)
{
	char home[PATH_MAX];

	if (!zs_cgroup_from_pid(getpid(), home))
		snprintf(kern.home, sizeof(kern.home), "%s/cgroup.procs", home);
	signal(SIGALRM, kern_bail);
	signal(SIGTERM, kern_bail);
	signal(SIGINT, kern_bail);
	signal(SIGPIPE, SIG_IGN);
	alarm(KERN_SECONDS);
}

static inline int kern_open(enum zs_rig_family family)
{
	int err;

	kern_guard();
	err = zs_rig_open(&kern.rig, family, &kern.options);
	if (!err)
		memcpy(kern.cgroup, kern.rig.cgroup, sizeof(kern.cgroup));
	return err;
}

static inline int kern_open_v4(void **state)
{
	(void)state;
	return kern_open(ZS_RIG_V4);
}

static inline int kern_open_v6(void **state)
{
	(void)state;
	return kern_open(ZS_RIG_V6);
}

static inline int kern_open_mapped(void **state)
{
	(void)state;
	return kern_open(ZS_RIG_MAPPED);
}

static inline int kern_close(void **state)
{
	(void)state;
	zs_rig_close(&kern.rig);
	alarm(0);
	return 0;
}

/* Entries of a directory whose link, if it is one, begins with `link`; null: any entry. */
static inline unsigned int kern_entries(const char *path, const char *link)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned int n = 0;
	char to[64];

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		ssize_t len;

		if (e->d_name[0] == '.')
			continue;
		len = link ? readlinkat(dirfd(dir), e->d_name, to, sizeof(to) - 1) : 0;
		to[len < 0 ? 0 : len] = 0;
		n += !link || !strncmp(to, link, strlen(link));
	}
	closedir(dir);
	return n;
}

/* The last test of every program: no cgroup, no pin, no BPF object, no socket, no thread, no
 * process. */
static inline void kern_nothing_is_left(void **state)
{
	char path[PATH_MAX], home[PATH_MAX + 32];

	(void)state;
	assert_true(kern.cgroup[0]);
	assert_int_equal(access(kern.cgroup, F_OK), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(access(kern.mount[0] ? kern.mount : kern.cgroup, F_OK), -1);
	assert_int_equal(zs_cgroup_from_pid(getpid(), path), 0);
	snprintf(home, sizeof(home), "%s/cgroup.procs", path);
	assert_string_equal(home, kern.home);
	assert_int_equal(kern_entries("/proc/self/fd", "anon_inode:bpf"), 0);
	assert_int_equal(kern_entries("/proc/self/fd", "socket:"), 0);
	assert_int_equal(kern_entries("/proc/self/task", NULL), 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

#define KERN_LAST cmocka_unit_test(kern_nothing_is_left)

/* --- connections ----------------------------------------------------------------------------- */

static inline void kern_pair(int *dialer, int *acceptor)
{
	assert_true(kern.count + 2 <= KERN_FDS);
	assert_int_equal(zs_rig_pair(&kern.rig, dialer, acceptor), 0);
	kern.fds[kern.count++] = *dialer;
	kern.fds[kern.count++] = *acceptor;
}

static inline void kern_hang_up(void)
{
	while (kern.count)
		close(kern.fds[--kern.count]);
}

/* Hangs up every connection, and makes one. */
static inline void kern_redial(void)
{
	kern_hang_up();
	kern_pair(&kern.dialer, &kern.acceptor);
}

/* For tests that close an end themselves. */
static inline void kern_close_end(int fd)
{
	for (unsigned int i = 0; i < kern.count; i++)
		if (kern.fds[i] == fd)
			kern.fds[i] = kern.fds[--kern.count];
	close(fd);
}

static inline int kern_begin(void **state)
{
	(void)state;
	alarm(KERN_SECONDS);
	kern.rig.ctl->paused = 0;
	kern.rig.ctl->tokens = 0;
	kern.rig.ctl->tokens_half = 0;
	kern.rig.ctl->record_cap = ZS_ANSWER_MAX;
	kern_pair(&kern.dialer, &kern.acceptor);
	return zs_counters_read(kern.rig.maps.fd[ZS_MAP_counters], kern.before);
}

static inline int kern_end(void **state)
{
	(void)state;
	kern_hang_up();
	return 0;
}

#define KERN_TEST(f) cmocka_unit_test_setup_teardown(f, kern_begin, kern_end)

/* How much a counter rose in this test. */
static inline uint64_t kern_count(enum zs_counter id)
{
	return zs_rig_counter(&kern.rig, (int)id) - kern.before[id];
}

/* --- objects --------------------------------------------------------------------------------- */

/* The body of the object of that name and length: no two look alike. */
static inline void kern_fill(const char *target, uint8_t *body, uint32_t len)
{
	uint32_t x = 2166136261u ^ len;

	for (; *target; target++)
		x = (x ^ (uint8_t)*target) * 16777619u;
	for (uint32_t i = 0; i < len; i++) {
		uint32_t v = x + i * 2654435761u;

		body[i] = (uint8_t)((v ^ v >> 15) * 0x2c1b3c6du >> 24);
	}
}

#define KERN_AGE "\r\nAge: "
#define KERN_TTL "\r\nCache-Status: zeroserve; hit; ttl="

/* The head of a stored object of that length, slots blank. Returns its length. */
static inline size_t kern_head_of(uint32_t len, char *head)
{
	return (size_t)sprintf(
		head, "HTTP/1.1 200 OK\r\nContent-Length: %u" KERN_AGE "%*s" KERN_TTL "%*s\r\n\r\n",
		len, ZS_SLOT_DIGITS, "", ZS_SLOT_DIGITS, "");
}

static inline void kern_put(const char *target, uint32_t len, uint32_t seconds)
{
	char head[256];

	kern_fill(target, kern.body, len);
	assert_int_equal(zs_rig_put(&kern.rig, target, kern.body, len, seconds, kern.head), 0);
	kern_head_of(len, head);
	assert_string_equal(kern.head, head);
}

/* The stored object, to be changed by hand. */
static inline struct zs_object *kern_object(const char *target)
{
	const struct zs_object *o =
		zs_store_object(kern.rig.store, zs_rig_digest(&kern.rig, target));

	assert_non_null(o);
	return (struct zs_object *)o;
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* One write, taken whole. */
static inline void kern_send(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void kern_text(int fd, const char *text)
{
	kern_send(fd, text, strlen(text));
}

static inline size_t kern_ask(int fd, const char *method, const char *target)
{
	char text[2048];
	size_t len = zs_rig_request(method, target, text, sizeof(text));

	kern_send(fd, text, len);
	return len;
}

/* Exactly these bytes are received, or have come before time ran out. */
static inline void kern_arrives(int fd, const void *data, size_t len)
{
	assert_true(len <= sizeof(kern.got));
	assert_int_equal(zs_rig_recv(fd, kern.got, len), len);
	assert_memory_equal(kern.got, data, len);
}

static inline void kern_silent(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Nothing comes for a while either. */
static inline void kern_quiet(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, KERN_QUIET), 0);
	kern_silent(fd);
}

static inline void kern_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 2000), 1);
}

/* The number in a slot: digits, left-aligned, blanks behind; -1: something else. */
static inline long kern_slot(const char *slot)
{
	size_t digits = strspn(slot, "0123456789"), blanks = strspn(slot + digits, " ");

	if (!digits || digits + blanks != ZS_SLOT_DIGITS || (digits > 1 && *slot == '0'))
		return -1;
	return strtol(slot, NULL, 10);
}

/* 1: `got` is the answer of that object, head (slots apart) and body; for threads as well. */
static inline int kern_is_answer(const char *target, uint32_t len, const uint8_t *got,
				 uint8_t *scratch)
{
	char head[256];
	size_t n = kern_head_of(len, head);

	kern_fill(target, scratch, len);
	return zs_rig_head_equal(head, (const char *)got, n) && !memcmp(got + n, scratch, len);
}

static inline long kern_number(const char *behind)
{
	char *at = strstr((char *)kern.got, behind);

	assert_non_null(at);
	return kern_slot(at + strlen(behind));
}

/* The dialer is given the answer from the store, and nothing else. */
static inline void kern_answered(int fd, const char *method, const char *target, uint32_t len)
{
	uint32_t sent = strcmp(method, "HEAD") ? len : 0;
	char head[256];
	size_t n = kern_head_of(len, head);

	assert_int_equal(zs_rig_recv(fd, kern.got, n + sent), n + sent);
	assert_true(zs_rig_head_equal(head, (char *)kern.got, n));
	assert_true(kern_number(KERN_AGE) >= 0);
	assert_true(kern_number(KERN_TTL) >= 0);
	kern_fill(target, kern.body, len);
	assert_memory_equal(kern.got + n, kern.body, sent);
	kern_silent(fd);
}

static inline void kern_hit(const char *target, uint32_t len)
{
	kern_ask(kern.dialer, "GET", target);
	kern_answered(kern.dialer, "GET", target, len);
	kern_silent(kern.acceptor);
}

/* The server has the bytes and no others, and the dialer reads its response. */
static inline void kern_served(const void *data, size_t len)
{
	kern_arrives(kern.acceptor, data, len);
	kern_silent(kern.acceptor);
	kern_silent(kern.dialer);
	kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
	kern_arrives(kern.dialer, kern_ok, KERN_OK_LEN);
	kern_silent(kern.dialer);
}

/* A whole message in one write, which reaches the server. */
static inline void kern_pass(const char *text)
{
	kern_text(kern.dialer, text);
	kern_served(text, strlen(text));
}

static inline void kern_miss(const char *target)
{
	char text[2048];

	zs_rig_request("GET", target, text, sizeof(text));
	kern_pass(text);
}

/* Reproducible. */
static uint32_t kern_seed = 1;
static inline uint32_t kern_random(uint32_t below)
{
	kern_seed = kern_seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(kern_seed >> 4) * below >> 28);
}

#endif
