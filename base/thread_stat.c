/* SPDX-License-Identifier: BSD-3-Clause */
/* Preemptions of a thread, and the time that it lost. */
#include "base/thread_stat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREEMPTIONS "nonvoluntary_ctxt_switches:"

/* Reads the first line of a thread's file in /proc that begins with `key`. */
static int read_line(pid_t tid, const char *name, const char *key, char *line, int size)
{
	char path[64];
	int ret = -EPROTO;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)tid, name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (ret < 0 && fgets(line, size, f))
		if (strncmp(line, key, strlen(key)) == 0)
			ret = 0;
	fclose(f);
	return ret;
}

int thread_stat_read(pid_t tid, struct thread_stat *st)
{
	char line[256], *rest;
	int ret = read_line(tid, "schedstat", "", line, sizeof(line));

	if (ret < 0)
		return ret;
	/* The fields: nanoseconds on a core, nanoseconds in the run queue, number of times on a
	 * core. */
	strtoull(line, &rest, 10);
	st->lost_ns = strtoull(rest, NULL, 10);
	ret = read_line(tid, "status", PREEMPTIONS, line, sizeof(line));
	if (ret < 0)
		return ret;
	st->preemptions = strtoull(line + strlen(PREEMPTIONS), NULL, 10);
	return 0;
}
