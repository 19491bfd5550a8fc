/* SPDX-License-Identifier: BSD-3-Clause */
/* Page faults of a thread, seen without a system call.
 *
 * The kernel writes a record of each page fault into a ring that it shares with the thread
 * (perf_event_open(2), PERF_COUNT_SW_PAGE_FAULTS), and counts the bytes there: a look reads one
 * word that is nearly always in the first-level cache. The mapping is read-only, so that new
 * records overwrite those that nobody read, and no fault goes unnoticed. */
#ifndef BASE_PAGE_FAULTS_H
#define BASE_PAGE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct page_faults {
	const uint64_t *head; /* bytes of records written */
	uint64_t seen;
	const uint8_t *records; /* a ring; NULL where nothing is recorded */
	size_t size;            /* of the ring, a power of two */
};

/* The state of a thread whose page faults are not recorded: none is ever seen. [any] */
extern const uint64_t page_faults_never;
#define PAGE_FAULTS_NONE                   \
	{                                  \
		.head = &page_faults_never \
	}
void page_faults_none(struct page_faults *f);

/* Starts recording the calling thread's page faults in user mode. -errno where the kernel does not
 * allow it (kernel.perf_event_paranoid above 2 and no CAP_PERFMON): then no fault is ever seen.
 * Release with page_faults_close. [any] */
int page_faults_open(struct page_faults *f);
void page_faults_close(struct page_faults *f);

/* Whether there were page faults that were not seen yet. [the thread that opened it] */
static inline bool page_faults_unseen(const struct page_faults *f)
{
	return __builtin_expect(*(const volatile uint64_t *)f->head != f->seen, 0);
}

/* The same, and marks all as seen. [the thread that opened it] */
static inline bool page_faults_happened(struct page_faults *f)
{
	if (!page_faults_unseen(f))
		return false;
	f->seen = *(const volatile uint64_t *)f->head;
	return true;
}

/* Marks the oldest unseen page fault as seen and returns its address; NULL when all are seen. The
 * ring keeps the last 256 (where pages are of 4 KiB), older ones are forgotten. [the thread that
 * opened it] */
const void *page_faults_next(struct page_faults *f);

#endif
