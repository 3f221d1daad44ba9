// SPDX-License-Identifier: GPL-2.0-or-later
/* For `explain` and `list`, which show keys to people. */
#include "names.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

void zs_origin_text(const struct zs_origin_key *key, char *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	char text[INET6_ADDRSTRLEN];
	bool v4 = !memcmp(key->addr, mapped, sizeof(mapped));

	inet_ntop(v4 ? AF_INET : AF_INET6, key->addr + (v4 ? 12 : 0), text, sizeof(text));
	snprintf(out, ZS_ORIGIN_TEXT, v4 ? "%s:%u" : "[%s]:%u", text, key->port);
}

void zs_origin_names_get(const struct zs_maps *maps, struct zs_origin_names *out)
{
	struct zs_origin_key at, next;
	struct zs_origin origin;
	void *from = NULL;

	out->count = 0;
	while (out->count < ZS_ORIGINS_MAX && !bpf_map_get_next_key(maps->fd[ZS_MAP_origins], from, &next)) {
		at = next;
		from = &at;
		if (bpf_map_lookup_elem(maps->fd[ZS_MAP_origins], &at, &origin))
			continue;
		out->list[out->count].id = origin.id;
		zs_origin_text(&at, out->list[out->count++].text);
	}
}

const char *zs_origin_name(const struct zs_origin_names *names, uint32_t id)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (names->list[i].id == id)
			return names->list[i].text;
	return "gone";
}

void zs_codings_text(uint32_t ae, const char *between, char *out, size_t size)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} codings[] = {{ZS_AE_GZIP, "gzip"}, {ZS_AE_BR, "br"}, {ZS_AE_ZSTD, "zstd"}};
	size_t n = 0;

	snprintf(out, size, "%s", ae & ZS_AE_PRESENT ? "none of gzip, br and zstd" : "no Accept-Encoding");
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		if (ae & codings[i].bit && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? between : "", codings[i].name);
}
