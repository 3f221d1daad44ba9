// SPDX-License-Identifier: GPL-2.0-or-later
/* Which upstreams are found in Caddy's configuration, which are refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "origins.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Out of `caddy adapt` 2.6.2: matchers, handle_path, h2c, php_fastcgi, dynamic srv,
 * handle_response, handle_errors, a placeholder and a Unix socket. */
static const char adapted[] =
	"{\"admin\":{\"listen\":\"localhost:2019\"},\"apps\":{\"http\":{\"servers\":{\"srv0\""
	":{\"listen\":[\":8181\"],\"routes\":[{\"match\":[{\"host\":[\"app.example.test\"]}],"
	"\"handle\":[{\"handler\":\"subroute\",\"routes\":[{\"handle\":[{\"encodings\":{"
	"\"gzip\":{},\"zstd\":{}},\"handler\":\"encode\",\"prefer\":[\"gzip\",\"zstd\"]}]},{"
	"\"group\":\"group8\",\"handle\":[{\"handler\":\"subroute\",\"routes\":[{\"handle\":["
	"{\"handler\":\"rewrite\",\"strip_path_prefix\":\"/legacy\"}]},{\"handle\":[{"
	"\"handler\":\"reverse_proxy\",\"transport\":{\"protocol\":\"http\",\"tls\":{}},"
	"\"upstreams\":[{\"dial\":\"legacy.example.test:443\"}]}]}]}],\"match\":[{\"path\":["
	"\"/legacy/*\"]}]},{\"group\":\"group8\",\"handle\":[{\"handler\":\"subroute\","
	"\"routes\":[{\"handle\":[{\"handler\":\"reverse_proxy\",\"transport\":{\"protocol\":"
	"\"http\",\"versions\":[\"h2c\",\"2\"]},\"upstreams\":[{\"dial\":\"localhost:50051\"}"
	"]}]}]}],\"match\":[{\"path\":[\"/grpc/*\"]}]},{\"group\":\"group8\",\"handle\":[{"
	"\"handler\":\"subroute\",\"routes\":[{\"handle\":[{\"handler\":\"reverse_proxy\","
	"\"health_checks\":{\"active\":{\"uri\":\"/healthz\"}},\"load_balancing\":{"
	"\"selection_policy\":{\"policy\":\"least_conn\"}},\"upstreams\":[{\"dial\":"
	"\"127.0.0.1:9001\"},{\"dial\":\"127.0.0.1:9002\"}]}]}]}],\"match\":[{\"path\":["
	"\"/api/*\"]}]},{\"group\":\"group8\",\"handle\":[{\"handler\":\"subroute\","
	"\"routes\":[{\"handle\":[{\"dynamic_upstreams\":{\"name\":"
	"\"_http._tcp.example.test\",\"source\":\"srv\"},\"handler\":\"reverse_proxy\"}]}]}],"
	"\"match\":[{\"path\":[\"/dyn/*\"]}]},{\"group\":\"group8\",\"handle\":[{\"handler\":"
	"\"subroute\",\"routes\":[{\"handle\":[{\"handle_response\":[{\"match\":{"
	"\"status_code\":[500,503]},\"routes\":[{\"handle\":[{\"handler\":\"reverse_proxy\","
	"\"upstreams\":[{\"dial\":\"[::1]:9200\"}]}]}]}],\"handler\":\"reverse_proxy\","
	"\"upstreams\":[{\"dial\":\"localhost:9100\"}]}]}]}],\"match\":[{\"path\":[\"/x/*\"]}"
	"]},{\"group\":\"group8\",\"handle\":[{\"handler\":\"subroute\",\"routes\":[{"
	"\"handle\":[{\"handler\":\"reverse_proxy\",\"upstreams\":[{\"dial\":"
	"\"{http.request.host}:8080\"},{\"dial\":\"unix//run/app.sock\"}]}]}]}]},{\"handle\":"
	"[{\"handler\":\"static_response\",\"headers\":{\"Location\":["
	"\"{http.request.orig_uri.path}/\"]},\"status_code\":308}],\"match\":[{\"file\":{"
	"\"try_files\":[\"{http.request.uri.path}/index.php\"]},\"not\":[{\"path\":[\"*/\"]}]"
	"}]},{\"handle\":[{\"handler\":\"rewrite\",\"uri\":\"{http.matchers.file.relative}\"}"
	"],\"match\":[{\"file\":{\"split_path\":[\".php\"],\"try_files\":["
	"\"{http.request.uri.path}\",\"{http.request.uri.path}/index.php\",\"index.php\"]}}]}"
	",{\"handle\":[{\"handler\":\"reverse_proxy\",\"transport\":{\"protocol\":\"fastcgi\""
	",\"split_path\":[\".php\"]},\"upstreams\":[{\"dial\":\"unix//run/php/php.sock\"}]}],"
	"\"match\":[{\"path\":[\"*.php\"]}]}]}],\"terminal\":true}],\"errors\":{\"routes\":[{"
	"\"match\":[{\"host\":[\"app.example.test\"]}],\"handle\":[{\"handler\":\"subroute\","
	"\"routes\":[{\"handle\":[{\"handler\":\"reverse_proxy\",\"upstreams\":[{\"dial\":"
	"\"errors.local:8080\"}]}]}]}],\"terminal\":true}]},\"automatic_https\":{\"disable\":"
	"true,\"skip\":[\"app.example.test\"]}}}}}}";

