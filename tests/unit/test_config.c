// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration file: what every key takes and refuses, where errors are said to be, and
 * hostile files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ini.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "fields.h"
#include "log.h"
#include "object.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct zs_config config;
static struct zs_config_errors errors;

static int setup(void **state)
{
	(void)state;
	zs_config_defaults(&config);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	zs_config_free(&config);
	return 0;
}

static void errors_show(void)
{
	char line[1024];

	for (uint32_t i = 0; i < errors.count; i++) {
		zs_config_error_format("conf", &errors.list[i], line, sizeof(line));
		print_message("%s\n", line);
	}
}

static void good_bytes(const char *text, size_t len)
{
	struct zs_config made;
	int err = zs_config_parse(text, len, &made, &errors);

	if (err)
		errors_show();
	assert_int_equal(err, 0);
	assert_int_equal(errors.count, 0);
	zs_config_free(&config);
	config = made;
}

static void good(const char *text)
{
	good_bytes(text, strlen(text));
}

/* Something is wrong, and nothing else changes. */
static void bad_bytes(const char *text, size_t len)
{
	static struct zs_config before, made;

	memset(&before, 0x5a, sizeof(before));
	made = before;
	assert_int_equal(zs_config_parse(text, len, &made, &errors), -EINVAL);
	assert_memory_equal(&made, &before, sizeof(made));
	assert_true(errors.count > 0);
}

static void expect_error(uint32_t i, uint32_t line, uint32_t column, const char *says)
{
	if (errors.count <= i || errors.list[i].line != line || errors.list[i].column != column ||
	    !strstr(errors.list[i].text, says)) {
		errors_show();
		fail_msg("error %u is not at %u:%u with \"%s\"", i, line, column, says);
	}
	for (const char *c = errors.list[i].text; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
	assert_non_null(strstr(errors.list[i].text, "; "));
}

/* Exactly one error. */
static void bad(const char *text, uint32_t line, uint32_t column, const char *says)
{
	bad_bytes(text, strlen(text));
	expect_error(0, line, column, says);
	if (errors.count > 1)
		errors_show();
	assert_int_equal(errors.count, 1);
}

static void good_line(const char *section, const char *line)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s\n%s\n", section, line);
	good(text);
}

static const struct zs_rule *rule(const char *lines)
{
	good_line("[rule r]", lines);
	assert_int_equal(config.rule_count, 1);
	return &config.rules[0];
}

/* --- [zeroserve] ----------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	static const char *const empty[] = {"",
					    "\n",
					    "# nothing\n; nothing",
					    "[zeroserve]",
					    "\xef\xbb\xbf[zeroserve]\n",
					    " \t \n\t# indented\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(empty); i++) {
		good(empty[i]);
		assert_int_equal(config.given, 0);
		assert_int_equal(config.rule_count, 0);
		assert_null(config.admin);
		assert_null(config.user);
		assert_null(config.log);
		assert_null(config.origins[0]);
		assert_null(config.inert[0]);
		assert_null(config.vary[0]);
		assert_int_equal(config.store_size, 64 << 20);
		assert_int_equal(config.max_objects, ZS_ENTRIES_DEFAULT);
		assert_int_equal(config.max_object, 88 << 10);
		assert_int_equal(config.record_rate, ZS_RECORD_RATE_DEFAULT);
		assert_int_equal(config.fetch_rate, ZS_FETCH_RATE_DEFAULT);
		assert_int_equal(config.fetch_concurrency, ZS_FETCH_CONCURRENCY_DEFAULT);
		assert_int_equal(config.lifetime_max, ZS_LIFETIME_MAX_DEFAULT);
		assert_true(config.refresh);
	}
}

static void test_global(void **state)
{
	(void)state;
	good("[zeroserve] ; the one\n"
	     "origin = 127.0.0.1:9000   # first\n"
	     "origin=[::1]:9001\n"
	     "origin\t=\tlocalhost:9002 ; third\n"
	     "admin = unix//run/caddy.sock\n"
	     "user = zero_serve-1\n"
	     "log = /var/log/zs.log\n"
	     "store-size = 2G\n"
	     "max-objects = 1000000\n"
	     "max-object = 1M\n"
	     "record-rate = 0\n"
	     "fetch-rate = 7\n"
	     "fetch-concurrency = 256\n"
	     "refresh = no\n"
	     "lifetime-max = 2h\n"
	     "inert-field = X-One, X-TWO x-app,\n"
	     "\tx-four\n"
	     "inert-field = x-five\n"
	     "vary = Accept-Language, Origin\n"
	     "listener = 127.0.0.1:8080\n"
	     "listener = :8081\n"
	     "dialer = cloudflared.service\n"
	     "dialer = 4711\n"
	     "dialer = /sys/fs/cgroup/tunnel\n"
	     "allow-handler = coraza_waf, trusted_proxies\n"
	     "\tfile_server.new\n");
	assert_string_equal(config.listeners[0], "127.0.0.1:8080");
	assert_string_equal(config.listeners[1], ":8081");
	assert_null(config.listeners[2]);
	assert_string_equal(config.dialers[0], "cloudflared.service");
	assert_string_equal(config.dialers[1], "4711");
	assert_string_equal(config.dialers[2], "/sys/fs/cgroup/tunnel");
	assert_string_equal(config.allowed[0], "coraza_waf");
	assert_string_equal(config.allowed[1], "trusted_proxies");
	assert_string_equal(config.allowed[2], "file_server.new");
	assert_null(config.allowed[3]);
	assert_string_equal(config.origins[0], "127.0.0.1:9000");
	assert_string_equal(config.origins[1], "[::1]:9001");
	assert_string_equal(config.origins[2], "localhost:9002");
	assert_null(config.origins[3]);
	assert_string_equal(config.admin, "unix//run/caddy.sock");
	assert_string_equal(config.user, "zero_serve-1");
	assert_string_equal(config.log, "/var/log/zs.log");
	assert_int_equal(config.store_size, 2ull << 30);
	assert_int_equal(config.max_objects, 1000000);
	assert_int_equal(config.max_object, 1 << 20);
	assert_int_equal(config.record_rate, 0);
	assert_int_equal(config.fetch_rate, 7);
	assert_int_equal(config.fetch_concurrency, 256);
	assert_false(config.refresh);
	assert_int_equal(config.lifetime_max, 7200);
	assert_string_equal(config.inert[0], "x-one");
	assert_string_equal(config.inert[1], "x-two");
	assert_string_equal(config.inert[2], "x-app");
	assert_string_equal(config.inert[3], "x-four");
	assert_string_equal(config.inert[4], "x-five");
	assert_null(config.inert[5]);
	assert_string_equal(config.vary[0], "accept-language");
	assert_string_equal(config.vary[1], "origin");
	assert_null(config.vary[2]);
	assert_int_equal(config.given, ZS_GIVEN(ORIGIN) | ZS_GIVEN(ADMIN) | ZS_GIVEN(USER) | ZS_GIVEN(LOG) |
					       ZS_GIVEN(STORE_SIZE) | ZS_GIVEN(MAX_OBJECTS) |
					       ZS_GIVEN(MAX_OBJECT) | ZS_GIVEN(RECORD_RATE) |
					       ZS_GIVEN(FETCH_RATE) | ZS_GIVEN(FETCH_CONCURRENCY) |
					       ZS_GIVEN(REFRESH) | ZS_GIVEN(LIFETIME_MAX) |
					       ZS_GIVEN(INERT) | ZS_GIVEN(VARY) | ZS_GIVEN(LISTENER) |
					       ZS_GIVEN(DIALER) | ZS_GIVEN(ALLOW_HANDLER));
}

/* One bad line below [zeroserve] or [rule r]: the error's column in that line. */
struct bad_line {
	const char *line;
	uint32_t column;
	const char *says;
};

