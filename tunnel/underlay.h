/* SPDX-License-Identifier: BSD-3-Clause */
/* The underlay, which is the Linux kernel's: addresses, routes, neighbours and links of this host,
 * read by netlink. There is no ARP, ND, route or ping code of ours. All of it is the control
 * thread's. */
#ifndef TUNNEL_UNDERLAY_H
#define TUNNEL_UNDERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip_addr.h"

struct underlay;
struct underlay_path;

#define UNDERLAY_TEXT_SIZE 160

enum underlay_state {
#define X(name, text) UNDERLAY_##name,
#include "tunnel/underlay_states.def"
#undef X
	UNDERLAY_STATE_COUNT
};

/* How packets get to an address, as the kernel says now. The text is for people; what a state
 * leaves unknown is 0. */
struct underlay_way {
	enum underlay_state state;
	uint16_t vlan;                 /* tag of a VLAN device between, 0: none */
	uint8_t src_mac[6];            /* of the device */
	uint8_t dst_mac[6];            /* of the next hop, or of the group */
	struct ip_addr next_hop;       /* may be of the other version; a group itself */
	uint32_t mtu;                  /* of the path: bytes of the outer IP packet */
	char text[UNDERLAY_TEXT_SIZE]; /* "up via 10.0.0.12 dev ens3", "no route", ... */
};

/* Opens netlink. `changed` is called, from underlay_read() and underlay_tick() only, for each path
 * whose way is not what it was. It may add and remove paths, also the one that it is told of. NULL
 * with *e filled. */
struct underlay *underlay_create(void (*changed)(void *ctx, struct underlay_path *path), void *ctx,
				 struct err *e);
void underlay_destroy(struct underlay *u);

/* Readable when the kernel has told of changes, or paths wait to be asked again: then
 * underlay_read() is to be called, which handles 64 datagrams and 256 paths at most. After lost
 * messages (ENOBUFS) everything is asked anew. */
int underlay_fd(const struct underlay *u);
void underlay_read(struct underlay *u);

/* Once a second: also begins to ask again for paths that were asked 10 s ago, since the kernel does
 * not announce every change (route exceptions after ICMP errors, RFC 1191), and makes neighbours
 * and holders again that somebody has deleted. */
void underlay_tick(struct underlay *u);

struct underlay_conf {
	struct ip_addr src; /* the VTEP's address */
	struct ip_addr dst; /* the remote's, or a multicast group */
	uint16_t port;      /* UDP destination port */
	unsigned ifindex;   /* the uplink's device: ways by others are UNDERLAY_OTHER_DEVICE */
	void *owner;        /* for the caller */
};

/* Adds a path, whose way is known before this returns (its neighbour may be unresolved). The kernel
 * is asked to keep the neighbour resolved while the path exists (NTF_EXT_MANAGED), unless it has a
 * static entry. A path to a group leaves by the device that has the source address, if that is on
 * the uplink, else by the uplink's own. NULL with *e filled. */
struct underlay_path *underlay_add(struct underlay *u, const struct underlay_conf *conf,
				   struct err *e);
void underlay_remove(struct underlay *u, struct underlay_path *path);

const struct underlay_way *underlay_way_of(const struct underlay_path *path);
const struct underlay_conf *underlay_conf_of(const struct underlay_path *path);

/* The device that has the address, 0 when none has. */
unsigned underlay_find_address(struct underlay *u, const struct ip_addr *a);

/* A kernel's vxlan device ("stPORT", external, nolearning) that holds the UDP port, so that the
 * kernel neither answers tunnel packets with port-unreachable nor ignores ICMP errors about ours.
 * An XDP program drops what it gets, so that tenants' frames stay out of the host. One that is
 * there already is used, and replaced by ours should it go or be set down; ours is removed by
 * underlay_release_port(). ERR_BUSY when a program has the port. */
int underlay_hold_port(struct underlay *u, uint16_t port, struct err *e);
void underlay_release_port(struct underlay *u, uint16_t port);

/* Joins a multicast group on a device (that of the source address: a VLAN device, where it is one),
 * by a socket that the kernel does IGMP and MLD for. Joining twice takes leaving twice. */
int underlay_join(struct underlay *u, const struct ip_addr *group, unsigned ifindex, struct err *e);
void underlay_leave(struct underlay *u, const struct ip_addr *group, unsigned ifindex);

const char *underlay_state_text(enum underlay_state state);

#endif
