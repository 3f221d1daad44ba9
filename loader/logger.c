// SPDX-License-Identifier: GPL-2.0-or-later
/* run's log of hits: the parent's side, and the beginning of the process that writes it. */
#include "logger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "caps.h"
#include "clock.h"
#include "hit_reader.h"
#include "log.h"

#define RESTART_MS_LEAST 250
#define RESTART_MS_MOST  8000
#define END_MS           3000

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* An fd, or -errno (logged). A pipe that nobody reads must not hold us up; once open, writing may wait. */
static int file_open(const char *path)
{
	int fd, err;

	if (!strcmp(path, "-"))
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	else
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (fd < 0 || (strcmp(path, "-") && fcntl(fd, F_SETFL, O_APPEND) < 0)) {
		err = -errno;
		zs_error("log '%s': cannot be opened: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	return fd;
}

int zs_logger_open(struct zs_logger *l, const char *path)
{
	int fd = path ? file_open(path) : -1;

	if (path && fd < 0)
		return fd;
	*l = (struct zs_logger){.path = path, .out = fd, .control = -1, .pause = RESTART_MS_LEAST};
	return 0;
}

/* In the new process. */
static int logger_run(const struct zs_logger *l, int control, pid_t parent)
{
	const int keep[] = {l->maps->fd[ZS_MAP_hits], l->maps->fd[ZS_MAP_ctl], l->maps->fd[ZS_MAP_counters], control};
	struct sigaction action = {.sa_handler = on_signal};
	struct zs_hit_reader_options reader = {
		.out = STDOUT_FILENO, .control = control, .stays = true, .stop = &stop,
	};
	sigset_t none;
	int err;

	if (dup2(l->out, STDOUT_FILENO) < 0)
		return -errno;
	zs_fds_keep(keep, sizeof(keep) / sizeof(keep[0]));
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGHUP, SIG_IGN); /* may go to the whole unit; what it means is the parent's business */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	err = zs_caps_drop(l->user);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		err = -ESRCH;
	return err ? err : zs_hit_reader_run(l->maps, &reader);
}

static int spawn(struct zs_logger *l)
{
	pid_t parent = getpid();
	int ends[2];

	if (l->control >= 0)
		close(l->control);
	l->control = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	l->pid = fork();
	if (!l->pid)
		_exit(logger_run(l, ends[1], parent) ? 1 : 0);
	close(ends[1]);
	if (l->pid < 0) {
		l->pid = 0;
		close(ends[0]);
		return -errno;
	}
	l->control = ends[0];
	return 0;
}

int zs_logger_start(struct zs_logger *l, const struct zs_maps *maps, struct zs_ctl *ctl, const char *user)
{
	int err;

	if (!l->path)
		return 0;
	l->maps = maps;
	l->ctl = ctl;
	l->user = user;
	err = spawn(l);
	if (err)
		zs_error("the log's process cannot be started: %s", strerror(-err));
	return err;
}

void zs_logger_check(struct zs_logger *l)
{
	uint64_t now = zs_boot_ns();
	int status;

	if (!l->path || !l->maps)
		return;
	if (l->pid && waitpid(l->pid, &status, WNOHANG) == l->pid) {
		zs_hit_reader_gone(l->ctl, l->pid);
		zs_error("the log's process died (%s %d); starting another in %d ms; hits until then are missing in it",
			 WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			 l->pause);
		l->pid = 0;
		l->due = now + (uint64_t)l->pause * 1000000;
		l->pause = l->pause * 2 < RESTART_MS_MOST ? l->pause * 2 : RESTART_MS_MOST;
	}
	if (!l->pid && now >= l->due && spawn(l))
		l->due = now + (uint64_t)RESTART_MS_MOST * 1000000;
}

static int fd_send(int control, int fd)
{
	char byte = 'o', space[CMSG_SPACE(sizeof(int))] = "";
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space,
				 .msg_controllen = sizeof(space)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	return sendmsg(control, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -errno;
}

int zs_logger_reopen(struct zs_logger *l)
{
	int fd, err = 0;

	if (!l->path || !strcmp(l->path, "-"))
		return 0;
	fd = file_open(l->path);
	if (fd < 0)
		return fd;
	close(l->out);
	l->out = fd;
	if (l->pid)
		err = fd_send(l->control, fd);
	if (err)
		zs_error("log '%s': cannot be handed to the process that writes it: %s", l->path, strerror(-err));
	else
		zs_info("log '%s': opened anew", l->path);
	return err;
}

void zs_logger_end(struct zs_logger *l)
{
	int status, ms = 0;

	if (!l->path)
		return;
	if (l->pid)
		kill(l->pid, SIGTERM);
	while (l->pid && waitpid(l->pid, &status, WNOHANG) != l->pid) {
		usleep(10000);
		ms += 10;
		if (ms == END_MS) { /* its reader takes nothing */
			zs_warn("log '%s': the process does not end, its last lines are lost", l->path);
			kill(l->pid, SIGKILL);
		}
	}
	if (l->pid)
		zs_hit_reader_gone(l->ctl, l->pid);
	if (l->control >= 0)
		close(l->control);
	close(l->out);
	*l = (struct zs_logger){.out = -1, .control = -1};
}
