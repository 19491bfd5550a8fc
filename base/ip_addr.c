/* SPDX-License-Identifier: BSD-3-Clause */
/* An IP address of either version. */
#include "base/ip_addr.h"

#include <arpa/inet.h>

bool ip_addr_parse(const char *text, struct ip_addr *a)
{
	*a = (struct ip_addr){0};
	if (inet_pton(AF_INET, text, a->bytes) == 1)
		return true;
	a->is_v6 = true;
	return inet_pton(AF_INET6, text, a->bytes) == 1;
}

void ip_addr_format(const struct ip_addr *a, char text[IP_ADDR_TEXT_SIZE])
{
	inet_ntop(a->is_v6 ? AF_INET6 : AF_INET, a->bytes, text, IP_ADDR_TEXT_SIZE);
}

bool ip_addr_is_group(const struct ip_addr *a)
{
	return a->is_v6 ? a->bytes[0] == 0xff : (a->bytes[0] & 0xf0) == 0xe0;
}

/* ::, ::1, ::a.b.c.d and ::ffff:a.b.c.d. */
static bool is_special_v6(const uint8_t *b)
{
	for (int i = 0; i < 10; i++)
		if (b[i])
			return false;
	return (b[10] == 0 && b[11] == 0) || (b[10] == 0xff && b[11] == 0xff);
}

bool ip_addr_is_host(const struct ip_addr *a)
{
	if (ip_addr_is_group(a))
		return false;
	if (a->is_v6)
		return !is_special_v6(a->bytes);
	return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 240;
}
