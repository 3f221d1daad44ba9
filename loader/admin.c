// SPDX-License-Identifier: GPL-2.0-or-later
/* One GET to Caddy's admin API. Its guards (enforceHost, Origin checks) are met, not worked around.
 */
#include "admin.h"
#include "log.h"
#include "origins.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *admin_hint(int err)
{
	switch (err) {
	case -ECONNREFUSED:
	case -ETIMEDOUT:
		return "is Caddy running, and is this the address of its `admin` option?";
	case -EACCES:
		return "its `origins` option must allow this address";
	case -EFBIG:
		return "name the origins by hand";
	case -EINVAL:
		return "write HOST:PORT or unix//PATH";
	default:
		return "is it Caddy that listens there?";
	}
}

/* Says a failure once, until it is another one or the API answers again. */
static int admin_report(const char *admin, int err, const char *why)
{
	static int last;

	if (err && err != last)
		zs_error("Caddy's admin API at %s: %s: %s", admin, why, admin_hint(err));
	else if (!err && last)
		zs_info("Caddy's admin API at %s: answers again", admin);
	last = err;
	return err;
}

/* What to ask for; `path` is the Unix socket to ask through, or empty. */
static int admin_url(const char *admin, char *url, size_t size, char *path, size_t path_size)
{
	size_t len = strlen(admin);
	int n;

	path[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)admin[i] <= ' ' || strchr("@?#\x7f", admin[i]))
			return -EINVAL;
	}
	if (!strncmp(admin, "unix/", 5)) {
		/* Caddy 2.8: unix//PATH|MODE */
		n = snprintf(path, path_size, "%.*s", (int)strcspn(admin + 5, "|"), admin + 5);
		if (n <= 1 || path[0] != '/' || (size_t)n >= path_size)
			return -EINVAL;
		admin = "localhost";
	}
	if (!strncmp(admin, "http://", 7))
		admin += 7;
	else if (!strncmp(admin, "tcp/", 4))
		admin += 4;
	len = strlen(admin);
	len -= len && admin[len - 1] == '/';
	if (!len || memchr(admin, '/', len))
		return -EINVAL;
	n = snprintf(url, size, "http://%s%.*s/config/", *admin == ':' ? "localhost" : "", (int)len,
		     admin);
	return n > 0 && (size_t)n < size ? 0 : -EINVAL;
}

static size_t admin_body(char *data, size_t size, size_t n, void *user)
{
	struct zs_admin_config *config = user;
	char *text;

	n *= size;
	if (n > ZS_CONFIG_MAX - config->len)
		return 0;
	text = realloc(config->text, config->len + n + 1);
	if (!text)
		return 0;
	memcpy(text + config->len, data, n);
	config->text = text;
	config->len += n;
	text[config->len] = '\0';
	return n;
}

/* Caddy before 2.7 sends the Etag as a trailer: libcurl shows both here. */
static size_t admin_header(char *data, size_t size, size_t n, void *user)
{
	struct zs_admin_config *config = user;

	size_t from = 5, to = n *= size;

	if (n < 5 || strncasecmp(data, "Etag:", 5))
		return n;
	while (from < to && strchr(" \t", data[from]))
		from++;
	while (to > from && strchr(" \t\r\n", data[to - 1]))
		to--;
	if (to - from < sizeof(config->etag)) {
		memcpy(config->etag, data + from, to - from);
		config->etag[to - from] = '\0';
	}
	return n;
}

static int admin_judge(CURLcode code, long status, const char **why)
{
	static char answered[32];

	*why = curl_easy_strerror(code);
	switch (code) {
	case CURLE_OK:
		snprintf(answered, sizeof(answered), "answered %ld", status);
		*why = answered;
		return status == 200 ? 0 : status == 403 ? -EACCES : -EPROTO;
	case CURLE_WRITE_ERROR:
	case CURLE_FILESIZE_EXCEEDED:
		*why = "its configuration is too big";
		return -EFBIG;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return -ECONNREFUSED;
	default:
		return -EPROTO;
	}
}

/* Caddy compares Host with its listen address, and for a Unix socket wants it empty. */
static CURLcode admin_get(const char *url, const char *path, long wait_ms, struct zs_admin_config *config,
			  long *status)
{
	struct curl_slist *fields = curl_slist_append(NULL, path[0] ? "Host;" : "Accept:");
	CURL *easy = curl_easy_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (easy && fields) {
		curl_easy_setopt(easy, CURLOPT_URL, url);
		if (path[0])
			curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, path);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
		curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
		curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, wait_ms);
		curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, (long)ZS_CONFIG_MAX);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, admin_body);
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, config);
		curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, admin_header);
		curl_easy_setopt(easy, CURLOPT_HEADERDATA, config);
		code = curl_easy_perform(easy);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
	}
	curl_slist_free_all(fields);
	curl_easy_cleanup(easy);
	return code;
}

/* FNV-1a: tells two texts apart that nobody made to collide. */
static uint64_t text_hash(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (len--)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
	return hash;
}

int zs_admin_fetch(const char *admin, struct zs_admin_config *out)
{
	return zs_admin_fetch_within(admin, ZS_ADMIN_WAIT, out);
}

int zs_admin_fetch_within(const char *admin, long wait_ms, struct zs_admin_config *out)
{
	struct zs_admin_config config = {0};
	char url[512], path[108];
	const char *why = "not an address";
	CURLcode code;
	long status = 0;
	int err;

	if (!admin || !*admin)
		admin = ZS_ADMIN_DEFAULT;
	err = admin_url(admin, url, sizeof(url), path, sizeof(path));
	if (!err) {
		code = admin_get(url, path, wait_ms, &config, &status);
		err = admin_judge(code, status, &why);
	}
	if (!err && !config.text) {
		err = -EPROTO;
		why = "answered nothing";
	}
	if (err) {
		free(config.text);
		return admin_report(admin, err, why);
	}
	if (!config.etag[0])
		snprintf(config.etag, sizeof(config.etag), "text-%016llx",
			 (unsigned long long)text_hash(config.text, config.len));
	*out = config;
	return admin_report(admin, 0, NULL);
}

void zs_admin_config_free(struct zs_admin_config *config)
{
	free(config->text);
	*config = (struct zs_admin_config){0};
}
