// SPDX-License-Identifier: GPL-2.0-or-later
/* check-config: would `run` and `reload` take this file? Needs no privilege and touches nothing. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "log.h"

static void text_print(const char *file, const struct zs_config *config,
		       const struct zs_config_errors *errors)
{
	char line[1024];

	for (uint32_t i = 0; i < errors->count; i++) {
		zs_config_error_format(file, &errors->list[i], line, sizeof(line));
		puts(line);
	}
	if (!errors->count)
		printf("%s: ok, %u rule%s\n", file, config->rule_count,
		       config->rule_count == 1 ? "" : "s");
}

/* A path need not be UTF-8, and JSON must be. */
static json_t *path_json(const char *file)
{
	json_t *path = json_string(file);

	return path ? path : json_string("(a path that is not UTF-8)");
}

static void json_print(const char *file, const struct zs_config *config,
		       const struct zs_config_errors *errors)
{
	json_t *answer = zs_answer_begin(), *list = json_array();

	for (uint32_t i = 0; i < errors->count; i++)
		json_array_append_new(list, json_pack("{s:I, s:I, s:s}", "line",
						      (json_int_t)errors->list[i].line, "column",
						      (json_int_t)errors->list[i].column, "message",
						      errors->list[i].text));
	json_object_set_new(answer, "file", path_json(file));
	json_object_set_new(answer, "ok", json_boolean(!errors->count));
	if (!errors->count)
		json_object_set_new(answer, "rules", json_integer(config->rule_count));
	json_object_set_new(answer, "errors", list);
	json_object_set_new(answer, "more_errors", json_integer(errors->more));
	zs_answer_print(answer);
}

int zs_cmd_check_config(const struct zs_options *o)
{
	const char *file = o->file ? o->file : ZS_CONFIG_PATH;
	struct zs_config_errors errors;
	struct zs_config config;
	int err;

	zs_config_defaults(&config);
	err = zs_config_load(file, &config, &errors);
	if (err && !errors.count) {
		zs_error("%s: %s", file, strerror(-err));
		return ZS_EXIT_FAILED;
	}
	if (o->json)
		json_print(file, &config, &errors);
	else
		text_print(file, &config, &errors);
	zs_config_free(&config);
	if (errors.count)
		zs_error("%s: %u error%s; `run` and `reload` would not take it", file,
			 errors.count + errors.more, errors.count + errors.more == 1 ? "" : "s");
	return errors.count ? ZS_EXIT_USAGE : ZS_EXIT_OK;
}
