// SPDX-License-Identifier: GPL-2.0-or-later
/* Parsing the command line, and saying what is wrong with it. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "config.h"
#include "eligible.h"
#include "listeners.h"
#include "log.h"
#include "object.h"
#include "warm_ask.h"

struct option_info {
	const char *name;
	char letter; /* g: global, else in zs_verb.accepts */
	int id;
	const char *arg; /* null: takes none */
	const char *help;
};

enum {
	OPT_INSTANCE = 256, OPT_BPFFS, OPT_JSON, OPT_VERBOSE, OPT_QUIET, OPT_HELP, OPT_UNIT, OPT_PID,
	OPT_CGROUP, OPT_ADMIN, OPT_USER, OPT_ORIGIN, OPT_LISTENER, OPT_DIALER, OPT_ALLOW_HANDLER, OPT_INERT, OPT_STORE, OPT_OBJECT, OPT_RECORD,
	OPT_FETCH, OPT_CONCURRENCY, OPT_CONFIG, OPT_OBJECTS, OPT_ENROL, OPT_HEADER, OPT_CONNECT, OPT_CACERT, OPT_INSECURE,
	OPT_RATE, OPT_AT_ONCE, OPT_NO_REFRESH, OPT_URL, OPT_ALL,
	OPT_PREFIX, OPT_HOST, OPT_TAG, OPT_SOFT, OPT_DRY_RUN, OPT_SORT, OPT_STATE, OPT_REVERSE, OPT_LIMIT, OPT_LOG, OPT_FOLLOW,
};

static const struct option_info infos[] = {
	{"instance", 'g', OPT_INSTANCE, "NAME", "which attachment (default: caddy)"},
	{"bpffs", 'g', OPT_BPFFS, "DIR", "a mounted bpffs (default: the first one mounted, else /sys/fs/bpf)"},
	{"json", 'g', OPT_JSON, NULL, "answer with one JSON object"},
	{"verbose", 'g', OPT_VERBOSE, NULL, "say more (-v)"},
	{"quiet", 'g', OPT_QUIET, NULL, "say errors only (-q)"},
	{"help", 'g', OPT_HELP, NULL, "this text"},
	{"unit", 't', OPT_UNIT, "UNIT", "systemd unit whose cgroup is attached to"},
	{"pid", 't', OPT_PID, "PID", "process whose cgroup is attached to"},
	{"cgroup", 't', OPT_CGROUP, "PATH", "cgroup v2 directory to attach to"},
	{"store-size", 'a', OPT_STORE, "BYTES", "memory for stored responses (default 64M; K, M, G)"},
	{"max-objects", 'a', OPT_OBJECTS, "N", "stored responses at most (default 65536)"},
	{"inert-field", 'a', OPT_INERT, "NAME", "request field on which no response depends; repeatable"},
	{"config", 'r', OPT_CONFIG, "FILE", "configuration file (default: " ZS_CONFIG_PATH ", if there is one)"},
	{"origin", 'r', OPT_ORIGIN, "ADDR:PORT", "upstream to accelerate; repeatable (default: ask Caddy)"},
	{"listener", 'r', OPT_LISTENER, "ADDR:PORT", "plaintext listener of Caddy's to answer for; repeatable"},
	{"dialer", 'r', OPT_DIALER, "UNIT|PID|PATH", "whose connections to these listeners are answered; repeatable"},
	{"allow-handler", 'r', OPT_ALLOW_HANDLER, "NAME", "Caddy handler that answers may skip; repeatable"},
	{"admin", 'r', OPT_ADMIN, "ADDR", "Caddy's admin API (default: $CADDY_ADMIN, else localhost:2019)"},
	{"user", 'r', OPT_USER, "NAME", "user of the agent (default: zeroserve, else nobody)"},
	{"max-object", 'r', OPT_OBJECT, "BYTES", "largest body stored (default 88K, limit 1M)"},
	{"record-rate", 'r', OPT_RECORD, "N", "recordings per second at most (default 2000)"},
	{"fetch-rate", 'r', OPT_FETCH, "N", "background fetches per second at most (default 50)"},
	{"fetch-concurrency", 'r', OPT_CONCURRENCY, "N", "background fetches at once (default 8)"},
	{"enrol", 'r', OPT_ENROL, "WHICH", "connections to follow: adaptive (default), those to origins worth it; or always, all"},
	{"log", 'r', OPT_LOG, "FILE|-", "append a line per answered request to a file; -: stdout (see: help log)"},
	{"no-refresh", 'r', OPT_NO_REFRESH, NULL, "no background fetches"},
	{"url", 's', OPT_URL, "URL", "what is stored for this URL"},
	{"prefix", 's', OPT_PREFIX, "URL", "what is stored for URLs that begin so"},
	{"host", 's', OPT_HOST, "HOST", "what is stored for this host; without a port: at any"},
	{"tag", 's', OPT_TAG, "TAG", "what the upstream gave this tag; repeatable: any of them"},
	{"all", 'p', OPT_ALL, NULL, "everything"},
	{"soft", 'p', OPT_SOFT, NULL, "make it stale instead: served while it is fetched anew, if it has grace"},
	{"dry-run", 'p', OPT_DRY_RUN, NULL, "only say how many objects that would be"},
	{"header", 'x', OPT_HEADER, "'NAME: VALUE'", "a field of the visitor's request; repeatable"},
	{"connect", 'w', OPT_CONNECT, "ADDR:PORT", "where Caddy listens, if not where the URLs say"},
	{"cacert", 'w', OPT_CACERT, "FILE", "certificate that Caddy's is checked with"},
	{"insecure", 'w', OPT_INSECURE, NULL, "do not check certificates"},
	{"rate", 'w', OPT_RATE, "N", "requests per second at most (default and limit: --fetch-rate of `run`)"},
	{"concurrency", 'w', OPT_AT_ONCE, "N", "requests at once (default and limit: --fetch-concurrency of `run`)"},
	{"sort", 'l', OPT_SORT, "COLUMN", "age, ttl, size or hits: the largest first; url (default)"},
	{"state", 'l', OPT_STATE, "STATE", "only what is fresh, stale, expired or void"},
	{"reverse", 'l', OPT_REVERSE, NULL, "the other way round"},
	{"limit", 'l', OPT_LIMIT, "N", "the first N only"},
	{"follow", 'o', OPT_FOLLOW, NULL, "until interrupted, not for a second only (-f)"},
	{"limit", 'o', OPT_LIMIT, "N", "until N requests were answered"},
};
#define INFOS (sizeof(infos) / sizeof(infos[0]))

