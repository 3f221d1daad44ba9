// SPDX-License-Identifier: GPL-2.0-or-later
/* What a purge matches, and the ring of those that were announced. */
#include "purge.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <zs/key.h>

#include "clock.h"
#include "snapshot.h"
#include "tags.h"

/* --- matching -------------------------------------------------------------------------------- */

/* "host" or "[v6]": no port behind it. */
static bool port_missing(const uint8_t *host, uint32_t len)
{
	return host[len - 1] == ']' || !memchr(host, ':', len);
}

static bool host_is(const struct zs_key *key, enum zs_key_part part, const uint8_t *host, uint32_t len)
{
	uint32_t have;
	const char *text = zs_key_text_of(key, part, &have);

	if (have < len || memcmp(text, host, len))
		return false;
	return have == len || (text[len] == ':' && port_missing(host, len));
}

static bool target_matches(const struct zs_purge *p, const struct zs_key *key)
{
	uint32_t len = p->text_len - p->host_len, have;
	const char *target = zs_key_text_of(key, ZS_KEY_TARGET, &have);

	if (have < len || (p->kind == ZS_PURGE_URL && have != len))
		return false;
	return !memcmp(target, p->text + p->host_len, len);
}

static bool tag_matches(const struct zs_purge *p, const uint8_t *tags, uint32_t len)
{
	for (uint32_t at = 0; at < len;) {
		const uint8_t *end = memchr(tags + at, 0, len - at);
		uint32_t n = end ? (uint32_t)(end - tags) - at : len - at;

		if (n == p->text_len && !memcmp(tags + at, p->text, n))
			return true;
		at += n + 1;
	}
	return false;
}

bool zs_purge_matches(const struct zs_purge *p, const struct zs_key *key, const uint8_t *tags, uint32_t tags_len)
{
	if (p->text_len > sizeof(p->text) || p->host_len > p->text_len)
		return true;
	switch (p->kind) {
	case ZS_PURGE_PREFIX:
	case ZS_PURGE_URL:
		if (!target_matches(p, key))
			return false;
		return !p->host_len || host_is(key, ZS_KEY_HOST, p->text, p->host_len) ||
		       host_is(key, ZS_KEY_XFH, p->text, p->host_len);
	case ZS_PURGE_TAG: return tag_matches(p, tags, tags_len);
	default: return true;
	}
}

/* --- announcing ------------------------------------------------------------------------------ */

int zs_purge_set(struct zs_purge *p, enum zs_purge_kind kind, const char *host, const char *text)
{
	size_t host_len = host ? strlen(host) : 0, len = strlen(text);

	if (host_len > ZS_HOST_MAX || len > (kind == ZS_PURGE_TAG ? ZS_TAG_LEN_MAX : ZS_TARGET_MAX) ||
	    (kind == ZS_PURGE_TAG && (!len || host_len)))
		return -EINVAL;
	*p = (struct zs_purge){.kind = kind, .host_len = (uint32_t)host_len, .text_len = (uint32_t)(host_len + len)};
	if (host_len)
		memcpy(p->text, host, host_len);
	memcpy(p->text + host_len, text, len);
	return 0;
}

/* A reader that sees the number sees the rest; one that sees neither number takes the entry for lost. */
void zs_purge_announce(const struct zs_purge_view *v, struct zs_purge *p)
{
	uint64_t seq = __atomic_load_n(&v->ctl->purge_seq, __ATOMIC_SEQ_CST) + 1;
	struct zs_purge *entry = &v->ring[seq % ZS_PURGES];

	__atomic_store_n(&entry->seq, 0, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	p->seq = seq;
	p->time = zs_boot_ns();
	memcpy(&entry->time, &p->time, sizeof(*p) - offsetof(struct zs_purge, time));
	__atomic_store_n(&entry->seq, seq, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->ctl->purge_seq, seq, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* [I9]: before the index is read */
}

/* --- reading --------------------------------------------------------------------------------- */

bool zs_purge_read(const struct zs_purge_view *v, uint64_t seq, struct zs_purge *out)
{
	const struct zs_purge *entry = &v->ring[seq % ZS_PURGES];

	if (__atomic_load_n(&entry->seq, __ATOMIC_ACQUIRE) != seq)
		return false;
	memcpy(out, entry, sizeof(*out));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	out->seq = seq;
	return __atomic_load_n(&entry->seq, __ATOMIC_RELAXED) == seq;
}

bool zs_purge_newer(const struct zs_purge_view *v, uint64_t asked, const struct zs_key *key, const uint8_t *tags,
		    uint32_t tags_len)
{
	uint64_t newest = __atomic_load_n(&v->ctl->purge_seq, __ATOMIC_SEQ_CST);
	struct zs_purge p;

	for (uint64_t seq = newest; seq; seq--) {
		if (newest - seq >= ZS_PURGES || !zs_purge_read(v, seq, &p))
			return true;
		if (p.time < asked) /* so are all before it */
			return false;
		if (zs_purge_matches(&p, key, tags, tags_len))
			return true;
	}
	return false;
}
