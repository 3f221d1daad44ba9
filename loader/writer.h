/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes heads into a buffer of fixed size; what does not fit shows once, at the end. */
#ifndef ZS_WRITER_H
#define ZS_WRITER_H

#include "text.h"

struct zs_writer {
	uint8_t *p; /* borrowed */
	size_t cap;
	size_t len;
	unsigned int fields;
	bool full; /* something did not fit: what is there is rubbish */
};

void zs_put(struct zs_writer *w, struct zs_text text);
void zs_put_string(struct zs_writer *w, const char *s);

/* One field line; counts it. */
void zs_put_field(struct zs_writer *w, struct zs_text name, struct zs_text value);

#endif
