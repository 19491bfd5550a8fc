/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups in JSON. */
#ifndef CONTROL_SECURITY_RPC_H
#define CONTROL_SECURITY_RPC_H

#include <jansson.h>

#include "control/security.h"

/* The parameters that would create a group, without its rules, and one of its rules and addresses,
 * as they are now. New references. [control] */
json_t *security_group_conf_to_json(const struct security_group *g);
json_t *security_rule_conf_to_json(const struct security_group *g, const struct security_rule *r);
json_t *security_address_conf_to_json(const struct security_group *g,
				      const struct security_address *a);

/* The names of a set's groups with commas between them; "" for NULL. New reference. [control] */
json_t *rule_set_to_json(const struct rule_set *set);

#endif
