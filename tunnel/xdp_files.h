/* SPDX-License-Identifier: BSD-3-Clause */
/* What DPDK's AF_XDP driver opens for a device: sockets, the XDP program, its maps. The driver of
 * DPDK 22.11 does not close them (fixed by a164a0bd7803, after 26.03), so a removed device would
 * keep the interface's queues busy, and its memory, until the process ends. All of it is the
 * control thread's, the only one that opens such files. */
#ifndef TUNNEL_XDP_FILES_H
#define TUNNEL_XDP_FILES_H

#include <stdint.h>

struct xdp_files;

/* Begins to watch, before a device is probed. NULL without memory. */
struct xdp_files *xdp_files_create(void);

/* Takes what was opened since xdp_files_create() or the last call, for this device: no other may be
 * set up meanwhile. Called after the set-up of each receive queue, it makes xdp_files_socket() know
 * that queue's socket. */
void xdp_files_take(struct xdp_files *f);

/* The AF_XDP socket of the n-th queue that was set up (from 0), readable when packets wait: the
 * driver has no receive interrupts. -1 when there is none. Not the caller's to close. */
int xdp_files_socket(const struct xdp_files *f, unsigned n);

/* Closes what is still open, and unmaps its rings, after the device was removed. The kernel frees
 * the queues on its own time (seen: 15 to 80 ms later) and tells nobody. Until then they are busy,
 * and setting them up for another device fails (-EINVAL from the driver). */
void xdp_files_destroy(struct xdp_files *f);

enum xdp_file_kind {
	XDP_FILE_OTHER,
	XDP_FILE_SOCKET,
	XDP_FILE_PROGRAM,
	XDP_FILE_MAP,
	XDP_FILE_TYPES, /* BTF */
};

/* This process' descriptor of a file: `id` is the kernel's of a program, map or BTF, the inode of a
 * socket. -ENOENT when it has none. */
int xdp_files_find(enum xdp_file_kind kind, uint64_t id);

#endif
