/* SPDX-License-Identifier: BSD-3-Clause */
/* Eventfds by which front ends and the switch notify each other (kick and call). A front end holds
 * the same open file: it may clear O_NONBLOCK at any time and fill the counter, and then a write(2)
 * never returns. So the kernel itself signals them, on completion of an asynchronous I/O request
 * (IOCB_FLAG_RESFD, io_submit(2)), which never waits. */
#ifndef RING_GUEST_FD_H
#define RING_GUEST_FD_H

#include <stdbool.h>

/* To be called once, before the others. -errno where the kernel has no asynchronous I/O, or has no
 * contexts left (fs.aio-max-nr). [control] */
int guest_fd_init(void);

/* Whether `fd` is an eventfd. Does not touch the file, since one of a FUSE file system could make
 * the caller wait. [any] */
bool guest_fd_is_eventfd(int fd);

/* Prepares the calling thread, so that its first signal takes no longer than others. [any] */
int guest_fd_warm(void);

/* Adds 1 to the eventfd's counter, unless it is full. Never waits, whatever the front end does.
 * -errno when it is closed or no eventfd. [any] */
int guest_fd_signal(int fd);

#endif
