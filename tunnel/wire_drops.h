/* SPDX-License-Identifier: BSD-3-Clause */
/* Why packets from the wire reach no VM. */
#ifndef TUNNEL_WIRE_DROPS_H
#define TUNNEL_WIRE_DROPS_H

enum wire_drop {
#define X(name, text, help) WIRE_DROP_##name,
#include "tunnel/wire_drops.def"
#undef X
	WIRE_DROP_COUNT
};

/* A reason's name and its explanation. [any] */
const char *wire_drop_text(enum wire_drop drop);
const char *wire_drop_help(enum wire_drop drop);

#endif
