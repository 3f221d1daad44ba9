// SPDX-License-Identifier: GPL-2.0-or-later
/* Canonical targets: what the class names goes, stays or moves; whatever an origin might read in
 * another way leaves the target as it was sent. */
#include "fields.h"

#include <zs/query.h>

#include "../lib/class_of.h"
#include "../lib/rules_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct zs_tables tables;
static struct zs_request req;
static struct zs_query query;

static void request_of(const char *target)
{
	size_t len;

	memset(&req, rand(), sizeof(req));
	len = (size_t)sprintf((char *)req.head, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
	assert_int_equal(zs_request_scan(&req, &tables, (__u32)len), ZS_SCAN_OK);
}

/* The key's target, in a static buffer, from a work space full of something else. */
static const char *canonical(const struct zs_class *class, const char *target)
{
	static char out[ZS_TARGET_MAX + 1];
	static struct zs_key k;

	request_of(target);
	zs_request_fields(&req, &tables);
	memset(&query, rand(), sizeof(query));
	memset(&k, 0xee, sizeof(k));
	zs_key_begin(&k, &req, 1);
	zs_key_put_name(&k, &req, ZS_KEY_HOST);
	zs_query_path(&query, &req, &tables);
	if (zs_query_canonical(&query, &req, &tables, class))
		zs_key_put_canonical(&k, &query);
	else
		zs_key_put_target(&k, &req);
	for (__u32 i = k.target_len; i < zs_pad8(k.target_len); i++)
		assert_int_equal(k.text[zs_key_target_at(&k) + i], 0);
	memcpy(out, k.text + zs_key_target_at(&k), k.target_len);
	out[k.target_len] = 0;
	return out;
}

static const struct row {
	const char *class, *target, *want; /* null: as it was sent */
} rows[] = {
	{"drop utm", "/x?utm=1", "/x"},
	{"drop utm", "/x?utm", "/x"},
	{"drop utm", "/x?utm=", "/x"},
	{"drop utm", "/x?utm=1&a=2", "/x?a=2"},
	{"drop utm", "/x?a=2&utm=1", "/x?a=2"},
	{"drop utm", "/x?a=2&utm=1&b=3", "/x?a=2&b=3"},
	{"drop utm", "/x?utm=1&a=2&utm=3", "/x?a=2"},
	{"drop utm", "/x?b=1&a=2&b=3", NULL},
	{"drop utm_* gclid", "/?utm_a=1&utm_=2&gclid=3&utm=4&gclidx=5", "/?utm=4&gclidx=5"},
	{"drop utm", "/x", NULL},
	{"drop utm", "/x?", NULL},
	{"drop utm", "/x?UTM=1", NULL},
	{"drop utm", "/x?ut=1&utmx=2", NULL},
	{"drop utm", "/utm=1&utm=2", NULL},
	{"drop utm", "/x?utm=1&", "/x?"},
	{"drop utm", "/x?&utm=1", "/x?"},
	{"drop utm", "/x?utm=1&&a", "/x?&a"},
	{"drop utm", "/a%2fb/../c?utm=1", "/a%2fb/../c"},
	{"drop utm", "/x?utm=a%20b%C3%a9", "/x"},
	{"drop utm", "/x?utm=a.b~c+d,e:f/g@h!i*j|k-l_m", "/x"},
	{"drop utm", "/x?a=1%26b&c[]=2&d.e=\"&utm=1", "/x?a=1%26b&c[]=2&d.e=\""},
	{"drop abcdefghijklmnopqrstuvwxyz012345", "/?abcdefghijklmnopqrstuvwxyz012345=1", "/"},
	{"drop abcdefghijklmnopqrstuvwxyz012345", "/?abcdefghijklmnopqrstuvwxyz0123456=1", NULL},
	{"drop abcdefghijklmnopqrstuvwxyz01234", "/?abcdefghijklmnopqrstuvwxyz012345=1", NULL},
	{"drop abcdefghijklmnopqrstuvwxyz01234*", "/?abcdefghijklmnopqrstuvwxyz0123456789=1", "/"},
	{"drop *", "/x?a=1&b=2", "/x"},
	{"drop", "/x?a=1", NULL},

	{"keep id", "/x?id=1", NULL},
	{"keep id", "/x?a=1", "/x"},
	{"keep id", "/x?a=1&id=2&b=3", "/x?id=2"},
	{"keep id", "/x?id=1&id=2&a", "/x?id=1&id=2"},
	{"keep id", "/x?ID=1&a=2&iD=3", "/x?ID=1&iD=3"},
	{"keep Id", "/x?id=1&a=2&ID=3", "/x?id=1&ID=3"},
	{"keep id", "/x?id=1&idx=2&i=3", "/x?id=1"},
	{"keep f_*", "/x?f_a=1&g=2&F_b=3", "/x?f_a=1&F_b=3"},
	{"keep", "/x?a=1&b", "/x"},
	{"keep id", "/x", NULL},
	{"keep id", "/x?", NULL},
	{"keep id", "/x?id=1&", NULL},
	{"keep id", "/x?a&&id=1", NULL},
	{"keep id", "/x?=a&id=1", NULL},
	{"keep id", "/x?id=[\"]%26=&a=1", "/x?id=[\"]%26="},
	{"keep drop id", "/x?a=1&id=2", "/x?id=2"},
	{"", "/x?a=1", NULL},
	{"cookies a", "/x?a=1", NULL},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zs_class class = class_of(rows[i].class);
		const char *want = rows[i].want ? rows[i].want : rows[i].target;
		const char *got = canonical(&class, rows[i].target);

		if (strcmp(got, want))
			fail_msg("%s, %s: %s, not %s", rows[i].class, rows[i].target, got, want);
	}
}

