/* SPDX-License-Identifier: BSD-3-Clause */
/* Survival of guest memory that vanishes. A front end may truncate the file behind memory that it
 * shared, a page of it may be bad, and a huge page may be unavailable when it is touched. Each
 * raises SIGBUS in the thread that touches it. */
#ifndef RING_SIGBUS_H
#define RING_SIGBUS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The most mappings that can be watched: eight regions of each port, twice while they change. */
#define SIGBUS_MAX (1024 * 8 * 2)

/* Installs a SIGBUS handler. In watched memory it replaces a missing page by an empty private one,
 * so that the access goes on with zeroes. Other causes of SIGBUS end the process as before. 0 or
 * negative errno. [control, before any worker] */
int sigbus_init(void);

/* Watches a mapping of the file `fd`, from which the page size is taken. *is_lost is set when a
 * page of it was missing. Does nothing when the table is full. [gate] */
void sigbus_watch(void *start, size_t size, int fd, atomic_bool *is_lost);

/* Stops watching a mapping. No thread may touch the memory any more. [gate] */
void sigbus_forget(const void *start);

/* The number of pages replaced so far. [any] */
uint64_t sigbus_count(void);

#endif
