/* SPDX-License-Identifier: BSD-3-Clause */
/* rtnetlink: requests to the kernel about routes, neighbours, links and addresses, and what it
 * tells of their changes, as plain structs. Only messages from the kernel itself count: any process
 * may send to a netlink socket. [control] */
#ifndef TUNNEL_NETLINK_H
#define TUNNEL_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip_addr.h"

struct nlmsghdr;
struct netlink;

/* --- what messages say -------------------------------------------------------------------------*/

/* An answer to a look-up, or a change of a route. */
struct netlink_route {
	uint8_t type;           /* RTN_* */
	uint8_t dst_len;        /* bits of the prefix */
	bool is_v6;             /* which of the families' tables */
	struct ip_addr dst;     /* 0 bits: all zeroes */
	unsigned ifindex;       /* outgoing device, 0: not said */
	bool has_gateway;       /* else what it leads to is on the link */
	struct ip_addr gateway; /* of either family (RFC 8950) */
	uint32_t mtu;           /* 0: not said */
};

struct netlink_neigh {
	unsigned ifindex;
	struct ip_addr addr;
	uint16_t state;   /* NUD_* */
	bool managed;     /* the kernel keeps it resolved (NTF_EXT_MANAGED) */
	uint8_t protocol; /* who made it, 0: not said */
	bool has_mac;
	uint8_t mac[6];
};

struct netlink_link {
	unsigned ifindex;
	char name[16];
	char kind[16]; /* "vlan", "vxlan", ...; "" for hardware */
	bool up;       /* by the administrator */
	bool running;  /* up, and with a carrier */
	uint32_t mtu;
	uint8_t mac[6];
	unsigned lower;      /* of a VLAN device in the same namespace: what it is on; else 0 */
	uint16_t vlan;       /* and its tag (802.1Q) */
	uint16_t vxlan_port; /* of a vxlan device */
	bool vxlan_external; /* which takes all VNIs (collect metadata) */
};

struct netlink_addr {
	unsigned ifindex;
	struct ip_addr addr;
	bool usable; /* no duplicate was found */
};

/* False when the message is of another type or family, or malformed; then *out is not to be used.
 * Of RTM_NEW* and RTM_DEL* messages. [any] */
bool netlink_parse_route(const struct nlmsghdr *m, struct netlink_route *out);
bool netlink_parse_neigh(const struct nlmsghdr *m, struct netlink_neigh *out);
bool netlink_parse_link(const struct nlmsghdr *m, struct netlink_link *out);
bool netlink_parse_addr(const struct nlmsghdr *m, struct netlink_addr *out);

/* Calls f for each whole message of a datagram, which is aligned to 4 bytes. [any] */
void netlink_walk(const void *datagram, size_t len, void (*f)(void *ctx, const struct nlmsghdr *m),
		  void *ctx);

/* --- sockets -----------------------------------------------------------------------------------*/

/* A socket for requests, which take a second at most; and one that hears of changes of all that is
 * above, of rules and of next hops, and that never waits. NULL with *e filled. */
struct netlink *netlink_open(struct err *e);
struct netlink *netlink_listen(struct err *e);
void netlink_close(struct netlink *n);
int netlink_fd(const struct netlink *n);

/* Takes one datagram and calls f for its messages. Returns 1, 0 when there is none, or -ENOBUFS
 * when messages were lost. */
int netlink_receive(struct netlink *n, void (*f)(void *ctx, const struct nlmsghdr *m), void *ctx);

/* --- requests ----------------------------------------------------------------------------------*/

/* All return 0 or a negative errno: the kernel's, or -EAGAIN when it did not answer in time. */

struct netlink_query {
	struct ip_addr src, dst;
	uint16_t port;    /* UDP destination port, 0: any */
	unsigned ifindex; /* by this device, 0: by any */
};

/* What the kernel would do with a packet. */
int netlink_get_route(struct netlink *n, const struct netlink_query *q, struct netlink_route *r);

int netlink_get_neigh(struct netlink *n, unsigned ifindex, const struct ip_addr *a,
		      struct netlink_neigh *out);

/* Has the kernel resolve an address now, and keep it resolved where it can (Linux 5.16). Makes a
 * static entry a dynamic one. */
int netlink_manage_neigh(struct netlink *n, unsigned ifindex, const struct ip_addr *a,
			 uint8_t protocol);
int netlink_delete_neigh(struct netlink *n, unsigned ifindex, const struct ip_addr *a);

/* By index, or by name when the index is 0. */
int netlink_get_link(struct netlink *n, unsigned ifindex, const char *name,
		     struct netlink_link *out);

/* A vxlan device for packets of all VNIs, which learns nothing; and it takes IPv6 packets without a
 * checksum, as our own tunnel may. */
int netlink_add_vxlan(struct netlink *n, const char *name, uint16_t port);
int netlink_set_up(struct netlink *n, unsigned ifindex);
int netlink_delete_link(struct netlink *n, unsigned ifindex);

/* Calls f for each message of a dump: `get` is RTM_GETLINK, RTM_GETADDR or RTM_GETNEIGH. -EINTR
 * when something changed meanwhile. */
int netlink_dump(struct netlink *n, uint16_t get, void (*f)(void *ctx, const struct nlmsghdr *m),
		 void *ctx);

#endif
