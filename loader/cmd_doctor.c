// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor: what this machine has, what its kernel does when tried, and what to do about it; and programs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "zs.skel.h"

#include "caps.h"
#include "cgroup.h"
#include "command.h"
#include "log.h"
#include "object.h"
#include "pages.h"
#include "selftest.h"

struct report {
	bool json;
	json_t *checks;
	int failed;
};

static void line(struct report *r, bool passed, const char *name, const char *question, const char *detail,
		 const char *next)
{
	r->failed += !passed;
	json_array_append_new(r->checks,
			      json_pack("{s:s, s:b, s:s, s:s, s:s}", "name", name, "passed", passed, "question",
					question, "detail", detail, "next", passed ? "" : next));
	if (r->json)
		return;
	printf("%s  %-14s %s\n", passed ? "PASS" : "FAIL", name, question);
	if (!passed)
		printf("      %s\n      next: %s\n", detail, next);
}

static bool check_caps(struct report *r)
{
	char missing[256] = "";
	bool passed = zs_caps_missing(missing, sizeof(missing)) == 0;

	line(r, passed, "privileges", "this process may load BPF programs", missing, "run it as root: sudo zs-load doctor");
	return passed;
}

static void check_cgroup(struct report *r)
{
	char path[PATH_MAX];
	int err = zs_cgroup_from_pid(getpid(), path);

	line(r, !err, "cgroup2", "a cgroup v2 hierarchy is mounted", err ? strerror(-err) : "",
	     "mount one: mount -t cgroup2 none /sys/fs/cgroup");
}

static void check_grace(struct report *r)
{
	int err = zs_grace_membarrier();

	line(r, !err, "grace-period", "membarrier(2) waits for running programs", err ? strerror(-err) : "",
	     "boot without nohz_full, or with CONFIG_MEMBARRIER");
}

static void check_btf(struct report *r)
{
	line(r, !access("/sys/kernel/btf/vmlinux", R_OK), "btf", "the kernel describes its types", strerror(errno),
	     "boot a kernel with CONFIG_DEBUG_INFO_BTF; without it the sequence fences are off");
}

static int check_lane(struct report *r)
{
	struct zs_selftest results[ZS_SELFTESTS];
	int err = zs_selftest_run(results);

	if (err) {
		line(r, false, "load", "the kernel takes the programs", strerror(-err), "see the lines above");
		return err;
	}
	for (int i = 0; i < ZS_SELFTESTS; i++)
		line(r, results[i].passed, results[i].name, results[i].question, results[i].detail,
		     results[i].next);
	return 0;
}

int zs_cmd_doctor(const struct zs_options *o)
{
	struct report r = {.json = o->json, .checks = json_array()};
	struct utsname kernel;
	bool allowed;
	int err = 0;

	uname(&kernel);
	if (!o->json)
		printf("zeroserve %s on Linux %s\n", ZS_VERSION, kernel.release);
	allowed = check_caps(&r);
	if (allowed) {
		check_cgroup(&r);
		check_btf(&r);
		check_grace(&r);
		err = check_lane(&r);
	}
	if (o->json) {
		json_t *answer = zs_answer_begin();

		json_object_set_new(answer, "kernel", json_string(kernel.release));
		json_object_set_new(answer, "answered_lane", json_boolean(!r.failed));
		json_object_set(answer, "checks", r.checks);
		zs_answer_print(answer);
	} else {
		printf("answered lane (upstream hop): %s\n", r.failed ? "OFF" : "on");
	}
	json_decref(r.checks);
	if (!allowed || err == -EPERM)
		return ZS_EXIT_PERMISSION;
	return r.failed ? ZS_EXIT_KERNEL : ZS_EXIT_OK;
}

int zs_cmd_programs(const struct zs_options *o)
{
	struct zs_object_options options = {.pages = 16, .entries = 16, .client_hop = true};
	json_t *answer = zs_answer_begin(), *list = json_array();
	struct bpf_program *prog;
	struct zs_bpf *obj;
	int err = zs_object_load(&options, &obj);

	if (err) {
		json_decref(list);
		json_decref(answer);
		return err == -EPERM ? ZS_EXIT_PERMISSION : ZS_EXIT_KERNEL;
	}
	bpf_object__for_each_program(prog, obj->obj)
	{
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);

		bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);
		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}", "name", info.name, "instructions",
						      (json_int_t)bpf_program__insn_cnt(prog), "verified",
						      (json_int_t)info.verified_insns, "jited_bytes",
						      (json_int_t)info.jited_prog_len));
		if (!o->json)
			printf("  %-15s %6zu instructions, %7u looked at by the verifier\n", info.name,
			       bpf_program__insn_cnt(prog), info.verified_insns);
	}
	json_object_set_new(answer, "programs", list);
	if (o->json)
		zs_answer_print(answer);
	else
		json_decref(answer);
	zs_object_close(obj);
	return ZS_EXIT_OK;
}
