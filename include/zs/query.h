/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The target that stands in the key of a request whose class names query parameters (ZS_CLASS_KEEP, _DROP,
 * _SORT): path and '?' as they were sent, then the parameters that count, none of their bytes changed. Pure;
 * the kernel runs the steps one by one.
 *
 * Parameters are split at '&', a name ends at '=' or with the parameter. KEEP: only what is named stays; it
 * wins over DROP: what is named goes. SORT: parameters are ordered by a hash of their names, and those whose
 * names are equal but for case keep their order. When nothing is left, '?' goes too; "/x?" has one parameter,
 * of empty name, so it and "/x" stay two keys.
 *
 * Whoever can make the origin see another parameter than the one that was left out could have his answer
 * given to others (parameter cloaking). So the target is keyed as it was sent when there is ';' or a second
 * '?' anywhere in the query, when there are more than ZS_QUERY_PARAMS parameters, or when one that would go
 * or move is not harmless: a name of other bytes than A-Z a-z 0-9 _ - (PHP reads '.', '+' and '[' as '_'), or
 * none; a value of bytes that may be decoded to something else ('=', a quote, '%' before what is neither 20
 * nor 80 to FF), or more than ZS_PARAM_MAX bytes, which might make the origin answer an error.
 *
 * What becomes of a parameter depends on its own bytes alone, so a canonical target is canonical for itself
 * and never one that had to be keyed as sent: of those, none can meet it. Two targets that do meet have the
 * same path and the same parameters that count, byte for byte, and differ only in harmless ones that the
 * operator named or in the order of different names.
 */
#ifndef ZS_QUERY_H
#define ZS_QUERY_H

#include <zs/key.h>
#include <zs/pattern.h>

#define ZS_QUERY_PARAMS 32u
#define ZS_PARAM_MAX    256u
#define ZS_PARAM_NAME   64u /* bytes of a name that are looked at for its end */

#define ZS_QUERY_CLASS (ZS_CLASS_KEEP | ZS_CLASS_DROP | ZS_CLASS_SORT)

#define ZS_QUERY_RAW      0x01u /* keyed as it was sent */
#define ZS_QUERY_PATH_ODD 0x02u /* the path might be read in another way: it chooses no class */

#define ZS_QUERY_GONE (~0ull >> 1)

struct zs_param {
	__u16 start;
	__u16 name_end;
	__u16 end;
	__u16 odd; /* not harmless: it must neither go nor move */
};

/* --- a run of bytes: the path, or one parameter's value -------------------------------------------- */

/* What its bytes have in common, and what some of them have. Each test without a branch: the verifier would
 * follow it through the rest of the run. Goes on in steps, so that it looks at one of them only. */
struct zs_run {
	__u32 at;
	__u32 all;    /* marks */
	__u32 any;
	__u32 escape; /* 1: '%' stands before something else than 20 and 80 to FF: that has a meaning, or hides one */
	__u32 hop;    /* 1: "//", "/./" or "/..": an origin may drop them, and serve another path */
	__u32 last;   /* the last three bytes, the newest lowest */
	__u32 mark;   /* of the newest one */
};

#define ZS_RUN_STEP 128u /* bytes */

zs_inline void zs_run_begin(struct zs_run *run, __u32 at)
{
	run->at = at;
	run->all = 0xff;
	run->any = 0;
	run->escape = 0;
	run->hop = 0;
	run->last = 0;
	run->mark = 0;
}

