/* SPDX-License-Identifier: BSD-3-Clause */
/* A scene with a wire: an uplink of rings in memory, one VTEP, and other hosts, whose VTEPs the
 * test plays. Workers send by a queue of their own, and receive only where a test wants that. Both
 * networks of the scene are at the VTEP; net[0] floods to the first WIRE_FLOODED hosts, net[1] to
 * none. */
#ifndef FAKE_WIRE_SCENE_H
#define FAKE_WIRE_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/fake/scene.h"
#include "vswitch/wire.h"

struct rte_ring;

#define WIRE_HOSTS     120
#define WIRE_FLOODED   3
#define WIRE_VNI       100 /* of net[0]; net[1] has the next one */
#define WIRE_MTU       1450
#define WIRE_MAX_FRAME 9100
#define WIRE_WAIT_US   1000 /* how long frames wait for the uplink */

struct wire_scene {
	struct scene *s;
	struct uplink_device *uplink;
	struct tunnel_tables *tables;
	struct wire *wire[2];     /* of both workers */
	struct rte_ring *ring[2]; /* the uplink's queues: what is sent by one comes in there */
};

/* A test that gets a fresh struct wire_scene as its state. At its end the uplink's buffers have to
 * be back besides, but for what is on the wire. */
#define WIRE_CASE(fn) cmocka_unit_test_setup_teardown(fn, wire_scene_setup, wire_scene_teardown)
int wire_scene_setup(void **state);
int wire_scene_teardown(void **state);

/* --- other hosts ------------------------------------------------------------------------------ */

/* The destination of a host, for tables of addresses. */
uint16_t wire_host_dest(unsigned host);

/* An address behind a host, and one that is known to be behind it. */
void wire_host_mac(unsigned host, uint8_t mac[6]);
void wire_introduce(struct wire_scene *ws, unsigned host);

/* Guest i says where it is, as scene_introduce() does, and the other hosts have taken that. */
void wire_introduce_guest(struct wire_scene *ws, unsigned i);

/* Publishes a host anew: why packets to it are dropped (DROP_COUNT when they are not), its path's
 * MTU, and its generation. */
void wire_set_host(struct wire_scene *ws, unsigned host, enum drop_reason reason, uint32_t mtu,
		   uint16_t generation);

/* The network floods to the first `n` hosts. */
void wire_flood_to(struct wire_scene *ws, unsigned network, unsigned n);

/* --- to them ---------------------------------------------------------------------------------- */

/* Sends a frame of 64 bytes from guest 0 to a host. */
void wire_send_to(struct wire_scene *ws, unsigned host, uint8_t tag);

struct wire_sent {
	unsigned host; /* that it was sent to */
	uint32_t vni;
	uint32_t len; /* of the inner frame */
	uint8_t frame[WIRE_MAX_FRAME];
};

/* Takes the next frame that the first worker sent off the wire. False when there is none. Fails for
 * one that is not VXLAN. */
bool wire_take(struct wire_scene *ws, struct wire_sent *sent);

/* Asserts that the next one is for this host, and has the tag. */
void wire_assert_next(struct wire_scene *ws, unsigned host, uint8_t tag);

/* Takes all; returns their number. */
unsigned wire_take_all(struct wire_scene *ws);

/* Fills the first worker's queue, but for `room` frames; and takes out what was filled in. */
void wire_fill(struct wire_scene *ws, unsigned room);
void wire_drain_filling(struct wire_scene *ws);

/* Takes it out, and lets the time pass for which VMs are held by a full uplink; then so many turns
 * of the first worker. */
void wire_make_room(struct wire_scene *ws, unsigned turns);

/* --- and from them ---------------------------------------------------------------------------- */

/* The first worker polls queue 1, so packets arrive there. */
void wire_listen(struct wire_scene *ws);

/* The packet that a host sends to our VTEP: its VXLAN headers, and this frame. */
struct rte_mbuf *wire_packet(struct wire_scene *ws, unsigned host, uint32_t vni,
			     const uint8_t *frame, uint32_t len);

/* The same between any two addresses. */
struct rte_mbuf *wire_packet_between(struct wire_scene *ws, const struct ip_addr *src,
				     const struct ip_addr *dst, uint32_t vni, const uint8_t *frame,
				     uint32_t len);

/* Puts a packet on the wire to us. */
void wire_put_packet(struct wire_scene *ws, struct rte_mbuf *m);

/* Puts a frame of 64 bytes to a guest on the wire, or one to this address. */
void wire_arrive_for(struct wire_scene *ws, unsigned host, unsigned guest, uint8_t tag);
void wire_arrive(struct wire_scene *ws, unsigned host, uint32_t vni, const uint8_t dst[6],
		 uint8_t tag);

/* Puts `n` of those for a guest on the wire, tagged by their numbers. */
void wire_arrive_many(struct wire_scene *ws, unsigned host, unsigned guest, unsigned n);

/* Has the first worker take in all that is on the wire, and serve nobody. */
void wire_take_in(struct wire_scene *ws);

/* What both workers have counted for guest i's port. */
uint64_t wire_delivered(const struct wire_scene *ws, unsigned i);
uint64_t wire_lost(const struct wire_scene *ws, unsigned i, enum drop_reason reason);

#endif
