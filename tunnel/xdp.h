/* SPDX-License-Identifier: BSD-3-Clause */
/* The XDP program of an uplink (tunnel/xdp/uplink.c), which DPDK's AF_XDP driver loads and
 * attaches: where it is, which ports it takes, and what an earlier process left behind. The driver
 * attaches it by netlink, without libxdp's dispatcher, so the interface has it under its own name.
 * All of it is the control thread's, in the network namespace of the interface. */
#ifndef TUNNEL_XDP_H
#define TUNNEL_XDP_H

#include <stdint.h>

#include "base/err.h"

/* Has libbpf, the driver's use of it included, write into the log instead of to stderr. Once. */
void xdp_init(void);

/* The program's object file, for the driver's argument xdp_prog: that of the build folder in which
 * this process' program is, or the installed one. The text is valid until the next call. NULL with
 * *e filled when there is none. */
const char *xdp_object_path(struct err *e);

/* Detaches a program of ours, known by its name, which stays attached when a process is killed, and
 * because of which the driver would refuse to start. 0 when the interface has none (any more).
 * Another's program stays: -EBUSY, and *e has its name and id. This is to be called before a device
 * is probed, since the driver detaches whatever is attached when it fails. A program that is not in
 * the record has a name only for those with CAP_SYS_ADMIN: -EACCES without. */
int xdp_clear(unsigned ifindex, const char *ifname, struct err *e);

/* Attaches a program that drops all that comes in by the interface, in place of any other. Negative
 * errno. */
int xdp_drop_all(unsigned ifindex);

/* Notes in the record (tunnel/xdp_record.h) which program the interface has now: ours, or none. */
void xdp_note(unsigned ifindex);

/* Makes the attached program of ours take packets to exactly these UDP ports (host order). Without
 * CAP_SYS_ADMIN this works in the process that loaded the program. -ENOENT when no program of ours
 * is attached, -EINVAL for port 0 and for more ports than there is room for. */
int xdp_set_ports(unsigned ifindex, const uint16_t *ports, unsigned n, struct err *e);

#endif
