/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the front of the index (struct zs_front_line). Pure. */
#ifndef ZS_FRONT_WORD_H
#define ZS_FRONT_WORD_H

#include <zs/request.h>

zs_inline __u64 zs_front_word(__u64 digest, __u32 page)
{
	return (digest & ~0xffffffffull) | (page + 1);
}

/* Not empty, and of this digest or one that shares its line and its upper half. */
zs_inline int zs_front_matches(__u64 word, __u64 digest)
{
	return (__u32)word && !((word ^ digest) >> 32);
}

zs_inline __u32 zs_front_page(__u64 word)
{
	return (__u32)word - 1;
}

#endif