/* Moves on to `stop` or the target's end, at most ZS_RUN_STEP bytes. 1: it is not there yet. */
zs_inline int zs_run_step(struct zs_run *run, const struct zs_request *r, const struct zs_tables *t, __u8 stop)
{
	__u32 start = run->at, end = r->line[0].end, last = run->last, mark = run->mark;
	__u32 all = run->all, any = run->any, escape = 0, hop = 0, i;

	for (i = 0; i < ZS_RUN_STEP; i++) {
		__u32 c = *zs_request_at(r, start + i), high;

		if (start + i >= end || c == stop)
			break;
		last = (last << 8 | c) & 0xffffff;
		high = mark / ZS_M_HIGH;
		mark = t->mark[c];
		all &= mark;
		any |= mark;
		high &= mark / ZS_M_HEX;
		escape |= zs_same(last >> 16, '%') & ~(high | zs_same(last & 0xffff, 0x3230 /* 20 */));
		hop |= zs_same(last & 0xffff, 0x2f2f) | zs_same(last, 0x2f2e2f) | zs_same(last, 0x2f2e2e);
	}
	run->at = start + i;
	run->last = last;
	run->mark = mark;
	run->all = all;
	run->any = any;
	zs_set_bits(&run->escape, escape & 1);
	zs_set_bits(&run->hop, hop & 1);
	return i == ZS_RUN_STEP;
}

/* At its end: what is cut off there. */
zs_inline void zs_run_end(struct zs_run *run)
{
	__u32 last = run->last;

	zs_set_bits(&run->escape, zs_same(last & 0xff, '%') | zs_same(last >> 8 & 0xff, '%'));
	zs_set_bits(&run->hop, zs_same(last & 0xffff, 0x2f2e));
}

/* The work space of one target. Positions are those of the request's head. */
struct zs_query {
	__u8 text[ZS_TARGET_MAX + 64]; /* the canonical target; slack for wide stores */
	__u64 place[ZS_QUERY_PARAMS];  /* parameters stay in the order of these; ZS_QUERY_GONE: left out */
	struct zs_param param[ZS_QUERY_PARAMS];
	__u32 order[ZS_QUERY_PARAMS];
	__u32 flags; /* ZS_QUERY_* */
	__u32 path_end;
	__u32 at;    /* where the next parameter begins */
	__u32 count; /* of parameters */
	__u32 kept;
	__u32 len;   /* of the text */
	struct zs_run run;
};

/* --- the path, and the parameters ------------------------------------------------------------------- */

/* The first step, for targets that fit the key. zs_run_step() up to '?' and zs_query_path_end() follow. */
zs_inline void zs_query_path_begin(struct zs_query *q, const struct zs_request *r)
{
	q->flags = 0;
	zs_run_begin(&q->run, r->line[0].value);
}

/* Where the path ends, and whether it may choose a class. */
zs_inline void zs_query_path_end(struct zs_query *q)
{
	zs_run_end(&q->run);
	q->path_end = q->run.at;
	if (!(q->run.all & ZS_M_PATH) || q->run.escape || q->run.hop)
		zs_set_bits(&q->flags, ZS_QUERY_PATH_ODD);
}

/* After zs_query_path(). */
zs_inline void zs_query_begin(struct zs_query *q)
{
	__u32 i;

	for (i = 0; i < ZS_QUERY_PARAMS; i++)
		q->place[i] = ZS_QUERY_GONE;
	q->at = q->path_end + 1;
	q->count = 0;
	q->kept = 0;
	q->len = 0;
}

/* The next parameter's name; zs_run_step() up to '&' and zs_query_param_end() follow. 1: there are too many. */
zs_inline int zs_query_param_begin(struct zs_query *q, const struct zs_request *r, const struct zs_tables *t)
{
	__u32 start = q->at, end = r->line[0].end, n = q->count, all = ZS_M_NAME, any = 0, i;
	struct zs_param *p = &q->param[n & (ZS_QUERY_PARAMS - 1)];

	if (n >= ZS_QUERY_PARAMS) {
		zs_set_bits(&q->flags, ZS_QUERY_RAW);
		return 1;
	}
	for (i = 0; i < ZS_PARAM_NAME; i++) {
		__u8 c = *zs_request_at(r, start + i);

		if (start + i >= end || c == '&' || c == '=')
			break;
		all &= t->mark[c];
		any |= t->mark[c];
	}
	p->start = (__u16)start;
	p->name_end = (__u16)(start + i);
	p->odd = !all || !i || i == ZS_PARAM_NAME;
	zs_run_begin(&q->run, start + i);
	q->run.any = any;
	if (start + i < end && *zs_request_at(r, start + i) == '=')
		q->run.at = start + i + 1;
	return 0;
}

