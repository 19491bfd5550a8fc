/* SPDX-License-Identifier: BSD-3-Clause */
/* A network device's ring: its beginning. The packets' ways are in net_tx.c and net_rx.c. */
#include "vhost/net_ring.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#define BIT(n) (1ULL << (n))

/* Offloads that a guest asks for in the headers of packets that it sends. */
#define HOST_OFFLOADS \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6))

static const char *const result_texts[NET_RESULT_COUNT] = {
#define X(name, text) [NET_##name] = text,
#include "vhost/net_results.def"
#undef X
};

static const char *const drop_texts[NET_DROP_COUNT] = {
#define X(name, text) [NET_DROP_##name] = text,
#include "vhost/net_drops.def"
#undef X
};

const char *net_result_text(enum net_result result)
{
	return result_texts[result];
}

const char *net_drop_text(enum net_drop drop)
{
	return drop_texts[drop];
}

int net_ring_open(struct net_ring *r, const struct virtq_conf *conf)
{
	bool long_hdr = conf->features & (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF));

	r->hdr_len = long_hdr ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
			      : sizeof(struct virtio_net_hdr);
	r->mergeable = conf->features & BIT(VIRTIO_NET_F_MRG_RXBUF);
	r->reads_hdr = conf->features & HOST_OFFLOADS;
	r->excess = 0;
	return virtq_open(&r->q, conf);
}
