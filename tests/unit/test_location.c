// SPDX-License-Identifier: GPL-2.0-or-later
/* Location and Content-Location: which references are followed, and to which target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "location.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct zs_text text(const char *s)
{
	return (struct zs_text){(const uint8_t *)s, strlen(s)};
}

static void test_targets(void **state)
{
	static const struct {
		const char *value;
		const char *target; /* null: not followed */
	} rows[] = {
		{"/", "/"},
		{"/a/b?c=d", "/a/b?c=d"},
		{"/a#b", "/a"},
		{"/a?b#c/d", "/a?b"},
		{"http://shop.example:8443/a", "/a"},
		{"HTTPS://Shop.Example:8443/a?b", "/a?b"},
		{"https://shop.example:8443/", "/"},
		{"https://shop.example:8443", NULL}, /* its target is "/", but nothing says so */
		{"https://shop.example/a", NULL},
		{"https://shop.example:8443.evil/a", NULL},
		{"https://user@shop.example:8443/a", NULL},
		{"https://evil/a?https://shop.example:8443/", NULL},
		{"https://evil#https://shop.example:8443/a", NULL},
		{"//shop.example:8443/a", NULL},
		{"https:///a", NULL},
		{"ftp://shop.example:8443/a", NULL},
		{"a/b", NULL},
		{"?a", NULL},
		{"../a", NULL},
		{"#a", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_text target = {0};
		int err = zs_location_target(text(rows[i].value), text("shop.example:8443"), &target);

		assert_int_equal(err, rows[i].target ? 0 : -ENOENT);
		if (rows[i].target) {
			assert_int_equal(target.len, strlen(rows[i].target));
			assert_memory_equal(target.p, rows[i].target, target.len);
		} else {
			assert_null(target.p);
		}
	}
}

static void test_long(void **state)
{
	char value[ZS_TARGET_MAX + 2];
	struct zs_text target;

	(void)state;
	memset(value, '/', 1);
	memset(value + 1, 'a', ZS_TARGET_MAX);
	value[ZS_TARGET_MAX] = 0;
	assert_int_equal(zs_location_target(text(value), text("a"), &target), 0);
	value[ZS_TARGET_MAX] = 'a';
	value[ZS_TARGET_MAX + 1] = 0;
	assert_int_equal(zs_location_target(text(value), text("a"), &target), -ENOENT);
}

static char seen[256];

static void note(void *user, const struct zs_asked *asked, struct zs_text target)
{
	(void)asked;
	assert_ptr_equal(user, seen);
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "[%.*s]", (int)target.len, (const char *)target.p);
}

/* What the whole response means for a request to the host a.example, forwarded as b.example. */
static const char *named(const char *status, const char *fields)
{
	static const char head[] = "POST /x HTTP/1.1\r\nHost: a\r\n\r\n";
	struct zs_asked *asked = calloc(1, sizeof(*asked));
	struct zs_response *r = calloc(1, sizeof(*r));
	char received[512];

	memcpy(asked->head, head, sizeof(head) - 1);
	asked->head_len = sizeof(head) - 1;
	asked->key.host_len = asked->key.xfh_len = 9;
	memcpy(asked->key.text, "a.example\0\0\0\0\0\0\0b.example", 25);
	snprintf(received, sizeof(received), "HTTP/1.1 %s X\r\nContent-Length: 0\r\n%s\r\n", status, fields);
	assert_int_equal(zs_response_head((uint8_t *)received, strlen(received), r), 0);
	seen[0] = 0;
	zs_location_targets(asked, r, note, seen);
	free(asked);
	free(r);
	return seen;
}

static void test_responses(void **state)
{
	(void)state;
	assert_string_equal(named("201", "Location: /new\r\n"), "[/new]");
	assert_string_equal(named("303", "Location: https://b.example/new\r\nContent-Location: /c\r\n"), "[/new][/c]");
	assert_string_equal(named("200", "Location: https://a.example/new\r\n"), "");
	assert_string_equal(named("200", "X-Location: /new\r\n"), "");
	assert_string_equal(named("404", "Location: /new\r\n"), "");
	assert_string_equal(named("500", "Content-Location: /new\r\n"), "");
	assert_string_equal(named("200", "Location: /a\r\nLocation: /b\r\n"), "[/a][/b]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
