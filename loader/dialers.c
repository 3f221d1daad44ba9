// SPDX-License-Identifier: GPL-2.0-or-later
/* A dialer that is missing is no error: it may start later, or anew in another cgroup. */
#include "dialers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "clock.h"
#include "log.h"

#define PAUSE_LEAST 2u   /* seconds */
#define PAUSE_MOST  300u

static int cgroup_of(const char *name, char *path)
{
	if (name[0] == '/')
		return zs_cgroup_from_path(name, path);
	if (strspn(name, "0123456789") == strlen(name))
		return zs_cgroup_from_pid((pid_t)strtol(name, NULL, 10), path);
	return zs_cgroup_from_unit(name, path);
}

static void settle(struct zs_dialers *d, uint32_t n, uint64_t now)
{
	char path[PATH_MAX];
	int err = cgroup_of(d->named[n], path);

	if (!err)
		err = zs_attach_dialer(d->instance, d->obj, n, path);
	if (!err) {
		zs_info("connections of %s to listeners are followed from now on (%s)", d->named[n], path);
		d->pause[n] = 0;
		return;
	}
	d->pause[n] = !d->pause[n] ? PAUSE_LEAST : d->pause[n] * 2 < PAUSE_MOST ? d->pause[n] * 2 : PAUSE_MOST;
	d->next[n] = now + d->pause[n] * ZS_NS;
	zs_warn("dialer %s is not there; it is looked for again in %u s", d->named[n], d->pause[n]);
}

void zs_dialers_settle(struct zs_dialers *d, uint64_t now)
{
	for (uint32_t n = 0; n < ZS_DIALERS_MAX && d->named[n]; n++)
		if (now >= d->next[n] && !zs_dialer_attached(d->instance, n))
			settle(d, n, now);
}
