/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A visitor's GET and what Caddy's reverse_proxy makes of it: what `explain` asks about, and `warm` sends. */
#ifndef ZS_VISITOR_H
#define ZS_VISITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "url.h"

/* `headers` below: a null-terminated list of "Name: value". */

/* The field's value, without the blanks around it: *len bytes, not terminated. Null: the list has none of that name. */
const char *zs_visitor_field(const char *const *headers, const char *name, size_t *len);

/* -EINVAL: one of them is no field, or frames a body, which a GET has not. Logged as --header of `command`. */
int zs_visitor_check(const char *command, const char *const *headers);

/*
 * What Caddy (2.6) sends upstream for the visitor's GET: X-Forwarded-* are its own, fields of one hop are dropped, and
 * Go's transport asks for gzip where the visitor says nothing and wants no range. A Host among the fields is what a
 * site sets in place of the visitor's (header_up). `head` holds ZS_HEAD_MAX bytes. Returns its length; ZS_HEAD_MAX or
 * more: it was cut, and is longer than the kernel looks at.
 */
size_t zs_visitor_head(const char *const *headers, const struct zs_url *url, bool tls, char *head);

#endif
