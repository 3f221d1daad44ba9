// SPDX-License-Identifier: GPL-2.0-or-later
/* The operator's rules in the kernel, on real sockets: what is left of a query, whose cookies and
 * credentials do not matter, variants; and that user space decides the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lib/kern_world.h"
#include "../lib/kern_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define END	     "\r\n\r\n"

static const char *get(const char *target, const char *lines)
{
	static char text[4][ZS_HEAD_MAX];
	static unsigned int n;
	char *out = text[n++ % 4];

	snprintf(out, ZS_HEAD_MAX, "GET %s HTTP/1.1\r\nHost: rig\r\n%s\r\n", target, lines);
	return out;
}

/* --- queries ------------------------------------------------------------------------------------
 */

static const struct rules by_path = {
	.class = {"drop utm utm_*", "keep id", "sort", "drop utm sort"},
	.place = {{NULL, "/d", 1},
		  {NULL, "/k", 2},
		  {NULL, "/s", 3},
		  {NULL, "/b", 4},
		  {NULL, "/d/no", 0}},
};

static const struct {
	const char *stored, *asked;
	bool hit;
} queries[] = {
	{"/d", "/d", true},
	{"/d", "/d?utm=1", true},
	{"/d", "/d?utm_a=1&utm_b=2&utm", true},
	{"/d?a=1", "/d?utm=3&a=1", true},
	{"/d?a=1", "/d?a=1&utm=3", true},
	{"/d?a=1&b=2", "/d?a=1&utm=3&b=2", true},
	{"/d?a=1&b=2", "/d?b=2&utm=3&a=1", false},
	{"/d", "/d?", false},
	{"/d?", "/d?utm=1", false},
	{"/d", "/d?a=1", false},
	{"/d", "/d?UTM=1", false},
	{"/d", "/d?utm=1;a=1", false},
	{"/d", "/d?utm=1?a=1", false},
	{"/d", "/d?utm=1%26a=1", false},
	{"/d", "/d?utm%5fa=1", false},
	{"/d", "/d?utm_a[]=1", false},
	{"/d", "/d?utm.a=1", false},
	{"/d?utm=1%26a=1", "/d?utm=1%26a=1", true},
	{"/d/no", "/d/no?utm=1", false},
	{"/d/x", "/d/x?utm=1", true},
	{"/d//x", "/d//x?utm=1", false},
	{"/d/../x", "/d/../x?utm=1", false},
	{"/d/%2e%2e/x", "/d/%2e%2e/x?utm=1", false},
	{"/d;a", "/d;a?utm=1", false},
	{"/D", "/D?utm=1", false},
	{"/", "/?utm=1", false},
	{"/k", "/k?a=1&b=2", true},
	{"/k?id=1", "/k?a=1&id=1&utm=2", true},
	{"/k?id=1", "/k?id=2", false},
	{"/k?id=1", "/k?ID=1", false},
	{"/k", "/k?ID=1", false},
	{"/k", "/k?%69d=1", false},
	{"/k", "/k?a=1;id=1", false},
	{"/k?id=1&id=2", "/k?id=1&a&id=2", true},
	{"/k?id=1&id=2", "/k?id=2&id=1", false},
};

static void test_queries(void **state)
{
	(void)state;
	rules_set(&by_path);
	for (size_t i = 0; i < COUNT(queries); i++) {
		kern.rig.ctl->flush++; /* what the rows before stored */
		rules_put(get(queries[i].stored, ""), queries[i].stored, 0);
		if (queries[i].hit)
			rules_hit(get(queries[i].asked, ""), queries[i].stored);
		else
			kern_pass(get(queries[i].asked, ""));
	}
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
}

/* Different names change places, equal ones do not. */
static void test_sorting(void **state)
{
	static const char *const same[] = {"a=1&b=2&a=3", "b=2&a=1&a=3", "a=1&a=3&b=2"};
	static const char *const other[] = {"a=3&b=2&a=1",  "a=1&b=2",	   "a=1&b=2&A=3",
					    "a=1&b=2&a=3&", "a=1;b=2&a=3", "a=1&b.=2&a=3"};
	char target[64];

	(void)state;
	rules_set(&by_path);
	rules_put(get("/s?a=1&b=2&a=3", ""), "/s", 0);
	rules_put(get("/b?b=2&a=1&a=3", ""), "/b", 0);
	for (size_t i = 0; i < COUNT(same); i++) {
		snprintf(target, sizeof(target), "/s?%s", same[i]);
		rules_hit(get(target, ""), "/s");
		snprintf(target, sizeof(target), "/b?utm=%zu&%s", i, same[i]);
		rules_hit(get(target, ""), "/b");
	}
	for (size_t i = 0; i < COUNT(other); i++) {
		snprintf(target, sizeof(target), "/s?%s", other[i]);
		kern_pass(get(target, ""));
	}
}

