// SPDX-License-Identifier: GPL-2.0-or-later
/* The one place where the maps are defined; see include/zs/bpf/maps.h. */
#define ZS_DEFINE_MAPS
#include <zs/bpf/maps.h>
#include <zs/bpf/fails.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 zs_fail_at = ZS_FAIL_NEVER;
