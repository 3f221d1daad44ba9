// SPDX-License-Identifier: GPL-2.0-or-later
/* zs-load: the table of commands. Each command is a file, cmd_*.c. */
#include <stdio.h>
#include <string.h>

#include "options.h"

static int cmd_version(const struct zs_options *o);
static int cmd_help(const struct zs_options *o);

static const struct zs_verb verbs[] = {
	{"run", "(--unit UNIT | --pid PID | --cgroup PATH) [OPTIONS]",
	 "Attach to Caddy's cgroup, keep the cache in the foreground, detach at the end", "tar", zs_cmd_run},
	{"attach", "(--unit UNIT | --pid PID | --cgroup PATH) [OPTIONS]",
	 "Attach the programs and return; nothing is stored until `run` takes over", "ta", zs_cmd_attach},
	{"detach", "", "Stop answering, remove every pin and link; no connection is harmed", "", zs_cmd_detach},
	{"status", "", "Say what is attached, what it does, and which upstreams it took or left", "",
	 zs_cmd_status},
	{"pause", "", "Let every request pass, keep everything else as it is", "", zs_cmd_pause},
	{"resume", "", "Answer again after pause", "", zs_cmd_resume},
	{"doctor", "", "Test live what this kernel must do, and say what to do where it does not", "",
	 zs_cmd_doctor},
	{"list", "[OPTIONS]", "List what is stored", "ls", zs_cmd_list},
	{"log", "[-f] [--limit N]",
	 "Print answered requests in the format of Caddy's access log\n\n"
	 "  zs-load log -f | jq -r '[.status, .zeroserve.result, .request.host + .request.uri] | @tsv'\n\n"
	 "One line of JSON per request that was answered, from now on: those of one second, or as long as -f or --limit\n"
	 "say. Nothing is kept while nobody reads. The fields are those of Caddy's access log, so that what reads that\n"
	 "log reads this; \"zeroserve\" tells result (hit, stale, not modified), age, ttl (both in seconds) and lane.\n"
	 "Credentials are redacted. On the lane \"upstream\" the request is the one that Caddy sent to its upstream, and\n"
	 "remote_ip is what Caddy put into X-Forwarded-For. There is one reader at a time: while `run --log FILE` writes\n"
	 "a log, read that file. Hits that come faster than they can be written are missing, and counted in log_lost",
	 "o", zs_cmd_log},
	{"purge", "(--url URL | --prefix URL | --host HOST | --tag TAG... | --all) [--soft] [--dry-run]",
	 "Make stored responses void, from the very next request on", "ps", zs_cmd_purge},
	{"explain", "URL [OPTIONS]", "Say what would happen to a GET now, and why", "Fx", zs_cmd_explain},
	{"warm", "FILE|- [OPTIONS]", "Ask for a list of URLs through Caddy, as visitors would, so that they are stored",
	 "Fwx", zs_cmd_warm},
	{"reload", "[FILE]", "Take over the configuration file that changed, whole or not at all", "F",
	 zs_cmd_reload},
	{"check-config", "[FILE]", "Say whether a configuration file is right, and where it is not", "F",
	 zs_cmd_check_config},
	{"programs", "", "Load the programs, print the verifier's instruction counts, unload", "",
	 zs_cmd_programs},
	{"version", "", "Print the version", "", cmd_version},
	{"help", "[COMMAND]", "Print this text, or a command's options", "", cmd_help},
	{0},
};

static int cmd_version(const struct zs_options *o)
{
	if (o->json)
		printf("{\"schema\":\"zeroserve/1\",\"version\":\"%s\"}\n", ZS_VERSION);
	else
		printf("zs-load %s\n", ZS_VERSION);
	return ZS_EXIT_OK;
}

static const char *help_topic; /* of `help COMMAND` */

static int cmd_help(const struct zs_options *o)
{
	(void)o;
	for (const struct zs_verb *v = verbs; help_topic && v->name; v++) {
		if (!strcmp(v->name, help_topic)) {
			zs_options_usage(v);
			return ZS_EXIT_OK;
		}
	}
	printf("usage: zs-load [--instance NAME] [--bpffs DIR] [--json] [-v|-q] COMMAND [OPTIONS]\n\n"
	       "  sudo zs-load run --unit caddy.service     answer what Caddy's upstreams may be spared\n\n");
	for (const struct zs_verb *v = verbs; v->name; v++)
		printf("  %-12s %.*s\n", v->name, (int)strcspn(v->sentence, "\n"), v->sentence);
	printf("\nExit codes: 0 ok, 1 failed, 2 usage, 3 not attached, 4 unit or cgroup not found,\n"
	       "            5 the kernel lacks something, 6 no permission, 7 attached but degraded\n");
	return ZS_EXIT_OK;
}

int main(int argc, char **argv)
{
	const struct zs_verb *verb;
	struct zs_options options;
	int code;

	if (argc == 3 && !strcmp(argv[1], "help"))
		help_topic = argv[2];
	code = zs_options_parse(argc, argv, verbs, &options, &verb);
	return code ? code : verb->run(&options);
}
