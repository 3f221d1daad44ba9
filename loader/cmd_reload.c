// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reload: the configuration file anew, as a whole or not at all. The kernel's tables are switched here, with
 * the programs running; the agent takes the same text over from shared memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "config_text.h"
#include "log.h"
#include "plan.h"

#define WAIT_MS 3000

/* Everything that a reload compares and writes. */
struct reload {
	struct zs_maps maps;
	struct zs_ctl *ctl;
	char path[ZS_CONFIG_PATH_MAX];
	struct zs_config old, new;
	struct zs_plan before, after;
	char *text;
	size_t len;
	bool voided;
	bool agent;
};

static int parse(const char *path, const char *text, size_t len, struct zs_config *out)
{
	struct zs_config_errors errors = {0};
	int err = zs_config_parse(text, len, out, &errors);

	if (err)
		zs_config_errors_log(path, &errors);
	return err;
}

/* What is in use now. */
static int old_read(struct reload *r)
{
	char *text;
	size_t len;
	int err = zs_config_text_get(&r->maps, r->path, &text, &len);

	if (err) {
		zs_error("reload: the configuration in use cannot be read: %s", strerror(-err));
		return err;
	}
	err = parse(r->path, text, len, &r->old);
	free(text);
	return err;
}

static int new_read(struct reload *r, const char *file)
{
	struct zs_config_errors errors = {0};
	int err;

	if (file)
		snprintf(r->path, sizeof(r->path), "%s", file);
	else if (!r->path[0])
		snprintf(r->path, sizeof(r->path), "%s", ZS_CONFIG_PATH);
	err = zs_config_read(r->path, &r->text, &r->len, &errors);
	if (err) {
		zs_config_errors_log(r->path, &errors);
		return -EINVAL;
	}
	return parse(r->path, r->text, r->len, &r->new);
}

static bool lists_differ(char *const *a, char *const *b)
{
	for (; *a && *b && !strcmp(*a, *b); a++, b++)
		;
	return *a || *b;
}

/* Settings that are taken at the start of `run` alone. */
static void restart_warn(const struct zs_config *a, const struct zs_config *b)
{
	const bool differ = a->store_size != b->store_size || a->max_objects != b->max_objects ||
			    a->max_object != b->max_object || a->record_rate != b->record_rate ||
			    a->fetch_rate != b->fetch_rate || a->fetch_concurrency != b->fetch_concurrency ||
			    a->lifetime_max != b->lifetime_max || a->refresh != b->refresh ||
			    !a->admin != !b->admin || (a->admin && strcmp(a->admin, b->admin)) ||
			    !a->log != !b->log || (a->log && strcmp(a->log, b->log)) ||
			    !a->user != !b->user || (a->user && strcmp(a->user, b->user));

	if (differ || lists_differ(a->origins, b->origins) || lists_differ(a->listeners, b->listeners) ||
	    lists_differ(a->dialers, b->dialers) || lists_differ(a->allowed, b->allowed))
		zs_warn("reload: of the section [zeroserve] only inert-field and vary are taken over; the rest "
			"waits for the next start of `zs-load run`");
}

/* Whether a request could mean another key than before. */
static bool keys_differ(const struct reload *r)
{
	return r->before.plan.vary != r->after.plan.vary ||
	       memcmp(&r->before.tables, &r->after.tables, sizeof(r->before.tables)) ||
	       !zs_scopes_equal(&r->before.scopes, &r->after.scopes);
}

static bool agent_waited(struct zs_ctl *ctl, uint32_t seq)
{
	for (int ms = 0; ms < WAIT_MS; ms += 10) {
		if (__atomic_load_n(&ctl->config_done, __ATOMIC_SEQ_CST) == seq)
			return true;
		usleep(10000);
	}
	return false;
}

static int apply(struct reload *r)
{
	char buffer[ZS_CONFIG_INERT_MAX];
	const char *inert[ZS_LIST_MAX + 1];
	uint32_t seq;
	int err = zs_config_text_inert_get(&r->maps, buffer, inert);

	if (!err)
		err = zs_plan_make(&r->old, inert, &r->before);
	if (!err)
		err = zs_plan_make(&r->new, inert, &r->after);
	if (err)
		return err;
	r->voided = keys_differ(r);
	if (r->voided)
		err = zs_tables_switch(&r->maps, &r->after.plan, true, zs_grace_membarrier);
	if (!err)
		err = zs_config_text_put(&r->maps, r->path, r->text, r->len);
	if (err) {
		zs_error("reload: %s; the configuration is as it was", strerror(-err));
		return err;
	}
	seq = __atomic_add_fetch(&r->ctl->config_seq, 1, __ATOMIC_SEQ_CST);
	r->agent = agent_waited(r->ctl, seq);
	if (!r->agent)
		zs_warn("reload: no agent has taken it over within %d ms; the next one will", WAIT_MS);
	restart_warn(&r->old, &r->new);
	return 0;
}

static void answer(const struct zs_options *o, const struct reload *r)
{
	json_t *json;

	if (!o->json) {
		printf("%s: in force, %u rule%s%s\n", r->path, r->new.rule_count, r->new.rule_count == 1 ? "" : "s",
		       r->voided ? "; what was stored under other keys is void" : "");
		return;
	}
	json = zs_answer_begin();
	json_object_set_new(json, "file", json_string(r->path));
	json_object_set_new(json, "rules", json_integer(r->new.rule_count));
	json_object_set_new(json, "voided", json_boolean(r->voided));
	json_object_set_new(json, "agent", json_boolean(r->agent));
	zs_answer_print(json);
}

static void reload_free(struct reload *r)
{
	zs_plan_free(&r->before);
	zs_plan_free(&r->after);
	zs_config_free(&r->old);
	zs_config_free(&r->new);
	free(r->text);
	if (r->ctl)
		munmap(r->ctl, sizeof(*r->ctl));
	free(r);
}

int zs_cmd_reload(const struct zs_options *o)
{
	struct reload *r = calloc(1, sizeof(*r));
	struct zs_instance instance;
	int code = zs_need_root("reload"), lock, err = -ENOMEM;

	if (!code && r)
		code = zs_command_maps(o, &instance, &r->maps);
	if (code || !r) {
		free(r);
		return code ? code : ZS_EXIT_FAILED;
	}
	lock = zs_change_lock(&instance);
	r->ctl = zs_ctl_map(&r->maps);
	if (lock < 0)
		err = lock;
	else if (!r->ctl)
		err = -errno;
	else
		err = old_read(r);
	if (!err)
		err = new_read(r, o->file);
	code = err == -EINVAL ? ZS_EXIT_USAGE : 0;
	if (!err) {
		err = apply(r);
		if (!err)
			answer(o, r);
	}
	if (lock >= 0)
		close(lock);
	zs_maps_close(&r->maps);
	reload_free(r);
	return code ? code : (int)zs_exit_of(err);
}
