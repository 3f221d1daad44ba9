// SPDX-License-Identifier: GPL-2.0-or-later
/* attach, detach, pause, resume: the kernel side only. */
#include <errno.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include "zs.skel.h"

#include "attach.h"
#include "cgroup.h"
#include "command.h"
#include "log.h"

static void answer_state(const struct zs_options *o, const char *state)
{
	json_t *json;

	if (!o->json)
		return;
	json = zs_answer_begin();
	json_object_set_new(json, "instance", json_string(o->instance));
	json_object_set_new(json, "state", json_string(state));
	zs_answer_print(json);
}

static bool attached_there(const struct zs_instance *instance, const char *cgroup)
{
	uint64_t there, wanted;

	return zs_instance_exists(instance) && !zs_attached_cgroup(instance, &there) &&
	       !zs_cgroup_id(cgroup, &wanted) && there == wanted;
}

/* Under the change lock. A running agent's attachment is changed by nobody but itself. */
static int attach(const struct zs_instance *instance, const char *cgroup,
		  const struct zs_object_options *options)
{
	struct zs_bpf *obj;
	int lock, err;

	if (attached_there(instance, cgroup)) {
		zs_info("'%s' is attached to %s already", instance->name, cgroup);
		return 0;
	}
	lock = zs_instance_lock(instance);
	if (lock == -EBUSY) {
		zs_error("'%s' is attached elsewhere by a running agent; stop it first, or use another --instance",
			 instance->name);
		return lock;
	}
	err = zs_attach(instance, cgroup, options, &obj);
	if (lock >= 0)
		close(lock);
	if (err)
		return err;
	zs_object_close(obj);
	zs_info("attached to %s", cgroup);
	return 0;
}

int zs_cmd_attach(const struct zs_options *o)
{
	struct zs_object_options options = {
		.pages = (uint32_t)(o->store_size / ZS_PAGE_SIZE),
		.entries = (uint32_t)o->max_objects,
		.inert = o->inert,
	};
	struct zs_instance instance;
	char cgroup[PATH_MAX];
	int code = zs_need_root("attach"), change, err;

	if (!code)
		code = zs_command_target(o, cgroup);
	if (!code)
		code = zs_command_instance(o, true, &instance);
	if (code)
		return code;
	change = zs_change_lock(&instance);
	if (change < 0)
		return ZS_EXIT_FAILED;
	err = attach(&instance, cgroup, &options);
	close(change);
	if (!err)
		answer_state(o, "attached");
	return zs_exit_of(err);
}

/* The agent ends when it sees that its pins are gone; waiting for it makes `detach` mean what it says. */
#define AGENT_WAIT_MS 3000
static void agent_wait(pid_t pid)
{
	for (int i = 0; i < AGENT_WAIT_MS / 10 && pid > 0 && !kill(pid, 0); i++)
		usleep(10000);
}

int zs_cmd_detach(const struct zs_options *o)
{
	struct zs_instance instance;
	struct zs_maps maps;
	pid_t agent = 0;
	int code = zs_need_root("detach"), change, err;

	if (code)
		return code;
	code = zs_command_instance(o, false, &instance);
	if (code == ZS_EXIT_NOT_ATTACHED)
		return ZS_EXIT_OK;
	if (code)
		return code;
	if (!zs_maps_open(&instance, &maps)) {
		struct zs_ctl *ctl = zs_ctl_map(&maps);

		if (ctl) {
			agent = (pid_t)ctl->agent_pid;
			munmap(ctl, sizeof(*ctl));
		}
		zs_maps_close(&maps);
	}
	change = zs_change_lock(&instance);
	if (change < 0)
		return ZS_EXIT_FAILED;
	err = zs_detach(&instance);
	close(change);
	if (err)
		return zs_exit_of(err);
	agent_wait(agent);
	zs_info("'%s' is detached", o->instance);
	answer_state(o, "detached");
	return ZS_EXIT_OK;
}

static int paused_set(const struct zs_options *o, const char *verb, uint32_t paused)
{
	struct zs_instance instance;
	struct zs_maps maps;
	struct zs_ctl *ctl;
	int code = zs_need_root(verb);

	if (!code)
		code = zs_command_maps(o, &instance, &maps);
	if (code)
		return code;
	ctl = zs_ctl_map(&maps);
	if (ctl) {
		__atomic_store_n(&ctl->paused, paused, __ATOMIC_SEQ_CST);
		if (!paused)
			__atomic_fetch_add(&ctl->resumes, 1, __ATOMIC_SEQ_CST);
		munmap(ctl, sizeof(*ctl));
	} else {
		zs_error("%s: cannot map the control map: %s", verb, strerror(errno));
		code = ZS_EXIT_FAILED;
	}
	zs_maps_close(&maps);
	if (!code)
		answer_state(o, paused ? "paused" : "attached");
	return code;
}

int zs_cmd_pause(const struct zs_options *o)
{
	return paused_set(o, "pause", 1);
}

int zs_cmd_resume(const struct zs_options *o)
{
	return paused_set(o, "resume", 0);
}
