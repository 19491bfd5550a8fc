/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups in a packet's way. */
#include "vswitch/groups.h"

#include "pkt/drops.h"
#include "vswitch/stage.h"

void groups_stage(struct worker *w, struct batch *b)
{
	const struct security *s = atomic_load_explicit(&b->from->security, memory_order_acquire);
	struct judgement judged[BATCH_MAX];
	struct rte_mbuf *sent[BATCH_MAX];
	uint16_t index[BATCH_MAX], n = 0;

	if (unlikely(!s))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->pkt[i].verdict != PKT_FORWARD)
			continue;
		index[n] = i;
		sent[n++] = b->pkt[i].m;
	}
	if (unlikely(n == 0))
		return;
	security_judge(s, w->service[b->from->vm].connections, FLOW_SENT, sent, n, groups_now_ms(w),
		       b->is_dry, judged);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = &b->pkt[index[i]];

		if (likely(judged[i].reason == DROP_COUNT))
			continue;
		p->verdict = PKT_DROP;
		p->reason = judged[i].reason;
	}
}

void groups_judge_received(struct worker *w, const struct security *s, uint16_t vm,
			   struct rte_mbuf *const *m, uint16_t n, struct judgement *judged)
{
	security_judge(s, w->service[vm].connections, FLOW_RECEIVED, m, n, groups_now_ms(w), false,
		       judged);
}
