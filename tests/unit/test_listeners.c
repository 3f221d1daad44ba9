// SPDX-License-Identifier: GPL-2.0-or-later
/* Where Caddy listens, what speaks TLS, when it closes idle connections, and which listener an operator means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "listeners.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/eligible_of.h"

static struct zs_listeners of(const char *members)
{
	struct zs_listeners all;
	json_t *config = config_of(members);

	assert_int_equal(zs_listeners_read(config, &all), 0);
	json_decref(config);
	return all;
}

/* The only listener of a server with these members. */
static struct zs_served only(const char *members)
{
	struct zs_listeners all = of(members);
	struct zs_served one;

	if (all.count != 1)
		fail_msg("%s: %zu listeners", members, all.count);
	one = all.list[0];
	one.server = one.listen = NULL; /* of the configuration, which goes */
	zs_listeners_free(&all);
	return one;
}

static void addresses(void **state)
{
	static const struct {
		const char *listen, *text, *reason;
	} rows[] = {
		{":8080", ":8080", NULL},
		{"tcp/:8080", ":8080", NULL},
		{"0.0.0.0:8080", "0.0.0.0:8080", NULL},
		{"[::]:8080", ":8080", NULL},
		{"tcp4/:8080", "0.0.0.0:8080", NULL},
		{"tcp6/:8080", "[::]:8080", NULL},
		{"tcp6/[::]:8080", "[::]:8080", NULL},
		{"127.0.0.1:8080", "127.0.0.1:8080", NULL},
		{"localhost:8080", "127.0.0.1:8080", NULL},
		{"[::1]:8080", "[::1]:8080", NULL},
		{"[::ffff:10.0.0.1]:81", "10.0.0.1:81", NULL},
		{"tcp6/127.0.0.1:80", "", "not an address of that network"},
		{"example.org:80", "", "a name; write its address"},
		{"unix//run/caddy.sock", "", "Unix socket"},
		{"unix+h2c//run/caddy.sock", "", "Unix socket"},
		{"udp/:443", "", "UDP: HTTP/3 alone"},
		{"fd/3", "", "network other than TCP"},
		{"{env.ADDR}", "", "placeholder in the address"},
		{"127.0.0.1", "", "no port"},
		{":0", "", "port is not between 1 and 65535"},
		{":x", "", "port is not between 1 and 65535"},
		{":", "", "port is not between 1 and 65535"},
		{":70000", "", "port is not between 1 and 65535"},
		{"[fe80::1%eth0]:80", "", "address too long, or with a zone"},
	};
	char members[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zs_served one;

		snprintf(members, sizeof(members), "'listen':['%s']", rows[i].listen);
		one = only(members);
		if (strcmp(one.text, rows[i].text) || !one.reason != !rows[i].reason ||
		    (one.reason && strcmp(one.reason, rows[i].reason)))
			fail_msg("%s: '%s', %s", rows[i].listen, one.text, one.reason ? one.reason : "taken");
	}
}

static void ranges(void **state)
{
	struct zs_listeners all = of("'listen':['127.0.0.1:8000-8003',':9000']");

	(void)state;
	assert_int_equal(all.count, 5);
	assert_string_equal(all.list[3].text, "127.0.0.1:8003");
	assert_string_equal(all.list[3].server, "s");
	assert_string_equal(all.list[3].listen, "127.0.0.1:8000-8003");
	assert_false(all.more);
	zs_listeners_free(&all);
	all = of("'listen':[':1-65535']");
	assert_int_equal(all.count, ZS_LISTENERS_MAX);
	assert_true(all.more);
	zs_listeners_free(&all);
	all = of("'listen':[]");
	assert_int_equal(all.count, 0);
	zs_listeners_free(&all);
}

