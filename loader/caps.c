// SPDX-License-Identifier: GPL-2.0-or-later
/* Capabilities: asked for once, dropped once, and not believed to be gone before that was tried. */
#include "caps.h"
#include "log.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool effective(cap_t caps, cap_value_t cap)
{
	cap_flag_value_t value = CAP_CLEAR;

	return !cap_get_flag(caps, cap, CAP_EFFECTIVE, &value) && value == CAP_SET;
}

int zs_caps_missing(char *text, size_t size)
{
	cap_t caps = cap_get_proc();
	bool bpf, net;

	if (!caps) {
		int err = -errno;

		zs_error("capabilities: cannot be read: %s", strerror(-err));
		return err;
	}
	bpf = effective(caps, CAP_BPF) || effective(caps, CAP_SYS_ADMIN);
	net = effective(caps, CAP_NET_ADMIN);
	cap_free(caps);
	snprintf(text, size, "%s%s%s", bpf ? "" : "CAP_BPF", bpf || net ? "" : ", ",
		 net ? "" : "CAP_NET_ADMIN");
	return !bpf + !net;
}

/* The user to become. Not found is an error only for one that was named. */
static int user_find(const char *user, uid_t *uid, gid_t *gid)
{
	const char *name = user ? user : "zeroserve";
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (!pw && !user) {
		name = "nobody";
		errno = 0;
		pw = getpwnam(name);
	}
	if (!pw) {
		int err = errno ? -errno : -ENOENT;

		zs_error("user %s: %s: cannot drop privileges: create it, or name another", name,
			 err == -ENOENT ? "does not exist" : strerror(-err));
		return err;
	}
	if (!pw->pw_uid || !pw->pw_gid) {
		zs_error("user %s: is root or in root's group: the agent needs one without "
			 "privileges",
			 name);
		return -EINVAL;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

/* The bounding set goes while CAP_SETPCAP is still there. Without it, as in a hardened unit, the
 * set stays; no_new_privs, set below, leaves no way to draw on it. */
static int bounding_clear(void)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		if (cap_get_bound(cap) == 1 && cap_drop_bound(cap) && errno != EPERM)
			return -errno;
	}
	return 0;
}

static int identity_set(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

static int sets_clear(void)
{
	cap_t none = cap_init();
	int err = 0;

	if (!none)
		return -ENOMEM;
	if (cap_reset_ambient() || cap_set_proc(none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	cap_free(none);
	return err;
}

/* What is still there, or NULL. Trying to come back is part of the check. */
static const char *leftover(void)
{
	cap_t caps, none;
	uid_t r, e, s;
	gid_t rg, eg, sg;
	bool empty;

	if (!setuid(0) || !seteuid(0) || !setgid(0) || !setegid(0))
		return "the way back to root is open";
	if (getresuid(&r, &e, &s) || !r || !e || !s)
		return "a user id of root is left";
	if (getresgid(&rg, &eg, &sg) || !rg || !eg || !sg)
		return "a group id of root is left";
	caps = cap_get_proc();
	none = cap_init();
	empty = caps && none && !cap_compare(caps, none);
	cap_free(caps);
	cap_free(none);
	if (!empty)
		return "capabilities are left";
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		if (cap_get_ambient(cap) == CAP_SET)
			return "ambient capabilities are left";
	}
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return "no_new_privs is not set";
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
		return "the process can be dumped";
	return NULL;
}

#define FDS_MOST 1024
void zs_fds_keep(const int *keep, size_t n)
{
	for (int fd = STDERR_FILENO + 1; fd < FDS_MOST; fd++) {
		bool kept = false;

		for (size_t i = 0; i < n; i++)
			kept |= keep[i] == fd;
		if (!kept)
			close(fd);
	}
}

int zs_caps_drop(const char *user)
{
	bool change = user || !geteuid();
	const char *what;
	uid_t uid = 0;
	gid_t gid = 0;
	int err = 0;

	if (change)
		err = user_find(user, &uid, &gid);
	if (err)
		return err;
	err = bounding_clear();
	if (!err && change)
		err = identity_set(uid, gid);
	if (!err)
		err = sets_clear();
	if (err) {
		zs_error("privileges: cannot be dropped: %s: run as root (CAP_SETUID, CAP_SETGID)",
			 strerror(-err));
		return err;
	}
	what = leftover();
	if (what) {
		zs_error("privileges: dropped, but %s: not going on", what);
		return -EPERM;
	}
	return 0;
}