static void test_global_bad(void **state)
{
	static const struct bad_line rows[] = {
		{"origin = 127.0.0.1", 10, "'127.0.0.1': no port"},
		{"origin = :80", 10, "no host"},
		{"origin = a:0", 10, "port is not between"},
		{"origin = a:65536", 10, "port is not between"},
		{"origin = ::1:80", 10, "without brackets"},
		{"origin = unix//x", 10, "Unix socket"},
		{"origin = a:1 b:2", 14, "'b:2': one word too many"},
		{"origin = a:1,b:2", 10, "IPv6 address without"},
		{"origin = a,b:2", 10, "not a host name"},
		{"admin = a b", 11, "one word too many"},
		{"admin = a\"b", 10, "'\"': must not stand in an address"},
		{"log = zs.log", 7, "neither an absolute path nor -"},
		{"log = /a /b", 10, "one word too many"},
		{"user = root;x", 12, "';': must not stand in a user's name"},
		{"store-size = 1023K", 14, "not a size from 1M to 64G"},
		{"store-size = 65G", 14, "not a size"},
		{"store-size = 64MB", 14, "not a size"},
		{"store-size = lots", 14, "not a size"},
		{"store-size = -1", 14, "not a size"},
		{"store-size = 99999999999999999999", 14, "not a size"},
		{"store-size = 18014398509481985K", 14, "not a size"},
		{"store-size = 1.5G", 14, "not a size"},
		{"store-size = 64 M", 17, "one word too many"},
		{"max-objects = 0", 15, "number from 1 to 16777216"},
		{"max-objects = 1K", 15, "a number from"},
		{"max-object = 1025K", 14, "not a size from 1 to 1M"},
		{"max-object = 0", 14, "not a size"},
		{"record-rate = 1000001", 15, "a number from 0 to 1000000"},
		{"fetch-rate = x", 14, "a number from"},
		{"fetch-concurrency = 0", 21, "a number from 1 to 256"},
		{"fetch-concurrency = 257", 21, "a number from"},
		{"refresh = maybe", 11, "neither yes nor no"},
		{"refresh = Yes", 11, "neither yes nor no"},
		{"lifetime-max = 0", 16, "not a duration from 1s to 365d"},
		{"lifetime-max = 366d", 16, "not a duration"},
		{"lifetime-max = 5w", 16, "not a duration"},
		{"lifetime-max = 1h30m", 16, "not a duration"},
		{"inert-field = cookie", 15, "has a meaning of its own"},
		{"inert-field = X-A, Host", 20, "'Host': has a meaning of its own"},
		{"inert-field = x-a:", 18, "':': must not stand in the name of a field"},
		{"inert-field = x-a, X-A", 20, "there already"},
		{"inert-field = *", 15, "stands for no field"},
		{"inert-field = x2345678901234567890123456789012", 0, NULL},
		{"inert-field = x23456789012345678901234567890123", 15, "longer than 32 bytes"},
		{"inert-field = ,", 16, "no value"},
		{"listener = 80", 12, "no port; write ADDRESS:PORT"},
		{"listener = example.org:80", 12, "a name; write its address"},
		{"listener = tcp/127.0.0.1:80", 12, "a network; write the address alone"},
		{"listener = 127.0.0.1:80 [::1]:80", 25, "one word too many"},
		{"dialer = caddy", 10, "neither a unit"},
		{"dialer = .service", 10, "neither a unit"},
		{"dialer = a b.service", 12, "one word too many"},
		{"dialer = a$b.service", 11, "must not stand in"},
		{"allow-handler = authentication", 17, "decides who may see a response"},
		{"allow-handler = rate_limit, subroute", 29, "looked at anyway"},
		{"allow-handler = a*", 18, "must not stand in the name of a handler"},
		{"allow-handler = a a", 19, "there already"},
		{"vary = a b c d e", 16, "more than 4"},
		{"vary = Accept-Language, accept-language", 25, "there already"},
		{"vary = X-A, Cookie", 13, "one visitor's own"},
		{"vary = *", 8, "stands for no field"},
		{"vary = x(y", 9, "must not stand in the name of a field"},
		{"vary =", 7, "no value"},
		{"= 5", 1, "'': no such key"},
		{"store-sise = 5", 1, "did you mean store-size?"},
		{"store_size = 5", 1, "did you mean store-size?"},
		{"Store-Size = 5", 1, "did you mean store-size?"},
		{"store size = 5", 1, "did you mean store-size?"},
		{"inret-field = x", 1, "did you mean inert-field?"},
		{"colour = red", 1, "'colour': no such key in [zeroserve]; docs/config.md"},
		{"ttl = 5m", 1, "not a key of [zeroserve]; move it to a [rule NAME]"},
		{"refresh", 1, "write KEY = VALUE"},
		{"refresh: no", 1, "write KEY = VALUE"},
		{"admin: x = y", 1, "write KEY = VALUE"},
		{"refresh ==no", 10, "neither yes nor no"},
		{"refresh = n\xc3\xb6", 11, "'n\\xc3\\xb6': neither"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text), "\n[zeroserve]\n# x\n%s\n", rows[i].line);
		if (rows[i].says)
			bad(text, 4, rows[i].column, rows[i].says);
		else
			good(text);
	}
}

