/* SPDX-License-Identifier: BSD-3-Clause */
/* A scene whose network suppresses questions about neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake/suppress_scene.h"

#include <string.h>

#include "tests/fake/neigh_frame.h"
#include "vswitch/neigh_table.h"

#define NEIGHBOURS 256
#define MEMBERS    5 /* guests of net[0] */
#define TURNS      4

int suppress_scene_setup(void **state)
{
	struct wire_scene *ws;
	struct bridge *net;

	if (wire_scene_setup(state) != 0)
		return -1;
	ws = *state;
	net = &ws->s->net[0];
	atomic_store(&net->neighbours, neigh_table_create(NEIGHBOURS));
	assert_non_null(atomic_load(&net->neighbours));
	atomic_store(&net->suppress, SUPPRESS_LEARNED);
	for (unsigned i = 0; i < MEMBERS; i++)
		atomic_store(&ws->s->guest[i].port.stages, 1u << STAGE_SUPPRESS);
	return 0;
}

static struct ip_addr address(uint8_t ip, bool v6)
{
	struct ip_addr a = {.is_v6 = v6};

	neigh_ip(ip, v6, a.bytes);
	return a;
}

void suppress_add(struct wire_scene *ws, uint8_t ip, bool v6, const uint8_t mac[6], uint8_t flags)
{
	const struct neigh n = {.address = address(ip, v6), .mac = fdb_mac(mac), .flags = flags};

	assert_int_equal(neigh_table_add(atomic_load(&ws->s->net[0].neighbours), &n), 0);
}

uint64_t suppress_known(struct wire_scene *ws, uint8_t ip, bool v6)
{
	struct ip_addr a = address(ip, v6);
	struct neigh n;

	return neigh_table_find(atomic_load(&ws->s->net[0].neighbours), &a, ws->s->w->now_s, &n)
		       ? n.mac
		       : 0;
}

void suppress_send(struct wire_scene *ws, unsigned i, const uint8_t *frame, uint32_t len)
{
	scene_send_bytes(&ws->s->guest[i], frame, len);
	scene_turns(ws->s, TURNS);
}

void suppress_ask(struct wire_scene *ws, unsigned i, bool v6, uint8_t sender, uint8_t target)
{
	uint8_t frame[NEIGH_FRAME_MAX], mac[6];
	uint32_t len;

	scene_mac(i, mac);
	len = v6 ? nd_solicitation(frame, mac, sender, target)
		 : arp_request(frame, mac, sender, target);
	suppress_send(ws, i, frame, len);
}

void suppress_arrive(struct wire_scene *ws, unsigned host, const uint8_t *frame, uint32_t len)
{
	wire_put_packet(ws, wire_packet(ws, host, WIRE_VNI, frame, len));
	scene_turns(ws->s, TURNS);
}

void suppress_assert_nobody_was_asked(struct wire_scene *ws)
{
	for (unsigned i = 1; i < SCENE_GUESTS; i++)
		assert_int_equal(scene_received(ws->s, i), 0);
	assert_int_equal(wire_take_all(ws), 0);
}

void suppress_assert_all_were_asked(struct wire_scene *ws)
{
	for (unsigned i = 0; i < SCENE_GUESTS; i++)
		assert_int_equal(scene_received(ws->s, i), i > 0 && i < MEMBERS);
	assert_int_equal(wire_take_all(ws), WIRE_FLOODED);
}
