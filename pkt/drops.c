/* SPDX-License-Identifier: BSD-3-Clause */
/* Why packets are dropped. */
#include "pkt/drops.h"

static const struct {
	const char *text;
	const char *help;
} reasons[DROP_COUNT] = {
#define X(name, text, help) [DROP_##name] = {text, help},
#include "pkt/drops.def"
#undef X
};

const char *drop_reason_text(enum drop_reason reason)
{
	return reasons[reason].text;
}

const char *drop_reason_help(enum drop_reason reason)
{
	return reasons[reason].help;
}
