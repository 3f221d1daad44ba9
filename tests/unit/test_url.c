// SPDX-License-Identifier: GPL-2.0-or-later
/* URLs and hosts of the command line against what stands in cache keys. */
#include "url.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "log.h"

static void test_split(void **state)
{
	static const struct {
		const char *text, *host, *target;
	} rows[] = {
		{"https://example.org/a/b?c=d", "example.org", "/a/b?c=d"},
		{"http://EXAMPLE.org", "example.org", "/"},
		{"https://example.org/#top", "example.org", "/"},
		{"https://example.org#top", NULL, NULL},
		{"https://example.org?q", NULL, NULL},
		{"https://example.org:443/", "example.org", "/"},
		{"http://example.org:80/", "example.org", "/"},
		{"http://example.org:443/", "example.org:443", "/"},
		{"https://example.org:8443/x", "example.org:8443", "/x"},
		{"https://user:word@example.org/x", "example.org", "/x"},
		{"https://[::1]:8080/x", "[::1]:8080", "/x"},
		/* byte for byte: neither decoded nor tidied */
		{"https://a/%7e/../b//c;d?x=%20&&y", "a", "/%7e/../b//c;d?x=%20&&y"},
		{"https://a/A?B", "a", "/A?B"},
		{"example.org/x", NULL, NULL},
		{"/x", NULL, NULL},
		{"", NULL, NULL},
		{"https://", NULL, NULL},
		{"https:///x", NULL, NULL},
		{"https:/x?u=http://a/b", NULL, NULL},
		{"ftp://a/b", NULL, NULL},
		{"HTTPS://a:443/b", "a", "/b"},
	};
	struct zs_url url, before;
	(void)state;

	zs_log_level_set(ZS_LOG_ERROR);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int err;

		memset(&url, 'x', sizeof(url));
		before = url;
		err = zs_url_split("url", rows[i].text, &url);
		print_message("  row %zu\n", i);
		assert_int_equal(err, rows[i].host ? 0 : -EINVAL);
		if (err) {
			assert_memory_equal(&url, &before, sizeof(url));
			continue;
		}
		assert_string_equal(url.host, rows[i].host);
		assert_string_equal(url.target, rows[i].target);
	}
}

static void test_long(void **state)
{
	static char text[ZS_TARGET_MAX + 64] = "http://a/";
	struct zs_url url;
	(void)state;

	memset(text + 9, 'p', ZS_TARGET_MAX - 1);
	assert_int_equal(zs_url_split("url", text, &url), 0);
	assert_int_equal(strlen(url.target), ZS_TARGET_MAX);
	strcat(text, "p");
	assert_int_equal(zs_url_split("url", text, &url), -EINVAL);
	memset(text + 7, 'h', ZS_HOST_MAX);
	text[7 + ZS_HOST_MAX] = 0;
	assert_int_equal(zs_url_split("url", text, &url), 0);
	assert_int_equal(strlen(url.host), ZS_HOST_MAX);
	strcat(text, "h/");
	assert_int_equal(zs_url_split("url", text, &url), -EINVAL);
}

static void test_host(void **state)
{
	static const char *const bad[] = {"", "a/b", "a?", "a#", "u@a", "a b", "a\tb", "http://a"};
	char host[ZS_HOST_MAX + 1], long_host[ZS_HOST_MAX + 2];
	(void)state;

	assert_int_equal(zs_url_host("host", "Example.ORG:8443", host), 0);
	assert_string_equal(host, "example.org:8443");
	assert_int_equal(zs_url_host("host", "[::1]", host), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(zs_url_host("host", bad[i], host), -EINVAL);
	memset(long_host, 'h', sizeof(long_host));
	long_host[ZS_HOST_MAX + 1] = 0;
	assert_int_equal(zs_url_host("host", long_host, host), -EINVAL);
	assert_string_equal(host, "[::1]");
	long_host[ZS_HOST_MAX] = 0;
	assert_int_equal(zs_url_host("host", long_host, host), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
