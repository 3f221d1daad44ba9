/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: global options, one verb, the verb's options. */
#ifndef ZS_OPTIONS_H
#define ZS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Exit codes; documented in `zs-load help`. */
enum zs_exit {
	ZS_EXIT_OK = 0,
	ZS_EXIT_FAILED = 1,
	ZS_EXIT_USAGE = 2,
	ZS_EXIT_NOT_ATTACHED = 3,
	ZS_EXIT_NO_TARGET = 4,
	ZS_EXIT_KERNEL = 5,
	ZS_EXIT_PERMISSION = 6,
	ZS_EXIT_DEGRADED = 7,
};

#define ZS_LIST_MAX 64

struct zs_options {
	/* global */
	const char *instance;
	const char *bpffs; /* null: find it */
	bool json;
	/* target: exactly one of run and attach's */
	const char *unit;
	const char *pid;
	const char *cgroup;
	/* run */
	const char *config; /* null: the default file, if there is one */
	const char *admin;
	const char *user;
	const char *log; /* null: none; "-": stdout */
	const char *origins[ZS_LIST_MAX + 1]; /* null-terminated */
	const char *inert[ZS_LIST_MAX + 1];   /* null-terminated, as are the next */
	const char *listeners[ZS_LIST_MAX + 1]; /* of Caddy's, opted in for the client hop */
	const char *dialers[ZS_LIST_MAX + 1];   /* units, PIDs or paths of cgroups that dial them */
	const char *allowed[ZS_LIST_MAX + 1];   /* what of Caddy's configuration the operator answers for */
	uint64_t store_size;                  /* bytes */
	uint64_t max_objects;
	uint64_t max_object;                  /* bytes of body */
	uint64_t lifetime_max;                /* seconds; the file alone sets it */
	uint64_t record_rate;
	uint64_t fetch_rate;
	uint64_t fetch_concurrency;
	bool enrol_adaptive;
	bool no_refresh;
	uint32_t given; /* ZS_GIVEN() of config.h: what the command line names */
	/* purge and list */
	const char *url;
	const char *prefix;
	const char *host;
	const char *tags[ZS_LIST_MAX + 1]; /* null-terminated */
	bool all;
	bool soft;
	bool dry_run;
	const char *sort;
	const char *state;
	bool reverse;
	uint64_t limit; /* 0: none */
	/* log */
	bool follow;
	/* check-config */
	const char *file; /* the one word behind the verb; null: none */
	/* explain, warm */
	const char *headers[ZS_LIST_MAX + 1]; /* null-terminated */
	const char *connect;
	const char *cacert;
	bool insecure;
	uint64_t rate;    /* per second; 0: not given */
	uint64_t at_once; /* 0: not given */
};

struct zs_verb {
	const char *name;
	const char *args;     /* for the usage line */
	const char *sentence; /* without its period; what stands behind a line feed is for the verb's own help only */
	const char *accepts;  /* letters of the options that it takes, see options.c; F: one word, a file or URL */
	int (*run)(const struct zs_options *options); /* returns an enum zs_exit */
};

/* Whether a text names a dialer: NAME.service (.scope, .slice), a PID, or an absolute path. */
bool zs_dialer_named(const char *text);

/* Parses argv. Returns 0 and the verb, or an exit code after saying what is wrong. */
int zs_options_parse(int argc, char **argv, const struct zs_verb *verbs, struct zs_options *options,
		     const struct zs_verb **verb);

/* The usage of one verb, its options included. */
void zs_options_usage(const struct zs_verb *verb);

int zs_cmd_run(const struct zs_options *options);
int zs_cmd_attach(const struct zs_options *options);
int zs_cmd_reload(const struct zs_options *options);
int zs_cmd_explain(const struct zs_options *options);
int zs_cmd_warm(const struct zs_options *options);
int zs_cmd_detach(const struct zs_options *options);
int zs_cmd_status(const struct zs_options *options);
int zs_cmd_pause(const struct zs_options *options);
int zs_cmd_resume(const struct zs_options *options);
int zs_cmd_doctor(const struct zs_options *options);
int zs_cmd_log(const struct zs_options *options);
int zs_cmd_list(const struct zs_options *options);
int zs_cmd_purge(const struct zs_options *options);
int zs_cmd_check_config(const struct zs_options *options);
int zs_cmd_programs(const struct zs_options *options);

#endif
