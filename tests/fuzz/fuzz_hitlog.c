// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever stands in an event, it becomes one line, and the line is one JSON object in UTF-8 with the fields of the
 * schema; nobody's credentials are in it.
 */
#include "hitlog.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <zs/abi.h>

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static void expect(int ok)
{
	if (!ok)
		abort();
}

static void fields_check(json_t *fields)
{
	const char *name;
	json_t *values, *value;
	size_t i;

	expect(json_is_object(fields));
	json_object_foreach(fields, name, values)
	{
		expect(json_is_array(values) && json_array_size(values) > 0);
		json_array_foreach(values, i, value)
		{
			expect(json_is_string(value));
			if (!strcmp(name, "Cookie") || !strcmp(name, "Authorization"))
				expect(!strcmp(json_string_value(value), "REDACTED"));
		}
	}
}

static void line_check(const void *event, size_t size, int64_t wall)
{
	static const char *const texts[] = {"remote_ip", "remote_port", "client_ip", "proto", "method", "host", "uri"};
	static char line[ZS_HITLOG_LINE_MAX];
	size_t n = zs_hitlog_line(event, size, wall, line);
	json_t *json, *request;

	expect(n > 0 && n < sizeof(line));
	expect(memchr(line, '\n', n) == line + n - 1);
	json = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	expect(json_is_object(json));
	request = json_object_get(json, "request");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect(json_is_string(json_object_get(request, texts[i])));
	expect(json_is_real(json_object_get(json, "ts")) && json_is_real(json_object_get(json, "duration")));
	expect(json_is_integer(json_object_get(json, "size")) && json_is_integer(json_object_get(json, "status")));
	expect(json_is_integer(json_object_get(json_object_get(json, "zeroserve"), "ttl")));
	fields_check(json_object_get(request, "headers"));
	fields_check(json_object_get(json, "resp_headers"));
	json_decref(json);
}

/* As bytes of the ring, and as the heads of an event that is otherwise right: the request up to an empty line. */
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static struct zs_event_hit hit;
	size_t request = len < ZS_HEAD_MAX ? len : ZS_HEAD_MAX, at;
	const uint8_t *end = memmem(in, len, "\n\r\n", 3);

	line_check(in, len, 0);
	if (end && (size_t)(end - in) + 3 < request)
		request = (size_t)(end - in) + 3;
	hit.done = len * 7919;
	hit.lane = (uint16_t)(len % 4);
	hit.request_len = (uint16_t)request;
	at = (request + ZS_STEP - 1) / ZS_STEP * ZS_STEP;
	hit.answer_len = (uint16_t)(len - request < ZS_HIT_HEAD_MAX ? len - request : ZS_HIT_HEAD_MAX);
	memcpy(hit.bytes, in, request);
	memcpy(hit.bytes + at, in + request, hit.answer_len);
	line_check(&hit, offsetof(struct zs_event_hit, bytes) + at + hit.answer_len, 1700000000000000000);
	return 0;
}
