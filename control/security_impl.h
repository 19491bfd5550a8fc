/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside security groups: security_group.c (groups, rules, addresses), security_set.c (rules as
 * workers use them) and security_vm.c (VMs' connections). All of it is the control thread's. */
#ifndef CONTROL_SECURITY_IMPL_H
#define CONTROL_SECURITY_IMPL_H

#include "control/security.h"

/* A rule as filters have it; its id is 0. */
void security_rule_compile(const struct security_rule *r, struct filter_rule *compiled);

/* Puts the rules of a group in force as they are now, for all ports that are in it. A refusal
 * changes nothing. */
int rules_publish(struct vswitch *sw, struct security_group *g, struct err *e);

/* Makes a VM's table of connections, if it has none. */
int connections_make(struct vswitch *sw, struct vm *vm, struct err *e);
/* Frees it when no port of the VM is in a group any more. */
void connections_release(struct vswitch *sw, struct vm *vm);

#endif
