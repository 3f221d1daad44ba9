// SPDX-License-Identifier: GPL-2.0-or-later
/* Which settings hold, and that the kernel's look-up gives every request the class that the rules
 * give it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct zs_config config;
static struct zs_settings settings;

static struct zs_config parsed(const char *text)
{
	struct zs_config_errors errors;
	struct zs_config made;
	char line[1024];
	int err = zs_config_parse(text, strlen(text), &made, &errors);

	for (uint32_t i = 0; i < errors.count; i++) {
		zs_config_error_format("conf", &errors.list[i], line, sizeof(line));
		print_message("%s\n", line);
	}
	assert_int_equal(err, 0);
	return made;
}

static void use(const char *text)
{
	zs_config_free(&config);
	config = parsed(text);
}

static struct zs_text text_of(const char *text)
{
	return (struct zs_text){(const uint8_t *)text, strlen(text)};
}

static const struct zs_settings *match(const char *host, const char *path, uint32_t status)
{
	struct zs_rules_subject subject = {
		.host = text_of(host), .path = text_of(path), .status = status};

	memset(&settings, 0xa5, sizeof(settings));
	zs_rules_match(&config, &subject, &settings);
	return &settings;
}

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

/* --- what holds ------------------------------------------------------------------------------ */

static void test_no_rules(void **state)
{
	struct zs_settings none = {.max_object = 88 << 10};

	(void)state;
	use("");
	assert_true(zs_settings_equal(match("a", "/", 200), &none));
	assert_true(zs_settings_equal(match("", "/a/../b", 0), &none));
	use("[zeroserve]\nmax-object = 1M\n");
	assert_int_equal(match("a", "/", 200)->max_object, 1 << 20);
}

