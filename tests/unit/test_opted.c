// SPDX-License-Identifier: GPL-2.0-or-later
/* Opted-in listeners held against a configuration that changes: ids, what the kernel is told, what is voided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "opted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/eligible_of.h"
#include "clock.h"
#include "log.h"

#define SITE "'listen':['127.0.0.1:8080'],'idle_timeout':'20s','routes':[{'match':[{'path':['/private/*']}]," \
	     "'handle':[{'handler':'authentication'}]},{'handle':[{'handler':'file_server'}]}]"

static struct zs_ctl ctl;
static struct zs_opted_place kernel[8]; /* what it was told */
static unsigned int kernel_n, puts_n;
static int put_error;

static int put(void *user, const struct zs_opted_place *place)
{
	(void)user;
	puts_n++;
	if (put_error)
		return put_error;
	for (unsigned int i = 0; i < kernel_n; i++) {
		if (!memcmp(&kernel[i].key, &place->key, sizeof(place->key))) {
			kernel[i] = *place;
			return 0;
		}
	}
	kernel[kernel_n++] = *place;
	return 0;
}

static void drop(void *user, const struct zs_opted_place *place)
{
	(void)user;
	for (unsigned int i = 0; i < kernel_n; i++) {
		if (!memcmp(&kernel[i].key, &place->key, sizeof(place->key))) {
			kernel[i] = kernel[--kernel_n];
			return;
		}
	}
	fail_msg("removed what was not there");
}

static struct zs_opted *opted_of(const char *const *listeners)
{
	struct zs_opted_options options = {
		.listeners = listeners, .ctl = &ctl, .netns = 7, .put = put, .remove = drop};
	struct zs_opted *f;

	zs_log_level_set(ZS_LOG_ERROR);
	memset(&ctl, 0, sizeof(ctl));
	ctl.origins = 4;
	ctl.flush = 1;
	kernel_n = puts_n = 0;
	put_error = 0;
	assert_int_equal(zs_opted_create(&options, &f), 0);
	return f;
}

static void config_set(struct zs_opted *f, const char *members, uint64_t now)
{
	json_t *config = config_of(members);

	assert_int_equal(zs_opted_config(f, config, now), 0);
	json_decref(config);
}

static bool allowed(struct zs_opted *f, uint32_t id, const char *target, uint64_t asked, char *why)
{
	struct zs_eligible_request request = {.host = text_of("a.example"), .target = text_of(target)};

	return zs_opted_eligible(f, id, &request, asked, why);
}

static void followed(void **state)
{
	static const char *const listeners[] = {"127.0.0.1:8080", NULL};
	struct zs_opted *f = opted_of(listeners);
	char why[ZS_ELIGIBLE_WHY] = "";
	struct zs_origin_key key;

	(void)state;
	assert_true(zs_opted_wanted(f));
	assert_false(zs_opted_known(f));
	assert_true(zs_opted_is(f, 5));
	assert_false(zs_opted_is(f, 4));
	assert_int_equal(zs_opted_address(f, 5, &key), -ENOENT);
	assert_false(allowed(f, 5, "/", 100 * ZS_NS, why));
	assert_string_equal(why, "Caddy's configuration is not known");

	config_set(f, SITE, 10 * ZS_NS);
	assert_true(zs_opted_known(f));
	assert_int_equal(ctl.flush, 2);
	assert_int_equal(kernel_n, 1);
	assert_int_equal(kernel[0].id, 5);
	assert_int_equal(kernel[0].idle, 20);
	assert_int_equal(kernel[0].key.netns, 7);
	assert_int_equal(kernel[0].key.port, 8080);
	assert_false(kernel[0].wildcard);
	assert_int_equal(zs_opted_address(f, 5, &key), 0);
	assert_memory_equal(&key, &kernel[0].key, sizeof(key));

	assert_true(allowed(f, 5, "/x", 11 * ZS_NS, why));
	assert_false(allowed(f, 5, "/x", 11 * ZS_NS - 1, why));
	assert_non_null(strstr(why, "has just changed"));
	assert_false(allowed(f, 5, "/private/x", 12 * ZS_NS, why));
	assert_non_null(strstr(why, "server s, route 0: handler authentication"));
	assert_false(allowed(f, 4, "/x", 12 * ZS_NS, why));
	assert_string_equal(why, "not a listener");
	zs_opted_destroy(f);
}

