// SPDX-License-Identifier: GPL-2.0-or-later
/* Finding cgroups: texts as /proc shows them, and, as root, a cgroup of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cgroup.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char unified[] =
	"24 30 0:22 / /proc rw,nosuid shared:12 - proc proc rw\n"
	"35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "
	"rw,nsdelegate,memory_recursiveprot\n"
	"36 24 0:31 / /sys/fs/bpf rw - bpf bpf rw,mode=700\n";

static const char hybrid[] =
	"31 25 0:27 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
	"32 31 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw\n"
	"33 31 0:29 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory\n"
	"34 31 0:28 /../../x /mnt/a\\040b\\134\\011c rw - cgroup2 none rw\n"
	"35 31 0:28 /kube /mnt/no-optional-fields rw - cgroup2 none rw";

static struct zs_cgroup_mount mounts[ZS_CGROUP_MOUNTS_MAX];

static void test_mountinfo(void **state)
{
	(void)state;
	assert_int_equal(zs_cgroup_mounts_parse(unified, mounts, ZS_CGROUP_MOUNTS_MAX), 1);
	assert_string_equal(mounts[0].root, "/");
	assert_string_equal(mounts[0].point, "/sys/fs/cgroup");
	assert_int_equal(zs_cgroup_mounts_parse(hybrid, mounts, ZS_CGROUP_MOUNTS_MAX), 3);
	assert_string_equal(mounts[0].point, "/sys/fs/cgroup/unified");
	assert_string_equal(mounts[1].root, "/../../x");
	assert_string_equal(mounts[1].point, "/mnt/a b\\\tc");
	assert_string_equal(mounts[2].root, "/kube");
	assert_string_equal(mounts[2].point, "/mnt/no-optional-fields");
	assert_int_equal(zs_cgroup_mounts_parse(hybrid, mounts, 2), 2);
}

static void test_mountinfo_malformed(void **state)
{
	static const char *const none[] = {
		"",
		"\n\n",
		"cgroup2",
		"1 2 0:1 / /x rw",
		"1 2 0:1 / /x rw -",
		"1 2 0:1 / /x rw - ",
		"1 2 0:1 / /x rw - cgroup",
		"1 2 0:1 / /x rw - cgroup22 x rw",
		"1 2 0:1 relative /x rw - cgroup2 x rw",
		"1 2 0:1 / x rw - cgroup2 x rw",
		"1 2 0:1 / /x\\000y rw - cgroup2 x rw",
		"1 2 0:1  /x rw - cgroup2 x rw",
	};
	char *lengthy;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_int_equal(zs_cgroup_mounts_parse(none[i], mounts, 8), 0);
	lengthy = malloc(2 * PATH_MAX);
	assert_non_null(lengthy);
	memset(lengthy, 'a', 2 * PATH_MAX);
	memcpy(lengthy, "1 2 0:1 / /", 11);
	strcpy(lengthy + 2 * PATH_MAX - 32, " rw - cgroup2 x rw");
	assert_int_equal(zs_cgroup_mounts_parse(lengthy, mounts, 8), 0);
	free(lengthy);
	assert_int_equal(zs_cgroup_mounts_parse("1 2 0:1 / /b\\04 rw - cgroup2 x rw", mounts, 8),
			 1);
	assert_string_equal(mounts[0].point, "/b\\04");
}

static void test_below(void **state)
{
	const struct zs_cgroup_mount whole = {"/", "/cg"}, part = {"/kube", "/cg"};
	const struct zs_cgroup_mount above = {"/..", "/cg"};
	char path[PATH_MAX] = "untouched";
	char *lengthy = calloc(1, PATH_MAX);

	(void)state;
	assert_non_null(lengthy);
	assert_int_equal(zs_cgroup_below(&whole, "/../other", path), -ENOENT);
	assert_int_equal(zs_cgroup_below(&whole, "/..", path), -ENOENT);
	assert_int_equal(zs_cgroup_below(&whole, "", path), -ENOENT);
	assert_int_equal(zs_cgroup_below(&part, "/kubelet", path), -ENOENT);
	assert_int_equal(zs_cgroup_below(&part, "/", path), -ENOENT);
	assert_int_equal(zs_cgroup_below(&above, "/a", path), -ENOENT);
	memset(lengthy, 'a', PATH_MAX - 1);
	lengthy[0] = '/';
	assert_int_equal(zs_cgroup_below(&whole, lengthy, path), -ENAMETOOLONG);
	assert_string_equal(path, "untouched");
	free(lengthy);
	assert_int_equal(zs_cgroup_below(&whole, "/", path), 0);
	assert_string_equal(path, "/cg");
	assert_int_equal(zs_cgroup_below(&whole, "/..a/b", path), 0);
	assert_string_equal(path, "/cg/..a/b");
	assert_int_equal(zs_cgroup_below(&part, "/kube/pod", path), 0);
	assert_string_equal(path, "/cg/pod");
	assert_int_equal(zs_cgroup_below(&part, "/kube", path), 0);
	assert_string_equal(path, "/cg");
	assert_int_equal(zs_cgroup_below(&above, "/../a", path), 0);
	assert_string_equal(path, "/cg/a");
}

static void test_unit_names(void **state)
{
	static const char *const bad[] = {
		"",
		"-p",
		"--help",
		".service",
		"a/b.service",
		"../caddy.service",
		"a b.service",
		"caddy*.service",
		"caddy;id.service",
		"caddy.service\n",
		"$(id).service",
	};
	char path[PATH_MAX] = "untouched", lengthy[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(zs_cgroup_from_unit(bad[i], path), -EINVAL);
	memset(lengthy, 'a', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	assert_int_equal(zs_cgroup_from_unit(lengthy, path), -EINVAL);
	assert_string_equal(path, "untouched");
}

static void test_paths(void **state)
{
	char path[PATH_MAX] = "untouched";

	(void)state;
	assert_int_equal(zs_cgroup_from_path("sys/fs/cgroup", path), -EINVAL);
	assert_int_equal(zs_cgroup_from_path("", path), -EINVAL);
	assert_int_equal(zs_cgroup_from_path("/proc", path), -EINVAL);
	assert_int_equal(zs_cgroup_from_path("/dev/null", path), -EINVAL);
	assert_int_equal(zs_cgroup_from_path("/no/such/cgroup", path), -ENOENT);
	assert_int_equal(zs_cgroup_from_path("/dev/null/x", path), -ENOENT);
	assert_int_equal(zs_cgroup_from_pid(0, path), -ENOENT);
	assert_int_equal(zs_cgroup_from_pid(-1, path), -ENOENT);
	assert_int_equal(zs_cgroup_remove_temp("/tmp"), -EINVAL);
	assert_int_equal(zs_cgroup_remove_temp("/sys/fs/cgroup/zeroserve-none"), 0);
	assert_string_equal(path, "untouched");
}

/* A cgroup of our own, or skip. */
static void temp_or_skip(char *path)
{
	int err = zs_cgroup_create_temp(path);

	if (err) {
		print_message("skipped: no cgroup2 directory can be made here: %s\n",
			      strerror(-err));
		skip();
	}
}

