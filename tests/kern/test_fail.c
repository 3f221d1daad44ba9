// SPDX-License-Identifier: GPL-2.0-or-later
/* Every step of answering and recording that can fail, failing: the request reaches the server once and intact,
 * the connection stays what it was, and is answered again when the step works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_events.h"

#include <linux/sock_diag.h>
#include <zs/fail.h>

#include "object.h"
#include "zs.skel.h"

#define SMALL	  "/small"
#define SMALL_LEN 300u
#define LARGE	  "/large"
#define LARGE_LEN ZS_BODY_MAX
#define TRIES	  40

/* --- programs with a fault, on the rig's maps ------------------------------------------------- */

static struct zs_bpf *faulty;

static void dialer_use(struct zs_bpf *obj)
{
	int fd = bpf_program__fd(obj->progs.zs_dialer);

	assert_int_equal(zs_object_switch(kern.rig.maps.fd[ZS_MAP_progs], fd, true), 0);
}

static void recorder_use(struct zs_bpf *obj)
{
	int fd = open(kern.rig.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	bpf_link__destroy(kern.rig.recorder);
	kern.rig.recorder = bpf_program__attach_cgroup(obj->progs.zs_recorder, fd);
	close(fd);
	assert_non_null(kern.rig.recorder);
}

static void fault_begin(uint32_t step)
{
	const struct zs_object_options o = {.reuse = &kern.rig.maps, .fail_at = step};

	assert_int_equal(zs_object_load(&o, &faulty), 0);
	dialer_use(faulty);
	recorder_use(faulty);
	kern_put(SMALL, SMALL_LEN, 600); /* loading has voided what was stored */
	kern_put(LARGE, LARGE_LEN, 600);
}

static void fault_end(void)
{
	if (!faulty)
		return;
	dialer_use(kern.rig.obj);
	recorder_use(kern.rig.obj);
	zs_object_close(faulty);
	faulty = NULL;
}

static int begin(void **state)
{
	int err = events_begin(state);

	alarm(4 * KERN_SECONDS); /* programs are loaded over and over */
	return err;
}

static int finish(void **state)
{
	fault_end();
	return events_finish(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

/* --- what must hold ---------------------------------------------------------------------------- */

/* What the socket is charged with: at most a packet that the peer has not acknowledged yet, and no reserve
 * beyond what one answer takes. */
static void nothing_held(int fd)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len), 0);
	assert_int_equal(info[SK_MEMINFO_RMEM_ALLOC], 0);
	assert_true(info[SK_MEMINFO_WMEM_QUEUED] < 4096);
	assert_true((int32_t)info[SK_MEMINFO_FWD_ALLOC] >= 0);
	assert_true(info[SK_MEMINFO_FWD_ALLOC] <= 2 * ZS_ANSWER_MAX);
}

static void settled(void)
{
	nothing_held(kern.dialer);
	nothing_held(kern.acceptor);
	assert_int_equal(kern_count(ZS_COUNT_impossible), 0);
}

/* Requests for `target`, whose answer cannot be made: as many misses, each served once by the server. */
static void unanswerable(const char *target)
{
	uint64_t hits = kern_count(ZS_COUNT_hits), misses = kern_count(ZS_COUNT_misses),
		 unanswered = kern_count(ZS_COUNT_unanswered), passed = kern_count(ZS_COUNT_passed);

	for (int i = 0; i < TRIES; i++)
		kern_miss(target);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(kern_count(ZS_COUNT_misses), misses + TRIES);
	assert_int_equal(kern_count(ZS_COUNT_unanswered), unanswered + TRIES);
	assert_int_equal(kern_count(ZS_COUNT_passed), passed + TRIES);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
	settled();
}

static void answers(const char *target, uint32_t len)
{
	uint64_t hits = kern_count(ZS_COUNT_hits);

	for (int i = 0; i < TRIES; i++)
		kern_hit(target, len);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits + TRIES);
	settled();
}

/* On one connection: the fault, other requests beside it, and afterwards answers as if nothing had been. */
static void answer_fails(uint32_t step, bool small_too)
{
	print_message("  step %u\n", step);
	fault_begin(step);
	unanswerable(LARGE);
	if (small_too)
		unanswerable(SMALL);
	else
		answers(SMALL, SMALL_LEN);
	kern_miss("/unknown");
	fault_end();
	answers(SMALL, SMALL_LEN);
	answers(LARGE, LARGE_LEN);
	kern_miss("/unknown");
	events_reset();
}

/* --- answering --------------------------------------------------------------------------------- */

