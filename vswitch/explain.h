/* SPDX-License-Identifier: BSD-3-Clause */
/* What would become of a packet: the datapath's own decisions about one, without acting on them.
 * Nothing is learned, counted or sent, and no bucket or table changes. */
#ifndef VSWITCH_EXPLAIN_H
#define VSWITCH_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pkt.h"
#include "policy/security.h"
#include "vswitch/vport.h"
#include "vswitch/worker.h"

/* A stage's decision; what follows is its packet as the stage left it. */
struct explained_stage {
	uint8_t stage; /* enum stage */
	struct pkt p;
};

/* What security groups say. */
struct explained_judgement {
	struct judgement j;
	uint32_t rule; /* its id (policy/filter.h), where there is one */
};

/* What the sender's worker decides. */
struct explained {
	uint16_t n_stages;
	struct explained_stage stage[STAGE_COUNT];
	struct explained_judgement egress; /* of the stage POLICY */
	bool is_over_flood_limit;          /* it would be flooded, and exceeds the port's limit */
	enum drop_reason wire_why; /* why its remote gets nothing; DROP_COUNT when it does */
	uint32_t mtu;              /* of its network, */
	uint32_t path_mtu;         /* and of the path to its remote; UINT32_MAX: none */
};

/* The decisions about a packet of a port of this worker's. [worker, between services] */
void explain_sent(struct worker *w, struct vport *from, struct rte_mbuf *m, struct explained *x);

/* Why a port of this worker's would not get a packet; DROP_COUNT when it would. *judged is what its
 * security groups say, where it has any. [worker, between services] */
enum drop_reason explain_received(struct worker *w, struct vport *to, struct rte_mbuf *m,
				  struct explained_judgement *judged);

#endif
