// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding cgroup2 directories. Paths out of /proc and out of systemd are relative to a root that
 * need not be what is mounted here, so every candidate is looked at before it is believed.
 */
#include "cgroup.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEMP_PREFIX	"zeroserve-"
#define UNIT_MAX	255  /* systemd: UNIT_NAME_MAX */
#define SYSTEMCTL_WAIT	5000 /* ms */
#define REMOVE_TRIES	50
#define REMOVE_PAUSE_NS 10000000L

/* Copies a field of mountinfo that ends at a blank. \ooo stands for blank, tab, newline, backslash.
 */
static bool unescape(const char *from, size_t len, char *to, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = from[i];

		if (c == '\\' && len - i > 3 && from[i + 1] >= '0' && from[i + 1] <= '3' &&
		    from[i + 2] >= '0' && from[i + 2] <= '7' && from[i + 3] >= '0' &&
		    from[i + 3] <= '7') {
			c = (char)((from[i + 1] - '0') * 64 + (from[i + 2] - '0') * 8 +
				   (from[i + 3] - '0'));
			i += 3;
		}
		if (!c || n + 1 >= size)
			return false;
		to[n++] = c;
	}
	to[n] = '\0';
	return n > 0;
}

/* id parent major:minor ROOT POINT options optional... - FSTYPE source options */
static bool mount_parse(const char *line, size_t len, struct zs_cgroup_mount *mount)
{
	const char *end = line + len, *root = NULL, *point = NULL;
	size_t root_len = 0, point_len = 0;
	bool after_dash = false;

	for (int field = 0; line < end; field++) {
		const char *blank = memchr(line, ' ', (size_t)(end - line));
		size_t n = (size_t)((blank ? blank : end) - line);

		if (field == 3) {
			root = line;
			root_len = n;
		} else if (field == 4) {
			point = line;
			point_len = n;
		} else if (after_dash) {
			return n == 7 && !memcmp(line, "cgroup2", 7) && root[0] == '/' &&
			       point[0] == '/' &&
			       unescape(root, root_len, mount->root, sizeof(mount->root)) &&
			       unescape(point, point_len, mount->point, sizeof(mount->point));
		} else if (field > 5 && n == 1 && *line == '-') {
			after_dash = true;
		}
		line += n + 1;
	}
	return false;
}

size_t zs_cgroup_mounts_parse(const char *text, struct zs_cgroup_mount *mounts, size_t max)
{
	size_t n = 0;

	while (*text && n < max) {
		size_t len = strcspn(text, "\n");

		if (mount_parse(text, len, &mounts[n]))
			n++;
		text += len + (text[len] == '\n');
	}
	return n;
}

int zs_cgroup_below(const struct zs_cgroup_mount *mount, const char *cgroup, char *path)
{
	size_t root = strcmp(mount->root, "/") ? strlen(mount->root) : 0;
	char joined[2 * PATH_MAX];

	if (cgroup[0] != '/' || strncmp(cgroup, mount->root, root) ||
	    (cgroup[root] && cgroup[root] != '/'))
		return -ENOENT;
	cgroup += root;
	if (!strncmp(cgroup, "/..", 3) && (!cgroup[3] || cgroup[3] == '/'))
		return -ENOENT;
	if (!strcmp(cgroup, "/"))
		cgroup = "";
	snprintf(joined, sizeof(joined), "%s%s", mount->point, cgroup);
	if (strlen(joined) >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, joined, strlen(joined) + 1);
	return 0;
}

/* A whole file of /proc, which has no size before it is read. */
static int file_read(const char *name, char **text)
{
	FILE *file = fopen(name, "re");
	size_t size = 0;
	int err = 0;

	if (!file)
		return -errno;
	errno = 0;
	*text = NULL;
	if (getdelim(text, &size, '\0', file) < 0) {
		err = errno ? -errno : -ENODATA;
		free(*text);
		*text = NULL;
	}
	fclose(file);
	return err;
}

/* The mounts of this process, on the heap, or NULL with *err set. */
static struct zs_cgroup_mount *mounts_find(size_t *count, int *err)
{
	struct zs_cgroup_mount *mounts = calloc(ZS_CGROUP_MOUNTS_MAX, sizeof(*mounts));
	char *text = NULL;

