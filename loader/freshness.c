// SPDX-License-Identifier: GPL-2.0-or-later
/* Arithmetic on seconds that saturate and on boot-time nanoseconds that cannot overflow. */
#include "freshness.h"

#include <errno.h>

#define SECOND 1000000000ll

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --- lifetime -------------------------------------------------------------------------------- */

static uint64_t seconds_between(int64_t from, int64_t to)
{
	return least(to > from ? (uint64_t)(to - from) : 0, ZS_SECONDS_MAX);
}

int zs_accel_expires(const struct zs_response *r, uint64_t *out)
{
	int i = zs_response_find(r, "x-accel-expires", 0);
	uint64_t seconds;

	if (i < 0)
		return -ENOENT;
	if (zs_response_find(r, "x-accel-expires", (unsigned int)i + 1) >= 0 ||
	    !zs_delta_seconds(zs_response_value(r, (unsigned int)i), &seconds) || !seconds)
		return -EBADMSG;
	*out = seconds;
	return 0;
}

/* RFC 9111 4.2.1. Of X-Accel-Expires the smaller number counts: it never makes a response live on.
 */
static enum zs_policy_reason own_lifetime(const struct zs_policy_input *in,
					  const struct zs_control *c, int64_t date,
					  uint64_t *lifetime)
{
	uint64_t accel = ZS_SECONDS_MAX;
	bool limited = !zs_accel_expires(in->response, &accel);
	int64_t expires;
	int err = -ENOENT;

	if (c->said.s_maxage.there) {
		*lifetime = least(c->said.s_maxage.value, accel);
		return ZS_POLICY_STORE;
	}
	if (c->said.max_age.there) {
		*lifetime = least(c->said.max_age.value, accel);
		return ZS_POLICY_STORE;
	}
	if (c->expires)
		err = zs_date_field(in->response, "expires", in->response_wall, &expires);
	if (err == -EBADMSG)
		return ZS_POLICY_BAD_FRESHNESS;
	if (err && !limited)
		return ZS_POLICY_NO_FRESHNESS;
	*lifetime = err ? accel : least(seconds_between(date, expires), accel);
	return ZS_POLICY_STORE;
}

static bool temporary_redirect(uint32_t status)
{
	return status == 302 || status == 307;
}

static enum zs_policy_reason lifetime_judge(const struct zs_policy_input *in,
					    const struct zs_control *c, int64_t date,
					    uint64_t *lifetime)
{
	const struct zs_policy_rule *rule = in->rule;
	enum zs_policy_reason reason;

	if (c->said.max_age.bad || c->said.s_maxage.bad)
		return ZS_POLICY_BAD_FRESHNESS;
	reason = own_lifetime(in, c, date, lifetime);
	if (reason && temporary_redirect(in->response->status))
		return reason;
	if (!rule || !rule->has_ttl || (reason != ZS_POLICY_NO_FRESHNESS && !rule->ttl_force))
		return reason;
	*lifetime = least(rule->ttl, ZS_SECONDS_MAX);
	return rule->ttl ? ZS_POLICY_STORE : ZS_POLICY_TTL_RULE;
}

/* --- age ------------------------------------------------------------------------------------- */

/* One line with one number, or none: an Age that recipients could read in different ways (RFC 9111 5.1 lets them
 * ignore it) is that of a broken cache, and the response is not stored. */
static int age_value(const struct zs_response *r, uint64_t *out)
{
	int i = zs_response_find(r, "age", 0);

	*out = 0;
	if (i < 0)
		return 0;
	if (zs_response_find(r, "age", (unsigned int)i + 1) >= 0 ||
	    !zs_delta_seconds(zs_response_value(r, (unsigned int)i), out))
		return -EBADMSG;
	return 0;
}

/* RFC 9111 4.2.3, kept exact: the older of the two births that apparent_age and Age mean. */
static int64_t born(const struct zs_policy_input *in, int64_t date, uint64_t age)
{
	int64_t apparent = (int64_t)seconds_between(date, in->response_wall);
	int64_t by_date = (int64_t)in->response_time - apparent * SECOND;
	int64_t by_age = (int64_t)in->request_time - (int64_t)age * SECOND;

	return by_date < by_age ? by_date : by_age;
}

/* --- staleness ------------------------------------------------------------------------------- */

static uint64_t allowed(const struct zs_seconds *said, uint64_t grace)
{
	return said->there && !said->bad ? least(said->value, grace) : 0;
}

/* RFC 9111 4.2.4 forbids, RFC 5861 allows, the operator bounds. no-cache never comes so far. */
static void stale_set(const struct zs_policy_input *in, const struct zs_directives *d,
		      struct zs_policy_verdict *v)
{
	uint64_t grace = in->rule ? least(in->rule->grace, ZS_SECONDS_MAX) : 0;
	uint64_t stale = grace, error = grace;

	if (d->must_revalidate || d->proxy_revalidate || d->s_maxage.there)
		stale = error = 0;
	else if (d->stale_while_revalidate.there || d->stale_if_error.there) {
		stale = allowed(&d->stale_while_revalidate, grace);
		error = allowed(&d->stale_if_error, grace);
	}
	v->stale_until = v->fresh_until + (int64_t)stale * SECOND;
	v->error_until = v->fresh_until + (int64_t)error * SECOND;
}

enum zs_policy_reason zs_freshness_judge(const struct zs_policy_input *in,
					 const struct zs_control *control,
					 struct zs_policy_verdict *out)
{
	struct zs_policy_verdict v = *out;
	int64_t date, now = (int64_t)in->response_time;
	enum zs_policy_reason reason;
	uint64_t lifetime, age;
	int err = zs_date_field(in->response, "date", in->response_wall, &date);

	if (err == -EBADMSG)
		return ZS_POLICY_DATE;
	if (err)
		date = in->response_wall;
	reason = lifetime_judge(in, control, date, &lifetime);
	if (reason)
		return reason;
	if (age_value(in->response, &age))
		return ZS_POLICY_AGE;
	v.born = born(in, date, age);
	if ((now - v.born) / SECOND >= (int64_t)ZS_SECONDS_MAX - 1) /* or more: Age saturates */
		return ZS_POLICY_STALE;
	v.age = (uint32_t)((now - v.born) / SECOND);
	lifetime = least(lifetime, (uint64_t)v.age + in->lifetime_max);
	v.lifetime = (uint32_t)lifetime;
	v.fresh_until = v.born + (int64_t)lifetime * SECOND;
	if (v.fresh_until <= now)
		return ZS_POLICY_STALE;
	stale_set(in, &control->said, &v);
	*out = v;
	return ZS_POLICY_STORE;
}
