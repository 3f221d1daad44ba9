/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A URL on the command line, taken apart into what stands in cache keys. */
#ifndef ZS_URL_H
#define ZS_URL_H

#include <zs/abi.h>

struct zs_url {
	char host[ZS_HOST_MAX + 1];     /* lower case, with its port if that is not the scheme's own */
	char target[ZS_TARGET_MAX + 1]; /* path and query byte for byte; "/" if there is none; no fragment */
};

/* -EINVAL: no absolute URL, or longer than a request may have; *out is unchanged then. Silent. */
int zs_url_parse(const char *text, struct zs_url *out);

/* The same; `option` names it in the message. Logged. */
int zs_url_split(const char *option, const char *text, struct zs_url *out);

/* "host", "host:port" or "[v6]:port" in lower case; ZS_HOST_MAX + 1 bytes. -EINVAL: something else. Logged. */
int zs_url_host(const char *option, const char *text, char *out);

#endif
