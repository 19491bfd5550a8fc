/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns a command's arguments into the parameters of its method. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <jansson.h>

#include "base/err.h"

struct args {
	const json_t *method;
	json_t *params;
	size_t positional; /* how many were given without their name */
};

/* Starts with no parameters; ends and frees them. */
void args_init(struct args *a, const json_t *method);
void args_uninit(struct args *a);

/* Takes the parameter at argv[0]. Returns how many arguments that took, 0 for an option that the
 * method does not have, -EINVAL with *e filled for a wrong one. Checks types only: the daemon knows
 * the bounds. */
int args_take(struct args *a, int argc, char **argv, struct err *e);

/* -EINVAL with *e filled when a required parameter is missing. */
int args_check(const struct args *a, struct err *e);

#endif
