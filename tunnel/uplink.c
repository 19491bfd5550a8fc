/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks. Their packets are in DPDK's own memory, which devices, and the processes at the other
 * end of a virtio-user device, have access to: not so those of VMs. */
#include "tunnel/uplink.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/counter.h"
#include "pkt/pool.h"
#include "tunnel/uplink_args.h"
#include "tunnel/xdp.h"
#include "tunnel/xdp_files.h"

/* A deep ring would be everybody's latency while one VM saturates the wire. */
#define TX_DESCRIPTORS 256
#define RX_DESCRIPTORS 1024

#define TX_PACKETS 2047
/* Buffers for sending are taken and freed by the queue's worker alone. */
#define TX_CACHE 256

/* Bytes of a buffer besides the layer 3 packet: Ethernet with two VLAN tags, and what an XDP
 * program has before it. */
#define L2_ROOM  22
#define XDP_ROOM 256

#define XDP_DRIVER "net_af_xdp"

/* The kernel frees the queues of an AF_XDP device some time after it was closed; so long they are
 * waited for. */
#define BUSY_TRIES   25
#define BUSY_WAIT_US 20000

struct uplink_device {
	uint16_t port_id;
	uint16_t n_queues;
	uint16_t room;           /* of buffers */
	unsigned xdp_ifindex;    /* of the interface of an AF_XDP device, else 0; */
	struct xdp_files *files; /* and what its driver opened */
	bool is_ready;
	_Atomic bool is_up;
	struct uplink_queue queue[UPLINK_MAX_QUEUES];
};

/* --- workers -----------------------------------------------------------------------------------
 */

uint16_t uplink_poll(struct uplink_queue *q, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_rx_burst(q->port_id, q->queue, m, n);
}

static void count_sent(struct uplink_queue *q, uint16_t n, uint64_t bytes)
{
	counter_add(&q->counters.tx_packets, n);
	counter_add(&q->counters.tx_bytes, bytes);
}

/* Offers frames to the device. Returns how many it took. */
static uint16_t offer(struct uplink_queue *q, struct wire_frame **f, uint16_t n)
{
	uint64_t bytes = 0;
	uint16_t sent;

	for (uint16_t i = 0; i < n; i++)
		bytes += rte_pktmbuf_pkt_len(wire_frame_mbuf(f[i]));
	sent = rte_eth_tx_burst(q->port_id, q->queue, (struct rte_mbuf **)f, n);
	for (uint16_t i = sent; i < n; i++)
		bytes -= rte_pktmbuf_pkt_len(wire_frame_mbuf(f[i]));
	count_sent(q, sent, bytes);
	return sent;
}

static void give_up(struct uplink_queue *q, uint64_t *counter)
{
	counter_add(counter, q->n_waiting);
	rte_pktmbuf_free_bulk((struct rte_mbuf **)q->waiting, q->n_waiting);
	q->n_waiting = 0;
}

void uplink_send(struct uplink_queue *q, struct wire_frame **f, uint16_t n, uint64_t now)
{
	uint16_t sent = offer(q, f, n);

	if (likely(sent == n))
		return;
	q->n_waiting = n - sent;
	q->waiting_since = now;
	memcpy(q->waiting, &f[sent], q->n_waiting * sizeof(struct wire_frame *));
}

bool uplink_flush(struct uplink_queue *q, uint64_t now)
{
	uint16_t sent;

	if (likely(q->n_waiting == 0))
		return true;
	if (!atomic_load_explicit(q->is_up, memory_order_relaxed)) {
		give_up(q, &q->counters.tx_down);
		return true;
	}
	sent = offer(q, q->waiting, q->n_waiting);
	if (sent > 0) {
		q->n_waiting -= sent;
		q->waiting_since = now;
		memmove(q->waiting, &q->waiting[sent], q->n_waiting * sizeof(struct wire_frame *));
	} else if (now - q->waiting_since > q->patience_tsc) {
		give_up(q, &q->counters.tx_full);
	}
	return q->n_waiting == 0;
}

/* --- opening -----------------------------------------------------------------------------------
 */

/* An AF_XDP driver takes a pool's memory for packets one behind the other, without gaps at the ends
 * of pages, which a pool has where the memory of each packet has to be contiguous for a device. */
static struct rte_mempool *make_pool(const struct uplink_device *u, unsigned i, const char *kind,
				     unsigned packets, unsigned cache)
{
	struct rte_mempool *mp;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "up%u%s%u", u->port_id, kind, i);
	mp = pool_create_empty(name, packets, u->room, cache,
			       u->files ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0);
	if (!mp)
		return NULL;
	if (rte_mempool_populate_default(mp) < (int)packets) {
		rte_mempool_free(mp);
		return NULL;
	}
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