static void test_twice(void **state)
{
	static const char *const once[] = {
		"admin = a:1",	  "user = a",	      "log = -",	    "store-size = 1M", "max-objects = 5",
		"max-object = 5", "record-rate = 5",  "fetch-rate = 5",	 "fetch-concurrency = 5",
		"refresh = no",	  "lifetime-max = 5", "vary = x"};
	static const char *const of_rule[] = {
		"origin = 1.2.3.4:5", "host = a",     "prefix = /a",
		"suffix = a",	      "status = 404", "ttl = 5",
		"grace = 5",	      "bypass = no",  "max-object = 5"};
	static const char *const early[] = {"ignore-cookies = a", "key-query = all",
					    "authorization = rfc"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(once); i++) {
		snprintf(text, sizeof(text), "[zeroserve]\n%s\n\n%s\n", once[i], once[i]);
		bad(text, 4, 1, "there already in this section, in line 2");
	}
	for (size_t i = 0; i < COUNT(of_rule); i++) {
		snprintf(text, sizeof(text), "[rule r]\n%s\n%s\n%s\n", of_rule[i], of_rule[i],
			 i == 7 ? "ttl = 1" : "bypass = yes");
		bad(text, 3, 1, "there already in this section, in line 2");
	}
	for (size_t i = 0; i < COUNT(early); i++) {
		snprintf(text, sizeof(text), "[rule r]\n%s\n%s\n", early[i], early[i]);
		bad(text, 3, 1, "there already in this section, in line 2");
	}
	bad("[zeroserve]\norigin = a:1\norigin = a:1\n", 3, 10, "there already");
	bad("[zeroserve]\n[rule a]\nttl=1\n[zeroserve]\nrefresh = no\n", 4, 2,
	    "there already, in line 1");
}

/* Every field that touches framing, that the cache obeys or keys anyway: fields.def decides, not
 * this table. */
static void test_vary_known(void **state)
{
	static const struct {
		const char *name;
		unsigned int effect;
		enum zs_slot slot;
	} known[] = {
#define ZS_FIELD(text, slot, effect) {text, ZS_EFFECT_##effect, ZS_SLOT_##slot},
#include <zs/fields.def>
#undef ZS_FIELD
	};
	/* negotiated in earnest, although a request with them is passed on by default */
	static const char fine[] = " origin x-requested-with x-pjax hx-request turbo-frame rsc ";
	char text[128], between[64];

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		snprintf(text, sizeof(text), "[zeroserve]\nvary = %s\n", known[i].name);
		snprintf(between, sizeof(between), " %s ", known[i].name);
		if (strstr(fine, between) ||
		    (known[i].effect == ZS_EFFECT_INERT && known[i].slot == ZS_SLOT_NONE))
			good(text);
		else
			bad(text, 2, 8, known[i].name);
	}
	bad("[zeroserve]\nvary = AUTHORIZATION\n", 2, 8, "see ignore-cookies and authorization");
	bad("[zeroserve]\nvary = Accept-Encoding\n", 2, 8, "is part of the key");
	bad("[zeroserve]\nvary = If-None-Match\n", 2, 8, "not which one it is");
	bad("[zeroserve]\nvary = Content-Type\n", 2, 8, "never answered");
	bad("[zeroserve]\nvary = X-A\ninert-field = x-b x-a\n", 3, 19,
	    "both in vary and in inert-field");
	bad("[zeroserve]\ninert-field = x-a\nvary = x-a\n", 3, 8,
	    "both in vary and in inert-field");
}

static void test_many(void **state)
{
	char *text = malloc(1 << 16);
	size_t n = (size_t)sprintf(text, "[zeroserve]\n");

	(void)state;
	for (int i = 0; i < ZS_LIST_MAX; i++)
		n += (size_t)sprintf(text + n, "origin = host-%d:1\n", i);
	good(text);
	assert_string_equal(config.origins[ZS_LIST_MAX - 1], "host-63:1");
	assert_null(config.origins[ZS_LIST_MAX]);
	sprintf(text + n, "origin = onemore:1\n");
	bad(text, ZS_LIST_MAX + 2, 10, "more than 64");
	free(text);
}

/* --- rules ----------------------------------------------------------------------------------- */

