/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts the payload of one recorded response in order: segments come with TCP sequence numbers, in
 * any order, and each byte once. What the bytes mean is response.h's question. No I/O, no clock.
 */
#ifndef ZS_REASSEMBLY_H
#define ZS_REASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_REASSEMBLY_CAP_MAX (1u << 30) /* bytes; half the sequence space would be the limit */

/* Private. Memory follows the highest byte seen, up to the cap and an eighth of it. */
struct zs_reassembly {
	uint8_t *data;
	uint64_t *seen; /* a bit per byte of data */
	size_t room;	/* bytes that data holds, a multiple of 64 */
	size_t cap;
	size_t prefix; /* bytes from base on without a gap */
	uint32_t base;
	bool dead;
};

/*
 * `base` is the sequence number of the first byte, `cap` the most bytes taken from there on.
 * Allocates nothing. -EINVAL: cap is above ZS_REASSEMBLY_CAP_MAX; r is untouched.
 */
int zs_reassembly_init(struct zs_reassembly *r, uint32_t base, size_t cap);

/*
 * Copies a segment that begins at `seq` (RFC 9293 3.4: counted modulo 2^32). A gap before it is
 * only not contiguous yet. No bytes, wherever they stand: 0, and nothing happens.
 *
 * -EBADMSG: a byte lies before base, beyond the cap, or was seen before, be it the same; -ENOMEM.
 * Either way the recording is dead for good: its memory is gone, each further call returns
 * -EBADMSG.
 */
int zs_reassembly_add(struct zs_reassembly *r, uint32_t seq, const void *data, size_t len);

/*
 * The bytes from base up to the first gap; their number is returned, and *data set, to null where
 * there are none. Owned by r, valid until the next zs_reassembly_add() or _free(). A dead recording
 * has none.
 */
size_t zs_reassembly_prefix(const struct zs_reassembly *r, const uint8_t **data);

/* Gives the memory back. r is then dead; freeing it again is harmless. */
void zs_reassembly_free(struct zs_reassembly *r);

#endif
