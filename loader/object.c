// SPDX-License-Identifier: GPL-2.0-or-later
/* Loading the BPF object: sizes, feature switches, constant contents. */
#include "object.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "zs.skel.h"

#include "fields.h"
#include "front.h"
#include "log.h"
#include "origins.h"
#include "pages.h"
#include "pin.h"
#include "tables.h"

#define WORK_PER_CPU 4 /* ZS_WORK_PER_CPU of include/zs/bpf/maps.h */

static int libbpf_line(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[1024];

	if (zs_log_level_get() < ZS_LOG_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = 0;
	zs_debug("libbpf: %s", line);
	(void)level;
	return 0;
}

void zs_object_quiet_libbpf(void)
{
	libbpf_set_print(libbpf_line);
}

/* Before 5.11 BPF memory counts against RLIMIT_MEMLOCK. */
static void memlock_raise(void)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &unlimited))
		zs_debug("cannot raise RLIMIT_MEMLOCK: %s", strerror(errno));
}

static int maps_reuse(struct zs_bpf *obj, const struct zs_maps *maps)
{
	int err = 0;

#define X(name)                                                                                     \
	if (!err)                                                                                   \
		err = bpf_map__reuse_fd(obj->maps.zs_##name, maps->fd[ZS_MAP_##name]);
	ZS_MAP_LIST(X)
#undef X
	return err;
}

static int client_hop_reused(const struct zs_maps *maps)
{
	if (zs_map_entries(maps->fd[ZS_MAP_accepts]) > 1)
		return 0;
	zs_error("what is attached was attached without the client hop; detach it first");
	return -EEXIST;
}

/* Where the client hop is off, its programs are not loaded, and its maps are as small as can be. */
static int client_hop_set(struct zs_bpf *obj, const struct zs_object_options *o)
{
	struct bpf_program *const progs[] = {obj->progs.zs_accept, obj->progs.zs_gate, obj->progs.zs_gate_enter,
					     obj->progs.zs_acceptor, obj->progs.zs_accept_enter,
					     obj->progs.zs_replies, obj->progs.zs_enrol_local, obj->progs.zs_local};

	if (o->client_hop)
		return o->reuse ? client_hop_reused(o->reuse) : 0;
	for (size_t i = 0; i < sizeof(progs) / sizeof(*progs); i++)
		if (bpf_program__set_autoload(progs[i], false))
			return -EINVAL;
	if (!o->reuse && (bpf_map__set_max_entries(obj->maps.zs_accepts, 1) ||
			  bpf_map__set_max_entries(obj->maps.zs_accepted, 1)))
		return -EINVAL;
	return 0;
}

static int sizes_set(struct zs_bpf *obj, const struct zs_object_options *o)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t pages = o->pages ? o->pages : ZS_PAGES_DEFAULT;
	uint32_t entries = o->entries ? o->entries : ZS_ENTRIES_DEFAULT;
	int err = client_hop_set(obj, o);

	if (err)
		return err;
	if (cpus < 0)
		return cpus;
	if (o->reuse)
		return maps_reuse(obj, o->reuse);
	if (bpf_map__set_max_entries(obj->maps.zs_pages, pages) ||
	    bpf_map__set_max_entries(obj->maps.zs_index, entries) ||
	    bpf_map__set_max_entries(obj->maps.zs_front, zs_front_lines(entries)) ||
	    bpf_map__set_max_entries(obj->maps.zs_works, (uint32_t)cpus * WORK_PER_CPU))
		return -EINVAL;
	return 0;
}

/* SO_NETNS_COOKIE came with 5.14, the helper for sockops with 5.15: the helper is probed. */
static void features_set(struct zs_bpf *obj, const struct zs_object_options *o)
{
	obj->rodata->zs_fail_at = o->fail_at;
	obj->rodata->zs_netns_cookies =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_netns_cookie, NULL) == 1;
}

