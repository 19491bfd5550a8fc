/* SPDX-License-Identifier: BSD-3-Clause */
/* Layer 2 switching. Deciding and acting are apart: forward_resolve() writes into the packets of a
 * batch what is to become of them, forward_commit() learns, counts and delivers. The switch learns
 * nothing from a packet that is not forwarded. */
#ifndef VSWITCH_FORWARD_H
#define VSWITCH_FORWARD_H

#include "vswitch/batch.h"
#include "vswitch/worker.h"

/* Decides about all packets of a batch that come from one port. [worker] */
void forward_resolve(struct worker *w, struct batch *b);

/* Carries out the decisions for the next packets of the batch, at most `max` of them and up to
 * MAX_WORK (vswitch/batch.h), and bills the sender. [worker] */
void forward_commit(struct worker *w, struct batch *b, uint16_t max);

/* Turns the rest of the batch into jobs of the sender. [worker] */
void forward_put_off(struct worker *w, struct batch *b);

/* Counts what became of a packet in a part of a batch, at its sender's port. Deliveries that were
 * handed over are counted where they end; the first of them decides about a packet that nobody got
 * here. A flood that is not at its end and reached nobody yet is not decided. [worker] */
void forward_count(struct worker *w, const struct vport *from, const struct pkt *p,
		   bool was_counted, bool is_cut);

/* The stages' decisions about a batch that is not to be forwarded: nothing is learned, counted,
 * billed or noted but in its packets. note(ctx, stage) is called after each stage that the port
 * has. [worker] */
typedef void (*forward_note_fn)(void *ctx, enum stage stage);
void forward_explain(struct worker *w, struct batch *b, forward_note_fn note, void *ctx);

#endif