static void test_conditions(void **state)
{
	struct zs_origin_key origin = {.port = 9000, .netns = 7};
	struct zs_rules_subject subject = {
		.host = text_of("a"), .path = text_of("/"), .origin = &origin};

	(void)state;
	use("[rule r]\nhost = a.test:8080\nttl = 5\n");
	assert_true(match("a.test:8080", "/", 0)->has_ttl);
	assert_false(match("a.test", "/", 0)->has_ttl);
	assert_false(match("a.test:80801", "/", 0)->has_ttl);
	assert_false(match("A.test:8080", "/", 0)->has_ttl);
	assert_false(match("", "/", 0)->has_ttl);
	use("[rule r]\nprefix = /a/\nttl = 5\n");
	assert_true(match("a", "/a/", 0)->has_ttl);
	assert_true(match("a", "/a/b", 0)->has_ttl);
	assert_false(match("a", "/a", 0)->has_ttl);
	assert_false(match("a", "/A/", 0)->has_ttl);
	assert_false(match("a", "/b/a/", 0)->has_ttl);
	use("[rule r]\nsuffix = .css\nttl = 5\n");
	assert_true(match("a", "/x.css", 0)->has_ttl);
	assert_false(match("a", "/x.css/", 0)->has_ttl);
	assert_false(match("a", "css", 0)->has_ttl);
	use("[rule r]\nstatus = 404, 410\nttl = 5\n");
	assert_true(match("a", "/", 410)->has_ttl);
	assert_false(match("a", "/", 200)->has_ttl);
	assert_false(match("a", "/", 0)->has_ttl);
	use("[rule r]\norigin = 127.0.0.1:9000\nttl = 5\n");
	assert_false(match("a", "/", 0)->has_ttl);
	memcpy(origin.addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	zs_rules_match(&config, &subject, &settings);
	assert_true(settings.has_ttl);
	origin.port = 9001;
	zs_rules_match(&config, &subject, &settings);
	assert_false(settings.has_ttl);
	origin.port = 9000;
	origin.addr[15] = 2;
	zs_rules_match(&config, &subject, &settings);
	assert_false(settings.has_ttl);
}

static void test_all_conditions(void **state)
{
	(void)state;
	use("[rule r]\nhost = a\nprefix = /x\nsuffix = .js\nstatus = 200\nbypass = yes\n");
	assert_true(match("a", "/x/y.js", 200)->bypass);
	assert_false(match("b", "/x/y.js", 200)->bypass);
	assert_false(match("a", "/y/y.js", 200)->bypass);
	assert_false(match("a", "/x/y.css", 200)->bypass);
	assert_false(match("a", "/x/y.js", 404)->bypass);
}

static void test_order(void **state)
{
	(void)state;
	use("[rule all]\nttl = 60 force\ngrace = 5\nmax-object = 1K\nbypass = yes\n"
	    "[rule some]\nprefix = /a\nttl = 30\nbypass = no\n"
	    "[rule host]\nhost = h\ngrace = 0\nmax-object = 2K\n"
	    "[rule nowhere]\nhost = other\nttl = 1\ngrace = 1\n");
	match("x", "/", 0);
	assert_int_equal(settings.ttl, 60);
	assert_true(settings.ttl_force);
	assert_true(settings.bypass);
	assert_int_equal(settings.grace, 5);
	match("h", "/a", 0);
	assert_int_equal(settings.ttl, 30);
	assert_false(settings.ttl_force);
	assert_false(settings.bypass);
	assert_true(settings.has_grace);
	assert_int_equal(settings.grace, 0);
	assert_int_equal(settings.max_object, 2048);
}

static void test_class_order(void **state)
{
	const struct zs_class *c = &settings.class;

	(void)state;
	use("[rule all]\nkey-query = drop utm_*, sort\nignore-cookies = a b c\nauthorization = "
	    "rfc\n"
	    "[rule shop]\nprefix = /shop\nkey-query = keep id\n"
	    "[rule cart]\nprefix = /shop/cart\nignore-cookies = none\nauthorization = "
	    "bypass\nkey-query = all\n");
	match("x", "/", 0);
	assert_int_equal(c->flags,
			 ZS_CLASS_DROP | ZS_CLASS_SORT | ZS_CLASS_COOKIES_ON | ZS_CLASS_AUTHORIZED);
	assert_int_equal(c->params, 1);
	assert_int_equal(c->cookies, 3);
	match("x", "/shop/", 0);
	assert_int_equal(c->flags, ZS_CLASS_KEEP | ZS_CLASS_COOKIES_ON | ZS_CLASS_AUTHORIZED);
	assert_int_equal(c->params, 1);
	assert_memory_equal(c->param[0].text, "id\0", 3);
	assert_int_equal(c->cookies, 3);
	match("x", "/shop/cart/1", 0);
	assert_int_equal(c->flags, 0);
	assert_int_equal(c->params, 0);
	assert_int_equal(c->cookies, 0);
	assert_int_equal(c->param[0].len, 0);
	assert_int_equal(c->cookie[0].len, 0);
}

/* Web cache deception: the path says /static/, the server reads /account. */
static void test_odd_paths(void **state)
{
	static const char *const odd[] = {"/static/../account",
					  "/static/..",
					  "/static/.",
					  "/static/./x",
					  "/static/%2e%2e/account",
					  "/static/..%2faccount",
					  "/static/..%2Faccount",
					  "/static/..%5caccount",
					  "/static/..\\account",
					  "/static/..;/account",
					  "/static/x;y.css",
					  "/static/account%3bx.css",
					  "/static/account%00.css",
					  "/static/account%0a.css",
					  "/static/account%7f.css",
					  "/static/account%23.css",
					  "/static/account%3f.css",
					  "/static/%252e%252e/account",
					  "/static/%",
					  "/static/%2",
					  "/static/%zz",
					  "/static/%2",
					  "/static/x%"};
	static const char *const plain[] = {
		"/static/",	      "/static/a.css",	 "/static/...",
		"/static/.x/..y/z..", "/static//x",	 "/static/caf%C3%A9.css",
		"/static/a%20b.css",  "/static/%7Euser", "/static/a.b.c.css"};

	(void)state;
	use("[rule static]\nprefix = /static/\nttl = 1d force\nignore-cookies = a*\n"
	    "[rule again]\nbypass = no\n");
	for (size_t i = 0; i < COUNT(odd); i++) {
		assert_true(zs_rules_path_odd((const uint8_t *)odd[i], strlen(odd[i])));
		assert_true(match("a", odd[i], 200)->bypass);
		assert_true(settings.odd_path);
		/* what the kernel did beforehand, it did by the rules */
		assert_int_equal(settings.class.flags, ZS_CLASS_COOKIES_ON);
	}
	for (size_t i = 0; i < COUNT(plain); i++) {
		assert_false(zs_rules_path_odd((const uint8_t *)plain[i], strlen(plain[i])));
		assert_false(match("a", plain[i], 200)->bypass);
		assert_true(settings.has_ttl);
	}
	assert_false(match("a", "/other/../x", 200)->bypass);
	use("[rule css]\nsuffix = .css\nttl = 1d force\n");
	assert_true(match("a", "/account%3f.css", 200)->bypass);
	assert_true(match("a", "/account;.css", 200)->odd_path);
	assert_false(match("a", "/account;", 200)->bypass);
	use("[rule host]\nhost = a\nttl = 1d\n");
	assert_false(match("a", "/x;y", 200)->bypass);
	assert_true(settings.has_ttl);
}

static void test_equal(void **state)
{
	static const char *const others[] = {"[rule r]\nttl = 6\n",
					     "[rule r]\nttl = 5 force\n",
					     "[rule r]\ngrace = 5\n",
					     "[rule r]\nbypass = yes\n",
					     "[rule r]\nmax-object = 5\n",
					     "[rule r]\nkey-query = sort\n",
					     "[rule r]\nignore-cookies = x\n",
					     "[rule r]\nauthorization = rfc\n"};
	struct zs_settings first;

	(void)state;
	use("[rule r]\nttl = 5\n");
	first = *match("a", "/", 200);
	assert_true(zs_settings_equal(&first, match("b", "/b", 404)));
	for (size_t i = 0; i < COUNT(others); i++) {
		use(others[i]);
		assert_false(zs_settings_equal(&first, match("a", "/", 200)));
	}
}

/* --- what the kernel needs ------------------------------------------------------------------- */

/* As the kernel does: the longest prefix below the host, if it is known, else below any host. */
static uint32_t look_up(const struct zs_scopes *s, const char *host, const char *path)
{
	const char *below = "";
	long best = -1;

	for (uint32_t i = 0; i < s->count; i++)
		if (!strcmp(s->list[i].host, host))
			below = host;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct zs_scope *e = &s->list[i];

		if (strcmp(e->host, below) || strncmp(path, e->prefix, strlen(e->prefix)))
			continue;
		if (best < 0 || strlen(e->prefix) > strlen(s->list[best].prefix))
			best = i;
	}
	assert_true(best >= 0);
	return s->list[best].class;
}

