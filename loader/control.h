/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the fields that control caches decides, and what it says: a targeted one (RFC 9213),
 * then Surrogate-Control, then Cache-Control with Pragma. The one that decides makes those behind
 * it, and Expires, void.
 */
#ifndef ZS_CONTROL_H
#define ZS_CONTROL_H

#include "directives.h"
#include "policy.h"

#include <stdbool.h>

struct zs_control {
	struct zs_directives said;
	bool expires; /* Cache-Control decided, so that Expires counts */
};

/*
 * ZS_POLICY_STORE: *out is set, and says neither no-store (or must-understand with it, the status
 * being understood), private nor no-cache. Otherwise why the response must not be stored. A
 * Surrogate-Control that cannot be obeyed counts even if it does not decide.
 */
enum zs_policy_reason zs_control_read(const struct zs_response *r, struct zs_control *out);

#endif
