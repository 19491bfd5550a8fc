/* SPDX-License-Identifier: BSD-3-Clause */
/* Lending packets: what is not done for each. */
#include "vhost/net_lend.h"

#include <stdlib.h>
#include <string.h>

struct net_lent *net_lent_create(void)
{
	struct net_lent *lent = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*lent));

	if (!lent)
		return NULL;
	memset(lent, 0, sizeof(*lent));
	for (unsigned i = 0; i < NET_MAX_BURST; i++) {
		struct net_lent_pkt *v = &lent->pkt[i];

		*(net_mbuf_word *)(void *)&v->head.rearm_data =
			NET_MBUF_REARM - RTE_PKTMBUF_HEADROOM;
		*(net_mbuf_word *)(void *)&v->rest.rearm_data =
			NET_MBUF_REARM - RTE_PKTMBUF_HEADROOM;
		v->head.buf_addr = v->bytes;
		v->head.buf_len = NET_LENT_BYTES;
	}
	for (unsigned i = 0; i < NET_LENT_BURST_PIECES; i++)
		*(net_mbuf_word *)(void *)&lent->more[i].rearm_data =
			NET_MBUF_REARM - RTE_PKTMBUF_HEADROOM;
	return lent;
}

void net_lent_destroy(struct net_lent *lent)
{
	free(lent);
}

static void touch_pages(const uint8_t *at, uint32_t len)
{
	for (uint32_t o = 0; o < len; o += NET_LEND_PAGE)
		net_lend_touch(at + o);
	net_lend_touch(at + len - 1);
}

struct rte_mbuf *net_lend_pieces(struct net_lent *lent, uint16_t index, const struct net_pieces *p,
				 uint32_t len)
{
	struct net_lent_pkt *v = &lent->pkt[index];
	uint32_t copied = RTE_MIN(len, (uint32_t)NET_LENT_BYTES);
	struct rte_mbuf *last = &v->head;
	struct virtq_pos pos = {0, 0};

	virtq_walk_read(p->seg, &pos, v->bytes, copied);
	v->head.ol_flags = 0;
	v->head.pkt_len = len;
	v->head.data_len = (uint16_t)copied;
	v->head.nb_segs = 1;
	for (; pos.seg < p->n; pos = (struct virtq_pos){pos.seg + 1, 0}) {
		const struct virtq_seg *s = &p->seg[pos.seg];

		last->next = v->head.nb_segs == 1 ? &v->rest : &lent->more[lent->n_more++];
		last = last->next;
		net_lend_set(last, s->at + pos.offset, s->len - pos.offset);
		touch_pages(s->at + pos.offset, s->len - pos.offset);
		v->head.nb_segs++;
	}
	last->next = NULL;
	return &v->head;
}

uint32_t net_untake(struct net_ring *r, struct net_lent *lent, uint16_t n)
{
	struct virtq *q = &r->q;
	uint16_t slots = 0;
	uint32_t descs = 0;

	lent->n -= n;
	for (uint16_t i = 0; i < n; i++) {
		slots += q->packed ? lent->extent[lent->n + i].slots : 1;
		descs += lent->extent[lent->n + i].descs;
	}
	if (q->packed && slots > q->avail_at) {
		q->avail_at += q->size;
		q->avail_wrap = !q->avail_wrap;
	}
	q->avail_at -= slots;
	return descs;
}

void net_give_back(struct net_ring *r, struct net_lent *lent)
{
	struct virtq *q = &r->q;
	if (likely(!q->broken)) {
		if (q->packed)
			for (uint16_t i = 0; i < lent->n; i++)
				virtq_give_back(q, (uint16_t)lent->used[i].id, 0,
						lent->extent[i].slots, true);
		else
			virtq_give_back_all(q, lent->used, lent->n, false);
	}
	lent->n = 0;
	lent->n_more = 0;
}