static void test_rule(void **state)
{
	const struct zs_rule *r;

	(void)state;
	good("\n[rule one]\n"
	     "origin = 127.0.0.1:9000\nhost = WWW.Example.org:8443\nprefix = /a/b=c:d\nsuffix = "
	     ".CSS\n"
	     "status = 200, 404 410\nttl = 5m force\ngrace = 1h\nbypass = no\nmax-object = 4K\n"
	     "[ rule\ttwo.2-_ ] # more\n"
	     "host = www.example.org\nprefix = /\nauthorization = rfc\nttl = 30\n");
	assert_int_equal(config.rule_count, 2);
	r = &config.rules[0];
	assert_string_equal(r->name, "one");
	assert_int_equal(r->line, 2);
	assert_int_equal(r->given, ZS_GIVEN(RULE_ORIGIN) | ZS_GIVEN(HOST) | ZS_GIVEN(PREFIX) |
					   ZS_GIVEN(SUFFIX) | ZS_GIVEN(STATUS) | ZS_GIVEN(TTL) |
					   ZS_GIVEN(GRACE) | ZS_GIVEN(BYPASS) |
					   ZS_GIVEN(RULE_MAX_OBJECT));
	assert_memory_equal(r->origin.addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	assert_int_equal(r->origin.port, 9000);
	assert_string_equal(r->host, "www.example.org:8443");
	assert_string_equal(r->prefix, "/a/b=c:d");
	assert_string_equal(r->suffix, ".CSS");
	assert_int_equal(r->statuses, 3);
	assert_int_equal(r->status[0], 200);
	assert_int_equal(r->status[1], 404);
	assert_int_equal(r->status[2], 410);
	assert_int_equal(r->ttl, 300);
	assert_true(r->ttl_force);
	assert_int_equal(r->grace, 3600);
	assert_false(r->bypass);
	assert_int_equal(r->max_object, 4096);
	r = &config.rules[1];
	assert_string_equal(r->name, "two.2-_");
	assert_int_equal(r->line, 12);
	assert_int_equal(r->ttl, 30);
	assert_false(r->ttl_force);
	assert_int_equal(r->class.flags, ZS_CLASS_AUTHORIZED);
}

static void test_rule_values(void **state)
{
	(void)state;
	assert_int_equal(rule("ttl = 10s")->ttl, 10);
	assert_int_equal(rule("ttl = 365d")->ttl, 365 * 86400);
	assert_int_equal(rule("grace = 0")->grace, 0);
	assert_true(rule("bypass = yes")->bypass);
	assert_int_equal(rule("authorization = bypass")->class.flags, 0);
	assert_string_equal(rule("bypass = yes\nhost = [::1]:8080")->host, "[::1]:8080");
	assert_string_equal(rule("bypass = yes\nhost = [2001:db8::A]")->host, "[2001:db8::a]");
	assert_string_equal(rule("bypass = yes\nhost = localhost")->host, "localhost");
	assert_string_equal(rule("bypass = yes\nprefix = /.well-known/")->prefix, "/.well-known/");
	assert_string_equal(rule("bypass = yes\nprefix = /caf%C3%A9/a%20b")->prefix,
			    "/caf%C3%A9/a%20b");
	assert_int_equal(rule("bypass = yes\norigin = [2001:db8::1]:80")->origin.addr[1], 1);
}

static void test_rule_bad(void **state)
{
	static const struct bad_line rows[] = {
		{"origin = localhost:80", 10, "a rule needs an address"},
		{"origin = 0.0.0.0:80", 10, "no address that can be dialled"},
		{"origin = [::]:80", 10, "no address that can be dialled"},
		{"origin = 127.0.0.1", 10, "no port"},
		{"host = ex_ample/x", 16, "'/': must not stand in a host"},
		{"host = a b", 10, "one word too many"},
		{"host = *.example.org", 8, "'*': must not stand in a host"},
		{"host = b\xc3\xbc"
		 "cher.example",
		 9, "'\\xc3': must not stand"},
		{"host = example.org:443", 8, "leave a default port out"},
		{"host = example.org:80", 8, "leave a default port out"},
		{"host = example.org:", 8, "no port"},
		{"host = example.org:x", 8, "port is not a number"},
		{"host = :8080", 8, "no host"},
		{"host = ::1", 8, "without brackets"},
		{"host = [::1", 8, "no closing bracket"},
		{"host = [x]", 8, "not an IPv6 address"},
		{"prefix = static/", 10, "does not begin with /"},
		{"prefix = /a?b", 12, "'?': must not stand in a path"},
		{"prefix = /a#b", 12, "'#': must not stand"},
		{"prefix = /a\\b", 12, "must not stand"},
		{"prefix = /a*", 12, NULL},
		{"prefix = /a/../b", 10, "servers differ"},
		{"prefix = /a/./b", 10, "servers differ"},
		{"prefix = /a;b", 10, "servers differ"},
		{"prefix = /a%2fb", 10, "servers differ"},
		{"prefix = /a%2", 10, "servers differ"},
		{"suffix = a?b", 11, "must not stand in a path"},
		{"suffix = a;x", 10, "servers differ"},
		{"suffix = ;x", 9, "no value"},
		{"suffix = %00.css", 10, "servers differ"},
		{"suffix = /..", 10, "servers differ"},
		{"status = 200, 99", 15, "a number from 200 to 599"},
		{"status = 600", 10, "a number from"},
		{"status = 4xx", 10, "a number from"},
		{"status = 404 404", 14, "there already"},
		{"status = ,", 11, "no value"},
		{"ttl = 0", 7, "write `bypass = yes`"},
		{"ttl = 366d", 7, "not a duration"},
		{"ttl = m", 7, "not a duration"},
		{"ttl = 5m forced", 10, "only the word force"},
		{"ttl = force", 7, "not a duration"},
		{"ttl = 5m force now", 16, "'now': one word too many"},
		{"ttl = 5m force now please", 16, "'now': one word too many"},
		{"grace = -1", 9, "not a duration from 0 to 365d"},
		{"bypass = 1", 10, "neither yes nor no"},
		{"max-object = 2M", 14, "not a size"},
		{"ttl =", 6, "no value"},
		{"tll = 5m", 1, "did you mean ttl?"},
		{"ignore-cookie = a", 1, "did you mean ignore-cookies?"},
		{"refresh = no", 1, "not a key of a rule; move it to [zeroserve]"},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof(text), "[zeroserve]\n[rule r]\n%s\n%s\n", rows[i].line,
			 strncmp(rows[i].line, "bypass", 6) ? "bypass = yes" : "grace = 5");
		if (rows[i].says)
			bad(text, 3, rows[i].column, rows[i].says);
		else
			good(text);
	}
}

