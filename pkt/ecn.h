/* SPDX-License-Identifier: BSD-3-Clause */
/* Explicit congestion notification (RFC 3168) in frames of tenants. */
#ifndef PKT_ECN_H
#define PKT_ECN_H

#include <stdbool.h>
#include <stdint.h>

/* The ECN field of an IP header. */
enum ecn {
	ECN_NOT_ECT,
	ECN_ECT_1,
	ECN_ECT_0,
	ECN_CE,
	ECN_MASK = 3,
};

/* Hands the mark of an outer IP header to the frame in it (RFC 6040, figure 4), of which `len` of
 * `total` bytes are at `frame`, and corrects the IPv4 checksum. False for CE that the frame cannot
 * take, since its ends do not understand it. Frames without a sound IP header there stay as they
 * are. [worker] */
bool ecn_take_outer(uint8_t *frame, uint32_t len, uint32_t total, enum ecn outer);

/* Marks a frame as having met congestion, if its ends understand that. [worker] */
static inline void ecn_mark(uint8_t *frame, uint32_t len, uint32_t total)
{
	ecn_take_outer(frame, len, total, ECN_CE);
}

#endif
