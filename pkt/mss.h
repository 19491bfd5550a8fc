/* SPDX-License-Identifier: BSD-3-Clause */
/* The MSS option of TCP (RFC 9293, 3.7.1), lowered to what a path takes. ICMP errors, by which a
 * host would learn that, are filtered in many guests. */
#ifndef PKT_MSS_H
#define PKT_MSS_H

#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>

/* Lowers the MSS in a SYN, with or without ACK, so that packets fit `mtu` bytes of layer 3, and
 * corrects the checksum. A SYN without the option, to which 536 or 1220 bytes apply, stays as it
 * is. [worker] */
void mss_lower(uint8_t *frame, uint32_t len, uint32_t mtu);

/* Does the same for any frame, of which `len` bytes are at `frame`. Frames with VLAN tags, IPv4
 * options or IPv6 extension headers stay as they are. [worker] */
static __rte_always_inline void mss_clamp(uint8_t *frame, uint32_t len, uint32_t mtu)
{
	uint16_t type;

	if (unlikely(len < 14 + 20 + 20))
		return;
	__builtin_memcpy(&type, frame + 12, sizeof(type));
	/* Version and header length, TCP, SYN. */
	if (type == RTE_BE16(0x0800) && frame[14] == 0x45 && frame[23] == 6) {
		if (unlikely(frame[47] & 0x02))
			mss_lower(frame, len, mtu);
	} else if (type == RTE_BE16(0x86dd) && frame[20] == 6 && len >= 14 + 40 + 20 &&
		   unlikely(frame[67] & 0x02)) {
		mss_lower(frame, len, mtu);
	}
}

#endif