	*err = mounts ? file_read("/proc/self/mountinfo", &text) : -ENOMEM;
	if (!*err) {
		*count = zs_cgroup_mounts_parse(text, mounts, ZS_CGROUP_MOUNTS_MAX);
		if (!*count)
			*err = -ENODEV;
	}
	free(text);
	if (!*err)
		return mounts;
	if (*err == -ENODEV)
		zs_error("cgroup2: not mounted anywhere: mount -t cgroup2 none /sys/fs/cgroup, "
			 "or boot with systemd.unified_cgroup_hierarchy=1");
	else
		zs_error("/proc/self/mountinfo: %s: cannot look for cgroup2", strerror(-*err));
	free(mounts);
	return NULL;
}

static int directory_check(const char *path)
{
	struct statfs fs;
	struct stat st;

	if (stat(path, &st) || statfs(path, &fs))
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (!S_ISDIR(st.st_mode) || (unsigned long)fs.f_type != CGROUP2_SUPER_MAGIC)
		return -EINVAL;
	return 0;
}

/* The first mount below which this cgroup is really there. -ENOENT: none; -ENODEV is logged. */
static int cgroup_locate(const char *cgroup, char *path)
{
	struct zs_cgroup_mount *mounts;
	char candidate[PATH_MAX];
	size_t count = 0;
	int err;

	mounts = mounts_find(&count, &err);
	if (!mounts)
		return err;
	err = -ENOENT;
	for (size_t i = 0; err && i < count; i++) {
		if (zs_cgroup_below(&mounts[i], cgroup, candidate) || directory_check(candidate))
			continue;
		memcpy(path, candidate, sizeof(candidate));
		err = 0;
	}
	free(mounts);
	return err;
}

/* systemd's unit names (unit-name.c) without globs: nothing that climbs or looks like an option. */
static int unit_normalise(const char *given, char unit[UNIT_MAX + 1])
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789:-_.\\@";
	size_t len = strlen(given);
	int n;

	if (!len || len != strspn(given, allowed) || given[0] == '-' || given[0] == '.')
		return -EINVAL;
	n = snprintf(unit, UNIT_MAX + 1, "%s%s", given, strchr(given, '.') ? "" : ".service");
	return n > UNIT_MAX ? -EINVAL : 0;
}

