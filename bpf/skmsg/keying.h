/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a recognised request to its key: the class that the operator's rules give it, whether it may be
 * answered at all then, and what is left of its query. The order is that of include/zs/decide.h; each step is
 * a global function for the reason given in recognise.h.
 */
#ifndef ZS_SKMSG_KEYING_H
#define ZS_SKMSG_KEYING_H

#include "recognise.h"

static __always_inline struct zs_class *class_get(const struct zs_work *w)
{
	__u32 at = w ? (w->half & 1) * ZS_CLASSES + (w->class & (ZS_CLASSES - 1)) : 0;

	return bpf_map_lookup_elem(&zs_classes, &at);
}

ZS_SHARED int zs_target_step(__u32 id, __u32 stop)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t)
		return 0;
	return zs_run_step(&w->query.run, &w->request, t, stop);
}

/* zs_run_on() */
static __always_inline void target_run(__u32 id, __u8 stop)
{
	for (__u32 n = 0; n <= ZS_TARGET_MAX / ZS_RUN_STEP; n++)
		if (!zs_target_step(id, stop))
			break;
}

/* Sets w->class. */
ZS_SHARED int zs_class_find(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_ctl *ctl = zs_ctl_get();
	__u32 *class;

	if (!w || !ctl)
		return -1;
	zs_scope_make(&w->scope, &w->event.key, &w->query, &w->request, w->half & 1, ctl->seed[0], ctl->seed[1]);
	class = bpf_map_lookup_elem(&zs_scopes, &w->scope);
	if (!class) {
		w->scope.host = 0;
		class = bpf_map_lookup_elem(&zs_scopes, &w->scope);
	}
	w->class = class ? *class : 0;
	return 0;
}

ZS_SHARED int zs_class_cookie(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);
	struct zs_class *class = class_get(w);

	if (!w || !t || !class)
		return ZS_COOKIE_NO;
	return zs_cookie_next(&w->request, t, class);
}

/* zs_request_cookies(), cookie by cookie. */
static __always_inline void class_cookies(struct zs_work *w, __u32 id)
{
	int next = ZS_COOKIE_MORE;

	if (!zs_cookie_begin(&w->request))
		return;
	for (__u32 n = 0; n < ZS_COOKIES; n++) {
		next = zs_class_cookie(id);
		if (next != ZS_COOKIE_MORE)
			break;
	}
	if (next != ZS_COOKIE_LAST)
		zs_set_bits(&w->request.flags, ZS_REQ_BYPASS);
}

/* The next parameter. 1: there is none behind it that counts. */
ZS_SHARED int zs_query_next(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t || zs_query_param_begin(&w->query, &w->request, t))
		return 1;
	target_run(id, '&');
	return zs_query_param_end(&w->query, &w->request);
}

ZS_SHARED int zs_query_weigh(__u32 id, __u32 n)
{
	struct zs_work *w = work_get(id);
	struct zs_class *class = class_get(w);

	if (!w || !class)
		return -1;
	zs_query_judge(&w->query, &w->request, class, n);
	return 0;
}

ZS_SHARED int zs_query_order(__u32 id, __u32 n)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return -1;
	zs_query_rank(&w->query, n);
	return 0;
}

/* Appends the path, or what stands at place n - 1. */
ZS_SHARED int zs_query_write(__u32 id, __u32 n)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return -1;
	zs_query_append_nth(&w->query, &w->request, n);
	return 0;
}

/* zs_query_canonical(), step by step. */
ZS_SHARED int zs_query_make(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_class *class = class_get(w);

	if (!w || !class || !zs_query_wanted(&w->query, &w->request, class))
		return 0;
	zs_query_begin(&w->query);
	for (__u32 n = 0; n <= ZS_QUERY_PARAMS; n++)
		if (zs_query_next(id))
			break;
	for (__u32 n = 0; n < ZS_QUERY_PARAMS; n++) {
		if (n >= w->query.count)
			break;
		zs_query_weigh(id, n);
	}
	if (!zs_query_changes(&w->query, class))
		return 0;
	for (__u32 n = 0; n < ZS_QUERY_PARAMS; n++) {
		if (n >= w->query.count)
			break;
		zs_query_order(id, n);
	}
	for (__u32 n = 0; n <= ZS_QUERY_PARAMS; n++) {
		if (n > w->query.kept)
			break;
		zs_query_write(id, n);
	}
	return 1;
}

/* The class of the request and what it says about it. 1: w->query.text is the key's target. */
ZS_SHARED int zs_class_apply(__u32 id)
{
	struct zs_work *w = work_get(id);
	struct zs_class *class;

	if (!w)
		return 0;
	zs_query_path_begin(&w->query, &w->request);
	target_run(id, '?');
	zs_query_path_end(&w->query);
	if (zs_class_find(id))
		w->class = 0;
	if (w->query.flags & ZS_QUERY_PATH_ODD)
		w->class = 0;
	class = class_get(w);
	if (!class || !w->class) {
		zs_request_class(&w->request, 0);
		return 0;
	}
	zs_request_class(&w->request, class);
	class_cookies(w, id);
	return zs_query_make(id);
}

ZS_SHARED int zs_key_vary(__u32 id, __u32 n)
{
	struct zs_work *w = work_get(id);
	struct zs_tables *t = tables_get(w);

	if (!w || !t)
		return -1;
	zs_key_put_vary(&w->event.key, &w->request, t, n);
	return 0;
}

static __always_inline int key_varies(struct zs_work *w, __u32 id)
{
	for (__u32 n = 0; n < ZS_VARY_FIELDS; n++) {
		if (w->request.flags & ZS_REQ_BYPASS)
			break;
		if (zs_key_vary(id, n))
			return -1;
	}
	return 0;
}

ZS_SHARED int zs_key_canon(__u32 id)
{
	struct zs_work *w = work_get(id);

	if (!w)
		return -1;
	zs_key_put_canonical(&w->event.key, &w->query);
	return 0;
}

/* Key, digest and bucket of the request in the work space, with what its class and the Vary fields say about
 * it: it may turn out to be one that passes on. While the tables are switched, w->scopes and w->vary may be
 * those of the half that has more; what is not in w->half is not found there. */
static __always_inline int head_key(struct zs_work *w, __u32 id, __u32 origin)
{
	int canonical = 0;

	if (!zs_key_fits(&w->request))
		return -1;
	zs_key_begin(&w->event.key, &w->request, origin);
	if (zs_key_name(id, ZS_KEY_HOST) || zs_key_name(id, ZS_KEY_XFH) || zs_key_name(id, ZS_KEY_XFP))
		return -1;
	if (w->scopes)
		canonical = zs_class_apply(id);
	if (w->vary && key_varies(w, id))
		return -1;
	if (canonical ? zs_key_canon(id) : zs_key_raw(id))
		return -1;
	return zs_key_target(id) || zs_key_rest(id);
}

#endif
