/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the kernel gave a thread's core to somebody else meanwhile, asked without a system call.
 *
 * A thread may name a critical section of its code in memory that it shares with the kernel, which
 * forgets the name when it takes the core away while the thread is anywhere else (rseq(2),
 * Linux 4.18; the C library registers the memory). So the name of a section that is never entered
 * is gone exactly if that happened. An interrupt that goes back to the thread, or a hypervisor that
 * takes the whole core, is not seen. */
#ifndef BASE_PREEMPT_H
#define BASE_PREEMPT_H

#include <stdbool.h>

/* Whether that happened to the calling thread since its last call; false in the first, and always
 * where the kernel or the C library do not have it. [any] */
bool preempt_happened(void);

/* For the end of a signal handler: a signal makes the kernel forget the name too, though it takes
 * the core from nobody. What happened before it is forgotten. Async-signal-safe. [any] */
void preempt_forget(void);

#endif
