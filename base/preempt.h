/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the kernel preempted a thread, asked without a system call.
 *
 * A thread may register a restartable sequence, a critical section of its code, by a pointer in
 * memory that it shares with the kernel (rseq(2), Linux 4.18; the C library registers the memory).
 * The kernel clears the pointer when it gives the core to another thread while this one is outside
 * that section. So a pointer to a section that is never entered is cleared exactly if that
 * happened. An interrupt that returns to the thread, or a hypervisor that takes the whole core, is
 * not seen. */
#ifndef BASE_PREEMPT_H
#define BASE_PREEMPT_H

#include <stdbool.h>

/* Whether the calling thread was preempted since its last call; false in the first call, and always
 * where the kernel or the C library does not support rseq. [any] */
bool preempt_happened(void);

/* Sets the pointer anew, for the end of a signal handler: a signal clears it too, though the thread
 * keeps its core. A preemption before the signal is forgotten. Async-signal-safe. [any] */
void preempt_forget(void);

#endif
