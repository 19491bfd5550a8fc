/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks: ethdevs of DPDK that lead to other hosts. Each worker has a transmit queue of its own,
 * so that sending takes no lock and no hand-over; receive queues are spread over workers. */
#ifndef TUNNEL_UPLINK_H
#define TUNNEL_UPLINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include "base/err.h"
#include "tunnel/vxlan.h"

struct rte_mbuf;
struct rte_mempool;

#define UPLINK_MAX         8
#define UPLINK_MAX_QUEUES  16
#define UPLINK_BURST       32 /* packets that one call polls at most */
#define UPLINK_WAITING     64 /* frames that one call sends at most */
#define UPLINK_DEVICE_SIZE 256
#define UPLINK_RX_PACKETS  8191 /* buffers of a receive queue: in its ring, and staged for VMs */

/* What is sent is counted by the worker that sends, what is received by the one that receives. */
struct uplink_counters {
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_full; /* frames given up: the device took none for too long, */
	uint64_t tx_down; /* or its link was down */
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_drops[WIRE_DROP_COUNT];
};

/* A transmit queue of one worker, and a receive queue, of the same one or of another. Other queues
 * are not in its cache lines. */
struct uplink_queue {
	uint16_t port_id; /* of the ethdev */
	uint16_t queue;
	const _Atomic bool *is_up;
	uint64_t patience_tsc;       /* frames wait no longer for the device */
	struct rte_mempool *tx_pool; /* frames to be sent are made in */
	struct rte_mempool *rx_pool; /* packets come in */
	uint16_t room;               /* of their buffers, for a packet with its outer headers */
	int wait_fd;                 /* readable when packets wait; -1 when there is no such file */
	uint16_t n_waiting;
	uint64_t waiting_since;                     /* when the device last took a frame */
	struct wire_frame *waiting[UPLINK_WAITING]; /* frames that the device has refused so far */
	struct uplink_counters counters;
} __rte_cache_aligned;

/* Takes packets that have come; the caller owns them. [worker] */
uint16_t uplink_poll(struct uplink_queue *q, struct rte_mbuf **m, uint16_t n);

/* Sends `n` frames, UPLINK_WAITING at most, in order, and owns them from now on. Frames that the
 * device does not take wait, so there must be none waiting before (uplink_flush). [worker] */
void uplink_send(struct uplink_queue *q, struct wire_frame **f, uint16_t n, uint64_t now);

/* Sends the frames that wait, and gives up those that have waited for too long or whose link is
 * down. True when none is left, so that more can be sent. [worker] */
bool uplink_flush(struct uplink_queue *q, uint64_t now);

/* --- control ---------------------------------------------------------------------------------- */

struct uplink_conf {
	const char *device; /* devargs of DPDK */
	uint16_t n_queues;  /* as many as workers */
	uint16_t mtu;       /* of layer 3 */
	uint32_t tx_wait_us;
	bool may_block; /* drivers whose transmit function can block are accepted */
	uint64_t tsc_hz;
};

struct uplink_status {
	bool is_up;
	bool is_gone;        /* the device was removed */
	uint32_t speed_mbps; /* 0: not known */
	unsigned ifindex;    /* of the kernel's interface for the device, 0 when it has none */
	uint8_t mac[6];
	uint64_t missed;  /* packets that the device dropped because its ring was full */
	uint64_t no_mbuf; /* because the pool was empty */
	uint64_t errors;
	const char *driver;
};

struct uplink_device;

/* Opens a device, which must not be in use. Traffic does not flow before workers use the queues.
 * NULL with *e filled, and nothing changed. [control] */
struct uplink_device *uplink_open(const struct uplink_conf *conf, struct err *e);

/* Closes it. No worker may use its queues or hold packets of their pools any more. NULL is fine.
 * [control] */
void uplink_close(struct uplink_device *u);

/* Queue `i`, below conf.n_queues. [control; the worker that it is for] */
struct uplink_queue *uplink_queue(struct uplink_device *u, unsigned i);

/* Whether a packet is in the device's buffers. [any] */
bool uplink_owns(const struct uplink_device *u, const struct rte_mbuf *m);

/* Looks at the link, and tells the workers by `is_up`. [control] */
void uplink_look(struct uplink_device *u, struct uplink_status *st);

/* Takes packets to these UDP ports (host order), and leaves others to the kernel, where the driver
 * can do that. -EIO with *e filled. [control] */
int uplink_set_ports(struct uplink_device *u, const uint16_t *ports, unsigned n, struct err *e);

/* Receives all multicast packets, or only those for its own address. [control] */
void uplink_set_multicast(struct uplink_device *u, bool on);

#endif