/* Replaces what an earlier call left there. */
static struct zs_origins origins;

static void config_read(const char *json)
{
	zs_origins_free(&origins);
	assert_int_equal(zs_origins_from_config(json, strlen(json), &origins), 0);
}

/* One reverse_proxy handler, as in `{...}` behind "handler". */
static void handler_read(const char *rest)
{
	char json[4096];

	snprintf(json, sizeof(json),
		 "{\"apps\":{\"http\":{\"servers\":{\"s\":{\"routes\":[{\"handle\":"
		 "[{\"handler\":\"reverse_proxy\"%s}]}]}}}}}",
		 rest);
	config_read(json);
}

static const struct zs_upstream *upstream_find(const char *dial, bool taken)
{
	for (size_t i = 0; i < origins.count; i++) {
		if (!strcmp(origins.list[i].dial, dial) && origins.list[i].taken == taken)
			return &origins.list[i];
	}
	fail_msg("no upstream \"%s\" that is %s", dial, taken ? "taken" : "refused");
	return NULL;
}

static void expect_taken(const char *dial, const char *host, uint16_t port)
{
	const struct zs_upstream *up = upstream_find(dial, true);

	assert_string_equal(up->host, host);
	assert_int_equal(up->port, port);
	assert_null(up->reason);
}

static void expect_refused(const char *dial, const char *reason)
{
	const struct zs_upstream *up = upstream_find(dial, false);

	assert_non_null(up->reason);
	assert_string_equal(up->reason, reason);
	assert_string_equal(up->host, "");
	assert_int_equal(up->port, 0);
}

static int teardown(void **state)
{
	(void)state;
	zs_origins_free(&origins);
	return 0;
}

/* --- the configuration ----------------------------------------------------------------------- */

static void test_adapted(void **state)
{
	(void)state;
	config_read(adapted);
	assert_int_equal(origins.count, 11);
	assert_false(origins.more);
	expect_taken("127.0.0.1:9001", "127.0.0.1", 9001);
	expect_taken("127.0.0.1:9002", "127.0.0.1", 9002);
	expect_taken("[::1]:9200", "::1", 9200);
	expect_taken("localhost:9100", "localhost", 9100);
	expect_taken("errors.local:8080", "errors.local", 8080);
	expect_refused("legacy.example.test:443", "TLS to the upstream");
	expect_refused("localhost:50051", "HTTP/2 without TLS (h2c)");
	expect_refused("", "dynamic upstreams");
	expect_refused("{http.request.host}:8080", "placeholder in the address");
	expect_refused("unix//run/app.sock", "Unix socket");
	expect_refused("unix//run/php/php.sock", "FastCGI");
}

