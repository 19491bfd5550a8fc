/* SPDX-License-Identifier: BSD-3-Clause */
/* The tunnel as control sees it: uplinks, VTEPs, and remotes, which are other hosts' VTEPs. Part of
 * the switch (control/switch.h), and under the same rules: all of it is the control thread's, a
 * refusal names the field at fault and changes nothing. In a header of its own, since a switch
 * without uplinks has none of it. */
#ifndef CONTROL_TUNNEL_H
#define CONTROL_TUNNEL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/ip_addr.h"
#include "tunnel/tables.h"
#include "tunnel/underlay.h"
#include "tunnel/uplink.h"
#include "vswitch/limits.h"
#include "vswitch/wire.h"

struct network;
struct vswitch;

#define RX_WORKERS_SIZE 64

struct uplink {
	uint8_t id;
	char name[NAME_SIZE];
	char device[UPLINK_DEVICE_SIZE];
	char interface[IF_NAMESIZE]; /* the kernel's, whose routes and neighbours count */
	unsigned ifindex;
	bool is_interface_given;
	uint16_t mtu;
	uint32_t tx_wait_us;
	char rx_workers[RX_WORKERS_SIZE]; /* as it was given, "" without */
	uint16_t
		rx_worker[MAX_WORKERS]; /* index of the worker that polls queue i: entry i modulo */
	uint16_t n_rx_workers;          /* their number */
	uint32_t n_vteps;
	struct uplink_device *dev;
	struct uplink_status status; /* as last seen */
	TAILQ_ENTRY(uplink) link;
};

enum vtep_sum { VTEP_SUM_AUTO, VTEP_SUM_ON, VTEP_SUM_OFF };

struct vtep {
	uint8_t id;
	char name[NAME_SIZE];
	struct uplink *uplink;
	struct ip_addr address;
	uint16_t port;
	uint8_t ttl;
	int dscp; /* -1: that of the inner packet */
	enum vtep_sum sum;
	bool accept_zero_sum;
	bool strict_reserved;
	uint32_t n_networks;
	uint32_t n_remotes;
	uint32_t n_groups; /* of these, multicast groups */
	TAILQ_ENTRY(vtep) link;
};

struct remote {
	uint16_t id;
	struct vtep *vtep;
	struct ip_addr address;
	struct underlay_path *path;
	unsigned group_ifindex; /* where the host has joined the group, if it is one */
	bool group_failed;      /* to be joined elsewhere, which has been logged */
	uint32_t refs;          /* lists of networks, and static addresses, that name it */
	uint32_t known_s;       /* when an address behind it was last known: see remotes_forget() */
	bool is_changed;        /* to be published anew */
	bool is_released;       /* was put back: to be taken out, unless addresses are behind it */
	struct adjacency *withdrawn; /* of one that is gone; workers may use it */
	TAILQ_ENTRY(remote) link;
};

struct tunnel {
	struct tunnel_tables *tables;
	struct vni_table *spare_vnis; /* to be filled and published next */
	struct underlay *underlay;
	bool may_block; /* drivers that can block are accepted as uplinks */
	TAILQ_HEAD(uplinks, uplink) uplinks;
	TAILQ_HEAD(vteps, vtep) vteps;
	TAILQ_HEAD(remotes_of, remote) remotes;
	struct remotes_of gone; /* to be freed when no worker can see them */
	struct uplink *uplink_slot[UPLINK_MAX];
	struct vtep *vtep_slot[VTEP_MAX];
	struct remote *remote_slot[REMOTE_MAX];
	uint16_t next_remote; /* ids are used in turn, so that none comes back soon */
	uint16_t generations;
	uint32_t n_remotes;
	bool has_changes;     /* for remotes_publish() */
	bool has_released;    /* remotes that are marked so */
	bool has_new_sources; /* remotes that came or went */
};

/* Makes uplinks possible. NULL with *e filled. [control] */
struct tunnel *tunnel_create(bool may_block, struct err *e);

/* Handles what the kernel told (when underlay_fd() is readable). [control] */
void tunnel_read(struct vswitch *sw);
/* Once a second. Calls `tell` for each uplink whose link has changed. [control] */
void tunnel_tick(struct vswitch *sw, void (*tell)(void *ctx, const struct uplink *u), void *ctx);

