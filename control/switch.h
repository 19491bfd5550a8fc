/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch as control sees it: tenants, VMs, networks, ports, and the workers that serve them.
 *
 * All of it belongs to the control thread. Functions here validate, build, tell the workers and
 * return when what was asked for is in force; a refusal names the field at fault and changes
 * nothing. What workers see of an object is a part of it (vswitch/vport.h). */
#ifndef CONTROL_SWITCH_H
#define CONTROL_SWITCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/pace.h"
#include "policy/budget.h"
#include "policy/shared_rate.h"
#include "policy/hostile.h"
#include "policy/watch.h"
#include "vswitch/vport.h"
#include "vswitch/worker.h"

struct conntrack;
struct filter_groups;
struct rule_set;
struct vswitch;

struct tenant {
	uint16_t id;
	struct budget budget;
	struct shared_rates rates;    /* of its budget, for all workers together, */
	struct shared_rates rates_in; /* and those of what its guests are sent */
	uint32_t n_vms;
	uint32_t n_networks;
	uint32_t n_security_groups;
	_Atomic(struct filter_groups *) members; /* of its security groups; NULL: nobody */
	bool has_stale_members;                  /* they are to be published */
	char name[NAME_SIZE];
	TAILQ_ENTRY(tenant) link;
};

struct vm {
	uint16_t id; /* slot in ledgers and schedulers */
	struct tenant *tenant;
	struct worker *_Atomic worker; /* serves all ports of the VM */
	struct rte_mempool *pool;      /* this VM's packets */
	char name[NAME_SIZE];
	char uuid[37];
	struct budget budget;
	struct shared_rates rates_in; /* of what its guest is sent */
	uint32_t n_ports;
	uint32_t n_group_ports;        /* that are in security groups */
	struct conntrack *connections; /* NULL while there are no such ports */
	size_t connections_bytes;
	uint32_t max_connections;
	int pinned_core; /* of the worker that the operator chose, -1 when none */
	struct watch watch;
	TAILQ_ENTRY(vm) link;
};

struct vtep;

struct network {
	struct bridge bridge; /* what workers see */
	struct vtep *vtep;    /* NULL: it is on this host only */
	uint16_t id;
	uint32_t vni;
	struct tenant *tenant;
	uint32_t mac_ageing_s;
	char name[NAME_SIZE];
	TAILQ_ENTRY(network) link;
};

#define PORT_MAX_ADDRESSES (GUARD_MAX_V4 + GUARD_MAX_V6)

/* The addresses that a port's guest has, as the operator says. */
struct port_sources {
	uint64_t mac[GUARD_MAX_MACS]; /* the first is the interface's own */
	unsigned n_macs;
	struct ip_prefix address[PORT_MAX_ADDRESSES]; /* in no order, each one once */
	unsigned n_addresses;
	uint8_t allow;  /* enum guard_allow */
	bool mac_guard; /* it sends from nothing else */
};

struct port {
	struct vport vport; /* what workers see */
	struct vm *vm;
	struct network *net;

	/* Held while rings go to or from a worker: the gate's thread and control both do that. */
	pthread_mutex_t handover;
	struct vdev_pair *moving_pairs; /* between two workers */
	uint16_t moving_n;

	struct vswitch *sw;
	struct vdev *dev;
	struct vdev_net_conf conf;
	enum vdev_state reported; /* the last state in an event */
	struct pace changes;      /* of the state, in events */
	bool is_unreported;       /* the last one was one too many */
	struct pace breaks;       /* of its rings, in events */
	bool was_broken;
	uint64_t not_ready_since; /* of the state that was reported as lasting long */
	struct hostile hostile;
	char owner[32], group[32];
	struct port_sources sources;
	struct rates_conf rates;        /* of what the guest sends, */
	struct rates_conf rates_in;     /* and of what it is sent */
	struct rule_set *rule_set;      /* of its security groups; NULL: it is in none */
	struct security *next_security; /* while rules change */
	char name[NAME_SIZE];
	TAILQ_ENTRY(port) link;
};

struct gate;
struct mailbox;
struct recordings;
struct tunnel;
struct vswitch_security;

struct vswitch {
	struct worker *worker[MAX_WORKERS];
	unsigned n_workers;
	struct sched_conf sched;

	TAILQ_HEAD(tenants, tenant) tenants;
	TAILQ_HEAD(vms, vm) vms;
	TAILQ_HEAD(networks, network) networks;
	TAILQ_HEAD(ports, port) ports;

