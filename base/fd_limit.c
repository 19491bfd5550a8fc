/* SPDX-License-Identifier: BSD-3-Clause */
/* The limit on this process's open files. */
#include "base/fd_limit.h"

#include <limits.h>
#include <sys/resource.h>

/* Descriptors for clients of both JSON-RPC sockets, the configuration's files, and files that a
 * thread opens for a moment. */
#define RESERVE 160

static int for_guests = INT_MAX;

int fd_limit_raise(void)
{
	struct rlimit r;
	int limit;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return 0;
	if (r.rlim_cur < r.rlim_max) {
		rlim_t before = r.rlim_cur;

		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			r.rlim_cur = before;
	}
	limit = r.rlim_cur > INT_MAX ? INT_MAX : (int)r.rlim_cur;
	for_guests = limit - (limit > 4 * RESERVE ? RESERVE : limit / 4);
	return limit;
}

int fd_limit_for_guests(void)
{
	return for_guests;
}
