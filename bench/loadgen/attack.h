/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile VMs: each takes a port of its own and does one wrong thing, again and again, in short
 * steps that the generator's loop calls. */
#ifndef LOADGEN_ATTACK_H
#define LOADGEN_ATTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/loadgen/spec.h"

struct attack;

/* Connects; NULL with the reason on standard error. */
struct attack *attack_open(const struct vm_spec *spec, uint16_t vm, uint64_t hz, bool hugepages);
void attack_close(struct attack *a);

/* Takes a step if one is due: a few hundred nanoseconds, or a system call or two. */
void attack_run(struct attack *a, uint64_t now);

uint16_t attack_vm(const struct attack *a);

/* Steps taken, and how many times it had to connect anew. */
uint64_t attack_steps(const struct attack *a);
uint64_t attack_connects(const struct attack *a);

/* How many receive buffers came back filled: packets, where each fits one. */
uint64_t attack_received(const struct attack *a);

/* Prints the names of all attacks. */
void attack_list(void);

#endif