	struct tenant *tenant_slot[MAX_TENANTS];
	struct vm *vm_slot[MAX_VMS];
	struct network *network_slot[MAX_NETWORKS];
	struct port *port_slot[MAX_PORTS];
	struct vport *vport_slot[MAX_PORTS]; /* where workers look up ports */
	uint32_t epochs;                     /* number given to ports so far */

	uint64_t watched_tsc;          /* when budgets were last looked at */
	struct mailbox *mailbox;       /* device changes, from the gate's thread */
	struct gate *gate;             /* where front ends come in; NULL in tests without any */
	struct tunnel *tunnel;         /* NULL: there can be no uplinks */
	struct recordings *recordings; /* captures; NULL in tests without any */
	struct vswitch_security *security;
};

/* Microseconds of a number of TSC cycles. */
static inline double tsc_to_us(const struct vswitch *sw, uint64_t tsc)
{
	return (double)tsc * 1e6 / (double)sw->sched.tsc_hz;
}

/* Creates workers (not running yet) on the given cores. NULL with *e filled. [control] */
struct vswitch *switch_create(const unsigned *cores, unsigned n_cores,
			      const struct sched_conf *sched, struct err *e);
/* Deletes all objects and the gate, and stops the workers. NULL is fine. [control] */
void switch_destroy(struct vswitch *sw);

/* Starts the workers' threads. [control] */
int switch_start(struct vswitch *sw, struct err *e);

/* Once a second: ages addresses and neighbours, corrects address counts, notices broken rings.
 * [control] */
void switch_tick(struct vswitch *sw);

/* --- tenants --- */
struct tenant *tenant_find(struct vswitch *sw, const char *name);
struct tenant *tenant_create(struct vswitch *sw, const char *name, const struct budget *budget,
			     struct err *e);
int tenant_set_budget(struct vswitch *sw, struct tenant *t, const struct budget *budget,
		      struct err *e);
int tenant_delete(struct vswitch *sw, struct tenant *t, struct err *e);

/* --- VMs --- */
struct vm_conf {
	const char *name;
	const char *tenant;
	const char *uuid;  /* NULL or "": none */
	int worker_core;   /* -1: the worker with the fewest VMs */
	bool may_displace; /* where no worker runs on that core, take another one */
	uint32_t max_connections;
	struct budget budget;
};

struct vm *vm_find(struct vswitch *sw, const char *name);
struct vm *vm_create(struct vswitch *sw, const struct vm_conf *conf, struct err *e);
int vm_set_budget(struct vswitch *sw, struct vm *vm, const struct budget *budget, struct err *e);
/* Moves a VM and its ports to another worker while traffic flows, and gives it this budget
 * there. */
int vm_move(struct vswitch *sw, struct vm *vm, unsigned core, const struct budget *budget,
	    struct err *e);
/* Whether the VM is served by another worker than the one asked for, because no worker runs on that
 * core. */
bool vm_is_displaced(const struct vm *vm);
int vm_delete(struct vswitch *sw, struct vm *vm, struct err *e);

/* --- networks --- */
struct network_conf {
	const char *name;
	const char *tenant;
	uint32_t vni;
	uint32_t mtu;
	uint32_t mac_ageing_s;
	uint32_t mac_table_size;
};

struct network *network_find(struct vswitch *sw, const char *name);
/* The same; *e says that there is none, with the parameter's name. */
struct network *network_get(struct vswitch *sw, const char *field, const char *name, struct err *e);
struct network *network_create(struct vswitch *sw, const struct network_conf *conf, struct err *e);
void network_set(struct network *net, uint32_t mtu, uint32_t mac_ageing_s);
int network_delete(struct vswitch *sw, struct network *net, struct err *e);
/* Replace the list of ports that floods go to. -ENOMEM. */
int network_add_port(struct vswitch *sw, struct network *net, struct port *port);
int network_remove_port(struct vswitch *sw, struct network *net, struct port *port);
/* Forgets the addresses and neighbours behind a port. The port must not be able to send any more,
 * or it would teach them again. */
void network_forget_port(struct network *net, uint16_t id);
/* Forgets those that were learned behind a port and are not the guard's. The guard is in force. */
void network_forget_foreign(struct network *net, uint16_t id, const struct guard *guard);

/* --- ports --- */
struct port_conf {
	const char *name;
	const char *vm;
	const char *network;
	const char *socket;
	bool is_client;
	const char *owner; /* NULL: unchanged */
	const char *group; /* NULL: unchanged */
	mode_t mode;       /* 0: unchanged */
	uint16_t queue_pairs;
	uint32_t mac_limit;
	uint32_t bum_pps;
	struct rates_conf rates;    /* of what the guest sends, */
	struct rates_conf rates_in; /* and of what it is sent */
	struct port_sources sources;
	enum vdev_net_offloads offloads;
	bool coalesces;
	const char *security_groups; /* names with commas between them; NULL: none */
};

