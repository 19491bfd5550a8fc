/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the kernel preempted a thread. */
#include "base/preempt.h"

#include <stdint.h>
#include <sys/rseq.h>

/* An rseq critical section in memory that is never executed. Its abort address must have RSEQ_SIG
 * in front of it. */
static const uint32_t nowhere[2] = {RSEQ_SIG, 0};
static struct rseq_cs never;

static _Thread_local bool is_armed;

static struct rseq *area(void)
{
	uintptr_t self;

#ifdef __x86_64__
	__asm__("mov %%fs:0, %0" : "=r"(self));
#else
	self = (uintptr_t)__builtin_thread_pointer();
#endif
	return (struct rseq *)(self + (uintptr_t)__rseq_offset);
}

__attribute__((constructor)) static void name_section(void)
{
	never.start_ip = (uintptr_t)&nowhere[0];
	never.post_commit_offset = 1;
	never.abort_ip = (uintptr_t)&nowhere[1];
}

static void arm(struct rseq *r)
{
	__atomic_store_n(&r->rseq_cs, (uintptr_t)&never, __ATOMIC_RELAXED);
}

bool preempt_happened(void)
{
	bool happened;
	struct rseq *r;

	if (__rseq_size == 0)
		return false;
	r = area();
	happened = is_armed && __atomic_load_n(&r->rseq_cs, __ATOMIC_RELAXED) == 0;
	is_armed = true;
	arm(r);
	return happened;
}

void preempt_forget(void)
{
	if (is_armed)
		arm(area());
}
