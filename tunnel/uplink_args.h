/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments that name a device of DPDK's: a driver with a number, then key=value pairs, separated
 * by commas. They come from management, and drivers trust theirs: some run commands or write files.
 */
#ifndef TUNNEL_UPLINK_ARGS_H
#define TUNNEL_UPLINK_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Whether the device may be an uplink. `for_tests` accepts drivers that can hold up all VMs, or
 * lead nowhere. -EINVAL with *e filled, field "device". [control] */
int uplink_args_check(const char *device, bool for_tests, struct err *e);

/* The device's name, which its arguments begin with. [control] */
void uplink_args_name(const char *device, char *name, size_t size);

/* The value of one of its arguments. False when it has none. [control] */
bool uplink_args_find(const char *device, const char *key, char *value, size_t size);

#endif