/* The size of buffers. Not all drivers use several of them for a packet, and those do not refuse
 * what exceeds one. */
static uint16_t room_for(const struct uplink_device *u, uint16_t mtu,
			 const struct rte_eth_dev_info *info)
{
	uint32_t room = mtu + L2_ROOM + (u->files ? XDP_ROOM : 0);

	if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS &&
	    info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER)
		return POOL_MBUF_ROOM;
	return (uint16_t)RTE_MAX(POOL_MBUF_ROOM, RTE_ALIGN(room, RTE_CACHE_LINE_SIZE));
}

static int configure(struct uplink_device *u, const struct uplink_conf *conf,
		     const struct rte_eth_dev_info *info, struct err *e)
{
	struct rte_eth_conf eth = {.rxmode.mtu = conf->mtu};
	int rc;

	if (u->n_queues > info->max_tx_queues || u->n_queues > info->max_rx_queues)
		return err_set(e, ERR_INVALID, "device",
			       "device '%s': it has %u transmit and %u receive queues, and the %u "
			       "workers need one of each",
			       conf->device, info->max_tx_queues, info->max_rx_queues, u->n_queues);
	if (info->max_mtu && conf->mtu > info->max_mtu)
		return err_set(e, ERR_INVALID, "mtu", "mtu %u: device '%s' has %u at most",
			       conf->mtu, conf->device, info->max_mtu);
	u->room = room_for(u, conf->mtu, info);
	eth.txmode.offloads = info->tx_offload_capa &
			      (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	eth.rxmode.offloads = info->rx_offload_capa & (RTE_ETH_RX_OFFLOAD_SCATTER);
	if (u->n_queues > 1 && info->flow_type_rss_offloads & RTE_ETH_RSS_UDP) {
		eth.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		eth.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads &
						  (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
	}
	rc = rte_eth_dev_configure(u->port_id, u->n_queues, u->n_queues, &eth);
	if (rc < 0)
		return err_set(e, ERR_INTERNAL, "device", "device '%s': cannot configure it: %s",
			       conf->device, strerror(-rc));
	return 0;
}

static int set_up_queue(struct uplink_device *u, const struct uplink_conf *conf, uint16_t i,
			uint16_t n_rx, uint16_t n_tx)
{
	struct uplink_queue *q = &u->queue[i];
	int rc;

	*q = (struct uplink_queue){
		.port_id = u->port_id,
		.queue = i,
		.is_up = &u->is_up,
		.patience_tsc = conf->tsc_hz / 1000000 * conf->tx_wait_us,
		.tx_pool = make_pool(u, i, "tx", TX_PACKETS, TX_CACHE),
		.rx_pool = make_pool(u, i, "rx", UPLINK_RX_PACKETS, 0),
		.room = u->room,
		.wait_fd = -1,
	};
	if (!q->tx_pool || !q->rx_pool)
		return -ENOMEM;
	rc = rte_eth_rx_queue_setup(u->port_id, i, n_rx, SOCKET_ID_ANY, NULL, q->rx_pool);
	if (u->files) {
		xdp_files_take(u->files);
		q->wait_fd = xdp_files_socket(u->files, i);
	}
	return rc < 0 ? rc : rte_eth_tx_queue_setup(u->port_id, i, n_tx, SOCKET_ID_ANY, NULL);
}

static int start(struct uplink_device *u, const struct uplink_conf *conf, struct err *e)
{
	uint16_t n_rx = RX_DESCRIPTORS, n_tx = TX_DESCRIPTORS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(u->port_id, &n_rx, &n_tx);

	for (uint16_t i = 0; rc == 0 && i < u->n_queues; i++)
		rc = set_up_queue(u, conf, i, n_rx, n_tx);
	if (rc == 0)
		rc = rte_eth_dev_start(u->port_id);
	if (rc == -EINVAL && u->files)
		return err_set(
			e, ERR_BUSY, "device",
			"device '%s': its queues are in use, or the kernel has not freed them "
			"yet; or mtu %u is too much for it",
			conf->device, conf->mtu);
	if (rc < 0)
		return err_set(e, rc == -ENOMEM ? ERR_NO_SPACE : ERR_INTERNAL, "device",
			       "device '%s': cannot start it: %s", conf->device, strerror(-rc));
	/* Not all drivers can tell: what is for others is dropped by its address anyway. */
	rte_eth_promiscuous_disable(u->port_id);
	return 0;
}

/* --- AF_XDP ------------------------------------------------------------------------------------
 */

/* Interfaces of open devices: a second device on one would take the program away from the first. */
static unsigned claimed[UPLINK_MAX];

static void release_interface(unsigned ifindex)
{
	for (int i = 0; ifindex && i < UPLINK_MAX; i++)
		if (claimed[i] == ifindex)
			claimed[i] = 0;
}

/* Claims the interface of an AF_XDP device. */
static int claim_interface(struct uplink_device *u, const struct uplink_conf *conf, struct err *e)
{
	char interface[IF_NAMESIZE] = "", unused[16];
	int place = -1;
	unsigned ifindex;

	uplink_args_find(conf->device, "iface", interface, sizeof(interface));
	ifindex = if_nametoindex(interface);
	if (!ifindex)
		return err_set(e, ERR_INVALID, "device", "device '%s': no interface '%s'",
			       conf->device, interface);
	if (uplink_args_find(conf->device, "xdp_prog", unused, sizeof(unused)))
		return err_set(e, ERR_INVALID, "device",
			       "device '%s': the program of xdp_prog is the switch's own",
			       conf->device);
	for (int i = 0; i < UPLINK_MAX; i++) {
		if (claimed[i] == ifindex)
			return err_set(e, ERR_EXISTS, "device",
				       "device '%s': another uplink has interface '%s'",
				       conf->device, interface);
		if (claimed[i] == 0)
			place = i;
	}
	if (place < 0)
		return err_set(e, ERR_NO_SPACE, "device", "at most %d uplinks", UPLINK_MAX);
	claimed[place] = u->xdp_ifindex = ifindex;
	return 0;
}

/* Prepares the interface, and adds the arguments that the driver needs. */
static int prepare_xdp(const struct uplink_device *u, const struct uplink_conf *conf, char *args,
		       size_t size, struct err *e)
{
	char interface[IF_NAMESIZE], unused[16];
	const char *program = xdp_object_path(e);
	size_t used = strlen(args);

	if (!program)
		return -ENOENT;
	if (!uplink_args_find(conf->device, "queue_count", unused, sizeof(unused)))
		used += (size_t)snprintf(args + used, size - used, ",queue_count=%u",
					 conf->n_queues);
	snprintf(args + used, size - used, ",xdp_prog=%s", program);
	uplink_args_find(conf->device, "iface", interface, sizeof(interface));
	return xdp_clear(u->xdp_ifindex, interface, e);
}

int uplink_set_ports(struct uplink_device *u, const uint16_t *ports, unsigned n, struct err *e)
{
	return u->xdp_ifindex ? xdp_set_ports(u->xdp_ifindex, ports, n, e) : 0;
}

/* --- opening and closing -----------------------------------------------------------------------
 */

static int probe(struct uplink_device *u, const struct uplink_conf *conf, const char *args,
		 const char *name, struct err *e)
{
	int rc = rte_dev_probe(args);

	if (rc < 0 || rte_eth_dev_get_port_by_name(name, &u->port_id) < 0)
		return err_set(e, ERR_INVALID, "device",
			       "device '%s': DPDK finds no such device, or cannot use it (its "
			       "lines in the log say more)%s%s",
			       conf->device, rc < 0 ? ": " : "", rc < 0 ? strerror(-rc) : "");
	return 0;
}

/* Opens the device once. */
static int open_device(struct uplink_device *u, const struct uplink_conf *conf, const char *name,
		       struct err *e)
{
	char args[UPLINK_DEVICE_SIZE + PATH_MAX];
	struct rte_eth_dev_info info;
	int rc;

	snprintf(args, sizeof(args), "%s", conf->device);
	if (u->xdp_ifindex) {
		rc = prepare_xdp(u, conf, args, sizeof(args), e);
		if (rc < 0)
			return rc;
		u->files = xdp_files_create();
		if (!u->files)
			return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	}
	rc = probe(u, conf, args, name, e);
	if (rc < 0)
		return rc;
	rc = rte_eth_dev_info_get(u->port_id, &info);
	if (rc < 0)
		return err_set(e, ERR_INTERNAL, "device", "device '%s': %s", conf->device,
			       strerror(-rc));
	rc = configure(u, conf, &info, e);
	return rc < 0 ? rc : start(u, conf, e);
}

/* Undoes what open_device() did, wherever it ended. */
static void close_device(struct uplink_device *u)
{
	struct rte_eth_dev_info info;
	struct rte_device *device = NULL;

	if (rte_eth_dev_is_valid_port(u->port_id)) {
		if (rte_eth_dev_info_get(u->port_id, &info) == 0)
			device = info.device;
		rte_eth_dev_stop(u->port_id);
		if (device)
			rte_dev_remove(device);
		else
			rte_eth_dev_close(u->port_id);
	}
	/* What was opened after this device was ready is another's. */
	if (u->files && !u->is_ready)
		xdp_files_take(u->files);
	xdp_files_destroy(u->files);
	for (uint16_t i = 0; i < u->n_queues; i++) {
		rte_mempool_free(u->queue[i].tx_pool);
		rte_mempool_free(u->queue[i].rx_pool);
	}
	memset(u->queue, 0, sizeof(u->queue));
	u->files = NULL;
	u->port_id = RTE_MAX_ETHPORTS;
}

/* Opens the device, once its queues are free. */
static int open_patiently(struct uplink_device *u, const struct uplink_conf *conf, const char *name,
			  struct err *e)
{
	int rc = open_device(u, conf, name, e);

	for (int i = 0; rc == -EBUSY && u->files && i < BUSY_TRIES; i++) {
		close_device(u);
		usleep(BUSY_WAIT_US);
		rc = open_device(u, conf, name, e);
	}
	return rc;
}

struct uplink_device *uplink_open(const struct uplink_conf *conf, struct err *e)
{
	struct uplink_device *u = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*u));
	struct uplink_status st;
	char name[64];
	int rc;

	if (!u) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	memset(u, 0, sizeof(*u));
	u->n_queues = conf->n_queues;
	uplink_args_name(conf->device, name, sizeof(name));
	rc = uplink_args_check(conf->device, conf->may_block, e);
	if (rc == 0 && rte_eth_dev_get_port_by_name(name, &u->port_id) == 0)
		rc = err_set(e, ERR_EXISTS, "device", "device '%s' is in use", name);
	u->port_id = RTE_MAX_ETHPORTS;
	if (rc == 0 && strncmp(name, XDP_DRIVER, strlen(XDP_DRIVER)) == 0)
		rc = claim_interface(u, conf, e);
	if (rc == 0)
		rc = open_patiently(u, conf, name, e);
	if (rc < 0) {
		uplink_close(u);
		return NULL;
	}
	if (u->files)
		xdp_files_take(u->files);
	u->is_ready = true;
	if (u->xdp_ifindex)
		xdp_note(u->xdp_ifindex);
	uplink_look(u, &st);
	return u;
}

