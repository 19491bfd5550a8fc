/* SPDX-License-Identifier: BSD-3-Clause */
/* Page faults of a thread. */
#include "base/page_faults.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's record of a page fault. All have the same size, so none wraps around the ring's
 * end. */
struct record {
	struct perf_event_header header;
	uint64_t addr;
};

const uint64_t page_faults_never;

void page_faults_none(struct page_faults *f)
{
	*f = (struct page_faults)PAGE_FAULTS_NONE;
}

int page_faults_open(struct page_faults *f)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct perf_event_mmap_page *shared;
	int fd, rc;

	page_faults_none(f);
	fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* The kernel overwrites old records in a read-only mapping; in a writable one it would drop
	 * new ones once the ring is full of unread ones. The mapping keeps the event after
	 * close(). */
	shared = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fd, 0);
	rc = shared == MAP_FAILED ? -errno : 0;
	close(fd);
	if (rc < 0)
		return rc;
	f->head = (const uint64_t *)&shared->data_head;
	f->seen = *f->head;
	f->records = (const uint8_t *)shared + page;
	f->size = page;
	return 0;
}

void page_faults_close(struct page_faults *f)
{
	if (f->records)
		munmap((void *)(f->records - f->size), 2 * f->size);
	page_faults_none(f);
}

const void *page_faults_next(struct page_faults *f)
{
	uint64_t head = __atomic_load_n(f->head, __ATOMIC_ACQUIRE);
	const struct record *r;

	if (f->seen == head)
		return NULL;
	if (head - f->seen > f->size)
		f->seen = head - f->size;
	r = (const struct record *)(const void *)(f->records + (f->seen & (f->size - 1)));
	f->seen += sizeof(*r);
	return (const void *)(uintptr_t)r->addr;
}
