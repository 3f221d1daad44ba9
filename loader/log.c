// SPDX-License-Identifier: GPL-2.0-or-later
/* Log lines: one write(2) per line, so that parent and agent never mix theirs. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum zs_log_level threshold = ZS_LOG_INFO;

void zs_log_level_set(enum zs_log_level level)
{
	threshold = level;
}

enum zs_log_level zs_log_level_get(void)
{
	return threshold;
}

void zs_log(enum zs_log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	int saved = errno;
	char line[2048];
	va_list args;
	size_t n;

	if (level > threshold)
		return;
	n = (size_t)snprintf(line, sizeof(line), "zs-load: %s: ", names[level]);
	va_start(args, format);
	vsnprintf(line + n, sizeof(line) - n - 1, format, args);
	va_end(args);
	n = strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0) {
		/* nobody is listening: there is nowhere left to say so */
	}
	errno = saved;
}
