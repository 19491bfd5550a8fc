/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside security groups: security_group.c (groups, rules, addresses), security_set.c (rules as
 * workers use them), security_members.c, security_port.c and security_vm.c (VMs' connections). All
 * of it is the control thread's. */
#ifndef CONTROL_SECURITY_IMPL_H
#define CONTROL_SECURITY_IMPL_H

#include "control/security.h"

/* A rule as filters have it; its id is 0. */
void security_rule_compile(const struct security_rule *r, struct filter_rule *compiled);

/* Puts the rules of a group in force as they are now, for all ports that are in it. A refusal
 * changes nothing. */
int rules_publish(struct vswitch *sw, struct security_group *g, struct err *e);

/* The set of these groups, which is made when no port has it yet. NULL with *e filled. To be
 * released when no worker uses it for the port any more. */
struct rule_set *rule_set_acquire(struct vswitch *sw, const struct rule_set *like, struct err *e);
void rule_set_release(struct vswitch *sw, struct rule_set *set);
bool rule_set_has(const struct rule_set *set, const struct security_group *g);

/* What judges the packets of a port in a set's groups. Its epoch is another one in each network, so
 * connections do not go along. NULL when memory is short. */
struct security *security_make(const struct rule_set *set, struct tenant *tenant, uint32_t epoch);

/* Telling ports that their sets are changed: makes what they will use, then publishes it, or
 * forgets it; and forgets what the sets had before. */
int sets_prepare_ports(struct vswitch *sw, struct err *e);
void sets_finish_ports(struct vswitch *sw, bool is_published);
void sets_forget_next(struct vswitch *sw);

/* A port as it is going to be. */
struct coming_member {
	const struct port *port;
	const struct rule_set *set;
	const struct port_sources *sources;
};

/* Whether the tenant's members can be published once a port is as it is going to be. `field` is the
 * parameter at fault. */
int members_check(struct vswitch *sw, const struct coming_member *coming, const char *field,
		  struct err *e);

/* Makes a VM's table of connections, if it has none. */
int connections_make(struct vswitch *sw, struct vm *vm, struct err *e);
/* Frees it when no port of the VM is in a group any more. */
void connections_release(struct vswitch *sw, struct vm *vm);

#endif