/* 1: it was the last one. */
zs_inline int zs_query_param_end(struct zs_query *q, const struct zs_request *r)
{
	__u32 n = q->count, end = q->run.at;
	struct zs_param *p = &q->param[n & (ZS_QUERY_PARAMS - 1)];

	zs_run_end(&q->run);
	if (!(q->run.all & ZS_M_VALUE) || q->run.escape || end - p->start > ZS_PARAM_MAX)
		p->odd = 1;
	if (q->run.any & ZS_M_CUT)
		zs_set_bits(&q->flags, ZS_QUERY_RAW);
	p->end = (__u16)end;
	q->count = n + 1;
	q->at = end + 1;
	return end >= r->line[0].end;
}

/* Of a name in lower case. Its bytes behind the label do not count: that only makes more names keep their
 * order. Somebody who finds two of one hash has found two that keep theirs. */
zs_inline __u64 zs_label_hash(const struct zs_label *l)
{
	__u64 h = l->len * 0x9e3779b97f4a7c15ull;

	ZS_UNROLL
	for (int k = 0; k < ZS_PATTERN_WORDS; k++)
		h = ((h ^ h >> 29) + l->word[k]) * 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 32;
}

/* Parameter n: whether it stays, and where. */
zs_inline void zs_query_judge(struct zs_query *q, const struct zs_request *r, const struct zs_class *class, __u32 n)
{
	const struct zs_param *p = &q->param[n & (ZS_QUERY_PARAMS - 1)];
	__u32 flags = class->flags, params = class->params, start = p->start, i;
	int keeping = !!(flags & ZS_CLASS_KEEP), sorting = !!(flags & ZS_CLASS_SORT);
	struct zs_label label, lower;
	__u64 hit = 0;

	zs_label_load(&label, r, start, (__u32)(p->name_end - start) & 0xffff);
	lower = label;
	zs_label_lower(&lower);
	for (i = 0; i < ZS_CLASS_PARAMS; i++) {
		if (i >= params)
			break;
		hit |= keeping ? zs_pattern_match(&class->param[i], &lower, 1)
			       : zs_pattern_match(&class->param[i], &label, 0);
	}
	if (!keeping)
		hit = flags & ZS_CLASS_DROP ? hit ^ 1 : 1;
	if ((!hit || sorting) && p->odd)
		zs_set_bits(&q->flags, ZS_QUERY_RAW);
	if (!hit)
		return;
	q->place[n & (ZS_QUERY_PARAMS - 1)] =
		n | (sorting ? zs_label_hash(&lower) >> 2 & ~(__u64)(ZS_QUERY_PARAMS - 1) : 0);
	q->kept++;
}

/* Puts parameter n where it belongs: behind all those of a lower place, no two of which are equal. */
zs_inline void zs_query_rank(struct zs_query *q, __u32 n)
{
	__u64 mine = q->place[n & (ZS_QUERY_PARAMS - 1)], rank = 0;
	__u32 i;

	for (i = 0; i < ZS_QUERY_PARAMS; i++)
		rank += (q->place[i] - mine) >> 63;
	if (mine != ZS_QUERY_GONE)
		q->order[rank & (ZS_QUERY_PARAMS - 1)] = n;
}

