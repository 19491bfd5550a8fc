/* SPDX-License-Identifier: BSD-3-Clause */
/* What the methods of several objects share: budgets and names in JSON. */
#ifndef CONTROL_BUDGET_RPC_H
#define CONTROL_BUDGET_RPC_H

#include <jansson.h>

#include "policy/budget.h"
#include "rpc_schema.h"

/* Overlays the fields that a call gave on *b. */
void budget_overlay(struct budget *b, const struct rpc_group_budget *given);

/* Adds a budget's fields to an object. */
void budget_to_json(json_t *object, const struct budget *b);

#endif
