/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledger. */
#include "vswitch/ledger.h"

static const char *const stage_names[STAGE_COUNT] = {
#define X(name, text, help)          [STAGE_##name] = text,
#define DECIDE(name, text, help, fn) [STAGE_##name] = text,
#include "vswitch/stages.def"
#undef DECIDE
#undef X
};

static const char *const sysrow_names[SYSROW_COUNT] = {
#define X(name, text, help) [SYSROW_##name] = text,
#include "vswitch/sysrows.def"
#undef X
};

void ledger_depart(struct ledger *l, uint16_t vm)
{
	for (int i = 0; i < STAGE_COUNT; i++) {
		l->sys[SYSROW_DEPARTED] += l->vm[vm][i];
		l->vm[vm][i] = 0;
	}
}

uint64_t ledger_vm_sum(const struct ledger *l, uint16_t vm)
{
	uint64_t sum = 0;

	for (int i = 0; i < STAGE_COUNT; i++)
		sum += l->vm[vm][i];
	return sum;
}

uint64_t ledger_sum(const struct ledger *l)
{
	uint64_t sum = 0;

	for (int i = 0; i < SYSROW_COUNT; i++)
		sum += l->sys[i];
	for (uint16_t vm = 0; vm < MAX_VMS; vm++)
		sum += ledger_vm_sum(l, vm);
	return sum;
}

const char *stage_text(enum stage stage)
{
	return stage_names[stage];
}

const char *sysrow_text(enum sysrow row)
{
	return sysrow_names[row];
}
