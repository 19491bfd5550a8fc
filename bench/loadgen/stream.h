/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams at work: senders that decide when a packet is due and build it, and the receiving side
 * that checks what arrives. All on the generator's one core. */
#ifndef LOADGEN_STREAM_H
#define LOADGEN_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <rte_mempool.h>

#include "bench/loadgen/frame.h"
#include "bench/loadgen/hist.h"
#include "bench/loadgen/noise.h"
#include "bench/loadgen/port.h"
#include "bench/loadgen/spec.h"

struct flow {
	uint32_t sender;
	uint32_t next_seq; /* to send */
	uint32_t expect;   /* to arrive next */
	uint32_t epoch;    /* replies to requests numbered before this come too late */
	uint16_t to_vm;
	uint64_t seen; /* of the 64 before `expect`: bit i is expect - 1 - i */
};

struct stream_counts {
	uint64_t sent, sent_bytes;
	uint64_t received, received_bytes; /* by ports that look into packets */
	uint64_t replies;
	uint64_t altered, duplicated, reordered, missing, misdelivered;
	uint64_t timeouts, late;
	uint64_t made_missing, made_altered, made_duplicated, made_reordered; /* by ourselves */
};

struct stream {
	const struct stream_spec *spec;
	bool active; /* its senders send */
	struct stream_counts count;
	struct hist *latency; /* cycles, from when it was due */
	struct hist
		*clean; /* the same without packets during which the generator's core had a gap */
};

struct sender {
	struct stream *stream;
	struct port *port;
	struct rte_mempool *pool;
	uint16_t queue;
	union frame_hdr
		*templates; /* one per (destination, flow); templates[i] is flow flow_base + i */
	uint32_t n_templates, next_template;
	uint32_t flow_base;
	uint32_t size_at;
	uint32_t until_fault, fault; /* packets until the next, and its kind */
	uint32_t outstanding;        /* requests */
	uint64_t epoch_tsc;          /* replies to requests due before this come too late */
	uint64_t progress_tsc;
	uint64_t sent;
	double next_due, interval; /* cycles; interval 0: no schedule of its own */
	double phase;
	uint16_t n_held;
	struct rte_mbuf *held[BURST]; /* built, not yet accepted by the ring */
};

struct generator {
	const struct spec *spec;
	struct port *port[MAX_VMS];
	struct stream *streams;
	struct sender *senders;
	uint32_t n_senders;
	struct flow *flows;
	uint32_t n_flows;
	struct noise noise;
	struct hist pass; /* how long the loop's passes took while measuring */
	uint64_t start_tsc;
	uint64_t measure_from; /* latencies of packets due before this are not recorded; 0: none are
				*/
	uint64_t measure_to;
	uint64_t hz;
	uint64_t rng;
};

/* Makes streams, senders, flows and pools for g->spec; the ports of g exist. Returns 0 or -1. */
int streams_create(struct generator *g);
void streams_destroy(struct generator *g);

/* Sends what sender s has due. */
void sender_run(struct generator *g, struct sender *s, uint64_t now);

/* Lets a sender go on that had to be silent: what was due meanwhile is not sent. */
void sender_resume(const struct generator *g, struct sender *s, uint64_t now);

/* True when every sender with a limit has reached it, and there is one. */
bool senders_done(const struct generator *g);

/* Takes one burst from a queue of a port, checks it, answers requests. */
void receive(struct generator *g, struct port *p, uint16_t queue);

#endif
