/* SPDX-License-Identifier: BSD-3-Clause */
/* A prefix of IP addresses. */
#include "base/ip_prefix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DIGITS 3 /* of a prefix's length */

void ip_prefix_mask(const struct ip_prefix *p, uint8_t mask[16])
{
	memset(mask, 0, 16);
	memset(mask, 0xff, p->bits / 8u);
	if (p->bits % 8)
		mask[p->bits / 8] = (uint8_t)(0xff00 >> p->bits % 8);
}

static bool has_host_bits(const struct ip_prefix *p)
{
	uint8_t mask[16];

	ip_prefix_mask(p, mask);
	for (unsigned i = 0; i < ip_addr_len(&p->address); i++)
		if (p->address.bytes[i] & ~mask[i])
			return true;
	return false;
}

/* The length of a prefix, or -1. */
static int parse_bits(const char *text, unsigned most)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long bits;

	if (digits == 0 || digits > MAX_DIGITS || text[digits])
		return -1;
	bits = strtoul(text, NULL, 10);
	return bits <= most ? (int)bits : -1;
}

const char *ip_prefix_parse(const char *text, struct ip_prefix *p)
{
	const char *slash = strchr(text, '/');
	char address[IP_ADDR_TEXT_SIZE];
	unsigned most;
	int bits;

	if (snprintf(address, sizeof(address), "%.*s",
		     (int)(slash ? slash - text : (long)strlen(text)),
		     text) >= (int)sizeof(address) ||
	    !ip_addr_parse(address, &p->address))
		return "not an IP address or prefix";
	most = ip_addr_len(&p->address) * 8;
	bits = slash ? parse_bits(slash + 1, most) : (int)most;
	if (bits < 0)
		return p->address.is_v6 ? "a prefix of IPv6 has 0 to 128 bits"
					: "a prefix of IPv4 has 0 to 32 bits";
	p->bits = (uint8_t)bits;
	return has_host_bits(p) ? "bits behind the prefix are set" : NULL;
}

void ip_prefix_format(const struct ip_prefix *p, char text[IP_PREFIX_TEXT_SIZE])
{
	ip_addr_format(&p->address, text);
	if (!ip_prefix_is_address(p))
		snprintf(text + strlen(text), IP_PREFIX_TEXT_SIZE - strlen(text), "/%u", p->bits);
}
