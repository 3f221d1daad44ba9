// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's hold-off map, with exponential back-off. */
#include "holdoff.h"

#include <errno.h>
#include <zs/abi.h>

#include <bpf/bpf.h>

#include "clock.h"

uint32_t zs_holdoff_seconds(uint32_t level)
{
	uint32_t seconds = ZS_HOLDOFF_FIRST;

	while (level-- && seconds < ZS_HOLDOFF_LAST)
		seconds *= 2;
	return seconds < ZS_HOLDOFF_LAST ? seconds : ZS_HOLDOFF_LAST;
}

/* What is there; zeroes if nothing is. */
static struct zs_holdoff entry_read(int map_fd, uint64_t digest)
{
	struct zs_holdoff h;

	if (bpf_map_lookup_elem(map_fd, &digest, &h))
		h = (struct zs_holdoff){0};
	return h;
}

int zs_holdoff_add(int map_fd, uint64_t digest, uint64_t now, uint32_t reason)
{
	struct zs_holdoff h = entry_read(map_fd, digest);

	if (now < h.until) /* several were on their way when the first one was refused */
		return 0;
	if (h.until)
		h.level++;
	h.reason = reason;
	h.until = now + zs_holdoff_seconds(h.level) * ZS_NS;
	return bpf_map_update_elem(map_fd, &digest, &h, BPF_ANY) ? -errno : 0;
}

int zs_holdoff_note(int map_fd, uint64_t digest, uint64_t now, uint32_t reason)
{
	struct zs_holdoff h = entry_read(map_fd, digest);

	if (now < h.until)
		return 0;
	h.reason = reason;
	return bpf_map_update_elem(map_fd, &digest, &h, BPF_ANY) ? -errno : 0;
}

void zs_holdoff_clear(int map_fd, uint64_t digest)
{
	bpf_map_delete_elem(map_fd, &digest);
}