static void test_rule_lengths(void **state)
{
	char text[1024];

	(void)state;
	/* "prefix = " leaves 189 bytes of a line */
	snprintf(text, sizeof(text), "[rule r]\nbypass = yes\nprefix = /%0188d\n", 0);
	good(text);
	assert_int_equal(strlen(config.rules[0].prefix), 189);
	snprintf(text, sizeof(text), "[rule r]\nbypass = yes\nprefix = /%0189d\n", 0);
	bad(text, 3, 199, "more than 198 bytes in a line");
	snprintf(text, sizeof(text), "[rule r]\nbypass = yes\nprefix=/%0190d # %0300d\n", 0, 0);
	good(text);
	snprintf(text, sizeof(text), "[rule r]\nbypass = yes\nsuffix = %064d\n", 0);
	good(text);
	snprintf(text, sizeof(text), "[rule r]\nbypass = yes\nsuffix = %065d\n", 0);
	bad(text, 3, 10, "longer than 64 bytes");
	snprintf(text, sizeof(text), "[rule %032d]\nbypass = yes\n", 0);
	good(text);
	snprintf(text, sizeof(text), "[rule %033d]\nbypass = yes\n", 0);
	bad(text, 1, 7, "longer than 32 bytes");
}

static void expect_pattern(const struct zs_pattern *p, const char *text, bool prefix)
{
	struct zs_pattern want = {.len = (uint32_t)strlen(text), .prefix = prefix};

	memcpy(want.text, text, want.len);
	assert_memory_equal(p, &want, sizeof(want));
}

static void test_ignore_cookies(void **state)
{
	const struct zs_class *c =
		&rule("ignore-cookies = _gid, _ga*\n  _fbp\n\n# still\n\t_hj*,")->class;
	char text[1024];
	size_t n;

	(void)state;
	assert_int_equal(c->flags, ZS_CLASS_COOKIES_ON);
	assert_int_equal(c->cookies, 4);
	expect_pattern(&c->cookie[0], "_fbp", false);
	expect_pattern(&c->cookie[1], "_ga", true);
	expect_pattern(&c->cookie[2], "_gid", false);
	expect_pattern(&c->cookie[3], "_hj", true);
	c = &rule("ignore-cookies = none")->class;
	assert_int_equal(c->flags | c->cookies, 0);
	c = &rule("ignore-cookies = a aa* a*")->class;
	assert_int_equal(c->cookies, 3);
	bad("[rule r]\nignore-cookies = *\n", 2, 18, "stands for every name");
	bad("[rule r]\nignore-cookies = a **\n", 2, 20, "at the end alone");
	bad("[rule r]\nignore-cookies = a*b\n", 2, 18, "at the end alone");
	bad("[rule r]\nignore-cookies = *a\n", 2, 18, "at the end alone");
	bad("[rule r]\nignore-cookies = a b a\n", 2, 22, "there already");
	bad("[rule r]\nignore-cookies = a[1]\n", 2, 19,
	    "'[': must not stand in the name of a cookie");
	bad("[rule r]\nignore-cookies = a=1\n", 2, 19, "'=': must not stand");
	bad("[rule r]\nignore-cookies = none a\n", 2, 23, "none stands alone");
	bad("[rule r]\nignore-cookies = a none\n", 2, 20, "none stands alone");
	bad("[rule r]\nignore-cookies = none\n  a\n", 3, 3, "none stands alone");
	bad("[rule r]\nignore-cookies = x2345678901234567890123456789012\n  "
	    "x23456789012345678901234567890123\n",
	    3, 3, "longer than 32 bytes");
	bad("[rule r]\nignore-cookies = ,\n", 2, 19, "no value");
	n = (size_t)sprintf(text, "[rule r]\nignore-cookies = c00");
	for (int i = 1; i < 16; i++)
		n += (size_t)sprintf(text + n, " c%02d", i);
	good(text);
	assert_int_equal(config.rules[0].class.cookies, 16);
	sprintf(text + n, " c16");
	bad(text, 2, 82, "'c16': more than 16 names");
}

static void test_key_query(void **state)
{
	static const struct {
		const char *value;
		uint32_t flags;
		uint32_t params;
	} fine[] = {
		{"all", 0, 0},
		{"none", ZS_CLASS_KEEP, 0},
		{"sort", ZS_CLASS_SORT, 0},
		{"all, sort", ZS_CLASS_SORT, 0},
		{"all ,sort", ZS_CLASS_SORT, 0},
		{"keep id page", ZS_CLASS_KEEP, 2},
		{"keep id,sort", ZS_CLASS_KEEP | ZS_CLASS_SORT, 1},
		{"drop utm_* fbclid, sort", ZS_CLASS_DROP | ZS_CLASS_SORT, 2},
		{"drop filter[a] x.y", ZS_CLASS_DROP, 2},
		{"drop sort, sort", ZS_CLASS_DROP | ZS_CLASS_SORT, 1},
		{"keep all none", ZS_CLASS_KEEP, 2},
		{"drop\n  a b\n  c,\n  sort", ZS_CLASS_DROP | ZS_CLASS_SORT, 3},
		{"keep\n\ta", ZS_CLASS_KEEP, 1},
	};
	static const struct {
		const char *value;
		uint32_t line, column;
		const char *says;
	} wrong[] = {
		{"utm_*", 2, 13, "'utm_*': not what can be done with a query"},
		{", sort", 2, 13, "',': not what can be done"},
		{"keep", 2, 17, "no names"},
		{"drop, sort", 2, 17, "no name before it"},
		{"drop a,", 2, 20, "nothing behind the comma"},
		{"drop a,\n\n[rule s]\nttl = 1", 2, 20, "nothing behind the comma"},
		{"drop a, b", 2, 21, "only sort may follow a comma"},
		{"drop a, sort b", 2, 26, "nothing may follow sort"},
		{"drop a, sort, sort", 2, 25, "nothing may follow sort"},
		{"sort a", 2, 18, "nothing may follow sort"},
		{"none, sort", 2, 17, "nothing may follow none"},
		{"none a", 2, 18, "nothing may follow none"},
		{"all a", 2, 17, "all takes no names"},
		{"keep *", 2, 18, "stands for every name"},
		{"keep a*b", 2, 18, "at the end alone"},
		{"drop a&b", 2, 19, "'&': must not stand in the name of a parameter"},
		{"drop a%20", 2, 19, "'%': must not stand"},
		{"drop a;b", 2, 19, "';': must not stand"},
		{"drop a+b", 2, 19, "'+': must not stand"},
		{"drop a a", 2, 20, "there already"},
		{"drop a\n a", 3, 2, "there already"},
		{"drop\n  a,\n  b", 4, 3, "only sort may follow a comma"},
	};
	char text[2048];
	size_t n;

	(void)state;
	for (size_t i = 0; i < COUNT(fine); i++) {
		snprintf(text, sizeof(text), "key-query = %s", fine[i].value);
		assert_int_equal(rule(text)->class.flags, fine[i].flags);
		assert_int_equal(config.rules[0].class.params, fine[i].params);
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		snprintf(text, sizeof(text), "[rule r]\nkey-query = %s\n", wrong[i].value);
		bad(text, wrong[i].line, wrong[i].column, wrong[i].says);
	}
	n = (size_t)sprintf(text, "[rule r]\nkey-query = drop");
	for (int i = 0; i < 32; i++)
		n += (size_t)sprintf(text + n, "\n  parameter-%02d-%015d", i, 0);
	good(text);
	assert_int_equal(config.rules[0].class.params, 32);
	expect_pattern(&config.rules[0].class.param[31], "parameter-31-000000000000000", false);
	sprintf(text + n, "\n  x");
	bad(text, 35, 3, "more than 32 names");
}

