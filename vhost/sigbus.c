/* SPDX-License-Identifier: BSD-3-Clause */
/* Survival of guest memory that vanishes. */
#include "vhost/sigbus.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/preempt.h"

#define PAGE_BYTES      4096UL
#define HUGE_PAGE_BYTES (2UL << 20)

static _Atomic uint64_t replaced;

/* Only async-signal-safe work: mmap is a system call. A huge page is replaced whole, since part of
 * a huge mapping cannot be. */
static int replace_page(uintptr_t addr)
{
	static const uintptr_t sizes[] = {PAGE_BYTES, HUGE_PAGE_BYTES};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *page = (void *)(addr & ~(sizes[i] - 1));

		if (mmap(page, sizes[i], PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
			return 0;
	}
	return -1;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (info->si_code == BUS_ADRERR && replace_page((uintptr_t)info->si_addr) == 0) {
		atomic_fetch_add_explicit(&replaced, 1, memory_order_relaxed);
		/* That the service took long is the front end's doing, not the machine's. */
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

uint64_t sigbus_count(void)
{
	return atomic_load_explicit(&replaced, memory_order_relaxed);
}
