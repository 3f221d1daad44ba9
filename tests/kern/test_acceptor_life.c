// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attaching with and without the client hop, taking over and detaching below live accepted connections, in a bpffs of
 * the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_client.h"

#include <arpa/inet.h>
#include <sys/mman.h>

#include "attach.h"
#include "log.h"
#include "object.h"
#include "origins.h"

#define PAGES 256u

static struct zs_instance instance;
static unsigned int files; /* what the kernel itself puts into a new bpffs */

static int begin(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct zs_rig *rig = &kern.rig;
	socklen_t len = sizeof(at);

	(void)state;
	kern_guard();
	memset(rig, 0, sizeof(*rig));
	strcpy(kern.mount, "/tmp/zs-kern-XXXXXX");
	if (!mkdtemp(kern.mount) || mount("bpf", kern.mount, "bpf", 0, NULL) ||
	    zs_instance_init(&instance, kern.mount, "kern", false) || zs_cgroup_from_pid(getpid(), rig->home) ||
	    zs_cgroup_create_temp(rig->cgroup) || zs_cgroup_enter(rig->cgroup, 0))
		return -1;
	memcpy(kern.cgroup, rig->cgroup, sizeof(kern.cgroup));
	files = kern_entries(kern.mount, NULL);
	rig->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(rig->listener, (void *)&at, len) || listen(rig->listener, 64) || getsockname(rig->listener, (void *)&at, &len))
		return -1;
	rig->port = ntohs(at.sin_port);
	rig->options.client_first = true;
	rig->origin = (struct zs_origin_key){.addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = rig->port};
	if (!client.out)
		client.out = malloc(SERVER_IN * 2);
	server_start();
	return 0;
}

/* The agent goes: nothing of the attachment is held by this process any more. */
static void let_go(void)
{
	struct zs_rig *rig = &kern.rig;

	if (!rig->obj)
		return;
	zs_store_destroy(rig->store);
	munmap(rig->ctl, sizeof(struct zs_ctl));
	munmap(rig->generations, ZS_GENERATIONS * sizeof(uint64_t));
	munmap(rig->pages, (size_t)PAGES * ZS_PAGE_SIZE);
	zs_object_close(rig->obj);
	rig->store = NULL;
	rig->obj = NULL;
}

static void attach(bool client_hop)
{
	struct zs_object_options options = {.pages = PAGES, .entries = 64, .client_hop = client_hop};
	struct zs_store_options store = {.count = PAGES, .entries = 64, .grace = zs_grace_membarrier};
	struct zs_rig *rig = &kern.rig;
	uint64_t cookie = 0;

	let_go();
	alarm(KERN_SECONDS);
	assert_int_equal(zs_attach(&instance, rig->cgroup, &options, &rig->obj), 0);
	zs_maps_of_object(rig->obj, &rig->maps);
	rig->ctl = zs_ctl_map(&rig->maps);
	rig->generations = zs_map_view(rig->maps.fd[ZS_MAP_gens], ZS_GENERATIONS * sizeof(uint64_t));
	rig->ctl->judged = zs_boot_ns() + KERN_SECONDS * ZS_NS;
	rig->pages = zs_map_view(rig->maps.fd[ZS_MAP_pages], (size_t)PAGES * ZS_PAGE_SIZE);
	assert_true(rig->ctl && rig->generations && rig->pages);
	store.pages = rig->pages;
	store.index_fd = rig->maps.fd[ZS_MAP_index];
	assert_int_equal(zs_store_create(&store, &rig->store), 0);
	if (rig->ctl->netns_known)
		assert_int_equal(zs_netns_cookie(&cookie), 0);
	rig->origin.netns = cookie;
	assert_int_equal(zs_rig_listen(rig, true, false, 0), 0);
	client_store('l', 3000);
}

static void detach(void)
{
	assert_int_equal(zs_detach(&instance), 0);
	let_go();
	assert_int_equal(kern_entries(kern.mount, NULL), files);
}

static int finish(void **state)
{
	struct zs_rig *rig = &kern.rig;
	int err;

	(void)state;
	close(client.fd);
	client.fd = 0;
	server_stop();
	let_go();
	err = zs_detach(&instance);
	close(rig->listener);
	if (kern_entries(kern.mount, NULL) != files)
		err = -1;
	zs_cgroup_enter(rig->home, 0);
	if (zs_cgroup_remove_temp(rig->cgroup) || umount2(kern.mount, 0) || rmdir(kern.mount))
		err = -1;
	memset(rig, 0, sizeof(*rig));
	alarm(0);
	return err;
}

/* Connections that are followed are served after everything is gone, and nothing holds on to them. */
static void test_detached(void **state)
{
	(void)state;
	attach(true);
	client_dial();
	client_ask("GET", 'l', 3000);
	client_expect(true);
	detach();
	for (int i = 0; i < 20; i++) {
		client_add("GET", "lc"[i % 2], 3000, "");
		client_add("HEAD", 'l', 3000, "");
		client_flush();
		client_expect(false);
		client_expect(false);
	}
	assert_true(zs_draining(&instance) > 0);
	attach(true);
	client_ask("GET", 'l', 3000); /* it stays with what is gone */
	client_expect(false);
	client_dial();
	client_ask("GET", 'l', 3000);
	client_expect(true);
}

/* Programs replaced below a connection: answered by the new ones. */
static void test_taken_over(void **state)
{
	(void)state;
	attach(true);
	client_dial();
	client_ask("GET", 'l', 3000);
	client_expect(true);
	attach(true);
	client_ask("GET", 'l', 3000);
	client_expect(true);
	attach(false); /* switched off: it is served */
	client_ask("GET", 'l', 3000);
	client_expect(false);
	client_dial();
	client_ask("GET", 'l', 3000);
	client_expect(false);
}

/* Off, nothing more is loaded; on over off is refused. */
static void test_off(void **state)
{
	struct zs_object_options options = {.pages = PAGES, .entries = 64, .client_hop = true};
	struct zs_bpf *obj;

	(void)state;
	attach(false);
	assert_false(zs_object_client_hop(kern.rig.obj));
	client_dial();
	client_ask("GET", 'l', 3000);
	client_expect(false);
	assert_int_equal(access(zs_pin_path(&instance, "link_accept"), F_OK), -1);
	zs_log_level_set(ZS_LOG_ERROR);
	assert_int_equal(zs_attach(&instance, kern.rig.cgroup, &options, &obj), -EEXIST);
	zs_log_level_set(ZS_LOG_INFO);
	detach();
	attach(true);
	assert_int_equal(access(zs_pin_path(&instance, "link_accept"), F_OK), 0);
	client_dial();
	client_ask("GET", 'l', 3000);
	client_expect(true);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_detached), TEST(test_taken_over), TEST(test_off), KERN_LAST};

	return cmocka_run_group_tests_name("acceptor/life", tests, NULL, NULL);
}
