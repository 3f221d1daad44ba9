// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reassembly against a model that keeps one flag per byte. Input: base, cap, then segments of two
 * bytes of offset (signed, and stretched where it is odd) and one of length.
 */
#include "reassembly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MAX 16384u

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static struct {
	uint8_t data[CAP_MAX];
	bool seen[CAP_MAX];
	size_t cap;
	bool dead;
} model;

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static int model_add(int64_t off, const uint8_t *data, size_t len)
{
	if (model.dead)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		int64_t at = off + (int64_t)i;

		if (at < 0 || at >= (int64_t)model.cap || model.seen[at]) {
			model.dead = true;
			return -EBADMSG;
		}
		model.seen[at] = true;
		model.data[at] = data[i];
	}
	return 0;
}

static void compare(const struct zs_reassembly *r)
{
	const uint8_t *data;
	size_t len = zs_reassembly_prefix(r, &data), want = 0;

	while (!model.dead && want < model.cap && model.seen[want])
		want++;
	expect(len == want);
	expect(!!data == !!len);
	expect(!len || !memcmp(data, model.data, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct zs_reassembly r;
	uint32_t base;
	uint16_t cap;

	if (len < 6)
		return 0;
	memcpy(&base, in, 4);
	memcpy(&cap, in + 4, 2);
	memset(&model, 0, sizeof(model));
	model.cap = cap % (CAP_MAX + 1);
	expect(!zs_reassembly_init(&r, base, model.cap));
	for (size_t i = 6; i + 3 <= len; i += 3) {
		size_t size = in[i + 2] & 1 ? in[i + 2] * 16u : in[i + 2] / 2u;
		uint8_t *segment = malloc(size ? size : 1);
		int16_t off;

		memcpy(&off, in + i, 2);
		for (size_t k = 0; k < size; k++)
			segment[k] = (uint8_t)(i * 31 + k);
		expect(zs_reassembly_add(&r, base + (uint32_t)(int32_t)off, segment, size) ==
		       model_add(off, segment, size));
		free(segment);
		compare(&r);
	}
	zs_reassembly_free(&r);
	return 0;
}
