/* SPDX-License-Identifier: BSD-3-Clause */
/* A record of the XDP programs that this daemon has attached, kept in a file across its death. By
 * it the next process knows a program of ours without CAP_SYS_ADMIN, which the kernel wants for
 * telling a program's name. The kernel gives no number of a program twice between two boots. All of
 * it is the control thread's. */
#ifndef TUNNEL_XDP_RECORD_H
#define TUNNEL_XDP_RECORD_H

#include <stdbool.h>
#include <stdint.h>

/* Sets the file, and reads what is in it. Without a file nothing is kept. */
void xdp_record_open(const char *path);

/* Notes that the interface has our program of that id, or, with id 0, that it has none. */
void xdp_record_set(unsigned ifindex, uint32_t id);

/* Whether the program on that interface was attached by us. */
bool xdp_record_has(unsigned ifindex, uint32_t id);

#endif
