/* SPDX-License-Identifier: BSD-3-Clause */
/* Why packets from the wire reach no VM. */
#include "tunnel/wire_drops.h"

static const struct {
	const char *text;
	const char *help;
} reasons[WIRE_DROP_COUNT] = {
#define X(name, text, help) [WIRE_DROP_##name] = {text, help},
#include "tunnel/wire_drops.def"
#undef X
};

const char *wire_drop_text(enum wire_drop drop)
{
	return reasons[drop].text;
}

const char *wire_drop_help(enum wire_drop drop)
{
	return reasons[drop].help;
}