static void tls(void **state)
{
#define HOST "'routes':[{'match':[{'host':['a.example']}]}]"
	static const struct {
		const char *members;
		bool tls;
	} rows[] = {
		{"'listen':[':8080']", false},
		{"'listen':[':443']", true},
		{"'listen':[':443'],'automatic_https':{'disable':true}", false},
		{"'listen':[':443'],'automatic_https':{'disable':true},'tls_connection_policies':[{}]", true},
		{"'listen':[':8080'],'tls_connection_policies':[{}]", true},
		{"'listen':[':80'],'tls_connection_policies':[{}]", false},
		{"'listen':[':443'],'tls_connection_policies':[]", false},
		{"'listen':[':8080']," HOST, true},
		{"'listen':[':80']," HOST, false},
		{"'listen':[':8080'],'automatic_https':{'skip':['a.example']}," HOST, false},
		{"'listen':[':8080'],'automatic_https':{'disable':true}," HOST, false},
		{"'listen':[':8080'],'automatic_https':{'disable_redirects':true}," HOST, true},
		/* a host within a route within does not count */
		{"'listen':[':8080'],'routes':[{'handle':[{'handler':'subroute'," HOST "}]}]", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zs_served one = only(rows[i].members);

		if (one.tls != rows[i].tls || one.tls != (one.reason != NULL))
			fail_msg("%s: %s", rows[i].members, one.tls ? "TLS" : "plaintext");
	}
}

static void ports(void **state)
{
	json_t *config = json_pack("{s:{s:{s:i, s:i, s:{s:{s:[s, s], s:[{}]}}}}}", "apps", "http", "http_port", 8080,
				   "https_port", 8443, "servers", "s", "listen", ":8080", ":8443",
				   "tls_connection_policies");
	struct zs_listeners all;

	(void)state;
	assert_int_equal(zs_listeners_read(config, &all), 0);
	json_decref(config);
	assert_int_equal(all.count, 2);
	assert_false(all.list[0].tls);
	assert_true(all.list[1].tls);
	zs_listeners_free(&all);
}

static void idle(void **state)
{
	static const struct {
		const char *members;
		uint32_t seconds;
	} rows[] = {
		{"'listen':[':80']", 60},
		{"'listen':[':80'],'idle_timeout':30000000000", 30},
		{"'listen':[':80'],'idle_timeout':'10s'", 10},
		{"'listen':[':80'],'idle_timeout':'1m30s','read_header_timeout':'1d'", 90},
		{"'listen':[':80'],'read_header_timeout':'1h'", 300},
		{"'listen':[':80'],'read_header_timeout':'500ms'", 1},
		{"'listen':[':80'],'read_timeout':'20s'", 20},
		{"'listen':[':80'],'read_timeout':'20s','read_header_timeout':'40s'", 40},
		{"'listen':[':80'],'idle_timeout':'1.5m','read_header_timeout':'2h'", 90},
		{"'listen':[':80'],'idle_timeout':'soon','read_header_timeout':'2h'", 300},
		{"'listen':[':80'],'idle_timeout':-1,'read_header_timeout':-1", 60},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (only(rows[i].members).idle != rows[i].seconds)
			fail_msg("%s: %u", rows[i].members, only(rows[i].members).idle);
}

static const char *dial_of(const char *members, const char *spec, char *text)
{
	struct zs_listeners all = of(members);
	const struct zs_served *listener;
	struct zs_listen_at at;
	struct zs_origin_key key;
	const char *why = zs_listeners_find(&all, spec, &listener, &at);

	text[0] = '\0';
	if (!why) {
		key = zs_listen_dial(&at);
		inet_ntop(AF_INET6, key.addr, text, 64);
		snprintf(text + strlen(text), 32, " %u%s%u", key.port, at.wildcard ? " any " : " ", at.family);
	}
	zs_listeners_free(&all);
	return why;
}

static void opted_in(void **state)
{
	static const struct {
		const char *listen, *spec, *dial, *why;
	} rows[] = {
		{"':80'", ":80", "::ffff:127.0.0.1 80 any 0", NULL},
		{"':80'", "0.0.0.0:80", "::ffff:127.0.0.1 80 any 0", NULL},
		{"':80'", "[::]:80", "::ffff:127.0.0.1 80 any 0", NULL},
		{"'tcp6/:80'", ":80", "::1 80 any 6", NULL},
		{"'0.0.0.0:80'", ":80", "::ffff:127.0.0.1 80 any 4", NULL},
		{"':80'", "10.0.0.1:80", "::ffff:10.0.0.1 80 4", NULL},
		{"'0.0.0.0:80'", "[::1]:80", NULL, "Caddy does not listen there"},
		{"'127.0.0.1:80',':80'", "127.0.0.1:80", "::ffff:127.0.0.1 80 4", NULL},
		{"'127.0.0.1:80',':80'", ":80", NULL, "several listeners have this port; name their addresses"},
		{"':80','inside.example:80'", ":80", NULL, "several listeners have this port; name their addresses"},
		{"':80','inside.example:80'", "10.0.0.1:80", NULL, "several listeners have this port; name their addresses"},
		{"':80','inside.example:81','unix//run/a','udp/:80'", ":80", "::ffff:127.0.0.1 80 any 0", NULL},
		{"':80','10.0.0.1:{env.PORT}'", ":80", NULL, "several listeners have this port; name their addresses"},
		{"'127.0.0.1:80',':80'", "10.0.0.1:80", "::ffff:10.0.0.1 80 4", NULL},
		{"':80'", ":81", NULL, "Caddy does not listen there"},
		{"'127.0.0.1:80'", ":80", NULL, "Caddy does not listen there"},
		{"'127.0.0.1:443'", "127.0.0.1:443", NULL, "TLS: its visitors profit at the upstream hop"},
		{"':80'", "example.org:80", NULL, "a name; write its address"},
		{"':80'", "tcp/:80", NULL, "a network; write the address alone"},
		{"':80'", "80", NULL, "no port"},
	};
	char members[128], dial[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why;

		snprintf(members, sizeof(members), "'listen':[%s]", rows[i].listen);
		why = dial_of(members, rows[i].spec, dial);
		if (!why != !rows[i].why || (why && strcmp(why, rows[i].why)) || (!why && strcmp(dial, rows[i].dial)))
			fail_msg("%s in %s: %s%s", rows[i].spec, rows[i].listen, dial, why ? why : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses), cmocka_unit_test(ranges), cmocka_unit_test(tls),
		cmocka_unit_test(ports),     cmocka_unit_test(idle),   cmocka_unit_test(opted_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
