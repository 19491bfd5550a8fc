/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory in plain memory, between guards. */
#include "tests/fake/driver_mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/driver_ring.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len)   ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define GUARD_BYTE 0xa5

static void die(const char *what)
{
	fprintf(stderr, "driver_mem: %s\n", what);
	abort();
}

void driver_mem_init(struct driver_mem *m, unsigned n, size_t size, bool adjacent)
{
	size_t step = adjacent ? size : size + DRIVER_GUARD;

	memset(m, 0, sizeof(*m));
	m->all_size = n * step + 2 * (size_t)DRIVER_GUARD;
	m->all = aligned_alloc(DRIVER_GUARD,
			       (m->all_size + DRIVER_GUARD - 1) / DRIVER_GUARD * DRIVER_GUARD);
	if (!m->all)
		die("no memory");
	memset(m->all, GUARD_BYTE, m->all_size);
	ASAN_POISON_MEMORY_REGION(m->all, m->all_size);
	m->map.n = n;
	for (unsigned i = 0; i < n; i++) {
		m->map.r[i].gpa = DRIVER_GPA + i * size;
		m->map.r[i].size = size;
		m->map.r[i].hva = m->all + DRIVER_GUARD + i * step;
		ASAN_UNPOISON_MEMORY_REGION(m->map.r[i].hva, size);
		memset(m->map.r[i].hva, 0, size);
	}
}

void driver_mem_free(struct driver_mem *m)
{
	ASAN_UNPOISON_MEMORY_REGION(m->all, m->all_size);
	free(m->all);
	m->all = NULL;
}

void *driver_mem_alloc(struct driver_mem *m, unsigned r, size_t len, size_t align)
{
	size_t at = (m->used[r] + align - 1) / align * align;

	if (at + len > m->map.r[r].size)
		die("a region is used up");
	m->used[r] = at + len;
	return m->map.r[r].hva + at;
}

uint64_t driver_mem_gpa(const struct driver_mem *m, const void *p)
{
	for (unsigned i = 0; i < m->map.n; i++) {
		size_t offset = (size_t)((const uint8_t *)p - m->map.r[i].hva);

		if ((const uint8_t *)p >= m->map.r[i].hva && offset < m->map.r[i].size)
			return m->map.r[i].gpa + offset;
	}
	die("not guest memory");
	return 0;
}

void driver_mem_ring(struct driver_mem *m, struct driver_ring *r, uint16_t size, uint64_t features,
		     uint16_t start)
{
	/* No part is aligned better than it has to be (virtio 1.1, 2.6 and 2.7.10). */
	void *at = driver_mem_alloc(m, 0, vring_size(size, 4), 16);

	if (driver_ring_init(r, at, 4, size, features, start) < 0)
		die("no memory");
}

static bool is_guard(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == GUARD_BYTE && memcmp(p, p + 1, n - 1) == 0);
}

bool driver_mem_guards_ok(const struct driver_mem *m)
{
	const uint8_t *at = m->all;
	bool ok = true;

	ASAN_UNPOISON_MEMORY_REGION(m->all, m->all_size);
	for (unsigned r = 0; r < m->map.n; r++) {
		ok = ok && is_guard(at, (size_t)(m->map.r[r].hva - at));
		at = m->map.r[r].hva + m->map.r[r].size;
	}
	return ok && is_guard(at, (size_t)(m->all + m->all_size - at));
}
