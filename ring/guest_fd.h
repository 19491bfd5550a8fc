/* SPDX-License-Identifier: BSD-3-Clause */
/* The eventfds through which front ends and we tell each other of new work. A front end holds the
 * same open file: it may clear O_NONBLOCK at any time and fill the counter, and then a write(2)
 * never returns. So they are signalled by the kernel itself, as it does for its own users, when a
 * request for asynchronous I/O completes (IOCB_FLAG_RESFD, io_submit(2)): that never waits. */
#ifndef RING_GUEST_FD_H
#define RING_GUEST_FD_H

#include <stdbool.h>

/* Once, before any other. -errno where the kernel has no asynchronous I/O, or gives no more of it
 * (fs.aio-max-nr). [control] */
int guest_fd_init(void);

/* Whether it is an eventfd. Does not touch the file: that of a FUSE file system could make us wait.
 * [any] */
bool guest_fd_is_eventfd(int fd);

/* Prepares the calling thread, so that its first signal takes no longer than others. [any] */
int guest_fd_warm(void);

/* Adds 1 to the eventfd's counter, unless it is full. Never waits, whatever the front end does.
 * -errno when it is closed or no eventfd. [any] */
int guest_fd_signal(int fd);

#endif
