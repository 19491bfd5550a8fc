/* SPDX-License-Identifier: BSD-3-Clause */
/* The poll-mode driver on the hand-made front end. */
#include "bench/loadgen/fe_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/loadgen/port.h"
#include "tests/fake/vhost_fe.h"

#define SLOT_SIZE 2048

/* Guests' kernels put their rings and buffers at pages of their choice. At the same ones in all of
 * many VMs, they would share the same few sets of the caches, whatever switch reads them: so each
 * VM's begin at another page, in steps that come to all of them. */
#define PAGES     512 /* of a hugepage */
#define PAGE_STEP 37

struct slots {
	uint8_t *buf;
	uint16_t *of_id; /* slot that a ring's id stands for */
	uint16_t *free;  /* stack of free slots */
	uint16_t n_free;
};

struct fe_port {
	struct vhost_fe fe;
	struct rte_mempool *pool;
	size_t hdr_len;
	bool kick_always;
	uint16_t queues;
	struct slots rx[MAX_QUEUES], tx[MAX_QUEUES];
};

static int slots_init(struct vhost_fe *fe, struct slots *s, uint16_t n)
{
	s->buf = vhost_fe_alloc(fe, (size_t)n * SLOT_SIZE, SLOT_SIZE);
	s->of_id = calloc(n, sizeof(*s->of_id));
	s->free = calloc(n, sizeof(*s->free));
	if (!s->buf || !s->of_id || !s->free)
		return -ENOMEM;
	for (uint16_t i = 0; i < n; i++)
		s->free[i] = i;
	s->n_free = n;
	return 0;
}

static void rx_fill(struct fe_port *p, uint16_t q)
{
	struct driver_ring *r = &p->fe.ring[2 * q];
	struct slots *s = &p->rx[q];

	while (s->n_free > 0) {
		uint16_t slot = s->free[s->n_free - 1];
		struct driver_buf b = {vhost_fe_gpa(&p->fe, s->buf + (size_t)slot * SLOT_SIZE),
				       SLOT_SIZE, true};
		int id = driver_ring_add(r, &b, 1);

		if (id < 0)
			break;
		s->n_free--;
		s->of_id[id] = slot;
	}
	driver_ring_publish(r);
	if (driver_ring_wants_kick(r))
		driver_ring_kick(r);
}

/* We poll: the device need not notify. */
static void suppress_calls(struct driver_ring *r)
{
	if (r->packed)
		r->driver->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	else
		r->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

static int start(struct fe_port *p, const struct vm_spec *spec, uint16_t vm, bool hugepages)
{
	size_t per_ring = (size_t)spec->ring * (SLOT_SIZE + 64) + 8 * FE_PAGE;
	struct fe_config cfg = {
		.features = FE_F(FE_VERSION_1) | (spec->packed ? FE_F(FE_PACKED) : 0) |
			    (spec->queues > 1 ? FE_F(FE_NET_MQ) : 0),
		.protocol_features = FE_F(FE_P_MQ) | FE_F(FE_P_REPLY_ACK),
		.pairs = spec->queues,
		.ring_size = spec->ring,
		.mem_size = 2 * spec->queues * per_ring,
		.mem_skip = (size_t)(vm * PAGE_STEP % PAGES) * FE_PAGE,
		.hugepages = hugepages,
	};
	int rc = vhost_fe_open(&p->fe, spec->socket, &cfg);

	p->hdr_len = vhost_fe_hdr_len(&p->fe);
	for (uint16_t q = 0; q < spec->queues && rc == 0; q++) {
		suppress_calls(&p->fe.ring[2 * q]);
		suppress_calls(&p->fe.ring[2 * q + 1]);
		rc = slots_init(&p->fe, &p->rx[q], spec->ring);
		if (rc == 0)
			rc = slots_init(&p->fe, &p->tx[q], spec->ring);
		if (rc == 0)
			rx_fill(p, q);
	}
	return rc;
}

struct fe_port *fe_port_open(const struct vm_spec *spec, uint16_t vm, struct rte_mempool *rx_pool,
			     bool hugepages)
{
	struct fe_port *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return NULL;
	vhost_fe_init(&p->fe);
	p->pool = rx_pool;
	p->queues = spec->queues;
	p->kick_always = spec->kick_always;
	rc = start(p, spec, vm, hugepages);
	if (rc < 0) {
		fprintf(stderr, "loadgen: front end on %s: %s\n", spec->socket, strerror(-rc));
		fe_port_close(p);
		return NULL;
	}
	return p;
}

void fe_port_close(struct fe_port *p)
{
	if (!p)
		return;
	for (uint16_t q = 0; q < p->queues; q++) {
		free(p->rx[q].of_id);
		free(p->rx[q].free);
		free(p->tx[q].of_id);
		free(p->tx[q].free);
	}
	vhost_fe_close(&p->fe);
	free(p);
}

/* Copies a used buffer out; a length that the device made up is cut to the buffer's. */
static struct rte_mbuf *take(struct fe_port *p, const uint8_t *buf, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);

	if (!m)
		return NULL;
	len = len > SLOT_SIZE ? SLOT_SIZE : len;
	len = len < p->hdr_len ? 0 : len - (uint32_t)p->hdr_len;
	memcpy(rte_pktmbuf_mtod(m, void *), buf + p->hdr_len, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

uint16_t fe_port_rx(struct fe_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct driver_ring *r = &p->fe.ring[2 * queue];
	struct slots *s = &p->rx[queue];
	uint16_t got = 0, seen = 0;
	uint32_t len;
	int id;

	while (seen < n && (id = driver_ring_poll(r, &len)) >= 0) {
		uint16_t slot = s->of_id[id];
		struct rte_mbuf *m = take(p, s->buf + (size_t)slot * SLOT_SIZE, len);

		s->free[s->n_free++] = slot;
		seen++;
		if (m)
			pkts[got++] = m;
	}
	if (seen)
		rx_fill(p, queue);
	return got;
}

/* Copies a packet, however many segments, behind a virtio_net_hdr of zeros. */
static uint32_t put(const struct fe_port *p, uint8_t *buf, const struct rte_mbuf *m)
{
	uint32_t at = (uint32_t)p->hdr_len;

	for (; m && at + m->data_len <= SLOT_SIZE; m = m->next) {
		memcpy(buf + at, rte_pktmbuf_mtod(m, const void *), m->data_len);
		at += m->data_len;
	}
	return at;
}

static void tx_reap(struct driver_ring *r, struct slots *s)
{
	uint32_t len;
	int id;

	while ((id = driver_ring_poll(r, &len)) >= 0)
		s->free[s->n_free++] = s->of_id[id];
}

uint16_t fe_port_tx(struct fe_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct driver_ring *r = &p->fe.ring[2 * queue + 1];
	struct slots *s = &p->tx[queue];
	uint16_t sent = 0;

	tx_reap(r, s);
	while (sent < n && s->n_free > 0 && r->n_free > 0) {
		uint16_t slot = s->free[--s->n_free];
		uint8_t *buf = s->buf + (size_t)slot * SLOT_SIZE;
		struct driver_buf b = {vhost_fe_gpa(&p->fe, buf), put(p, buf, pkts[sent]), false};

		s->of_id[driver_ring_add(r, &b, 1)] = slot;
		sent++;
		if (p->kick_always) {
			driver_ring_publish(r);
			driver_ring_kick(r);
		}
	}
	if (sent) {
		driver_ring_publish(r);
		if (driver_ring_wants_kick(r))
			driver_ring_kick(r);
		rte_pktmbuf_free_bulk(pkts, sent);
	}
	return sent;
}
