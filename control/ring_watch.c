/* SPDX-License-Identifier: BSD-3-Clause */
/* Notices guests that go on putting malformed chains into their rings. */
#include "control/ring_watch.h"

/* Of what it sends, then of the buffers that it receives into. */
static const enum drop_reason reason_of[HOSTILE_KINDS] = {
	DROP_BAD_DESCRIPTOR, DROP_CHAIN_TOO_LONG, DROP_TOO_LONG,  DROP_TOO_SHORT,
	DROP_BAD_OFFLOAD,    DROP_RECEIVER_BAD,   DROP_LABORIOUS,
};

enum drop_reason ring_watch_reason(unsigned kind)
{
	return reason_of[kind];
}

static uint64_t count(const struct port_counters *c, enum drop_reason reason)
{
	/* Dropped packets are the sender's, whosever fault it was. */
	if (reason == DROP_RECEIVER_BAD || reason == DROP_LABORIOUS)
		return c->tx_drops[reason];
	return c->drops[reason];
}

void ring_watch(struct vswitch *sw,
		void (*tell)(void *ctx, const struct port *port, const uint64_t *since), void *ctx)
{
	uint64_t total[HOSTILE_KINDS], since[HOSTILE_KINDS];
	struct port_counters c;
	struct port *port;

	TAILQ_FOREACH (port, &sw->ports, link) {
		port_count(sw, port, &c);
		for (unsigned i = 0; i < HOSTILE_KINDS; i++)
			total[i] = count(&c, reason_of[i]);
		if (hostile_look(&port->hostile, total, switch_now_s(), since))
			tell(ctx, port, since);
	}
}
