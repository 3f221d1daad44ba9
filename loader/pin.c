// SPDX-License-Identifier: GPL-2.0-or-later
/* Pins: publishing, finding and removing them. */
#include "pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "zs.skel.h"

#include "log.h"

#define BPFFS_DEFAULT "/sys/fs/bpf"
#define PARENT        "zeroserve"

static const char *const map_names[ZS_MAPS] = {
#define X(name) #name,
	ZS_MAP_LIST(X)
#undef X
};

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* The first bpffs that mountinfo(5) names: fifth field, where the type behind " - " is "bpf". */
static int bpffs_find(char *path, size_t size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[8192], point[4096];
	int err = -ENOENT;

	if (!file)
		return -errno;
	while (err && fgets(line, sizeof(line), file)) {
		if (!strstr(line, " - bpf ") || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
			continue;
		if (is_bpffs(point) && (size_t)snprintf(path, size, "%s", point) < size)
			err = 0;
	}
	fclose(file);
	return err;
}

static int bpffs_settle(const char *given, bool mount_it, char *path, size_t size)
{
	if (given) {
		if (!is_bpffs(given)) {
			zs_error("'%s' is not a bpffs; mount one there with: mount -t bpf bpf %s", given,
				 given);
			return -EINVAL;
		}
		return (size_t)snprintf(path, size, "%s", given) < size ? 0 : -ENAMETOOLONG;
	}
	if (is_bpffs(BPFFS_DEFAULT))
		return (size_t)snprintf(path, size, "%s", BPFFS_DEFAULT) < size ? 0 : -ENAMETOOLONG;
	if (!bpffs_find(path, size))
		return 0;
	if (!mount_it)
		return -ENOENT;
	if (mount("bpf", BPFFS_DEFAULT, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700")) {
		int err = -errno;

		zs_error("no bpffs is mounted, and mounting one at %s failed: %s", BPFFS_DEFAULT,
			 strerror(errno));
		return err;
	}
	zs_info("mounted bpffs at %s", BPFFS_DEFAULT);
	return (size_t)snprintf(path, size, "%s", BPFFS_DEFAULT) < size ? 0 : -ENAMETOOLONG;
}

static bool name_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n > 0 && n < 64 && !name[n]; /* bpffs forbids '.', we forbid '/' */
}

int zs_instance_init(struct zs_instance *instance, const char *bpffs, const char *name, bool mount_it)
{
	char root[PATH_MAX - 128];
	int err;

	if (!name_valid(name)) {
		zs_error("instance name '%s': letters, digits, '-' and '_' only, at most 63", name);
		return -EINVAL;
	}
	err = bpffs_settle(bpffs, mount_it, root, sizeof(root));
	if (err)
		return err;
	snprintf(instance->name, sizeof(instance->name), "%s", name);
	snprintf(instance->dir, sizeof(instance->dir), "%s/" PARENT "/%s", root, name);
	return 0;
}

bool zs_instance_exists(const struct zs_instance *instance)
{
	return !access(zs_pin_path(instance, "ctl"), F_OK);
}

const char *zs_pin_path(const struct zs_instance *instance, const char *name)
{
	static char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", instance->dir, name);
	return path;
}

void zs_maps_of_object(struct zs_bpf *obj, struct zs_maps *maps)
{
#define X(name) maps->fd[ZS_MAP_##name] = bpf_map__fd(obj->maps.zs_##name);
	ZS_MAP_LIST(X)
#undef X
}

void zs_maps_close(struct zs_maps *maps)
{
	for (int i = 0; i < ZS_MAPS; i++) {
		if (maps->fd[i] >= 0)
			close(maps->fd[i]);
		maps->fd[i] = -1;
	}
}

int zs_maps_open(const struct zs_instance *instance, struct zs_maps *maps)
{
	struct zs_ctl ctl;
	__u32 zero = 0;
	int err = 0;

	for (int i = 0; i < ZS_MAPS; i++)
		maps->fd[i] = -1;
	for (int i = 0; i < ZS_MAPS && !err; i++) {
		maps->fd[i] = bpf_obj_get(zs_pin_path(instance, map_names[i]));
		if (maps->fd[i] < 0)
			err = -errno;
	}
	if (!err && bpf_map_lookup_elem(maps->fd[ZS_MAP_ctl], &zero, &ctl))
		err = -errno;
	if (!err && ctl.abi != ZS_ABI) {
		zs_error("%s was attached by another version (ABI %u, this is %d); detach it with that one",
			 instance->dir, ctl.abi, ZS_ABI);
		err = -EPROTO;
	} else if (err && err != -ENOENT) {
		zs_error("cannot open the maps in %s: %s", instance->dir, strerror(-err));
	}
	if (err)
		zs_maps_close(maps);
	return err;
}

static int dirs_make(const struct zs_instance *instance)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", instance->dir);
	*strrchr(parent, '/') = 0;
	if ((mkdir(parent, 0700) && errno != EEXIST) || (mkdir(instance->dir, 0700) && errno != EEXIST)) {
		int err = -errno;

		zs_error("cannot create %s: %s", instance->dir, strerror(errno));
		return err;
	}
	return 0;
}

