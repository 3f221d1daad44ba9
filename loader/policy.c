// SPDX-License-Identifier: GPL-2.0-or-later
/* Read the storing rules from zs_policy_judge() upwards (RFC 9111 3). */
#include "policy.h"

#include "control.h"
#include "freshness.h"
#include "hop.h"
#include "tags.h"

#include <zs/abi.h>

#include <errno.h>
#include <string.h>

#define TIME_MAX (1ull << 62)	/* ns; leaves room for the largest age, lifetime and grace */
#define WALL_MAX 253402300799ll /* the last second of the year 9999 */

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* --- reasons --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *text;
} reasons[] = {
#define ZS_POLICY_REASON(id, name, text) {name, text},
#include "policy_reasons.def"
#undef ZS_POLICY_REASON
};

const char *zs_policy_reason_name(enum zs_policy_reason reason)
{
	return (unsigned int)reason < LENGTH(reasons) ? reasons[reason].name : "unknown";
}

const char *zs_policy_reason_text(enum zs_policy_reason reason)
{
	return (unsigned int)reason < LENGTH(reasons) ? reasons[reason].text : "unknown";
}

/* --- what cannot be stored ------------------------------------------------------------------- */

static bool status_stored(uint32_t status)
{
	static const uint32_t stored[] = {200, 203, 204, 300, 301, 302, 307,
					  308, 404, 405, 410, 414, 501};
	size_t i = 0;

	while (i < LENGTH(stored) && stored[i] != status)
		i++;
	return i < LENGTH(stored);
}

static enum zs_policy_reason status_judge(const struct zs_policy_input *in)
{
	const struct zs_policy_request *request = &in->request;
	uint32_t status = in->response->status;

	if (!status_stored(status))
		return ZS_POLICY_STATUS;
	if (status >= 400 && (!request->plain || request->head_len > ZS_POLICY_PLAIN_HEAD_MAX))
		return ZS_POLICY_ERROR_REQUEST;
	return ZS_POLICY_STORE;
}

static enum zs_policy_reason fields_judge(const struct zs_response *r)
{
	static const struct {
		const char *name;
		enum zs_policy_reason reason;
	} refused[] = {
		{"set-cookie", ZS_POLICY_SET_COOKIE},
		{"set-cookie2", ZS_POLICY_SET_COOKIE},
		{"content-range", ZS_POLICY_CONTENT_RANGE},
		{"trailer", ZS_POLICY_TRAILER},
		{"upgrade", ZS_POLICY_UPGRADE},
	};
	struct zs_tags tags;
	uint64_t ignored;

	for (size_t i = 0; i < LENGTH(refused); i++) {
		if (zs_response_find(r, refused[i].name, 0) >= 0)
			return refused[i].reason;
	}
	if (zs_accel_expires(r, &ignored) == -EBADMSG)
		return ZS_POLICY_ACCEL_EXPIRES;
	if (zs_hop_check(r))
		return ZS_POLICY_CONNECTION;
	return zs_tags_read(r, &tags) ? ZS_POLICY_TAGS : ZS_POLICY_STORE;
}

/* What the operator's rule forbids, and what only it allows. */
static enum zs_policy_reason rule_judge(const struct zs_policy_input *in)
{
	const struct zs_response *r = in->response;

	if (!in->rule)
		return ZS_POLICY_STORE;
	if (in->rule->bypass)
		return ZS_POLICY_BYPASS_RULE;
	if (in->rule->max_object && r->framing == ZS_FRAMING_LENGTH &&
	    r->content_length > in->rule->max_object)
		return ZS_POLICY_LARGE;
	return ZS_POLICY_STORE;
}

/* RFC 9111 3.5 */
static enum zs_policy_reason authorization_judge(const struct zs_policy_input *in,
						 const struct zs_control *control)
{
	bool allowed = in->rule && in->rule->allow_authorized && control->said.shared;

	return in->request.authorized && !allowed ? ZS_POLICY_AUTHORIZATION : ZS_POLICY_STORE;
}

/* --- variants -------------------------------------------------------------------------------- */

