/* SPDX-License-Identifier: BSD-3-Clause */
/* Translation of guest physical addresses to the process's own: a snapshot of a device's memory
 * regions. */
#ifndef RING_GUEST_MEM_H
#define RING_GUEST_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_MEM_MAX_REGIONS 8 /* what a vhost-user front end may share */

struct guest_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
};

struct guest_mem {
	uint32_t n;
	atomic_bool is_lost; /* a page of it was missing: ring/sigbus.h */
	struct guest_region r[GUEST_MEM_MAX_REGIONS];
};

/* The region that holds gpa, NULL when none does. Safe for any gpa: nothing overflows. [any] */
const struct guest_region *guest_mem_find(const struct guest_mem *m, uint64_t gpa);

/* The process's address of *len bytes of guest memory at gpa. *len is cut to what is contiguous in
 * the process's address space, which may span several regions that follow each other in both. NULL
 * when gpa is outside, or *len is 0. [any] */
void *guest_mem_at(const struct guest_mem *m, uint64_t gpa, uint64_t *len);

/* Whether the process's address `at` is in guest memory. [any] */
bool guest_mem_holds(const struct guest_mem *m, const void *at);

#endif
