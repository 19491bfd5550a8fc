/* SPDX-License-Identifier: BSD-3-Clause */
/* What the cases of the hostile front end share; for fe_hostile*.c only. */
#ifndef LOOP_FE_HOSTILE_IMPL_H
#define LOOP_FE_HOSTILE_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "tests/fake/vhost_fe.h"

#define MEM_BYTES (4u << 20)
#define RING_SIZE 256
#define TX        1

struct hostile_case {
	const char *name;
	int (*run)(void); /* negative when it could not do what it is about */
};

#define HOSTILE_CASE(fn) \
	{                \
#fn, fn  \
	}

/* Each ends with a case without a name. */
extern const struct hostile_case protocol_cases[];
extern const struct hostile_case ring_cases[];

extern const struct fe_config split;
extern const struct fe_config packed;

extern struct vhost_fe fe;
extern const char *path; /* of the port's socket */

void rest_ms(long ms);

/* Opens the front end, negative with the reason said; the second where another one just hung up:
 * until the switch has noticed, it may refuse. */
int open_fe(const struct fe_config *conf);
int reopen_fe(const struct fe_config *conf);

/* Sends SET_VRING_* for both rings, whatever the switch makes of them. */
int start_rings(void);

/* A good frame, to an unknown address: makes one, and sends one. */
uint64_t frame(size_t *len);
void send_frame(void);

/* Waits until the switch gave the chain back, or took the ring out of service and never will. */
int wait_used(struct driver_ring *r);

/* Returns when the caller wrote a line, or will not. */
void await_line(void);

#endif
