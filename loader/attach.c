// SPDX-License-Identifier: GPL-2.0-or-later
/* The order of attaching and detaching. docs/design.md says why it is this one. */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "zs.skel.h"

#include "cgroup.h"
#include "front.h"
#include "log.h"

#define LINK_ENROL    "link_enrol"
#define LINK_RECORDER "link_recorder"
#define LINK_WATCHER  "link_watcher"
#define LINK_ACCEPT   "link_accept"
#define LINK_REPLIES  "link_replies"

/* The cgroup id that a pinned link is attached to; 0 when that cgroup is gone. */
static int link_cgroup(const struct zs_instance *instance, const char *name, uint64_t *cgroup)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(zs_pin_path(instance, name)), err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno : 0;
	close(fd);
	if (err)
		return err;
	*cgroup = info.cgroup.cgroup_id;
	return *cgroup ? 0 : -ENOLINK;
}

int zs_attached_cgroup(const struct zs_instance *instance, uint64_t *cgroup)
{
	return link_cgroup(instance, LINK_ENROL, cgroup);
}

/* Replaces the program of a pinned link if it is attached to that cgroup; else makes a new link. */
static int link_settle(const struct zs_instance *instance, const char *name, struct bpf_program *prog,
		       int cgroup_fd, uint64_t cgroup)
{
	const char *path = zs_pin_path(instance, name);
	uint64_t there;
	int fd, err = 0;

	if (!link_cgroup(instance, name, &there) && there == cgroup) {
		fd = bpf_obj_get(path);
		if (fd < 0)
			return -errno;
		err = bpf_link_update(fd, bpf_program__fd(prog), NULL) ? -errno : 0;
		close(fd);
		return err;
	}
	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = bpf_link_create(bpf_program__fd(prog), cgroup_fd, bpf_program__expected_attach_type(prog), NULL);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path))
		err = -errno;
	close(fd);
	return err;
}

int zs_store_void(const struct zs_maps *maps)
{
	struct zs_ctl *ctl = zs_ctl_map(maps);
	struct zs_front front;
	__u64 digest;
	int err;

	if (!ctl)
		return -errno;
	__atomic_fetch_add(&ctl->flush, 1, __ATOMIC_SEQ_CST);
	munmap(ctl, sizeof(*ctl));
	err = zs_front_open(maps, &front);
	if (err)
		return err;
	zs_front_clear(&front);
	zs_front_close(&front);
	while (!bpf_map_get_next_key(maps->fd[ZS_MAP_index], NULL, &digest))
		if (bpf_map_delete_elem(maps->fd[ZS_MAP_index], &digest) && errno != ENOENT)
			return -errno;
	return 0;
}

static int unpin(const struct zs_instance *instance, const char *name)
{
	return unlink(zs_pin_path(instance, name)) && errno != ENOENT ? -errno : 0;
}

static void first(int *err, int next)
{
	if (!*err)
		*err = next;
}

static const char *dialer_link(uint32_t n)
{
	static char name[32];

	snprintf(name, sizeof(name), "link_dialer%u", n);
	return name;
}

int zs_attach_dialer(const struct zs_instance *instance, struct zs_bpf *obj, uint32_t n, const char *cgroup)
{
	int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = fd < 0 ? -errno : 0;
	uint64_t id;

	if (!err)
		err = zs_cgroup_id(cgroup, &id);
	if (!err)
		err = link_settle(instance, dialer_link(n), obj->progs.zs_enrol_local, fd, id);
	if (fd >= 0)
		close(fd);
	if (err)
		zs_error("cannot attach to the dialer's cgroup %s: %s", cgroup, strerror(-err));
	return err;
}

bool zs_dialer_attached(const struct zs_instance *instance, uint32_t n)
{
	uint64_t cgroup;

	return !link_cgroup(instance, dialer_link(n), &cgroup);
}

static int dialers_unpin(const struct zs_instance *instance)
{
	int err = 0;

	for (uint32_t n = 0; n < ZS_DIALERS_MAX; n++)
		first(&err, unpin(instance, dialer_link(n)));
	return err;
}

/* Dialers are attached behind this: zs_attach_dialer(). */
static int client_hop_settle(const struct zs_instance *instance, struct zs_bpf *obj, int cgroup_fd, uint64_t cgroup)
{
	bool on = zs_object_client_hop(obj);
	int err = zs_object_switch_accept(obj, true);

	first(&err, dialers_unpin(instance));
	if (!err)
		err = on ? link_settle(instance, LINK_REPLIES, obj->progs.zs_replies, cgroup_fd, cgroup)
			 : unpin(instance, LINK_REPLIES);
	if (!err)
		err = on ? link_settle(instance, LINK_ACCEPT, obj->progs.zs_accept, cgroup_fd, cgroup)
			 : unpin(instance, LINK_ACCEPT);
	return err;
}