/* What it says is voided first, and what it takes away is taken away. */
static void changed(void **state)
{
	static const char *const listeners[] = {"127.0.0.1:8080", ":8081", NULL};
	struct zs_opted *f = opted_of(listeners);
	char why[ZS_ELIGIBLE_WHY] = "";
	struct zs_origin_key key;

	(void)state;
	config_set(f, SITE, ZS_NS);
	assert_int_equal(kernel_n, 1);
	assert_int_equal(zs_opted_address(f, 6, &key), -ENOENT);

	config_set(f, "'listen':['127.0.0.1:8080',':8081'],'routes':[{'handle':[{'handler':'templates'}]}]", 5 * ZS_NS);
	assert_int_equal(ctl.flush, 3);
	assert_int_equal(kernel_n, 2);
	assert_int_equal(kernel[1].id, 6);
	assert_true(kernel[1].wildcard);
	assert_int_equal(zs_opted_address(f, 6, &key), 0);
	assert_memory_equal(key.addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	assert_false(allowed(f, 5, "/x", 9 * ZS_NS, why));
	assert_non_null(strstr(why, "templates"));

	config_set(f, "'listen':[':8081'],'tls_connection_policies':[{}]", 10 * ZS_NS);
	assert_int_equal(ctl.flush, 4);
	assert_int_equal(kernel_n, 0);
	assert_int_equal(zs_opted_address(f, 6, &key), -ENOENT);
	assert_false(allowed(f, 6, "/x", 20 * ZS_NS, why));
	assert_non_null(strstr(why, "TLS"));
	assert_false(allowed(f, 5, "/x", 20 * ZS_NS, why));
	assert_string_equal(why, "Caddy does not listen there");

	config_set(f, SITE, 30 * ZS_NS); /* the same id again */
	assert_int_equal(kernel_n, 1);
	assert_int_equal(kernel[0].id, 5);
	assert_int_equal(ctl.origins, 6);
	zs_opted_destroy(f);
}

/* An API that does not answer. */
static void unknown(void **state)
{
	static const char *const listeners[] = {"127.0.0.1:8080", NULL};
	struct zs_opted *f = opted_of(listeners);
	char why[ZS_ELIGIBLE_WHY] = "";

	(void)state;
	assert_int_equal(zs_opted_config(f, NULL, ZS_NS), 0);
	assert_int_equal(ctl.flush, 1); /* nothing was known before */
	config_set(f, SITE, 2 * ZS_NS);
	assert_true(allowed(f, 5, "/x", 4 * ZS_NS, why));
	assert_int_equal(zs_opted_config(f, NULL, 5 * ZS_NS), 0);
	assert_int_equal(ctl.flush, 3);
	assert_false(allowed(f, 5, "/x", 9 * ZS_NS, why));
	assert_int_equal(zs_opted_config(f, NULL, 6 * ZS_NS), 0);
	assert_int_equal(ctl.flush, 3); /* once */
	config_set(f, SITE, 7 * ZS_NS);
	assert_int_equal(ctl.flush, 4);
	assert_true(allowed(f, 5, "/x", 9 * ZS_NS, why));
	zs_opted_destroy(f);
}

static void nothing_opted_in(void **state)
{
	struct zs_opted *f = opted_of(NULL);
	json_t *json;

	(void)state;
	assert_false(zs_opted_wanted(f));
	config_set(f, SITE, ZS_NS);
	assert_int_equal(ctl.flush, 1); /* it concerns no listener that is answered for */
	assert_int_equal(puts_n, 0);
	json = zs_opted_json(f);
	assert_int_equal(json_array_size(json_object_get(json, "listeners")), 1);
	assert_int_equal(json_array_size(json_object_get(json, "opted_in")), 0);
	json_decref(json);
	zs_opted_destroy(f);
}

static void refused(void **state)
{
	static const char *const listeners[] = {"127.0.0.1:8080", "localhost:8080", NULL};
	struct zs_opted *f = opted_of(listeners);
	char why[ZS_ELIGIBLE_WHY] = "";
	json_t *json, *one;

	(void)state;
	config_set(f, SITE, ZS_NS);
	assert_int_equal(kernel_n, 1);
	assert_false(allowed(f, 6, "/x", 9 * ZS_NS, why));
	assert_string_equal(why, "opted in twice");
	assert_false(allowed(f, 5, "/private/", 9 * ZS_NS, why));
	json = zs_opted_json(f);
	one = json_array_get(json_object_get(json, "opted_in"), 0);
	assert_true(json_is_true(json_object_get(one, "followed")));
	assert_int_equal(json_integer_value(json_object_get(one, "refused")), 1);
	assert_non_null(strstr(json_string_value(json_object_get(one, "last_refused")), "authentication"));
	one = json_array_get(json_object_get(json, "opted_in"), 1);
	assert_string_equal(json_string_value(json_object_get(one, "reason")), "opted in twice");
	one = json_array_get(json_object_get(json, "listeners"), 0);
	assert_string_equal(json_string_value(json_object_get(one, "address")), "127.0.0.1:8080");
	assert_true(json_is_true(json_object_get(one, "eligible")));
	one = json_object_get(json_object_get(json, "routes"), "s");
	assert_int_equal(json_array_size(one), 2);
	json_decref(json);
	zs_opted_destroy(f);

	f = opted_of(listeners);
	put_error = -ENOSPC;
	config_set(f, SITE, ZS_NS);
	assert_false(allowed(f, 5, "/x", 9 * ZS_NS, why));
	assert_string_equal(why, "the kernel does not take it");
	zs_opted_destroy(f);
}

/* However large the configuration, the report keeps its room. */
static void large(void **state)
{
	struct zs_opted *f = opted_of(NULL);
	json_t *config = json_pack("{s:{s:{s:{}}}}", "apps", "http", "servers"), *json, *route, *server;
	json_t *servers = json_object_get(json_object_get(json_object_get(config, "apps"), "http"), "servers");
	char name[32], *text;

	(void)state;
	for (int i = 0; i < 60; i++) {
		json_t *routes = json_array();

		for (int j = 0; j < 100; j++) {
			route = json_pack("{s:[{s:[s]}], s:[{s:s}]}", "match", "path", "/a/long/path/to/something/*", "handle",
					  "handler", "some_plugin_with_a_long_name");
			json_array_append_new(routes, route);
		}
		snprintf(name, sizeof(name), "server%d", i);
		server = json_pack("{s:[s], s:o}", "listen", ":1000-1010", "routes", routes);
		json_object_set_new(servers, name, server);
	}
	assert_int_equal(zs_opted_config(f, config, ZS_NS), 0);
	json_decref(config);
	json = zs_opted_json(f);
	text = json_dumps(json, JSON_COMPACT);
	assert_true(strlen(text) < ZS_REPORT_SIZE / 2 + 8192);
	assert_true(json_is_true(json_object_get(json, "more_routes")));
	assert_true(json_is_true(json_object_get(json, "more_listeners")));
	free(text);
	json_decref(json);
	zs_opted_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(followed),	    cmocka_unit_test(changed), cmocka_unit_test(unknown),
		cmocka_unit_test(nothing_opted_in), cmocka_unit_test(refused), cmocka_unit_test(large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
