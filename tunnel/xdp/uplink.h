/* SPDX-License-Identifier: BSD-3-Clause */
/* What the XDP program of uplinks and the daemon both know. */
#ifndef TUNNEL_XDP_UPLINK_H
#define TUNNEL_XDP_UPLINK_H

#include <linux/types.h>

#define XDP_PROGRAM   "stint_uplink"
#define XDP_PORTS_MAP "vxlan_ports"
#define XDP_MAX_PORTS 16
#define XDP_QUEUES    64 /* receive queues that may have an AF_XDP socket */

/* The only element of the map "vxlan_ports". Ports are in network order; 0 is a free place. */
struct xdp_ports {
	__u16 port[XDP_MAX_PORTS];
};

#endif
