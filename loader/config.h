/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file as a structure. docs/config.md has the grammar; rules.h says which
 * settings hold for a request. Parsing needs the text alone, no file system and no clock: `run` and
 * the agent parse the same text.
 */
#ifndef ZS_CONFIG_H
#define ZS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zs/abi.h>

#include "options.h"

#define ZS_CONFIG_PATH	   "/etc/zeroserve/zeroserve.conf"
#define ZS_CONFIG_TEXT_MAX \
	(ZS_CONFIG_SIZE - ZS_CONFIG_PATH_MAX - ZS_CONFIG_INERT_MAX - 8) /* bytes: what struct zs_config_text holds */
#define ZS_CONFIG_LINE_MAX 198			/* bytes of a line without its comment */
#define ZS_CONFIG_ERRORS   20
#define ZS_RULES_MAX	   256u
#define ZS_RULE_NAME_MAX   32
#define ZS_SUFFIX_MAX	   64
#define ZS_STATUSES_MAX	   16u

/* One per key of the file; in `given`, the bit ZS_GIVEN(key) says that the file names it. */
enum zs_config_key {
#define ZS_CONFIG_KEY(id, name, where, flags, take) ZS_CONFIG_##id,
#include "config_keys.def"
#undef ZS_CONFIG_KEY
	ZS_CONFIG_KEYS,
};
#define ZS_GIVEN(key) (1u << ZS_CONFIG_##key)

/* [rule NAME]. Values whose bit in `given` is not set are zero and mean nothing. */
struct zs_rule {
	char name[ZS_RULE_NAME_MAX + 1];
	uint32_t line; /* of the section, from 1 */
	uint32_t given;
	/* conditions */
	struct zs_origin_key origin; /* netns is 0 and not compared */
	char host[ZS_HOST_MAX + 1];  /* lower case */
	char prefix[ZS_SCOPE_PATH + 1];
	char suffix[ZS_SUFFIX_MAX + 1];
	uint16_t status[ZS_STATUSES_MAX];
	uint32_t statuses;
	/* settings */
	uint32_t ttl; /* seconds */
	bool ttl_force;
	bool bypass;
	uint32_t grace;	       /* seconds */
	uint32_t max_object;   /* bytes */
	struct zs_class class; /* key-query, ignore-cookies, authorization; patterns in the order of
				  their bytes */
};

/* [zeroserve]: each as the option of that name. What the file does not name has its default here.
 * Lists end with a null. Names of fields are in lower case. */
struct zs_config {
	uint32_t given;
	char *admin; /* null: default */
	char *user;  /* null: default */
	char *log;   /* null: none; "-": stdout */
	char *origins[ZS_LIST_MAX + 1];
	char *listeners[ZS_LIST_MAX + 1];
	char *dialers[ZS_LIST_MAX + 1];
	char *allowed[ZS_LIST_MAX + 1]; /* allow-handler */
	char *inert[ZS_LIST_MAX + 1];
	char *vary[ZS_VARY_FIELDS + 1];
	uint64_t store_size; /* bytes */
	uint64_t max_objects;
	uint64_t max_object;  /* bytes of body */
	uint64_t record_rate; /* per second */
	uint64_t fetch_rate;  /* per second */
	uint64_t fetch_concurrency;
	uint64_t lifetime_max; /* seconds */
	bool refresh;
	struct zs_rule *rules; /* in the order of the file */
	uint32_t rule_count;
};

struct zs_config_error {
	uint32_t line;	 /* from 1; 0: the file itself */
	uint32_t column; /* in bytes, from 1; 0 with line 0 */
	char text[320];	 /* printable ASCII */
};

/* By line and column. Of more than ZS_CONFIG_ERRORS, the first that were found. */
struct zs_config_errors {
	uint32_t count;
	uint32_t more; /* that were left out */
	struct zs_config_error list[ZS_CONFIG_ERRORS];
};

/* The text of a file, terminated; *text is the caller's to free. A negative errno leaves one error
 * in *errors and the outputs as they were. */
int zs_config_read(const char *path, char **text, size_t *len, struct zs_config_errors *errors);

/* Silent. -EINVAL: *errors says why; -ENOMEM; *out is unchanged then. */
int zs_config_parse(const char *text, size_t len, struct zs_config *out,
		    struct zs_config_errors *errors);

/* zs_config_read(), then zs_config_parse(). */
int zs_config_load(const char *path, struct zs_config *out, struct zs_config_errors *errors);

/* What an empty file means. */
void zs_config_defaults(struct zs_config *out);

void zs_config_free(struct zs_config *config);

/* "FILE:LINE:COLUMN: what is wrong; what to do" */
void zs_config_error_format(const char *file, const struct zs_config_error *error, char *out,
			    size_t size);

/* Every error as one line of the log, and how many were left out. */
void zs_config_errors_log(const char *file, const struct zs_config_errors *errors);

#endif
