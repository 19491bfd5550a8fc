/* SPDX-License-Identifier: BSD-3-Clause */
/* How many files this process may have open, and for whom. */
#ifndef BASE_FD_LIMIT_H
#define BASE_FD_LIMIT_H

/* Raises the limit as far as it may be raised, and reserves some descriptors for management.
 * Returns the limit. [control, once, before any thread] */
int fd_limit_raise(void);

/* Descriptors below this number may be had for guests; those from here on are management's. Since
 * the kernel gives out the lowest number that is free, a new descriptor tells what is left. [any]
 */
int fd_limit_for_guests(void);

#endif