static void test_several_servers(void **state)
{
	(void)state;
	config_read("{\"apps\":{\"layer4\":{\"servers\":{\"x\":{\"handle\":[{\"handler\":\"reverse_"
		    "proxy\","
		    "\"upstreams\":[{\"dial\":\"no:1\"}]}]}}},\"http\":{\"servers\":{"
		    "\"a\":{\"named_routes\":{\"n\":{\"handle\":[{\"handler\":\"reverse_proxy\","
		    "\"upstreams\":[{\"dial\":\"tcp/app:80\"},{\"dial\":\":3000\"}]}]}}},"
		    "\"b\":{\"routes\":[{\"handle\":[{\"handler\":\"headers\",\"x\":null},"
		    "{\"handler\":\"reverse_proxy\",\"upstreams\":[{\"dial\":\":3000\",\"max_"
		    "requests\":5}]},"
		    "{\"handler\":\"plugin\",\"deeper\":{\"handler\":\"reverse_proxy\","
		    "\"upstreams\":[{\"dial\":\"tcp6/[2001:db8::1]:81\"}]}}]}]}}}}}");
	assert_int_equal(origins.count, 3);
	expect_taken("tcp/app:80", "app", 80);
	expect_taken(":3000", "", 3000);
	expect_taken("tcp6/[2001:db8::1]:81", "2001:db8::1", 81);
}

static void test_same_address_twice(void **state)
{
	(void)state;
	config_read("{\"apps\":{\"http\":{\"servers\":{\"s\":["
		    "{\"handler\":\"reverse_proxy\",\"upstreams\":[{\"dial\":\"a:1\"},{\"dial\":"
		    "\"a:1\"}]},"
		    "{\"handler\":\"reverse_proxy\",\"upstreams\":[{\"dial\":\"a:1\"}],"
		    "\"transport\":{\"protocol\":\"http\",\"tls\":{}}},"
		    "{\"handler\":\"reverse_proxy\",\"upstreams\":[{\"dial\":\"a:1\"}]}]}}}}");
	assert_int_equal(origins.count, 2);
	expect_taken("a:1", "a", 1);
	expect_refused("a:1", "TLS to the upstream");
}

static void test_transports(void **state)
{
	static const struct {
		const char *transport, *reason;
	} cases[] = {
		{"null", NULL},
		{"{\"protocol\":\"http\"}", NULL},
		{"{\"protocol\":\"http\",\"keep_alive\":{\"enabled\":false}}", NULL},
		{"{\"protocol\":\"http\",\"tls\":null,\"proxy_protocol\":\"\"}", NULL},
		{"{\"protocol\":\"http\",\"versions\":[]}", NULL},
		{"{\"protocol\":\"http\",\"versions\":[\"1.1\",\"2\"]}", NULL},
		{"{\"protocol\":\"http\",\"versions\":[\"2\"]}", "HTTP version other than 1.1"},
		{"{\"protocol\":\"http\",\"versions\":[\"3\"]}", "HTTP version other than 1.1"},
		{"{\"protocol\":\"http\",\"versions\":[1.1]}", "HTTP version other than 1.1"},
		{"{\"protocol\":\"http\",\"versions\":[\"1.1\",\"h2c\"]}",
		 "HTTP/2 without TLS (h2c)"},
		{"{\"protocol\":\"http\",\"tls\":{}}", "TLS to the upstream"},
		{"{\"protocol\":\"http\",\"tls\":{\"except_ports\":[\"1\"]}}",
		 "TLS to the upstream"},
		{"{\"protocol\":\"http\",\"proxy_protocol\":\"v2\"}", "PROXY protocol"},
		{"{\"protocol\":\"http\",\"forward_proxy_url\":\"http://p:1\"}",
		 "through a forward proxy"},
		{"{\"protocol\":\"http\",\"network_proxy\":{\"from\":\"url\"}}",
		 "through a forward proxy"},
		{"{\"protocol\":\"fastcgi\"}", "FastCGI"},
		{"{\"protocol\":\"http_ntlm\"}", "transport other than HTTP"},
		{"{\"protocol\":7}", "transport other than HTTP"},
		{"[]", "transport is malformed"},
		{"\"http\"", "transport is malformed"},
	};
	char rest[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(rest, sizeof(rest), ",\"upstreams\":[{\"dial\":\"a:1\"}],\"transport\":%s",
			 cases[i].transport);
		handler_read(rest);
		if (cases[i].reason)
			expect_refused("a:1", cases[i].reason);
		else
			expect_taken("a:1", "a", 1);
	}
}

