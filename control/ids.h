/* SPDX-License-Identifier: BSD-3-Clause */
/* User and group ids by name. A name that was found is remembered: a directory service may take
 * long to answer, and the control thread waits for it. */
#ifndef CONTROL_IDS_H
#define CONTROL_IDS_H

#include <sys/types.h>

#include "base/err.h"

/* The id of a name, or of a number as text; -1 for NULL or "". -EINVAL with *e filled, field
 * "owner" or "group". [control] */
int ids_find_user(const char *name, uid_t *uid, struct err *e);
int ids_find_group(const char *name, gid_t *gid, struct err *e);

#endif
