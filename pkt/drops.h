/* SPDX-License-Identifier: BSD-3-Clause */
/* Why packets are dropped: one table for all stages (pkt/drops.def). */
#ifndef PKT_DROPS_H
#define PKT_DROPS_H

enum drop_reason {
#define X(name, text, help) DROP_##name,
#include "pkt/drops.def"
#undef X
	DROP_COUNT
};

/* A drop reason's name and its explanation. [any] */
const char *drop_reason_text(enum drop_reason reason);
const char *drop_reason_help(enum drop_reason reason);

#endif
