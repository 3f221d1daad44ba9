// SPDX-License-Identifier: GPL-2.0-or-later
/* The test rig: programs in a throw-away cgroup. */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "zs.skel.h"

#include <zs/key.h>

#include "agent_purge.h"
#include "cgroup.h"
#include "clock.h"
#include "counters.h"
#include "fields.h"
#include "log.h"
#include "object.h"
#include "origins.h"

#define RIG_PAGES   8192u
#define RIG_ENTRIES 4096u

int zs_rig_gate(struct zs_rig *rig, bool on)
{
	return zs_object_switch_accept(rig->obj, on);
}

static int programs_attach(struct zs_rig *rig)
{
	int fd, err;

	err = zs_object_switch(rig->maps.fd[ZS_MAP_progs], bpf_program__fd(rig->obj->progs.zs_dialer), true);
	if (err)
		return err;
	fd = open(rig->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rig->recorder = bpf_program__attach_cgroup(rig->obj->progs.zs_recorder, fd);
	rig->watcher = bpf_program__attach_cgroup(rig->obj->progs.zs_watcher, fd);
	rig->enrol = bpf_program__attach_cgroup(rig->obj->progs.zs_enrol, fd);
	if (rig->options.client_hop) {
		rig->replies = bpf_program__attach_cgroup(rig->obj->progs.zs_replies, fd);
		rig->accept = bpf_program__attach_cgroup(rig->obj->progs.zs_accept, fd);
	}
	if (rig->options.local)
		rig->enrol_local = bpf_program__attach_cgroup(rig->obj->progs.zs_enrol_local, fd);
	close(fd);
	if (!rig->recorder || !rig->watcher || !rig->enrol || (rig->options.client_hop && (!rig->replies || !rig->accept)) ||
	    (rig->options.local && !rig->enrol_local))
		return -errno;
	return zs_rig_gate(rig, rig->options.client_hop);
}

static int store_open(struct zs_rig *rig)
{
	struct zs_store_options options = {
		.index_fd = rig->maps.fd[ZS_MAP_index],
		.count = rig->options.pages,
		.entries = rig->options.entries,
		.grace = zs_grace_membarrier,
		.still_wanted = zs_agent_purge_wanted,
		.user = &rig->purges,
	};
	int err = zs_front_open(&rig->maps, &rig->front);

	if (err)
		return err;

	rig->ctl = zs_ctl_map(&rig->maps);
	rig->generations = zs_map_view(rig->maps.fd[ZS_MAP_gens], ZS_GENERATIONS * sizeof(uint64_t));
	rig->pages = zs_map_view(rig->maps.fd[ZS_MAP_pages], (size_t)rig->options.pages * ZS_PAGE_SIZE);
	rig->purges.ctl = rig->ctl;
	rig->purges.ring = zs_map_view(rig->maps.fd[ZS_MAP_purges], sizeof(struct zs_purge) * ZS_PURGES);
	if (!rig->ctl || !rig->generations || !rig->pages || !rig->purges.ring)
		return -errno;
	options.pages = rig->pages;
	options.front = rig->front;
	return zs_store_create(&options, &rig->store);
}

/* The address to dial; a mapped dialer goes to an IPv4 listener through an AF_INET6 socket. */
static socklen_t address(const struct zs_rig *rig, struct sockaddr_storage *out, int dialing)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (rig->family == ZS_RIG_V4 || (rig->family == ZS_RIG_MAPPED && !dialing) ||
	    (rig->family == ZS_RIG_DUAL && dialing)) {
		v4->sin_family = AF_INET;
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v4->sin_port = htons(rig->port);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(rig->port);
	if (rig->family == ZS_RIG_DUAL) /* in6addr_any */
		return sizeof(*v6);
	inet_pton(AF_INET6, rig->family == ZS_RIG_V6 ? "::1" : "::ffff:127.0.0.1", &v6->sin6_addr);
	return sizeof(*v6);
}

int zs_rig_origin(struct zs_rig *rig, bool on)
{
	if (on)
		return zs_origin_put(&rig->maps, rig->ctl, &rig->origin, 1);
	return bpf_map_delete_elem(rig->maps.fd[ZS_MAP_origins], &rig->origin);
}

int zs_rig_listen(struct zs_rig *rig, bool on, bool any, uint32_t pass_after)
{
	struct zs_listener value = {.origin = 1, .flags = ZS_LISTENER_REMOTE, .pass_after = pass_after};
	struct zs_origin_key key = rig->origin;
	int fd = rig->maps.fd[ZS_MAP_listeners];

	if (rig->options.local)
		value.flags |= ZS_LISTENER_LOCAL;
	if (rig->options.client_first)
		value.flags |= ZS_LISTENER_FIRST;
	if (any)
		memset(key.addr, 0, sizeof(key.addr));
	if (on)
		return bpf_map_update_elem(fd, &key, &value, BPF_ANY) ? -errno : 0;
	return bpf_map_delete_elem(fd, &key) ? -errno : 0;
}

static int listener_open(struct zs_rig *rig)
{
	struct zs_origin_key *key = &rig->origin;
	struct sockaddr_storage at;
	socklen_t len = address(rig, &at, 0);

	rig->listener = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (rig->listener < 0 || bind(rig->listener, (struct sockaddr *)&at, len) ||
	    listen(rig->listener, 64) || getsockname(rig->listener, (struct sockaddr *)&at, &len))
		return -errno;
	rig->port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
						   : ((struct sockaddr_in *)&at)->sin_port);
	key->addr[15] = 1;
	if (rig->family != ZS_RIG_V6)
		memcpy(key->addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	key->port = rig->port;
	if (rig->ctl->netns_known) {
		uint64_t cookie;
		int err = zs_netns_cookie(&cookie);

		if (err)
			return err;
		key->netns = cookie;
	}
	return rig->options.client_hop ? zs_rig_listen(rig, true, false, 0) : zs_rig_origin(rig, true);
}

/* Null: all defaults. */
static void options_set(struct zs_rig *rig, const struct zs_rig_options *options)
{
	if (options)
		rig->options = *options;
	if (!rig->options.pages)
		rig->options.pages = RIG_PAGES;
	if (!rig->options.entries)
		rig->options.entries = RIG_ENTRIES;
}

int zs_rig_open(struct zs_rig *rig, enum zs_rig_family family, const struct zs_rig_options *wish)
{
	struct zs_object_options options = {0};
	int err;

	memset(rig, 0, sizeof(*rig));
	rig->listener = -1;
	rig->family = family;
	options_set(rig, wish);
	options.pages = rig->options.pages;
	options.entries = rig->options.entries;
	options.client_hop = rig->options.client_hop;
	err = zs_cgroup_from_pid(getpid(), rig->home);
	if (!err)
		err = zs_cgroup_create_temp(rig->cgroup);
	if (!err)
		err = zs_cgroup_enter(rig->cgroup, 0);
	if (!err)
		err = zs_object_load(&options, &rig->obj);
	if (!err) {
		zs_maps_of_object(rig->obj, &rig->maps);
		err = programs_attach(rig);
	}
	if (!err)
		err = store_open(rig);
	if (!err)
		err = listener_open(rig);
	if (err)
		zs_rig_close(rig);
	return err;
}

static void unmap(void *view, size_t size)
{
	if (view)
		munmap(view, size);
}

void zs_rig_close(struct zs_rig *rig)
{
	if (rig->listener >= 0)
		close(rig->listener);
	zs_store_destroy(rig->store);
	zs_front_close(&rig->front);
	unmap(rig->ctl, sizeof(struct zs_ctl));
	unmap(rig->generations, ZS_GENERATIONS * sizeof(uint64_t));
	unmap(rig->pages, (size_t)rig->options.pages * ZS_PAGE_SIZE);
	unmap(rig->purges.ring, sizeof(struct zs_purge) * ZS_PURGES);
	bpf_link__destroy(rig->enrol);
	bpf_link__destroy(rig->recorder);
	bpf_link__destroy(rig->watcher);
	bpf_link__destroy(rig->accept);
	bpf_link__destroy(rig->replies);
	bpf_link__destroy(rig->enrol_local);
	zs_object_close(rig->obj);
	if (rig->home[0])
		zs_cgroup_enter(rig->home, 0);
	if (rig->cgroup[0])
		zs_cgroup_remove_temp(rig->cgroup);
	memset(rig, 0, sizeof(*rig));
	rig->listener = -1;
}

int zs_rig_pair(struct zs_rig *rig, int *dialer, int *acceptor)
{
	struct timeval timeout = {.tv_sec = 2};
	struct sockaddr_storage to;
	socklen_t len = address(rig, &to, 1);
	int one = 1, a = -1, d = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (d >= 0 && !connect(d, (struct sockaddr *)&to, len))
		a = accept(rig->listener, NULL, NULL);
	if (a < 0) {
		int err = -errno;

		if (d >= 0)
			close(d);
		return err;
	}
	setsockopt(d, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(d, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*dialer = d;
	*acceptor = a;
	return 0;
}

size_t zs_rig_request(const char *method, const char *target, char *text, size_t size)
{
	return (size_t)snprintf(text, size, "%s %s HTTP/1.1\r\nHost: rig\r\n\r\n", method, target);
}

static int key_build(struct zs_rig *rig, const char *target, struct zs_key *key, struct zs_request *r)
{
	static struct zs_tables tables;
	size_t len = zs_rig_request("GET", target, (char *)r->head, ZS_HEAD_MAX);
	int err = zs_fields_build(&tables);

	(void)rig;
	if (err)
		return err;
	if (zs_request_scan(r, &tables, (uint32_t)len) != ZS_SCAN_OK)
		return -EINVAL;
	zs_request_fields(r, &tables);
	zs_request_values(r, &tables);
	if (!zs_request_recordable(r))
		return -EINVAL;
	memset(key, 0, sizeof(*key));
	zs_key_build(key, r, 1);
	return 0;
}

uint64_t zs_rig_digest(struct zs_rig *rig, const char *target)
{
	static struct zs_request request;
	static struct zs_key key;

	if (key_build(rig, target, &key, &request))
		return 0;
	return zs_key_digest(&key, rig->ctl->seed[0], rig->ctl->seed[1]);
}

int zs_rig_put(struct zs_rig *rig, const char *target, const uint8_t *body, uint32_t body_len,
	       uint32_t seconds, char *head)
{
	static struct zs_request request;
	static struct zs_key key;
	struct zs_store_item item = rig->more;
	uint64_t now = zs_boot_ns();
	int err = key_build(rig, target, &key, &request);

	if (err)
		return err;
	item.key = &key;
	item.body = body;
	item.body_len = body_len;
	item.status = item.status ? item.status : 200;
	item.head = (uint8_t *)head;
	item.age_off = (uint32_t)sprintf(head, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\nAge: ", body_len);
	item.ttl_off = item.age_off + (uint32_t)sprintf(head + item.age_off, "%*s\r\nCache-Status: zeroserve; hit; ttl=",
							ZS_SLOT_DIGITS, "");
	item.head_len = item.ttl_off + (uint32_t)sprintf(head + item.ttl_off, "%*s\r\n\r\n", ZS_SLOT_DIGITS, "");
	item.digest = zs_key_digest(&key, rig->ctl->seed[0], rig->ctl->seed[1]);
	item.bucket = zs_key_bucket(&key, rig->ctl->seed[0], rig->ctl->seed[1]);
	item.key_len = zs_key_len(&key);
	item.born = (int64_t)now;
	item.asked = item.asked ? item.asked : now;
	item.fresh_until = now + seconds * ZS_NS;
	item.refresh_at = ~0ull;
	item.generation = (uint32_t)rig->generations[item.bucket];
	item.flush = rig->ctl->flush;
	item.request = request.head;
	item.request_len = request.head_len;
	rig->ctl->stored = 1;
	return zs_store_put(rig->store, &item);
}

size_t zs_rig_recv(int fd, void *data, size_t want)
{
	size_t have = 0;

	while (have < want) {
		ssize_t n = recv(fd, (char *)data + have, want - have, 0);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return have;
}

int zs_rig_head_equal(const char *stored, const char *received, size_t len)
{
	size_t i = 0, digits = 0;

	for (; i < len; i++) {
		if (stored[i] == received[i])
			continue;
		if (stored[i] != ' ' || ((received[i] < '0' || received[i] > '9') && received[i] != '-'))
			return 0;
		digits++;
	}
	return digits >= 2; /* one in each slot at least */
}

int zs_rig_dispatch(const struct zs_rig *rig)
{
	return bpf_program__fd(rig->obj->progs.zs_dispatch);
}

uint64_t zs_rig_counter(struct zs_rig *rig, int id)
{
	uint64_t values[ZS_COUNTERS];

	return zs_counters_read(rig->maps.fd[ZS_MAP_counters], values) ? 0 : values[id];
}
