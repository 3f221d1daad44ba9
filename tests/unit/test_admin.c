// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking an admin API for the configuration, as Caddy before and after 2.7 answers, and worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that answers one connection, if the request contains `wanted`. */
static pid_t admin_start(int listener, const char *wanted, const char *answer)
{
	pid_t pid = fork();
	char request[2048];
	ssize_t n;
	int fd;

	if (pid)
		return pid;
	alarm(10);
	fd = accept(listener, NULL, NULL);
	n = recv(fd, request, sizeof(request) - 1, 0);
	request[n < 0 ? 0 : n] = '\0';
	if (!strstr(request, wanted) || strstr(request, "Origin") ||
	    strncmp(request, "GET /config/ HTTP/1.1\r\n", 23))
		_exit(1);
	_exit(send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0);
}

static int tcp_listen(char *admin, size_t size)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(sa);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&sa, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (void *)&sa, &len), 0);
	snprintf(admin, size, "127.0.0.1:%u", ntohs(sa.sin_port));
	return fd;
}

static int admin_ask(int listener, const char *admin, const char *wanted, const char *answer,
		     struct zs_admin_config *config)
{
	pid_t pid = admin_start(listener, wanted, answer);
	int err = zs_admin_fetch(admin, config), status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return err;
}

static void test_tcp(void **state)
{
	struct zs_admin_config config = {.len = 7};
	char admin[64], host[96], etag[128];
	int fd = tcp_listen(admin, sizeof(admin));

	(void)state;
	snprintf(host, sizeof(host), "\r\nHost: %s\r\n", admin);
	assert_int_equal(admin_ask(fd, admin, host, "HTTP/1.1 403 Forbidden\r\n\r\n", &config),
			 -EACCES);
	assert_int_equal(admin_ask(fd, admin, host, "HTTP/1.1 500 No\r\n\r\n", &config), -EPROTO);
	assert_int_equal(
		admin_ask(fd, admin, host, "HTTP/1.1 302 No\r\nLocation: /\r\n\r\n", &config),
		-EPROTO);
	assert_int_equal(admin_ask(fd, admin, host, "HTTP/1.1 200 OK\r\n\r\n", &config), -EPROTO);
	assert_int_equal(admin_ask(fd, admin, host,
				   "HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n"
				   "\r\n",
				   &config),
			 -EFBIG);
	assert_int_equal(config.len, 7);

	assert_int_equal(admin_ask(fd, admin, host,
				   "HTTP/1.1 200 OK\r\nETag: \"/config/ 1\"\r\n"
				   "Content-Length: 5\r\n\r\nnull\n",
				   &config),
			 0);
	assert_string_equal(config.text, "null\n");
	assert_string_equal(config.etag, "\"/config/ 1\"");
	zs_admin_config_free(&config);
	assert_int_equal(admin_ask(fd, admin, host,
				   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
				   "Trailer: ETag\r\n\r\n5\r\nnull\n\r\n0\r\nEtag: \"2\"\r\n\r\n",
				   &config),
			 0);
	assert_string_equal(config.text, "null\n");
	assert_string_equal(config.etag, "\"2\"");
	zs_admin_config_free(&config);

	/* without an Etag the text decides */
	assert_int_equal(admin_ask(fd, admin, host, "HTTP/1.1 200 OK\r\n\r\n{}", &config), 0);
	memcpy(etag, config.etag, sizeof(etag));
	zs_admin_config_free(&config);
	assert_int_equal(admin_ask(fd, admin, host, "HTTP/1.1 200 OK\r\n\r\n[]", &config), 0);
	assert_string_not_equal(config.etag, etag);
	zs_admin_config_free(&config);
	close(fd);
	assert_int_equal(zs_admin_fetch(admin, &config), -ECONNREFUSED);
}

static void test_unix(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct zs_admin_config config;
	char dir[] = "/tmp/zeroserve-XXXXXX", admin[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", dir);
	assert_int_equal(bind(fd, (void *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 4), 0);
	snprintf(admin, sizeof(admin), "unix/%s|0200", sa.sun_path);
	assert_int_equal(
		admin_ask(fd, admin, "\r\nHost:\r\n", "HTTP/1.1 200 OK\r\n\r\n{}", &config), 0);
	assert_string_equal(config.text, "{}");
	zs_admin_config_free(&config);
	close(fd);
	assert_int_equal(zs_admin_fetch(admin, &config), -ECONNREFUSED);
	unlink(sa.sun_path);
	assert_int_equal(rmdir(dir), 0);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {
		"ftp://x:1", "https://x:1", "unix/", "unix/x", "unix+h2c//x", "http://",
		"a:1/b",     "a b:1",	    "a:1?x", "u@a:1",  "a\n:1",
	};
	struct zs_admin_config config = {.len = 7};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(zs_admin_fetch(bad[i], &config), -EINVAL);
	assert_int_equal(config.len, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
