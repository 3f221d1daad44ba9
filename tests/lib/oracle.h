/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where llhttp (the parser of Node.js, here with every leniency off) sees the requests of a stream: the
 * oracle of the differential fuzzer. It knows a fixed list of methods, so any other token is shown to it
 * as PUT. What zeroserve makes of the same bytes is none of this file's business.
 */
#ifndef ZS_TEST_ORACLE_H
#define ZS_TEST_ORACLE_H

#include <llhttp.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ORACLE_FIELDS	128
#define ORACLE_MESSAGES 64

/* A range of the text. */
struct oracle_span {
	size_t at, len;
};

struct oracle_field {
	struct oracle_span name, value; /* the value without blanks around it */
};

struct oracle_message {
	size_t start, body, end; /* of its first byte, behind its head, behind its body */
	struct oracle_span target;
	struct oracle_field field[ORACLE_FIELDS]; /* those behind the last one are counted only */
	size_t fields;
	uint64_t length; /* Content-Length, 0 if there is none */
	bool http11, get, head, has_length, coded, upgrade, keep_alive;
	bool has_head, whole;
};

struct oracle {
	llhttp_t parser;
	const char *text;
	struct oracle_message message[ORACLE_MESSAGES];
	size_t count; /* the last one may be incomplete */
	llhttp_errno_t error; /* why it stopped reading; HPE_OK: the text ended, or too many messages */
	bool name_open, value_open;
};

static inline struct oracle_message *oracle_now(llhttp_t *parser)
{
	struct oracle *o = parser->data;

	return &o->message[o->count - 1];
}

/* Callbacks may tell a span in pieces, which follow one another. */
static inline void oracle_extend(const struct oracle *o, struct oracle_span *span, bool *open,
				 const char *at, size_t len)
{
	if (!*open)
		*span = (struct oracle_span){(size_t)(at - o->text), 0};
	*open = true;
	span->len += len;
}

static inline int oracle_url(llhttp_t *parser, const char *at, size_t len)
{
	struct oracle_message *m = oracle_now(parser);
	bool open = m->target.len;

	oracle_extend(parser->data, &m->target, &open, at, len);
	return 0;
}

static inline int oracle_name(llhttp_t *parser, const char *at, size_t len)
{
	struct oracle_message *m = oracle_now(parser);
	struct oracle *o = parser->data;

	if (m->fields < ORACLE_FIELDS && !m->has_head) /* not a trailer's */
		oracle_extend(o, &m->field[m->fields].name, &o->name_open, at, len);
	return 0;
}

static inline int oracle_value(llhttp_t *parser, const char *at, size_t len)
{
	struct oracle_message *m = oracle_now(parser);
	struct oracle *o = parser->data;

	if (m->fields < ORACLE_FIELDS && !m->has_head)
		oracle_extend(o, &m->field[m->fields].value, &o->value_open, at, len);
	return 0;
}

static inline bool oracle_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline int oracle_field_end(llhttp_t *parser)
{
	struct oracle_message *m = oracle_now(parser);
	struct oracle *o = parser->data;
	struct oracle_span *value = &m->field[m->fields % ORACLE_FIELDS].value;

	o->name_open = o->value_open = false;
	if (m->has_head || m->fields++ >= ORACLE_FIELDS)
		return 0;
	while (value->len && oracle_blank(o->text[value->at])) {
		value->at++;
		value->len--;
	}
	while (value->len && oracle_blank(o->text[value->at + value->len - 1]))
		value->len--;
	return 0;
}

static inline int oracle_head_end(llhttp_t *parser)
{
	struct oracle_message *m = oracle_now(parser);

	m->has_head = true;
	m->http11 = parser->http_major == 1 && parser->http_minor == 1;
	m->get = parser->method == HTTP_GET;
	m->head = parser->method == HTTP_HEAD;
	m->has_length = parser->flags & F_CONTENT_LENGTH;
	m->coded = parser->flags & F_TRANSFER_ENCODING;
	m->length = parser->content_length;
	m->upgrade = parser->upgrade;
	m->keep_alive = llhttp_should_keep_alive(parser);
	return HPE_PAUSED; /* so that the place is known */
}

static inline int oracle_end(llhttp_t *parser)
{
	oracle_now(parser)->whole = true;
	return HPE_PAUSED;
}

/* Reads text[*at..len) up to the next pause; *at: what was read. False: no more. */
static inline bool oracle_run(struct oracle *o, size_t *at, size_t len)
{
	o->error = llhttp_execute(&o->parser, o->text + *at, len - *at);
	if (o->error != HPE_PAUSED)
		return false;
	*at = (size_t)(llhttp_get_error_pos(&o->parser) - o->text);
	llhttp_resume(&o->parser);
	return true;
}

/* The length of the method at text[at..len) if it must be shown as another one, else 0. PRI stays: only
 * the preface of HTTP/2 has it. */
static inline size_t oracle_foreign(const char *text, size_t at, size_t len)
{
	static const char *const known[] = {"PRI",
#define METHOD(number, name, string) #string,
					    HTTP_METHOD_MAP(METHOD)
#undef METHOD
	};
	static const char tokens[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "!#$%&'*+-.^_`|~";
	size_t n = 0;

	while (at + n < len && text[at + n] && strchr(tokens, text[at + n]))
		n++;
	if (at + n == len || text[at + n] != ' ')
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == n && !memcmp(text + at, known[i], n) && strcmp(known[i], "SOURCE"))
			return 0;
	return n;
}

/* One message from *at on; *at: its end. False: it is not whole, or it is the last one. */
static inline bool oracle_message(struct oracle *o, size_t *at, size_t len)
{
	struct oracle_message *m = &o->message[o->count++];
	size_t foreign = oracle_foreign(o->text, *at, len);

	memset(m, 0, sizeof(*m));
	m->start = *at;
	if (foreign) {
		o->error = llhttp_execute(&o->parser, "PUT", 3);
		*at += foreign;
	}
	if ((foreign && o->error) || !oracle_run(o, at, len))
		return false;
	m->body = *at;
	if (!oracle_run(o, at, len))
		return false;
	m->end = *at;
	return m->keep_alive && !m->upgrade;
}

/* Reads the text as one stream. */
static inline void oracle_read(struct oracle *o, const uint8_t *text, size_t len)
{
	static llhttp_settings_t settings;
	size_t at = 0;

	llhttp_settings_init(&settings);
	settings.on_url = oracle_url;
	settings.on_header_field = oracle_name;
	settings.on_header_value = oracle_value;
	settings.on_header_value_complete = oracle_field_end;
	settings.on_headers_complete = oracle_head_end;
	settings.on_message_complete = oracle_end;
	llhttp_init(&o->parser, HTTP_REQUEST, &settings);
	o->parser.data = o;
	o->text = (const char *)text;
	o->count = 0;
	o->error = HPE_OK;
	o->name_open = o->value_open = false;
	while (at < len && o->count < ORACLE_MESSAGES)
		if (!oracle_message(o, &at, len))
			break;
}

#endif
