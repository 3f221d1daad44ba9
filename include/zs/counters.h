/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The counters as an enum; the list itself is counters.def. */
#ifndef ZS_COUNTERS_H
#define ZS_COUNTERS_H

enum zs_counter {
#define ZS_COUNTER(id, unit, sentence) ZS_COUNT_##id,
#include <zs/counters.def>
#undef ZS_COUNTER
	ZS_COUNTERS
};

#endif
