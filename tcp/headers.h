/* SPDX-License-Identifier: BSD-3-Clause */
/* Those fields of IP and TCP headers that depend on how long the packet is. */
#ifndef TCP_HEADERS_H
#define TCP_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

struct checksum;

/* Adds the pseudo header of l4_len bytes of TCP behind the IP header at `l3` to a sum (RFC 9293,
 * 3.1; RFC 8200, 8.1). [any] */
void headers_add_pseudo(struct checksum *sum, const uint8_t *l3, bool is_v6, uint32_t l4_len);

/* Sets the length in the IP header at `l3`, which l4_len bytes follow, and the IPv4 header's
 * checksum. Header and contents are at most 65535 bytes together. [any] */
void headers_set_len(uint8_t *l3, bool is_v6, uint16_t l3_len, uint32_t l4_len);

#endif
