/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests that go on with malformed chains. */
#include "policy/hostile.h"

#include <string.h>

bool hostile_look(struct hostile *h, const uint64_t *total, uint32_t now_s, uint64_t *since)
{
	uint64_t fresh = 0;

	for (unsigned i = 0; i < HOSTILE_KINDS; i++) {
		uint64_t n = total[i] > h->seen[i] ? total[i] - h->seen[i] : 0;

		h->seen[i] = total[i];
		h->unreported[i] += n;
		fresh += n;
	}
	if (fresh <= HOSTILE_HANDFUL)
		return false;
	if (h->was_told && now_s - h->told_s < HOSTILE_PAUSE_S)
		return false;
	h->was_told = true;
	h->told_s = now_s;
	memcpy(since, h->unreported, sizeof(h->unreported));
	memset(h->unreported, 0, sizeof(h->unreported));
	return true;
}