static void check_shape(const struct zs_scopes *s)
{
	static const struct zs_class none;

	assert_in_range(s->count, 1, ZS_SCOPES);
	assert_in_range(s->class_count, 1, ZS_CLASSES);
	assert_memory_equal(&s->classes[0], &none, sizeof(none));
	for (uint32_t i = 0; i < s->class_count; i++)
		for (uint32_t k = 0; k < i; k++)
			assert_memory_not_equal(&s->classes[i], &s->classes[k], sizeof(none));
	for (uint32_t i = 0; i < s->count; i++) {
		assert_true(s->list[i].class < s->class_count);
		if (i) {
			int order = strcmp(s->list[i - 1].host, s->list[i].host);

			assert_true(order < 0 || (!order && strcmp(s->list[i - 1].prefix,
								   s->list[i].prefix) < 0));
		}
	}
}

static void test_compile_nothing(void **state)
{
	struct zs_scopes s;

	(void)state;
	use("[rule r]\nprefix = /a\nttl = 5\n");
	assert_int_equal(zs_rules_compile(&config, &s), 0);
	check_shape(&s);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.class_count, 1);
	zs_scopes_free(&s);
}

static void test_compile_places(void **state)
{
	static const struct {
		const char *host, *prefix;
	} want[] = {{"", ""},	 {"", "/a"},	{"", "/a/b"}, {"h", ""},
		    {"h", "/a"}, {"h", "/a/b"}, {"h", "/c"}};
	struct zs_scopes s;

	(void)state;
	use("[rule one]\nprefix = /a\nkey-query = sort\n"
	    "[rule two]\nhost = h\nprefix = /c\nkey-query = none\n"
	    "[rule late]\nhost = g\nprefix = /d\nttl = 5\n"
	    "[rule three]\nprefix = /a/b\nignore-cookies = x\n"
	    "[rule four]\nprefix = /a\nignore-cookies = y\n");
	assert_int_equal(zs_rules_compile(&config, &s), 0);
	check_shape(&s);
	assert_int_equal(s.count, COUNT(want));
	for (size_t i = 0; i < COUNT(want); i++) {
		assert_string_equal(s.list[i].host, want[i].host);
		assert_string_equal(s.list[i].prefix, want[i].prefix);
	}
	assert_int_equal(look_up(&s, "h", "/c"), look_up(&s, "h", "/cd"));
	assert_int_equal(look_up(&s, "x", "/c"), 0);
	zs_scopes_free(&s);
}

