/* SPDX-License-Identifier: BSD-3-Clause */
/* MAC addresses in JSON. */
#ifndef CONTROL_MAC_RPC_H
#define CONTROL_MAC_RPC_H

#include <stdint.h>

#include "base/err.h"

#define MAC_TEXT_SIZE 18

/* A unicast address from "52:54:00:12:34:56", whose form the schema has checked; "" is 0. */
int mac_parse(const char *field, const char *text, uint64_t *mac, struct err *e);
void mac_format(uint64_t mac, char text[MAC_TEXT_SIZE]);

#endif
