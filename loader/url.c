// SPDX-License-Identifier: GPL-2.0-or-later
/* Scheme and authority by libcurl; the rest byte for byte, because so it is compared. */
#include "url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "log.h"

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text + 'a' - 'A');
}

/* The authority is written as a visitor's Host would be. */
static int authority_write(CURLU *u, char *out)
{
	char *host = NULL, *port = NULL;
	int err = -EINVAL;

	if (!curl_url_get(u, CURLUPART_HOST, &host, 0)) {
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
		if (snprintf(out, ZS_HOST_MAX + 1, "%s%s%s", host, port ? ":" : "", port ? port : "") <=
		    ZS_HOST_MAX)
			err = 0;
		lower(out);
	}
	curl_free(host);
	curl_free(port);
	return err;
}

/* Where the authority of an HTTP URL begins; null if it has none: libcurl would make do with that. */
static const char *authority_find(const char *text)
{
	const char *at = NULL;

	if (!strncasecmp(text, "http://", 7))
		at = text + 7;
	else if (!strncasecmp(text, "https://", 8))
		at = text + 8;
	return at && strcspn(at, "/?#") ? at : NULL;
}

static int split(const char *text, struct zs_url *out)
{
	const char *rest = authority_find(text);
	CURLU *u = curl_url();
	int err = -EINVAL;

	if (!u || !rest || curl_url_set(u, CURLUPART_URL, text, CURLU_PATH_AS_IS))
		goto out;
	rest += strcspn(rest, "/?#");
	if (!*rest)
		rest = "/";
	if (*rest == '/' && snprintf(out->target, sizeof(out->target), "%.*s", (int)strcspn(rest, "#"), rest) <=
				    ZS_TARGET_MAX)
		err = authority_write(u, out->host);
out:
	curl_url_cleanup(u);
	return err;
}

int zs_url_parse(const char *text, struct zs_url *out)
{
	struct zs_url url;
	int err = split(text, &url);

	if (!err)
		*out = url;
	return err;
}

int zs_url_split(const char *option, const char *text, struct zs_url *out)
{
	int err = zs_url_parse(text, out);

	if (err)
		zs_error("--%s '%s': give an absolute URL, for example https://example.org/path?query", option, text);
	return err;
}

int zs_url_host(const char *option, const char *text, char *out)
{
	size_t len = strlen(text);

	if (!len || len > ZS_HOST_MAX || text[strcspn(text, "/?#@ \t\\")]) {
		zs_error("--%s '%s': give a host, with a port if need be, for example example.org or [::1]:8080",
			 option, text);
		return -EINVAL;
	}
	memcpy(out, text, len + 1);
	lower(out);
	return 0;
}
