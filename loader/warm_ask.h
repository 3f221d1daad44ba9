/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks Caddy for a list of URLs, as a visitor would, and shows how far it is. */
#ifndef ZS_WARM_ASK_H
#define ZS_WARM_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_WARM_AT_ONCE_MAX 256

enum zs_warm_outcome {
	ZS_WARM_WAITING,
	ZS_WARM_FAILED,	    /* no response, or a broken one */
	ZS_WARM_ASKED,	    /* a response came; whether it is stored was not looked at */
	ZS_WARM_NOT_STORED, /* so far */
	ZS_WARM_STORED,
};

struct zs_warm_item {
	const char *text; /* the URL; borrowed */
	enum zs_warm_outcome outcome;
	long status;	  /* of the response; 0: there was none */
	const char *why;  /* static text; of ZS_WARM_FAILED and ZS_WARM_NOT_STORED */
	bool sure;	  /* to look once more is of no use */
	uint64_t ended;	  /* boot-time ns */
};

struct zs_warm_way {
	const char *const *headers; /* of every request: null-terminated list of "Name: value" */
	const char *connect;	    /* where Caddy listens; null: where the URLs say */
	const char *cacert;	    /* null: the system's */
	bool insecure;
	uint64_t rate;	    /* requests per second at most; not 0 */
	uint64_t at_once;   /* 1 to ZS_WARM_AT_ONCE_MAX */
	void (*look)(void *user, struct zs_warm_item *item); /* soon after the response of each that is asked for */
	void *user;
};

/* Settles the outcome of all. A bar on stderr if that is a terminal, else a line now and then. -EINVAL: a field or `connect`
 * that is too long; -ENOMEM; -EIO of libcurl: some may have been asked for then. Silent otherwise. */
int zs_warm_ask(const struct zs_warm_way *way, struct zs_warm_item *items, size_t count);

#endif
