/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains that no driver makes. */
#include "tests/fake/bad_chain.h"

#include "vhost/net_ring.h"

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define MOST     VIRTQ_MAX_SIZE
#define PARTS    3

/* Where a descriptor points: see address(). NOWHERE ends a chain. */
enum place { NOWHERE, GOOD, ZERO, BEFORE, TAIL, BEYOND, TOP, TABLE, EDGE };

struct part {
	enum place at;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* split: relative to the first, or in a table */
};

static const struct {
	const char *name;
	struct part ring[PARTS], table[PARTS];
} chains[] = {
#define PARTS_OF(...)       \
	{                   \
		__VA_ARGS__ \
	}
#define X(name, ring, table, ...) {#name, PARTS_OF ring, PARTS_OF table},
#include "tests/fake/bad_chains.def"
#undef X
};

const char *bad_chain_name(enum bad_chain c)
{
	return chains[c].name;
}

static uint64_t address(enum place at, const struct bad_chain_places *p)
{
	const uint64_t end = p->gpa + p->size;
	const uint64_t addresses[] = {
		[GOOD] = p->good,   [ZERO] = 0,       [BEFORE] = p->gpa - 1,
		[TAIL] = end - 10,  [BEYOND] = end,   [TOP] = UINT64_MAX - 9,
		[TABLE] = p->table, [EDGE] = end - 8,
	};

	return addresses[at];
}

/* Makes descriptors of parts. Returns their number. */
static unsigned make(const struct part *parts, const struct bad_chain_places *p, bool device_writes,
		     struct vring_desc *d)
{
	unsigned n = 0;

	for (; n < PARTS && parts[n].at != NOWHERE; n++) {
		d[n] = (struct vring_desc){address(parts[n].at, p), parts[n].len, parts[n].flags,
					   parts[n].next};
		if (device_writes)
			d[n].flags ^= WRITE;
	}
	return n;
}

int bad_chain_add(struct driver_ring *r, enum bad_chain c, const struct bad_chain_places *p,
		  bool device_writes)
{
	struct vring_packed_desc *packed = p->table_at;
	struct vring_desc *split = p->table_at, d[PARTS];
	unsigned n = make(chains[c].table, p, device_writes, d);

	for (unsigned i = 0; i < n; i++) {
		if (r->packed)
			packed[i] = (struct vring_packed_desc){d[i].addr, d[i].len, 0, d[i].flags};
		else
			split[i] = d[i];
	}
	n = make(chains[c].ring, p, device_writes, d);
	/* The device reads a table whatever it does with the buffers. */
	for (unsigned i = 0; i < n; i++)
		if (d[i].flags & INDIRECT)
			d[i].flags &= (uint16_t)~WRITE;
	return driver_ring_add_raw(r, d, n);
}
