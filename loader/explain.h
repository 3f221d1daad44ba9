/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would happen to a request now: the kernel's own decisions (decide.h, usable.h) taken in user space over the
 * maps that it uses.
 */
#ifndef ZS_EXPLAIN_H
#define ZS_EXPLAIN_H

#include <jansson.h>

#include "classes.h"
#include "pin.h"

enum zs_fate {
	ZS_FATE_HIT,	      /* answered in the kernel */
	ZS_FATE_STALE,	      /* answered in the kernel, stale, while it is refreshed */
	ZS_FATE_NOT_MODIFIED, /* answered in the kernel with a 304 */
	ZS_FATE_CONDITION,    /* passed on: the precondition is not strictly formed */
	ZS_FATE_PASSIVE,      /* passed on, and its connection is native from then on */
	ZS_FATE_ODD,	      /* passed on: not of the form that is looked at, or too long for it */
	ZS_FATE_PASSED,	      /* passed on: never answered */
	ZS_FATE_PAUSED,	      /* passed on: zs-load pause, or the host is short of TCP memory */
	ZS_FATE_HELD_OFF,     /* a miss that is not recorded: found uncacheable lately */
	ZS_FATE_UNFIT,	      /* a miss that is not recorded: the key has not all that the response may depend on */
	ZS_FATE_OVER_BUDGET,  /* a miss that is not recorded: no recording may begin at this moment */
	ZS_FATE_RECORDED,     /* a miss whose response is recorded */
};

struct zs_explained {
	enum zs_fate fate;
	uint32_t class;    /* of the kernel's classes; 0: none */
	bool cold;         /* most new connections to the origin are not followed (enrolment.h) */
	bool there;        /* an object of this key is stored, usable or not */
	bool voided;       /* it was invalidated */
	int64_t age;       /* seconds; of the object that is there */
	int64_t ttl;       /* seconds, negative when stale */
	int64_t stale_ttl; /* seconds for which it may still be served stale */
	uint32_t status;
	uint32_t size;     /* bytes of its body */
	uint32_t hits;
	bool refused; /* a response was not stored, and `holdoff_reason` says why */
	uint32_t holdoff_reason; /* as in struct zs_holdoff */
	bool held_off; /* and none is looked at for a while; a budget that is used up decides before it */
	int64_t holdoff_seconds;
	char cause[64]; /* the field without which it would be answerable or recorded; empty: none alone */
};

/* `head` is what Caddy would send to the origin (zs_visitor_head()); of one of ZS_HEAD_MAX bytes or more nothing is
 * read. -ENOMEM, and errors of zs_class_decide() and of the maps. Silent. */
int zs_explain(const struct zs_maps *maps, const struct zs_ctl *ctl, uint32_t origin, const char *head, size_t len,
	       struct zs_explained *out);

/* Of zs_holdoff.reason: a word, a sentence. */
const char *zs_holdoff_name(uint32_t reason);
const char *zs_holdoff_text(uint32_t reason);

/* A word for scripts and a sentence for people. */
const char *zs_fate_name(enum zs_fate fate);
const char *zs_fate_text(enum zs_fate fate);

/* All that is known, as one sentence: "hit: fresh for 41 s more, age 19 s; answered in the kernel". Terminated,
 * cut if it must be. */
void zs_explain_sentence(const struct zs_explained *e, char *out, size_t size);

/* Prints what `explain --json` answers, for people. */
void zs_explain_print(const json_t *answer);

#endif
