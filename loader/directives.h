/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cache directives (RFC 9111 5.2.2, RFC 5861): what Cache-Control and Pragma say, and the form in
 * which targeted.h and surrogate.h say the same. What follows from them is policy.h's question.
 */
#ifndef ZS_DIRECTIVES_H
#define ZS_DIRECTIVES_H

#include "response.h"

#include <stdbool.h>
#include <stdint.h>

/* A directive that says a time; `bad`: not a number of seconds, or there twice. */
struct zs_seconds {
	bool there;
	bool bad;
	uint64_t value; /* at most ZS_SECONDS_MAX; only if there and not bad */
};

struct zs_directives {
	bool no_store;
	bool no_cache; /* qualified or not */
	bool private_; /* qualified or not */
	bool must_revalidate;
	bool proxy_revalidate;
	bool must_understand;
	bool shared; /* allows what answers a request with Authorization (RFC 9111 3.5) */
	struct zs_seconds max_age;
	struct zs_seconds s_maxage;
	struct zs_seconds stale_while_revalidate;
	struct zs_seconds stale_if_error;
};

/* What stands behind a directive's name. */
struct zs_argument {
	bool none;
	bool number; /* `value` holds it */
	uint64_t value;
};

/*
 * Takes one directive into *d; unknown ones are ignored. A restriction counts whatever its argument
 * is, a permission (public, must-understand, and must-revalidate as one) only without an argument.
 * `last_counts`: of a repeated number the last one counts, otherwise a repeated one is bad.
 */
void zs_directive_take(struct zs_directives *d, struct zs_text name, struct zs_argument argument,
		       bool last_counts);

/*
 * Splits `token [ "=" ( token / quoted-string ) ]` off the front of *text; a missing argument has
 * length 0. *text is what follows. -EBADMSG: it does not begin so.
 */
int zs_directive_split(struct zs_text *text, struct zs_text *name, struct zs_text *argument);

/*
 * All lines of one field of that grammar (lower case name). A quoted string does not reach over
 * from one line to the next, and a quoted number is none. -EBADMSG: malformed, so that a
 * restriction may hide in it; *d is scratch then.
 */
int zs_directives_parse(const struct zs_response *r, const char *field, struct zs_directives *d);

#endif
