/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failure injection. Zero in service: the verifier knows the constant and drops every test of it. */
#ifndef ZS_BPF_FAILS_H
#define ZS_BPF_FAILS_H

#include <zs/fail.h>

extern const volatile __u32 zs_fail_at; /* bpf/maps.bpf.c; set before loading, by tests only */

/* Whether this step (enum zs_fail) is to fail. */
static __always_inline int fails(__u32 step)
{
	return zs_fail_at == step;
}

#endif
