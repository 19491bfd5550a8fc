/* SPDX-License-Identifier: BSD-3-Clause */
/* MAC addresses in JSON. */
#include "control/mac_rpc.h"

#include <stdio.h>
#include <stdlib.h>

#include "vswitch/fdb.h"

int mac_parse(const char *field, const char *text, uint64_t *mac, struct err *e)
{
	const char *whole = text;
	uint8_t b[6];

	*mac = 0;
	if (!text[0])
		return 0;
	for (int i = 0; i < 6; i++) {
		char *end;

		b[i] = (uint8_t)strtoul(text, &end, 16);
		if (end != text + 2 || *end != (i < 5 ? ':' : '\0'))
			return err_set(e, ERR_INVALID, field, "%s '%s': not a MAC address", field,
				       whole);
		text = end + 1;
	}
	*mac = fdb_mac(b);
	if (*mac == 0 || fdb_mac_is_group(*mac))
		return err_set(e, ERR_INVALID, field, "%s '%s': not a unicast address", field,
			       whole);
	return 0;
}

void mac_format(uint64_t mac, char text[MAC_TEXT_SIZE])
{
	uint8_t b[6];

	fdb_mac_bytes(mac, b);
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
}
