// SPDX-License-Identifier: GPL-2.0-or-later
/* What is told of host, path, query and rewrites, against this machine's Caddy: never another answer than its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "eligible.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/eligible_of.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const matchers[] = {
	"{'path':['/a/*']}",	  "{'path':['/A*']}",	  "{'path':['*.php']}",	       "{'path':['*a*']}",
	"{'path':['/a/b']}",	  "{'path':['/']}",	  "{'path':['*']}",	       "{'path':['/a//b']}",
	"{'path':['/%61*']}",	  "{'path':['/a*b']}",	  "{'path':['/x','/a/b/*']}",  "{'path':['/[a]/b']}",
	"{'path':['**']}",	  "{'path':['/a/*','*']}", "{'path':['']}",	       "{'path':['/a b']}",
	"{'host':['b.example']}", "{'host':['*.example']}", "{'host':['B.Example']}",   "{'host':['::1']}",
	"{'host':['*']}",	  "{'host':['*.*']}",	  "{'host':['b.example.']}",   "{'host':[]}",
	"{'query':{'q':['1']}}",  "{'query':{}}",	  "{'query':{'':['']}}",       "{'method':['GET','HEAD']}",
	"{'method':['POST']}",	  "{'method':['get','head']}", "{'protocol':'http'}",  "{'protocol':'https'}",
	"{'not':[{'path':['/a/*']}]}", "{'not':[{'path':['/a/*'],'host':['b.example']},{'path':['/x']}]}",
	"{'path':['/a/*'],'host':['*.example']}",
};

/* Before the matcher is looked at. */
static const char *const befores[] = {
	"{'handler':'headers'}",
	"{'handler':'rewrite','strip_path_prefix':'/a'}",
	"{'handler':'rewrite','strip_path_prefix':'/A/B'}",
	"{'handler':'rewrite','strip_path_prefix':'/'}",
	"{'handler':'rewrite','strip_path_prefix':'a'}",
	"{'handler':'rewrite','uri':'/a/b'}",
	"{'handler':'rewrite','uri':'/a//b'}",
	"{'handler':'rewrite','uri':'a/b'}",
};

static const char *const targets[] = {
	"/",	   "/a",       "/a/",	   "/a/b",     "/A/B",	    "/a/b/c",	 "/a/b.php",  "/x.PHP",	 "/x.php/",
	"/a//b",   "//a/b",    "/a/./b",   "/a/../a/b", "/x/../a/b", "/a/b/..",	 "/..",	      "/a/...",	 "/%61/b",
	"/a%2fb",  "/a%2Fb/c", "/%2e%2e/a/b", "/a%20b", "/a%2520b",  "/caf%c3%a9", "/%E2%84%AA", "/a;b",  "/a/b;c",
	"/a?q=1",  "/a/b.", "/x.php.", "/a/b%20", "/...", "/a/b/.", "/a/b?q=2&q=1", "/?",   "/a/b?",	"/a/b?=",    "/a*b",	 "/[a]/b",    "/a/a/b",	 "/b",
	"/a/b/c.php?x.php", "/a%00b", "/a/b%3fq=1", "/a/b%23", "/ab", "/abc", "/a~b", "/a'b", "/a!b", "/:a/@b", "/a+b", "/a,b",
};

static const char *const hosts[] = {"b.example", "B.EXAMPLE:80", "c.b.example", "example", "b.example.", "[::1]", "[::1]:80",
				    "127.0.0.1", "b.example:"};

static pid_t caddy;
static int conn = -1;
static uint16_t port;

static void case_add(FILE *out, unsigned int number, const char *before, const char *match)
{
	static const char format[] = "%s{'match':[{'header':{'X-Case':['%u']}}],'terminal':true,'handle':[{'handler':'subroute',"
				     "'routes':[{'handle':[%s]},{'match':[%s],'handle':[{'handler':'static_response','body':'y'}]},"
				     "{'handle':[{'handler':'static_response','body':'n'}]}]}]}";
	char text[2048];

	snprintf(text, sizeof(text), format, number ? "," : "", number, before, match);
	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	fputs(text, out);
}

static uint16_t free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (void *)&sa, len), 0);
	assert_int_equal(getsockname(fd, (void *)&sa, &len), 0);
	close(fd);
	return ntohs(sa.sin_port);
}