static void test_answer(void **state)
{
	static const uint32_t steps[] = {ZS_FAIL_PAGE, ZS_FAIL_PUSH,	 ZS_FAIL_AGE,
					 ZS_FAIL_TTL,  ZS_FAIL_REDIRECT, ZS_FAIL_PULL,
					 ZS_FAIL_FILL};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		answer_fails(steps[i], true);
}

/* The last window that the object has comes first, the first one last. */
static void test_windows(void **state)
{
	const uint32_t last = (LARGE_LEN + 256) / ZS_WINDOW;
	const uint32_t windows[] = {1, last / 2, last};

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		answer_fails(ZS_FAIL_PULL + windows[i], false);
		answer_fails(ZS_FAIL_FILL + windows[i], false);
	}
}

/* Without a work space nothing is known about the message: it passes, the connection is native for good, and
 * whatever it may have invalidated is void. */
static void test_no_work_space(void **state)
{
	(void)state;
	fault_begin(ZS_FAIL_WORK);
	kern_miss(SMALL);
	fault_end();
	kern_miss(SMALL);
	assert_int_equal(kern_count(ZS_COUNT_no_workspace), 1);
	assert_int_equal(kern_count(ZS_COUNT_passive), 1);
	kern_redial();
	kern_miss(SMALL);
	assert_int_equal(kern_count(ZS_COUNT_purged), 1);
	kern_put(SMALL, SMALL_LEN, 600);
	answers(SMALL, SMALL_LEN);
}

/* --- events ------------------------------------------------------------------------------------ */

/* The wish for a refresh is lost; the next hit utters it again. */
static void test_refresh_lost(void **state)
{
	(void)state;
	fault_begin(ZS_FAIL_REFRESH);
	kern_object(SMALL)->refresh_at = 1;
	answers(SMALL, SMALL_LEN);
	assert_int_equal(kern_count(ZS_COUNT_refresh_asked), 0);
	assert_int_equal(kern_count(ZS_COUNT_events_lost), TRIES);
	fault_end();
	answers(SMALL, SMALL_LEN);
	assert_int_equal(kern_count(ZS_COUNT_refresh_asked), 1);
	assert_int_equal(kern_count(ZS_COUNT_events_lost), TRIES);
}

/* A hit that cannot be logged is a hit. */
static void test_hit_lost(void **state)
{
	(void)state;
	kern.rig.ctl->logging = zs_boot_ns() + 600 * ZS_NS;
	fault_begin(ZS_FAIL_HIT);
	answers(SMALL, SMALL_LEN);
	answers(LARGE, LARGE_LEN);
	assert_int_equal(kern_count(ZS_COUNT_log_lost), 2 * TRIES);
	assert_int_equal(kern_count(ZS_COUNT_logged), 0);
	fault_end();
	answers(SMALL, SMALL_LEN);
	assert_int_equal(kern_count(ZS_COUNT_logged), TRIES);
	assert_int_equal(kern_count(ZS_COUNT_log_lost), 2 * TRIES);
	kern.rig.ctl->logging = 0;
}

/* What cannot be announced is not copied either, and recorded at the next try. */
static void test_announce_lost(void **state)
{
	(void)state;
	fault_begin(ZS_FAIL_ANNOUNCE);
	for (int i = 0; i < TRIES; i++)
		kern_miss("/announce");
	events_none();
	assert_int_equal(kern_count(ZS_COUNT_events_lost), TRIES);
	assert_int_equal(kern_count(ZS_COUNT_recorded), 0);
	fault_end();
	settled();
	asked("/announce");
	streamed(text, response_make("/announce", 3000), 4000);
	assert_true(recorded("/announce", 3000));
}

/* A segment is lost: the visitor has it, the recording is given up, the next one is whole. */
static void test_payload_lost(void **state)
{
	(void)state;
	fault_begin(ZS_FAIL_PAYLOAD);
	asked("/payload");
	streamed(text, response_make("/payload", 30000), 4000);
	events_read();
	assert_int_equal(events.requests, 1);
	assert_int_equal(events.data, 0);
	assert_int_equal(kern_count(ZS_COUNT_events_lost), 1);
	zs_recordings_expire(events.recordings, ~0ull);
	assert_int_equal(events.ended[ZS_RECORDING_STORED], 0);
	events_reset();
	fault_end();
	settled();
	for (int i = 0; i < 10; i++) {
		asked("/payload");
		streamed(text, response_make("/payload", 30000), 4000);
		if (recorded("/payload", 30000))
			return;
	}
	fail_msg("never recorded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answer),	 TEST(test_windows),	   TEST(test_no_work_space),
		TEST(test_refresh_lost), TEST(test_announce_lost), TEST(test_payload_lost),
		TEST(test_hit_lost),
	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
