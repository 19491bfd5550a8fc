/* SPDX-License-Identifier: BSD-3-Clause */
/* Network devices (virtio 1.1, 5.1): what they offer, and rings in pairs.
 *
 * Owns the queue pairs that a worker is given. Even rings are the guest's receive rings, odd ones
 * its transmit rings. Runs on the gate's thread, but for vdev_net_create and where it says
 * otherwise; memory is one fixed struct per device. */
#include "vhost/vdev_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_vhost.h>

#include "vhost/vdev_impl.h"

#define BIT(n) (1ULL << (n))

#define MAX_PAIRS (VDEV_MAX_RINGS / 2)

/* Features of the library that our rings do not have: UFO, translated addresses, dirty logging. */
#define FEATURES_MASKED                                             \
	(BIT(VIRTIO_NET_F_HOST_UFO) | BIT(VIRTIO_NET_F_GUEST_UFO) | \
	 BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VHOST_F_LOG_ALL))

#define SEGMENTATION                                                                              \
	(BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) | \
	 BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |                            \
	 BIT(VIRTIO_NET_F_GUEST_ECN))
#define CHECKSUMS (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM))

static const uint64_t withheld[VDEV_NET_OFFLOADS_COUNT] = {
#define X(name, text, features) [VDEV_NET_OFFLOADS_##name] = features,
#include "vhost/net_offloads.def"
#undef X
};

static const char *const offloads_names[VDEV_NET_OFFLOADS_COUNT] = {
#define X(name, text, features) [VDEV_NET_OFFLOADS_##name] = text,
#include "vhost/net_offloads.def"
#undef X
};

/* The bounds of an MTU (RFC 791; virtio 1.1, 5.1.4.1). */
#define LEAST_MTU 68
#define MOST_MTU  65535

struct vdev_net {
	struct vdev dev; /* first: see net_of() */
	const struct vdev_net_ops *ops;
	struct vdev_pair pair[MAX_PAIRS];
};

static const char *const feature_names[64] = {
#define X(bit, name) [bit] = name,
#include "vhost/net_features.def"
#undef X
};

const char *vdev_net_feature_text(unsigned bit)
{
	return bit < 64 ? feature_names[bit] : NULL;
}

const char *vdev_net_offloads_text(enum vdev_net_offloads offloads)
{
	return offloads_names[offloads];
}

static struct vdev_net *net_of(struct vdev *dev)
{
	return (struct vdev_net *)dev;
}

/* --- what a front end says -----------------------------------------------------------------------
 */

static uint64_t features(void)
{
	return vhost_lib_net_features() & ~FEATURES_MASKED;
}

static enum vdev_handled set_mtu(struct vdev *dev, const struct message *m, struct err *e)
{
	if (m->payload.u64 < LEAST_MTU || m->payload.u64 > MOST_MTU) {
		err_set(e, ERR_INVALID, NULL, "an MTU of %llu", (unsigned long long)m->payload.u64);
		return VDEV_REFUSED;
	}
	pthread_mutex_lock(&dev->lock);
	dev->status.mtu = (uint16_t)m->payload.u64;
	pthread_mutex_unlock(&dev->lock);
	return VDEV_DONE;
}

static enum vdev_handled request(struct vdev *dev, struct message *m, struct err *e)
{
	switch ((enum request)m->request) {
	case REQUEST_GET_QUEUE_NUM:
		return vdev_answer(m, dev->n_rings / 2);
	case REQUEST_NET_SET_MTU:
		return set_mtu(dev, m, e);
	case REQUEST_SEND_RARP: /* the guest announces itself: GUEST_ANNOUNCE */
		return VDEV_DONE;
	default:
		return vdev_refuse(e, "not handled"); /* message_check() lets none through */
	}
}

/* --- rings ---------------------------------------------------------------------------------------
 */

static unsigned usable_rings(const struct vdev *dev)
{
	return dev->features & BIT(VIRTIO_NET_F_MQ) ? dev->n_rings : 2;
}

