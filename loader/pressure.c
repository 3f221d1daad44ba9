// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP memory against its limits. */
#include "pressure.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool zs_tcp_pressure_of(const char *sockstat, const char *tcp_mem)
{
	const char *line = strstr(sockstat, "TCP:"), *mem = line ? strstr(line, " mem ") : NULL;
	unsigned long used, low;

	return mem && sscanf(mem, " mem %lu", &used) == 1 && sscanf(tcp_mem, "%lu", &low) == 1 && used > low;
}

static void file_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
}

bool zs_tcp_pressure(void)
{
	char sockstat[1024], tcp_mem[128];

	file_read("/proc/net/sockstat", sockstat, sizeof(sockstat));
	file_read("/proc/sys/net/ipv4/tcp_mem", tcp_mem, sizeof(tcp_mem));
	return zs_tcp_pressure_of(sockstat, tcp_mem);
}
