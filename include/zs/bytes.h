/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small things that the pure headers share, the same in BPF and in user space: unaligned loads,
 * lower case in words, and a way to keep a value opaque to the verifier.
 */
#ifndef ZS_BYTES_H
#define ZS_BYTES_H

#include <zs/abi.h>

#ifdef ZS_BPF
#define zs_inline static __attribute__((always_inline)) inline
#define zs_zero(ptr, size) __builtin_memset(ptr, 0, size)
#define ZS_UNROLL _Pragma("unroll")
#else
#include <string.h>
#define zs_inline static inline
#define zs_zero(ptr, size) memset(ptr, 0, size)
#define ZS_UNROLL
#endif

/* BPF on machines with efficient unaligned access (x86-64, arm64) loads whole words from any place; the
 * compiler is not told that they may be unaligned, or it would load byte by byte. */
#ifdef ZS_BPF
typedef __u64 __attribute__((may_alias)) zs_u64_unaligned;
#else
typedef __u64 __attribute__((aligned(1), may_alias)) zs_u64_unaligned;
#endif

/* Keeps a value in one register from here on, so that the verifier sees the check and the use of the same
 * one. Put it between computing a value and checking it. */
#ifdef ZS_BPF
#define zs_pin(var) asm volatile("" : "+r"(var))
#else
#define zs_pin(var) ((void)(var))
#endif

zs_inline __u64 zs_load64(const __u8 *p)
{
	return *(const zs_u64_unaligned *)p;
}

zs_inline void zs_store64(__u8 *p, __u64 v)
{
	*(zs_u64_unaligned *)p = v;
}

/* 1: equal; 0: not. Without a branch, which the verifier would follow both ways. */
zs_inline __u32 zs_same(__u32 a, __u32 b)
{
	__u64 diff = a ^ b;

	zs_pin(diff);
	return (__u32)((diff - 1) >> 63);
}

/* Keeps the first n bytes in memory order, n from 0 to 8, and clears the others. */
zs_inline __u64 zs_keep_bytes(__u64 word, __u32 n)
{
	if (n >= 8)
		return word;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word & ((1ull << (n * 8)) - 1);
#else
	return n ? word & ~(~0ull >> (n * 8)) : 0;
#endif
}

/* ASCII capitals to lower case in every byte; all other bytes as they are. */
zs_inline __u64 zs_lower8(__u64 w)
{
	const __u64 ones = 0x0101010101010101ull;
	__u64 low = w & (ones * 0x7f);
	__u64 above_z = low + ones * (0x7f - 'Z');
	__u64 from_a = low + ones * (0x80 - 'A');
	__u64 capital = ~w & (ones * 0x80) & (from_a ^ above_z);

	return w | (capital >> 2);
}

#endif