static void test_early(void **state)
{
	static const char *const early[] = {"ignore-cookies = a", "key-query = none",
					    "authorization = rfc"};
	static const char *const late[] = {"origin = 127.0.0.1:1", "suffix = .css", "status = 404"};
	char text[256], says[32];

	(void)state;
	for (size_t i = 0; i < COUNT(early); i++) {
		snprintf(text, sizeof(text), "[rule r]\n%s\nhost = a\nprefix = /b\nttl = 5\n",
			 early[i]);
		good(text);
		for (size_t k = 0; k < COUNT(late); k++) {
			snprintf(says, sizeof(says), "this rule has %.6s", late[k]);
			snprintf(text, sizeof(text), "[rule r]\n%s\n%s\n", early[i], late[k]);
			bad(text, 2, 1, says);
			snprintf(text, sizeof(text), "[rule r]\nhost = a\n%s\n%s\n[rule s]\nttl=5",
				 late[k], early[i]);
			bad(text, 4, 1, "by host and prefix alone");
		}
	}
}

/* --- sections and lines ---------------------------------------------------------------------- */

static void test_sections(void **state)
{
	(void)state;
	bad("ttl = 5\n", 1, 1, "stands in no section");
	bad("[]\n", 1, 2, "no section");
	bad("[zeroserve\n", 1, 11, "close the bracket");
	bad("[zeroserve] x\n", 1, 12, "remove what is behind");
	bad("[zeroserve x]\n", 1, 12, "one word too many");
	bad("[zeroserv]\n", 1, 2, "write [zeroserve]");
	bad("[rules x]\n", 1, 2, "write [rule NAME]");
	bad("[cache]\nttl = 5\nbogus = 1\n", 1, 2, "write [zeroserve] or [rule NAME]");
	bad("[rule]\nttl = 5\n", 1, 6, "a rule without a name");
	bad("[rule a b]\nttl = 5\n", 1, 9, "one word too many");
	bad("[rule a/b]\nttl = 5\n", 1, 8, "'/': must not stand in the name of a rule");
	bad("[rule a]\nhost = x\n", 1, 1, "rule a sets nothing");
	bad("[rule a]\n[rule b]\nttl = 5", 1, 1, "rule a sets nothing");
	bad("[rule a]\nttl = 5\n[rule b]\nttl = 5\n[rule a]\nttl = 6\n", 5, 7,
	    "the rule of line 1 has that name");
	/* what stands below a bad name is looked at all the same */
	bad_bytes("[rule a b]\nttl = x\n", 19);
	assert_int_equal(errors.count, 2);
	expect_error(1, 2, 7, "not a duration");
}

static void test_indented(void **state)
{
	(void)state;
	bad("[zeroserve]\n  refresh = no\n", 2, 3, "begin a setting or a section");
	bad("[zeroserve]\nvary = a\n  refresh = no\n", 3, 3, "begin a setting or a section");
	bad("[zeroserve]\nrefresh = no\n  yes\n", 3, 3, "refresh takes no list");
	bad("[rule a]\nkey-query = drop a\n [rule b]\n", 3, 2, "begin a setting or a section");
	bad("[zeroserve]\n  x\n", 2, 3, "and there is none");
	bad("  x\n", 1, 3, "and there is none");
	bad("  [zeroserve]\n", 1, 3, "begin a setting or a section");
	bad("[zeroserve]\nvary = x\n[rule a]\n  y\nttl = 5\n", 4, 3, "and there is none");
	/* what belongs to a setting that is wrong is not wrong once more */
	bad("[zeroserve]\nvary = cookie\n  x y z\n  a b c\n", 2, 8, "one visitor's own");
	bad("[zeroserve]\nvery = x\n  y\n", 2, 1, "did you mean vary?");
	bad("[zeroserve]\nvary\n  y\n", 2, 1, "write KEY = VALUE");
	bad("[zeroserve]\nrefresh = no\n  yes\n  yes\n", 3, 3, "refresh takes no list");
}

static void test_comments(void **state)
{
	(void)state;
	good("# a\n; b\n[rule a] # c\nttl = 5 ; d\n   # e\nprefix = /x ;# f\n");
	assert_string_equal(config.rules[0].prefix, "/x");
	assert_string_equal(rule("bypass = yes # = \nprefix = /x:y= ;z")->prefix, "/x:y=");
	bad("[rule a]\nbypass = yes\nprefix = /a;b ;c\n", 3, 10, "servers differ");
	/* comments may be long and of any script, but not of control characters */
	good("[zeroserve]\n# \xc3\xa4\xff\n");
	bad("[zeroserve]\n# \x01\n", 2, 3, "a control character");
}