void uplink_close(struct uplink_device *u)
{
	if (!u)
		return;
	for (uint16_t i = 0; i < u->n_queues; i++)
		give_up(&u->queue[i], &u->queue[i].counters.tx_down);
	close_device(u);
	if (u->is_ready && u->xdp_ifindex)
		xdp_note(u->xdp_ifindex);
	release_interface(u->xdp_ifindex);
	free(u);
}

struct uplink_queue *uplink_queue(struct uplink_device *u, unsigned i)
{
	return &u->queue[i];
}

bool uplink_owns(const struct uplink_device *u, const struct rte_mbuf *m)
{
	for (uint16_t i = 0; i < u->n_queues; i++)
		if (u->queue[i].rx_pool == m->pool)
			return true;
	return false;
}

/* Asks the kernel about the link of an interface of its own: drivers that share one with it say
 * that it is up, whatever it is. */
static void ask_kernel(struct uplink_status *st)
{
	struct ifreq ifr = {0};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		return;
	st->speed_mbps = 0;
	st->is_gone |= !if_indextoname(st->ifindex, ifr.ifr_name);
	st->is_up = !st->is_gone && ioctl(s, SIOCGIFFLAGS, &ifr) == 0 &&
		    (ifr.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	close(s);
}

void uplink_look(struct uplink_device *u, struct uplink_status *st)
{
	struct rte_eth_dev_info info = {0};
	struct rte_eth_stats stats = {0};
	struct rte_eth_link link = {0};
	struct rte_ether_addr mac = {0};

	st->is_gone = rte_eth_dev_is_removed(u->port_id);
	rte_eth_dev_info_get(u->port_id, &info);
	rte_eth_link_get_nowait(u->port_id, &link);
	rte_eth_stats_get(u->port_id, &stats);
	rte_eth_macaddr_get(u->port_id, &mac);
	memcpy(st->mac, mac.addr_bytes, sizeof(st->mac));
	st->is_up = link.link_status == RTE_ETH_LINK_UP && !st->is_gone;
	st->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	st->ifindex = info.if_index;
	if (st->ifindex)
		ask_kernel(st);
	st->driver = info.driver_name;
	st->missed = stats.imissed;
	st->no_mbuf = stats.rx_nombuf;
	st->errors = stats.ierrors + stats.oerrors;
	atomic_store_explicit(&u->is_up, st->is_up, memory_order_relaxed);
}

void uplink_set_multicast(struct uplink_device *u, bool on)
{
	if (on)
		rte_eth_allmulticast_enable(u->port_id);
	else
		rte_eth_allmulticast_disable(u->port_id);
}
