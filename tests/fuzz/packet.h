/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets whose segments lie in memory of exactly their size, so that one byte too many is found.
 */
#ifndef FUZZ_PACKET_H
#define FUZZ_PACKET_H

#include <rte_mbuf.h>

#include "tests/fuzz/input.h"

#define PACKET_SEGMENTS 4

struct packet {
	struct rte_mbuf seg[PACKET_SEGMENTS];
	uint32_t len;
};

/* Takes all that is left, cut into pieces as its first bytes say. There is a byte at least. */
static inline void packet_open(struct packet *p, struct input *in)
{
	uint16_t first = input_u16(in);
	unsigned n = 0;

	memset(p, 0, sizeof(*p));
	p->len = in->left > 65535 ? 65535 : (uint32_t)in->left;
	if (p->len == 0)
		p->len = 1;
	for (uint32_t at = 0, len; at < p->len; at += len, n++) {
		struct rte_mbuf *m = &p->seg[n];

		len = p->len - at;
		if (n + 1 < PACKET_SEGMENTS && first > 0 && first < len)
			len = first;
		m->buf_addr = malloc(len);
		MUST(m->buf_addr);
		input_bytes(in, m->buf_addr, len);
		m->buf_len = m->data_len = (uint16_t)len;
		m->refcnt = 1;
		if (n > 0)
			p->seg[n - 1].next = m;
	}
	p->seg[0].nb_segs = (uint16_t)n;
	p->seg[0].pkt_len = p->len;
}

static inline void packet_close(struct packet *p)
{
	for (unsigned i = 0; i < p->seg[0].nb_segs; i++)
		free(p->seg[i].buf_addr);
}

#endif