static void test_dials_refused(void **state)
{
	static const struct {
		const char *dial, *reason;
	} cases[] = {
		{"a", "no port"},
		{"a:", "no port"},
		{"[::1]", "no port"},
		{"[::1]:", "no port"},
		{"[::1", "no closing bracket"},
		{"[::1]80", "no colon before the port"},
		{"::1:80", "IPv6 address without brackets"},
		{"[fe80::1%eth0]:80", "IPv6 address with a zone"},
		{"[a]:80", "not an IPv6 address"},
		{"[]:80", "not an IPv6 address"},
		{"a:0", "port is not between 1 and 65535"},
		{"a:65536", "port is not between 1 and 65535"},
		{"a:99999999999999999999", "port is not between 1 and 65535"},
		{"a:http", "port is not a number"},
		{"a:-1", "port is not a number"},
		{"a:80x", "port is not a number"},
		{"a:80-90", "port range"},
		{"a b:80", "not a host name"},
		{"-a:80", "not a host name"},
		{"b\u00fccher:80", "not a host name"},
		{"http//a:80", "network other than TCP"},
		{"http://a:80", "network other than TCP"},
		{"udp/a:80", "network other than TCP"},
		{"tcp5/a:80", "network other than TCP"},
		{"/a:80", "network other than TCP"},
		{"unix/@abstract", "Unix socket"},
		{"unix+h2c//x", "Unix socket"},
		{"{env.HOST}:80", "placeholder in the address"},
		{"a:{env.PORT}", "placeholder in the address"},
	};
	char rest[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(rest, sizeof(rest), ",\"upstreams\":[{\"dial\":\"%s\"}]", cases[i].dial);
		handler_read(rest);
		expect_refused(cases[i].dial, cases[i].reason);
	}
	handler_read(",\"upstreams\":[{\"dial\":\"a:1\\u0000b\"},{\"lookup_srv\":\"x\"},7,{"
		     "\"dial\":[]}]");
	assert_int_equal(origins.count, 2);
	expect_refused("a:1", "NUL in the address");
	expect_refused("", "address looked up by Caddy per request");
}

