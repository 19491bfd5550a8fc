/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's connections: what may come back without a rule that allows it.
 *
 * A table belongs to one thread at a time, the VM's worker, and takes no locks: [owner]. Its memory
 * is taken at once: 80 B a connection of the most that it can hold, and 8 KiB. The time is in
 * milliseconds, and wraps; each connection has to be swept once a month at least. */
#ifndef POLICY_CONNTRACK_H
#define POLICY_CONNTRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkt/flow.h"

#define CONNTRACK_LEAST 16
#define CONNTRACK_MOST  (1u << 20)

struct conntrack;

enum conn_state {
	CONN_FREE, /* no connection */
#define X(name, text, seconds, rank) CONN_##name,
#include "policy/conntrack_states.def"
#undef X
	CONN_STATES
};

/* A state's name. [any] */
const char *conn_state_text(enum conn_state state);

/* A table for `max` connections, CONNTRACK_LEAST to CONNTRACK_MOST; at most half of them are opened
 * by others. NULL: memory or the kernel's randomness is short. [control] */
struct conntrack *conntrack_create(uint32_t max);
void conntrack_destroy(struct conntrack *c);

/* Bytes that such a table takes. [any] */
size_t conntrack_size(uint32_t max);

struct conntrack_stats {
	uint64_t max, used, opened_by_vm, opened_by_others;
	uint64_t created, expired;
	uint64_t evicted; /* half-open or closing ones that made room */
	uint64_t refused; /* packets for whose connection there was no room */
};

/* [any] */
void conntrack_get_stats(const struct conntrack *c, struct conntrack_stats *stats);

/* Looks at the next `n` places of the table and frees those connections that have expired. Returns
 * how many these were. [owner] */
uint32_t conntrack_sweep(struct conntrack *c, uint32_t n, uint32_t now_ms);

struct conn_info {
	struct flow_key key;
	uint8_t state;  /* enum conn_state */
	uint8_t opener; /* enum flow_side: FLOW_SENT: the VM */
	bool is_v6;
	int16_t rule; /* that allowed it, of the opener's direction; or FILTER_NO_RULE */
	uint32_t generation;
	uint32_t idle_ms;
	uint32_t left_ms; /* until it expires */
};

/* Lists connections that have not expired: looks at `n` places of the table from *at on, and writes
 * the at most `n` connections there. Returns how many; *at is then where to go on, or
 * UINT32_MAX at the end. Connections that come and go between calls may be missed. [owner] */
uint32_t conntrack_list(const struct conntrack *c, uint32_t *at, uint32_t n, uint32_t now_ms,
			struct conn_info *info);

#endif
