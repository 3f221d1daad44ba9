// SPDX-License-Identifier: GPL-2.0-or-later
/* The same questions about Caddyfiles, as this machine's Caddy adapts them (offline). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "eligible.h"
#include "listeners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/eligible_of.h"

static json_t *adapt(const char *caddyfile)
{
	char path[] = "/tmp/zs-caddyfile-XXXXXX", command[128];
	int fd = mkstemp(path);
	json_t *config;
	FILE *out;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, caddyfile, strlen(caddyfile)), strlen(caddyfile));
	close(fd);
	snprintf(command, sizeof(command), "caddy adapt --adapter caddyfile --config %s 2>/dev/null", path);
	out = popen(command, "r");
	assert_non_null(out);
	config = json_loadf(out, 0, NULL);
	pclose(out);
	unlink(path);
	return config;
}

struct question {
	const char *caddyfile;
	const char *host;
	const char *target;
	const char *why; /* part of it; null: eligible */
};

#define OFF "{\n auto_https off\n}\n:8080 {\n"

static const struct question questions[] = {
	{OFF " root * /srv\n file_server\n}\n", "a", "/x.css", NULL},
	{OFF " root * /srv\n file_server browse\n}\n", "a", "/x.css", "browse"},
	{OFF " respond \"hello {host} {path}\"\n}\n", "a", "/", NULL},
	{OFF " respond \"hello {remote_host}\"\n}\n", "a", "/", "remote.host"},
	{OFF " header Server-Time {time.now.unix}\n respond ok\n}\n", "a", "/", "time.now.unix"},
	{OFF " header X-Id {http.request.uuid}\n respond ok\n}\n", "a", "/", "uuid"},
	{OFF " redir https://{host}{uri} permanent\n}\n", "a", "/x?y", NULL},
	{OFF " encode zstd gzip\n reverse_proxy 127.0.0.1:9000\n}\n", "a", "/", NULL},
	{OFF " reverse_proxy 127.0.0.1:9000 {\n header_up X-Real-IP {remote_host}\n header_down -Server\n }\n}\n", "a", "/", NULL},
	{OFF " reverse_proxy 127.0.0.1:9000 {\n lb_policy ip_hash\n }\n}\n", "a", "/", "ip_hash"},
	{OFF " reverse_proxy 127.0.0.1:9000 127.0.0.1:9001 {\n lb_policy least_conn\n health_uri /up\n }\n}\n", "a", "/", NULL},
	{OFF " basicauth /admin/* {\n bob JDJhJDEwJEVCNmdaNEg2Ti5iejRMYkF3MFZhZ3VtV3E1SzBWZEZ5Q3VWc0tzOEJwZE9TaFlZdEVkZDhX\n }\n respond ok\n}\n", "a", "/", NULL},
	{OFF " basicauth /admin/* {\n bob JDJhJDEwJEVCNmdaNEg2Ti5iejRMYkF3MFZhZ3VtV3E1SzBWZEZ5Q3VWc0tzOEJwZE9TaFlZdEVkZDhX\n }\n respond ok\n}\n", "a", "/Admin/x", "authentication"},
	{OFF " forward_auth /app/* 127.0.0.1:9001 {\n uri /check\n copy_headers Remote-User\n }\n respond ok\n}\n", "a", "/app/x", "reverse_proxy"},
	{OFF " forward_auth /app/* 127.0.0.1:9001 {\n uri /check\n copy_headers Remote-User\n }\n respond ok\n}\n", "a", "/x", NULL},
	{OFF " @inside remote_ip 10.0.0.0/8\n handle @inside {\n respond secret\n }\n handle {\n respond ok\n }\n}\n", "a", "/", "remote_ip"},
	{OFF " @old path_regexp old ^/old/(.*)$\n redir @old /new/{re.old.1}\n respond ok\n}\n", "a", "/old/x", NULL},
	{OFF " handle_path /static/* {\n root * /srv\n file_server\n }\n handle /api/* {\n reverse_proxy 127.0.0.1:9000\n }\n handle {\n templates\n file_server\n }\n}\n", "a", "/static/x", NULL},
	{OFF " handle_path /static/* {\n root * /srv\n file_server\n }\n handle /api/* {\n reverse_proxy 127.0.0.1:9000\n }\n handle {\n templates\n file_server\n }\n}\n", "a", "/api/x", NULL},
	{OFF " handle_path /static/* {\n root * /srv\n file_server\n }\n handle /api/* {\n reverse_proxy 127.0.0.1:9000\n }\n handle {\n templates\n file_server\n }\n}\n", "a", "/x", "templates"},
	{OFF " root * /srv\n try_files {path} /index.html\n file_server\n}\n", "a", "/deep/link", NULL},
	{OFF " root * /srv\n php_fastcgi 127.0.0.1:9009\n file_server\n}\n", "a", "/index.php", NULL},
	{OFF " @ws {\n header Connection *Upgrade*\n header Upgrade websocket\n }\n reverse_proxy @ws 127.0.0.1:9002\n respond ok\n}\n", "a", "/", NULL},
	{OFF " @mobile header User-Agent *Mobile*\n rewrite @mobile /m{uri}\n respond ok\n}\n", "a", "/", "matcher header"},
	{OFF " @get method GET\n respond @get ok\n}\n", "a", "/", "tells GET from HEAD"},
	{OFF " map {path} {x} {\n /a 1\n default 2\n }\n respond {x}\n}\n", "a", "/", NULL},
	{OFF " map {header.X-Tenant} {x} {\n /a 1\n default 2\n }\n respond {x}\n}\n", "a", "/", "header.X-Tenant"},
	{OFF " vars tenant {cookie.t}\n respond ok\n}\n", "a", "/", "cookie.t"},
	{OFF " file_server\n handle_errors {\n @404 expression {err.status_code} == 404\n rewrite @404 /404.html\n file_server\n }\n}\n", "a", "/", NULL},
	{OFF " file_server\n handle_errors {\n respond \"{err.message}\"\n }\n}\n", "a", "/", "error.message"},
	{OFF " route {\n metrics /metrics\n respond ok\n }\n}\n", "a", "/metrics", "metrics"},
	{OFF " route {\n metrics /metrics\n respond ok\n }\n}\n", "a", "/", NULL},
	{OFF " request_body {\n max_size 1MB\n }\n log\n skip_log /x\n respond ok\n}\n", "a", "/", NULL},
	{OFF " route {\n request_header X-Tenant {header.X-T}\n respond ok\n }\n}\n", "a", "/", NULL},
	/* several sites on one listener */
	{"{\n auto_https off\n}\nhttp://a.example {\n respond a\n}\nhttp://b.example {\n templates\n respond b\n}\n", "a.example", "/", NULL},
	{"{\n auto_https off\n}\nhttp://a.example {\n respond a\n}\nhttp://b.example {\n templates\n respond b\n}\n", "b.example", "/", "templates"},
	{"{\n auto_https off\n}\nhttp://a.example {\n respond a\n}\nhttp://*.example {\n templates\n respond b\n}\n", "c.example:80", "/", "templates"},
};

