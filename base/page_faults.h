/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a thread met a page that was not there, asked without a system call.
 *
 * The kernel writes a record of each page fault into memory that it shares with the thread
 * (perf_event_open(2), PERF_COUNT_SW_PAGE_FAULTS), and counts the records there: to look is to read
 * a word that is nearly always in the first-level cache. Written to by the kernel only, so that
 * records which nobody reads are overwritten, and none is ever lost. */
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

/* For threads whose faults are not to be seen: none ever happens. [any] */
extern const uint64_t page_faults_never;
#define PAGE_FAULTS_NONE                   \
	{                                  \
		.head = &page_faults_never \
	}
void page_faults_none(struct page_faults *f);

/* Starts recording the calling thread's page faults in user mode. -errno where the kernel does not
 * allow it (kernel.perf_event_paranoid above 2 and no CAP_PERFMON): then none is ever seen. Release
 * with page_faults_close. [any] */
int page_faults_open(struct page_faults *f);
void page_faults_close(struct page_faults *f);

/* Whether there was one that was not seen yet. [the thread that opened it] */
static inline bool page_faults_unseen(const struct page_faults *f)
{
	return __builtin_expect(*(const volatile uint64_t *)f->head != f->seen, 0);
}

/* The same, and now all are seen. [the thread that opened it] */
static inline bool page_faults_happened(struct page_faults *f)
{
	if (!page_faults_unseen(f))
		return false;
	f->seen = *(const volatile uint64_t *)f->head;
	return true;
}

/* Where the first one was that was not seen yet, which now is; NULL when all are. Of very many (256
 * where pages are of 4 KiB), the first are forgotten. [the thread that opened it] */
const void *page_faults_next(struct page_faults *f);

#endif
