/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the kern tests of the operator's rules: plans that are written down in a line, the key that
 * user space gives a request, and the one that the kernel announces. Include it after kern_world.h.
 */
#ifndef ZS_TEST_KERN_RULES_H
#define ZS_TEST_KERN_RULES_H

#include <bpf/libbpf.h>

#include "classes.h"
#include "fields.h"
#include "tables.h"

#include "class_of.h"

#define RULES_MAX 8

/* The classes in their order, from 1 on; places; and the names of the Vary fields. */
struct rules {
	const char *class[RULES_MAX];
	struct zs_place place[RULES_MAX];
	const char *vary[ZS_VARY_FIELDS + 1];
};

static struct {
	struct ring_buffer *ring;
	unsigned int count; /* of events since the last look */
	struct zs_event_request event;
	struct zs_decision decision;
} rules;

/* Everything that a plan points to; valid until the next call with the same memory. */
struct rules_plan {
	struct zs_tables tables;
	struct zs_class class[RULES_MAX + 1];
	struct zs_tables_plan plan;
};

static inline void rules_plan(const struct rules *r, struct rules_plan *p)
{
	uint32_t n;

	memset(p, 0, sizeof(*p));
	assert_int_equal(zs_fields_build(&p->tables), 0);
	for (n = 0; n < ZS_VARY_FIELDS && r->vary[n]; n++)
		assert_int_equal(zs_fields_vary(&p->tables, r->vary[n], n), 0);
	p->plan = (struct zs_tables_plan){
		.tables = &p->tables, .classes = p->class, .places = r->place, .vary = n};
	for (n = 0; n < RULES_MAX && r->class[n]; n++)
		p->class[n + 1] = class_of(r->class[n]);
	p->plan.class_count = n + 1;
	for (n = 0; n < RULES_MAX && r->place[n].prefix; n++)
		;
	p->plan.place_count = n;
}

/* Null: no rules. */
static inline void rules_set(const struct rules *r)
{
	static const struct rules none;
	static struct rules_plan p;

	rules_plan(r ? r : &none, &p);
	assert_int_equal(zs_tables_switch(&kern.rig.maps, &p.plan, true, zs_grace_membarrier), 0);
}

/* What user space makes of a head: 1: answerable, 2: recordable too; 0: neither. */
static inline int rules_decide(const char *head, uint32_t *class)
{
	uint32_t number;
	size_t len = strlen(head);
	int err;

	memset(&rules.decision, 0xee, sizeof(rules.decision));
	memcpy(rules.decision.request.head, head, len);
	err = zs_class_decide(&kern.rig.maps, kern.rig.ctl, 1, &rules.decision, len, &number);
	assert_true(!err || err == -EINVAL);
	if (err || !zs_request_answerable(&rules.decision.request))
		return 0;
	if (class)
		*class = number;
	return zs_request_recordable(&rules.decision.request) ? 2 : 1;
}

/* Stores an object for that head, under the key that user space gives it. */
static inline void rules_put(const char *head, const char *body, uint32_t flags)
{
	static char text[ZS_ANSWER_HEAD_MAX];
	uint32_t len = 40;
	struct zs_store_item item = {.key = &rules.decision.key, .body_len = len, .flags = flags};
	uint64_t now = zs_boot_ns();

	assert_true(rules_decide(head, NULL));
	kern_fill(body, kern.body, len);
	item.head = (uint8_t *)text;
	item.head_len = (uint32_t)kern_head_of(len, text);
	item.age_off = (uint32_t)(strstr(text, KERN_AGE) - text + (long)strlen(KERN_AGE));
	item.ttl_off = (uint32_t)(strstr(text, KERN_TTL) - text + (long)strlen(KERN_TTL));
	item.body = kern.body;
	item.status = 200;
	item.key_len = zs_key_len(item.key);
	item.digest = zs_key_digest(item.key, kern.rig.ctl->seed[0], kern.rig.ctl->seed[1]);
	item.bucket = zs_key_bucket(item.key, kern.rig.ctl->seed[0], kern.rig.ctl->seed[1]);
	item.born = (int64_t)now;
	item.fresh_until = item.stale_until = now + 60 * ZS_NS;
	item.refresh_at = ~0ull;
	item.generation = (uint32_t)kern.rig.generations[item.bucket];
	item.flush = kern.rig.ctl->flush;
	item.request = (const uint8_t *)head;
	item.request_len = (uint32_t)strlen(head);
	kern.rig.ctl->stored = 1;
	assert_int_equal(zs_store_put(kern.rig.store, &item), 0);
}

/* The head is answered with the object of that name. */
static inline void rules_hit(const char *head, const char *body)
{
	kern_text(kern.dialer, head);
	kern_answered(kern.dialer, "GET", body, 40);
	kern_silent(kern.acceptor);
}

/* --- what the kernel announces ------------------------------------------------------------------
 */

static inline int rules_event(void *user, void *data, size_t size)
{
	const struct zs_event *ev = data;

	(void)user;
	if (ev->kind != ZS_EVENT_REQUEST)
		return 0;
	rules.count++;
	memcpy(&rules.event, data, size < sizeof(rules.event) ? size : sizeof(rules.event));
	return 0;
}

/* How many recordings were announced since the last call; the last one is in rules.event. */
static inline unsigned int rules_announced(void)
{
	rules.count = 0;
	assert_true(ring_buffer__consume(rules.ring) >= 0);
	return rules.count;
}

static inline int rules_begin(void **state)
{
	int err = kern_begin(state);

	kern.rig.ctl->tokens = 1 << 20;
	rules.ring = ring_buffer__new(kern.rig.maps.fd[ZS_MAP_events], rules_event, NULL, NULL);
	if (err || !rules.ring)
		return -1;
	rules_announced(); /* those of the test before */
	return 0;
}

static inline int rules_end(void **state)
{
	ring_buffer__free(rules.ring);
	rules.ring = NULL;
	rules_set(NULL);
	return kern_end(state);
}

#define RULES_TEST(f) cmocka_unit_test_setup_teardown(f, rules_begin, rules_end)

#endif