/* --- uplinks --- */
struct uplink_params {
	const char *name;
	const char *device;
	const char *interface; /* NULL: the device's own */
	uint16_t mtu;
	uint32_t tx_wait_us;
	const char *rx_workers; /* cores, as base/core_list.h reads them; NULL: all workers' */
	bool may_lack_workers;  /* cores that have no worker now are left out */
};

struct uplink *uplink_find(struct vswitch *sw, const char *name);
struct uplink *uplink_create(struct vswitch *sw, const struct uplink_params *p, struct err *e);
int uplink_delete(struct vswitch *sw, struct uplink *u, struct err *e);
/* The index of the worker that takes packets from the uplink's queue `queue`. */
static inline unsigned uplink_rx_worker(const struct uplink *u, unsigned queue)
{
	return u->rx_worker[queue % u->n_rx_workers];
}

/* --- VTEPs --- */
struct vtep_params {
	const char *name;
	const char *uplink;
	const char *address;
	uint16_t port;
	uint8_t ttl;
	int dscp;
	enum vtep_sum sum;
	bool accept_zero_sum;
	bool strict_reserved;
	bool may_lack_address; /* the host need not have the address now */
};

struct vtep *vtep_find(struct vswitch *sw, const char *name);
struct vtep *vtep_create(struct vswitch *sw, const struct vtep_params *p, struct err *e);
int vtep_delete(struct vswitch *sw, struct vtep *v, struct err *e);
/* Bytes that a tunnel adds to a tenant's layer 3 packet, and the longest such packet that fits the
 * uplink. */
uint32_t vtep_overhead(const struct vtep *v);
uint32_t vtep_mtu(const struct vtep *v);

/* --- remotes --- */

/* The remote with that address, made if there is none. NULL with *e filled, which names the
 * parameter `field`. [control] */
struct remote *remote_get(struct vswitch *sw, struct vtep *v, const char *field,
			  const char *address, struct err *e);
/* Puts back what remote_get() returned, once. The last one takes the remote out, unless addresses
 * are known behind it, with the next remotes_publish(). [control] */
void remote_put(struct vswitch *sw, struct remote *r);
struct remote *remote_find(struct vswitch *sw, const struct vtep *v, const struct ip_addr *a);
/* The remote that a destination (vswitch/batch.h) is, NULL when it is gone. */
struct remote *remote_at(const struct vswitch *sw, uint16_t dest);
/* Gets to know a host that packets came from, within limits. It is forgotten when no address has
 * been known behind it for a minute. */
void remote_learn(struct vswitch *sw, struct vtep *v, const struct ip_addr *a);
void remotes_forget(struct vswitch *sw);
/* Has the host join groups where their VTEP's address is now, and leave them where it was. Once a
 * second. */
void remotes_rejoin(struct vswitch *sw);
/* Forgets all remotes of a VTEP that no network uses any more. */
void remotes_forget_of(struct vswitch *sw, const struct vtep *v);
/* Packets to it, and what became of them, summed over all workers. */
struct remote_counters remote_count(const struct vswitch *sw, const struct remote *r);
/* Notes that a remote has to be published anew, because its way or its uplink changed. */
void remote_mark(struct vswitch *sw, struct remote *r);
/* Has the workers know what has changed of remotes: those that came, went or were marked, with few
 * waits for the workers however many they are. */
void remotes_publish(struct vswitch *sw);

/* --- networks --- */

struct network_wire {
	const char *vtep; /* "": none */
	uint32_t mtu;     /* that the network is to have */
	bool known_vteps_only;
	bool learn;
	bool flood_unknown;
	uint32_t flood_pps;
	bool drop_inner_vlan;
	bool clamps_mss;
};

/* Connects a network to a VTEP, or takes it off; a refusal changes nothing. Remotes, and addresses
 * behind them, go with the VTEP that they were at. */
int network_set_wire(struct vswitch *sw, struct network *net, const struct network_wire *p,
		     struct err *e);
/* Takes it off its VTEP, if it has one. */
void network_leave_vtep(struct vswitch *sw, struct network *net);
/* The list of remotes that its floods go to. */
int network_add_remote(struct vswitch *sw, struct network *net, const char *address, struct err *e);
int network_remove_remote(struct vswitch *sw, struct network *net, const char *address,
			  struct err *e);
#endif
