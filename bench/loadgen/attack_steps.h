/* SPDX-License-Identifier: BSD-3-Clause */
/* Single wrong things, each done once by a call. */
#ifndef LOADGEN_ATTACK_STEPS_H
#define LOADGEN_ATTACK_STEPS_H

struct attack;

void step_bad_index(struct attack *a);
void step_index_jump(struct attack *a);
void step_scribble(struct attack *a);
void step_kick(struct attack *a);
void step_mem_table(struct attack *a);
void step_enable(struct attack *a);
void step_reconnect(struct attack *a);
void step_garbage(struct attack *a);

#endif