static void test_bytes(void **state)
{
	(void)state;
	bad("[zeroserve]\r\n", 1, 12,
	    "a carriage return; save the file with the line ends of Unix");
	bad("[zeroserve]\nrefresh\r= no\n", 2, 8, "a carriage return");
	bad("[zeroserve]\nadmin = a\x7f\n", 2, 10, "a control character");
	bad("[zeroserve]\nadmin = \x1b[31m\n", 2, 9, "a control character");
	bad_bytes("[zeroserve]\nadmin = a\0b\n", 24);
	expect_error(0, 2, 10, "a NUL byte");
	assert_int_equal(errors.count, 1);
	bad_bytes("\0", 1);
	expect_error(0, 1, 1, "a NUL byte");
	/* the text ends where its length says */
	good_bytes("[zeroserve]\nrefresh = no\nbogus", 25);
	assert_false(config.refresh);
	/* a byte order mark at the beginning only, and columns do not count it */
	bad("\xef\xbb\xbf[zeroserv]\n", 1, 2, "no such section");
	bad("\n\xef\xbb\xbf[zeroserve]\n", 2, 1, "not a setting");
}

/* --- the whole ------------------------------------------------------------------------------- */

static void test_all_errors(void **state)
{
	static const char text[] =
		"[rule a]\nsuffix = .x\nttl = x\nkey-query = bad\nhost = a:80\n[rule a]\n";
	char line[1024];

	(void)state;
	bad_bytes(text, strlen(text));
	assert_int_equal(errors.count, 5);
	assert_int_equal(errors.more, 0);
	expect_error(0, 3, 7, "not a duration");
	expect_error(1, 4, 1, "this rule has suffix");
	expect_error(2, 4, 13, "not what can be done");
	expect_error(3, 5, 8, "default port");
	expect_error(4, 6, 7, "has that name");
	zs_config_error_format("/etc/x", &errors.list[0], line, sizeof(line));
	assert_string_equal(line, "/etc/x:3:7: 'x': not a duration from 1s to 365d; write seconds, "
				  "or a number and s, m, h "
				  "or d");
}

static void test_hostile(void **state)
{
	size_t size = ZS_CONFIG_TEXT_MAX + 1;
	char *text = malloc(size + 1);
	size_t n = 0;

	(void)state;
	/* ten thousand errors */
	for (int i = 0; i < 10000; i++)
		n += (size_t)sprintf(text + n, "bad line %d\n", i);
	bad_bytes(text, n);
	assert_int_equal(errors.count, ZS_CONFIG_ERRORS);
	assert_int_equal(errors.more, 10000 - ZS_CONFIG_ERRORS);
	expect_error(19, 20, 1, "not a setting");
	/* one line as long as may be */
	memset(text, 'a', size);
	bad_bytes(text, size - 1);
	assert_int_equal(errors.count, 1);
	expect_error(0, 1, 199, "more than 198 bytes");
	memset(text, '\0', size);
	bad_bytes(text, size - 1);
	expect_error(0, 1, 1, "NUL");
	memset(text, '[', size);
	bad_bytes(text, size - 1);
	memset(text, '\n', size);
	good_bytes(text, size - 1);
	bad_bytes(text, size);
	expect_error(0, 0, 0, "larger than 258048 bytes");
	/* one rule's name, again and again */
	for (n = 0; n + 20 < size;)
		n += (size_t)sprintf(text + n, "[rule a]\nttl=5\n");
	bad_bytes(text, n);
	assert_int_equal(errors.count, ZS_CONFIG_ERRORS);
	assert_int_equal(errors.more, n / 15 - 1 - ZS_CONFIG_ERRORS);
	free(text);
}

static void test_rules_most(void **state)
{
	char *text = malloc(1 << 16);
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < ZS_RULES_MAX; i++)
		n += (size_t)sprintf(text + n, "[rule r%u]\nprefix = /%u\nttl = 5\n", i, i);
	good(text);
	assert_int_equal(config.rule_count, ZS_RULES_MAX);
	assert_string_equal(config.rules[ZS_RULES_MAX - 1].prefix, "/255");
	sprintf(text + n, "[rule last]\nttl = 5\n");
	bad(text, 3 * ZS_RULES_MAX + 1, 7, "more than 256 rules");
	free(text);
}

/* Hosts times prefixes: (9 + 1) * (102 + 1) are more than the kernel's table holds. */
static void test_scopes_most(void **state)
{
	char *text = malloc(1 << 16);
	size_t n = 0;
	uint32_t line = 1;

	(void)state;
	for (int i = 0; i < 9; i++, line += 3)
		n += (size_t)sprintf(text + n, "[rule h%d]\nhost = h%d\nkey-query = none\n", i, i);
	for (int i = 0; i < 101; i++, line += 3)
		n += (size_t)sprintf(text + n, "[rule p%d]\nprefix = /%03d\nkey-query = sort\n", i,
				     i);
	good(text);
	n += (size_t)sprintf(text + n,
			     "[rule one]\nprefix = /x\nkey-query = sort\n[rule two]\nttl = 5\n");
	bad(text, line, 1, "more than 1024 combinations");
	n = 0;
	for (int i = 0; i < 31; i++)
		n += (size_t)sprintf(text + n, "[rule p%d]\nprefix = /%03d\nkey-query = keep p%d\n",
				     i, i, i);
	good(text);
	n += (size_t)sprintf(text + n, "[rule one]\nprefix = /x\nkey-query = keep x\n");
	bad(text, 94, 1, "more than 32 combinations");
	free(text);
}

/* A library that does not take indented lines must not make a list shorter than it was written. */
static void test_library(void **state)
{
	(void)state;
	ini_allow_multiline = false;
	bad_bytes("[rule a]\nignore-cookies = a\n  b\nkey-query = sort\n", 48);
	ini_allow_multiline = true;
	expect_error(0, 3, 1, "libinih did not take this line");
}

