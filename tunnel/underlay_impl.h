/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the underlay share: paths, what they depend on, and how they are told. */
#ifndef TUNNEL_UNDERLAY_IMPL_H
#define TUNNEL_UNDERLAY_IMPL_H

#include <sys/queue.h>

#include "tunnel/netlink.h"
#include "tunnel/underlay.h"

#define DUMP_TRIES    5    /* when something changes meanwhile */
#define NEIGH_BUCKETS 4096 /* four in each with 16,384 remotes that are all on the link */

/* An address that paths begin at. */
struct origin {
	LIST_ENTRY(origin) chain;
	struct ip_addr addr;
	unsigned ifindex; /* the device that has it, 0: none */
	unsigned refs;
};

/* A next hop, which the kernel is asked to keep resolved while paths use it. */
struct neighbour {
	LIST_ENTRY(neighbour) chain;
	TAILQ_ENTRY(neighbour) unasked;
	LIST_HEAD(, underlay_path) paths;
	unsigned ifindex;
	struct ip_addr addr;
	uint16_t state;        /* NUD_*, NUD_NONE: the kernel does not know it */
	bool managed;          /* the kernel keeps it resolved */
	uint8_t protocol;      /* whose entry it is */
	bool has_mac;          /* its last one, also while that is being checked */
	bool seen;             /* in a dump */
	bool is_unasked;       /* in that list */
	int error;             /* of our last request to resolve it */
	uint64_t requested_ns; /* 0: never */
	uint8_t mac[6];
};

struct underlay_path {
	struct underlay_conf conf;
	struct underlay_way way;
	struct origin *origin;
	struct neighbour *neigh; /* NULL: it needs none, or its way does not get that far */
	LIST_ENTRY(underlay_path) sharing;
	TAILQ_ENTRY(underlay_path) queue;
	uint64_t asked_ns; /* 0: to be asked next */
	uint64_t round;    /* u->round when it was asked */
};

struct underlay {
	struct netlink *requests, *events;
	void (*changed)(void *ctx, struct underlay_path *path);
	void *ctx;
	int poll_fd, more_fd;              /* the second is readable while paths are due */
	bool more;                         /* whether it is */
	bool lost;                         /* notifications were */
	uint64_t round;                    /* counts what may change the way of any path */
	TAILQ_HEAD(, underlay_path) paths; /* the one that was asked longest ago is first */
	struct netlink_link *links;        /* of this host, by index */
	size_t n_links, room;
	LIST_HEAD(, origin) origins;
	LIST_HEAD(, neighbour) neighs[NEIGH_BUCKETS];
	TAILQ_HEAD(, neighbour) unasked; /* those that the kernel has to be asked for again */
	LIST_HEAD(, holder) holders;
	LIST_HEAD(, group) groups;
};

/* --- underlay.c --------------------------------------------------------------------------------*/

/* Puts a path before all others, or makes all of them due. */
void underlay_ask_soon(struct underlay *u, struct underlay_path *p);
void underlay_ask_all(struct underlay *u);

/* --- underlay_way.c ----------------------------------------------------------------------------*/

/* Finds the way as it is now. A negative errno when the kernel gave no answer. */
int underlay_find_way(struct underlay *u, struct underlay_path *p, struct underlay_way *w);
bool underlay_same_way(const struct underlay_way *a, const struct underlay_way *b);

/* --- underlay_host.c ---------------------------------------------------------------------------*/

/* Reads all links anew, or the devices of all origins. Negative errno. */
int underlay_load_links(struct underlay *u);
int underlay_load_origins(struct underlay *u);
bool underlay_find_link(struct underlay *u, unsigned ifindex, struct netlink_link *out);
void underlay_heard_link(struct underlay *u, const struct nlmsghdr *m);
void underlay_heard_addr(struct underlay *u, const struct nlmsghdr *m);

/* NULL when there is no memory. */
struct origin *underlay_get_origin(struct underlay *u, const struct ip_addr *a);
void underlay_put_origin(struct origin *s);

/* --- underlay_neigh.c --------------------------------------------------------------------------*/

/* Has the path use a next hop, in place of the one that it used; or none. */
int underlay_attach_neigh(struct underlay *u, struct underlay_path *p, unsigned ifindex,
			  const struct ip_addr *a);
void underlay_detach_neigh(struct underlay *u, struct underlay_path *p);
bool underlay_neigh_resolved(const struct neighbour *n);
int underlay_load_neighs(struct underlay *u);

/* Asks the kernel again for some of those whose entries are gone. */
void underlay_check_neighs(struct underlay *u);
void underlay_heard_neigh(struct underlay *u, const struct nlmsghdr *m);

/* --- underlay_hold.c ---------------------------------------------------------------------------*/

/* Makes holders again that are gone, and gives all holders and groups up. */
void underlay_check_holders(struct underlay *u);
void underlay_drop_holders(struct underlay *u);

#endif
