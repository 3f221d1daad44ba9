// SPDX-License-Identifier: GPL-2.0-or-later
/* The words in which explain.h's answers are told. */
#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "policy.h"

static const struct {
	const char *name;
	const char *text;
} fates[] = {
	[ZS_FATE_HIT] = {"hit", "answered in the kernel"},
	[ZS_FATE_STALE] = {"stale-hit", "answered in the kernel, stale, while it is refreshed"},
	[ZS_FATE_NOT_MODIFIED] = {"not-modified", "answered in the kernel with a 304"},
	[ZS_FATE_CONDITION] = {"condition", "passed on: its precondition is not strictly formed"},
	[ZS_FATE_PASSIVE] = {"passive", "passed on, and its connection is native from then on"},
	[ZS_FATE_ODD] = {"odd", "passed on: it is not of the form that is looked at, or too long for it"},
	[ZS_FATE_PASSED] = {"passed", "passed on: such a request is never answered in the kernel"},
	[ZS_FATE_PAUSED] = {"paused", "passed on: zeroserve is paused, or the host is short of TCP memory"},
	[ZS_FATE_HELD_OFF] = {"held-off", "a miss that is not recorded: the response could not be stored lately"},
	[ZS_FATE_UNFIT] = {"unfit",
			   "a miss that is not recorded: the response may depend on a field that the key has not"},
	[ZS_FATE_OVER_BUDGET] = {"over-budget",
				 "a miss that is not recorded now: the recording budget is used up; see --record-rate"},
	[ZS_FATE_RECORDED] = {"miss", "a miss; its response is recorded"},
};

const char *zs_fate_name(enum zs_fate fate)
{
	return fates[fate].name;
}

const char *zs_fate_text(enum zs_fate fate)
{
	return fates[fate].text;
}

const char *zs_holdoff_name(uint32_t reason)
{
	return reason ? zs_policy_reason_name((enum zs_policy_reason)(reason - 1)) : "unusable";
}

const char *zs_holdoff_text(uint32_t reason)
{
	return reason ? zs_policy_reason_text((enum zs_policy_reason)(reason - 1)) :
			"The response was malformed, too large, or cut short.";
}

static void miss_sentence(const struct zs_explained *e, char *out, size_t size)
{
	const char *then = e->fate == ZS_FATE_RECORDED ? "the response would be recorded" :
							 "the recording budget is used up at the moment";

	if (e->voided)
		snprintf(out, size, "miss: what is stored was purged, or written to since; %s", then);
	else if (e->there)
		snprintf(out, size, "miss: what is stored is stale for %lld s, and is not served any more; %s",
			 (long long)-e->ttl, then);
	else if (e->refused)
		snprintf(out, size, "miss: nothing is stored, the newest response could not be (%s); %s",
			 zs_holdoff_text(e->holdoff_reason), then);
	else
		snprintf(out, size, "miss: nothing is stored; %s", then);
}

/* What could be done about it, as the end of a sentence. */
static const char *advice(const char *cause)
{
	if (!strcasecmp(cause, "Cookie"))
		return "; see ignore-cookies in docs/config.md";
	if (!strcasecmp(cause, "Authorization"))
		return "; see authorization in docs/config.md";
	return "";
}

/* Of a request that is not answered, or not recorded, because of what it is. */
static void passed_sentence(const struct zs_explained *e, char *out, size_t size)
{
	if (!e->cause[0])
		snprintf(out, size, "%s", zs_fate_text(e->fate));
	else if (e->fate == ZS_FATE_PASSIVE)
		snprintf(out, size, "passed on because of %s: its connection is native from then on", e->cause);
	else if (e->fate == ZS_FATE_UNFIT)
		snprintf(out, size, "miss, not recorded because of %s: the response may depend on more of it than the key has",
			 e->cause);
	else
		snprintf(out, size, "passed on because of %s: a request with such a one is the upstream's to answer%s",
			 e->cause, advice(e->cause));
}

void zs_explain_sentence(const struct zs_explained *e, char *out, size_t size)
{
	long long ttl = e->ttl, age = e->age, left = e->stale_ttl < 0 ? 0 : e->stale_ttl;

	switch (e->fate) {
	case ZS_FATE_HIT:
		snprintf(out, size, "hit: fresh for %lld s more, age %lld s; answered in the kernel", ttl, age);
		break;
	case ZS_FATE_STALE:
		snprintf(out, size,
			 "hit: stale for %lld s, age %lld s; answered in the kernel while it is refreshed, for %lld s more",
			 -ttl, age, left);
		break;
	case ZS_FATE_NOT_MODIFIED:
		snprintf(out, size, "hit: %s for %lld s%s, age %lld s; answered in the kernel with a 304",
			 ttl < 0 ? "stale" : "fresh", llabs(ttl), ttl < 0 ? "" : " more", age);
		break;
	case ZS_FATE_HELD_OFF:
		snprintf(out, size, "not stored, and not recorded for %lld s more: %s", (long long)e->holdoff_seconds,
			 zs_holdoff_text(e->holdoff_reason));
		break;
	case ZS_FATE_OVER_BUDGET:
	case ZS_FATE_RECORDED:
		miss_sentence(e, out, size);
		break;
	default:
		passed_sentence(e, out, size);
	}
}
