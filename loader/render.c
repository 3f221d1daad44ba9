// SPDX-License-Identifier: GPL-2.0-or-later
/* Two selections of fields, one end. */
#include "render.h"

#include "date.h"
#include "hop.h"
#include "writer.h"

#include <zs/abi.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

typedef bool keep_fn(struct zs_text name);

static bool keep_most(struct zs_text name)
{
	static const char *const dropped[] = {"age", "content-length", "surrogate-control"};

	return !zs_text_in(name, dropped, LENGTH(dropped));
}

static bool keep_for_304(struct zs_text name)
{
	static const char *const kept[] = {
		"cache-control", "cdn-cache-control", "content-location", "date",
		"etag",		 "expires",	      "last-modified",	  "vary",
	};

	return zs_text_in(name, kept, LENGTH(kept));
}

static void put_received(struct zs_writer *w, const struct zs_response *r, keep_fn *keep,
			 const char *date)
{
	bool dated = false;

	for (unsigned int i = 0; i < r->fields; i++) {
		struct zs_text name = zs_response_name(r, i);

		if (!keep(name) || zs_hop_field(r, name))
			continue;
		dated |= zs_text_is(name, "date");
		zs_put_field(w, name, zs_response_value(r, i));
	}
	if (!dated)
		zs_put_field(w, (struct zs_text){(const uint8_t *)"Date", 4},
			     (struct zs_text){(const uint8_t *)date, strlen(date)});
}

/* A field whose value ends in a slot; returns the slot's offset. */
static uint32_t put_slot(struct zs_writer *w, const char *begin)
{
	static const char blanks[] = "          ";
	size_t off;

	_Static_assert(sizeof(blanks) - 1 == ZS_SLOT_DIGITS, "blanks do not fill a slot");
	zs_put_string(w, begin);
	off = w->len;
	zs_put_string(w, blanks);
	zs_put_string(w, "\r\n");
	w->fields++;
	return (uint32_t)off;
}

static int finish(struct zs_writer *w, struct zs_rendered *out)
{
	struct zs_rendered done;

	done.age_off = put_slot(w, "Age: ");
	done.ttl_off = put_slot(w, "Cache-Status: " ZS_CACHE_STATUS);
	zs_put_string(w, "\r\n");
	if (w->full || w->fields > ZS_RESPONSE_FIELDS_MAX)
		return -E2BIG;
	done.head_len = (uint32_t)w->len;
	*out = done;
	return 0;
}

static struct zs_writer writer(uint8_t *buf, size_t cap)
{
	return (struct zs_writer){.p = buf,
				  .cap = cap < ZS_ANSWER_HEAD_MAX ? cap : ZS_ANSWER_HEAD_MAX};
}

static void put_status_line(struct zs_writer *w, const struct zs_response *r)
{
	char begin[32];

	snprintf(begin, sizeof(begin), "HTTP/1.1 %u ", r->status);
	zs_put_string(w, begin);
	if (r->reason_len)
		zs_put(w, (struct zs_text){r->head + r->reason, r->reason_len});
	else if (r->status == 200)
		zs_put_string(w, "OK");
	zs_put_string(w, "\r\n");
}

int zs_render_head(const struct zs_response *r, uint64_t body_len, int64_t wall, uint8_t *buf,
		   size_t cap, struct zs_rendered *out)
{
	struct zs_writer w = writer(buf, cap);
	char date[ZS_HTTP_DATE_LEN + 1], length[48];

	if (r->status == 304 || (r->status == 204 && body_len) || zs_http_date_format(wall, date))
		return -EINVAL;
	put_status_line(&w, r);
	put_received(&w, r, keep_most, date);
	if (r->status != 204) {
		snprintf(length, sizeof(length), "Content-Length: %llu\r\n",
			 (unsigned long long)body_len);
		zs_put_string(&w, length);
		w.fields++;
	}
	return finish(&w, out);
}

int zs_render_not_modified(const struct zs_response *r, int64_t wall, uint8_t *buf, size_t cap,
			   struct zs_rendered *out)
{
	struct zs_writer w = writer(buf, cap);
	char date[ZS_HTTP_DATE_LEN + 1];

	if (r->status != 200 || zs_http_date_format(wall, date))
		return -EINVAL;
	zs_put_string(&w, "HTTP/1.1 304 Not Modified\r\n");
	put_received(&w, r, keep_for_304, date);
	return finish(&w, out);
}