static void test_without_rules(void **state)
{
	(void)state;
	rules_set(&by_path);
	rules_set(NULL);
	assert_int_equal(kern.rig.ctl->scopes + kern.rig.ctl->vary, 0);
	rules_put(get("/d", ""), "/d", 0);
	rules_hit(get("/d", ""), "/d");
	kern_pass(get("/d?utm=1", ""));
	kern_pass(get("/d", "Cookie: a=1\r\n"));
	rules_hit(get("/d", "Accept: text/html\r\n"), "/d");
}

/* RFC 9111 4.4 by the key that the target has: what the class leaves out does not hide it. */
static void test_unsafe(void **state)
{
	(void)state;
	rules_set(&by_path);
	for (int passive = 0; passive < 2; passive++) {
		kern_redial();
		rules_put(get("/d?a=1", "Accept-Encoding: gzip\r\n"), "/gz", 0);
		rules_put(get("/d?a=1", ""), "/d", 0);
		rules_put(get("/d?a=2", ""), "/d2", 0);
		rules_hit(get("/d?a=1&utm=1", ""), "/d");
		if (passive)
			kern_pass("GET /x HTTP/1.0\r\n\r\n");
		kern_pass("POST /d?utm=1&a=1 HTTP/1.1\r\nHost: RIG\r\nCookie: x\r\nContent-Length: "
			  "0" END);
		kern_redial();
		kern_pass(get("/d?a=1", ""));
		kern_pass(get("/d?utm=1&a=1", "Accept-Encoding: gzip\r\n"));
		rules_hit(get("/d?a=2", ""), "/d2");
	}
}

/* --- places -------------------------------------------------------------------------------------
 */

static const struct rules by_place = {
	.class = {"drop a", "drop b", "drop c", "drop d"},
	.place = {{NULL, "/", 1},
		  {NULL, "/long/path/", 2},
		  {"Shop.example:8080", "/", 3},
		  {"shop.example:8080", "/long", 4},
		  {"plain.example", "/only", 2}},
};

static const struct {
	const char *host, *path;
	uint32_t class;
} places[] = {
	{"rig", "/", 1},
	{"rig", "/x", 1},
	{"rig", "/long/path/x", 2},
	{"rig", "/long/path", 1},
	{"shop.example:8080", "/x", 3},
	{"SHOP.example:8080", "/long/path/x", 4},
	{"shop.example:8080", "/lon", 3},
	{"shop.example", "/x", 1},
	{"plain.example", "/only/x", 2},
	{"plain.example", "/x", 1},
	{"plain.example\r\nX-Forwarded-Host: shop.example:8080", "/x", 3},
	{"shop.example:8080\r\nX-Forwarded-Host: other", "/x", 1},
	{"rig", "//x", 0},
	{"rig", "/a/./x", 0},
	{"rig", "/%61", 0},
	{"rig", "/caf%C3%A9%20", 1},
};

static void test_places(void **state)
{
	char head[512], got[ZS_TARGET_MAX + 1], text[256];

	(void)state;
	rules_set(&by_place);
	assert_int_equal(kern.rig.ctl->scopes, 5);
	for (size_t i = 0; i < COUNT(places); i++) {
		uint32_t class = 99;

		snprintf(head, sizeof(head), "GET %s?a&b&c&d HTTP/1.1\r\nHost: %s" END,
			 places[i].path, places[i].host);
		assert_true(rules_decide(head, &class));
		if (class != places[i].class)
			fail_msg("%s %s: %u", places[i].host, places[i].path, class);
		rules_put(head, "/placed", 0);
		snprintf(head, sizeof(head), "GET %s?%s HTTP/1.1\r\nHost: %s" END, places[i].path,
			 (const char *[]){"a&b&c&d", "b&c&d", "a&c&d", "a&b&d", "a&b&c"}[class],
			 places[i].host);
		rules_hit(head, "/placed");
		if (strchr(places[i].host, '\r'))
			continue;
		snprintf(text, sizeof(text), "%s?a&b&c&d", places[i].path);
		assert_int_equal(
			zs_key_canonical(&kern.rig.maps, kern.rig.ctl, places[i].host, text, got),
			0);
		assert_memory_equal(got, head + 4, strcspn(head + 4, " "));
		assert_int_equal(strlen(got), strcspn(head + 4, " "));
	}
	assert_int_equal(zs_key_canonical(&kern.rig.maps, kern.rig.ctl, "rig", "/ a?a", got), 0);
	assert_string_equal(got, "/ a?a");
}

