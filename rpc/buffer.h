/* SPDX-License-Identifier: BSD-3-Clause */
/* A byte queue with a limit: bytes are added at the end and taken from the front. */
#ifndef RPC_BUFFER_H
#define RPC_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct rpc_buffer {
	char *data;
	size_t start;
	size_t end;
	size_t room;
	size_t limit; /* of the bytes in it */
};

static inline size_t rpc_buffer_used(const struct rpc_buffer *b)
{
	return b->end - b->start;
}

/* Makes room for `len` bytes at data + end. False when that exceeds the limit, or memory is short.
 * [any] */
bool rpc_buffer_reserve(struct rpc_buffer *b, size_t len);
bool rpc_buffer_add(struct rpc_buffer *b, const char *bytes, size_t len);
/* Removes `len` bytes, which must be there, from the front. An empty buffer frees its memory.
 * [any] */
void rpc_buffer_take(struct rpc_buffer *b, size_t len);
void rpc_buffer_clear(struct rpc_buffer *b);

#endif
