/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the front ends that mind their own business and those that do not. */
#ifndef LOOP_FE_BYSTANDERS_H
#define LOOP_FE_BYSTANDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/fake/vhost_fe.h"

struct misdeeds {
	uint64_t n;
	uint64_t refused; /* and the connection went on */
	uint64_t hung_up;
};
extern struct misdeeds misdeeds;

/* Lets some packets pass between the bystanders. */
void pump(void);

/* Plays the whole protocol wrongly against the ports at these sockets, by turns. Negative when one
 * of them cannot be brought up properly any more. */
int play_misdeeds(char *const *sockets, unsigned n);

#endif