static bool accepts(const struct zs_verb *verb, const struct option_info *info)
{
	return info->letter == 'g' || (verb && strchr(verb->accepts, info->letter));
}

void zs_options_usage(const struct zs_verb *verb)
{
	printf("usage: zs-load %s %s\n%s.\n", verb->name, verb->args, verb->sentence);
	for (size_t i = 0; i < INFOS; i++) {
		char left[64];

		if (!accepts(verb, &infos[i]))
			continue;
		snprintf(left, sizeof(left), "--%s %s", infos[i].name, infos[i].arg ? infos[i].arg : "");
		printf("  %-26s %s\n", left, infos[i].help);
	}
}

/* A number with an optional K, M or G (powers of 1024), from `least` to `most`. */
static int number(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	static const char units[] = "KMG";
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || !isdigit((unsigned char)text[0]))
		goto bad;
	if (*end) {
		const char *unit = strchr(units, toupper((unsigned char)*end));

		if (!unit || end[1])
			goto bad;
		for (long i = 0; i <= unit - units; i++) {
			if (value > UINT64_MAX / 1024)
				goto bad;
			value *= 1024;
		}
	}
	if (value < least || value > most)
		goto bad;
	*out = value;
	return 0;
bad:
	zs_error("--%s '%s': give a number from %llu to %llu (K, M and G may follow)", name, text,
		 (unsigned long long)least, (unsigned long long)most);
	return -EINVAL;
}

static int list_add(const char **list, const char *name, const char *text)
{
	for (int i = 0; i < ZS_LIST_MAX; i++) {
		if (!list[i]) {
			list[i] = text;
			return 0;
		}
	}
	zs_error("--%s: more than %d", name, ZS_LIST_MAX);
	return -EINVAL;
}

static int enrol_take(struct zs_options *o, const char *text)
{
	o->enrol_adaptive = !strcmp(text, "adaptive");
	if (o->enrol_adaptive || !strcmp(text, "always"))
		return 0;
	zs_error("--enrol '%s': give adaptive or always", text);
	return -EINVAL;
}

static int listener_take(struct zs_options *o, const char *text)
{
	struct zs_listen_at at;
	const char *why = zs_listen_parse(text, &at);

	if (!why)
		return list_add(o->listeners, "listener", text);
	zs_error("--listener '%s': %s; write ADDRESS:PORT, [IPV6]:PORT or :PORT", text, why);
	return -EINVAL;
}

bool zs_dialer_named(const char *text)
{
	static const char *const ends[] = {".service", ".scope", ".slice"};
	size_t len = strlen(text);

	if (text[0] == '/' || (len && strspn(text, "0123456789") == len))
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (len > strlen(ends[i]) && !strcmp(text + len - strlen(ends[i]), ends[i]) && !strchr(text, '/'))
			return true;
	return false;
}

