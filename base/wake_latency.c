/* SPDX-License-Identifier: BSD-3-Clause */
/* The wake-up latency of idle cores. */
#include "base/wake_latency.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define WISHES "/dev/cpu_dma_latency"

int wake_latency_hold(unsigned us, struct err *e)
{
	int32_t wish = (int32_t)us;
	int fd = open(WISHES, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, ERR_INTERNAL, "wake-latency", "--wake-latency %u: " WISHES ": %s",
			       us, strerror(errno));
	if (write(fd, &wish, sizeof(wish)) != sizeof(wish)) {
		err_set(e, ERR_INTERNAL, "wake-latency", "--wake-latency %u: " WISHES ": %s", us,
			strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}