static void test_file(void **state)
{
	char path[] = "/tmp/zs-config-XXXXXX", *text;
	int fd = mkstemp(path);
	size_t len;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[rule a]\nttl = 5\n", 17), 17);
	zs_config_free(&config);
	assert_int_equal(zs_config_load(path, &config, &errors), 0);
	assert_int_equal(config.rule_count, 1);
	assert_int_equal(zs_config_read(path, &text, &len, &errors), 0);
	assert_int_equal(len, 17);
	assert_string_equal(text, "[rule a]\nttl = 5\n");
	free(text);
	assert_int_equal(ftruncate(fd, ZS_CONFIG_TEXT_MAX + 1), 0);
	assert_int_equal(zs_config_load(path, &config, &errors), -EFBIG);
	expect_error(0, 0, 0, "larger than");
	assert_int_equal(config.rule_count, 1);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(zs_config_load(path, &config, &errors), -EFBIG);
	close(fd);
	unlink(path);
	assert_int_equal(zs_config_load(path, &config, &errors), -ENOENT);
	expect_error(0, 0, 0, "cannot be read: No such file");
	assert_int_equal(zs_config_load("/", &config, &errors), -EISDIR);
}

/* The sample, as it is and with its examples switched on. */
static void test_sample(void **state)
{
	char *text, *from, *to;
	size_t len;

	(void)state;
	assert_int_equal(zs_config_read("packaging/zeroserve.conf", &text, &len, &errors), 0);
	good(text);
	assert_int_equal(config.rule_count, 0);
	for (from = to = text; *from; from++)
		if (*from != '#' || (from > text && from[-1] != '\n') || from[1] == ' ' ||
		    from[1] == '\n')
			*to++ = *from;
	*to = '\0';
	good(text);
	free(text);
	assert_int_equal(config.rule_count, 4);
	assert_string_equal(config.origins[0], "127.0.0.1:9000");
	assert_int_equal(config.rules[0].class.params, 6);
}

/* The manual: a row for every key, and its examples are right. */
static void test_manual(void **state)
{
	static const char *const keys[] = {
#define ZS_CONFIG_KEY(id, name, section, flags, take) name,
#include "config_keys.def"
#undef ZS_CONFIG_KEY
	};
	char *text, row[64], *at, *end;
	unsigned int blocks = 0;
	size_t len;

	(void)state;
	assert_int_equal(zs_config_read("docs/config.md", &text, &len, &errors), 0);
	for (size_t i = 0; i < COUNT(keys); i++) {
		snprintf(row, sizeof(row), "\n| `%s` |", keys[i]);
		if (!strstr(text, row))
			fail_msg("docs/config.md has no row for %s", keys[i]);
	}
	for (at = strstr(text, "\n```\n["); at; at = strstr(end, "\n```\n["), blocks++) {
		end = strstr(at + 5, "\n```\n");
		assert_non_null(end);
		good_bytes(at + 5, (size_t)(end - at) - 5);
		end += 5;
	}
	assert_int_equal(blocks, 3);
	free(text);
}

/* --- check-config ---------------------------------------------------------------------------- */

/* Runs the command on a file with that text; *answer is what it printed, the caller's to free. */
static int check(const char *text, bool json, char **answer)
{
	char path[] = "/tmp/zs-config-XXXXXX", out[] = "/tmp/zs-answer-XXXXXX";
	int fd = mkstemp(path), to = mkstemp(out), saved = dup(STDOUT_FILENO), code;
	struct zs_options options = {.file = path, .json = json};
	ssize_t n;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fflush(stdout);
	dup2(to, STDOUT_FILENO);
	zs_log_level_set((enum zs_log_level) - 1);
	code = zs_cmd_check_config(&options);
	zs_log_level_set(ZS_LOG_INFO);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	*answer = calloc(1, 1 << 16);
	n = pread(to, *answer, (1 << 16) - 1, 0);
	assert_true(n > 0);
	/* the path is of this test only */
	for (char *at; (at = strstr(*answer, path));)
		memset(at, 'F', sizeof(path) - 1);
	close(fd);
	close(to);
	close(saved);
	unlink(path);
	unlink(out);
	return code;
}

#define F "FFFFFFFFFFFFFFFFFFFFF"

static void test_command(void **state)
{
	char *answer;
	json_t *told;

	(void)state;
	assert_int_equal(check("[rule a]\nttl = 5\n", false, &answer), ZS_EXIT_OK);
	assert_string_equal(answer, F ": ok, 1 rule\n");
	free(answer);
	assert_int_equal(check("[rule a]\nttl = \n[x]\n", false, &answer), ZS_EXIT_USAGE);
	assert_string_equal(answer,
			    F ":2:6: no value; write one, or remove the line\n" F
			      ":3:2: 'x': no such section; write [zeroserve] or [rule NAME]\n");
	free(answer);
	assert_int_equal(check("[rule a]\nttl = \n", true, &answer), ZS_EXIT_USAGE);
	told = json_loads(answer, 0, NULL);
	free(answer);
	assert_non_null(told);
	assert_string_equal(json_string_value(json_object_get(told, "schema")), "zeroserve/1");
	assert_string_equal(json_string_value(json_object_get(told, "file")), F);
	assert_true(json_is_false(json_object_get(told, "ok")));
	assert_int_equal(json_array_size(json_object_get(told, "errors")), 1);
	json_decref(told);
	assert_int_equal(check("\n", true, &answer), ZS_EXIT_OK);
	told = json_loads(answer, 0, NULL);
	free(answer);
	assert_true(json_is_true(json_object_get(told, "ok")));
	assert_int_equal(json_array_size(json_object_get(told, "errors")), 0);
	json_decref(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_global),
		cmocka_unit_test(test_global_bad),     cmocka_unit_test(test_twice),
		cmocka_unit_test(test_vary_known),     cmocka_unit_test(test_many),
		cmocka_unit_test(test_rule),	       cmocka_unit_test(test_rule_values),
		cmocka_unit_test(test_rule_bad),       cmocka_unit_test(test_rule_lengths),
		cmocka_unit_test(test_ignore_cookies), cmocka_unit_test(test_key_query),
		cmocka_unit_test(test_early),	       cmocka_unit_test(test_sections),
		cmocka_unit_test(test_indented),       cmocka_unit_test(test_comments),
		cmocka_unit_test(test_bytes),	       cmocka_unit_test(test_all_errors),
		cmocka_unit_test(test_hostile),	       cmocka_unit_test(test_rules_most),
		cmocka_unit_test(test_scopes_most),    cmocka_unit_test(test_library),
		cmocka_unit_test(test_file),	       cmocka_unit_test(test_sample),
		cmocka_unit_test(test_manual),	       cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
