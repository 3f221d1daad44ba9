// SPDX-License-Identifier: GPL-2.0-or-later
/* Shared by the commands. */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "caps.h"
#include "cgroup.h"
#include "clock.h"
#include "log.h"

#define HEARTBEAT_NS (3 * ZS_NS)

enum zs_exit zs_exit_of(int err)
{
	switch (err) {
	case 0: return ZS_EXIT_OK;
	case -EPERM:
	case -EACCES: return ZS_EXIT_PERMISSION;
	case -EOPNOTSUPP:
	case -ENOSYS: return ZS_EXIT_KERNEL;
	default: return ZS_EXIT_FAILED;
	}
}

int zs_need_root(const char *verb)
{
	char missing[256];

	if (zs_caps_missing(missing, sizeof(missing)) == 0)
		return 0;
	zs_error("%s: not allowed: %s missing; run it as root, for example: sudo zs-load %s", verb, missing,
		 verb);
	return ZS_EXIT_PERMISSION;
}

int zs_command_instance(const struct zs_options *options, bool mount_it, struct zs_instance *instance)
{
	int err = zs_instance_init(instance, options->bpffs, options->instance, mount_it);

	if (err == -ENOENT) {
		zs_error("'%s' is not attached: no bpffs is mounted", options->instance);
		return ZS_EXIT_NOT_ATTACHED;
	}
	if (err == -EINVAL)
		return ZS_EXIT_USAGE;
	return zs_exit_of(err);
}

int zs_command_maps(const struct zs_options *options, struct zs_instance *instance, struct zs_maps *maps)
{
	int code = zs_command_instance(options, false, instance), err;

	if (code)
		return code;
	err = zs_maps_open(instance, maps);
	if (err == -ENOENT) {
		zs_error("'%s' is not attached (nothing in %s); attach with: zs-load run --unit caddy.service",
			 options->instance, instance->dir);
		return ZS_EXIT_NOT_ATTACHED;
	}
	return zs_exit_of(err);
}

static int target_pid(const char *text, char *path)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (end == text || *end || pid < 1) {
		zs_error("--pid '%s': give the number of a process", text);
		return -EINVAL;
	}
	return zs_cgroup_from_pid((pid_t)pid, path);
}

int zs_command_target(const struct zs_options *o, char *path)
{
	int err;

	if (!!o->unit + !!o->pid + !!o->cgroup != 1) {
		zs_error("give one of --unit, --pid and --cgroup, for example: --unit caddy.service");
		return ZS_EXIT_USAGE;
	}
	if (o->unit)
		err = zs_cgroup_from_unit(o->unit, path);
	else if (o->pid)
		err = target_pid(o->pid, path);
	else
		err = zs_cgroup_from_path(o->cgroup, path);
	if (err == -ENOENT || err == -ESRCH)
		return ZS_EXIT_NO_TARGET;
	if (err == -EINVAL)
		return ZS_EXIT_USAGE;
	return err == -ENODEV ? ZS_EXIT_KERNEL : (int)zs_exit_of(err);
}

bool zs_agent_alive(const struct zs_ctl *ctl)
{
	return ctl->agent_pid && !(kill((pid_t)ctl->agent_pid, 0) && errno == ESRCH) &&
	       zs_boot_ns() - ctl->heartbeat < HEARTBEAT_NS;
}

json_t *zs_report_read(const struct zs_maps *maps)
{
	struct zs_report *copy = malloc(sizeof(*copy));
	const struct zs_report *r = zs_map_view(maps->fd[ZS_MAP_report], sizeof(*r));
	json_t *json = NULL;

	for (int i = 0; copy && r && !json && i < 100; i++) {
		uint32_t seq = __atomic_load_n(&r->seq, __ATOMIC_ACQUIRE);

		memcpy(copy, r, sizeof(*copy));
		if (seq % 2 == 0 && __atomic_load_n(&r->seq, __ATOMIC_ACQUIRE) == seq &&
		    copy->len <= sizeof(copy->text))
			json = json_loadb((char *)copy->text, copy->len, 0, NULL);
		else
			usleep(1000);
	}
	if (r)
		munmap((void *)r, sizeof(*r));
	free(copy);
	return json;
}

json_t *zs_answer_begin(void)
{
	return json_pack("{s:s}", "schema", "zeroserve/1");
}

void zs_answer_print(json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	if (text)
		puts(text);
	free(text);
	json_decref(answer);
}

static bool array_empty;

void zs_answer_array_begin(const char *name)
{
	printf("{\"schema\":\"zeroserve/1\",\"%s\":[", name);
	array_empty = true;
}

void zs_answer_array_add(json_t *member)
{
	if (!array_empty)
		putchar(',');
	array_empty = false;
	json_dumpf(member, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
	json_decref(member);
}

void zs_answer_array_end(json_t *rest)
{
	const char *name;
	json_t *value;

	putchar(']');
	json_object_foreach(rest, name, value)
	{
		printf(",\"%s\":", name);
		json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
	}
	puts("}");
	json_decref(rest);
}
