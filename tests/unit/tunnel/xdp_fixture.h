/* SPDX-License-Identifier: BSD-3-Clause */
/* Where tests have the XDP program from. */
#ifndef XDP_FIXTURE_H
#define XDP_FIXTURE_H

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The object file in the build folder, four levels above a test program. */
static inline const char *xdp_test_object(void)
{
	static char path[PATH_MAX + 32];
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	program[n < 0 ? 0 : n] = '\0';
	for (int i = 0; i < 4 && strrchr(program, '/'); i++)
		*strrchr(program, '/') = '\0';
	snprintf(path, sizeof(path), "%s/xdp/uplink.o", program);
	return path;
}

#endif