/* Configurations out of few words, so that rules meet, and requests out of the same. */
static const char *const hosts[] = {"a", "b", "b:81", "c.example"};
static const char *const prefixes[] = {"/",	 "/a", "/a/",  "/a/b",	  "/ab",
				       "/a/bc/", "/b", "/b/a", "/a/b/c/d"};
static const char *const early[] = {
	"key-query = all",	 "key-query = none",	  "key-query = sort",
	"key-query = keep x y",	 "key-query = keep y x",  "key-query = drop x*, sort",
	"ignore-cookies = none", "ignore-cookies = s t",  "ignore-cookies = u*",
	"authorization = rfc",	 "authorization = bypass"};
static const char *const late[] = {"ttl = 5", "suffix = b", "status = 200", "origin = 1.2.3.4:5"};

static unsigned int pick(unsigned int *seed, size_t below)
{
	return (unsigned int)rand_r(seed) % (unsigned int)below;
}

static void random_config(char *text, unsigned int *seed)
{
	unsigned int rules = pick(seed, 12);

	for (unsigned int i = 0; i < rules; i++) {
		unsigned int first = pick(seed, COUNT(early)), second = pick(seed, COUNT(early));

		text += sprintf(text, "[rule r%u]\n", i);
		if (pick(seed, 2))
			text += sprintf(text, "host = %s\n", hosts[pick(seed, COUNT(hosts))]);
		if (pick(seed, 4))
			text += sprintf(text, "prefix = %s\n",
					prefixes[pick(seed, COUNT(prefixes))]);
		if (!pick(seed, 6)) {
			text += sprintf(text, "bypass = yes\n%s\n", late[pick(seed, COUNT(late))]);
			continue;
		}
		text += sprintf(text, "%s\n", early[first]);
		if (early[first][0] != early[second][0])
			text += sprintf(text, "%s\n", early[second]);
	}
	*text = '\0';
}

static void random_path(char *path, unsigned int *seed)
{
	static const char *const parts[] = {"/",  "a",	  "b",	"c", "/a",
					    "/b", "/a/b", "..", ";", "%2f"};
	unsigned int n = pick(seed, 6);

	path += sprintf(path, "/");
	if (pick(seed, 2))
		path += sprintf(path - 1, "%s", prefixes[pick(seed, COUNT(prefixes))]) - 1;
	while (n--)
		path += sprintf(path, "%s", parts[pick(seed, COUNT(parts))]);
}

static void test_same_class(void **state)
{
	static const char *const others[] = {"", "d", "b:82", "a.b"};
	unsigned int seed = 1, special = 0;
	char text[4096], path[256];
	struct zs_scopes s;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		random_config(text, &seed);
		use(text);
		assert_int_equal(zs_rules_compile(&config, &s), 0);
		check_shape(&s);
		for (int k = 0; k < 60; k++) {
			const char *host = pick(&seed, 4) ? hosts[pick(&seed, COUNT(hosts))]
							  : others[pick(&seed, COUNT(others))];
			uint32_t class;

			random_path(path, &seed);
			class = look_up(&s, host, path);
			match(host, path, k % 2 ? 200 : 0);
			if (memcmp(&settings.class, &s.classes[class], sizeof(settings.class)))
				fail_msg("%s%s is of class %u, and the rules say something "
					 "else:\n%s",
					 host, path, class, text);
			special += class > 0;
		}
		zs_scopes_free(&s);
	}
	assert_in_range(special, 30000, 110000);
}

