/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods. */
#include "vswitch/flood.h"

#include "vswitch/outbox.h"
#include "vswitch/vport.h"
#include "vswitch/wire_tx.h"

/* Ports that are passed over cost about as much as one delivery: */
#define SKIPPED_PER_WORK 16

/* The index of the first port whose id is `id` or higher. */
static uint32_t find_member(const struct members *members, uint16_t id)
{
	uint32_t low = 0, high = members->n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (members->port[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Ends the flood for this part; it goes on with `next`. */
static void cut_flood(struct batch *b, uint16_t next)
{
	b->is_flood_cut = true;
	b->flood_next = next;
}

/* Goes on with a flood to other hosts. */
static void flood_wire(struct worker *w, struct batch *b, const struct vport *from, uint16_t index,
		       const struct remotes *remotes, uint16_t next)
{
	for (uint32_t i = remotes_find(remotes, next); i < remotes->n; i++) {
		uint16_t dest = remotes->dest[i], remote = dest - DEST_FIRST_REMOTE;
		bool is_stuck = !wire_has_room(w, remote);

		if (is_stuck)
			wire_wait(w, from->vm);
		if (is_stuck || b->work >= MAX_WORK) {
			cut_flood(b, dest);
			return;
		}
		wire_put(w, b, index, remote);
		b->pkt[index].asked++;
	}
}

void flood(struct worker *w, struct batch *b, const struct vport *from, uint16_t index,
	   uint16_t next)
{
	const struct bridge *bridge = from->bridge;
	const struct members *members =
		atomic_load_explicit(&bridge->members, memory_order_acquire);
	const struct remotes *remotes =
		atomic_load_explicit(&bridge->remotes, memory_order_acquire);
	struct pkt *p = &b->pkt[index];
	uint64_t dst = fdb_mac(pkt_data(p));
	uint32_t skipped = 0;

	for (uint32_t i = find_member(members, next); i < members->n; i++) {
		struct vport *to = members->port[i];
		bool is_for_it = flood_is_for(to, from, dst);

		if (!is_for_it && ++skipped % SKIPPED_PER_WORK != 0)
			continue;
		if (unlikely(b->work >= MAX_WORK)) {
			cut_flood(b, to->id);
			break;
		}
		if (!is_for_it) {
			b->work++;
			continue;
		}
		outbox_put(outbox_find(w, to, b), b, index);
		p->asked++;
	}
	if (unlikely(remotes) && !b->is_flood_cut)
		flood_wire(w, b, from, index, remotes, next);
	b->copies += p->asked > 0 ? p->asked - 1u : 0;
}
