// SPDX-License-Identifier: GPL-2.0-or-later
/* Heads are short and written rarely: a check per piece is cheap. */
#include "writer.h"

#include <string.h>

void zs_put(struct zs_writer *w, struct zs_text text)
{
	if (w->full || text.len > w->cap - w->len) {
		w->full = true;
		return;
	}
	if (text.len)
		memcpy(w->p + w->len, text.p, text.len);
	w->len += text.len;
}

void zs_put_string(struct zs_writer *w, const char *s)
{
	zs_put(w, (struct zs_text){(const uint8_t *)s, strlen(s)});
}

void zs_put_field(struct zs_writer *w, struct zs_text name, struct zs_text value)
{
	zs_put(w, name);
	zs_put_string(w, ": ");
	zs_put(w, value);
	zs_put_string(w, "\r\n");
	w->fields++;
}
