// SPDX-License-Identifier: GPL-2.0-or-later
/* list: what is stored, as the kernel sees it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "log.h"
#include "snapshot.h"

struct listing {
	bool json;
	json_t *objects;
	uint64_t now;
	uint64_t count;
};

static const char *state_of(const struct listing *l, const struct zs_seen_object *s)
{
	if (!s->valid)
		return "void";
	return s->object->fresh_until > l->now ? "fresh" : "expired";
}

static int each(void *user, const struct zs_seen_object *s)
{
	struct listing *l = user;
	const struct zs_object *o = s->object;
	long long age = (long long)(l->now - o->born) / (long long)ZS_NS;
	long long ttl = ((long long)o->fresh_until - (long long)l->now) / (long long)ZS_NS;
	char url[ZS_KEY_TEXT_MAX + 16];

	zs_key_url(s->key, url, sizeof(url));
	l->count++;
	if (l->json)
		json_array_append_new(
			l->objects,
			json_pack("{s:s, s:s, s:I, s:I, s:I, s:i, s:i, s:I}", "url", url, "state", state_of(l, s),
				  "age", (json_int_t)age, "ttl", (json_int_t)ttl, "size", (json_int_t)o->body_len,
				  "status", (int)o->status, "encodings", (int)s->key->ae, "hits",
				  (json_int_t)o->hits));
	else
		printf("%-7s %8lld %8lld %8u  %s\n", state_of(l, s), age, ttl, o->body_len, url);
	return 0;
}

int zs_cmd_list(const struct zs_options *o)
{
	struct listing l = {.json = o->json, .objects = json_array(), .now = zs_boot_ns()};
	struct zs_instance instance;
	struct zs_maps maps;
	int code = zs_need_root("list"), err;

	if (!code)
		code = zs_command_maps(o, &instance, &maps);
	if (code) {
		json_decref(l.objects);
		return code;
	}
	if (!o->json)
		printf("%-7s %8s %8s %8s  %s\n", "state", "age/s", "ttl/s", "bytes", "url");
	err = zs_snapshot(&maps, each, &l);
	zs_maps_close(&maps);
	if (err)
		zs_error("list: cannot read the store: %s", strerror(-err));
	if (o->json && !err) {
		json_t *answer = zs_answer_begin();

		json_object_set(answer, "objects", l.objects);
		zs_answer_print(answer);
	}
	json_decref(l.objects);
	return zs_exit_of(err);
}
