/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recogniser's tables (include/zs/request.h), built once in user space for kernel and tests alike. */
#ifndef ZS_FIELDS_H
#define ZS_FIELDS_H

#include <zs/request.h>

/* Fills *t from the grammar and fields.def. Cannot fail with the names that are built in; -ENOSPC tells
 * a developer who added one that the table's size or hash needs a change. */
int zs_fields_build(struct zs_tables *t);

/* Adds a field that the operator declares inert. `name` in any case. -EINVAL: not a token, or longer than
 * 32 bytes. -EEXIST: known already, and not as inert. -ENOSPC: no room at its place. Known as inert: 0.
 * *t is unchanged on error. */
int zs_fields_add(struct zs_tables *t, const char *name);

/*
 * Makes the field part of the key, as Vary field n of ZS_VARY_FIELDS; an inert or unknown one, or one that
 * requests are passed on for because responses depend on it. `name` in any case. Accept, Accept-Language and
 * Accept-Charset are compared folded (vary.h), all others byte for byte. -EINVAL: not a token, longer than
 * 32 bytes, no such n, or a field that must not be: of the connection, of framing, of ranges and conditions,
 * Cookie, Authorization, Host, or Accept-Encoding, which is part of the key in any case. -EEXIST: it is one
 * already. -ENOSPC: no room at its place. *t is unchanged on error.
 */
int zs_fields_vary(struct zs_tables *t, const char *name, unsigned int n);

#endif
