/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of URLs that `warm` takes: one on each line, '#' begins a comment line, blank lines do not count. */
#ifndef ZS_WARM_LIST_H
#define ZS_WARM_LIST_H

#include <stddef.h>
#include <stdio.h>

#define ZS_WARM_URLS_MAX 1000000u
#define ZS_WARM_ERRORS	 20u /* bad lines that are told one by one */

/* {} is empty. */
struct zs_warm_list {
	char **lines; /* each an URL that zs_url_parse() takes */
	size_t count;
};

/*
 * All of the file; `name` stands for it in messages. -EINVAL: there are bad lines, each logged as FILE:LINE; -E2BIG:
 * more than ZS_WARM_URLS_MAX; -ENOMEM; -EIO. All logged; *out is unchanged then.
 */
int zs_warm_list_parse(FILE *file, const char *name, struct zs_warm_list *out);

/* The same of the file at `path`, "-": standard input. Also errors of open(2). */
int zs_warm_list_read(const char *path, struct zs_warm_list *out);

void zs_warm_list_free(struct zs_warm_list *list);

#endif