static struct net_ring *ring_of(struct vdev *dev, unsigned i)
{
	struct vdev_pair *p = &net_of(dev)->pair[i / 2];

	return i % 2 ? &p->tx : &p->rx;
}

static struct virtq *queue(struct vdev *dev, unsigned i)
{
	return &ring_of(dev, i)->q;
}

static int open_ring(struct vdev *dev, unsigned i, const struct virtq_conf *conf)
{
	return net_ring_open(ring_of(dev, i), conf);
}

static void change(struct vdev *dev, void (*fn)(void *arg), void *arg)
{
	struct vdev_net *net = net_of(dev);
	uint16_t n = 0;

	for (unsigned i = 0; i < dev->n_rings; i++)
		if (dev->use[i].is_on)
			n = (uint16_t)(i / 2 + 1);
	net->ops->change(dev->ctx, fn, arg, net->pair, n);
}

/* On the worker. */
static void apply(struct vdev *dev)
{
	for (unsigned k = 0; k < dev->n_rings / 2; k++) {
		const struct vdev_use *rx = &dev->use[2 * k], *tx = &dev->use[2 * k + 1];
		struct vdev_pair *p = &net_of(dev)->pair[k];

		p->rx_on = rx->is_on && rx->is_enabled;
		p->tx_on = tx->is_on;
		p->tx_discard = !tx->is_enabled;
		p->tx_kick_fd = tx->is_on ? tx->kick_fd : -1;
	}
}

/* --- the state in words --------------------------------------------------------------------------
 */

static uint16_t usable_pairs(struct vdev *dev)
{
	uint16_t n = 0;

	for (unsigned k = 0; k < dev->n_rings / 2; k++) {
		const struct vdev_pair *p = &net_of(dev)->pair[k];

		n += p->rx_on || (p->tx_on && !p->tx_discard);
	}
	return n;
}

static uint16_t describe(struct vdev *dev, char text[VDEV_TEXT_SIZE])
{
	/* What an operator asks about first; the whole list is in the port's features. */
	static const unsigned shown[] = {VIRTIO_NET_F_MRG_RXBUF,      VIRTIO_F_IN_ORDER,
					 VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
					 VIRTIO_NET_F_CSUM,           VIRTIO_NET_F_HOST_TSO4};
	uint16_t pairs = usable_pairs(dev);
	int used;

	used = snprintf(text, VDEV_TEXT_SIZE, "up: %u queue pair%s, %s", pairs,
			pairs == 1 ? "" : "s",
			dev->features & BIT(VIRTIO_F_RING_PACKED) ? "packed" : "split");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (dev->features & BIT(shown[i]))
			used += snprintf(text + used, VDEV_TEXT_SIZE - (size_t)used, ", %s",
					 vdev_net_feature_text(shown[i]));
	return pairs;
}

/* --- control -------------------------------------------------------------------------------------
 */

static const struct vdev_kind net_kind = {
	.driver = "virtio-net",
	.features = features,
	.protocol = BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
		    BIT(VHOST_USER_PROTOCOL_F_NET_MTU) | BIT(VHOST_USER_PROTOCOL_F_STATUS),
	.usable_rings = usable_rings,
	.queue = queue,
	.open = open_ring,
	.change = change,
	.apply = apply,
	.request = request,
	.describe = describe,
};

struct vdev *vdev_net_create(struct gate *gate, const struct vdev_net_conf *conf,
			     const struct vdev_net_ops *ops, void *ctx, struct err *e)
{
	struct vdev_net *net = vdev_alloc(sizeof(*net), e);

	if (!net)
		return NULL;
	net->dev.kind = &net_kind;
	net->dev.n_rings = 2u * conf->max_pairs;
	net->dev.withheld = withheld[conf->offloads];
	net->dev.changed = ops->changed;
	net->dev.ctx = ctx;
	net->ops = ops;
	return vdev_open(&net->dev, gate, &conf->socket, e);
}