static void test_scopes_equal(void **state)
{
	static const char first[] = "[rule one]\nprefix = /a\nkey-query = drop x y\n[rule "
				    "two]\nhost = h\nignore-cookies = c d\n";
	static const struct {
		const char *text;
		bool equal;
	} rows[] = {
		{first, true},
		/* other names, another order of names and rules that do not meet, late settings */
		{"[rule b]\nhost = h\nignore-cookies = d c\nttl = 9\n[rule a]\nprefix = "
		 "/a\nkey-query = drop y x\n"
		 "[rule c]\nbypass = yes\nsuffix = x\n",
		 true},
		{"[rule one]\nprefix = /a\nkey-query = drop x\n[rule two]\nhost = "
		 "h\nignore-cookies = c d\n",
		 false},
		{"[rule one]\nprefix = /a\nkey-query = keep x y\n[rule two]\nhost = "
		 "h\nignore-cookies = c d\n",
		 false},
		{"[rule one]\nprefix = /a\nkey-query = drop x y\n[rule two]\nhost = "
		 "h\nignore-cookies = c d*\n",
		 false},
		{"[rule one]\nprefix = /b\nkey-query = drop x y\n[rule two]\nhost = "
		 "h\nignore-cookies = c d\n",
		 false},
		{"[rule one]\nprefix = /a\nkey-query = drop x y\n[rule two]\nhost = "
		 "i\nignore-cookies = c d\n",
		 false},
		{"[rule one]\nprefix = /a\nkey-query = drop x y\n", false},
		{"", false},
	};
	struct zs_scopes a, b;

	(void)state;
	use(first);
	assert_int_equal(zs_rules_compile(&config, &a), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		use(rows[i].text);
		assert_int_equal(zs_rules_compile(&config, &b), 0);
		assert_int_equal(zs_scopes_equal(&a, &b), rows[i].equal);
		assert_int_equal(zs_scopes_equal(&b, &a), rows[i].equal);
		zs_scopes_free(&b);
	}
	zs_scopes_free(&a);
	assert_null(a.list);
}

static void test_too_many(void **state)
{
	struct zs_scopes s = {.count = 77};
	struct zs_rule *rules;
	uint32_t n = 40;

	(void)state;
	use("[rule r]\nprefix = /\nkey-query = keep x\n");
	rules = realloc(config.rules, 40 * sizeof(*rules));
	assert_non_null(rules);
	config.rules = rules;
	for (uint32_t i = 1; i < n; i++) {
		rules[i] = rules[0];
		sprintf(rules[i].prefix, "/%u", i);
		sprintf((char *)rules[i].class.param[0].text, "%u", i);
	}
	config.rule_count = 31;
	assert_int_equal(zs_rules_compile(&config, &s), 0);
	assert_int_equal(s.class_count, 32);
	zs_scopes_free(&s);
	s.count = 77;
	config.rule_count = 32;
	assert_int_equal(zs_rules_compile(&config, &s), -ENOSPC);
	for (uint32_t i = 0; i < n; i++)
		sprintf(rules[i].host, "%u", i);
	config.rule_count = n;
	for (uint32_t i = 0; i < 30; i++)
		rules[i].host[0] = '\0';
	assert_int_equal(zs_rules_compile(&config, &s), -ENOSPC);
	assert_int_equal(s.count, 77);
	assert_null(s.list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rules),       cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_all_conditions), cmocka_unit_test(test_order),
		cmocka_unit_test(test_class_order),    cmocka_unit_test(test_odd_paths),
		cmocka_unit_test(test_equal),	       cmocka_unit_test(test_compile_nothing),
		cmocka_unit_test(test_compile_places), cmocka_unit_test(test_same_class),
		cmocka_unit_test(test_scopes_equal),   cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
