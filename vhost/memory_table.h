/* SPDX-License-Identifier: BSD-3-Clause */
/* Judging a memory table before anything is done with it, and finding rings in one that is mapped.
 */
#ifndef VHOST_MEMORY_TABLE_H
#define VHOST_MEMORY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vhost/message.h"
#include "vhost/vhost_lib.h"

/* Judges a SET_MEM_TABLE that message_check() found well-formed. Refused, with *e naming the
 * region: one that is empty, wraps around, overlaps another, is not in memory (a page fault in a
 * file on a disk or in a FUSE file system holds a worker up), cannot be written, or ends behind its
 * file; and more memory than this host has (and 64 GiB), which would use up our address space. A
 * file that shrinks later is met by ring/sigbus.h. [gate] */
int memory_table_check(const struct message *m, struct err *e);

/* Our address of `size` bytes at the front end's address `user`, which must lie within one region;
 * NULL where they do not. [any] */
uint8_t *memory_table_at(const struct vhost_lib_memory *memory, uint64_t user, uint64_t size);

/* The most that a device may share, in bytes. [any] */
uint64_t memory_table_most(void);

#endif
