/* SPDX-License-Identifier: BSD-3-Clause */
/* Translation of guest physical addresses to the process's own. */
#include "ring/guest_mem.h"

const struct guest_region *guest_mem_find(const struct guest_mem *m, uint64_t gpa)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (gpa - m->r[i].gpa < m->r[i].size)
			return &m->r[i];
	return NULL;
}

void *guest_mem_at(const struct guest_mem *m, uint64_t gpa, uint64_t *len)
{
	const struct guest_region *r = guest_mem_find(m, gpa), *next;
	uint64_t offset, there;
	uint8_t *start;

	if (!r || *len == 0)
		return NULL;
	offset = gpa - r->gpa;
	start = r->hva + offset;
	there = r->size - offset;
	while (there < *len) {
		/* `there` is below *len. If gpa + there wraps, the address is looked up like any
		 * other; a region counts only if it is mapped right behind. */
		next = guest_mem_find(m, gpa + there);
		if (!next || next->gpa != gpa + there || next->hva != start + there)
			break;
		there += next->size;
	}
	if (there < *len)
		*len = there;
	return start;
}

bool guest_mem_holds(const struct guest_mem *m, const void *at)
{
	for (uint32_t i = 0; i < m->n; i++)
		if ((uintptr_t)at - (uintptr_t)m->r[i].hva < m->r[i].size)
			return true;
	return false;
}
