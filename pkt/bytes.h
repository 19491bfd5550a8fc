/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers in network order, at any address. */
#ifndef PKT_BYTES_H
#define PKT_BYTES_H

#include <stdint.h>

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

#endif
