/* SPDX-License-Identifier: BSD-3-Clause */
/* Protocols above IP, by their names. */
#ifndef BASE_IP_PROTO_H
#define BASE_IP_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define IP_PROTO_TEXT_SIZE 16

/* Parses a name such as "tcp", or a number from 1 to 255; "any" is 0. -EINVAL with `field` named
 * for anything else. [any] */
int ip_proto_parse(const char *field, const char *text, uint8_t *protocol, struct err *e);

/* Writes the name, or the number where there is none. [any] */
void ip_proto_format(uint8_t protocol, char text[IP_PROTO_TEXT_SIZE]);

/* Whether its packets have ports: TCP, UDP, SCTP, DCCP, UDP-Lite; and whether it is ICMP of either
 * version. [any] */
bool ip_proto_has_ports(uint8_t protocol);
bool ip_proto_is_icmp(uint8_t protocol);

#endif
