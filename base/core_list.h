/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of cores as people write them: "1" or "1,3-5". */
#ifndef BASE_CORE_LIST_H
#define BASE_CORE_LIST_H

#include "base/err.h"

#define CORE_LIST_MAX 1024 /* cores are numbered below that */

/* Calls add() for each core of a list, in its order, until one returns an error, which is returned
 * then. -EINVAL with *e filled for text that is no such list; `field` names what it is for. [any]
 */
int core_list_parse(const char *text, const char *field,
		    int (*add)(void *ctx, unsigned core, struct err *e), void *ctx, struct err *e);

#endif
