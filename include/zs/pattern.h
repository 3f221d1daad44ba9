/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a name in a head is the one that the operator wrote, or begins as it does. Pure, and without a
 * branch: the verifier goes through many patterns along one path.
 */
#ifndef ZS_PATTERN_H
#define ZS_PATTERN_H

#include <zs/request.h>

#define ZS_PATTERN_WORDS 4 /* struct zs_pattern.text */

/* The beginning of a name, as it is written, zero padded; `len` is that of the whole name, which may be
 * longer. The name holds no NUL: the scan saw to that. */
struct zs_label {
	__u64 word[ZS_PATTERN_WORDS];
	__u32 len;
};

zs_inline void zs_label_load(struct zs_label *l, const struct zs_request *r, __u32 start, __u32 len)
{
	const __u8 *p = zs_request_at(r, start);

	l->len = len;
	ZS_UNROLL
	for (int k = 0; k < ZS_PATTERN_WORDS; k++)
		l->word[k] = zs_keep_bytes(zs_load64(p + 8 * k), len > 8u * k ? len - 8u * k : 0);
}

/* ASCII capitals to lower case: of names that somebody might read without regard to case. */
zs_inline void zs_label_lower(struct zs_label *l)
{
	ZS_UNROLL
	for (int k = 0; k < ZS_PATTERN_WORDS; k++)
		l->word[k] = zs_lower8(l->word[k]);
}

/* All ones in every byte that is not zero. */
zs_inline __u64 zs_bytes_there(__u64 w)
{
	const __u64 ones = 0x0101010101010101ull;
	__u64 high = (((w & (ones * 0x7f)) + ones * 0x7f) | w) & (ones * 0x80);

	return (high >> 7) * 0xff;
}

/* 1: the name is the pattern's, or begins with it where the pattern says so; 0: it is not. With `lower` the
 * case of the pattern does not matter; the label is in lower case then. */
zs_inline __u64 zs_pattern_match(const struct zs_pattern *p, const struct zs_label *l, int lower)
{
	__u64 exact = (__u64)(p->prefix & 1) - 1; /* all ones: the length counts as well */
	__u64 diff = (p->len ^ l->len) & exact;

	ZS_UNROLL
	for (int k = 0; k < ZS_PATTERN_WORDS; k++) {
		__u64 w = zs_load64(p->text + 8 * k);

		diff |= ((lower ? zs_lower8(w) : w) ^ l->word[k]) & zs_bytes_there(w);
	}
	return ((diff | (0 - diff)) >> 63) ^ 1;
}

#endif
