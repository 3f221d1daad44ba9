/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the configuration file and what each takes. Inner to config*.c. */
#ifndef ZS_CONFIG_KEY_H
#define ZS_CONFIG_KEY_H

#include <zs/request.h>

#include "config_piece.h"

#define ZS_CONFIG_YEAR (365u * 86400) /* seconds: the longest duration */

enum zs_config_section {
	ZS_SECTION_NONE,
	ZS_SECTION_GLOBAL,
	ZS_SECTION_RULE,
	ZS_SECTION_UNKNOWN, /* an error was added; what stands in it is skipped */
};

enum {
	ZS_KEY_ONCE = 0,
	ZS_KEY_REPEAT = 1,
	ZS_KEY_LIST = 2,
	ZS_KEY_CONDITION = 4,
	ZS_KEY_EARLY = 8,
};

/* What the takers fill, and what they remember from a line to its indented lines. */
struct zs_config_taker {
	struct zs_config *config;
	struct zs_rule *rule;	  /* of the section */
	struct zs_tables *tables; /* of the recogniser, with the inert fields so far */
	bool more;		  /* this is an indented line */
	uint32_t words;		  /* of the list so far */
	uint32_t state;		  /* of key-query */
};

#define ZS_CONFIG_KEY(id, name, section, flags, take)                                              \
	int zs_take_##take(struct zs_config_taker *t, struct zs_piece *v);
#include "config_keys.def"
#undef ZS_CONFIG_KEY

struct zs_config_key_info {
	const char *name;
	enum zs_config_section section;
	unsigned int flags;
	/* The value, not empty. 0, -EINVAL (an error was added), -ENOMEM. */
	int (*take)(struct zs_config_taker *t, struct zs_piece *v);
};
extern const struct zs_config_key_info zs_config_key_infos[ZS_CONFIG_KEYS];

/* A key's last line was taken without an error; `end` is where it ended. Is something still
 * missing? */
int zs_config_key_finish(const struct zs_config_taker *t, enum zs_config_key key,
			 const struct zs_piece *end);

/* An address and port; `host` has ZS_DIAL_MAX bytes. -EINVAL: an error was added. */
int zs_config_dial(const struct zs_piece *word, char *host, uint16_t *port);

#endif