static int dialer_take(struct zs_options *o, const char *text)
{
	if (zs_dialer_named(text))
		return list_add(o->dialers, "dialer", text);
	zs_error("--dialer '%s': neither a unit (NAME.service), a PID nor a path; give one of them", text);
	return -EINVAL;
}

static int allowed_take(struct zs_options *o, const char *name)
{
	const char *why = zs_eligible_allow_refusal(name);

	if (!why)
		return list_add(o->allowed, "allow-handler", name);
	zs_error("--allow-handler '%s': %s", name, why);
	return -EINVAL;
}

/* The key of the configuration file that an option goes before. */
static uint32_t given(int id)
{
	switch (id) {
	case OPT_ADMIN: return ZS_GIVEN(ADMIN);
	case OPT_USER: return ZS_GIVEN(USER);
	case OPT_LOG: return ZS_GIVEN(LOG);
	case OPT_ORIGIN: return ZS_GIVEN(ORIGIN);
	case OPT_LISTENER: return ZS_GIVEN(LISTENER);
	case OPT_DIALER: return ZS_GIVEN(DIALER);
	case OPT_ALLOW_HANDLER: return ZS_GIVEN(ALLOW_HANDLER);
	case OPT_STORE: return ZS_GIVEN(STORE_SIZE);
	case OPT_OBJECTS: return ZS_GIVEN(MAX_OBJECTS);
	case OPT_OBJECT: return ZS_GIVEN(MAX_OBJECT);
	case OPT_RECORD: return ZS_GIVEN(RECORD_RATE);
	case OPT_FETCH: return ZS_GIVEN(FETCH_RATE);
	case OPT_CONCURRENCY: return ZS_GIVEN(FETCH_CONCURRENCY);
	case OPT_NO_REFRESH: return ZS_GIVEN(REFRESH);
	default: return 0;
	}
}

static int apply(struct zs_options *o, const struct option_info *info, const char *arg)
{
	switch (info->id) {
	case OPT_INSTANCE: o->instance = arg; return 0;
	case OPT_BPFFS: o->bpffs = arg; return 0;
	case OPT_JSON: o->json = true; return 0;
	case OPT_VERBOSE: zs_log_level_set(ZS_LOG_DEBUG); return 0;
	case OPT_QUIET: zs_log_level_set(ZS_LOG_ERROR); return 0;
	case OPT_UNIT: o->unit = arg; return 0;
	case OPT_PID: o->pid = arg; return 0;
	case OPT_CGROUP: o->cgroup = arg; return 0;
	case OPT_CONFIG: o->config = arg; return 0;
	case OPT_ADMIN: o->admin = arg; return 0;
	case OPT_USER: o->user = arg; return 0;
	case OPT_LOG: o->log = arg; return 0;
	case OPT_FOLLOW: o->follow = true; return 0;
	case OPT_ORIGIN: return list_add(o->origins, info->name, arg);
	case OPT_LISTENER: return listener_take(o, arg);
	case OPT_DIALER: return dialer_take(o, arg);
	case OPT_ALLOW_HANDLER: return allowed_take(o, arg);
	case OPT_INERT: return list_add(o->inert, info->name, arg);
	case OPT_STORE: return number(info->name, arg, 1 << 20, 64ull << 30, &o->store_size);
	case OPT_OBJECTS: return number(info->name, arg, 16, 16 << 20, &o->max_objects);
	case OPT_OBJECT: return number(info->name, arg, 1, ZS_BODY_MAX, &o->max_object);
	case OPT_RECORD: return number(info->name, arg, 0, 1000000, &o->record_rate);
	case OPT_FETCH: return number(info->name, arg, 0, 100000, &o->fetch_rate);
	case OPT_CONCURRENCY: return number(info->name, arg, 1, 256, &o->fetch_concurrency);
	case OPT_ENROL: return enrol_take(o, arg);
	case OPT_HEADER: return list_add(o->headers, info->name, arg);
	case OPT_CONNECT: o->connect = arg; return 0;
	case OPT_CACERT: o->cacert = arg; return 0;
	case OPT_INSECURE: o->insecure = true; return 0;
	case OPT_RATE: return number(info->name, arg, 1, 100000, &o->rate);
	case OPT_AT_ONCE: return number(info->name, arg, 1, ZS_WARM_AT_ONCE_MAX, &o->at_once);
	case OPT_NO_REFRESH: o->no_refresh = true; return 0;
	case OPT_URL: o->url = arg; return 0;
	case OPT_ALL: o->all = true; return 0;
	case OPT_PREFIX: o->prefix = arg; return 0;
	case OPT_HOST: o->host = arg; return 0;
	case OPT_TAG: return list_add(o->tags, info->name, arg);
	case OPT_SOFT: o->soft = true; return 0;
	case OPT_DRY_RUN: o->dry_run = true; return 0;
	case OPT_SORT: o->sort = arg; return 0;
	case OPT_STATE: o->state = arg; return 0;
	case OPT_REVERSE: o->reverse = true; return 0;
	case OPT_LIMIT: return number(info->name, arg, 1, 1u << 30, &o->limit);
	default: return -EINVAL;
	}
}

