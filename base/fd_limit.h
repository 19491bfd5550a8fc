/* SPDX-License-Identifier: BSD-3-Clause */
/* The limit on this process's open files, and its division between guests and management. */
#ifndef BASE_FD_LIMIT_H
#define BASE_FD_LIMIT_H

/* Raises the soft limit to the hard limit, and reserves some descriptors for management. Returns
 * the limit. [control, once, before any thread] */
int fd_limit_raise(void);

/* Descriptors below this number may be used for guests; the others are reserved for management. The
 * kernel gives out the lowest free number, so the number of a new descriptor shows whether there
 * are any left for guests. [any] */
int fd_limit_for_guests(void);

#endif
