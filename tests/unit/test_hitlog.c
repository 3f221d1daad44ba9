// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines of the log, byte for byte, and what becomes of bytes that somebody chose to break them. */
#include "hitlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <zs/abi.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WALL	 1700000000000000000 /* of the moment of boot */
#define ANSWER	 "HTTP/1.1 200 OK\r\nAge: 3         \r\n\r\n"

static struct zs_event_hit hit;
static char line[ZS_HITLOG_LINE_MAX];
static size_t line_len;

/* An event with these heads, everything else as in a plain hit; returns its size. */
static size_t event(const char *request, size_t request_len, const char *answer, size_t answer_len)
{
	size_t at = (request_len + ZS_STEP - 1) / ZS_STEP * ZS_STEP;

	hit = (struct zs_event_hit){.time = 5000000000, .done = 5000012345, .age = 3, .ttl = 57, .origin = 1,
				    .body_len = 42, .status = 200};
	hit.request_len = (uint16_t)request_len;
	hit.answer_len = hit.head_len = (uint16_t)answer_len;
	memcpy(hit.bytes, request, request_len);
	memcpy(hit.bytes + at, answer, answer_len);
	return offsetof(struct zs_event_hit, bytes) + at + answer_len;
}

/* The line, parsed. */
static json_t *parsed(size_t size)
{
	json_error_t error;
	json_t *json;

	line_len = zs_hitlog_line(&hit, size, WALL, line);
	assert_true(line_len < sizeof(line));
	assert_ptr_equal(memchr(line, '\n', line_len), line + line_len - 1);
	json = json_loadb(line, line_len, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		fail_msg("%s in: %.*s", error.text, (int)line_len, line);
	return json;
}

static json_t *of_request(const char *request)
{
	return parsed(event(request, strlen(request), ANSWER, strlen(ANSWER)));
}

/* A member of "request" is this text. */
static void request_is(json_t *json, const char *name, const char *value)
{
	json_t *member = json_object_get(json_object_get(json, "request"), name);

	assert_true(json_is_string(member));
	assert_string_equal(json_string_value(member), value);
}

/* The headers of the request, or of the response, as compact JSON. */
static void headers_are(json_t *json, int of_response, const char *expected)
{
	json_t *headers = of_response ? json_object_get(json, "resp_headers")
				      : json_object_get(json_object_get(json, "request"), "headers");
	char *text = json_dumps(headers, JSON_COMPACT | JSON_PRESERVE_ORDER);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void test_whole_line(void **state)
{
	static const char request[] = "GET /a?b=c HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: x\r\n"
				      "X-Forwarded-For: 192.0.2.7\r\n\r\n";
	static const char expected[] =
		"{\"level\":\"info\",\"ts\":1700000005.000012345,\"logger\":\"http.log.access\",\"msg\":\"handled request\","
		"\"request\":{\"remote_ip\":\"192.0.2.7\",\"remote_port\":\"\",\"client_ip\":\"192.0.2.7\","
		"\"proto\":\"HTTP/1.1\",\"method\":\"GET\",\"host\":\"www.example.org\",\"uri\":\"/a?b=c\","
		"\"headers\":{\"User-Agent\":[\"x\"],\"X-Forwarded-For\":[\"192.0.2.7\"]}},\"bytes_read\":0,"
		"\"user_id\":\"\",\"duration\":0.000012345,\"size\":42,\"status\":200,\"resp_headers\":{\"Age\":[\"3\"]},"
		"\"zeroserve\":{\"result\":\"hit\",\"age\":3,\"ttl\":57,\"lane\":\"upstream\"}}\n";

	(void)state;
	json_decref(of_request(request));
	assert_int_equal(line_len, sizeof(expected) - 1);
	assert_memory_equal(line, expected, line_len);
}

static void test_results(void **state)
{
	static const struct {
		uint16_t flags;
		int64_t ttl;
		const char *text;
	} rows[] = {
		{0, 5, "hit"},
		{ZS_HIT_STALE, -5, "stale"},
		{ZS_HIT_NOT_MODIFIED, 5, "not modified"},
		{ZS_HIT_NOT_MODIFIED | ZS_HIT_STALE, -1, "not modified"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t size = event("GET / HTTP/1.1\r\n\r\n", 18, ANSWER, strlen(ANSWER));
		json_t *json, *ours;

		hit.flags = rows[i].flags;
		hit.ttl = rows[i].ttl;
		json = parsed(size);
		ours = json_object_get(json, "zeroserve");
		assert_string_equal(json_string_value(json_object_get(ours, "result")), rows[i].text);
		assert_int_equal(json_integer_value(json_object_get(ours, "ttl")), rows[i].ttl);
		assert_null(json_object_get(ours, "cut"));
		json_decref(json);
	}
}

/* As Caddy: from 400 on. */
static void test_levels(void **state)
{
	static const struct {
		uint16_t status;
		const char *level;
	} rows[] = {{200, "info"}, {304, "info"}, {399, "info"}, {400, "error"}, {404, "error"}, {501, "error"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t size = event("GET / HTTP/1.1\r\n\r\n", 18, ANSWER, strlen(ANSWER));
		json_t *json;

		hit.status = rows[i].status;
		json = parsed(size);
		assert_string_equal(json_string_value(json_object_get(json, "level")), rows[i].level);
		assert_int_equal(json_integer_value(json_object_get(json, "status")), rows[i].status);
		json_decref(json);
	}
}

static void test_forwarded(void **state)
{
	static const struct {
		const char *fields, *remote, *client;
	} rows[] = {
		{"", "", ""},
		{"X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7", "192.0.2.7"},
		{"x-forwarded-for: 198.51.100.1, 10.0.0.1 ,\t192.0.2.7\r\n", "192.0.2.7", "198.51.100.1"},
		{"X-Forwarded-For: junk, 2001:db8::1, 10.0.0.1\r\n", "10.0.0.1", "2001:db8::1"},
		{"X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-For: 10.0.0.1\r\n", "10.0.0.1", "10.0.0.9"},
		{"X-Forwarded-For: 10.0.0.9, junk\r\n", "", "10.0.0.9"},
		{"X-Forwarded-For: \r\n", "", ""},
		{"X-Forwarded-For: ,,\r\n", "", ""},
		{"X-Forwarded-For: 10.0.0.999999999999999999999999999999999999999999999999999999\r\n", "", ""},
		{"X-Real-IP: 192.0.2.8\r\n", "192.0.2.8", "192.0.2.8"},
		{"X-Real-IP: 192.0.2.8\r\nX-Forwarded-For: 10.0.0.1\r\n", "10.0.0.1", "10.0.0.1"},
		{"X-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 192.0.2.8\r\n", "10.0.0.1", "10.0.0.1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char request[512];
		json_t *json;

		snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n%s\r\n", rows[i].fields);
		json = of_request(request);
		request_is(json, "remote_ip", rows[i].remote);
		request_is(json, "client_ip", rows[i].client);
		request_is(json, "remote_port", "");
		json_decref(json);
	}
}

/* On the client hop the peer is the visitor, whatever it claims. */
static void test_peers(void **state)
{
	static const struct {
		uint16_t lane;
		const char *ip, *written, *port;
	} rows[] = {
		{ZS_LANE_CLIENT, "::ffff:192.0.2.1", "192.0.2.1", "1001"},
		{ZS_LANE_CLIENT, "2001:db8::1", "2001:db8::1", "1001"},
		{ZS_LANE_CLIENT_DIALER, "::ffff:192.0.2.2", "192.0.2.2", "1002"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static const char request[] = "GET / HTTP/1.1\r\nX-Forwarded-For: 10.9.9.9\r\n\r\n";
		size_t size = event(request, strlen(request), ANSWER, strlen(ANSWER));
		json_t *json;

		hit.lane = rows[i].lane;
		assert_int_equal(inet_pton(AF_INET6, rows[i].ip,
					   hit.lane == ZS_LANE_CLIENT ? hit.remote : hit.local), 1);
		hit.remote_port = 1001;
		hit.local_port = 1002;
		json = parsed(size);
		request_is(json, "remote_ip", rows[i].written);
		request_is(json, "client_ip", rows[i].written);
		request_is(json, "remote_port", rows[i].port);
		assert_string_equal(json_string_value(json_object_get(json_object_get(json, "zeroserve"), "lane")), "client");
		json_decref(json);
	}
}

static void test_fields(void **state)
{
	static const struct {
		const char *fields, *json;
	} rows[] = {
		{"", "{}"},
		{"x-a: 1\r\nb: 2\r\nX-A:3\r\nx-A:\r\n", "{\"X-A\":[\"1\",\"3\",\"\"],\"B\":[\"2\"]}"},
		{"ACCEPT-ENCODING: \t gzip \t\r\n", "{\"Accept-Encoding\":[\"gzip\"]}"},
		{"x_a-1b: 1\r\n", "{\"X_a-1b\":[\"1\"]}"},
		{"cookie: secret=1\r\nAuthorization: Basic c2VjcmV0\r\nPROXY-AUTHORIZATION: secret\r\ncookie: secret=2\r\n",
		 "{\"Cookie\":[\"REDACTED\"],\"Authorization\":[\"REDACTED\"],\"Proxy-Authorization\":[\"REDACTED\"]}"},
		{"Set-Cookie: secret\r\nCookie2: shown\r\n", "{\"Set-Cookie\":[\"REDACTED\"],\"Cookie2\":[\"shown\"]}"},
		{"no colon\r\nbad name: 1\r\n: 2\r\nok: a:b\r\n", "{\"Ok\":[\"a:b\"]}"},
		{"Host: h\r\nhost: again\r\nA: b\n", "{\"A\":[\"b\"]}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char head[512];
		json_t *json;

		snprintf(head, sizeof(head), "GET / HTTP/1.1\r\n%s\r\n", rows[i].fields);
		json = of_request(head);
		headers_are(json, 0, rows[i].json);
		assert_null(memmem(line, line_len, "secret", 6));
		json_decref(json);
		if (strstr(rows[i].fields, "Host"))
			continue;
		json = parsed(event("GET / HTTP/1.1\r\n\r\n", 18, head, strlen(head)));
		headers_are(json, 1, rows[i].json);
		assert_null(memmem(line, line_len, "secret", 6));
		json_decref(json);
	}
}

/* As zap writes them: the bytes between the quotes. */
static void test_strings(void **state)
{
	static const struct {
		const char *sent, *written;
	} rows[] = {
		{"plain <&>/'", "plain <&>/'"},
		{"\"\\", "\\\"\\\\"},
		{"\x01\x1f\x7f\tx", "\\u0001\\u001f\x7f\\tx"},
		{"a\rb", "a\\rb"},
		{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf"},
		{"\xff", "\\ufffd"},
		{"\x80\xbf", "\\ufffd\\ufffd"},
		{"\xc3", "\\ufffd"},
		{"\xc3(", "\\ufffd("},
		{"\xc0\xaf", "\\ufffd\\ufffd"},				    /* overlong */
		{"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},		    /* likewise */
		{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},		    /* a surrogate */
		{"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"},	    /* overlong */
		{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},	    /* beyond Unicode */
		{"\xe2\x82", "\\ufffd\\ufffd"},
		{"\xf0\x9f\x98.", "\\ufffd\\ufffd\\ufffd."},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char request[512], expected[512];
		json_t *json;

		snprintf(request, sizeof(request), "GET /%s HTTP/1.1\r\nHost: %s\r\nX-A: .%s.\r\n\r\n", rows[i].sent,
			 rows[i].sent, rows[i].sent);
		json = of_request(request);
		snprintf(expected, sizeof(expected), "\"host\":\"%s\",\"uri\":\"/%s\",\"headers\":{\"X-A\":[\".%s.\"]}",
			 rows[i].written, rows[i].written, rows[i].written);
		assert_non_null(memmem(line, line_len, expected, strlen(expected)));
		json_decref(json);
	}
}

static void test_request_lines(void **state)
{
	static const struct {
		const char *line, *method, *uri, *proto;
	} rows[] = {
		{"HEAD /x HTTP/1.1", "HEAD", "/x", "HTTP/1.1"},
		{"GET /a b c HTTP/1.1", "GET", "/a b c", "HTTP/1.1"},
		{"GET HTTP/1.1", "GET", "", "HTTP/1.1"},
		{"GET", "GET", "", ""},
		{" ", "", "", ""},
		{"  ", "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char request[128];
		json_t *json;

		snprintf(request, sizeof(request), "%s\r\n\r\n", rows[i].line);
		json = of_request(request);
		request_is(json, "method", rows[i].method);
		request_is(json, "uri", rows[i].uri);
		request_is(json, "proto", rows[i].proto);
		json_decref(json);
	}
}

/* An answer's head of which only the beginning is there: its whole lines, and a word that it was cut. */
static void test_cut(void **state)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: half of";
	json_t *json = parsed(event("GET / HTTP/1.1\r\n\r\n", 18, answer, strlen(answer)));

	(void)state;
	headers_are(json, 1, "{\"A\":[\"1\"],\"B\":[\"2\"]}");
	assert_true(json_is_true(json_object_get(json_object_get(json, "zeroserve"), "cut")));
	json_decref(json);
}

/* An event of every length, down to none, has a line. */
static void test_short_events(void **state)
{
	size_t size = event("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, ANSWER, strlen(ANSWER));

	(void)state;
	for (size_t n = 0; n <= size; n++)
		json_decref(parsed(n));
	assert_null(memmem(line, line_len, "cut", 3));
}

/* The longest lines there can be, of heads that are full to the last byte. */
static void test_longest(void **state)
{
	static char request[ZS_HEAD_MAX], answer[ZS_HIT_HEAD_MAX];
	json_t *json;

	(void)state;
	memset(request, 0xff, sizeof(request));
	memset(answer, 0xff, sizeof(answer));
	memcpy(request, "GET /", 5);
	memcpy(request + sizeof(request) - 14, " HTTP/1.1\n\r\n", 12);
	memcpy(answer, "HTTP/1.1 200 \r\nA:", 17);
	memcpy(answer + sizeof(answer) - 4, "\r\n\r\n", 4);
	json = parsed(event(request, sizeof(request), answer, sizeof(answer)));
	assert_true(line_len > 6 * 6000);
	json_decref(json);
	for (size_t i = 0; i + 3 <= sizeof(request); i += 3)
		memcpy(request + i, i / 3 % 2 ? "a:\n" : "B:\n", 3);
	json_decref(parsed(event(request, sizeof(request), answer, sizeof(answer))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_line),   cmocka_unit_test(test_results), cmocka_unit_test(test_levels),
		cmocka_unit_test(test_forwarded),    cmocka_unit_test(test_peers),   cmocka_unit_test(test_fields),
		cmocka_unit_test(test_strings),	     cmocka_unit_test(test_cut),     cmocka_unit_test(test_request_lines),
		cmocka_unit_test(test_short_events), cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