/* Appends [start, end) of the head, and `before` in front of it unless that is 0. */
zs_inline void zs_query_append(struct zs_query *q, const struct zs_request *r, __u8 before, __u32 start, __u32 end)
{
	__u32 at = *(volatile __u32 *)&q->len, len = end - start, o;

	if (at + len >= sizeof(q->text) - 8 || len > ZS_TARGET_MAX)
		return; /* cannot be: it is no longer than the target */
	if (before)
		q->text[at++ & (ZS_TARGET_MAX - 1)] = before;
	for (o = 0; o < ZS_TARGET_MAX; o += 8) {
		__u64 to = (__u64)at + o;

		zs_pin(to);
		if (o >= len || to > sizeof(q->text) - 8)
			break;
		zs_store64(&q->text[to], zs_load64(zs_request_at(r, start + o)));
	}
	q->len = at + len;
}

/* Appends the path (n is 0), or the parameter at place n - 1. */
zs_inline void zs_query_append_nth(struct zs_query *q, const struct zs_request *r, __u32 n)
{
	const struct zs_param *p = &q->param[q->order[(n - 1) & (ZS_QUERY_PARAMS - 1)] & (ZS_QUERY_PARAMS - 1)];

	zs_query_append(q, r, n > 1 ? '&' : n ? '?' : 0, n ? p->start : r->line[0].value, n ? p->end : q->path_end);
}

/* Whether the class says anything about this target's query. */
zs_inline int zs_query_wanted(const struct zs_query *q, const struct zs_request *r, const struct zs_class *class)
{
	return (class->flags & ZS_QUERY_CLASS) && q->path_end < r->line[0].end;
}

/* Whether the text is something else than the target as it was sent; asked when all parameters were judged. */
zs_inline int zs_query_changes(const struct zs_query *q, const struct zs_class *class)
{
	return !(q->flags & ZS_QUERY_RAW) && (q->kept != q->count || (class->flags & ZS_CLASS_SORT));
}

/* Moves to `stop`, or to the target's end. */
zs_inline void zs_run_on(struct zs_run *run, const struct zs_request *r, const struct zs_tables *t, __u8 stop)
{
	__u32 n;

	for (n = 0; n <= ZS_TARGET_MAX / ZS_RUN_STEP; n++)
		if (!zs_run_step(run, r, t, stop))
			break;
}

zs_inline void zs_query_path(struct zs_query *q, const struct zs_request *r, const struct zs_tables *t)
{
	zs_query_path_begin(q, r);
	zs_run_on(&q->run, r, t, '?');
	zs_query_path_end(q);
}

/* All steps, after zs_query_path(). 1: q->text holds q->len bytes of canonical target; 0: it is the target
 * as it was sent. */
zs_inline int zs_query_canonical(struct zs_query *q, const struct zs_request *r, const struct zs_tables *t,
				 const struct zs_class *class)
{
	__u32 n;

	if (!zs_query_wanted(q, r, class))
		return 0;
	zs_query_begin(q);
	for (n = 0; n <= ZS_QUERY_PARAMS; n++) {
		if (zs_query_param_begin(q, r, t))
			break;
		zs_run_on(&q->run, r, t, '&');
		if (zs_query_param_end(q, r))
			break;
	}
	for (n = 0; n < q->count; n++)
		zs_query_judge(q, r, class, n);
	if (!zs_query_changes(q, class))
		return 0;
	for (n = 0; n < q->count; n++)
		zs_query_rank(q, n);
	for (n = 0; n <= q->kept; n++)
		zs_query_append_nth(q, r, n);
	return 1;
}

/* The canonical target as the key's; the parts before it are there. */
zs_inline void zs_key_put_canonical(struct zs_key *k, const struct zs_query *q)
{
	__u32 at = zs_key_target_at(k), len = q->len, o;

	k->target_len = (__u16)len;
	for (o = 0; o < ZS_TARGET_MAX; o += 8) {
		__u64 to = (__u64)at + o;

		zs_pin(to);
		if (o >= len || to > ZS_KEY_TEXT_MAX - 8)
			break;
		zs_store64(&k->text[to], zs_keep_bytes(zs_load64(&q->text[o]), len - o));
	}
}

#endif
