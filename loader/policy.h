/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May a response be stored, and for how long? RFC 9111 for a shared cache, narrower where it leaves
 * a choice: a doubt means that the response is not stored. No I/O, no clock, no state. Whether the
 * response was complete is response.h's question, under which head it is served render.h's.
 */
#ifndef ZS_POLICY_H
#define ZS_POLICY_H

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

/* What the operator wants for the responses that a rule is about. All zero: nothing. */
struct zs_policy_rule {
	bool bypass;	       /* store nothing */
	bool has_ttl;	       /* `ttl` is set */
	uint32_t ttl;	       /* seconds; for responses without a lifetime of their own */
	bool ttl_force;	       /* for those with one too; 0 then means: do not store */
	uint32_t grace;	       /* seconds that a response may be served stale, at most */
	bool allow_authorized; /* answers to requests with Authorization (RFC 9111 3.5) */
	uint32_t max_object;   /* bytes of the body; 0: no limit of its own */
};

/* What the decision depends on of the request. */
struct zs_policy_request {
	uint32_t accept_encoding;   /* ZS_AE_* */
	bool authorized;	    /* it carried Authorization */
	const struct zs_text *vary; /* lower-case names of fields that are part of the key */
	unsigned int vary_count;
	size_t head_len; /* bytes */
	bool plain;	 /* all values of fields outside the key are short and visible ASCII */
};

/* Errors are stored only if the request that caused them was plain and not longer than this. */
#define ZS_POLICY_PLAIN_HEAD_MAX 2048u

/*
 * That the request carried no Cookie, Range, precondition or restrictive Cache-Control is the
 * recogniser's word (zs_request_recordable()); a fetch of the agent's own must not send them
 * either.
 */
struct zs_policy_input {
	const struct zs_response *response;
	const struct zs_policy_rule *rule; /* null: none */
	struct zs_policy_request request;
	bool get;
	uint64_t request_time;	/* boot-time ns at which the request was sent */
	uint64_t response_time; /* boot-time ns at which the response began to arrive */
	int64_t response_wall;	/* the same moment, seconds since 1970 */
	uint32_t lifetime_max;	/* seconds from response_time on, whatever the response says */
};

struct zs_policy_verdict {
	uint32_t lifetime;   /* seconds after `born`, lifetime_max already applied */
	uint32_t age;	     /* whole seconds at response_time (RFC 9111 4.2.3) */
	int64_t born;	     /* boot-time ns at which its age was 0; may be negative */
	int64_t fresh_until; /* boot-time ns: born + lifetime; above response_time */
	int64_t stale_until; /* may be served while it is refreshed; fresh_until: not at all */
	int64_t error_until; /* may be served while the origin fails; fresh_until: not at all */
	bool authorized_ok;  /* may answer requests with Authorization (RFC 9111 3.5) */
	bool surrogate;	     /* there was a Surrogate-Control, which the stored head lacks */
};

/*
 * RFC 9111 3 and 4.2. ZS_POLICY_STORE, which is 0: may be stored, *out is set. Any other reason:
 * must not, *out is untouched; of several reasons, the first that was looked at. Times must be
 * below 2^62 ns, and the wall clock within the years 1970 to 9999.
 *
 * A rule never lifts no-store, private, no-cache, Set-Cookie, Vary, or what is malformed.
 */
enum zs_policy_reason zs_policy_judge(const struct zs_policy_input *in,
				      struct zs_policy_verdict *out);

/*
 * Whether that refusal hangs on the request, so that another request with the same key may get what can be stored:
 * nobody may keep a key from being stored by what he sends. Statuses that are never stored and tell of an error
 * count as such: 400, 403, 429 or 503 is what a filter or a limit says to one visitor.
 */
bool zs_policy_by_request(enum zs_policy_reason reason, uint32_t status);

/* Static text; "unknown" for a number that is none. */
const char *zs_policy_reason_name(enum zs_policy_reason reason);
const char *zs_policy_reason_text(enum zs_policy_reason reason);

#endif
