/* SPDX-License-Identifier: BSD-3-Clause */
/* Detection of guests that keep putting malformed chains into their rings, from their counters,
 * once a second. A few such chains count as a mishap. More of them are reported when they begin,
 * and then again every HOSTILE_PAUSE_S at most. */
#ifndef POLICY_HOSTILE_H
#define POLICY_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

#define HOSTILE_KINDS   7  /* of malformed chains */
#define HOSTILE_HANDFUL 5  /* malformed chains per second that are not reported */
#define HOSTILE_PAUSE_S 10 /* the least time between two reports */

struct hostile {
	uint64_t seen[HOSTILE_KINDS];       /* totals at the look before */
	uint64_t unreported[HOSTILE_KINDS]; /* since the last report */
	uint32_t told_s;
	bool was_told;
};

/* One look: `total` are the malformed chains of each kind so far. True when a report is due: there
 * were more than HOSTILE_HANDFUL since the look before, and no report for HOSTILE_PAUSE_S. Then
 * `since` are those of each kind since the last report. [control] */
bool hostile_look(struct hostile *h, const uint64_t *total, uint32_t now_s, uint64_t *since);

#endif
