// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attaching, taking over and detaching below live connections, in a bpffs of the test's own: no
 * byte is lost, and what is gone is gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include "attach.h"
#include "log.h"
#include "object.h"
#include "origins.h"

#define PAGES	   1024u
#define STORED	   "/life"
#define STORED_LEN 20000u
#define GET	   "GET " STORED " HTTP/1.1\r\nHost: rig\r\n\r\n"

static struct zs_instance instance;
static unsigned int files; /* what the kernel itself puts into a new bpffs */

/* --- the world, attached by zs_attach instead of the rig ---------------------------------------
 */

static int listener_open(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (void *)&at, len) || listen(fd, 64) ||
	    getsockname(fd, (void *)&at, &len))
		return -1;
	kern.rig.listener = fd;
	kern.rig.port = ntohs(at.sin_port);
	return 0;
}

static int life_begin(void **state)
{
	(void)state;
	kern_guard();
	memset(&kern.rig, 0, sizeof(kern.rig));
	strcpy(kern.mount, "/tmp/zs-kern-XXXXXX");
	if (!mkdtemp(kern.mount) || mount("bpf", kern.mount, "bpf", 0, NULL) ||
	    zs_instance_init(&instance, kern.mount, "kern", false) ||
	    zs_cgroup_from_pid(getpid(), kern.rig.home) || zs_cgroup_create_temp(kern.rig.cgroup) ||
	    zs_cgroup_enter(kern.rig.cgroup, 0))
		return -1;
	memcpy(kern.cgroup, kern.rig.cgroup, sizeof(kern.cgroup));
	files = kern_entries(kern.mount, NULL);
	return listener_open();
}

static void origin_add(void)
{
	struct zs_origin_key key = {.addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
				    .port = kern.rig.port};
	uint64_t cookie = 0;

	if (kern.rig.ctl->netns_known)
		assert_int_equal(zs_netns_cookie(&cookie), 0);
	key.netns = cookie;
	assert_int_equal(zs_origin_put(&kern.rig.maps, kern.rig.ctl, &key, 1), 0);
}

static void attach_to(const char *cgroup)
{
	struct zs_object_options options = {.pages = PAGES, .entries = 4096};
	struct zs_store_options store = {
		.count = PAGES, .entries = 4096, .grace = zs_grace_membarrier};
	struct zs_rig *rig = &kern.rig;

	assert_int_equal(zs_attach(&instance, cgroup, &options, &rig->obj), 0);
	zs_maps_of_object(rig->obj, &rig->maps);
	rig->ctl = zs_ctl_map(&rig->maps);
	rig->generations =
		zs_map_view(rig->maps.fd[ZS_MAP_gens], ZS_GENERATIONS * sizeof(uint64_t));
	rig->pages = zs_map_view(rig->maps.fd[ZS_MAP_pages], (size_t)PAGES * ZS_PAGE_SIZE);
	assert_true(rig->ctl && rig->generations && rig->pages);
	store.pages = rig->pages;
	store.index_fd = rig->maps.fd[ZS_MAP_index];
	assert_int_equal(zs_store_create(&store, &rig->store), 0);
	origin_add();
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

static int life_end(void **state)
{
	struct zs_rig *rig = &kern.rig;
	int err;

	(void)state;
	kern_hang_up();
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

static void attached(void)
{
	attach_to(kern.rig.cgroup);
	kern_put(STORED, STORED_LEN, 60);
	kern_redial();
	kern_hit(STORED, STORED_LEN);
}

static void detached(void)
{
	assert_int_equal(zs_detach(&instance), 0);
	let_go();
	assert_false(zs_instance_exists(&instance));
	assert_int_equal(kern_entries(kern.mount, NULL), files);
	usleep(100000); /* what is freed after a grace period is gone */
	zs_grace_membarrier();
}

/* --- tests -------------------------------------------------------------------------------------
 */

static void test_attach_and_detach(void **state)
{
	uint64_t id, there = 0;

	(void)state;
	assert_false(zs_instance_exists(&instance));
	assert_int_equal(zs_attached_cgroup(&instance, &there), -ENOENT);
	attached();
	assert_true(zs_instance_exists(&instance));
	assert_int_equal(zs_cgroup_id(kern.rig.cgroup, &id), 0);
	assert_int_equal(zs_attached_cgroup(&instance, &there), 0);
	assert_int_equal(there, id);
	detached();
	assert_int_equal(zs_detach(&instance), 0);
	assert_int_equal(zs_attached_cgroup(&instance, &there), -ENOENT);
}

/* Answers that wait to be read outlive everything that gave them. */
static void test_unread_answers(void **state)
{
	char head[256];
	size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN;

	(void)state;
	attached();
	for (int i = 0; i < 3; i++)
		kern_ask(kern.dialer, "GET", STORED);
	detached();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n), n);
		assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	}
	kern_silent(kern.dialer);
	for (int i = 0; i < 50; i++)
		kern_miss(STORED);
	assert_true(zs_draining(&instance) >= 1);
	kern_redial();
	kern_miss(STORED);
}

