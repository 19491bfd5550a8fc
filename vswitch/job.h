/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs and backlogs as data: what vswitch/backlog.h works on. */
#ifndef VSWITCH_JOB_H
#define VSWITCH_JOB_H

#include <stdbool.h>
#include <stdint.h>

/* The most jobs of one VM on their way to, or waiting with, one worker. A job whose packet has many
 * buffers counts as several, so that one backlog takes a quarter of the VM's buffers at most. */
#define BACKLOG_SHARE           128
#define BACKLOG_BUFFERS_PER_JOB 4

enum job_kind {
	JOB_DELIVER, /* to one port */
	JOB_FLOOD,   /* to all ports and hosts of a network from `cursor` on */
	JOB_WIRE,    /* to one other host */
};

/* A piece of forwarding to be done later, or by another worker, with a packet reference of its own.
 * Ports may be gone, or others, by then: epochs tell (vswitch/vport.h). */
struct job {
	struct rte_mbuf *m;
	uint32_t to_epoch;
	uint32_t from_epoch; /* the first of `from` */
	uint16_t to;         /* port; for a flood or a host the sender, in whose network it is */
	uint16_t from;       /* port, whose counters say what became of the packet */
	uint16_t vm;         /* the VM that pays */
	uint16_t cursor; /* flood: destinations with lower ids are done; else segments that are */
	uint16_t remote; /* for a host: which one, */
	uint16_t remote_generation; /* that has to be the same still (tunnel/tables.h) */
	uint8_t pair;
	uint8_t reason; /* flood: why the last delivery that failed did */
	uint8_t kind : 6;
	bool was_counted : 1; /* the packet is counted: this job adds copies only */
	bool is_over : 1;     /* cancelled */
};
_Static_assert(sizeof(struct job) == 32, "two to a cache line");

/* First come, first served. */
struct backlog {
	uint16_t first;
	uint16_t n;
	struct job at[BACKLOG_SHARE];
};

#endif
