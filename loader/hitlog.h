/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An answered request as a line of Caddy's JSON access log. Pure: no clock, no file, no memory but the caller's.
 *
 * The schema is Caddy's (logger "http.log.access", 2.7 and later: 2.6 has no client_ip and no bytes_read), with
 * "zeroserve" behind it. Strings are written as Caddy's encoder (zap) writes them: quote, backslash and control
 * characters escaped, a byte that is no UTF-8 as \ufffd. Names of fields are in canonical form, credentials (Cookie,
 * Set-Cookie, Authorization, Proxy-Authorization) are ["REDACTED"].
 */
#ifndef ZS_HITLOG_H
#define ZS_HITLOG_H

#include <stddef.h>
#include <stdint.h>

#define ZS_HITLOG_LINE_MAX 49152u /* bytes; no event makes more */

/*
 * Writes the line of an event of the ring zs_hits (struct zs_event_hit, `size` bytes of it), a line feed behind it, to
 * `out` (ZS_HITLOG_LINE_MAX bytes, no zero behind). `wall` is what boot-time ns need to become ns since 1970.
 * Every event has a line: what is not in it or not understood is left out. Returns the line's length.
 */
size_t zs_hitlog_line(const void *event, size_t size, int64_t wall, char *out);

#endif
