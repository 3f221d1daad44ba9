/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether TCP memory is short. An answer is charged to the socket's receive side when it is queued; where
 * the kernel refuses that, send() fails with ENOMEM (v6.18 bpf_tcp_ingress). So nothing is answered then.
 */
#ifndef ZS_PRESSURE_H
#define ZS_PRESSURE_H

#include <stdbool.h>

/* From the text of /proc/net/sockstat ("TCP: ... mem N") and of /proc/sys/net/ipv4/tcp_mem ("low pressure
 * max"), all in pages: N is above low. False where either cannot be read. */
bool zs_tcp_pressure_of(const char *sockstat, const char *tcp_mem);

/* The same for this machine, now. */
bool zs_tcp_pressure(void);

#endif