/* --- cookies and credentials ---------------------------------------------------------------------
 */

static const struct rules by_visitor = {
	.class = {"cookies _ga* consent", "auth", "auth cookies seen"},
	.place = {{NULL, "/c", 1}, {NULL, "/a", 2}, {NULL, "/ac", 3}},
};

static const struct {
	const char *path, *lines;
	bool hit;
} visitors[] = {
	{"/c", "", true},
	{"/c", "Cookie: _ga=1\r\n", true},
	{"/c", "Cookie: _ga=1; _ga_X=GS1.2; consent=yes\r\n", true},
	{"/c", "Cookie: _ga=1; session=1\r\n", false},
	{"/c", "Cookie: session=1\r\n", false},
	{"/c", "Cookie: _ga=1, session=1\r\n", false},
	{"/c", "Cookie: _ga=1 session=1\r\n", false},
	{"/c", "Cookie: _ga=\"1; consent=1\"\r\n", false},
	{"/c", "Cookie: _ga=1;\r\n", false},
	{"/c", "Cookie:\r\n", false},
	{"/c", "Cookie: _ga=1\r\nCookie: consent=1\r\n", false},
	{"/c", "Authorization: Basic YTpi\r\n", false},
	{"/c", "Cookie: _ga=1\r\nAuthorization: Basic YTpi\r\n", false},
	{"/a", "Authorization: Bearer x\r\n", true},
	{"/a", "Cookie: _ga=1\r\n", false},
	{"/a", "Cookie: _ga=1\r\nAuthorization: Basic YTpi\r\n", false},
	{"/ac", "Cookie: seen=1\r\nAuthorization: Basic YTpi\r\n", true},
	{"/x", "Cookie: _ga=1\r\n", false},
	{"/x", "Authorization: Basic YTpi\r\n", false},
	{"/c/../x", "Cookie: _ga=1\r\n", false},
};

static void test_visitors(void **state)
{
	char lines[1024];

	(void)state;
	rules_set(&by_visitor);
	for (size_t i = 0; i < COUNT(visitors); i++) {
		uint64_t bypassed = kern_count(ZS_COUNT_bypassed);

		rules_put(get(visitors[i].path, ""), visitors[i].path, ZS_OBJECT_AUTHORIZED);
		if (visitors[i].hit)
			rules_hit(get(visitors[i].path, visitors[i].lines), visitors[i].path);
		else
			kern_pass(get(visitors[i].path, visitors[i].lines));
		if (kern_count(ZS_COUNT_bypassed) - bypassed != !visitors[i].hit)
			fail_msg("%s %s", visitors[i].path, visitors[i].lines);
	}
	for (unsigned int n = ZS_COOKIES; n <= ZS_COOKIES + 1; n++) {
		size_t len = (size_t)sprintf(lines, "Cookie: _ga=0");

		for (unsigned int k = 1; k < n; k++)
			len += (size_t)sprintf(lines + len, "; _ga%u=%u", k, k);
		sprintf(lines + len, "\r\n");
		if (n == ZS_COOKIES)
			rules_hit(get("/c", lines), "/c");
		else
			kern_pass(get("/c", lines));
	}
	assert_int_equal(rules_announced(), 0);
	assert_int_equal(kern_count(ZS_COUNT_passive), 0);
	kern_pass(get("/a", "Authorization: Negotiate x\r\n"));
	assert_int_equal(kern_count(ZS_COUNT_passive), 1);
}

/* --- variants ------------------------------------------------------------------------------------
 */

