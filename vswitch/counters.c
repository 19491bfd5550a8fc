/* SPDX-License-Identifier: BSD-3-Clause */
/* Per-port packet counters. */
#include "vswitch/counters.h"

static const struct {
	const char *text;
	const char *help;
} reasons[DROP_COUNT] = {
#define X(name, text, help) [DROP_##name] = {text, help},
#include "vswitch/drops.def"
#undef X
};

const char *drop_reason_text(enum drop_reason reason)
{
	return reasons[reason].text;
}

const char *drop_reason_help(enum drop_reason reason)
{
	return reasons[reason].help;
}

void port_counters_add(struct port_counters *a, const struct port_counters *b)
{
	a->in += b->in;
	a->forwarded += b->forwarded;
	a->consumed += b->consumed;
	a->copies += b->copies;
	a->flooded += b->flooded;
	for (int i = 0; i < DROP_COUNT; i++) {
		a->drops[i] += b->drops[i];
		a->tx_drops[i] += b->tx_drops[i];
	}
	for (int i = 0; i < MAX_PAIRS; i++) {
		a->queue[i].rx_packets += b->queue[i].rx_packets;
		a->queue[i].rx_bytes += b->queue[i].rx_bytes;
		a->queue[i].tx_packets += b->queue[i].tx_packets;
		a->queue[i].tx_bytes += b->queue[i].tx_bytes;
		a->queue[i].notifications += b->queue[i].notifications;
	}
}
