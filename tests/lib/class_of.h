/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests: a class from a line of text, "keep|drop|sort|cookies|auth" and names behind the first
 * four, a name that ends in '*' for whatever begins so. Include it after zs/request.h.
 */
#ifndef ZS_TEST_CLASS_OF_H
#define ZS_TEST_CLASS_OF_H

#include <string.h>

static inline void pattern_of(struct zs_pattern *p, const char *name, size_t len)
{
	p->prefix = len && name[len - 1] == '*';
	p->len = (__u32)len - p->prefix;
	memcpy(p->text, name, p->len);
}

static inline struct zs_class class_of(const char *text)
{
	static const struct {
		const char *word;
		__u32 flag;
	} words[] = {{"keep", ZS_CLASS_KEEP},
		     {"drop", ZS_CLASS_DROP},
		     {"sort", ZS_CLASS_SORT},
		     {"cookies", ZS_CLASS_COOKIES_ON},
		     {"auth", ZS_CLASS_AUTHORIZED}};
	struct zs_class class = {0};

	while (*text) {
		size_t len = strcspn(text, " "), i;

		for (i = 0;
		     i < 5 && (strlen(words[i].word) != len || memcmp(words[i].word, text, len));
		     i++)
			;
		if (i < 5)
			class.flags |= words[i].flag;
		else if (class.flags & ZS_CLASS_COOKIES_ON)
			pattern_of(&class.cookie[class.cookies++], text, len);
		else
			pattern_of(&class.param[class.params++], text, len);
		text += len + strspn(text + len, " ");
	}
	return class;
}

#endif