static void test_odd_configurations(void **state)
{
	static const char *const empty[] = {
		"null",
		"{}",
		"[]",
		"7",
		"\"x\"",
		"{\"apps\":null}",
		"{\"apps\":[]}",
		"{\"apps\":{\"http\":7}}",
		"{\"apps\":{\"http\":{\"servers\":[[[{}]]]}}}",
		"{\"apps\":{\"http\":{\"servers\":{\"s\":{\"handler\":[\"reverse_proxy\"]}}}}}",
	};
	static const char *const bad[] = {"", "{", "{\"apps\":}", "nul", "{}x", "\xff"};
	struct zs_origins untouched = {.count = 7};

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
		config_read(empty[i]);
		assert_int_equal(origins.count, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(zs_origins_from_config(bad[i], strlen(bad[i]), &untouched),
				 -EINVAL);
	assert_int_equal(zs_origins_from_config("{}", ZS_CONFIG_MAX + 1u, &untouched), -EFBIG);
	assert_int_equal(untouched.count, 7);
	handler_read(",\"upstreams\":{\"dial\":\"a:1\"}");
	assert_int_equal(origins.count, 0);
}

static void test_hostile_sizes(void **state)
{
	static const char before[] = "{\"apps\":{\"http\":{\"servers\":{\"s\":";
	static const char proxy[] = "{\"handler\":\"reverse_proxy\",\"upstreams\":[";
	const size_t size = 1u << 20;
	char *json = malloc(size), *at = json;

	(void)state;
	assert_non_null(json);
	at += sprintf(at, "%s%s", before, proxy);
	for (int i = 0; i < 1000; i++)
		at += sprintf(at, "{\"dial\":\"h%d:1\"},{\"dial\":\"h0:1\"},", i);
	sprintf(at, "{\"dial\":\"");
	memset(at + 9, 'x', 100000);
	sprintf(at + 100009, ":1\"}]}}}}}");
	config_read(json);
	assert_int_equal(origins.count, ZS_UPSTREAMS_MAX);
	assert_true(origins.more);

	/* too long for an entry, and cut between, not in, its two-byte characters */
	at = json + sprintf(json, "%s%s{\"dial\":\"x", before, proxy);
	for (int i = 0; i < 1000; i++, at += 2)
		memcpy(at, "\xc3\xbc", 2);
	sprintf(at, ":1\"}]}}}}}");
	config_read(json);
	assert_int_equal(origins.count, 1);
	assert_string_equal(origins.list[0].reason, "address too long");
	json_decref(zs_origins_json(&origins));

	/* deeper than jansson goes, and almost as deep as it goes */
	memset(json, '[', 100000);
	json[100000] = '\0';
	assert_int_equal(zs_origins_from_config(json, 100000, &origins), -EINVAL);
	at = json + sprintf(json, "%s", before);
	memset(at, '[', 2000);
	at += 2000;
	at += sprintf(at, "%s{\"dial\":\"deep:1\"}]}", proxy);
	memset(at, ']', 2000);
	sprintf(at + 2000, "}}}}");
	config_read(json);
	expect_taken("deep:1", "deep", 1);
	free(json);
}

/* --- what operators write --------------------------------------------------------------------- */

static void test_operator(void **state)
{
	static const char *const bad[] = {
		"", "a", ":80", "a:", "[::1]", "::1:80", "unix//x", "a:1-2"};

	(void)state;
	handler_read(",\"upstreams\":[{\"dial\":\"a:1\"}]");
	assert_int_equal(zs_origins_add(&origins, "10.0.0.1:8080"), 0);
	assert_int_equal(zs_origins_add(&origins, "[2001:db8::1]:80"), 0);
	assert_int_equal(zs_origins_add(&origins, "a:1"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(zs_origins_add(&origins, bad[i]), -EINVAL);
	assert_int_equal(origins.count, 3);
	expect_taken("10.0.0.1:8080", "10.0.0.1", 8080);
	expect_taken("[2001:db8::1]:80", "2001:db8::1", 80);
	assert_true(origins.list[0].by_operator && origins.list[1].by_operator);
	for (int i = 3; i < ZS_UPSTREAMS_MAX; i++) {
		char spec[32];

		snprintf(spec, sizeof(spec), "b:%d", i);
		assert_int_equal(zs_origins_add(&origins, spec), 0);
	}
	assert_int_equal(zs_origins_add(&origins, "c:1"), -ENOSPC);
	assert_int_equal(zs_origins_add(&origins, "b:3"), 0);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void expect_key(const struct zs_origin_key *key, int family, const char *addr, uint32_t port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	uint8_t want[16];

	memcpy(want, mapped, 12);
	assert_int_equal(inet_pton(family, addr, want + (family == AF_INET ? 12 : 0)), 1);
	assert_memory_equal(key->addr, want, 16);
	assert_int_equal(key->port, port);
	assert_int_equal(key->netns, 42);
	assert_int_equal(key->zero, 0);
}

static void test_resolve(void **state)
{
	struct zs_origin_key keys[8];

	(void)state;
	handler_read(",\"upstreams\":[{\"dial\":\"10.0.0.1:80\"},{\"dial\":\"[2001:db8::1]:81\"},"
		     "{\"dial\":\":82\"},{\"dial\":\"127.0.0.1:82\"},{\"dial\":\"0.0.0.0:83\"},"
		     "{\"dial\":\"[::]:84\"},{\"dial\":\"unix//x\"},"
		     "{\"dial\":\"no-such-host.invalid:85\"}]");
	assert_int_equal(zs_origins_resolve(&origins, 42, keys, 8), 5);
	expect_key(&keys[0], AF_INET, "10.0.0.1", 80);
	expect_key(&keys[1], AF_INET6, "2001:db8::1", 81);
	expect_key(&keys[2], AF_INET, "127.0.0.1", 82);
	expect_key(&keys[3], AF_INET, "127.0.0.1", 83);
	expect_key(&keys[4], AF_INET6, "::1", 84);
	assert_int_equal(origins.list[3].addresses, 1);
	assert_int_equal(origins.list[6].addresses, 0);
	assert_true(origins.list[7].taken);
	assert_int_equal(origins.list[7].addresses, 0);
	assert_non_null(origins.list[7].reason);

	assert_int_equal(zs_origins_resolve(&origins, 42, keys, 2), 2);
	assert_string_equal(origins.list[2].reason, "too many addresses");
	assert_int_equal(zs_origins_resolve(&origins, 42, keys, 8), 5);
	assert_null(origins.list[2].reason);
}

static void test_localhost(void **state)
{
	struct zs_origin_key keys[8];
	size_t n;

	(void)state;
	handler_read(",\"upstreams\":[{\"dial\":\"localhost:80\"}]");
	n = zs_origins_resolve(&origins, 42, keys, 8);
	assert_in_range(n, 1, 2);
	assert_int_equal(origins.list[0].addresses, n);
}

static void test_json(void **state)
{
	json_t *array, *entry;

	(void)state;
	handler_read(",\"upstreams\":[{\"dial\":\"a:1\"},{\"dial\":\"unix//x\"}]");
	array = zs_origins_json(&origins);
	assert_int_equal(json_array_size(array), 2);
	entry = json_array_get(array, 0);
	assert_string_equal(json_string_value(json_object_get(entry, "dial")), "a:1");
	assert_int_equal(json_integer_value(json_object_get(entry, "port")), 1);
	assert_true(json_is_true(json_object_get(entry, "taken")));
	assert_true(json_is_null(json_object_get(entry, "reason")));
	entry = json_array_get(array, 1);
	assert_true(json_is_false(json_object_get(entry, "taken")));
	assert_string_equal(json_string_value(json_object_get(entry, "reason")), "Unix socket");
	assert_true(json_is_null(json_object_get(entry, "advice")));
	json_decref(array);
}

/* What cannot be resolved is not taken, and is told with what to do; it stays to be looked up again. */
static void test_json_unresolved(void **state)
{
	struct zs_origin_key keys[1];
	json_t *array, *entry;
	const char *text;

	(void)state;
	handler_read(",\"upstreams\":[{\"dial\":\"no-such-host.invalid:85\"},{\"dial\":\"127.0.0.1:1\"},"
		     "{\"dial\":\"127.0.0.1:2\"}]");
	assert_int_equal(zs_origins_resolve(&origins, 42, keys, 1), 1);
	array = zs_origins_json(&origins);
	entry = json_array_get(array, 0);
	assert_true(json_is_false(json_object_get(entry, "taken")));
	text = json_string_value(json_object_get(entry, "reason"));
	assert_memory_equal(text, "its name does not resolve (", 27);
	text = json_string_value(json_object_get(entry, "advice"));
	assert_non_null(strstr(text, "Caddy's configuration"));
	assert_non_null(strstr(text, "getent ahosts no-such-host.invalid)"));
	assert_non_null(strstr(text, "every 30 s"));
	assert_true(origins.list[0].taken);
	entry = json_array_get(array, 1);
	assert_true(json_is_true(json_object_get(entry, "taken")));
	assert_true(json_is_null(json_object_get(entry, "advice")));
	entry = json_array_get(array, 2);
	assert_string_equal(json_string_value(json_object_get(entry, "reason")), "too many addresses");
	assert_non_null(json_string_value(json_object_get(entry, "advice")));
	json_decref(array);
}

static void test_netns(void **state)
{
	uint64_t a = 7, b = 8;

	(void)state;
	assert_int_equal(zs_netns_cookie(&a), 0);
	assert_int_equal(zs_netns_cookie(&b), 0);
	assert_true(a == b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adapted),
		cmocka_unit_test(test_several_servers),
		cmocka_unit_test(test_same_address_twice),
		cmocka_unit_test(test_transports),
		cmocka_unit_test(test_dials_refused),
		cmocka_unit_test(test_odd_configurations),
		cmocka_unit_test(test_hostile_sizes),
		cmocka_unit_test(test_operator),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_localhost),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_unresolved),
		cmocka_unit_test(test_netns),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
