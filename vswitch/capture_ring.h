/* SPDX-License-Identifier: BSD-3-Clause */
/* Captured packets on their way from a worker to control: a ring of bytes, with one writer and one
 * reader. When it is full, packets are missed, and counted. */
#ifndef VSWITCH_CAPTURE_RING_H
#define VSWITCH_CAPTURE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#define CAPTURE_RING_BYTES (1u << 20)

/* What is noted of a packet. Its first bytes follow. */
struct capture_record {
	uint32_t size;        /* of the record with its bytes: where the next one begins */
	uint32_t len;         /* of the packet */
	uint32_t kept;        /* bytes of it that follow */
	uint32_t first_epoch; /* of a port: tells it from others that had its id */
	uint64_t tsc;
	uint16_t place;  /* a port's id, or an uplink's device */
	uint16_t reason; /* of a drop: enum drop_reason of a port, enum wire_drop of an uplink */
	bool is_uplink;
	bool is_sent; /* to the port or uplink; otherwise it came from there */
	bool is_drop;
	bool is_padding; /* nothing follows, but the beginning of the ring */
};
_Static_assert(sizeof(struct capture_record) == 32, "a multiple of 8, as all that is in a ring");

struct capture_ring {
	/* The worker's. */
	_Atomic uint64_t head __rte_cache_aligned;
	uint64_t skipped;   /* packets not looked at, because the time for captures was used up */
	uint64_t missed;    /* that there was no room for */
	uint64_t undecided; /* that the filter did not match, and saw too little of to tell */

	/* Control's. */
	_Atomic uint64_t tail __rte_cache_aligned;

	uint8_t data[CAPTURE_RING_BYTES] __rte_cache_aligned;
};

/* NULL when memory is short. [control] */
struct capture_ring *capture_ring_create(void);
void capture_ring_destroy(struct capture_ring *r);

/* Begins a record with what *rec says, but for its size. Returns where its `kept` bytes go; NULL
 * when there is no room. [worker] */
uint8_t *capture_ring_begin(struct capture_ring *r, const struct capture_record *rec);

/* Shows the record that was begun to the reader. [worker] */
void capture_ring_end(struct capture_ring *r);

/* The oldest record, whose bytes follow it; NULL when there is none. [control] */
const struct capture_record *capture_ring_first(struct capture_ring *r);

/* Lets the oldest record go. There must be one. [control] */
void capture_ring_pop(struct capture_ring *r);

#endif
