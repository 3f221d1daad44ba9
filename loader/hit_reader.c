// SPDX-License-Identifier: GPL-2.0-or-later
/* From the ring zs_hits to lines in a file: who may read, how often to look, what to do when nobody takes the lines. */
#include "hit_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "clock.h"
#include "counters.h"
#include "hitlog.h"
#include "log.h"

#define CLAIM_NS    (3 * ZS_NS)   /* without renewal for so long, nothing is logged and anybody may read */
#define RENEW_US    500000
#define POLL_BUSY   5             /* ms, while events come: a few hundred at once cost less than each by itself */
#define POLL_IDLE   50            /* ms: how late the first line is at most */
#define CLAIM_MS    250
#define CHECK_NS    ZS_NS
#define WARN_NS     (10 * ZS_NS)
#define BUFFER_SIZE (256u << 10)

struct reader {
	const struct zs_hit_reader_options *o;
	const struct zs_maps *maps;
	struct zs_ctl *ctl;
	struct ring_buffer *ring;
	char *buffer;
	size_t used;
	uint32_t pending;      /* lines in the buffer */
	int64_t wall;          /* see zs_hitlog_line() */
	uint64_t since, until; /* boot-time ns */
	uint64_t lines;        /* formatted */
	uint64_t unwritten, unwritten_told;
	uint64_t lost, lost_told;   /* zs_counters: log_lost */
	uint64_t checked, warned;   /* boot-time ns */
	bool torn;             /* the last line that was written is not whole */
	bool deaf;             /* nobody reads the lines */
};

/* --- the claim -------------------------------------------------------------------------------- */

static struct zs_ctl *claimed; /* for the handler */

static bool is_ours(const struct zs_ctl *ctl)
{
	return __atomic_load_n(&ctl->log_reader, __ATOMIC_SEQ_CST) == (uint32_t)getpid();
}

static void renew(int number)
{
	int saved = errno;

	(void)number;
	if (is_ours(claimed))
		__atomic_store_n(&claimed->logging, zs_boot_ns() + CLAIM_NS, __ATOMIC_SEQ_CST);
	errno = saved;
}