/* Of maps that are new. */
static int ctl_set(const struct zs_bpf *obj, const struct zs_object_options *o)
{
	struct zs_ctl ctl = {.abi = ZS_ABI, .epoch = 1, .flush = 1};
	uint64_t netns = 0;
	uint32_t zero = 0;
	int err;

	if (getrandom(ctl.seed, sizeof(ctl.seed), 0) != sizeof(ctl.seed))
		return -EIO;
	ctl.record_cap = o->record_cap ? o->record_cap : ZS_ANSWER_MAX;
	ctl.front_mask = bpf_map__max_entries(obj->maps.zs_front) - 1;
	ctl.pages = o->pages ? o->pages : ZS_PAGES_DEFAULT;
	ctl.netns_known = obj->rodata->zs_netns_cookies;
	err = ctl.netns_known ? zs_netns_cookie(&netns) : 0;
	if (err)
		return err;
	ctl.netns = netns;
	return bpf_map_update_elem(bpf_map__fd(obj->maps.zs_ctl), &zero, &ctl, BPF_ANY) ? -errno : 0;
}

/* The tables without a rule: fields.def, and what the operator calls inert. */
static int plan_plain(const char *const *inert, struct zs_tables_plan *plan)
{
	static struct zs_tables tables;
	int err = zs_fields_build(&tables);

	for (size_t i = 0; !err && inert && inert[i]; i++) {
		err = zs_fields_add(&tables, inert[i]);
		if (err)
			zs_error("inert field '%s': %s; name a field that zeroserve does not judge itself", inert[i],
				 strerror(-err));
	}
	*plan = (struct zs_tables_plan){.tables = &tables};
	return err;
}

/* Programs that are being taken over go on with the old tables until the new ones are whole. */
static int contents_set(struct zs_bpf *obj, const struct zs_object_options *o)
{
	struct zs_tables_plan plan;
	struct zs_maps maps;
	int err = 0;

	if (o->plan)
		plan = *o->plan;
	else
		err = plan_plain(o->inert, &plan);
	if (!err && !o->reuse)
		err = ctl_set(obj, o);
	if (err)
		return err;
	zs_maps_of_object(obj, &maps);
	return zs_tables_switch(&maps, &plan, o->reuse, o->reuse ? zs_grace_membarrier : NULL);
}

/*
 * The sockhash gets its program before the first socket, because sockets copy it when they enter. The
 * dispatcher is bound to the sockhash, so that the map lives as long as an enrolled socket does: freeing
 * it earlier would throw unread bytes away. When the last user reference goes, the kernel empties the
 * program array, and what is left of the dispatcher passes everything.
 */
static int dispatcher_set(struct zs_bpf *obj)
{
	int dispatch = bpf_program__fd(obj->progs.zs_dispatch);
	int socks = bpf_map__fd(obj->maps.zs_socks);

	if (bpf_prog_attach(dispatch, socks, BPF_SK_MSG_VERDICT, 0))
		return -errno;
	if (bpf_prog_bind_map(dispatch, socks, NULL))
		return -errno;
	return 0;
}

/* The same for accepted connections; zs_accept_enter uses the sockhash itself, which binds it. */
static int accept_dispatchers_set(struct zs_bpf *obj)
{
	int socks = bpf_map__fd(obj->maps.zs_accepts);

	if (!zs_object_client_hop(obj))
		return 0;
	if (bpf_prog_attach(bpf_program__fd(obj->progs.zs_accept_enter), socks, BPF_SK_MSG_VERDICT, 0) ||
	    bpf_prog_attach(bpf_program__fd(obj->progs.zs_gate_enter), socks, BPF_SK_SKB_VERDICT, 0))
		return -errno;
	return 0;
}

/* A failing load says little without the verifier's log, which is long: once more, with a log to a file. */
static void verifier_log_write(const struct zs_object_options *o, int err)
{
	static char text[16 << 20];
	char path[] = "/tmp/zeroserve-verifier-XXXXXX";
	struct zs_bpf *obj = zs_bpf__open();
	struct bpf_program *prog;
	int fd = mkstemp(path);

	if (!obj || fd < 0)
		goto out;
	features_set(obj, o);
	sizes_set(obj, o);
	bpf_object__for_each_program(prog, obj->obj) {
		memset(text, 0, 2);
		bpf_program__set_log_buf(prog, text, sizeof(text));
		bpf_program__set_log_level(prog, 1);
	}
	zs_bpf__load(obj);
	if (write(fd, text, strnlen(text, sizeof(text))) < 0)
		zs_debug("%s: %s", path, strerror(errno));
	zs_error("the kernel refused the programs: %s; the verifier's log is in %s", strerror(-err), path);
out:
	if (fd >= 0)
		close(fd);
	zs_bpf__destroy(obj);
}

