// SPDX-License-Identifier: GPL-2.0-or-later
/* log: answered requests, as they are answered, on stdout. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "hit_reader.h"

#define GLANCE_NS ZS_NS /* without -f and --limit */

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

int zs_cmd_log(const struct zs_options *o)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct zs_hit_reader_options reader = {
		.out = STDOUT_FILENO,
		.control = -1,
		.lines = o->limit,
		.ns = o->follow || o->limit ? 0 : GLANCE_NS,
		.news_only = true,
		.stop = &stop,
	};
	struct zs_instance instance;
	struct zs_maps maps;
	int code = zs_need_root("log"), err;

	if (!code)
		code = zs_command_maps(o, &instance, &maps);
	if (code)
		return code;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN); /* the end of whoever reads the lines is ours, and no error */
	err = zs_hit_reader_run(&maps, &reader);
	zs_maps_close(&maps);
	return zs_exit_of(err);
}