/* The pid of who reads already, or 0: we do. */
static uint32_t claim(struct zs_ctl *ctl)
{
	uint32_t there = __atomic_load_n(&ctl->log_reader, __ATOMIC_SEQ_CST);

	do {
		if (there && zs_boot_ns() < __atomic_load_n(&ctl->logging, __ATOMIC_SEQ_CST))
			return there;
	} while (!__atomic_compare_exchange_n(&ctl->log_reader, &there, (uint32_t)getpid(), false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return 0;
}

static void timer_set(suseconds_t us)
{
	struct sigaction action = {.sa_handler = us ? renew : SIG_DFL, .sa_flags = SA_RESTART};
	struct itimerval timer = {.it_interval.tv_usec = us, .it_value.tv_usec = us};

	if (us)
		sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	if (!us)
		sigaction(SIGALRM, &action, NULL);
}

void zs_hit_reader_gone(struct zs_ctl *ctl, pid_t pid)
{
	uint32_t there = (uint32_t)pid;

	if (__atomic_load_n(&ctl->log_reader, __ATOMIC_SEQ_CST) != there)
		return;
	__atomic_store_n(&ctl->logging, 0, __ATOMIC_SEQ_CST);
	__atomic_compare_exchange_n(&ctl->log_reader, &there, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Who reads, and where its lines go: readers write to stdout. */
static void taken_tell(uint32_t pid)
{
	char link[64], to[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/fd/%d", pid, STDOUT_FILENO);
	n = readlink(link, to, sizeof(to) - 1);
	to[n < 0 ? 0 : n] = 0;
	if (to[0] == '/' && strncmp(to, "/dev/", 5))
		zs_error("log: process %u reads the hits already, and writes them to %s: read that file (tail -F), or "
			 "end that process", pid, to);
	else
		zs_error("log: process %u reads the hits already%s%s; there can be only one reader: end that one first",
			 pid, to[0] ? ", and writes them to " : "", to);
}

static int claim_wait(struct reader *r)
{
	uint32_t told = 0, there;

	while ((there = claim(r->ctl))) {
		if (there != told)
			taken_tell(there);
		told = there;
		if (!r->o->stays)
			return -EBUSY;
		if (*r->o->stop)
			return -EINTR;
		usleep(CLAIM_MS * 1000);
	}
	claimed = r->ctl;
	renew(0);
	timer_set(RENEW_US);
	return 0;
}

/* --- lines out -------------------------------------------------------------------------------- */

/* Writes until all of it is written, or cannot be. Returns the number of bytes; errno says why not more. */
static size_t write_on(const struct reader *r, const char *bytes, size_t n)
{
	size_t done = 0;

	while (done < n) {
		struct pollfd p = {.fd = r->o->out, .events = POLLOUT};
		ssize_t wrote = write(r->o->out, bytes + done, n - done);

		if (wrote >= 0)
			done += (size_t)wrote;
		else if (errno == EAGAIN && !*r->o->stop)
			poll(&p, 1, POLL_IDLE);
		else if (errno != EINTR || *r->o->stop)
			break;
	}
	return done;
}

/* What could not be written is lost to the log, not to the ring: hits go on. */
static void unwritten_count(struct reader *r, size_t done)
{
	int err = errno;

	for (size_t i = 0; i < done; i++)
		r->pending -= r->buffer[i] == '\n';
	r->torn = done > 0 ? r->buffer[done - 1] != '\n' : r->torn;
	if ((err == EPIPE || (err == EINTR && *r->o->stop)) && !r->o->stays) {
		r->deaf = true;
		return;
	}
	if (!r->unwritten || zs_boot_ns() - r->warned >= WARN_NS) {
		zs_error("log: lines cannot be written: %s; they are lost until that ends", strerror(err));
		r->warned = zs_boot_ns();
	}
	r->unwritten += r->pending;
}

static void flush(struct reader *r)
{
	size_t done;

	if (!r->used)
		return;
	if (r->torn && write_on(r, "\n", 1) == 1)
		r->torn = false;
	done = r->torn ? 0 : write_on(r, r->buffer, r->used);
	if (done < r->used)
		unwritten_count(r, done);
	r->used = 0;
	r->pending = 0;
}

static bool is_enough(const struct reader *r)
{
	return r->deaf || (r->o->lines && r->lines >= r->o->lines);
}

static int on_event(void *user, void *event, size_t size)
{
	struct reader *r = user;
	const struct zs_event_hit *hit = event;

	if (is_enough(r))
		return -ECANCELED;
	if (size >= sizeof(hit->time) && hit->time < r->since)
		return 0;
	r->used += zs_hitlog_line(event, size, r->wall, r->buffer + r->used);
	r->pending++;
	r->lines++;
	if (BUFFER_SIZE - r->used < ZS_HITLOG_LINE_MAX)
		flush(r);
	return 0;
}

/* --- now and then ----------------------------------------------------------------------------- */

static uint64_t lost_read(const struct reader *r)
{
	uint64_t counters[ZS_COUNTERS];

	return zs_counters_read(r->maps->fd[ZS_MAP_counters], counters) ? r->lost : counters[ZS_COUNT_log_lost];
}

static void losses_tell(struct reader *r, uint64_t now)
{
	if (r->lost == r->lost_told && r->unwritten == r->unwritten_told)
		return;
	if (r->lost != r->lost_told)
		zs_warn("log: %llu hits are missing: they came faster than lines could be written",
			(unsigned long long)(r->lost - r->lost_told));
	if (r->unwritten != r->unwritten_told)
		zs_warn("log: %llu lines could not be written", (unsigned long long)(r->unwritten - r->unwritten_told));
	r->lost_told = r->lost;
	r->unwritten_told = r->unwritten;
	r->warned = now;
}

static int check(struct reader *r, uint64_t now)
{
	if (!is_ours(r->ctl)) {
		zs_error("log: process %u has taken over, because this one had stopped for seconds", r->ctl->log_reader);
		return -ECANCELED;
	}
	r->wall = (int64_t)(zs_clock_ns(CLOCK_REALTIME) - zs_boot_ns());
	if (now - r->checked < CHECK_NS)
		return 0;
	r->checked = now;
	r->lost = lost_read(r);
	if (now - r->warned >= WARN_NS)
		losses_tell(r, now);
	return 0;
}

/* Another file to write to, which takes the old one's number. */
static void out_replace(struct reader *r)
{
	char byte, space[CMSG_SPACE(sizeof(int))];
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space,
				 .msg_controllen = sizeof(space)};
	struct cmsghdr *head;
	int fd;

	if (recvmsg(r->o->control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
		return;
	head = CMSG_FIRSTHDR(&message);
	if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	flush(r);
	if (dup2(fd, r->o->out) < 0)
		zs_error("log: cannot go over to the new file: %s", strerror(errno));
	close(fd);
	r->torn = false;
}

/* Until there may be something to do. With events coming in the ring is not looked at: they shall gather. */
static void wait_on(struct reader *r, bool busy)
{
	struct pollfd p[] = {
		{.fd = r->o->out}, /* its end is heard of, even if there is no line to write */
		{.fd = r->o->control, .events = POLLIN},
		{.fd = busy ? -1 : r->maps->fd[ZS_MAP_hits], .events = POLLIN},
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), busy ? POLL_BUSY : POLL_IDLE) <= 0)
		return;
	if (p[0].revents & (POLLERR | POLLNVAL)) {
		r->deaf = !r->o->stays;
		if (r->o->stays)
			usleep(POLL_IDLE * 1000);
	}
	if (p[1].revents & POLLIN)
		out_replace(r);
}

static int loop(struct reader *r)
{
	int n, err = 0;

	while (!err && !*r->o->stop && !is_enough(r)) {
		uint64_t now = zs_boot_ns();

		if (r->until && now >= r->until)
			break;
		err = check(r, now);
		if (err)
			break;
		n = ring_buffer__consume(r->ring);
		flush(r);
		if (!is_enough(r))
			wait_on(r, n > 0);
	}
	return err;
}

/* --- life ------------------------------------------------------------------------------------- */

static int reader_open(struct reader *r)
{
	r->ctl = zs_ctl_map(r->maps);
	r->buffer = malloc(BUFFER_SIZE);
	r->ring = ring_buffer__new(r->maps->fd[ZS_MAP_hits], on_event, r, NULL);
	if (r->ctl && r->buffer && r->ring)
		return 0;
	zs_error("log: cannot open the ring of hits: %s", strerror(errno));
	return -errno;
}

static void reader_close(struct reader *r)
{
	ring_buffer__free(r->ring);
	free(r->buffer);
	if (r->ctl)
		munmap(r->ctl, sizeof(*r->ctl));
}

/* Nothing comes in any more; what has come in is still written. */
static void leave(struct reader *r)
{
	timer_set(0);
	if (!is_ours(r->ctl))
		return;
	__atomic_store_n(&r->ctl->logging, 0, __ATOMIC_SEQ_CST);
	if (!is_enough(r)) {
		ring_buffer__consume(r->ring);
		flush(r);
	}
	zs_hit_reader_gone(r->ctl, getpid());
	r->lost = lost_read(r);
	losses_tell(r, zs_boot_ns());
}

int zs_hit_reader_run(const struct zs_maps *maps, const struct zs_hit_reader_options *options)
{
	struct reader r = {.o = options, .maps = maps};
	int err = reader_open(&r);

	if (!err)
		err = claim_wait(&r);
	if (!err) {
		r.lost = r.lost_told = lost_read(&r);
		r.wall = (int64_t)(zs_clock_ns(CLOCK_REALTIME) - zs_boot_ns());
		r.since = options->news_only ? zs_boot_ns() : 0;
		r.until = options->ns ? zs_boot_ns() + options->ns : 0;
		err = loop(&r);
		leave(&r);
	}
	reader_close(&r);
	return err == -EINTR ? 0 : err;
}