static pid_t sleeper_start(void)
{
	pid_t pid = fork();

	if (!pid) {
		alarm(20);
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void sleeper_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_temp(void **state)
{
	char path[PATH_MAX], found[PATH_MAX], other[PATH_MAX];
	uint64_t id = 0, other_id = 0;
	struct stat st;
	pid_t pid;

	(void)state;
	temp_or_skip(path);
	temp_or_skip(other);
	assert_string_not_equal(path, other);
	assert_int_equal(zs_cgroup_id(path, &id), 0);
	assert_int_equal(zs_cgroup_id(other, &other_id), 0);
	assert_true(id && other_id && id != other_id);
	assert_int_equal(stat(path, &st), 0);
	assert_true(id == st.st_ino);
	assert_int_equal(zs_cgroup_remove_temp(other), 0);
	assert_int_equal(zs_cgroup_remove_temp(other), 0);
	assert_int_equal(zs_cgroup_id(other, &other_id), -ENOENT);

	pid = sleeper_start();
	assert_int_equal(zs_cgroup_enter(path, pid), 0);
	assert_int_equal(zs_cgroup_from_pid(pid, found), 0);
	assert_string_equal(found, path);
	assert_int_equal(zs_cgroup_from_path(path, found), 0);
	assert_string_equal(found, path);
	assert_int_equal(zs_cgroup_remove_temp(path), -EBUSY);
	sleeper_stop(pid);
	assert_int_equal(zs_cgroup_remove_temp(path), 0);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(zs_cgroup_enter(path, getpid()), -ENOENT);
}

/* Where no systemd runs, a unit is looked for in system.slice. */
static void test_unit_in_slice(void **state)
{
	char temp[PATH_MAX], slice[PATH_MAX + 16], unit[PATH_MAX + 128], found[PATH_MAX];
	char name[64], untouched[] = "untouched";
	int made;

	(void)state;
	snprintf(name, sizeof(name), "zeroserve-test-%d", (int)getpid());
	assert_int_equal(zs_cgroup_from_unit(name, untouched), -ENOENT);
	assert_string_equal(untouched, "untouched");
	if (!access("/run/systemd/system", F_OK)) {
		print_message("skipped: systemd runs here and answers for its units itself\n");
		skip();
	}
	temp_or_skip(temp);
	assert_int_equal(zs_cgroup_remove_temp(temp), 0);
	snprintf(slice, sizeof(slice), "%.*s/system.slice", (int)(strrchr(temp, '/') - temp), temp);
	made = !mkdir(slice, 0755);
	snprintf(unit, sizeof(unit), "%s/%s.service", slice, name);
	assert_int_equal(mkdir(unit, 0755), 0);
	assert_int_equal(zs_cgroup_from_unit(name, found), 0);
	assert_int_equal(rmdir(unit), 0);
	if (made)
		assert_int_equal(rmdir(slice), 0);
	assert_string_equal(found, unit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mountinfo),     cmocka_unit_test(test_mountinfo_malformed),
		cmocka_unit_test(test_below),	      cmocka_unit_test(test_unit_names),
		cmocka_unit_test(test_paths),	      cmocka_unit_test(test_temp),
		cmocka_unit_test(test_unit_in_slice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
