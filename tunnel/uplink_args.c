/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments that name a device of DPDK's. */
#include "tunnel/uplink_args.h"

#include <stdio.h>
#include <string.h>

/* Drivers that can be an uplink's, and why some can in tests only. */
static const struct {
	const char *driver;
	const char *but; /* NULL: fit for service */
} fit[] = {
	{"net_af_xdp", NULL},
	{"net_virtio_user", NULL},
	{"net_af_packet", "its transmit function may block, and all VMs with it"},
	{"net_tap", "it takes a system call for each packet"},
	{"net_ring", "it is in memory only"},
	{"net_null", "it leads nowhere"},
	{"net_pcap", "it writes to files"},
};

void uplink_args_name(const char *device, char *name, size_t size)
{
	snprintf(name, size, "%.*s", (int)strcspn(device, ","), device);
}

bool uplink_args_find(const char *device, const char *key, char *value, size_t size)
{
	size_t n = strlen(key);

	for (const char *at = device; (at = strchr(at, ',')); at++) {
		if (strncmp(at + 1, key, n) != 0 || at[1 + n] != '=')
			continue;
		at += n + 2;
		snprintf(value, size, "%.*s", (int)strcspn(at, ","), at);
		return true;
	}
	return false;
}

/* Whether a device is one of the driver's: its name and a number, and nothing else. */
static bool is_of(const char *device, const char *driver)
{
	size_t n = strlen(driver), digits;

	if (strncmp(device, driver, n) != 0)
		return false;
	digits = strspn(device + n, "0123456789");
	return digits > 0 && (device[n + digits] == ',' || device[n + digits] == '\0');
}

/* A virtio-user device that listens would have the control thread wait until somebody connects. */
static int check_arguments(const char *device, struct err *e)
{
	char value[16];

	if (uplink_args_find(device, "server", value, sizeof(value)) && strcmp(value, "0") != 0)
		return err_set(e, ERR_INVALID, "device",
			       "device '%s': with server=%s management would wait until somebody "
			       "connects",
			       device, value);
	return 0;
}

int uplink_args_check(const char *device, bool for_tests, struct err *e)
{
	for (size_t i = 0; i < sizeof(fit) / sizeof(fit[0]); i++) {
		if (!is_of(device, fit[i].driver))
			continue;
		if (!fit[i].but || for_tests)
			return check_arguments(device, e);
		return err_set(e, ERR_INVALID, "device",
			       "device '%s': %s; stintd --allow-blocking-uplinks accepts it",
			       device, fit[i].but);
	}
	return err_set(
		e, ERR_INVALID, "device",
		"device '%s': an uplink's is net_af_xdp or net_virtio_user, with a number and "
		"its arguments, such as net_af_xdp0,iface=ens3",
		device);
}
