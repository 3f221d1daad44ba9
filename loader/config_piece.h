/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of the configuration file: where they stand, what they may be, and what is said when they
 * are not. */
#ifndef ZS_CONFIG_PIECE_H
#define ZS_CONFIG_PIECE_H

#include "config.h"

/* A part of a line, not terminated, and its place in the file. */
struct zs_piece {
	const char *text;
	size_t len;
	uint32_t line;
	uint32_t column; /* of text[0] */
	struct zs_config_errors *errors;
};

/* Adds an error "'VALUE': " and the sentence at the value's place, or one without the value at any
 * place. Returns -EINVAL. */
int zs_piece_error(const struct zs_piece *v, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int zs_config_error_add(struct zs_config_errors *errors, uint32_t line, uint32_t column,
			const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Takes the next word off the front of *rest. Words end at blanks and at bytes of `separators`;
 * empty ones are skipped. False: there is none; *word is then what is left, empty, at its place. */
bool zs_piece_next(struct zs_piece *rest, const char *separators, struct zs_piece *word);

/* The only word of *v; more than one is an error. */
int zs_piece_only(struct zs_piece *v, struct zs_piece *word);

bool zs_piece_is(const struct zs_piece *v, const char *text);

/* Written with bytes of `allowed` alone? Says which is not, at its place, and what `noun` may
 * consist of. */
int zs_piece_check(const struct zs_piece *v, const char *allowed, const char *noun);

/* Each of these sets *out, or returns -EINVAL after adding an error. */
int zs_piece_number(const struct zs_piece *v, uint64_t least, uint64_t most, uint64_t *out);
int zs_piece_size(const struct zs_piece *v, uint64_t least, uint64_t most,
		  uint64_t *out); /* bytes; K, M, G */
int zs_piece_duration(const struct zs_piece *v, uint64_t least, uint64_t most,
		      uint64_t *out); /* s, m, h, d */
int zs_piece_yes(const struct zs_piece *v, bool *out);
int zs_piece_string(const struct zs_piece *v, char *out,
		    size_t size); /* terminated; an error if too long */

/* A name, or what one begins with and a '*'. */
int zs_piece_pattern(const struct zs_piece *v, const char *allowed, const char *noun,
		     struct zs_pattern *out);

/* Puts *add into a list of patterns in the order of their bytes. An error at *v: full, or there
 * already. */
int zs_piece_pattern_add(const struct zs_piece *v, const struct zs_pattern *add,
			 struct zs_pattern *list, uint32_t *count, uint32_t most);

/* Letters, digits, and what else may stand in a token (RFC 9110 5.6.2), without '*'. */
#define ZS_PIECE_ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define ZS_PIECE_TOKEN ZS_PIECE_ALNUM "!#$%&'+-.^_`|~"

/* Of `names` (null-terminated) the one that was most likely meant; null: none is like it. */
const char *zs_piece_nearest(const struct zs_piece *v, const char *const *names);

#endif