static int programs_settle(const struct zs_instance *instance, struct zs_bpf *obj, const char *cgroup)
{
	int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;
	struct zs_maps maps;
	uint64_t id;

	if (fd < 0) {
		err = -errno;
		zs_error("cannot open the cgroup %s: %s", cgroup, strerror(errno));
		return err;
	}
	zs_maps_of_object(obj, &maps);
	err = zs_cgroup_id(cgroup, &id);
	if (!err)
		err = zs_object_switch(maps.fd[ZS_MAP_progs], bpf_program__fd(obj->progs.zs_dialer), true);
	/* recorder and watcher come first: no turn may be marked that nobody watches */
	if (!err)
		err = link_settle(instance, LINK_RECORDER, obj->progs.zs_recorder, fd, id);
	if (!err)
		err = link_settle(instance, LINK_WATCHER, obj->progs.zs_watcher, fd, id);
	if (!err)
		err = link_settle(instance, LINK_ENROL, obj->progs.zs_enrol, fd, id);
	if (!err)
		err = client_hop_settle(instance, obj, fd, id);
	close(fd);
	if (err)
		zs_error("cannot attach to the cgroup %s: %s%s", cgroup, strerror(-err),
			 err == -EPERM ? "; a parent may carry a program that allows no other" : "");
	return err;
}

static void cgroup_note(struct zs_bpf *obj, const char *cgroup)
{
	struct zs_maps maps;
	struct zs_ctl *ctl;
	uint64_t id = 0;

	zs_maps_of_object(obj, &maps);
	ctl = zs_ctl_map(&maps);
	if (!ctl || zs_cgroup_id(cgroup, &id))
		return;
	ctl->cgroup = id;
	ctl->paused = 0;
	munmap(ctl, sizeof(*ctl));
}

/* The kernel clears every page of the store before it is there: some tenths of a second per GiB, and some
 * seconds where a hypervisor has to find the memory first. */
#define WAIT_WORTH_TELLING (1ull << 30) /* bytes */

static void wait_announce(const struct zs_object_options *o)
{
	uint64_t bytes = (uint64_t)o->pages * ZS_PAGE_SIZE;

	if (!o->reuse && bytes >= WAIT_WORTH_TELLING)
		zs_info("making a store of %llu MiB, which may take some seconds", (unsigned long long)bytes >> 20);
}

int zs_attach(const struct zs_instance *instance, const char *cgroup, const struct zs_object_options *options,
	      struct zs_bpf **out)
{
	struct zs_object_options o = *options;
	struct zs_maps maps;
	struct zs_bpf *obj;
	bool takeover;
	int err = zs_maps_open(instance, &maps);

	takeover = !err;
	if (err && err != -ENOENT)
		return err;
	if (takeover) {
		o.reuse = &maps;
		err = 0;
	} else {
		err = zs_pin_remove(instance); /* the rest of an attachment that did not come to its end */
	}
	if (err)
		return err;
	wait_announce(&o);
	err = zs_object_load(&o, &obj);
	if (!err && takeover) {
		zs_info("taking over %s", instance->dir);
		err = zs_store_void(&maps);
	}
	if (takeover)
		zs_maps_close(&maps);
	if (err)
		return err;
	err = zs_pin_publish(instance, obj);
	if (!err)
		err = programs_settle(instance, obj, cgroup);
	if (err) {
		if (!takeover)
			zs_detach(instance);
		zs_object_close(obj);
		return err;
	}
	cgroup_note(obj, cgroup);
	*out = obj;
	return 0;
}

int zs_detach(const struct zs_instance *instance)
{
	struct zs_maps maps;
	int err = zs_maps_open(instance, &maps);

	if (err == -EPROTO)
		return err;
	if (!err) {
		struct zs_ctl *ctl = zs_ctl_map(&maps);

		if (ctl) {
			ctl->paused = 1;
			munmap(ctl, sizeof(*ctl));
		}
	} else if (err == -ENOENT) {
		err = 0;
	}
	first(&err, dialers_unpin(instance));
	first(&err, unpin(instance, LINK_ACCEPT));
	first(&err, unpin(instance, LINK_REPLIES));
	first(&err, unpin(instance, LINK_ENROL));
	first(&err, unpin(instance, LINK_WATCHER));
	first(&err, unpin(instance, LINK_RECORDER));
	if (maps.fd[ZS_MAP_gates] >= 0)
		first(&err, zs_object_accept_off(&maps));
	if (maps.fd[ZS_MAP_progs] >= 0)
		first(&err, zs_object_switch(maps.fd[ZS_MAP_progs], -1, false));
	first(&err, zs_pin_remove(instance));
	zs_maps_close(&maps);
	if (err)
		zs_error("detaching %s: %s; run detach again", instance->dir, strerror(-err));
	return err;
}

static uint64_t socks_count(int fd)
{
	__u64 key, next, n = 0;
	void *from = NULL;

	while (n < 1000000 && !bpf_map_get_next_key(fd, from, &next)) {
		key = next;
		from = &key;
		n++;
	}
	return n;
}

static void pinned_info(const struct zs_instance *instance, const char *name, struct bpf_map_info *info)
{
	__u32 len = sizeof(*info);
	int fd = bpf_obj_get(zs_pin_path(instance, name));

	memset(info, 0, sizeof(*info));
	if (fd < 0)
		return;
	bpf_obj_get_info_by_fd(fd, info, &len);
	close(fd);
}

int64_t zs_draining(const struct zs_instance *instance)
{
	struct bpf_map_info own, accepts, info;
	__u32 id = 0, len;
	int64_t total = 0;
	int fd;

	pinned_info(instance, "socks", &own);
	pinned_info(instance, "accepts", &accepts);
	while (!bpf_map_get_next_id(id, &id)) {
		fd = bpf_map_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_MAP_TYPE_SOCKHASH &&
		    (!strcmp(info.name, "zs_socks") || !strcmp(info.name, "zs_accepts")) && info.id != own.id &&
		    info.id != accepts.id)
			total += (int64_t)socks_count(fd);
		close(fd);
	}
	return total;
}
