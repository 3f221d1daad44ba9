// SPDX-License-Identifier: GPL-2.0-or-later
/* An HTTP/1.1 client that asks at a constant rate, whatever the server does, and tells how long
 * answers took. Request number i is due at start + i / rate, and its latency counts from that
 * moment, not from when a connection was free for it: a server that stalls pays for every request
 * that was due meanwhile. No pipelining. The certificate of a TLS server is not checked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

#include "exchange.h"
#include "histogram.h"

#define SECOND EXCHANGE_SECOND
#define DRAIN  (5 * SECOND) /* answers that come later are "unfinished" */

typedef unsigned long long ull; /* for printf */

static int connection_count = 64;
static bool tls;
static char **requests;
static size_t request_count;
static const char *host;
static int timer_fd;
static double rate = 100, seconds = 5, warm_seconds = 1;
static int64_t start, warm_end;
static uint64_t issued, scheduled, finished, measured, failed;
static struct histogram latency, lateness;

static int64_t due_time(uint64_t number)
{
	return start + (int64_t)((double)number * SECOND / rate);
}

static void count_waited(int64_t due)
{
	int64_t took = exchange_now() - due;

	if (due >= warm_end)
		histogram_add(&latency, took > 0 ? (uint64_t)took / 1000 : 0);
}

static void settled(int64_t due, bool good)
{
	finished++;
	if (!good)
		failed++;
	if (due >= warm_end)
		measured++;
	count_waited(due);
}

/* Sends what is due on the connections that are free. */
static void issue(int64_t now)
{
	while (issued < scheduled && exchange_free() && due_time(issued) <= now) {
		int64_t due = due_time(issued);

		if (due >= warm_end)
			histogram_add(&lateness, (uint64_t)(now - due) / 1000);
		exchange_send(requests[issued++ % request_count], due);
	}
}

/* Wakes up when the next request is due, if there is a connection for it. What has expired is
 * forgotten. */
static void arm(void)
{
	struct itimerspec at = {0};
	int64_t due = issued < scheduled && exchange_free() ? due_time(issued) : 0;

	at.it_value.tv_sec = due / SECOND;
	at.it_value.tv_nsec = due % SECOND;
	if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL))
		exchange_die("timer");
}

static void run(void)
{
	int64_t limit;

	start = exchange_now() + SECOND / 100;
	warm_end = start + (int64_t)(warm_seconds * SECOND);
	scheduled = (uint64_t)((warm_seconds + seconds) * rate);
	limit = due_time(scheduled) + DRAIN;
	while (finished < scheduled && exchange_now() < limit) {
		issue(exchange_now());
		arm();
		exchange_step(100);
	}
}

/* What has no answer yet has waited at least so long: it must not be missing from the percentiles.
 */
static uint64_t count_unfinished(void)
{
	uint64_t number;

	exchange_under_way(count_waited);
	for (number = issued; number < scheduled; number++)
		count_waited(due_time(number));
	return scheduled - finished;
}

static void print_result(void)
{
	ull unfinished = count_unfinished();

	printf("{\"rate\": %.1f, \"seconds\": %.1f, \"connections\": %d, \"scheduled\": %llu, "
	       "\"measured\": %llu, "
	       "\"failed\": %llu, \"unfinished\": %llu, \"reconnects\": %llu,\n",
	       rate, seconds, connection_count, (ull)scheduled, (ull)measured, (ull)failed,
	       unfinished, (ull)exchange_told()->reconnects);
	printf(" \"us\": {\"p50\": %llu, \"p90\": %llu, \"p99\": %llu, \"p999\": %llu, \"max\": "
	       "%llu},\n",
	       (ull)histogram_quantile(&latency, 5000), (ull)histogram_quantile(&latency, 9000),
	       (ull)histogram_quantile(&latency, 9900), (ull)histogram_quantile(&latency, 9990),
	       (ull)latency.most);
	printf(" \"sent_late_us\": {\"p50\": %llu, \"p99\": %llu, \"max\": %llu}}\n",
	       (ull)histogram_quantile(&lateness, 5000), (ull)histogram_quantile(&lateness, 9900),
	       (ull)lateness.most);
}

/* Every line is a target, or "POST target" for an empty POST. */
static void load_requests(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	if (!file)
		exchange_die(path);
	while ((length = getline(&line, &size, file)) > 0) {
		bool post = !strncmp(line, "POST ", 5);

		line[strcspn(line, "\n")] = 0;
		requests = reallocarray(requests, request_count + 1, sizeof(*requests));
		if (!requests ||
		    asprintf(&requests[request_count],
			     "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: openloop\r\n%s\r\n",
			     post ? "POST" : "GET", post ? line + 5 : line, host,
			     post ? "Content-Length: 0\r\n" : "") < 0)
			exchange_die("memory");
		request_count++;
	}
	free(line);
	fclose(file);
	if (!request_count) {
		errno = ENODATA;
		exchange_die(path);
	}
}

static void usage(void)
{
	fprintf(stderr,
		"usage: openloop [--tls] [--rate N] [--seconds N] [--warm N] [--connections N] "
		"ADDRESS PORT HOST TARGETS-FILE\n");
	exit(2);
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"tls", no_argument, NULL, 't'},
		{"rate", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 's'},
		{"warm", required_argument, NULL, 'w'},
		{"connections", required_argument, NULL, 'c'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 't':
			tls = true;
			break;
		case 'r':
			rate = strtod(optarg, NULL);
			break;
		case 's':
			seconds = strtod(optarg, NULL);
			break;
		case 'w':
			warm_seconds = strtod(optarg, NULL);
			break;
		case 'c':
			connection_count = atoi(optarg);
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 4 || rate <= 0 || seconds <= 0 || warm_seconds < 0 ||
	    connection_count < 1 || connection_count > EXCHANGE_CONNECTIONS)
		usage();
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = {.sin_family = AF_INET};

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	host = argv[optind + 2];
	server.sin_port = htons((uint16_t)atoi(argv[optind + 1]));
	if (inet_pton(AF_INET, argv[optind], &server.sin_addr) != 1)
		usage();
	load_requests(argv[optind + 3]);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer_fd < 0)
		exchange_die("timer");
	exchange_open(&server, tls, connection_count, settled);
	exchange_watch(timer_fd);
	run();
	print_result();
	return 0;
}
