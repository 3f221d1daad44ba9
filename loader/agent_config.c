// SPDX-License-Identifier: GPL-2.0-or-later
/* A new configuration in a running agent. */
#include "agent_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "config_text.h"
#include "log.h"
#include "rules.h"

int zs_agent_config_take(const struct zs_maps *maps, uint32_t max_object, struct zs_config *out)
{
	struct zs_config_errors errors = {0};
	char path[ZS_CONFIG_PATH_MAX], *text;
	struct zs_config config;
	size_t len;
	int err = zs_config_text_get(maps, path, &text, &len);

	if (err) {
		zs_error("the configuration cannot be read from shared memory: %s", strerror(-err));
		return err;
	}
	err = zs_config_parse(text, len, &config, &errors);
	free(text);
	if (err) {
		zs_config_errors_log(path, &errors);
		return err;
	}
	config.max_object = max_object;
	zs_config_free(out);
	*out = config;
	return 0;
}

struct change {
	struct zs_ingest *ingest;
	const struct zs_config *old, *new;
	struct zs_asked asked;
};

/* store.h: whether the object may stay. */
static bool stays(void *user, const struct zs_store_entry *e, const struct zs_object *o)
{
	struct change *c = user;
	struct zs_rules_subject subject = {.status = o->status};
	struct zs_settings before, after;
	struct zs_origin_key origin;

	if (e->request_len > sizeof(c->asked.head) || o->key_len > sizeof(c->asked.key))
		return false;
	c->asked.head_len = e->request_len;
	memcpy(c->asked.head, e->request, e->request_len);
	memcpy(&c->asked.key, (const uint8_t *)o + ZS_OBJECT_KEY_OFF, o->key_len);
	if (c->ingest->origin && !c->ingest->origin(c->ingest->user, c->asked.key.origin, &origin))
		subject.origin = &origin;
	zs_asked_place(&c->asked, &subject.host, &subject.path);
	zs_rules_match(c->old, &subject, &before);
	zs_rules_match(c->new, &subject, &after);
	return zs_settings_equal(&before, &after);
}

uint32_t zs_agent_config_apply(struct zs_ingest *ingest, const struct zs_config *old, const struct zs_config *new)
{
	struct change *c = calloc(1, sizeof(*c));
	uint32_t gone;

	if (!c) /* in doubt, everything goes */
		return zs_store_filter(ingest->store, NULL, NULL);
	c->ingest = ingest;
	c->old = old;
	c->new = new;
	gone = zs_store_filter(ingest->store, stays, c);
	free(c);
	return gone;
}
