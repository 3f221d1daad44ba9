// SPDX-License-Identifier: GPL-2.0-or-later
/* Segments in any order become one run of bytes, or nothing at all. */
#include "reassembly.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct segment {
	uint32_t seq;
	const char *data;
	int result;
	const char *prefix; /* afterwards */
};

struct row {
	const char *name;
	uint32_t base;
	size_t cap;
	struct segment segment[6];
};

static const struct row rows[] = {
	{"in order", 100, 64, {{100, "abc", 0, "abc"}, {103, "def", 0, "abcdef"}}},
	{"reversed", 100, 64, {{103, "def", 0, ""}, {100, "abc", 0, "abcdef"}}},
	{"two gaps",
	 100,
	 64,
	 {{104, "e", 0, ""}, {102, "c", 0, ""}, {100, "ab", 0, "abc"}, {103, "d", 0, "abcde"}}},
	{"wrap within a segment",
	 0xfffffffe,
	 64,
	 {{0xfffffffe, "abcd", 0, "abcd"}, {2, "ef", 0, "abcdef"}}},
	{"wrap between segments, reversed",
	 0xfffffffe,
	 64,
	 {{0, "cd", 0, ""}, {0xfffffffe, "ab", 0, "abcd"}}},
	{"base 0", 0, 64, {{0, "a", 0, "a"}}},
	{"before base", 100, 64, {{99, "a", -EBADMSG, ""}}},
	{"reaches base from before", 100, 64, {{99, "ab", -EBADMSG, ""}}},
	{"before base, wrapped", 0, 64, {{0xffffffff, "ab", -EBADMSG, ""}}},
	{"far before base", 100, 64, {{0x80000064, "a", -EBADMSG, ""}}},
	{"same again", 100, 64, {{100, "abc", 0, "abc"}, {100, "abc", -EBADMSG, ""}}},
	{"same again, other bytes", 100, 64, {{100, "abc", 0, "abc"}, {100, "xyz", -EBADMSG, ""}}},
	{"overlaps the end", 100, 64, {{100, "abc", 0, "abc"}, {102, "cd", -EBADMSG, ""}}},
	{"overlaps behind a gap", 100, 64, {{105, "fg", 0, ""}, {103, "def", -EBADMSG, ""}}},
	{"contains an island", 100, 64, {{102, "c", 0, ""}, {100, "abcde", -EBADMSG, ""}}},
	{"within an island", 100, 64, {{102, "cde", 0, ""}, {103, "d", -EBADMSG, ""}}},
	{"exactly the cap", 100, 4, {{100, "abcd", 0, "abcd"}}},
	{"one over the cap", 100, 4, {{100, "abcde", -EBADMSG, ""}}},
	{"ends over the cap", 100, 4, {{102, "abc", -EBADMSG, ""}}},
	{"begins at the cap", 100, 4, {{104, "a", -EBADMSG, ""}}},
	{"last byte of the cap", 100, 4, {{103, "d", 0, ""}, {100, "abc", 0, "abcd"}}},
	{"no room at all", 100, 0, {{100, "a", -EBADMSG, ""}}},
	{"no bytes, anywhere", 100, 4, {{100, "", 0, ""}, {7, "", 0, ""}, {100, "a", 0, "a"}}},
	{"dead stays dead",
	 100,
	 64,
	 {{100, "abc", 0, "abc"},
	  {90, "a", -EBADMSG, ""},
	  {103, "d", -EBADMSG, ""},
	  {103, "", -EBADMSG, ""}}},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct zs_reassembly r;

		print_message("  %s\n", row->name);
		assert_int_equal(zs_reassembly_init(&r, row->base, row->cap), 0);
		for (size_t k = 0; k < 6 && row->segment[k].data; k++) {
			const struct segment *s = &row->segment[k];
			const uint8_t *data;
			size_t len;

			assert_int_equal(zs_reassembly_add(&r, s->seq, s->data, strlen(s->data)),
					 s->result);
			len = zs_reassembly_prefix(&r, &data);
			assert_int_equal(len, strlen(s->prefix));
			if (len)
				assert_memory_equal(data, s->prefix, len);
			else
				assert_null(data);
		}
		zs_reassembly_free(&r);
	}
}

/* Every length and alignment across the words of the bit map, and growth from island to island. */
static void test_alignments(void **state)
{
	static uint8_t bytes[9000];
	(void)state;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t cut = 1; cut < 200; cut++) {
		struct zs_reassembly r;
		const uint8_t *data;

		assert_int_equal(zs_reassembly_init(&r, 0xfffff000, sizeof(bytes)), 0);
		for (size_t off = cut; off < sizeof(bytes); off += 2 * cut) {
			size_t len = off + cut < sizeof(bytes) ? cut : sizeof(bytes) - off;

			assert_int_equal(zs_reassembly_add(&r, (uint32_t)(0xfffff000 + off),
							   bytes + off, len),
					 0);
			assert_int_equal(zs_reassembly_prefix(&r, &data), 0);
		}
		for (size_t off = 0; off < sizeof(bytes); off += 2 * cut) {
			size_t len = off + cut < sizeof(bytes) ? cut : sizeof(bytes) - off;
			size_t want = off + 2 * cut < sizeof(bytes) ? off + 2 * cut : sizeof(bytes);

			assert_int_equal(zs_reassembly_add(&r, (uint32_t)(0xfffff000 + off),
							   bytes + off, len),
					 0);
			assert_int_equal(zs_reassembly_prefix(&r, &data), want);
		}
		assert_memory_equal(data, bytes, sizeof(bytes));
		zs_reassembly_free(&r);
	}
}

static void test_copies(void **state)
{
	struct zs_reassembly r;
	char segment[] = "abc";
	const uint8_t *data;
	(void)state;

	assert_int_equal(zs_reassembly_init(&r, 1, 64), 0);
	assert_int_equal(zs_reassembly_add(&r, 1, segment, 3), 0);
	memset(segment, 'x', 3);
	assert_int_equal(zs_reassembly_prefix(&r, &data), 3);
	assert_memory_equal(data, "abc", 3);
	zs_reassembly_free(&r);
}

static void test_limits(void **state)
{
	struct zs_reassembly r = {.base = 77};
	const uint8_t *data;
	(void)state;

	assert_int_equal(zs_reassembly_init(&r, 1, (size_t)ZS_REASSEMBLY_CAP_MAX + 1), -EINVAL);
	assert_int_equal(r.base, 77);
	assert_int_equal(zs_reassembly_init(&r, 1, ZS_REASSEMBLY_CAP_MAX), 0);
	assert_int_equal(zs_reassembly_add(&r, 1, "a", 1), 0);
	assert_true(r.room <= 4096);
	/* memory is given back at once, and freeing twice does no harm */
	assert_int_equal(zs_reassembly_add(&r, 1, "a", 1), -EBADMSG);
	assert_null(r.data);
	assert_null(r.seen);
	zs_reassembly_free(&r);
	zs_reassembly_free(&r);
	assert_int_equal(zs_reassembly_prefix(&r, &data), 0);
	assert_int_equal(zs_reassembly_add(&r, 1, "a", 1), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_alignments),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