static void judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct question *q = &questions[i];
		struct zs_eligible_request request = {.host = text_of(q->host), .target = text_of(q->target)};
		json_t *config = adapt(q->caddyfile);
		char why[ZS_ELIGIBLE_WHY] = "";
		struct zs_eligible *e;
		bool yes;

		if (!config)
			fail_msg("caddy does not adapt:\n%s", q->caddyfile);
		assert_int_equal(zs_eligible_create(config, NULL, &e), 0);
		yes = zs_eligible_judge(e, "srv0", &request, why);
		if (yes != !q->why || (q->why && !strstr(why, q->why)))
			fail_msg("%s%s: %s, not %s\n%s", q->host, q->target, yes ? "eligible" : why,
				 q->why ? q->why : "eligible", q->caddyfile);
		zs_eligible_destroy(e);
		json_decref(config);
	}
}

static void listened(void **state)
{
	json_t *config = adapt("{\n servers :8081 {\n timeouts {\n idle 20s\n read_header 10s\n }\n }\n}\n"
			       "https://a.example {\n respond a\n}\nhttp://b.example:8081 {\n respond b\n}\n");
	struct zs_listeners all;

	(void)state;
	assert_non_null(config);
	assert_int_equal(zs_listeners_read(config, &all), 0);
	json_decref(config);
	assert_int_equal(all.count, 2);
	for (size_t i = 0; i < all.count; i++) {
		bool https = !strcmp(all.list[i].text, ":443");

		assert_true(https || !strcmp(all.list[i].text, ":8081"));
		assert_int_equal(all.list[i].tls, https);
		assert_int_equal(all.list[i].idle, https ? 60 : 10);
	}
	zs_listeners_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(judged), cmocka_unit_test(listened)};

	if (system("caddy version >/dev/null 2>&1")) {
		print_error("[  SKIPPED ] 2 test(s), listed below:\nskip: caddy is not installed\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
