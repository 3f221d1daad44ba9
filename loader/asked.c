// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading a request head that the recogniser has found strict. Whatever is not so after all is not plain. */
#include "asked.h"

#include <string.h>
#include <zs/key.h>

/* The line at *pos without its CRLF; *pos moves behind it. false: no more. */
static bool line_next(const struct zs_asked *asked, size_t *pos, struct zs_text *line)
{
	const uint8_t *begin = asked->head + *pos, *lf;

	if (*pos >= asked->head_len)
		return false;
	lf = memchr(begin, '\n', asked->head_len - *pos);
	if (!lf || lf == begin)
		return false;
	*line = (struct zs_text){begin, (size_t)(lf - begin) - 1};
	*pos += line->len + 2;
	return line->len > 0;
}

static struct zs_text name_of(struct zs_text line)
{
	return (struct zs_text){line.p, zs_token_len(line)};
}

bool zs_asked_has(const struct zs_asked *asked, const char *name)
{
	struct zs_text line;
	size_t pos = 0;

	line_next(asked, &pos, &line);
	while (line_next(asked, &pos, &line))
		if (zs_text_is(name_of(line), name))
			return true;
	return false;
}

bool zs_asked_lower(const struct zs_asked *asked)
{
	static const char *const folded[] = {"host", "x-forwarded-host", "x-forwarded-proto"};
	struct zs_text line;
	size_t pos = 0;

	line_next(asked, &pos, &line);
	while (line_next(asked, &pos, &line)) {
		if (!zs_text_in(name_of(line), folded, sizeof(folded) / sizeof(folded[0])))
			continue;
		for (size_t i = name_of(line).len; i < line.len; i++)
			if (line.p[i] >= 'A' && line.p[i] <= 'Z')
				return false;
	}
	return true;
}

bool zs_asked_plain(const struct zs_asked *asked)
{
	struct zs_text line;
	size_t pos = 0;

	line_next(asked, &pos, &line);
	while (line_next(asked, &pos, &line)) {
		size_t name = name_of(line).len;

		if (!name || line.len - name > ZS_ASKED_VALUE_MAX + 2)
			return false;
		for (size_t i = name; i < line.len; i++)
			if (line.p[i] < ' ' || line.p[i] > '~')
				return false;
	}
	return true;
}

struct zs_text zs_asked_target(const struct zs_asked *asked)
{
	const uint8_t *end = asked->head + asked->head_len;
	const uint8_t *from = memchr(asked->head, ' ', asked->head_len), *to;

	if (!from)
		return (struct zs_text){asked->head, 0};
	from++;
	to = memchr(from, ' ', (size_t)(end - from));
	return (struct zs_text){from, to ? (size_t)(to - from) : 0};
}

void zs_asked_place(const struct zs_asked *asked, struct zs_text *host, struct zs_text *path)
{
	const struct zs_key *k = &asked->key;
	const uint8_t *query;

	*host = (struct zs_text){k->text, k->host_len};
	if (k->xfh_len)
		*host = (struct zs_text){k->text + zs_pad8(k->host_len), k->xfh_len};
	*path = zs_asked_target(asked);
	query = memchr(path->p, '?', path->len);
	if (query)
		path->len = (size_t)(query - path->p);
}

bool zs_asked_normalised(const struct zs_asked *asked)
{
	struct zs_text target = zs_asked_target(asked);

	return target.len != asked->key.target_len ||
	       memcmp(target.p, asked->key.text + zs_key_target_at(&asked->key), target.len);
}

bool zs_asked_ordinary(const struct zs_asked *asked)
{
	return asked->head_len <= ZS_POLICY_PLAIN_HEAD_MAX && zs_asked_plain(asked) && !zs_asked_normalised(asked);
}
