/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May a response be stored, for how long, and what does the stored head look like? RFC 9111 for a
 * shared cache, narrower where it leaves a choice: a doubt means that the response is not stored.
 * No I/O, no clock, no state. Whether the response was complete is response.h's question.
 */
#ifndef ZS_POLICY_H
#define ZS_POLICY_H

#include "date.h"
#include "response.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zs_policy_reason {
#define ZS_POLICY_REASON(id, name, text) ZS_POLICY_##id,
#include "policy_reasons.def"
#undef ZS_POLICY_REASON
	ZS_POLICY_REASONS,
};

/*
 * What the decision depends on. That the request carried no Authorization, Cookie, Range,
 * precondition or restrictive Cache-Control is the recogniser's word (zs_request_recordable()); a
 * fetch of the agent's own must not send them either.
 */
struct zs_policy_input {
	const struct zs_response *response;
	bool get;
	uint32_t accept_encoding; /* ZS_AE_* of the request */
	uint64_t request_time;	  /* boot-time ns at which the request was sent */
	uint64_t response_time;	  /* boot-time ns at which the response began to arrive */
	int64_t response_wall;	  /* the same moment, seconds since 1970 */
	uint32_t lifetime_max;	  /* seconds from response_time on, whatever the response says */
};

struct zs_policy_verdict {
	uint32_t lifetime;   /* seconds after `born`, lifetime_max already applied */
	uint32_t age;	     /* whole seconds at response_time (RFC 9111 4.2.3) */
	int64_t born;	     /* boot-time ns at which its age was 0; may be negative */
	int64_t fresh_until; /* boot-time ns: born + lifetime; above response_time */
};

/*
 * RFC 9111 3 and 4.2. ZS_POLICY_STORE, which is 0: may be stored, *out is set. Any other reason:
 * must not, *out is untouched. Of several reasons, the first in the order of policy_reasons.def
 * that was looked at. Times must be below 2^62 ns, and the wall clock within the years 1970 to
 * 9999.
 */
enum zs_policy_reason zs_policy_judge(const struct zs_policy_input *in,
				      struct zs_policy_verdict *out);

/* Static text; "unknown" for a number that is none. */
const char *zs_policy_reason_name(enum zs_policy_reason reason);
const char *zs_policy_reason_text(enum zs_policy_reason reason);

/* Offsets from the beginning of the head; each slot is ZS_SLOT_DIGITS blanks. */
struct zs_rendered {
	uint32_t head_len; /* CRLFCRLF included */
	uint32_t age_off;
	uint32_t ttl_off;
};

/*
 * Writes the head under which a response that zs_policy_judge() let pass is served: its fields in
 * order, names and values byte for byte, but for Age, Content-Length and those that end at a
 * connection (RFC 9111 3.1); then Date, if there was none (`wall`: seconds since 1970 at
 * response_time, RFC 9110 6.6.1), Content-Length: body_len, and Age and Cache-Status (RFC 9211 2)
 * with their slots. A stored head parses as strictly as a received one.
 *
 * -E2BIG: more than cap, ZS_ANSWER_HEAD_MAX or ZS_RESPONSE_FIELDS_MAX; -EINVAL: not a 200, or no
 * such year. *out changes on success only; buf holds rubbish after a failure.
 */
int zs_policy_render(const struct zs_response *r, uint64_t body_len, int64_t wall, uint8_t *buf,
		     size_t cap, struct zs_rendered *out);

#endif
