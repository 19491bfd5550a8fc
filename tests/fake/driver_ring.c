/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a virtqueue in plain memory. Aborts on a broken promise of the device: that
 * fails the test program where it happens. */
#include "tests/fake/driver_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len)   ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define GUARD_BYTE 0xa5
#define AVAIL      (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED       (1u << VRING_PACKED_DESC_F_USED)

static void die(const char *what)
{
	fprintf(stderr, "driver_ring: %s\n", what);
	abort();
}

static void *must(void *p)
{
	if (!p)
		die("no memory");
	return p;
}

/* --- memory
 * --------------------------------------------------------------------------------------- */

void driver_mem_init(struct driver_mem *m, unsigned n, size_t size, bool adjacent)
{
	size_t step = adjacent ? size : size + DRIVER_GUARD;

	memset(m, 0, sizeof(*m));
	m->all_size = n * step + 2 * (size_t)DRIVER_GUARD;
	m->all = must(aligned_alloc(DRIVER_GUARD, (m->all_size + DRIVER_GUARD - 1) / DRIVER_GUARD *
							  DRIVER_GUARD));
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

/* --- rings
 * ---------------------------------------------------------------------------------------- */

static bool has(const struct driver_ring *r, unsigned bit)
{
	return r->features >> bit & 1;
}

void driver_ring_init(struct driver_ring *r, struct driver_mem *mem, uint16_t size,
		      uint64_t features, uint16_t start)
{
	memset(r, 0, sizeof(*r));
	r->mem = mem;
	r->size = size;
	r->features = features;
	r->start = start;
	r->packed = has(r, VIRTIO_F_RING_PACKED);
	if (r->packed) {
		r->pdesc = driver_mem_alloc(mem, 0, size * sizeof(*r->pdesc), 16);
		r->driver = driver_mem_alloc(mem, 0, sizeof(*r->driver), 4);
		r->device = driver_mem_alloc(mem, 0, sizeof(*r->device), 4);
		r->avail_at = r->used_at = start & 0x7fff;
		r->avail_wrap = r->used_wrap = start & 0x8000;
		/* In a ring that has gone round, what lies ahead was used in the round before. */
		for (uint16_t i = 0; i < size; i++)
			r->pdesc[i].flags = (i < r->avail_at) == r->avail_wrap ? AVAIL | USED : 0;
	} else {
		r->desc = driver_mem_alloc(mem, 0, size * sizeof(*r->desc), 16);
		r->avail = driver_mem_alloc(mem, 0, 6 + size * 2u, 2);
		r->used = driver_mem_alloc(mem, 0, 6 + size * 8u, 4);
		r->avail->idx = r->used->idx = start;
		r->avail_at = r->used_at = start;
	}
	if (has(r, VIRTIO_RING_F_INDIRECT_DESC))
		r->tables = driver_mem_alloc(mem, 0, size * DRIVER_TABLE * 16u, 16);
	r->free_id = must(calloc(size, sizeof(*r->free_id)));
	r->count = must(calloc(size, sizeof(*r->count)));
	r->next = must(calloc(size, sizeof(*r->next)));
	r->n_free = r->n_free_id = size;
	for (uint16_t i = 0; i < size; i++)
		r->free_id[i] = size - 1 - i;
}

void driver_ring_free(struct driver_ring *r)
{
	free(r->free_id);
	free(r->count);
	free(r->next);
}

struct virtq_conf driver_ring_conf(const struct driver_ring *r, int call_fd)
{
	return (struct virtq_conf){
		.desc = r->packed ? (void *)r->pdesc : r->desc,
		.avail = r->packed ? (void *)r->driver : r->avail,
		.used = r->packed ? (void *)r->device : r->used,
		.size = r->size,
		.last_avail = r->start,
		.last_used = r->start,
		.call_fd = call_fd,
		.features = r->features,
		.mem = &r->mem->map,
	};
}

/* Writes the indirect table of an id; *ref names it. */
static void fill_table(struct driver_ring *r, uint16_t id, const struct driver_buf *bufs,
		       unsigned n, struct driver_buf *ref)
{
	uint8_t *table = (uint8_t *)r->tables + id * DRIVER_TABLE * 16u;

	if (n > DRIVER_TABLE)
		die("too many buffers for a table");
	for (unsigned i = 0; i < n; i++) {
		uint16_t write = bufs[i].device_writes ? VRING_DESC_F_WRITE : 0;

		if (r->packed)
			((struct vring_packed_desc *)(void *)table)[i] = (struct vring_packed_desc){
				.addr = bufs[i].gpa, .len = bufs[i].len, .flags = write};
		else
			((struct vring_desc *)(void *)table)[i] = (struct vring_desc){
				.addr = bufs[i].gpa,
				.len = bufs[i].len,
				.flags = write | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
				.next = (uint16_t)(i + 1),
			};
	}
	ref->gpa = driver_mem_gpa(r->mem, table);
	ref->len = n * 16;
	ref->device_writes = false;
}

static int add_split(struct driver_ring *r, const struct driver_buf *bufs, unsigned n,
		     uint16_t extra)
{
	uint16_t head = r->free_id[r->n_free_id - 1], id = head;

	for (unsigned i = 0; i < n; i++) {
		bool more = i + 1 < n;

		id = r->free_id[--r->n_free_id];
		r->next[id] = more ? r->free_id[r->n_free_id - 1] : 0;
		r->desc[id] = (struct vring_desc){
			.addr = bufs[i].gpa,
			.len = bufs[i].len,
			.flags = extra | (bufs[i].device_writes ? VRING_DESC_F_WRITE : 0) |
				 (more ? VRING_DESC_F_NEXT : 0),
			.next = r->next[id],
		};
	}
	r->count[head] = (uint16_t)n;
	r->n_free -= n;
	r->avail->ring[r->avail_at & (r->size - 1)] = head;
	r->avail_at++;
	__atomic_store_n(&r->avail->idx, r->avail_at, __ATOMIC_RELEASE);
	return head;
}

static int add_packed(struct driver_ring *r, const struct driver_buf *bufs, unsigned n,
		      uint16_t extra)
{
	uint16_t id = r->free_id[--r->n_free_id], head = r->avail_at, head_flags = 0, flags;

	for (unsigned i = 0; i < n; i++) {
		struct vring_packed_desc *d = &r->pdesc[r->avail_at];

		flags = extra | (bufs[i].device_writes ? VRING_DESC_F_WRITE : 0) |
			(i + 1 < n ? VRING_DESC_F_NEXT : 0) | (r->avail_wrap ? AVAIL : USED);
		d->addr = bufs[i].gpa;
		d->len = bufs[i].len;
		d->id = id;
		if (i == 0)
			head_flags = flags;
		else
			d->flags = flags;
		if (++r->avail_at == r->size) {
			r->avail_at = 0;
			r->avail_wrap = !r->avail_wrap;
		}
	}
	r->count[id] = (uint16_t)n;
	r->n_free -= n;
	__atomic_store_n(&r->pdesc[head].flags, head_flags, __ATOMIC_RELEASE);
	return id;
}

int driver_ring_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned n, bool indirect)
{
	struct driver_buf ref;
	uint16_t extra = 0;

	if (r->n_free < (indirect ? 1 : n) || r->n_free_id == 0)
		return -1;
	if (indirect) {
		fill_table(r, r->free_id[r->n_free_id - 1], bufs, n, &ref);
		bufs = &ref;
		n = 1;
		extra = VRING_DESC_F_INDIRECT;
	}
	return r->packed ? add_packed(r, bufs, n, extra) : add_split(r, bufs, n, extra);
}

