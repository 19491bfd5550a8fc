/* SPDX-License-Identifier: BSD-3-Clause */
/* Preemptions of a thread of this process, and the time that it lost. */
#ifndef BASE_THREAD_STAT_H
#define BASE_THREAD_STAT_H

#include <stdint.h>
#include <sys/types.h>

struct thread_stat {
	uint64_t preemptions; /* involuntary context switches */
	uint64_t lost_ns; /* time in the run queue, while others ran; what a hypervisor takes is not
			     in it */
};

/* Reads both from /proc (proc(5)). A negative errno where there is no such thread or no /proc.
 * Makes system calls. [any but worker] */
int thread_stat_read(pid_t tid, struct thread_stat *st);

#endif
