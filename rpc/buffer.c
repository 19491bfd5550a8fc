/* SPDX-License-Identifier: BSD-3-Clause */
/* Byte queues. */
#include "rpc/buffer.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST 4096

bool rpc_buffer_reserve(struct rpc_buffer *b, size_t len)
{
	size_t used = rpc_buffer_used(b);
	size_t room = b->room ? b->room : SMALLEST;
	char *data;

	if (len > b->limit - used)
		return false;
	if (b->room - b->end >= len && b->room)
		return true;
	/* Bytes taken since the last move pay for this one: no more are moved than were taken, so
	 * each byte causes at most one move. */
	if (b->start >= used && b->room - used >= len && b->room) {
		memcpy(b->data, b->data + b->start, used);
		b->start = 0;
		b->end = used;
		return true;
	}
	while (room - used < len)
		room *= 2;
	data = malloc(room);
	if (!data)
		return false;
	if (used)
		memcpy(data, b->data + b->start, used);
	free(b->data);
	b->data = data;
	b->room = room;
	b->start = 0;
	b->end = used;
	return true;
}

bool rpc_buffer_add(struct rpc_buffer *b, const char *bytes, size_t len)
{
	if (!rpc_buffer_reserve(b, len))
		return false;
	memcpy(b->data + b->end, bytes, len);
	b->end += len;
	return true;
}

void rpc_buffer_take(struct rpc_buffer *b, size_t len)
{
	b->start += len;
	if (b->start == b->end)
		rpc_buffer_clear(b);
}

void rpc_buffer_clear(struct rpc_buffer *b)
{
	free(b->data);
	b->data = NULL;
	b->start = b->end = b->room = 0;
}