static void test_unread_native_bytes(void **state)
{
	(void)state;
	attached();
	kern_ask(kern.dialer, "GET", "/other");
	kern_send(kern.acceptor, kern_ok, KERN_OK_LEN);
	detached();
	kern_arrives(kern.dialer, kern_ok, KERN_OK_LEN);
	kern_silent(kern.dialer);
}

/* In the middle of an upload; attached again, an old connection stays native, a new one is
 * answered. */
static void test_detached_within_a_body(void **state)
{
	char text[256];
	int dialer, acceptor;
	size_t head = (size_t)sprintf(
		text, "POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: %zu\r\n\r\n", strlen(GET));

	(void)state;
	strcpy(text + head, GET);
	attached();
	kern_send(kern.dialer, text, head);
	detached();
	kern_send(kern.dialer, text + head, strlen(GET));
	kern_served(text, strlen(text));
	kern_send(kern.dialer, text, head);
	attach_to(kern.rig.cgroup);
	kern_put(STORED, STORED_LEN, 60);
	kern_text(kern.dialer, GET);
	kern_served(text, strlen(text));
	kern_miss(STORED);
	dialer = kern.dialer;
	acceptor = kern.acceptor;
	kern_pair(&kern.dialer, &kern.acceptor);
	kern_hit(STORED, STORED_LEN);
	kern.dialer = dialer;
	kern.acceptor = acceptor;
	kern_miss(STORED);
}

/* New programs on the old maps: framing goes on, what was stored is void, what is stored now is
 * answered. */
static void test_taken_over(void **state)
{
	char text[256];
	size_t head = (size_t)sprintf(
		text, "POST /x HTTP/1.1\r\nHost: rig\r\nContent-Length: %zu\r\n\r\n", strlen(GET));

	(void)state;
	strcpy(text + head, GET);
	attached();
	kern_send(kern.dialer, text, head);
	let_go();
	attach_to(kern.rig.cgroup);
	kern_put(STORED, STORED_LEN, 60);
	kern_text(kern.dialer, GET);
	kern_served(text, strlen(text));
	kern_hit(STORED, STORED_LEN);
	let_go();
	attach_to(kern.rig.cgroup);
	kern_miss(STORED);
	kern_redial();
	kern_miss(STORED);
	kern_put(STORED, STORED_LEN, 60);
	kern_hit(STORED, STORED_LEN);
}

/* What an agent without a shut-down left in the store is void for the next one. */
static void test_taken_over_from_the_dead(void **state)
{
	struct zs_store *left;

	(void)state;
	attached();
	left = kern.rig.store;
	zs_store_create(&(struct zs_store_options){.index_fd = -1, .count = 1, .entries = 1},
			&kern.rig.store);
	let_go();
	kern_hit(STORED, STORED_LEN); /* nobody is there, and it is fresh */
	attach_to(kern.rig.cgroup);
	kern_miss(STORED);
	zs_store_destroy(left);
}

/* The cgroup went away below the links. */
static void test_cgroup_gone(void **state)
{
	char other[PATH_MAX];
	uint64_t there;

	(void)state;
	assert_int_equal(zs_cgroup_create_temp(other), 0);
	attach_to(other);
	kern_redial();
	kern_put(STORED, STORED_LEN, 60);
	kern_miss(STORED); /* this process is in another one */
	assert_int_equal(zs_cgroup_remove_temp(other), 0);
	usleep(50000);
	assert_int_equal(zs_attached_cgroup(&instance, &there), -ENOLINK);
	let_go();
	attached();
}

/* An attachment that did not come to its end is cleared away. */
static void test_half_pinned(void **state)
{
	(void)state;
	attached();
	let_go();
	assert_int_equal(unlink(zs_pin_path(&instance, "ctl")), 0);
	attached();
}

static void test_detached_while_paused(void **state)
{
	(void)state;
	attached();
	kern.rig.ctl->paused = 1;
	kern_miss(STORED);
	detached();
	kern_miss(STORED);
	attached();
}

/* The rig's own end, with answers unread. */
static void test_rig_closed(void **state)
{
	char head[256];
	size_t n = kern_head_of(STORED_LEN, head) + STORED_LEN;

	(void)state;
	assert_int_equal(kern_open(ZS_RIG_V6), 0);
	kern_put(STORED, STORED_LEN, 60);
	kern_redial();
	kern_ask(kern.dialer, "GET", STORED);
	kern_ask(kern.dialer, "GET", STORED);
	kern_close(NULL);
	alarm(KERN_SECONDS);
	usleep(100000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(zs_rig_recv(kern.dialer, kern.got, n), n);
		assert_true(kern_is_answer(STORED, STORED_LEN, kern.got, kern.body));
	}
	kern_miss(STORED);
	kern_hang_up();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, life_begin, life_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attach_and_detach),
		TEST(test_unread_answers),
		TEST(test_unread_native_bytes),
		TEST(test_detached_within_a_body),
		TEST(test_taken_over),
		TEST(test_taken_over_from_the_dead),
		TEST(test_cgroup_gone),
		TEST(test_half_pinned),
		TEST(test_detached_while_paused),
		cmocka_unit_test(test_rig_closed),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed;

	zs_log_level_set(ZS_LOG_ERROR);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
