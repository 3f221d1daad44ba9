// SPDX-License-Identifier: GPL-2.0-or-later
/* HTTP-date by hand: strptime(3) follows the locale and takes what HTTP forbids. */
#include "date.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct date {
	int year;  /* two digits where the form has two */
	int month; /* from 0 */
	int day;
	int weekday; /* from Sunday, 0 */
	int hour;
	int minute;
	int second;
};

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
				       "Thursday", "Friday", "Saturday"};

static bool take_literal(struct zs_text *s, char c)
{
	if (!s->len || s->p[0] != (uint8_t)c)
		return false;
	s->p++;
	s->len--;
	return true;
}

/* Takes `n` digits off the front of *s; a blank may stand for a leading zero where `blank` says so.
 */
static bool take_number(struct zs_text *s, size_t n, bool blank, int *out)
{
	int value = 0;

	if (s->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (blank && !i && s->p[i] == ' ')
			continue;
		if (!zs_is_digit(s->p[i]))
			return false;
		value = value * 10 + (s->p[i] - '0');
	}
	s->p += n;
	s->len -= n;
	*out = value;
	return true;
}

/* Takes one of `count` words, of each its first `most` letters, off the front of *s. */
static bool take_word(struct zs_text *s, const char *const *words, int count, size_t most, int *out)
{
	for (int i = 0; i < count; i++) {
		size_t n = strnlen(words[i], most);

		if (s->len >= n && !memcmp(s->p, words[i], n)) {
			s->p += n;
			s->len -= n;
			*out = i;
			return true;
		}
	}
	return false;
}

/* Takes what a letter of strptime(3) stands for. */
static bool take_part(struct zs_text *s, char letter, struct date *d)
{
	switch (letter) {
	case 'a':
		return take_word(s, weekdays, 7, 3, &d->weekday);
	case 'A':
		return take_word(s, weekdays, 7, 9, &d->weekday);
	case 'b':
		return take_word(s, months, 12, 3, &d->month);
	case 'd':
		return take_number(s, 2, false, &d->day);
	case 'e':
		return take_number(s, 2, true, &d->day);
	case 'Y':
		return take_number(s, 4, false, &d->year);
	case 'y':
		return take_number(s, 2, false, &d->year);
	default: /* 'T' */
		return take_number(s, 2, false, &d->hour) && take_literal(s, ':') &&
		       take_number(s, 2, false, &d->minute) && take_literal(s, ':') &&
		       take_number(s, 2, false, &d->second);
	}
}

/* All of s; `form` is written as for strptime(3). */
static bool take_date(struct zs_text s, const char *form, struct date *d)
{
	for (; *form; form++) {
		if (*form == '%' ? !take_part(&s, *++form, d) : !take_literal(&s, *form))
			return false;
	}
	return !s.len;
}

/* Seconds since 1970 of a date that exists; a leap second counts as the next (RFC 9110 5.6.7). */
static int date_seconds(const struct date *d, int64_t *out)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
	bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;
	int length = before[d->month + 1] - before[d->month] + (leap && d->month == 1);
	int64_t year = d->year - 1, days;

	if (d->year < 1 || d->day < 1 || d->day > length)
		return -EINVAL;
	if (d->hour > 23 || d->minute > 59 || d->second > 60)
		return -EINVAL;
	days = year * 365 + year / 4 - year / 100 + year / 400 + before[d->month] +
	       (leap && d->month > 1) + d->day - 1; /* since Monday, 1 January of year 1 */
	if ((days + 1) % 7 != d->weekday)
		return -EINVAL;
	days -= 719162; /* since 1 January 1970 */
	*out = ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
	return 0;
}

int zs_http_date_parse(struct zs_text text, int64_t now, int64_t *out)
{
	struct date d;
	struct tm tm;
	time_t t = now;

	if (take_date(text, "%a, %d %b %Y %T GMT", &d) || take_date(text, "%a %b %e %T %Y", &d))
		return date_seconds(&d, out);
	if (!take_date(text, "%A, %d-%b-%y %T GMT", &d) || !gmtime_r(&t, &tm))
		return -EINVAL;
	d.year += (tm.tm_year + 1900) / 100 * 100;
	if (d.year >= tm.tm_year + 1900 + 50)
		d.year -= 100;
	return date_seconds(&d, out);
}

int zs_http_date_format(int64_t time, char out[ZS_HTTP_DATE_LEN + 1])
{
	time_t t = time;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999)
		return -EINVAL;
	snprintf(out, ZS_HTTP_DATE_LEN + 1, "%.3s, %02u %s %04u %02u:%02u:%02u GMT",
		 weekdays[tm.tm_wday], (unsigned int)tm.tm_mday % 100, months[tm.tm_mon],
		 (unsigned int)(tm.tm_year + 1900) % 10000, (unsigned int)tm.tm_hour % 100,
		 (unsigned int)tm.tm_min % 100, (unsigned int)tm.tm_sec % 100);
	return 0;
}
