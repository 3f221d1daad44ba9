// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration around its grammar: reading the file, defaults, and errors as text. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "config_piece.h"
#include "log.h"
#include "object.h"

void zs_config_defaults(struct zs_config *out)
{
	*out = (struct zs_config){
		.store_size = (uint64_t)ZS_PAGES_DEFAULT * ZS_PAGE_SIZE,
		.max_objects = ZS_ENTRIES_DEFAULT,
		.max_object = ZS_BODY_DEFAULT,
		.record_rate = ZS_RECORD_RATE_DEFAULT,
		.fetch_rate = ZS_FETCH_RATE_DEFAULT,
		.fetch_concurrency = ZS_FETCH_CONCURRENCY_DEFAULT,
		.lifetime_max = ZS_LIFETIME_MAX_DEFAULT,
		.refresh = true,
	};
}

static int read_all(int fd, char *buffer, size_t size, size_t *len)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, buffer + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		have += (size_t)n;
	}
	*len = have;
	return 0;
}

int zs_config_read(const char *path, char **text, size_t *len, struct zs_config_errors *errors)
{
	char *buffer = malloc(ZS_CONFIG_TEXT_MAX + 2);
	int fd = -1, err = -ENOMEM;
	size_t n = 0;

	errors->count = errors->more = 0;
	if (buffer) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		err = fd < 0 ? -errno : read_all(fd, buffer, ZS_CONFIG_TEXT_MAX + 1, &n);
	}
	if (fd >= 0)
		close(fd);
	if (!err && n > ZS_CONFIG_TEXT_MAX) {
		zs_config_error_add(errors, 0, 0, "larger than %u bytes; use fewer rules",
				    ZS_CONFIG_TEXT_MAX);
		err = -EFBIG;
	} else if (err) {
		zs_config_error_add(errors, 0, 0, "cannot be read: %s; name a file that can",
				    strerror(-err));
	}
	if (err) {
		free(buffer);
		return err;
	}
	buffer[n] = '\0';
	*text = buffer;
	*len = n;
	return 0;
}

int zs_config_load(const char *path, struct zs_config *out, struct zs_config_errors *errors)
{
	char *text;
	size_t len;
	int err = zs_config_read(path, &text, &len, errors);

	if (err)
		return err;
	err = zs_config_parse(text, len, out, errors);
	free(text);
	return err;
}

static void list_free(char **list)
{
	for (; *list; list++) {
		free(*list);
		*list = NULL;
	}
}

void zs_config_free(struct zs_config *config)
{
	free(config->admin);
	free(config->user);
	free(config->log);
	list_free(config->origins);
	list_free(config->listeners);
	list_free(config->dialers);
	list_free(config->allowed);
	list_free(config->inert);
	list_free(config->vary);
	free(config->rules);
	zs_config_defaults(config);
}

void zs_config_error_format(const char *file, const struct zs_config_error *error, char *out,
			    size_t size)
{
	if (error->line)
		snprintf(out, size, "%s:%u:%u: %s", file, error->line, error->column, error->text);
	else
		snprintf(out, size, "%s: %s", file, error->text);
}

void zs_config_errors_log(const char *file, const struct zs_config_errors *errors)
{
	char line[1024];

	for (uint32_t i = 0; i < errors->count; i++) {
		zs_config_error_format(file, &errors->list[i], line, sizeof(line));
		zs_error("%s", line);
	}
	if (errors->more)
		zs_error("%s: %u more errors", file, errors->more);
}