/* One round of getopt: up to the first word that is no option ("+" in the short options). */
static int round_parse(int argc, char **argv, const struct zs_verb *verb, struct zs_options *o, bool *help)
{
	const char *letters = !verb ? "+:vqhj" : strchr(verb->accepts, 'o') ? ":vqhjf" : ":vqhj";
	struct option table[INFOS + 1] = {{0}};
	int n = 0, id;

	for (size_t i = 0; i < INFOS; i++)
		if (accepts(verb, &infos[i]))
			table[n++] = (struct option){infos[i].name,
						     infos[i].arg ? required_argument : no_argument, NULL,
						     infos[i].id};
	opterr = 0;
	while ((id = getopt_long(argc, argv, letters, table, NULL)) != -1) {
		if (id == '?' || id == ':') {
			zs_error("%s '%s'%s%s; see: zs-load help%s%s",
				 id == ':' ? "missing value for" : "unknown option", argv[optind - 1],
				 verb ? " for " : "", verb ? verb->name : "", verb ? " " : "",
				 verb ? verb->name : "");
			return -EINVAL;
		}
		if (id == 'v')
			id = OPT_VERBOSE;
		else if (id == 'q')
			id = OPT_QUIET;
		else if (id == 'j')
			id = OPT_JSON;
		else if (id == 'f')
			id = OPT_FOLLOW;
		if (id == 'h' || id == OPT_HELP) {
			*help = true;
			continue;
		}
		for (size_t i = 0; i < INFOS; i++) {
			if (infos[i].id == id && apply(o, &infos[i], optarg))
				return -EINVAL;
		}
		o->given |= given(id);
	}
	return 0;
}

static void defaults(struct zs_options *o)
{
	*o = (struct zs_options){
		.instance = "caddy",
		.admin = getenv("CADDY_ADMIN"),
		.store_size = (uint64_t)ZS_PAGES_DEFAULT * ZS_PAGE_SIZE,
		.max_objects = ZS_ENTRIES_DEFAULT,
		.max_object = ZS_BODY_DEFAULT,
		.lifetime_max = ZS_LIFETIME_MAX_DEFAULT,
		.record_rate = ZS_RECORD_RATE_DEFAULT,
		.fetch_rate = ZS_FETCH_RATE_DEFAULT,
		.enrol_adaptive = true,
		.fetch_concurrency = ZS_FETCH_CONCURRENCY_DEFAULT,
	};
}

static const struct zs_verb *verb_find(const struct zs_verb *verbs, const char *name)
{
	for (; verbs->name; verbs++)
		if (!strcmp(verbs->name, name))
			return verbs;
	return NULL;
}

int zs_options_parse(int argc, char **argv, const struct zs_verb *verbs, struct zs_options *options,
		     const struct zs_verb **verb)
{
	bool help = false;
	const char *word;

	defaults(options);
	if (round_parse(argc, argv, NULL, options, &help))
		return ZS_EXIT_USAGE;
	word = help || optind >= argc ? "help" : argv[optind];
	*verb = verb_find(verbs, word);
	if (!*verb) {
		zs_error("unknown command '%s'; see: zs-load help", word);
		return ZS_EXIT_USAGE;
	}
	if (optind < argc && !help) {
		argc -= optind;
		argv += optind;
		optind = 0; /* begin anew behind the verb */
		if (round_parse(argc, argv, *verb, options, &help))
			return ZS_EXIT_USAGE;
		if (help) {
			zs_options_usage(*verb);
			exit(ZS_EXIT_OK);
		}
		if (optind < argc && strchr((*verb)->accepts, 'F'))
			options->file = argv[optind++];
		if (optind < argc && strcmp((*verb)->name, "help")) {
			zs_error("%s: unexpected word '%s'; see: zs-load help %s", (*verb)->name, argv[optind],
				 (*verb)->name);
			return ZS_EXIT_USAGE;
		}
	}
	return 0;
}