static void test_variants(void **state)
{
	static const struct rules r = {.vary = {"Accept-Language", "Origin"}};
	static const char *const lines[] = {"",
					    "Accept-Language: en-US, de;q=0.5\r\n",
					    "Accept-Language: de\r\n",
					    "Accept-Language:\r\n",
					    "Origin: https://a.example\r\n",
					    "Accept-Language: de\r\nOrigin: https://a.example\r\n",
					    "Origin: https://A.example\r\n"};
	char name[16];

	(void)state;
	rules_set(&r);
	assert_int_equal(kern.rig.ctl->vary, 2);
	for (size_t i = 0; i < COUNT(lines); i++) {
		snprintf(name, sizeof(name), "/v%zu", i);
		kern_pass(get("/v", lines[i]));
		assert_int_equal(rules_announced(), 1);
		rules_put(get("/v", lines[i]), name, 0);
		assert_int_equal(zs_key_len(&rules.decision.key), rules.event.key_len);
		assert_memory_equal(&rules.decision.key, &rules.event.key, rules.event.key_len);
	}
	for (size_t i = 0; i < COUNT(lines); i++) {
		snprintf(name, sizeof(name), "/v%zu", i);
		rules_hit(get("/v", lines[i]), name);
	}
	rules_hit(get("/v", "ORIGIN: https://a.example\r\naccept-language:de\r\n"), "/v5");
	rules_hit(get("/v", "Accept-Language: en-us,de;q=0.5\r\n"), "/v1");
	rules_hit(get("/v", "Accept-Language: DE\r\n"), "/v2"); /* answered, but see the next one */
	kern_pass(get("/w", "Accept-Language: DE\r\n"));
	assert_int_equal(rules_announced(), 0);
	kern_pass(get("/v", "Accept-Language: d e\r\n"));
	kern_pass(get("/v", "Accept-Language: de\r\nAccept-Language: de\r\n"));
	assert_int_equal(rules_announced(), 0);
	kern_pass("POST /v HTTP/1.1\r\nHost: rig\r\nAccept-Language: fr\r\nContent-Length: 0" END);
	for (size_t i = 0; i < COUNT(lines); i++)
		kern_pass(get("/v", lines[i]));
	rules_set(NULL); /* Origin passes requests on again, Accept-Language is nobody's business */
	rules_put(get("/v", ""), "/v", 0);
	rules_hit(get("/v", "Accept-Language: d e\r\n"), "/v");
	kern_pass(get("/v", "Origin: https://a.example\r\n"));
}

/* --- the kernel and user space come to the same decision
 * ------------------------------------------- */

static const char *one_of(const char *const *texts, size_t count)
{
	return texts[kern_random((uint32_t)count)];
}

static void random_head(char *head)
{
	static const char *const paths[] = {"/d", "/k",	  "/s",	   "/b",    "/c/x",
					    "/",  "/d//", "/d/..", "/c%20", "/k%2e"};
	static const char *const params[] = {
		"a=1", "b",	"utm=1",    "utm_x=2", "id=1",	"ID=2",	 "a=1;b", "a.b",  "",
		"=",   "a=%26", "a=%C3%A9", "B=2",     "x[]=1", "c-d=~", "a?b",	  "a=b=c"};
	static const char *const fields[] = {"Cookie: _ga=1\r\n",
					     "Cookie: s=1\r\n",
					     "Cookie: _ga=1; c=2\r\n",
					     "Cookie: c=1;\r\n",
					     "Authorization: Basic x\r\n",
					     "Accept: text/html, */*\r\n",
					     "Accept: a b\r\n",
					     "Accept: A\r\n",
					     "Accept: *\r\n",
					     "X-Kind: 1\r\n",
					     "X-Kind: A b\r\n",
					     "X-New: 1\r\n",
					     "Accept-Encoding: gzip\r\n",
					     "X-Forwarded-Host: shop\r\n",
					     "X-Forwarded-Proto: https\r\n",
					     "Cache-Control: no-cache\r\n"};
	size_t len = (size_t)sprintf(head, "GET %s", one_of(paths, COUNT(paths)));
	uint32_t n = kern_random(7);

	for (uint32_t i = 0; i < n; i++)
		len += (size_t)sprintf(head + len, "%c%s", i ? '&' : '?',
				       one_of(params, COUNT(params)));
	len += (size_t)sprintf(head + len, " HTTP/1.1\r\nHost: %s\r\n",
			       kern_random(2) ? "rig" : "shop");
	for (n = kern_random(4); n; n--)
		len += (size_t)sprintf(head + len, "%s", one_of(fields, COUNT(fields)));
	sprintf(head + len, "\r\n");
}

