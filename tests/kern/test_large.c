// SPDX-License-Identifier: GPL-2.0-or-later
/* What a hit costs in a small set and in a large one. ZS_KEYS=1000000 for the run that docs/large-sets.md shows
 * (some 5 GiB); ten thousand keys by default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#define SETS	 4
#define SMALLEST 1000u
#define ROUNDS	 15
#define BODY	 100u
#define DIGITS	 7
#define SECONDS	 600 /* the whole run may take */

/* One rig per size, so that index and pages are as large as the set is, and rounds can be interleaved. */
struct set {
	struct zs_rig rig;
	uint32_t keys;
	int dialer, acceptor;
	size_t answer; /* bytes of every answer */
	double put_s;
};

static struct set sets[SETS];
static unsigned int count;
static uint32_t hits_per_round;
static uint64_t dice = 88172645463325252ull;

/* Handler of signals: back home, every cgroup removed. */
static void bail(int number)
{
	int fd = open(kern.home, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "0\n", 2) < 0)
		number = 1;
	for (unsigned int i = 0; i < SETS; i++)
		rmdir(sets[i].rig.cgroup);
	_exit(number ? 1 : 2);
}

static uint32_t draw(uint32_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)((dice >> 32) * below >> 32);
}

static double seconds(void)
{
	return (double)zs_boot_ns() / (double)ZS_NS;
}

static uint64_t available_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	unsigned long long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

/* --- sets -------------------------------------------------------------------------------------- */

static int set_open(struct set *s, uint32_t keys)
{
	const struct zs_rig_options options = {.pages = keys + 64, .entries = keys};
	char target[32], head[ZS_ANSWER_HEAD_MAX];
	uint8_t body[BODY] = {0};
	double from;
	int err = zs_rig_open(&s->rig, ZS_RIG_V4, &options);

	if (!err)
		err = zs_rig_pair(&s->rig, &s->dialer, &s->acceptor);
	from = seconds();
	for (uint32_t i = 0; !err && i < keys; i++) {
		snprintf(target, sizeof(target), "/%0*u", DIGITS, i);
		memcpy(body, target, 1 + DIGITS);
		err = zs_rig_put(&s->rig, target, body, BODY, 2 * SECONDS, head);
	}
	s->keys = keys;
	s->answer = strlen(head) + BODY;
	s->put_s = seconds() - from;
	return err;
}

static int sets_close(void **state)
{
	(void)state;
	while (count--) {
		close(sets[count].dialer);
		close(sets[count].acceptor);
		memcpy(kern.cgroup, sets[count].rig.cgroup, sizeof(kern.cgroup));
		zs_rig_close(&sets[count].rig);
	}
	alarm(0);
	return 0;
}

static int sets_open(void **state)
{
	const char *wish = getenv("ZS_KEYS");
	uint32_t most = wish ? (uint32_t)strtoul(wish, NULL, 10) : 10 * SMALLEST;

	(void)state;
	kern_guard();
	signal(SIGALRM, bail);
	signal(SIGTERM, bail);
	signal(SIGINT, bail);
	alarm(SECONDS);
	hits_per_round = most > 100000 ? 40000 : 4000;
	for (uint32_t keys = SMALLEST; keys <= most && count < SETS; keys *= 10) {
		if (available_kib() / 6 < keys) { /* KiB per key: a page, an index entry, an entry of the store */
			print_message("note: %u keys left out: memory is short\n", keys);
			break;
		}
		count++;
		if (set_open(&sets[count - 1], keys)) {
			sets_close(state);
			return -1;
		}
		print_message("note: %7u keys stored in %.2f s\n", keys, sets[count - 1].put_s);
	}
	return 0;
}

/* --- hits -------------------------------------------------------------------------------------- */

/* A hit in the user's eyes: one send, one receive. `keys`: how many of the set are drawn from. Returns ns each. */
static double hits(struct set *s, uint32_t keys)
{
	char text[128], number[16];
	size_t len = zs_rig_request("GET", "/0000000", text, sizeof(text));
	double from = seconds();
	uint8_t got[1024];

	for (uint32_t i = 0; i < hits_per_round; i++) {
		snprintf(number, sizeof(number), "%0*u", DIGITS, draw(keys));
		memcpy(text + 5, number, DIGITS);
		if (send(s->dialer, text, len, MSG_NOSIGNAL) != (ssize_t)len ||
		    recv(s->dialer, got, sizeof(got), 0) != (ssize_t)s->answer ||
		    memcmp(got + s->answer - BODY + 1, number, DIGITS))
			return -1;
	}
	return (seconds() - from) * 1e9 / hits_per_round;
}

/* What the kernel itself counts: zs_dispatch, whose tail call is part of its run. */
static void program_time(const struct set *s, uint64_t *ns, uint64_t *runs)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(zs_rig_dispatch(&s->rig), &info, &len), 0);
	*ns = info.run_time_ns;
	*runs = info.run_cnt;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Which draws, and what is measured. */
static const struct way {
	const char *name;
	bool hot;    /* a thousand keys of the set, instead of all */
	bool kernel; /* the program's run, instead of send and receive */
} ways[] = {
	{"all keys, send+recv", false, false},
	{"1,000 keys of the set, send+recv", true, false},
	{"all keys, program", false, true},
	{"1,000 keys of the set, program", true, true},
};

static double measure(struct set *s, const struct way *way)
{
	uint64_t ns[2], runs[2];
	double each;
	int stats = -1;

	if (way->kernel) {
		stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
		assert_true(stats >= 0);
	}
	program_time(s, &ns[0], &runs[0]);
	each = hits(s, way->hot ? SMALLEST : s->keys);
	program_time(s, &ns[1], &runs[1]);
	if (stats >= 0)
		close(stats);
	assert_true(each > 0);
	if (!way->kernel)
		return each;
	assert_int_equal(runs[1] - runs[0], hits_per_round);
	return (double)(ns[1] - ns[0]) / hits_per_round;
}

/* Rounds of all sets in turn, the first of them thrown away. Prints medians; returns the largest set's ratio. */
static double compare(const struct way *way)
{
	double took[SETS][ROUNDS], first = 0, ratio = 0;

	for (unsigned int i = 0; i < count; i++)
		measure(&sets[i], way);
	for (unsigned int r = 0; r < ROUNDS; r++)
		for (unsigned int i = 0; i < count; i++)
			took[i][r] = measure(&sets[i], way);
	for (unsigned int i = 0; i < count; i++) {
		qsort(took[i], ROUNDS, sizeof(double), by_value);
		if (!i)
			first = took[i][ROUNDS / 2];
		ratio = took[i][ROUNDS / 2] / first;
		print_message("note: %-34s %7u keys: median %5.0f ns, quartiles %5.0f to %5.0f, ratio %.2f\n",
			      way->name, sets[i].keys, took[i][ROUNDS / 2], took[i][ROUNDS / 4],
			      took[i][ROUNDS - 1 - ROUNDS / 4], ratio);
	}
	return ratio;
}

/* Every key is found. The cost must not grow with the set; a bound that a busy machine keeps as well. */
static void test_cost(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		assert_true(compare(&ways[i]) < (ways[i].hot ? 1.5 : 3));
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(zs_rig_counter(&sets[i].rig, ZS_COUNT_misses), 0);
		assert_int_equal(zs_rig_counter(&sets[i].rig, ZS_COUNT_hits),
				 (uint64_t)hits_per_round * (ROUNDS + 1) * sizeof(ways) / sizeof(*ways));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost)};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, sets_open, sets_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