static bool reach(void)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	struct timeval wait = {.tv_sec = 10};

	if (conn >= 0)
		close(conn);
	conn = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return !connect(conn, (void *)&sa, sizeof(sa));
}

static void caddy_exec(const char *dir, const char *config)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("HOME", dir, 1);
	setenv("XDG_DATA_HOME", dir, 1);
	setenv("XDG_CONFIG_HOME", dir, 1);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execlp("caddy", "caddy", "run", "--config", config, (char *)NULL);
	_exit(127);
}

static char dir[] = "/tmp/zs-caddy-XXXXXX";

static int start(void **state)
{
	char config[64];
	unsigned int n = 0;
	FILE *out;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(config, sizeof(config), "%s/caddy.json", dir);
	port = free_port();
	out = fopen(config, "w");
	fprintf(out, "{\"admin\":{\"disabled\":true,\"config\":{\"persist\":false}},\"apps\":{\"http\":{\"servers\":{\"s\":{\"listen\":"
		     "[\"127.0.0.1:%u\"],\"automatic_https\":{\"disable\":true},\"routes\":[", port);
	for (size_t b = 0; b < COUNT(befores); b++)
		for (size_t m = 0; m < COUNT(matchers); m++)
			case_add(out, n++, befores[b], matchers[m]);
	fputs("]}}}}}", out);
	fclose(out);
	caddy = fork();
	if (!caddy)
		caddy_exec(dir, config);
	for (int i = 0; i < 1000; i++) {
		if (reach())
			return 0;
		usleep(10000);
	}
	return -1;
}

static int stop(void **state)
{
	char command[64];

	(void)state;
	kill(caddy, SIGTERM);
	waitpid(caddy, NULL, 0);
	close(conn);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* 'y', 'n', or 0 where Caddy answers neither. */
static char asked(unsigned int number, const char *host, const char *target)
{
	char text[2048], *end;
	ssize_t have = 0, n;
	int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\nX-Case: %u\r\n\r\n", target, host, number);

	if (send(conn, text, (size_t)len, MSG_NOSIGNAL) != len)
		fail_msg("caddy does not read");
	for (;;) {
		n = recv(conn, text + have, sizeof(text) - 1 - (size_t)have, 0);
		if (n <= 0)
			break;
		have += n;
		text[have] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (end && !strncmp(text, "HTTP/1.1 200", 12) && strstr(text, "Content-Length: 1\r\n") && end[4])
			return end[4];
	}
	assert_true(reach()); /* it closes behind what it does not like */
	return 0;
}

/* Whether a route behind `match` is told to be taken (`taken`), or not to be. */
static bool told(const char *before, const char *match, const char *host, const char *target, bool taken)
{
	static const char ok[] = "{'handler':'static_response'}", no[] = "{'handler':'authentication'}";
	char routes[2048];

	snprintf(routes, sizeof(routes), "{'handle':[%s]},{'match':[%s],'handle':[%s]},{'handle':[%s]}", before, match,
		 taken ? ok : no, taken ? no : ok);
	return routes_judge(routes, host, target).eligible;
}

static void never_differs(void **state)
{
	unsigned int decided = 0, all = 0;

	(void)state;
	for (size_t b = 0; b < COUNT(befores); b++) {
		for (size_t m = 0; m < COUNT(matchers); m++) {
			for (size_t i = 0; i < COUNT(targets) + COUNT(hosts); i++) {
				const char *target = i < COUNT(targets) ? targets[i] : "/a/b";
				const char *host = i < COUNT(targets) ? "b.example" : hosts[i - COUNT(targets)];
				bool yes = told(befores[b], matchers[m], host, target, true);
				bool no = told(befores[b], matchers[m], host, target, false);
				char said;

				all++;
				if (!yes && !no)
					continue;
				said = asked((unsigned int)(b * COUNT(matchers) + m), host, target);
				decided += said != 0;
				if (said && said != (yes ? 'y' : 'n'))
					fail_msg("%s, %s: %s%s: Caddy says %c", befores[b], matchers[m], host, target, said);
			}
		}
	}
	print_message("note: %u of %u requests were told, and Caddy agreed\n", decided, all);
	assert_true(decided > all / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(never_differs, start, stop)};

	if (system("caddy version >/dev/null 2>&1")) {
		print_error("[  SKIPPED ] 1 test(s), listed below:\nskip: caddy is not installed\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
