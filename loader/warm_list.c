// SPDX-License-Identifier: GPL-2.0-or-later
/* Every line is looked at before any is used: a list with a bad one is not begun. */
#include "warm_list.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "url.h"

/* The line without the blanks around it. */
static char *trim(char *line)
{
	char *text = line + strspn(line, " \t"), *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		*--end = 0;
	return text;
}

static int add(struct zs_warm_list *l, const char *text)
{
	if (!(l->count & (l->count - 1))) { /* full: its room is a power of two */
		char **more = reallocarray(l->lines, l->count ? l->count * 2 : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->lines = more;
	}
	l->lines[l->count] = strdup(text);
	if (!l->lines[l->count])
		return -ENOMEM;
	l->count++;
	return 0;
}

/* Blanks and control characters stand in no URL, and a zero would hide what comes behind it. */
static bool is_url(const char *text, size_t zeros)
{
	struct zs_url url;

	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return !zeros && !zs_url_parse(text, &url);
}

static void bad_tell(const char *name, unsigned long line, unsigned int bad)
{
	if (bad <= ZS_WARM_ERRORS)
		zs_error("%s:%lu: no absolute URL; write for example https://example.org/path?query", name, line);
}

int zs_warm_list_parse(FILE *file, const char *name, struct zs_warm_list *out)
{
	struct zs_warm_list list = {0};
	unsigned long n = 0;
	unsigned int bad = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&line, &size, file)) >= 0) {
		size_t zeros = (size_t)len - strlen(line);
		char *text = trim(line);

		n++;
		if (!zeros && (!*text || *text == '#'))
			continue;
		if (!is_url(text, zeros))
			bad_tell(name, n, ++bad);
		else
			err = list.count < ZS_WARM_URLS_MAX ? add(&list, text) : -E2BIG;
	}
	if (!err && ferror(file))
		err = -EIO;
	free(line);
	if (err)
		zs_error("%s:%lu: %s; nothing is fetched", name, n,
			 err == -E2BIG ? "too many URLs: split the list" : strerror(-err));
	else if (bad)
		zs_error("%s: %u bad line%s; nothing is fetched", name, bad, bad == 1 ? "" : "s");
	if (err || bad) {
		zs_warm_list_free(&list);
		return err ? err : -EINVAL;
	}
	*out = list;
	return 0;
}

int zs_warm_list_read(const char *path, struct zs_warm_list *out)
{
	FILE *file;
	int err;

	if (!strcmp(path, "-"))
		return zs_warm_list_parse(stdin, "standard input", out);
	file = fopen(path, "re");
	if (!file) {
		err = -errno;
		zs_error("warm: %s: %s", path, strerror(-err));
		return err;
	}
	err = zs_warm_list_parse(file, path, out);
	fclose(file);
	return err;
}

void zs_warm_list_free(struct zs_warm_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->lines[i]);
	free(list->lines);
	*list = (struct zs_warm_list){0};
}
