/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole turns of the loop, without the vhost library: six guests played in memory, two workers
 * without threads and a clock that moves when they look at it. Guests 0 to 4 are in one network,
 * guest 5 is in another; the first worker serves them all until one is moved. Others may join
 * either. One at a time. */
#ifndef FAKE_SCENE_H
#define FAKE_SCENE_H

#include <stdint.h>

#include "tests/fake/vhost_fe.h"
#include "vswitch/worker.h"

#define SCENE_GUESTS    6
#define SCENE_MOST      40 /* with those that join */
#define SCENE_RING_SIZE 64
#define SCENE_HDR       12 /* bytes before a frame: struct virtio_net_hdr_v1 */

struct scene_guest {
	struct vhost_fe fe; /* ring 0 receives, ring 1 transmits */
	struct guest_mem mem;
	struct {
		uint16_t id;
		struct rte_mempool *pool;
		struct worker *worker;
	} vm;
	struct vport port;
	struct vdev_pair pair;
	uint8_t *rx_buf[SCENE_RING_SIZE];
	int rx_head[SCENE_RING_SIZE]; /* which buffer a head is */
};

struct scene {
	struct scene_guest guest[SCENE_MOST];
	unsigned n_guests;
	struct bridge net[2];
	struct vport *ports[MAX_PORTS];
	struct worker *w, *w2;
	uint64_t now; /* a cycle is a nanosecond */

	/* What happens while a worker is busy: called each time that one looks at the clock. */
	void (*meanwhile)(struct scene *s);
};

/* A test that gets a fresh scene as its state. At its end every packet has to be accounted for,
 * those from the wire too, every mbuf to be back and every cycle of both workers to be billed. The
 * program starts EAL first. */
#define SCENE_CASE(fn) cmocka_unit_test_setup_teardown(fn, scene_setup, scene_teardown)
int scene_setup(void **state);
int scene_teardown(void **state);

/* So many more guests join net[network]. */
void scene_join(struct scene *s, unsigned network, unsigned n);

/* Guest i's address, and that of all. */
void scene_mac(unsigned i, uint8_t mac[6]);
extern const uint8_t scene_all[6];

/* Sends these bytes. */
void scene_send_bytes(struct scene_guest *g, const uint8_t *frame, size_t len);

/* Sends a frame whose bytes from the 14th on are `tag`; one of 64 bytes to a guest, or to all. */
void scene_send_frame(struct scene_guest *g, const uint8_t dst[6], const uint8_t src[6],
		      uint16_t type, size_t len, uint8_t tag);
void scene_send_to(struct scene *s, unsigned from, unsigned to, uint8_t tag);
void scene_send_to_all(struct scene *s, unsigned from, uint8_t tag);

/* Guest i says where it is, and everybody has taken that. */
void scene_introduce(struct scene *s, unsigned i);

/* Takes back the buffers of what guest i sent, so that there is room for more. */
void scene_reclaim(struct scene *s, unsigned i);

/* Takes what guest i received, and offers the same buffers again. */
void scene_offer_again(struct scene *s, unsigned i);

/* Takes one received frame; returns its tag, or -1 when there is none. */
int scene_receive(struct scene_guest *g, uint32_t *len);

/* The same; copies the whole frame, which has to fit. Returns its length, 0 when there is none. */
uint32_t scene_receive_frame(struct scene_guest *g, uint8_t *frame, uint32_t size);

/* Takes all that guest i, or everybody, received; returns guest i's number of frames. */
unsigned scene_received(struct scene *s, unsigned i);
void scene_receive_all(struct scene *s);

/* So many turns of the first worker. */
void scene_turns(struct scene *s, unsigned n);

/* Slows workers down, as `meanwhile`: each look at the clock takes a quarter of a slice. */
void scene_take_long(struct scene *s);

/* Turns of the first worker, slowed down: a service ends within a packet of guest i's of some 60
 * segments, and the next ones go on with it to its end. */
void scene_cut_a_service(struct scene *s, unsigned i);

/* A turn of the first worker in which the pages of guest i's receive buffers are missing, two
 * buffers to a page, and a service has no time to wait for more than one. Its page faults have to
 * be seen (page_faults_open). */
void scene_turn_without_pages(struct scene *s, unsigned i);

/* Gives guest i to the second worker. */
void scene_move(struct scene *s, unsigned i);

/* The guest's driver enables its receive ring, or disables it. */
void scene_enable(struct scene_guest *g, bool on);

/* What the first worker counted for guest i's port. */
const struct port_counters *scene_counters(const struct scene *s, unsigned i);
uint64_t scene_dropped(const struct scene *s, unsigned i, enum drop_reason reason);

/* Each packet that a guest sent ended in one way. */
void scene_assert_conserved(const struct scene *s);

#endif