static bool keyed(const struct zs_policy_request *request, struct zs_text name)
{
	for (unsigned int i = 0; i < request->vary_count; i++) {
		if (zs_text_equal(name, request->vary[i]))
			return true;
	}
	return false;
}

/* RFC 9110 12.5.5. *coding: Accept-Encoding is named. */
static enum zs_policy_reason vary_judge(const struct zs_policy_input *in, bool *coding)
{
	const struct zs_response *r = in->response;

	*coding = false;
	for (int i = 0; (i = zs_response_find(r, "vary", (unsigned int)i)) >= 0; i++) {
		struct zs_text rest = zs_response_value(r, (unsigned int)i), member;
		int more;

		while ((more = zs_list_next(&rest, &member)) > 0) {
			if (zs_text_is(member, "accept-encoding"))
				*coding = true;
			else if (zs_text_is(member, "*") || !keyed(&in->request, member))
				return ZS_POLICY_VARY;
		}
		if (more < 0)
			return ZS_POLICY_VARY;
	}
	return ZS_POLICY_STORE;
}

static uint32_t coding_bit(struct zs_text coding)
{
	if (zs_text_is(coding, "gzip"))
		return ZS_AE_GZIP;
	if (zs_text_is(coding, "br"))
		return ZS_AE_BR;
	if (zs_text_is(coding, "zstd"))
		return ZS_AE_ZSTD;
	return 0;
}

/* RFC 9110 8.4: one line with one coding, or none. */
static enum zs_policy_reason coding_judge(const struct zs_policy_input *in)
{
	const struct zs_response *r = in->response;
	int i = zs_response_find(r, "content-encoding", 0);
	enum zs_policy_reason reason;
	struct zs_text coding;
	uint32_t bit;
	bool varies;

	reason = vary_judge(in, &varies);
	if (reason || i < 0)
		return reason;
	coding = zs_response_value(r, (unsigned int)i);
	bit = coding_bit(coding);
	if (zs_response_find(r, "content-encoding", (unsigned int)i + 1) >= 0)
		return ZS_POLICY_CODING;
	if (zs_text_is(coding, "identity"))
		return ZS_POLICY_STORE;
	if (!bit)
		return ZS_POLICY_CODING;
	if (!varies)
		return ZS_POLICY_CODING_VARY;
	return (in->request.accept_encoding & bit) ? ZS_POLICY_STORE : ZS_POLICY_CODING_CLASS;
}

/* --- all of it ------------------------------------------------------------------------------- */

enum zs_policy_reason zs_policy_judge(const struct zs_policy_input *in,
				      struct zs_policy_verdict *out)
{
	struct zs_policy_verdict v = {0};
	struct zs_control control;
	enum zs_policy_reason reason;

	if (!in->get)
		return ZS_POLICY_METHOD;
	if (in->request_time > in->response_time || in->response_time >= TIME_MAX ||
	    in->response_wall <= 0 || in->response_wall > WALL_MAX)
		return ZS_POLICY_CLOCK;
	reason = rule_judge(in);
	if (!reason)
		reason = status_judge(in);
	if (!reason)
		reason = fields_judge(in->response);
	if (!reason)
		reason = zs_control_read(in->response, &control);
	if (!reason)
		reason = authorization_judge(in, &control);
	if (!reason)
		reason = coding_judge(in);
	if (!reason)
		reason = zs_freshness_judge(in, &control, &v);
	if (reason)
		return reason;
	v.authorized_ok = control.said.shared;
	v.surrogate = zs_response_find(in->response, "surrogate-control", 0) >= 0;
	*out = v;
	return ZS_POLICY_STORE;
}

bool zs_policy_by_request(enum zs_policy_reason reason, uint32_t status)
{
	switch (reason) {
	case ZS_POLICY_STORE:
		return false;
	case ZS_POLICY_METHOD:
	case ZS_POLICY_CLOCK:
	case ZS_POLICY_ERROR_REQUEST:
	case ZS_POLICY_AUTHORIZATION:
		return true;
	default:
		return status >= 400 && !status_stored(status);
	}
}
