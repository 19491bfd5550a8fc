/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups: which flows the ports that are in them may have (policy/security.h judges them).
 *
 * A group has rules, and members: addresses that rules of its tenant may name. A port is in a set
 * of groups, whose rules count together. The rules of a set are compiled once for all its ports.
 * All of it is the control thread's. */
#ifndef CONTROL_SECURITY_H
#define CONTROL_SECURITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/ip_addr.h"
#include "control/switch.h"
#include "policy/filter.h"

#define MAX_SECURITY_GROUPS 4096
#define MAX_PORT_GROUPS     16

#define DEFAULT_RULE_PRIORITY 1000

struct security_rule {
	char id[NAME_SIZE]; /* unique in its group */
	uint32_t number;    /* unique in the switch: how filters name it */
	bool is_ingress;
	bool is_v6;
	bool is_allow;
	uint8_t protocol;     /* 0: any */
	uint16_t first, last; /* as struct filter_rule has them */
	uint16_t priority;    /* the highest decides; of equal ones, those that drop come first */
	struct ip_addr remote;
	uint8_t remote_bits;            /* 0: any address */
	struct security_group *members; /* the other end is a member of it; NULL: need not be */
	TAILQ_ENTRY(security_rule) link;
};

/* An address that was given to a group. Those of its ports are members besides. */
struct security_address {
	struct ip_addr address;
	uint8_t bits;
	TAILQ_ENTRY(security_address) link;
};

struct security_group {
	uint16_t id;
	struct tenant *tenant;
	unsigned n_rules, n_addresses;
	unsigned n_ports; /* that are in it */
	unsigned n_named; /* rules of other groups that name it */
	unsigned last_id; /* of the rules that got their ids here */
	TAILQ_HEAD(security_rules, security_rule) rules;
	TAILQ_HEAD(security_addresses, security_address) addresses;
	char name[NAME_SIZE];
	TAILQ_ENTRY(security_group) link;
};

/* A set of groups that ports are in, and its rules as workers use them. */
struct rule_set {
	struct security_group *group[MAX_PORT_GROUPS];
	unsigned n;
	unsigned n_users;
	struct filter *egress, *ingress;
	uint32_t generation;
	struct filter *next_egress, *next_ingress; /* while they are being replaced */
	bool is_changed;                           /* its ports are to be told */
	TAILQ_ENTRY(rule_set) link;
};

struct vswitch_security {
	TAILQ_HEAD(security_groups, security_group) groups;
	TAILQ_HEAD(rule_sets, rule_set) sets;
	struct security_group *slot[MAX_SECURITY_GROUPS];
	uint32_t generations;     /* given to rule sets so far */
	uint32_t numbers;         /* given to rules so far */
	size_t connections_bytes; /* of all VMs' tables */
	size_t connections_limit;
	bool is_deferring; /* members are not published now */
};

/* --- groups ------------------------------------------------------------------------------------
 */

struct security_group *security_group_find(struct vswitch *sw, const char *name);
/* The same; *e says that there is none, with the parameter's name. */
struct security_group *security_group_get(struct vswitch *sw, const char *field, const char *name,
					  struct err *e);
/* A group without rules: nothing is allowed. */
struct security_group *security_group_create(struct vswitch *sw, const char *name,
					     struct tenant *tenant, struct err *e);
/* Refused as busy while ports are in it, or rules of other groups name it. */
int security_group_delete(struct vswitch *sw, struct security_group *g, struct err *e);

/* Adds a rule, which gets an id if it has none, and puts it in force for all ports of the group.
 * The rule is copied. NULL with *e filled. */
struct security_rule *security_rule_add(struct vswitch *sw, struct security_group *g,
					const struct security_rule *rule, struct err *e);
int security_rule_delete(struct vswitch *sw, struct security_group *g, const char *id,
			 struct err *e);

/* The rule with a number, and its group; NULL when it is gone. */
const struct security_rule *security_rule_find_number(struct vswitch *sw, uint32_t number,
						      const struct security_group **group);

/* Adds or removes an address or prefix of a member elsewhere. */
int security_group_add_address(struct vswitch *sw, struct security_group *g,
			       const struct ip_addr *address, uint8_t bits, struct err *e);
int security_group_remove_address(struct vswitch *sw, struct security_group *g,
				  const struct ip_addr *address, uint8_t bits, struct err *e);

/* --- ports -------------------------------------------------------------------------------------
 */

/* A port's new groups, ready to be put in force. */
struct groups_change {
	struct rule_set *set;      /* NULL: none */
	struct security *security; /* NULL with no set */
};

/* Prepares that a port, which will have these sources, is in the groups of a list of names
 * ("web,ssh", "" for none): does all that can be refused. To be followed by one of the others. */
int port_prepare_groups(struct vswitch *sw, const struct port *port, const char *names,
			const struct port_sources *sources, struct groups_change *c, struct err *e);
void port_set_groups(struct vswitch *sw, struct port *port, const struct groups_change *c);
void port_cancel_groups(struct vswitch *sw, struct vm *vm, const struct groups_change *c);
/* What judges the port's packets once it has another epoch: in another network. NULL for a port in
 * no group. -ENOMEM. */
int port_renew_security(const struct port *port, uint32_t epoch, struct security **made,
			struct err *e);
/* Whether a port in groups can have other addresses. */
int port_check_addresses(struct vswitch *sw, const struct port *port,
			 const struct port_sources *sources, struct err *e);
/* Has rules about the port's groups know its addresses, after these changed. */
void port_publish_addresses(struct vswitch *sw, const struct port *port);
/* Takes a port that is being deleted, and that no worker finds any more, out of its groups. */
void port_leave_groups(struct vswitch *sw, struct port *port);

/* Publishes anew who the members of a tenant's groups are. When that is refused, the old ones stay
 * in force. */
int tenant_publish_members(struct vswitch *sw, struct tenant *t, struct err *e);

/* Puts the publishing of members off, while many are added at once, and catches up on it. */
void security_defer_members(struct vswitch *sw, bool is_deferring);

/* --- connections -------------------------------------------------------------------------------
 */

/* Prepares that a VM may have so many connections: *table, NULL where none is needed, is for the
 * other call. Refused when the memory for connections does not suffice. */
int vm_prepare_connections(struct vswitch *sw, const struct vm *vm, uint32_t max,
			   struct conntrack **table, struct err *e);
/* Sets it. The VM's connections are judged as new ones then. */
void vm_set_connections(struct vswitch *sw, struct vm *vm, uint32_t max, struct conntrack *table);
/* Gives a moved VM's connections from a worker to its new one. No worker may have its rings. */
void vm_move_connections(struct vm *vm, struct worker *from, struct worker *to);

/* --- of the switch -----------------------------------------------------------------------------
 */

/* The most that tables of connections may take. */
void security_set_memory(struct vswitch *sw, size_t bytes);

#endif
