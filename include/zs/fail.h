/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of the programs that can fail, so that a test can let each of them fail (zs_fail_at). */
#ifndef ZS_FAIL_H
#define ZS_FAIL_H

#include "abi.h"

/* Pops are missing on purpose: [I3] rests on those two being unable to fail, and behind the redirect there
 * would be no way back. Tests watch the counter `impossible` instead. */
enum zs_fail {
	ZS_FAIL_NEVER = 0,
	ZS_FAIL_WORK,     /* no free work space */
	ZS_FAIL_PAGE,     /* the object's page is not found when the answer is made */
	ZS_FAIL_PUSH,     /* the kernel has no memory for the answer */
	ZS_FAIL_AGE,      /* the slots of the head are out of reach */
	ZS_FAIL_TTL,
	ZS_FAIL_REDIRECT, /* the socket is not found */
	ZS_FAIL_REFRESH,  /* the ring has no room for: the wish for a refresh, */
	ZS_FAIL_ANNOUNCE, /*                           a recording's beginning, */
	ZS_FAIL_PAYLOAD,  /*                           a recorded segment, */
	ZS_FAIL_HIT,      /*                           a hit to be logged */
	ZS_FAIL_PULL,     /* + n: window n of the answer cannot be brought into view */
	ZS_FAIL_FILL = ZS_FAIL_PULL + ZS_WINDOWS_MAX, /* + n: nor written whole */
	ZS_FAILS = ZS_FAIL_FILL + ZS_WINDOWS_MAX,
};

#endif
