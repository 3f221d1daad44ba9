/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool of kept-alive HTTP/1.1 connections to one server, with or without TLS, one request at a
 * time on each. When to send what, and what is made of it, is the caller's. Errors of this side end
 * the program, with a line on stderr.
 */
#ifndef ZS_BENCH_EXCHANGE_H
#define ZS_BENCH_EXCHANGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define EXCHANGE_CONNECTIONS 4096 /* at most */
#define EXCHANGE_SECOND	     1000000000LL

struct exchange_stats {
	uint64_t reconnects; /* connections that ended and were opened anew */
};

/* Opens `count` connections and waits until they stand. `settled` is called once for every request
 * sent, with its `due` and whether a 2xx answer came, complete. An answer needs a Content-Length,
 * unless it is a 204.
 */
void exchange_open(const struct sockaddr_in *server, bool tls, int count,
		   void (*settled)(int64_t due, bool good));

/* Lets exchange_step() return when `fd` becomes readable. */
void exchange_watch(int fd);

/* Waits for events, `timeout_ms` at most, and does what they ask for. */
void exchange_step(int timeout_ms);

/* Whether a connection is free. */
bool exchange_free(void);

/* Sends on a free connection; `request` stays the caller's and must live until it is settled. A
 * kept-alive connection that ends before the first byte of an answer is opened anew and the request
 * sent again: its `due` stays what it is.
 */
void exchange_send(const char *request, int64_t due);

/* Calls `tell` with the due time of every request that is under way. */
void exchange_under_way(void (*tell)(int64_t due));

const struct exchange_stats *exchange_told(void);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t exchange_now(void);

/* Ends the program, saying what failed and errno. */
void exchange_die(const char *what) __attribute__((noreturn));

#endif