/* Reads what the child writes until it ends. Returns whether it did so in time. */
static bool output_read(int fd, char *text, size_t size)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len + 1 < size && poll(&pfd, 1, SYSTEMCTL_WAIT) > 0) {
		n = read(fd, text + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return n == 0;
}

/* systemd's answer, empty for an unknown or inactive unit. -ENOSYS: there is nobody to ask. */
static int systemctl_ask(const char *unit, char *cgroup, size_t size)
{
	const char *tool =
		access("/usr/bin/systemctl", X_OK) ? "/bin/systemctl" : "/usr/bin/systemctl";
	char *argv[] = {(char *)"systemctl", (char *)"--no-pager",   (char *)"show",
			(char *)"-p",	     (char *)"ControlGroup", (char *)"--value",
			(char *)"--",	     (char *)unit,	     NULL};
	posix_spawn_file_actions_t actions;
	int fds[2], status = 0, err;
	pid_t pid;

	if (access(tool, X_OK))
		return -ENOSYS;
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	err = -posix_spawn(&pid, tool, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (!err) {
		if (!output_read(fds[0], cgroup, size))
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	return err || !WIFEXITED(status) || WEXITSTATUS(status) ? -ENOSYS : 0;
}

int zs_cgroup_from_unit(const char *given, char *path)
{
	char unit[UNIT_MAX + 1], cgroup[PATH_MAX] = "";
	int err = unit_normalise(given, unit);

	if (err) {
		zs_error("unit \"%.64s\": not a unit name: give one like caddy.service", given);
		return err;
	}
	if (systemctl_ask(unit, cgroup, sizeof(cgroup)))
		snprintf(cgroup, sizeof(cgroup), "/system.slice/%s", unit);
	err = cgroup[0] == '/' && cgroup[1] ? cgroup_locate(cgroup, path) : -ENOENT;
	if (err == -ENOENT)
		zs_error("unit %s: has no cgroup: not running or not known here: "
			 "systemctl start %s, or give --pid or --cgroup",
			 unit, unit);
	return err;
}

int zs_cgroup_from_pid(pid_t pid, char *path)
{
	char name[64], *text = NULL, *line;
	int err;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	err = pid > 0 ? file_read(name, &text) : -ENOENT;
	if (err) {
		zs_error("process %d: %s: give the pid of the running Caddy", (int)pid,
			 err == -ENOENT || err == -ESRCH ? "does not exist" : strerror(-err));
		return err == -ESRCH ? -ENOENT : err;
	}
	for (line = text; line && strncmp(line, "0::", 3); line = line ? line + 1 : NULL)
		line = strchr(line, '\n');
	if (line) {
		line[strcspn(line, "\n")] = '\0';
		err = cgroup_locate(line + 3, path);
		if (err == -ENOENT)
			zs_error("process %d: its cgroup %s is not below any cgroup2 mount: is it "
				 "in "
				 "another container? run zs-load on the host",
				 (int)pid, line + 3);
	} else {
		zs_error("process %d: is in no cgroup2 cgroup: mount cgroup2 first", (int)pid);
		err = -ENODEV;
	}
	free(text);
	return err;
}

int zs_cgroup_from_path(const char *given, char *path)
{
	char real[PATH_MAX];
	int err = 0;

	if (given[0] != '/') {
		zs_error("cgroup %s: not an absolute path: give one like "
			 "/sys/fs/cgroup/system.slice/caddy.service",
			 given);
		return -EINVAL;
	}
	if (!realpath(given, real))
		err = errno == ENOTDIR ? -ENOENT : -errno;
	if (!err)
		err = directory_check(real);
	if (err == -EINVAL)
		zs_error("cgroup %s: not a directory of cgroup2: findmnt -t cgroup2 says where "
			 "they are",
			 given);
	else if (err)
		zs_error("cgroup %s: %s: systemd-cgls lists the cgroups there are", given,
			 strerror(-err));
	else
		memcpy(path, real, sizeof(real));
	return err;
}

int zs_cgroup_id(const char *path, uint64_t *id)
{
	union {
		struct file_handle head;
		char room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} handle = {.head.handle_bytes = sizeof(uint64_t)};
	struct stat st;
	int mount;

	if (!name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0) &&
	    handle.head.handle_bytes == sizeof(uint64_t)) {
		memcpy(id, handle.head.f_handle, sizeof(*id));
		return 0;
	}
	/* seccomp filters of containers like to forbid file handles; on 64 bit both are the same */
	if (stat(path, &st)) {
		int err = -errno;

		zs_error("cgroup %s: %s: cannot read its id", path, strerror(-err));
		return err;
	}
	*id = st.st_ino;
	return 0;
}

int zs_cgroup_create_temp(char *path)
{
	struct zs_cgroup_mount *mounts;
	char candidate[PATH_MAX];
	size_t count = 0;
	int err;

	mounts = mounts_find(&count, &err);
	if (!mounts)
		return err;
	err = -ENAMETOOLONG;
	for (size_t i = 0; err && i < count; i++) {
		if (zs_cgroup_below(&mounts[i], mounts[i].root, candidate) ||
		    strlen(candidate) + sizeof("/" TEMP_PREFIX "XXXXXX") > sizeof(candidate))
			continue;
		strcat(candidate, "/" TEMP_PREFIX "XXXXXX");
		err = mkdtemp(candidate) ? 0 : -errno;
	}
	if (err)
		zs_error("cgroup2 at %s: no cgroup can be made for the self-test: %s: run as root "
			 "where cgroup2 is mounted read-write",
			 mounts[0].point, strerror(-err));
	else
		memcpy(path, candidate, sizeof(candidate));
	free(mounts);
	return err;
}

int zs_cgroup_enter(const char *path, pid_t pid)
{
	char name[PATH_MAX + sizeof("/cgroup.procs")];
	int fd, err = 0;

	snprintf(name, sizeof(name), "%s/cgroup.procs", path);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "%d\n", (int)pid) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		zs_error("cgroup %s: process %d cannot be moved there: %s", path, (int)pid,
			 strerror(-err));
	return err;
}

int zs_cgroup_remove_temp(const char *path)
{
	const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_NS};
	const char *name = strrchr(path, '/');
	int err = -EBUSY;

	if (!name || strncmp(name + 1, TEMP_PREFIX, strlen(TEMP_PREFIX))) {
		zs_error("cgroup %s: not one of the self-test's: not removed", path);
		return -EINVAL;
	}
	for (int i = 0; err == -EBUSY && i < REMOVE_TRIES; i++) {
		if (i)
			nanosleep(&pause, NULL);
		err = rmdir(path) ? -errno : 0;
	}
	if (err == -ENOENT)
		err = 0;
	if (err)
		zs_error("cgroup %s: cannot be removed: %s: rmdir it once its processes are gone",
			 path, strerror(-err));
	return err;
}