/* Each of these would hide `id` from the key, or change it, if the origin read it differently. */
static const char *const cloaks[] = {
	"utm=1;id=2", ";id=2&utm=1",  "utm=1&id=2;",	"utm;=1",	"utm=1?id=2", "utm=1&a=2?",
	"?utm=1",     "utm=1%26id=2", "utm=1%26id%3d2", "utm=1%3Bid=2", "utm=%23",    "utm=%25",
	"utm=%0a",    "utm=%0d%0a",   "utm=%2526",	"utm=%",	"utm=%a",     "utm=%2",
	"utm=%g0",    "utm=%ag",      "utm=%%20",	"utm=%2%20",	"utm=1=2",    "utm==",
	"utm=\"",     "utm='",	      "utm=<",		"utm=>",	"utm=[",      "utm=]",
	"utm={}",     "utm=^",	      "utm=`",		"utm=$",	"utm=(1)",    "utm=%41",
	"utm=%61",    "utm=%7e",      "utm=%5c",	"utm=%2f",	"utm=%3f",
};

static void test_cloaking(void **state)
{
	static const char *const classes[] = {"drop utm", "keep id", "drop utm sort", "sort"};
	static const char *const names[] = {"%75tm", "utm%", "ut+m", "+utm", "utm.", "utm[]",
					    "utm[a", "ut.m", "u t",  "",     "a%",   "[",
					    "\"",    "a:b",  "a/b",  "a@",   "a|",   "a,b"};
	char target[256];
	(void)state;

	for (size_t k = 0; k < COUNT(classes); k++) {
		struct zs_class class = class_of(classes[k]);

		for (size_t i = 0; i < COUNT(cloaks); i++) {
			snprintf(target, sizeof(target), "/x?%s", cloaks[i]);
			assert_string_equal(canonical(&class, target), target);
			snprintf(target, sizeof(target), "/x?id=1&%s&z=1", cloaks[i]);
			assert_string_equal(canonical(&class, target), target);
		}
		/* names that nobody named, in a class that would have to drop or move them */
		for (size_t i = 0; k && i < COUNT(names); i++) {
			if (strchr(names[i], ' '))
				continue;
			snprintf(target, sizeof(target), "/x?a=1&%s=2&id=3", names[i]);
			assert_string_equal(canonical(&class, target), target);
		}
	}
}

/* Behind the bytes of a name that are looked at for its end. */
static void test_long_names(void **state)
{
	struct zs_class class = class_of("keep id");
	char target[256];
	(void)state;

	for (int n = 60; n < 70; n++) {
		snprintf(target, sizeof(target), "/x?%0*d&id=1", n, 1);
		assert_string_equal(canonical(&class, target),
				    n < (int)ZS_PARAM_NAME ? "/x?id=1" : target);
		snprintf(target, sizeof(target), "/x?%0*d+a.b&id=1", n, 1);
		assert_string_equal(canonical(&class, target), target);
	}
}

