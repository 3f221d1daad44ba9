/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines for the operator on stderr. Answers go to stdout and not through here.
 * A line reads: what, to what, why, what to do next.
 */
#ifndef ZS_LOG_H
#define ZS_LOG_H

enum zs_log_level { ZS_LOG_ERROR, ZS_LOG_WARN, ZS_LOG_INFO, ZS_LOG_DEBUG };

/* Lines above `level` are dropped. Default ZS_LOG_INFO. Not thread-safe: set once at start. */
void zs_log_level_set(enum zs_log_level level);
enum zs_log_level zs_log_level_get(void);

/* One line, without the final newline. errno is left as it was. */
void zs_log(enum zs_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define zs_error(...) zs_log(ZS_LOG_ERROR, __VA_ARGS__)
#define zs_warn(...)  zs_log(ZS_LOG_WARN, __VA_ARGS__)
#define zs_info(...)  zs_log(ZS_LOG_INFO, __VA_ARGS__)
#define zs_debug(...) zs_log(ZS_LOG_DEBUG, __VA_ARGS__)

#endif