int zs_object_load(const struct zs_object_options *options, struct zs_bpf **out)
{
	struct zs_bpf *obj;
	int err;

	zs_object_quiet_libbpf();
	memlock_raise();
	obj = zs_bpf__open();
	if (!obj) {
		err = -errno;
		zs_error("cannot open the built-in BPF object: %s", strerror(errno));
		return err;
	}
	features_set(obj, options);
	err = sizes_set(obj, options);
	if (!err && access("/sys/kernel/btf/vmlinux", R_OK)) {
		zs_error("the kernel does not describe its types (no /sys/kernel/btf/vmlinux), and the fences on a "
			 "socket's sequence numbers need them; boot a kernel with CONFIG_DEBUG_INFO_BTF");
		zs_bpf__destroy(obj);
		return -EOPNOTSUPP;
	}
	if (!err)
		err = zs_bpf__load(obj);
	if (err == -EPERM)
		zs_error("cannot load BPF programs: %s; needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
			 strerror(-err));
	else if (err && err != -EEXIST) /* that was told already */
		verifier_log_write(options, err);
	if (!err)
		err = contents_set(obj, options);
	if (!err)
		err = dispatcher_set(obj);
	if (!err)
		err = accept_dispatchers_set(obj);
	if (err) {
		zs_bpf__destroy(obj);
		return err;
	}
	*out = obj;
	return 0;
}

void zs_object_close(struct zs_bpf *obj)
{
	zs_bpf__destroy(obj);
}

#define SLOT_DIALER   0u
#define SLOT_ACCEPTOR 1u
#define SLOT_LOCAL    2u
#define SLOT_GATE     0u

static int slot_clear(int progs_fd, uint32_t slot)
{
	return bpf_map_delete_elem(progs_fd, &slot) && errno != ENOENT ? -errno : 0;
}

int zs_object_switch(int progs_fd, int dialer_fd, bool on)
{
	uint32_t slot = SLOT_DIALER;

	if (on)
		return bpf_map_update_elem(progs_fd, &slot, &dialer_fd, BPF_ANY) ? -errno : 0;
	return slot_clear(progs_fd, slot);
}

bool zs_object_client_hop(const struct zs_bpf *obj)
{
	return bpf_program__autoload(obj->progs.zs_gate);
}

/* The gate goes first and comes last: it hands requests to the other one. */
int zs_object_accept_off(const struct zs_maps *maps)
{
	int progs = maps->fd[ZS_MAP_progs], err = slot_clear(progs, SLOT_LOCAL);

	if (!err)
		err = slot_clear(maps->fd[ZS_MAP_gates], SLOT_GATE);
	return err ? err : slot_clear(progs, SLOT_ACCEPTOR);
}

int zs_object_switch_accept(const struct zs_bpf *obj, bool on)
{
	uint32_t acceptor = SLOT_ACCEPTOR, gate = SLOT_GATE, local = SLOT_LOCAL;
	int acceptor_fd, gate_fd, local_fd;
	struct zs_maps maps;

	zs_maps_of_object((struct zs_bpf *)obj, &maps);
	if (!zs_object_client_hop(obj) || !on)
		return zs_object_accept_off(&maps);
	acceptor_fd = bpf_program__fd(obj->progs.zs_acceptor);
	gate_fd = bpf_program__fd(obj->progs.zs_gate);
	local_fd = bpf_program__fd(obj->progs.zs_local);
	if (bpf_map_update_elem(maps.fd[ZS_MAP_progs], &acceptor, &acceptor_fd, BPF_ANY) ||
	    bpf_map_update_elem(maps.fd[ZS_MAP_gates], &gate, &gate_fd, BPF_ANY) ||
	    bpf_map_update_elem(maps.fd[ZS_MAP_progs], &local, &local_fd, BPF_ANY))
		return -errno;
	return 0;
}
