/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Caddy's running configuration, out of its admin API. origins.h reads it.
 */
#ifndef ZS_ADMIN_H
#define ZS_ADMIN_H

#include <stddef.h>

#define ZS_ADMIN_DEFAULT "localhost:2019"
#define ZS_ADMIN_WAIT	 3000 /* ms */

struct zs_admin_config {
	char *text; /* NUL-terminated, on the heap */
	size_t len;
	char etag[128]; /* Caddy's, or one made of the text where there is none: compare only */
};

/* GET /config/ from the admin API. `admin` is written as in Caddy's `admin` option and CADDY_ADMIN:
 * HOST:PORT, http://HOST:PORT or unix//PATH; NULL or "" is ZS_ADMIN_DEFAULT. Blocks for at most
 * ZS_ADMIN_WAIT (or wait_ms). The caller frees *out with zs_admin_config_free. Logs a failure when it is another
 * one than last time, so that polling does not fill the journal.
 * -EINVAL: not an address; -ECONNREFUSED (unreachable), -ETIMEDOUT, -EACCES (403: our Host is not
 * allowed), -EFBIG (ZS_CONFIG_MAX), -EPROTO (anything but 200). */
int zs_admin_fetch(const char *admin, struct zs_admin_config *out);
int zs_admin_fetch_within(const char *admin, long wait_ms, struct zs_admin_config *out);
void zs_admin_config_free(struct zs_admin_config *config);

#endif
