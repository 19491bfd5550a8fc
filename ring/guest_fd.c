/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals to eventfds that a front end holds too. */
#include "ring/guest_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Completions that the kernel keeps until they are collected: a page of them. */
#define MAX_EVENTS 64

/* /dev/null, the file that requests write 0 bytes to, so that they complete at once. */
static int null_fd = -1;

/* Never destroyed: a thread keeps its context, and the kernel frees it with the process. */
static _Thread_local aio_context_t context;

int guest_fd_warm(void)
{
	if (context == 0 && syscall(SYS_io_setup, MAX_EVENTS, &context) < 0)
		return -errno;
	return 0;
}

int guest_fd_init(void)
{
	if (null_fd < 0)
		null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return null_fd < 0 ? -errno : guest_fd_warm();
}

bool guest_fd_is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char link[32], target[sizeof(name)];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target));
	return n == sizeof(name) - 1 && memcmp(target, name, (size_t)n) == 0;
}

/* Collects completions. The kernel refuses further requests (EAGAIN) while too many are
 * uncollected. */
static void collect(void)
{
	struct timespec now = {0};
	struct io_event events[MAX_EVENTS];

	while (syscall(SYS_io_getevents, context, 0, MAX_EVENTS, events, &now) == MAX_EVENTS)
		continue;
}

int guest_fd_signal(int fd)
{
	struct iocb request = {
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_fildes = (uint32_t)null_fd,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *requests[] = {&request};
	int rc = guest_fd_warm();

	if (rc < 0)
		return rc;
	if (syscall(SYS_io_submit, context, 1, requests) == 1)
		return 0;
	if (errno != EAGAIN)
		return -errno;
	collect();
	return syscall(SYS_io_submit, context, 1, requests) == 1 ? 0 : -errno;
}