struct port *port_find(struct vswitch *sw, const char *name);
/* The network must be of the VM's tenant. */
struct port *port_create(struct vswitch *sw, const struct port_conf *conf, struct err *e);
/* Moves a port to another network of its tenant while traffic flows. */
int port_set_network(struct vswitch *sw, struct port *port, struct network *net, struct err *e);
/* Checks what a guest may send from, and makes its guard, NULL if there is to be none. The caller
 * owns it. */
int port_make_guard(const struct port_sources *s, struct guard **guard, struct err *e);
/* Sets what the guest may send from. Takes over the guard, which port_make_guard() made. What the
 * switch had learned behind the port and is not the guest's is forgotten. */
void port_set_sources(struct vswitch *sw, struct port *port, const struct port_sources *s,
		      struct guard *guard);
/* Sets the rates of what the guest sends, and of what it is sent. */
void port_set_rates(struct port *port, const struct rates_conf *rates,
		    const struct rates_conf *rates_in);
/* Take over from a budget what guests are sent, and tell the ports of the VM, or of all VMs of the
 * tenant. */
void vm_set_rates_in(struct vswitch *sw, struct vm *vm);
void tenant_set_rates_in(struct vswitch *sw, struct tenant *t);
/* Chooses the additional stages for its packets, by what is set of it and of its network. */
void port_set_stages(struct port *port);
int port_delete(struct vswitch *sw, struct port *port, struct err *e);
/* Take a port's rings from its worker, and give them to worker `to`. Only vm_move() calls them;
 * between the two calls the gate's thread waits. */
void port_leave_worker(struct port *port, struct worker *to);
void port_enter_worker(struct port *port);
/* Marks the port as down if one of its rings is broken. */
void port_notice_broken(struct port *port);
/* A port's counters, summed over all workers. */
void port_count(struct vswitch *sw, const struct port *port, struct port_counters *sum);

/* --- helpers of these modules --- */

/* Whether a worker takes packets from any uplink. */
bool switch_receives(const struct vswitch *sw, unsigned worker);
/* Ends all captures and writes what there is; ends those of an object (tenants have none) that is
 * about to be deleted. */
void recordings_destroy(struct vswitch *sw);
void recordings_forget(struct vswitch *sw, const void *object);
/* Deletes uplinks, VTEPs and remotes; no network may use them any more. */
void tunnel_destroy(struct vswitch *sw);
/* Makes room for security groups (control/security.h); NULL when memory is short. Frees those that
 * are left, when there are no ports any more. */
struct vswitch_security *security_create(void);
void security_destroy(struct vswitch *sw);
/* Frees connections that have expired, a part of each VM's table. Once a second. */
void connections_sweep(struct vswitch *sw);
/* Forgets learned neighbours that nothing has told of for the network's mac_ageing_s. */
void neighbour_age(struct network *net, uint32_t now_s);
/* Keeps a remote (a destination of vswitch/batch.h) known for another while, because an address of
 * the network is behind it. False when the remote is gone. */
bool remote_refresh(struct vswitch *sw, const struct network *net, uint16_t dest);

/* Sets the port that workers find under an id. Workers that found the one before may use it until
 * switch_quiesce(). */
void switch_set_port(struct vswitch *sw, uint16_t id, struct port *port);

/* The first free slot of a table of pointers, or -1. */
int switch_free_slot(void *const *slots, unsigned n);
/* Checks a name: 1 to 63 letters, digits, '.', '_' and '-', not beginning with '-'. */
int switch_check_name(const char *field, const char *name, struct err *e);
/* Whether the worker could keep all its guarantees, those of its VMs and of all tenants, if `vm` or
 * `tenant` (both NULL: a new one) had this budget. One that receives from uplinks spares more. */
int switch_admit(struct vswitch *sw, const struct worker *w, const struct vm *vm,
		 const struct tenant *tenant, const struct budget *budget, struct err *e);
/* The part of its time that a worker guarantees, in percent. */
unsigned switch_granted_percent(struct vswitch *sw, const struct worker *w);
/* Seconds on the clock that address ages are measured with. [any] */
uint32_t switch_now_s(void);
/* Returns when every worker has passed a point where it holds no pointers. */
void switch_quiesce(struct vswitch *sw);

#endif
