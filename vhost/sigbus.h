/* SPDX-License-Identifier: BSD-3-Clause */
/* Survival of guest memory that vanishes: a front end may truncate the file behind memory that it
 * shared, and touching it then raises SIGBUS in whatever thread does. */
#ifndef VHOST_SIGBUS_H
#define VHOST_SIGBUS_H

#include <stdint.h>

/* Installs a SIGBUS handler that puts an empty private page where a mapped file has ended, so that
 * the access goes on with zeroes; the rings found there are then broken by their own checks. Other
 * causes of SIGBUS end the process as before. 0 or negative errno. [control, before any worker] */
int sigbus_init(void);

/* How many pages were replaced so far. [any] */
uint64_t sigbus_count(void);

#endif
