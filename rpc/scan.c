/* SPDX-License-Identifier: BSD-3-Clause */
/* Framing of concatenated JSON values. */
#include "rpc/scan.h"

#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Outside any value. */
static enum rpc_scan_result scan_begin(struct rpc_scan *s, char c)
{
	if (is_space(c))
		return RPC_SCAN_MORE;
	if (c == '{' || c == '[') {
		s->depth = 1;
		s->values = 1;
		return RPC_SCAN_MORE;
	}
	return c != '\0' && strchr("\"-0123456789tfn", c) ? RPC_SCAN_SCALAR : RPC_SCAN_BAD;
}

/* Inside an object or array, outside strings. Values are counted by commas and brackets: `[1,2` has
 * as many values as commas, plus one. */
static enum rpc_scan_result scan_nested(struct rpc_scan *s, char c)
{
	switch (c) {
	case '"':
		s->in_string = true;
		return RPC_SCAN_MORE;
	case '{':
	case '[':
		if (++s->depth > RPC_MAX_DEPTH)
			return RPC_SCAN_DEEP;
		return ++s->values > RPC_MAX_VALUES ? RPC_SCAN_MANY : RPC_SCAN_MORE;
	case ',':
		return ++s->values > RPC_MAX_VALUES ? RPC_SCAN_MANY : RPC_SCAN_MORE;
	case '}':
	case ']':
		return --s->depth == 0 ? RPC_SCAN_END : RPC_SCAN_MORE;
	default:
		return RPC_SCAN_MORE;
	}
}

static void scan_string(struct rpc_scan *s, char c)
{
	if (s->escaped)
		s->escaped = false;
	else if (c == '\\')
		s->escaped = true;
	else if (c == '"')
		s->in_string = false;
}

enum rpc_scan_result rpc_scan(struct rpc_scan *s, const char *bytes, size_t len, size_t *used)
{
	enum rpc_scan_result result = RPC_SCAN_MORE;
	size_t i = 0;

	while (i < len && result == RPC_SCAN_MORE) {
		char c = bytes[i++];

		if (s->in_string)
			scan_string(s, c);
		else if (s->depth == 0)
			result = scan_begin(s, c);
		else
			result = scan_nested(s, c);
	}
	*used = i;
	return result;
}
