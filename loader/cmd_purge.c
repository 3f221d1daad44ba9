// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * purge: raises the generation of a URL's bucket, or the flush number. Both are compared on every hit, and
 * were read when the requests of recordings in flight left: nothing older survives, stored or not. (By
 * X-Forwarded-Host only what is stored can be found: purge --all also voids what is in flight.)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <curl/curl.h>
#include <zs/key.h>

#include "command.h"
#include "log.h"
#include "snapshot.h"

struct purge {
	char host[ZS_HOST_MAX + 1]; /* lower case, with its port if not the scheme's own */
	char target[ZS_TARGET_MAX + 1];
	uint64_t *generations;
	uint64_t objects; /* valid ones that became void */
};

/* Scheme and authority of the URL by libcurl; path and query byte for byte, as they are compared. */
static int url_split(const char *url, struct purge *p)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	const char *rest = strstr(url, "://");
	int err = -EINVAL;

	if (!u || !rest || curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0))
		goto out;
	curl_url_get(u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
	rest += 3 + strcspn(rest + 3, "/?#");
	if (*rest && *rest != '/')
		goto out;
	if ((size_t)snprintf(p->host, sizeof(p->host), "%s%s%s", host, port ? ":" : "", port ? port : "") >=
		    sizeof(p->host) ||
	    (size_t)snprintf(p->target, sizeof(p->target), "%s", *rest ? rest : "/") >= sizeof(p->target))
		goto out;
	p->target[strcspn(p->target, "#")] = 0;
	for (char *c = p->host; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 'a' - 'A');
	err = 0;
out:
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	if (err)
		zs_error("--url '%s': give an absolute URL, for example https://example.org/path?query", url);
	return err;
}

static void bucket_raise(struct purge *p, uint32_t bucket)
{
	__atomic_fetch_add(&p->generations[bucket], 1, __ATOMIC_SEQ_CST);
}

/* The bucket that a request for the URL has at each origin, stored or not: what is in flight is void too. */
static int origins_raise(struct purge *p, const struct zs_maps *maps, const struct zs_ctl *ctl)
{
	static struct zs_key key;
	struct zs_origin_key at, next;
	struct zs_origin origin;
	void *from = NULL;
	uint32_t host = (uint32_t)strlen(p->host), target = (uint32_t)strlen(p->target);

	while (!bpf_map_get_next_key(maps->fd[ZS_MAP_origins], from, &next)) {
		at = next;
		from = &at;
		if (bpf_map_lookup_elem(maps->fd[ZS_MAP_origins], &at, &origin))
			continue;
		memset(&key, 0, sizeof(key));
		key.origin = origin.id;
		key.target_len = (uint16_t)target;
		key.host_len = (uint16_t)host;
		memcpy(key.text, p->host, host);
		memcpy(key.text + zs_key_target_at(&key), p->target, target);
		bucket_raise(p, zs_key_bucket(&key, ctl->seed[0], ctl->seed[1]));
	}
	return 0;
}

static bool part_is(const struct zs_key *key, enum zs_key_part part, const char *text)
{
	uint32_t len;
	const char *p = zs_key_text_of(key, part, &len);

	return len == strlen(text) && !memcmp(p, text, len);
}

/* Stored objects whose visitors see that URL: by Host, or by X-Forwarded-Host where Caddy rewrites Host. */
static int object_raise(void *user, const struct zs_seen_object *s)
{
	struct purge *p = user;

	if (!part_is(s->key, ZS_KEY_TARGET, p->target) ||
	    (!part_is(s->key, ZS_KEY_HOST, p->host) && !part_is(s->key, ZS_KEY_XFH, p->host)))
		return 0;
	p->objects += s->valid;
	bucket_raise(p, s->object->bucket);
	return 0;
}

static int count_valid(void *user, const struct zs_seen_object *s)
{
	*(uint64_t *)user += s->valid;
	return 0;
}

static int purge_all(const struct zs_maps *maps, struct zs_ctl *ctl, uint64_t *objects)
{
	int err = zs_snapshot(maps, count_valid, objects);

	__atomic_fetch_add(&ctl->flush, 1, __ATOMIC_SEQ_CST);
	return err;
}

/* Objects first: raising their bucket makes them void, and they would not be counted after the origins'. */
static int purge_url(struct purge *p, const struct zs_maps *maps, const struct zs_ctl *ctl)
{
	int err = zs_snapshot(maps, object_raise, p);

	return err ? err : origins_raise(p, maps, ctl);
}

int zs_cmd_purge(const struct zs_options *o)
{
	static struct purge p;
	struct zs_instance instance;
	struct zs_maps maps;
	struct zs_ctl *ctl;
	int code = zs_need_root("purge"), err;

	if (code)
		return code;
	if (o->all == !!o->url) {
		zs_error("purge: give either --url URL or --all");
		return ZS_EXIT_USAGE;
	}
	if (o->url && url_split(o->url, &p))
		return ZS_EXIT_USAGE;
	code = zs_command_maps(o, &instance, &maps);
	if (code)
		return code;
	ctl = zs_ctl_map(&maps);
	p.generations = zs_map_view(maps.fd[ZS_MAP_gens], ZS_GENERATIONS * sizeof(uint64_t));
	if (!ctl || !p.generations)
		err = -errno;
	else
		err = o->all ? purge_all(&maps, ctl, &p.objects) : purge_url(&p, &maps, ctl);
	if (err)
		zs_error("purge: %s", strerror(-err));
	if (ctl)
		munmap(ctl, sizeof(*ctl));
	if (p.generations)
		munmap(p.generations, ZS_GENERATIONS * sizeof(uint64_t));
	zs_maps_close(&maps);
	if (!err && o->json) {
		json_t *answer = zs_answer_begin();

		json_object_set_new(answer, "purged", json_integer((json_int_t)p.objects));
		zs_answer_print(answer);
	} else if (!err) {
		printf("purged %llu objects\n", (unsigned long long)p.objects);
	}
	return zs_exit_of(err);
}
