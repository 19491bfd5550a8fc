/* SPDX-License-Identifier: BSD-3-Clause */
/* MAC addresses in JSON. */
#include "vswitch/mac_rpc.h"

#include <stdio.h>

#include "vswitch/fdb.h"

int mac_parse(const char *field, const char *text, uint64_t *mac, struct err *e)
{
	uint8_t b[6];

	*mac = 0;
	if (!text[0])
		return 0;
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &b[0], &b[1], &b[2], &b[3], &b[4],
		   &b[5]) != 6)
		return err_set(e, ERR_INVALID, field, "%s '%s': not a MAC address", field, text);
	*mac = fdb_mac(b);
	if (*mac == 0 || fdb_mac_is_group(*mac))
		return err_set(e, ERR_INVALID, field, "%s '%s': not a unicast address", field, text);
	return 0;
}

void mac_format(uint64_t mac, char text[MAC_TEXT_SIZE])
{
	uint8_t b[6];

	fdb_mac_bytes(mac, b);
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
}
