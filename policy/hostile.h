/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells when a guest goes on putting malformed chains into its rings, from looks at their counters
 * once a second. One now and then is a mishap, and many are one story: reported when it begins,
 * then now and again. */
#ifndef POLICY_HOSTILE_H
#define POLICY_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

#define HOSTILE_KINDS   7  /* of malformed chains */
#define HOSTILE_HANDFUL 5  /* in a second that are not worth telling */
#define HOSTILE_PAUSE_S 10 /* between two reports, at the least */

struct hostile {
	uint64_t seen[HOSTILE_KINDS];       /* at the look before */
	uint64_t unreported[HOSTILE_KINDS]; /* since the last report */
	uint32_t told_s;
	bool was_told;
};

/* One look: `total` are those of each kind so far. True when it is to be reported now: there were
 * more than a handful since the look before. Then `since` are those of each kind that were not
 * reported yet. [control] */
bool hostile_look(struct hostile *h, const uint64_t *total, uint32_t now_s, uint64_t *since);

#endif
