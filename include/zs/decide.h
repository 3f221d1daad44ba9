/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of decisions about a request, from its head to its key, for everybody who asks what the kernel
 * would do. Pure; where a map is needed, the caller looks it up. The kernel takes the same steps one by one
 * (bpf/skmsg/keying.h), and tests/kern/test_classes.c holds it to what comes out here.
 */
#ifndef ZS_DECIDE_H
#define ZS_DECIDE_H

#include <zs/cookie.h>
#include <zs/query.h>
#include <zs/vary.h>

/* The host that the visitor asked for, as the key has it: X-Forwarded-Host if it is there, else Host, port
 * included. Never 0. */
zs_inline __u64 zs_scope_host(const struct zs_key *k, __u64 seed0, __u64 seed1)
{
	__u32 at = k->xfh_len ? zs_pad8(k->host_len) : 0, len = k->xfh_len ? k->xfh_len : k->host_len;
	struct zs_sip s;
	__u64 host;

	zs_sip_init(&s, seed0, seed1);
	zs_sip_word(&s, len);
	zs_key_hash_text(&s, k, at, zs_pad8(len), ZS_HOST_MAX);
	host = zs_sip_end(s);
	return host ? host : 1;
}

/* Bits of zs_scope_key behind prefixlen that come before the path. */
#define ZS_SCOPE_BITS 96u

/* Where in zs_scopes the class of a request is looked up; once more with host 0 if that finds nothing. */
zs_inline void zs_scope_make(struct zs_scope_key *s, const struct zs_key *k, const struct zs_query *q,
			     const struct zs_request *r, __u32 half, __u64 seed0, __u64 seed1)
{
	__u32 start = r->line[0].value, len = q->path_end - start, o;

	if (len > ZS_SCOPE_PATH)
		len = ZS_SCOPE_PATH;
	s->prefixlen = ZS_SCOPE_BITS + 8 * len;
	s->half = half;
	s->host = zs_scope_host(k, seed0, seed1);
	for (o = 0; o < ZS_SCOPE_PATH; o += 8)
		zs_store64(&s->path[o], zs_load64(zs_request_at(r, start + o)));
}

/* Everything about one request. The caller fills request.head. */
struct zs_decision {
	struct zs_request request;
	struct zs_query query;
	struct zs_key key;
	struct zs_scope_key scope;
};

/*
 * After a scan that returned ZS_SCAN_OK. 0: d->scope says where the class is looked up, unless
 * d->query.flags has ZS_QUERY_PATH_ODD: then it has none. -1: there is no key for this request.
 */
zs_inline int zs_decide_begin(struct zs_decision *d, const struct zs_tables *t, __u32 origin, __u32 half, __u64 seed0,
			      __u64 seed1)
{
	struct zs_request *r = &d->request;

	zs_request_fields(r, t);
	zs_request_settle(r, t);
	if (!zs_key_fits(r))
		return -1;
	zs_key_begin(&d->key, r, origin);
	zs_key_put_name(&d->key, r, ZS_KEY_HOST);
	zs_key_put_name(&d->key, r, ZS_KEY_XFH);
	zs_key_put_name(&d->key, r, ZS_KEY_XFP);
	zs_query_path(&d->query, r, t);
	zs_scope_make(&d->scope, &d->key, &d->query, r, half, seed0, seed1);
	return 0;
}

/* With the class of the request, or null. Settles d->request.flags and d->key: zs_request_answerable() and
 * zs_request_recordable() say what may happen. Of a request that passes on, only the target is settled. */
zs_inline void zs_decide_end(struct zs_decision *d, const struct zs_tables *t, const struct zs_class *class)
{
	struct zs_request *r = &d->request;
	__u32 n;

	zs_request_class(r, class);
	if (class)
		zs_request_cookies(r, t, class);
	for (n = 0; n < ZS_VARY_FIELDS; n++)
		if (!(r->flags & ZS_REQ_BYPASS))
			zs_key_put_vary(&d->key, r, t, n);
	if (class && zs_query_canonical(&d->query, r, t, class))
		zs_key_put_canonical(&d->key, &d->query);
	else
		zs_key_put_target(&d->key, r);
}

#endif
