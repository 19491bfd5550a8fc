/* SPDX-License-Identifier: BSD-3-Clause */
/* How many of everything one daemon holds: sizes of tables that workers index without a check. */
#ifndef VSWITCH_LIMITS_H
#define VSWITCH_LIMITS_H

#define MAX_TENANTS  256
#define MAX_VMS      1024
#define MAX_NETWORKS 1024
#define MAX_PORTS    1023 /* the vhost library watches 1,024 descriptors, and keeps one for itself */
#define MAX_PAIRS    16   /* queue pairs of a port */
#define MAX_WORKERS  16
#define NAME_SIZE    64 /* with its NUL */

#endif