static bool poll_split(struct driver_ring *r, uint16_t *id, uint32_t *len)
{
	struct vring_used_elem e;
	uint16_t i;

	if (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) == r->used_at)
		return false;
	e = r->used->ring[r->used_at++ & (r->size - 1)];
	if (e.id >= r->size || r->count[e.id] == 0)
		die("the device gave back what it did not have");
	*id = i = (uint16_t)e.id;
	*len = e.len;
	for (uint16_t n = r->count[*id]; n > 0; n--, i = r->next[i]) {
		r->free_id[r->n_free_id++] = i;
		r->n_free++;
	}
	r->count[*id] = 0;
	return true;
}

static bool poll_packed(struct driver_ring *r, uint16_t *id, uint32_t *len)
{
	const struct vring_packed_desc *d = &r->pdesc[r->used_at];
	uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);

	if ((flags & (AVAIL | USED)) != (r->used_wrap ? AVAIL | USED : 0))
		return false;
	if (d->id >= r->size || r->count[d->id] == 0)
		die("the device gave back what it did not have");
	*id = d->id;
	*len = d->len;
	if (!(flags & VRING_DESC_F_WRITE) != (d->len == 0))
		die("a used descriptor's flags contradict its length");
	r->used_at += r->count[*id];
	if (r->used_at >= r->size) {
		r->used_at -= r->size;
		r->used_wrap = !r->used_wrap;
	}
	r->n_free += r->count[*id];
	r->free_id[r->n_free_id++] = *id;
	r->count[*id] = 0;
	return true;
}

bool driver_ring_poll(struct driver_ring *r, uint16_t *id, uint32_t *len)
{
	return r->packed ? poll_packed(r, id, len) : poll_split(r, id, len);
}
