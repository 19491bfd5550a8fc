/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel took from a thread of this process. */
#ifndef BASE_THREAD_STAT_H
#define BASE_THREAD_STAT_H

#include <stdint.h>
#include <sys/types.h>

struct thread_stat {
	uint64_t preemptions; /* times it was taken off its core though it wanted to go on */
	uint64_t lost_ns;     /* that it was ready to run and others ran; a hypervisor's part is
				 not in it */
};

/* Reads both from /proc (proc(5)). A negative errno where there is no such thread or no /proc.
 * Makes system calls. [any but worker] */
int thread_stat_read(pid_t tid, struct thread_stat *st);

#endif