/* A prefix does not make a name plain. */
static void test_prefix_of_an_odd_name(void **state)
{
	struct zs_class class = class_of("drop utm_*");
	(void)state;

	assert_string_equal(canonical(&class, "/x?utm_%41=1"), "/x?utm_%41=1");
	assert_string_equal(canonical(&class, "/x?utm_[]=1&utm_a=2"), "/x?utm_[]=1&utm_a=2");
	assert_string_equal(canonical(&class, "/x?utm_.=1"), "/x?utm_.=1");
	assert_string_equal(canonical(&class, "/x?utm%5f=1&utm_a"), "/x?utm%5f=1");
}

static void test_limits(void **state)
{
	struct zs_class drop = class_of("drop u"), keep = class_of("keep a");
	char target[2 * ZS_TARGET_MAX], want[2 * ZS_TARGET_MAX];
	(void)state;

	for (unsigned int n = 30; n < 40; n++) {
		size_t len = (size_t)sprintf(target, "/?u=1&a=0&u=2");

		for (unsigned int i = 3; i < n; i++)
			len += (size_t)sprintf(target + len, "&a=%u", i);
		if (n <= ZS_QUERY_PARAMS)
			snprintf(want, sizeof(want), "/?a=0%s", target + 13);
		assert_string_equal(canonical(&drop, target), n <= ZS_QUERY_PARAMS ? want : target);
		assert_string_equal(canonical(&keep, target), n <= ZS_QUERY_PARAMS ? want : target);
	}
	for (size_t n = ZS_PARAM_MAX - 5; n < ZS_PARAM_MAX + 5; n++) {
		snprintf(target, sizeof(target), "/?a=1&u=%0*d&a=2", (int)n - 2, 7);
		assert_string_equal(canonical(&drop, target),
				    n <= ZS_PARAM_MAX ? "/?a=1&a=2" : target);
		snprintf(target, sizeof(target), "/?a=1&%0*d&a=2", (int)n - 200, 7);
		assert_string_equal(canonical(&keep, target),
				    n - 200 < ZS_PARAM_NAME ? "/?a=1&a=2" : target);
	}
	/* as long as a target can be, at every place of the '?' */
	for (size_t path = 1; path < ZS_TARGET_MAX; path += 41) {
		memset(target, '/', ZS_TARGET_MAX);
		memset(target + path, 'b', ZS_TARGET_MAX - path);
		target[ZS_TARGET_MAX] = 0;
		if (path + 4 < ZS_TARGET_MAX)
			memcpy(target + path, "?u&a", 4);
		snprintf(want, sizeof(want), "%.*s?%s", (int)path, target, target + path + 3);
		assert_string_equal(canonical(&drop, target),
				    path + 4 < ZS_TARGET_MAX ? want : target);
	}
}

/* --- against a model ----------------------------------------------------------------------------
 */

static const char *const pieces[] = {"a",
				     "a=1",
				     "A=2",
				     "b",
				     "b=",
				     "b=%20",
				     "utm=1",
				     "utm_x=2",
				     "utm_=3",
				     "UTM=4",
				     "id=1",
				     "ID=2",
				     "id",
				     "c-d=1",
				     "c_d=1",
				     "",
				     "=",
				     "=1",
				     "a=1;b=2",
				     "a?b",
				     "a.b=1",
				     "a[]=1",
				     "+a=1",
				     "%61=1",
				     "a=%26",
				     "a=%C3%A9",
				     "a=1=2",
				     "z=.~",
				     "q=\"",
				     "very-long-name-of-a-parameter-that-goes-on=1",
				     "very-long-name-of-a-parameter-that-goes-off=1"};
static const char *const classes[] = {
	"drop utm", "drop utm utm_* a", "keep id",	    "keep a b utm_*",
	"sort",	    "drop utm sort",	"keep a id b sort", ""};

static void random_target(char *out, bool tame)
{
	size_t len = (size_t)sprintf(out, "/%.*s", rand() % 3, "xy"), n = (size_t)(rand() % 9);

	for (size_t i = 0; i < n; i++)
		len += (size_t)sprintf(out + len, "%c%s", i ? '&' : '?',
				       pieces[(size_t)rand() % (tame ? 13 : COUNT(pieces))]);
}

