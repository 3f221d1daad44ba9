// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration file: any text is taken or refused with errors that lie within it and can be
 * printed; what was taken gives every request in the kernel the class that its rules give it. Bytes
 * from 0x80 to 0xbf stand for fragments.
 */
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static const char *const fragments[] = {
	"[zeroserve]\n",
	"[rule ",
	"]\n",
	"\n",
	" = ",
	"\n\t",
	"origin = ",
	"admin = ",
	"user = ",
	"log = /",
	"store-size = ",
	"max-objects = ",
	"max-object = ",
	"record-rate = ",
	"fetch-rate = ",
	"fetch-concurrency = ",
	"refresh = ",
	"lifetime-max = ",
	"inert-field = ",
	"vary = ",
	"listener = ",
	"dialer = ",
	"allow-handler = ",
	"host = ",
	"prefix = /",
	"suffix = ",
	"status = ",
	"ttl = ",
	"grace = ",
	"bypass = ",
	"ignore-cookies = ",
	"key-query = ",
	"authorization = ",
	"yes",
	"no",
	"force",
	"all",
	"none",
	"keep ",
	"drop ",
	", sort",
	"bypass",
	"rfc",
	"127.0.0.1:80",
	"[::1]:8080",
	"localhost:1",
	"example.org",
	"30d",
	"64M",
	"404",
	"200, 301",
	"_ga*",
	"utm_* ",
	"X-A",
	"Origin",
	"Cookie",
	"/../",
	"%2f",
	"; x",
	" # y",
	"[rule a]\nhost = a\nkey-query = sort\n",
	"[rule b]\nprefix = /a\nignore-cookies = x\n",
	"[rule c]\nprefix = /a/b\nauthorization = rfc\n",
	"*",
	"\r\n",
	"\xef\xbb\xbf",
	"[rule d]\nhost = b\nprefix = /b\nkey-query = keep y\n",
	"a b c d e f g h i j k l m n o p q r s ",
};

static void expect(bool held)
{
	if (!held)
		abort();
}

static size_t expand(char *out, size_t size, const uint8_t *in, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		const char *add = (const char *)in + i;
		size_t add_len = 1;

		if (in[i] >= 0x80 && in[i] - 0x80u < COUNT(fragments)) {
			add = fragments[in[i] - 0x80];
			add_len = strlen(add);
		}
		if (n + add_len > size)
			break;
		memcpy(out + n, add, add_len);
		n += add_len;
	}
	return n;
}

/* Every error lies in a line of the text, at one of its bytes or just behind. */
static void check_errors(const struct zs_config_errors *errors, const char *text, size_t len)
{
	const struct zs_config_error *before = NULL, *e = errors->list;

	expect(errors->count > 0 && errors->count <= ZS_CONFIG_ERRORS);
	expect(!errors->more || errors->count == ZS_CONFIG_ERRORS);
	for (; e < errors->list + errors->count; before = e++) {
		const char *line = text, *end = text + len, *stop;

		expect(e->line && e->column);
		expect(!before || before->line < e->line ||
		       (before->line == e->line && before->column <= e->column));
		for (uint32_t i = 1; i < e->line; i++) {
			line = memchr(line, '\n', (size_t)(end - line));
			expect(line != NULL);
			line++;
		}
		stop = memchr(line, '\n', (size_t)(end - line));
		expect(e->column <= (size_t)((stop ? stop : end) - line) + 1);
		expect(strlen(e->text) > 4 && strstr(e->text, "; "));
		for (const char *c = e->text; *c; c++)
			expect(*c >= 0x20 && *c < 0x7f);
	}
}

static const struct zs_class *look_up(const struct zs_scopes *s, const char *host, const char *path)
{
	const struct zs_scope *best = NULL;
	const char *below = "";

	for (uint32_t i = 0; i < s->count; i++)
		if (!strcmp(s->list[i].host, host))
			below = host;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct zs_scope *e = &s->list[i];

		if (!strcmp(e->host, below) && !strncmp(path, e->prefix, strlen(e->prefix)) &&
		    (!best || strlen(e->prefix) > strlen(best->prefix)))
			best = e;
	}
	expect(best != NULL);
	return &s->classes[best->class];
}

static void check_request(const struct zs_config *c, const struct zs_scopes *s, const char *host,
			  const char *path)
{
	struct zs_rules_subject subject = {.host = {(const uint8_t *)host, strlen(host)},
					   .path = {(const uint8_t *)path, strlen(path)},
					   .status = 200};
	struct zs_settings settings;

	zs_rules_match(c, &subject, &settings);
	expect(!memcmp(&settings.class, look_up(s, host, path), sizeof(settings.class)));
	expect(settings.max_object >= 1 && settings.max_object <= ZS_BODY_MAX);
	expect(!settings.has_ttl || settings.ttl);
}

/* Requests to where the rules begin to say something else, and just beside. */
static void check_rules(const struct zs_config *c)
{
	struct zs_scopes s, again;
	char path[ZS_SCOPE_PATH + 8];

	expect(!zs_rules_compile(c, &s));
	expect(!zs_rules_compile(c, &again));
	expect(zs_scopes_equal(&s, &again));
	check_request(c, &s, "nowhere", "/");
	for (uint32_t i = 0; i < c->rule_count; i++) {
		for (uint32_t k = 0; k < c->rule_count && k < 8; k++) {
			snprintf(path, sizeof(path), "%s",
				 c->rules[k].prefix[0] ? c->rules[k].prefix : "/");
			check_request(c, &s, c->rules[i].host, path);
			strcat(path, "/b");
			check_request(c, &s, c->rules[i].host, path);
			path[strlen(path) - 3] = '\0';
			check_request(c, &s, c->rules[i].host, path);
		}
	}
	zs_scopes_free(&s);
	zs_scopes_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static char text[1 << 16];
	struct zs_config_errors errors;
	struct zs_config config;
	/* a copy without a terminator, so that a read behind it is seen */
	size_t n = expand(text, sizeof(text), in, len);
	char *copy = malloc(n ? n : 1);

	memcpy(copy, text, n);
	if (zs_config_parse(copy, n, &config, &errors)) {
		check_errors(&errors, copy, n);
	} else {
		expect(!errors.count);
		check_rules(&config);
		zs_config_free(&config);
	}
	free(copy);
	return 0;
}
