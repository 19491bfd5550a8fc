/* SPDX-License-Identifier: BSD-3-Clause */
/* Protocols above IP. */
#include "base/ip_proto.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{"any", 0},
	{"tcp", IPPROTO_TCP},
	{"udp", IPPROTO_UDP},
	{"icmp", IPPROTO_ICMP},
	{"icmpv6", IPPROTO_ICMPV6},
	{"sctp", IPPROTO_SCTP},
	{"dccp", IPPROTO_DCCP},
	{"udplite", IPPROTO_UDPLITE},
	{"gre", IPPROTO_GRE},
	{"esp", IPPROTO_ESP},
	{"ah", IPPROTO_AH},
};

#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

int ip_proto_parse(const char *field, const char *text, uint8_t *protocol, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long number = strtoul(text, NULL, 10);

	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		if (strcmp(protocols[i].name, text) == 0) {
			*protocol = protocols[i].number;
			return 0;
		}
	}
	if (digits == 0 || digits > 3 || text[digits] || number < 1 || number > UINT8_MAX)
		return err_set(e, ERR_INVALID, field,
			       "%s '%.40s': not a number from 1 to 255, and none of any, tcp, udp, "
			       "icmp, icmpv6, sctp, dccp, udplite, gre, esp, ah",
			       field, text);
	*protocol = (uint8_t)number;
	return 0;
}

void ip_proto_format(uint8_t protocol, char text[IP_PROTO_TEXT_SIZE])
{
	snprintf(text, IP_PROTO_TEXT_SIZE, "%u", protocol);
	for (size_t i = 0; i < N_PROTOCOLS; i++)
		if (protocols[i].number == protocol)
			snprintf(text, IP_PROTO_TEXT_SIZE, "%s", protocols[i].name);
}

bool ip_proto_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

bool ip_proto_is_icmp(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}
