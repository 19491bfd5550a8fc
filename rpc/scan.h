/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the end of a JSON value in a stream of bytes, before any of it is parsed. Each byte is
 * looked at once, however the stream is cut into pieces. Bounds the depth and the number of values,
 * so that the parser needs bounded stack and memory. Syntax is left to the parser. */
#ifndef RPC_SCAN_H
#define RPC_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define RPC_MAX_DEPTH  32
#define RPC_MAX_VALUES 32768

enum rpc_scan_result {
	RPC_SCAN_MORE,   /* no value has ended in these bytes */
	RPC_SCAN_END,    /* a value ended with the last byte used */
	RPC_SCAN_SCALAR, /* a value begins that is neither an object nor an array */
	RPC_SCAN_BAD,    /* no JSON value begins like this */
	RPC_SCAN_DEEP,   /* more than RPC_MAX_DEPTH levels */
	RPC_SCAN_MANY,   /* more than RPC_MAX_VALUES values */
};

/* All zeroes is the state between two values. */
struct rpc_scan {
	unsigned depth;
	unsigned values;
	bool in_string;
	bool escaped;
};

/* Scans `len` bytes. *used is how many it took, at most up to the end of a value. After any result
 * but MORE and END the stream cannot be used any more. [any] */
enum rpc_scan_result rpc_scan(struct rpc_scan *s, const char *bytes, size_t len, size_t *used);

/* Whether a value has begun and not ended. */
static inline bool rpc_scan_inside(const struct rpc_scan *s)
{
	return s->depth > 0;
}

#endif
