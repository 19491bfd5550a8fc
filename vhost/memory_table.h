/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks a memory table before it is used, and finds rings in one that is mapped. */
#ifndef VHOST_MEMORY_TABLE_H
#define VHOST_MEMORY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vhost/message.h"
#include "vhost/vhost_lib.h"

/* Checks a SET_MEM_TABLE that message_check() found well-formed. Refuses a region, named in *e,
 * that is empty, wraps around, overlaps another, is not in memory (a page fault in a file on a disk
 * or in a FUSE file system holds a worker up), cannot be written, or ends beyond its file. Also
 * refuses more memory than this host has (or 64 GiB, if it has less), which would use up our
 * address space. A file that shrinks later is handled by ring/sigbus.h. [gate] */
int memory_table_check(const struct message *m, struct err *e);

/* Our address of `size` bytes at the front end's address `user`, which must lie within one region;
 * NULL where they do not. [any] */
uint8_t *memory_table_at(const struct vhost_lib_memory *memory, uint64_t user, uint64_t size);

/* The most memory that a front end may share, in bytes. [any] */
uint64_t memory_table_most(void);

#endif
