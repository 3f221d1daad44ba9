// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hits at a steady rate, with a reader that writes a file: none may be missing. ZS_LOG_RATE (hits/s; 0: as many as
 * one thread can) and ZS_LOG_SECONDS measure other rates: then losses are told and no failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"

#include "hit_reader.h"

#define RATE 5000

static char path[] = "/tmp/zs-lograte-XXXXXX";
static volatile sig_atomic_t stop;

/* What a browser's request looks like behind Caddy. */
static const char request[] =
	"GET /rate/some/page.html?with=a&query=string HTTP/1.1\r\nHost: rig\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
	"Referer: https://www.example.org/some/other/page.html\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
	"Sec-Fetch-Site: same-origin\r\nUpgrade-Insecure-Requests: 1\r\nX-Forwarded-For: 192.0.2.77\r\n\r\n";
#define TARGET "/rate/some/page.html?with=a&query=string"

static long number_of(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : otherwise;
}

static void on_term(int number)
{
	(void)number;
	stop = 1;
}

static pid_t reader_start(int out)
{
	pid_t pid = fork();

	if (!pid) {
		struct sigaction action = {.sa_handler = on_term};
		struct zs_hit_reader_options o = {.out = out, .control = -1, .stays = true, .stop = &stop};

		sigaction(SIGTERM, &action, NULL);
		alarm(0);
		_exit(zs_hit_reader_run(&kern.rig.maps, &o) ? 1 : 0);
	}
	assert_true(pid > 0);
	for (int ms = 0; ms < 2000 && !kern.rig.ctl->logging; ms++)
		usleep(1000);
	assert_true(kern.rig.ctl->logging > 0);
	return pid;
}

static uint64_t lines_of(int fd)
{
	static char part[1 << 16];
	uint64_t lines = 0;
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += part[i] == '\n';
	return lines;
}

/* Hits, by the clock: late ones are caught up. Returns how many. */
static uint64_t hits_make(long rate, long seconds)
{
	uint64_t begin = zs_boot_ns(), end = begin + (uint64_t)seconds * ZS_NS, n = 0, now;

	for (; (now = zs_boot_ns()) < end; n++) {
		uint64_t due = rate ? begin + n * ZS_NS / (uint64_t)rate : now;

		if (due > now + 50000) {
			struct timespec wait = {.tv_nsec = (long)(due - now)};

			nanosleep(&wait, NULL);
		}
		kern_send(kern.dialer, request, sizeof(request) - 1);
		assert_true(recv(kern.dialer, kern.got, sizeof(kern.got), 0) > 1000);
	}
	return n;
}

static void test_rate(void **state)
{
	long rate = number_of("ZS_LOG_RATE", RATE), seconds = number_of("ZS_LOG_SECONDS", 1);
	int out = mkstemp(path), status;
	uint64_t hits, lines, lost;
	pid_t reader;

	(void)state;
	assert_true(out >= 0);
	kern_put(TARGET, 1000, 600);
	reader = reader_start(out);
	hits = hits_make(rate, seconds);
	assert_int_equal(kill(reader, SIGTERM), 0);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	lines = lines_of(out);
	close(out);
	unlink(path);
	lost = kern_count(ZS_COUNT_log_lost);
	printf("note: %llu hits/s, %llu lines, %llu lost\n", (unsigned long long)hits / (unsigned long long)seconds,
	       (unsigned long long)lines, (unsigned long long)lost);
	assert_int_equal(kern_count(ZS_COUNT_hits), hits);
	assert_int_equal(kern_count(ZS_COUNT_logged), lines);
	assert_int_equal(lines + lost, hits);
	assert_true(lost == 0 || getenv("ZS_LOG_RATE"));
	assert_int_equal(kern.rig.ctl->logging, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {KERN_TEST(test_rate)};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
