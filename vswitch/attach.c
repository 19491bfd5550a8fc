/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker serves. Runs in messages, so between services, but for attach_lose_rings(), which
 * runs at the end of a service. */
#include "vswitch/attach.h"

#include <string.h>
#include <sys/epoll.h>

#include "ring/sigbus.h"
#include "vswitch/backlog.h"
#include "vswitch/rate_hold.h"
#include "vswitch/reply.h"
#include "vswitch/stage.h"
#include "vswitch/staging.h"

void attach_vm(struct worker *w, uint16_t vm, struct rte_mempool *pool)
{
	w->service[vm].pool = pool;
}

/* Cancels the VM's floods. They put jobs into backlogs for it, and only its own worker may do
 * that. */
static void end_floods(struct backlog *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		backlog_at(b, i)->is_over |= backlog_at(b, i)->kind == JOB_FLOOD;
}

void detach_vm(struct worker *w, uint16_t vm)
{
	end_floods(&w->backlog[vm]);
	rate_forget_hold(w, vm);
	memset(&w->service[vm], 0, sizeof(w->service[vm]));
	TAILQ_INIT(&w->service[vm].sources);
}

void detach_backlog(struct worker *w, uint16_t vm)
{
	backlog_pop(w, vm, w->backlog[vm].n);
	if (w->wire)
		staging_forget_vm(w, vm);
}

/* Watches a kick eventfd, edge-triggered. It is never read: the front end holds it too, and could
 * make a read block by draining it first. */
static void watch_kick(struct worker *w, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	if (fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		w->n_unwatched++;
}

static void unwatch_kick(struct worker *w, int fd)
{
	if (fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0)
		w->n_unwatched--;
}

void attach_find_guaranteed(struct worker *w)
{
	w->n_guaranteed = 0;
	for (uint16_t i = 0; i < w->n_polled; i++)
		if (sched_has_guarantee(w->sched, w->polled[i].vm))
			w->guaranteed[w->n_guaranteed++] = w->polled[i];
}

static void put_in(struct worker *w, struct vport *port, struct vdev_pair *pairs, uint16_t n)
{
	struct service *s = &w->service[port->vm];

	for (uint16_t i = 0; i < n; i++) {
		struct source *src = &port->source[i];

		if (pairs[i].rx_on) {
			port->rx_queue[port->n_rx++] = i;
			virtq_kick_enable(&pairs[i].rx.q, false);
		}
		if (!pairs[i].tx_on)
			continue;
		*src = (struct source){.pair = i, .tx = &pairs[i].tx, .port = port};
		TAILQ_INSERT_TAIL(&s->sources, src, link);
		s->n_sources++;
		w->polled[w->n_polled++] = (struct polled){&src->tx->q, port->vm};
		watch_kick(w, pairs[i].tx_kick_fd);
		virtq_kick_enable(&pairs[i].tx.q, false);
	}
	port->pairs = pairs;
	port->n_pairs = n;
	if (!rate_in_use(&port->answers))
		reply_init(port, w->tsc_hz, worker_now(w));
	w->n_ports_up++;
}

static void forget_polled(struct worker *w, const struct virtq *tx)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < w->n_polled; i++)
		if (w->polled[i].tx != tx)
			w->polled[kept++] = w->polled[i];
	w->n_polled = kept;
}

static void take_out(struct worker *w, struct vport *port)
{
	struct service *s = &w->service[port->vm];

	for (uint16_t i = 0; i < port->n_pairs; i++) {
		struct vdev_pair *p = &port->pairs[i];

		if (p->rx_on)
			virtq_complete(&p->rx.q);
		if (!p->tx_on)
			continue;
		virtq_complete(&p->tx.q);
		unwatch_kick(w, p->tx_kick_fd);
		TAILQ_REMOVE(&s->sources, &port->source[i], link);
		s->n_sources--;
		forget_polled(w, &p->tx.q);
	}
	port->pairs = NULL;
	port->n_pairs = 0;
	port->n_rx = 0;
	w->n_ports_up--;
}

void attach_change(struct worker *w, struct vport *port, void (*fn)(void *arg), void *arg,
		   struct vdev_pair *pairs, uint16_t n)
{
	stage_end_sys(w, SYSROW_CONTROL);
	if (port->pairs)
		take_out(w, port);
	if (fn)
		fn(arg);
	if (n > 0)
		put_in(w, port, pairs, n);
	attach_find_guaranteed(w);
	/* The VM is charged, so a front end that changes its device all the time puts it into debt
	 * and does not delay other VMs. */
	sched_charge_other(w->sched, port->vm, stage_end(w, port->vm, STAGE_CONTROL));
}

static void lose_if_gone(struct virtq *q)
{
	if (atomic_load(&q->mem->is_lost))
		virtq_lose(q);
}

void attach_lose_rings(struct worker *w)
{
	w->sigbus_seen = sigbus_count();
	for (unsigned i = 0; i < MAX_PORTS; i++) {
		struct vport *port = worker_port(w, (uint16_t)i);

		if (!port || port->worker != w)
			continue;
		for (uint16_t k = 0; k < port->n_pairs; k++) {
			struct vdev_pair *p = &port->pairs[k];

			if (p->tx_on)
				lose_if_gone(&p->tx.q);
			if (p->rx_on)
				lose_if_gone(&p->rx.q);
		}
	}
}