static void test_model(void **state)
{
	static struct query_model m, got;
	char target[ZS_TARGET_MAX + 1], want[ZS_TARGET_MAX + 1], first[ZS_TARGET_MAX + 1];
	(void)state;

	srand(7);
	for (int n = 0; n < 40000; n++) {
		struct zs_class class = class_of(classes[n % (int)COUNT(classes)]);

		random_target(target, n & 64);
		query_model_split(&m, target);
		query_model_judge(&m, &class);
		if (m.raw || !m.query || !(class.flags & ZS_QUERY_CLASS))
			strcpy(want, target);
		else
			query_model_join(&m, want);
		strcpy(first, canonical(&class, target));
		if (m.raw || !(class.flags & ZS_CLASS_SORT)) {
			if (strcmp(first, want))
				fail_msg("%s: %s, not %s", target, first, want);
		} else {
			query_model_split(&got, first);
			if (strcmp(got.path, m.path) || !same_but_order(&got, &m))
				fail_msg("%s: %s", target, first);
		}
		/* canonical for itself, and never one that had to be keyed as sent */
		assert_string_equal(canonical(&class, first), first);
		assert_true(m.raw || !(query.flags & ZS_QUERY_RAW));
	}
}

/* Every order of the same parameters is one key, unless names equal but for case changed places. */
static void test_orders(void **state)
{
	struct zs_class class = class_of("sort");
	const char *p[] = {"a=1", "b=2", "A=3", "c", "b=4"};
	char target[128], seen[4][128];
	size_t found = 0, k;
	(void)state;

	for (int n = 0; n < 3125; n++) {
		int at[5] = {n % 5, n / 5 % 5, n / 25 % 5, n / 125 % 5, n / 625}, used = 0;

		for (int i = 0; i < 5; i++)
			used |= 1 << at[i];
		if (used != 31)
			continue;
		snprintf(target, sizeof(target), "/?%s&%s&%s&%s&%s", p[at[0]], p[at[1]], p[at[2]],
			 p[at[3]], p[at[4]]);
		for (k = 0; k < found && strcmp(seen[k], canonical(&class, target)); k++)
			;
		if (k < found)
			continue;
		assert_true(found < 4);
		strcpy(seen[found++], canonical(&class, target));
	}
	assert_int_equal(found, 4); /* a before A or not, b=2 before b=4 or not */
}

/* --- the path that chooses a class ---------------------------------------------------------------
 */

static const struct {
	const char *target;
	bool odd;
} paths[] = {
	{"/", false},		{"/a/b.c/", false},
	{"/a.b/..c", true},	{"/.well-known/x", false},
	{"//", true},		{"/a//b", true},
	{"/a/./b", true},	{"/a/../b", true},
	{"/a/..", true},	{"/a/.", true},
	{"/a/.?b", true},	{"/a/..?b", true},
	{"/...", true},		{"/a%2fb", true},
	{"/%2e/", true},	{"/%61", true},
	{"/a%20b", false},	{"/%C3%A9", false},
	{"/%c", true},		{"/a%", true},
	{"/a%?20", true},	{"/a;b", true},
	{"/a%3bb", true},	{"/a=b,c@d:e+f!g$h&i'(j)*~", false},
	{"/a\"b", true},	{"/a|b", true},
	{"/a?//../%2e", false}, {"/a.", false},
	{"/a./b", false},	{"/a../b", false},
	{"/a/.b", false},	{"/[a]", true},
};

static void test_paths(void **state)
{
	char target[ZS_TARGET_MAX + 1];
	(void)state;

	for (size_t i = 0; i < COUNT(paths); i++) {
		request_of(paths[i].target);
		zs_query_path(&query, &req, &tables);
		if (!(query.flags & ZS_QUERY_PATH_ODD) == paths[i].odd)
			fail_msg("%s", paths[i].target);
		assert_int_equal(query.path_end - req.line[0].value, strcspn(paths[i].target, "?"));
	}
	/* wherever a step of the run ends */
	for (size_t at = 2; at < 300; at++) {
		for (size_t i = 0; i < COUNT(paths); i++) {
			memset(target, 'x', at);
			target[0] = '/';
			strcpy(target + at, paths[i].target);
			request_of(target);
			zs_query_path(&query, &req, &tables);
			if (!(query.flags & ZS_QUERY_PATH_ODD) == paths[i].odd)
				fail_msg("%s", target);
		}
	}
}

static int setup(void **state)
{
	(void)state;
	return zs_fields_build(&tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	   cmocka_unit_test(test_cloaking),
		cmocka_unit_test(test_long_names), cmocka_unit_test(test_prefix_of_an_odd_name),
		cmocka_unit_test(test_limits),	   cmocka_unit_test(test_model),
		cmocka_unit_test(test_orders),	   cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
