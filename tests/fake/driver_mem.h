/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory in plain memory, cut into regions with guard bytes around each; they are poisoned
 * under ASan and compared otherwise. Aborts when it is used up: that fails the test program where
 * it happens. */
#ifndef FAKE_DRIVER_MEM_H
#define FAKE_DRIVER_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/guest_mem.h"

#define DRIVER_GPA   0x100000000ULL /* of the first region */
#define DRIVER_GUARD 4096

struct driver_ring;

struct driver_mem {
	struct guest_mem map;
	uint8_t *all;
	size_t all_size;
	size_t used[GUEST_MEM_MAX_REGIONS];
};

/* n regions of `size` bytes; their guest addresses follow each other. With `adjacent` our addresses
 * do too, so that only the outer ends have guards. */
void driver_mem_init(struct driver_mem *m, unsigned n, size_t size, bool adjacent);
void driver_mem_free(struct driver_mem *m);

/* A piece of region r, zeroed, and its guest address. */
void *driver_mem_alloc(struct driver_mem *m, unsigned r, size_t len, size_t align);
uint64_t driver_mem_gpa(const struct driver_mem *m, const void *p);

/* Makes a ring in region 0; see driver_ring_init. */
void driver_mem_ring(struct driver_mem *m, struct driver_ring *r, uint16_t size, uint64_t features,
		     uint16_t start);

/* Whether nobody wrote into the guards. */
bool driver_mem_guards_ok(const struct driver_mem *m);

#endif
