/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How old a response is, how long it is fresh (RFC 9111 4.2), and how long it may be served stale
 * (RFC 9111 4.2.4, RFC 5861), the operator's rule included. No heuristics.
 */
#ifndef ZS_FRESHNESS_H
#define ZS_FRESHNESS_H

#include "control.h"
#include "policy.h"

/*
 * ZS_POLICY_STORE: lifetime, age, born and the three ends in *out are set, the rest of it is not
 * touched. Otherwise why not; *out is untouched.
 *
 * The lifetime is that of s-maxage, max-age or Expires, in this order, and not more than
 * X-Accel-Expires (a number); in->rule's ttl where none of these is there, or with ttl_force in any
 * case. A temporary redirect (302, 307) needs a lifetime of its own. in->lifetime_max bounds all.
 */
enum zs_policy_reason zs_freshness_judge(const struct zs_policy_input *in,
					 const struct zs_control *control,
					 struct zs_policy_verdict *out);

/* X-Accel-Expires as a number of seconds above 0. -ENOENT: not there; -EBADMSG: anything else, as
 * 0, "off", "@" with a time, or more than one line. */
int zs_accel_expires(const struct zs_response *r, uint64_t *out);

#endif
