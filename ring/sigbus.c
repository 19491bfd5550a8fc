/* SPDX-License-Identifier: BSD-3-Clause */
/* Survival of guest memory that vanishes.
 *
 * A missing page is replaced by one of the mapping's own page size, since part of a huge page
 * cannot be replaced. The rings of a device whose memory was lost are taken out of service at the
 * end of the service that met it. So the number of pages replaced, each of which takes a mapping in
 * the kernel, is bounded by what one service touches. */
#include "ring/sigbus.h"

#include <errno.h>
#include <signal.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "base/preempt.h"

#define PAGE_BYTES 4096UL

struct watched {
	_Atomic uintptr_t start; /* 0: the entry is free */
	size_t size;
	size_t page;
	atomic_bool *is_lost;
};

static struct watched watched[SIGBUS_MAX];
static _Atomic unsigned n_watched; /* entries from this one on were never used */
static _Atomic uint64_t replaced;

static const struct watched *find(uintptr_t addr)
{
	for (unsigned i = 0; i < atomic_load(&n_watched); i++) {
		uintptr_t start = atomic_load_explicit(&watched[i].start, memory_order_acquire);

		if (start != 0 && addr - start < watched[i].size)
			return &watched[i];
	}
	return NULL;
}

/* Replaces a missing page in watched memory. All of it is async-signal-safe: mmap is a system
 * call. */
static int replace_page(uintptr_t addr)
{
	const struct watched *w = find(addr);
	void *page;

	if (!w)
		return -1;
	page = (void *)(addr & ~(w->page - 1));
	if (mmap(page, w->page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -1;
	atomic_store(w->is_lost, true);
	return 0;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (replace_page((uintptr_t)info->si_addr) == 0) {
		atomic_fetch_add_explicit(&replaced, 1, memory_order_relaxed);
		/* The signal is no preemption: the time is the front end's doing, not the
		 * machine's. */
		preempt_forget();
		errno = saved;
		return;
	}
	/* Not ours: let the access fault again under the default action. */
	signal(sig, SIG_DFL);
}

int sigbus_init(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) < 0 ? -errno : 0;
}

void sigbus_watch(void *start, size_t size, int fd, atomic_bool *is_lost)
{
	struct statfs fs;
	bool huge = fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;

	for (unsigned i = 0; i < SIGBUS_MAX; i++) {
		struct watched *w = &watched[i];

		if (atomic_load(&w->start) != 0)
			continue;
		w->size = size;
		w->page = huge ? (size_t)fs.f_bsize : PAGE_BYTES;
		w->is_lost = is_lost;
		if (i >= atomic_load(&n_watched))
			atomic_store(&n_watched, i + 1);
		atomic_store_explicit(&w->start, (uintptr_t)start, memory_order_release);
		return;
	}
}

void sigbus_forget(const void *start)
{
	for (unsigned i = 0; i < atomic_load(&n_watched); i++)
		if (atomic_load(&watched[i].start) == (uintptr_t)start)
			atomic_store(&watched[i].start, 0);
}

uint64_t sigbus_count(void)
{
	return atomic_load_explicit(&replaced, memory_order_relaxed);
}
