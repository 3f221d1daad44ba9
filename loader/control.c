// SPDX-License-Identifier: GPL-2.0-or-later
/* The order of precedence, and the restrictions that no operator's rule lifts. */
#include "control.h"

#include "surrogate.h"
#include "targeted.h"

#include <errno.h>

/* RFC 9111 5.2.2.3: every status that policy.c stores is understood. */
static enum zs_policy_reason restrictions_judge(const struct zs_directives *d)
{
	if (d->no_store && !d->must_understand)
		return ZS_POLICY_NO_STORE;
	if (d->private_)
		return ZS_POLICY_PRIVATE;
	return d->no_cache ? ZS_POLICY_NO_CACHE : ZS_POLICY_STORE;
}

/* Pragma (RFC 9111 5.4) is for requests; in a response it is taken for what its sender meant. */
static int cache_control_parse(const struct zs_response *r, struct zs_directives *d)
{
	struct zs_directives pragma;
	int err = zs_directives_parse(r, "cache-control", d);

	if (!err)
		err = zs_directives_parse(r, "pragma", &pragma);
	if (!err && pragma.no_cache)
		d->no_cache = true;
	return err;
}

enum zs_policy_reason zs_control_read(const struct zs_response *r, struct zs_control *out)
{
	struct zs_directives surrogate;
	struct zs_control c = {0};
	int err = zs_surrogate_parse(r, &surrogate);

	if (err == -EOPNOTSUPP)
		return ZS_POLICY_SURROGATE_CONTROL;
	if (err == -EBADMSG)
		return ZS_POLICY_MALFORMED;
	if (!zs_targeted_parse(r, &c.said)) {
		c.expires = false;
	} else if (!err) {
		c.said = surrogate;
	} else {
		c.expires = true;
		if (cache_control_parse(r, &c.said))
			return ZS_POLICY_MALFORMED;
	}
	*out = c;
	return restrictions_judge(&c.said);
}
