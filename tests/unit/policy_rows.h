/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the policy share: a response from its fields, and a moment at which it comes.
 */
#ifndef ZS_POLICY_ROWS_H
#define ZS_POLICY_ROWS_H

#include "policy.h"

#include <zs/abi.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND	     1000000000ll
#define WALL	     784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define SENT	     (1000 * SECOND)
#define ARRIVED	     (SENT + SECOND / 4)
#define DATE	     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define DATE_10_AGO  "Date: Sun, 06 Nov 1994 08:49:27 GMT\r\n"
#define EXPIRES_60   "Expires: Sun, 06 Nov 1994 08:50:37 GMT\r\n"
#define FRESH	     "Cache-Control: max-age=60\r\n"
#define CC(value)    "Cache-Control: " value "\r\n"
#define ALL_CODINGS  (ZS_AE_PRESENT | ZS_AE_GZIP | ZS_AE_BR | ZS_AE_ZSTD)

static inline void parse(struct zs_response *r, const char *status_line, const char *fields)
{
	char text[2 * ZS_RESPONSE_HEAD_MAX];
	int n = snprintf(text, sizeof(text), "%s\r\n%sContent-Length: 3\r\n\r\n", status_line,
			 fields);

	assert_int_equal(zs_response_head((uint8_t *)text, (size_t)n, r), 0);
}

static inline struct zs_policy_input input(const struct zs_response *r)
{
	return (struct zs_policy_input){
		.response = r,
		.get = true,
		.request = {.accept_encoding = ALL_CODINGS, .head_len = 100, .plain = true},
		.request_time = SENT,
		.response_time = ARRIVED,
		.response_wall = WALL,
		.lifetime_max = UINT32_MAX,
	};
}

struct row {
	const char *fields;
	enum zs_policy_reason reason;
	uint32_t lifetime;
	uint32_t age;
};

#define STORED(fields, lifetime)                                                                   \
	{                                                                                          \
		fields, ZS_POLICY_STORE, lifetime, 0                                               \
	}
#define REFUSED(fields, reason)                                                                    \
	{                                                                                          \
		fields, ZS_POLICY_##reason, 0, 0                                                   \
	}

static inline void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct zs_policy_verdict v = {.lifetime = 12345};
		struct zs_policy_input in;
		struct zs_response r;
		enum zs_policy_reason reason;

		parse(&r, "HTTP/1.1 200 OK", rows[i].fields);
		in = input(&r);
		reason = zs_policy_judge(&in, &v);
		print_message("  %-22s %.50s\n", zs_policy_reason_name(reason), rows[i].fields);
		assert_string_equal(zs_policy_reason_name(reason),
				    zs_policy_reason_name(rows[i].reason));
		if (reason) {
			assert_int_equal(v.lifetime, 12345);
			continue;
		}
		assert_int_equal(v.lifetime, rows[i].lifetime);
		assert_int_equal(v.age, rows[i].age);
		assert_true(v.fresh_until == v.born + (int64_t)v.lifetime * SECOND);
		assert_true(v.fresh_until > ARRIVED);
		/* nobody allowed anything stale */
		assert_true(v.stale_until == v.fresh_until && v.error_until == v.fresh_until);
	}
}

#endif
