/* SPDX-License-Identifier: BSD-3-Clause */
/* A prefix: the IP addresses that begin with the same bits. */
#ifndef BASE_IP_PREFIX_H
#define BASE_IP_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ip_addr.h"

#define IP_PREFIX_TEXT_SIZE (IP_ADDR_TEXT_SIZE + 4) /* with "/128" */

struct ip_prefix {
	struct ip_addr address; /* the first one; its other bits are 0 */
	uint8_t bits;           /* that all have in common; 32 or 128: that address only */
};

/* Parses "10.0.0.0/24", "2001:db8::/32", or an address, which is a prefix of itself. NULL, or what
 * is wrong with the text. [any] */
const char *ip_prefix_parse(const char *text, struct ip_prefix *p);

/* Writes the prefix as text, one address without its length. [any] */
void ip_prefix_format(const struct ip_prefix *p, char text[IP_PREFIX_TEXT_SIZE]);

/* The mask of the bits that its addresses have in common, of an IPv4 prefix in the first four
 * bytes. [any] */
void ip_prefix_mask(const struct ip_prefix *p, uint8_t mask[16]);

/* Whether it is one address only. [any] */
static inline bool ip_prefix_is_address(const struct ip_prefix *p)
{
	return p->bits == ip_addr_len(&p->address) * 8;
}

static inline bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->bits == b->bits && ip_addr_equal(&a->address, &b->address);
}

#endif