int zs_pin_publish(const struct zs_instance *instance, struct zs_bpf *obj)
{
	struct zs_maps maps;
	int err = dirs_make(instance);

	if (err)
		return err;
	zs_maps_of_object(obj, &maps);
	for (int i = 0; i < ZS_MAPS; i++) {
		const char *path = zs_pin_path(instance, map_names[i]);

		if (!access(path, F_OK))
			continue;
		if (bpf_obj_pin(maps.fd[i], path)) {
			err = -errno;
			zs_error("cannot pin %s: %s", path, strerror(errno));
			zs_pin_remove(instance);
			return err;
		}
	}
	return 0;
}

int zs_pin_remove(const struct zs_instance *instance)
{
	DIR *dir = opendir(instance->dir);
	struct dirent *entry;
	char parent[PATH_MAX];
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) && errno != ENOENT && !err) {
			err = -errno;
			zs_error("cannot remove the pin %s/%s: %s", instance->dir, entry->d_name,
				 strerror(errno));
		}
	}
	closedir(dir);
	if (rmdir(instance->dir) && errno != ENOENT && !err) {
		err = -errno;
		zs_error("cannot remove %s: %s", instance->dir, strerror(errno));
	}
	snprintf(parent, sizeof(parent), "%s", instance->dir);
	*strrchr(parent, '/') = 0;
	rmdir(parent); /* another instance may live there */
	return err;
}

/* A directory opened and locked: an fd, -EBUSY, or -errno. */
static int dir_lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int err = errno == EWOULDBLOCK ? -EBUSY : -errno;

		close(fd);
		return err;
	}
	return fd;
}

int zs_instance_lock(const struct zs_instance *instance)
{
	return dir_lock(instance->dir);
}

/* The directory `up` levels above the instance's, locked; waits at most `wait_ms`. Logged. */
static int parent_lock(const struct zs_instance *instance, int up, int wait_ms)
{
	char path[PATH_MAX];
	int fd = -EBUSY;

	snprintf(path, sizeof(path), "%s", instance->dir);
	while (up--)
		*strrchr(path, '/') = 0;
	for (int ms = 0; fd == -EBUSY && ms < wait_ms; ms += 10) {
		fd = dir_lock(path);
		if (fd == -EBUSY)
			usleep(10000);
	}
	if (fd < 0)
		zs_error("cannot lock %s: %s; another zs-load may be at work there", path, strerror(-fd));
	return fd;
}

#define CHANGE_WAIT_MS 10000
int zs_change_lock(const struct zs_instance *instance)
{
	return parent_lock(instance, 2, CHANGE_WAIT_MS);
}

#define ANNOUNCE_WAIT_MS 5000
int zs_announce_lock(const struct zs_instance *instance)
{
	return parent_lock(instance, 1, ANNOUNCE_WAIT_MS);
}

uint32_t zs_map_entries(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.max_entries;
}

void *zs_map_view(int fd, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *view = mmap(NULL, (size + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return view == MAP_FAILED ? NULL : view;
}

struct zs_ctl *zs_ctl_map(const struct zs_maps *maps)
{
	return zs_map_view(maps->fd[ZS_MAP_ctl], sizeof(struct zs_ctl));
}

int zs_origin_put(const struct zs_maps *maps, struct zs_ctl *ctl, const struct zs_origin_key *key, uint32_t id)
{
	struct zs_origin value = {.id = id};

	__atomic_fetch_or(&ctl->ports, 1ull << ZS_PORT_BIT(key->port), __ATOMIC_SEQ_CST);
	return bpf_map_update_elem(maps->fd[ZS_MAP_origins], key, &value, BPF_ANY) ? -errno : 0;
}
