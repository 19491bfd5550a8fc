/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that are offered to a coalescer. Failures end the test, as cmocka's do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake/coalesce_run.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "tcp/segment.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/tcp_segment.h"

void run_begin(struct coalesce_run *run, struct rte_mempool *pool)
{
	memset(run, 0, sizeof(*run));
	run->pool = pool;
	coalesce_begin(&run->c);
}

int run_offer(struct coalesce_run *run, struct rte_mbuf *m, uint16_t lane, uint8_t families)
{
	unsigned i = run->n++;
	int in;

	assert_in_range(i, 0, RUN_MOST - 1);
	run->m[i] = m;
	run->len[i] = m->pkt_len;
	run->bytes[i] = malloc(m->pkt_len);
	assert_non_null(run->bytes[i]);
	for (uint32_t at = 0; m; at += m->data_len, m = m->next)
		memcpy(run->bytes[i] + at, rte_pktmbuf_mtod(m, void *), m->data_len);
	in = coalesce_add(&run->c, run->m[i], lane, families, (uint16_t)i);
	run->in[i] = in < 0 ? (int)i : in;
	return in;
}

int run_offer_segment(struct coalesce_run *run, const struct tcp_segment *s)
{
	static uint8_t frame[TCP_SEGMENT_MAX];
	uint32_t len = tcp_segment_write(frame, s);

	return run_offer(run, fake_eal_packet(run->pool, frame, len, 0), 0, RUN_BOTH);
}

static void assert_same(const struct coalesce_run *run, const struct rte_mbuf *m, unsigned i)
{
	static uint8_t flat[RUN_MAX_PACKET];

	assert_int_equal(m->pkt_len, run->len[i]);
	assert_memory_equal(rte_pktmbuf_read(m, 0, m->pkt_len, flat), run->bytes[i], m->pkt_len);
}

/* With DF an identification means nothing (RFC 6864), so it may differ: the original gets ours. */
static void align_id(struct coalesce_run *run, unsigned i, const struct rte_mbuf *m, uint32_t l3)
{
	uint8_t *ours = run->bytes[i] + l3;
	const uint8_t *theirs = rte_pktmbuf_mtod_offset(m, const uint8_t *, l3);

	if (ours[0] >> 4 != 4 || !(ours[6] & 0x40))
		return;
	memcpy(ours + 4, theirs + 4, 2);
	plain_put16(ours + 10, 0);
	plain_put16(ours + 10, (uint16_t)~plain_sum(ours, 20, 0));
}

/* What is in a large packet, segmented again, is what came. */
static void assert_gives(struct coalesce_run *run, struct rte_mbuf *m, unsigned head)
{
	struct segmenter s;
	unsigned i = head;

	assert_int_equal(segment_begin(&s, m), 0);
	assert_true(m->pkt_len - m->l2_len <= 65535);
	assert_true(segment_count(&s) <= COALESCE_MAX_SEGMENTS);
	for (struct rte_mbuf *part; (part = segment_next(&s, run->pool)); i++) {
		while (i < run->n && run->in[i] != (int)head)
			i++;
		assert_true(i < run->n);
		align_id(run, i, part, m->l2_len);
		assert_same(run, part, i);
		rte_pktmbuf_free(part);
	}
	for (; i < run->n; i++)
		assert_int_not_equal(run->in[i], head);
}

void run_assert_order(const struct coalesce_run *run, const unsigned *flow)
{
	for (unsigned i = 0; i < run->n; i++)
		for (unsigned k = i + 1; k < run->n; k++)
			if (flow[i] == flow[k])
				assert_true(run->in[i] <= run->in[k]);
}

unsigned run_end(struct coalesce_run *run)
{
	unsigned n = 0;

	coalesce_end(&run->c);
	for (unsigned i = 0; i < run->n; i++) {
		if (run->in[i] != (int)i)
			continue;
		n++;
		if (run->m[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
			assert_gives(run, run->m[i], i);
		else
			assert_same(run, run->m[i], i);
		rte_pktmbuf_free(run->m[i]);
	}
	for (unsigned i = 0; i < run->n; i++)
		free(run->bytes[i]);
	assert_true(rte_mempool_full(run->pool));
	return n;
}
