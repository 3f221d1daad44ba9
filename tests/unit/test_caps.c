// SPDX-License-Identifier: GPL-2.0-or-later
/* Dropping privileges: done by children, which report by exit code what still works afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "caps.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns what the child returned; it has ten seconds. */
static int in_child(int (*job)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		alarm(10);
		_exit(job());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void root_or_skip(void)
{
	if (geteuid()) {
		print_message("skipped: needs root to have something to drop\n");
		skip();
	}
}

static int missing_is(const char *expected, int count)
{
	char text[64] = "untouched";

	if (zs_caps_missing(text, sizeof(text)) != count)
		return 1;
	return strcmp(text, expected) ? 2 : 0;
}

static int caps_only(const cap_value_t *list, int n)
{
	cap_t caps = cap_init();
	int err = !caps ||
		  (n && (cap_set_flag(caps, CAP_PERMITTED, n, list, CAP_SET) ||
			 cap_set_flag(caps, CAP_EFFECTIVE, n, list, CAP_SET))) ||
		  cap_set_proc(caps);

	cap_free(caps);
	return err;
}

static int missing_none(void)
{
	return caps_only((cap_value_t[]){CAP_BPF, CAP_NET_ADMIN}, 2) ? 9 : missing_is("", 0);
}

static int missing_bpf(void)
{
	return caps_only((cap_value_t[]){CAP_NET_ADMIN}, 1) ? 9 : missing_is("CAP_BPF", 1);
}

static int missing_net(void)
{
	return caps_only((cap_value_t[]){CAP_SYS_ADMIN}, 1) ? 9 : missing_is("CAP_NET_ADMIN", 1);
}

static int missing_both(void)
{
	return caps_only(NULL, 0) ? 9 : missing_is("CAP_BPF, CAP_NET_ADMIN", 2);
}

static void test_missing(void **state)
{
	(void)state;
	assert_int_equal(in_child(missing_both), 0);
	root_or_skip();
	assert_int_equal(in_child(missing_bpf), 0);
	assert_int_equal(in_child(missing_net), 0);
	assert_int_equal(in_child(missing_none), 0);
}

static int drop_and_try(void)
{
	cap_value_t every[] = {CAP_NET_ADMIN};
	gid_t groups[8];

	/* something in every set that can be filled */
	cap_t caps = cap_get_proc();
	if (!caps || cap_set_flag(caps, CAP_INHERITABLE, 1, every, CAP_SET) || cap_set_proc(caps))
		return 1;
	cap_free(caps);
	if (cap_set_ambient(CAP_NET_ADMIN, CAP_SET))
		return 2;
	if (zs_caps_drop(NULL))
		return 3;
	if (!getuid() || !geteuid() || !getgid() || getgroups(8, groups))
		return 4;
	if (!setuid(0) || !setgid(0) || !setgroups(1, groups))
		return 5;
	if (cap_get_bound(CAP_NET_ADMIN) || cap_get_ambient(CAP_NET_ADMIN))
		return 6;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
		return 7;
	if (open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0)
		return 8;
	if (missing_is("CAP_BPF, CAP_NET_ADMIN", 2))
		return 9;
	/* a second time: already nobody, keeps its user */
	return zs_caps_drop(NULL) ? 10 : 0;
}

static void test_drop(void **state)
{
	(void)state;
	root_or_skip();
	assert_int_equal(in_child(drop_and_try), 0);
	assert_int_equal(geteuid(), 0);
}

static int drop_named(void)
{
	struct passwd *pw = getpwnam("nobody");

	if (!pw)
		return 20;
	return zs_caps_drop("nobody") ? 1 : getuid() != pw->pw_uid || getgid() != pw->pw_gid;
}

static int drop_to_root(void)
{
	return zs_caps_drop("root") == -EINVAL ? 0 : 1;
}

static int drop_to_unknown(void)
{
	return zs_caps_drop("zeroserve-no-such-user") == -ENOENT ? 0 : 1;
}

/* As in a unit with a small bounding set: no CAP_SETPCAP. */
static int drop_without_setpcap(void)
{
	if (caps_only((cap_value_t[]){CAP_BPF, CAP_NET_ADMIN, CAP_SETUID, CAP_SETGID}, 4))
		return 1;
	return zs_caps_drop("nobody") ? 2 : missing_is("CAP_BPF, CAP_NET_ADMIN", 2);
}

/* Root by number alone cannot change its user: that must not pass for dropped. */
static int drop_without_setuid(void)
{
	return caps_only(NULL, 0) ? 1 : zs_caps_drop("nobody") == -EPERM ? 0 : 2;
}

static void test_users(void **state)
{
	int named;

	(void)state;
	assert_int_equal(in_child(drop_to_root), 0);
	assert_int_equal(in_child(drop_to_unknown), 0);
	root_or_skip();
	named = in_child(drop_named);
	if (named == 20) {
		print_message("skipped: there is no user nobody\n");
		skip();
	}
	assert_int_equal(named, 0);
	assert_int_equal(in_child(drop_without_setpcap), 0);
	assert_int_equal(in_child(drop_without_setuid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