static const struct rules everything = {
	.class = {"drop utm utm_*", "keep id a", "sort", "drop utm sort cookies _ga* c",
		  "auth cookies c"},
	.place = {{NULL, "/d", 1},
		  {NULL, "/k", 2},
		  {"shop", "/s", 3},
		  {NULL, "/b", 4},
		  {"shop", "/c", 5}},
	.vary = {"Accept", "X-Kind"},
};

static void test_same_decisions(void **state)
{
	unsigned int recorded = 0, passed = 0;
	char head[ZS_HEAD_MAX];

	(void)state;
	rules_set(&everything);
	for (int i = 0; i < 6000; i++) {
		int want;

		random_head(head);
		want = rules_decide(head, NULL);
		kern_pass(head);
		if (rules_announced() != (want == 2))
			fail_msg("%d: %s", want, head);
		recorded += want == 2;
		passed += want != 2;
		if (rules.decision.request.flags & ZS_REQ_PASSIVE)
			kern_redial();
		if (want != 2)
			continue;
		if (rules.event.key_len != zs_key_len(&rules.decision.key) ||
		    memcmp(&rules.event.key, &rules.decision.key, rules.event.key_len))
			fail_msg("key of %s", head);
		assert_int_equal(rules.event.digest,
				 zs_key_digest(&rules.decision.key, kern.rig.ctl->seed[0],
					       kern.rig.ctl->seed[1]));
		assert_int_equal(rules.event.bucket,
				 zs_key_bucket(&rules.decision.key, kern.rig.ctl->seed[0],
					       kern.rig.ctl->seed[1]));
	}
	assert_true(recorded > 500 && passed > 500);
}

/* The request that was announced last, as the agent keeps it. */
static const struct zs_asked *last_asked(void)
{
	static struct zs_asked a;

	a.key = rules.event.key;
	a.key_len = rules.event.key_len;
	a.head_len = rules.event.head_len;
	memcpy(a.head, rules.event.head, a.head_len);
	return &a;
}

/* What the agent asks before it stores. */
static void test_confirmed(void **state)
{
	const struct zs_maps *maps = &kern.rig.maps;
	static struct zs_asked other;
	uint32_t flags = 0;

	(void)state;
	rules_set(&everything);
	kern_pass(get("/d?utm=1&a=1", "Accept: *\r\nX-Forwarded-Host: shop\r\n"));
	assert_int_equal(rules_announced(), 1);
	assert_int_equal(zs_class_confirm(maps, kern.rig.ctl, last_asked(), &flags), 0);
	assert_int_equal(flags & (ZS_REQ_AUTH | ZS_REQ_COOKIE), 0);
	kern_pass(
		get("/c/x", "X-Forwarded-Host: shop\r\nAuthorization: Basic x\r\nCookie: c=1\r\n"));
	assert_int_equal(rules_announced(), 1);
	assert_int_equal(zs_class_confirm(maps, kern.rig.ctl, last_asked(), &flags), 0);
	assert_int_equal(flags & (ZS_REQ_AUTH | ZS_REQ_COOKIE), ZS_REQ_AUTH | ZS_REQ_COOKIE);
	other = *last_asked();
	other.key.text[0] ^= 1;
	assert_int_equal(zs_class_confirm(maps, kern.rig.ctl, &other, &flags), -ESTALE);
	rules_set(&by_path); /* where nobody may authenticate himself */
	assert_int_equal(zs_class_confirm(maps, kern.rig.ctl, last_asked(), &flags), -ESTALE);
	rules_set(NULL);
	assert_int_equal(zs_class_confirm(maps, kern.rig.ctl, last_asked(), &flags), -ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULES_TEST(test_queries),	RULES_TEST(test_sorting),
		RULES_TEST(test_without_rules), RULES_TEST(test_unsafe),
		RULES_TEST(test_places),	RULES_TEST(test_visitors),
		RULES_TEST(test_variants),	RULES_TEST(test_same_decisions),
		RULES_TEST(test_confirmed),

	};
	const struct CMUnitTest last[] = {KERN_LAST};
	int failed = cmocka_run_group_tests(tests, kern_open_v4, kern_close);

	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
