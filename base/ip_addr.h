/* SPDX-License-Identifier: BSD-3-Clause */
/* An IP address of either version. */
#ifndef BASE_IP_ADDR_H
#define BASE_IP_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define IP_ADDR_TEXT_SIZE 46 /* with its NUL */

/* An IPv4 address is in the first four bytes, and the others are 0. All zeroes: none. */
struct ip_addr {
	uint8_t bytes[16];
	bool is_v6;
};

/* Parses "10.0.0.1" or "2001:db8::1". False for anything else. [any] */
bool ip_addr_parse(const char *text, struct ip_addr *a);

/* Writes the address as text. [any] */
void ip_addr_format(const struct ip_addr *a, char text[IP_ADDR_TEXT_SIZE]);

/* Whether it is a multicast address (RFC 1112, RFC 4291). [any] */
bool ip_addr_is_group(const struct ip_addr *a);

/* Whether an address can be a host's on a wire: not unspecified, loopback, multicast, broadcast,
 * and not an IPv4 address mapped into IPv6. [any] */
bool ip_addr_is_host(const struct ip_addr *a);

static inline bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->is_v6 == b->is_v6 && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The number of its bytes. */
static inline unsigned ip_addr_len(const struct ip_addr *a)
{
	return a->is_v6 ? 16 : 4;
}

#endif
