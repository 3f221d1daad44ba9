/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which origins are worth following. One of which nothing could be stored for a while is cold: most of its new
 * connections are not enrolled, because membership in a sockhash costs every message something. Pure but for
 * the shared array that it writes.
 *
 * [I10] Of a cold origin nothing is stored; what was asked for before it became warm is not stored either. So an
 * unsafe request on a connection that nobody follows has nothing to void while the origin is cold, and is seen
 * by the watcher when it is not.
 */
#ifndef ZS_ENROLMENT_H
#define ZS_ENROLMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <zs/abi.h>

#define ZS_COLD_JUDGED   64u  /* responses of which none could be stored, before an origin is cold */
#define ZS_COLD_REQUESTS 512u /* or so many requests, of whatever kind, without anything stored */
#define ZS_COLD_SECONDS  3u   /* and the time in which they came, at least */
#define ZS_COOL_SECONDS  300u /* for one of which something was stored before */

struct zs_enrolment;

/* Whether something of an origin in this slot (its id % ZS_WARMTH) is stored. */
typedef bool zs_enrolment_in_use_fn(void *user, uint32_t slot);

/* `warmth`: ZS_WARMTH values, mmap-ed; borrowed. All origins begin warm. `adaptive` false: they stay so.
 * -ENOMEM. */
int zs_enrolment_create(struct zs_warmth *warmth, bool adaptive, zs_enrolment_in_use_fn *in_use, void *user,
			struct zs_enrolment **out);
void zs_enrolment_destroy(struct zs_enrolment *enrolment);

/* A response that was asked for at `asked` could not be stored. Times are boot-time ns. */
void zs_enrolment_refused(struct zs_enrolment *enrolment, uint32_t origin, uint64_t now);

/* A response could be stored. Whether it may: not if the origin was cold when it was asked for; the origin is
 * warm from now on. */
bool zs_enrolment_may_store(struct zs_enrolment *enrolment, uint32_t origin, uint64_t asked, uint64_t now);

/* Once a second or so: origins up to that id which had ZS_COLD_REQUESTS in ZS_COLD_SECONDS and stored nothing are
 * cold, whether their responses were looked at or not (requests with cookies are not). */
void zs_enrolment_tick(struct zs_enrolment *enrolment, uint32_t last, uint64_t now);

/* Every origin is warm, as at the beginning. */
void zs_enrolment_warm(struct zs_enrolment *enrolment, uint64_t now);

/* Origins that are cold. */
uint32_t zs_enrolment_cold(const struct zs_enrolment *enrolment);

#endif
