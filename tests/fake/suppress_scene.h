/* SPDX-License-Identifier: BSD-3-Clause */
/* A scene with a wire (tests/fake/wire_scene.h) whose net[0] suppresses questions about neighbours,
 * learned ones too. */
#ifndef FAKE_SUPPRESS_SCENE_H
#define FAKE_SUPPRESS_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/fake/wire_scene.h"

/* Numbers of addresses (tests/fake/neigh_frame.h). */
#define GUEST_IP  1
#define LOCAL_IP  2
#define REMOTE_IP 3

#define SUPPRESS_CASE(fn) \
	cmocka_unit_test_setup_teardown(fn, suppress_scene_setup, wire_scene_teardown)
int suppress_scene_setup(void **state);

/* Adds a static neighbour. */
void suppress_add(struct wire_scene *ws, uint8_t ip, bool v6, const uint8_t mac[6], uint8_t flags);

/* Who has an address, learned or static; 0 for nobody. */
uint64_t suppress_known(struct wire_scene *ws, uint8_t ip, bool v6);

/* Guest i sends a frame, or asks for an address; a few turns follow. */
void suppress_send(struct wire_scene *ws, unsigned i, const uint8_t *frame, uint32_t len);
void suppress_ask(struct wire_scene *ws, unsigned i, bool v6, uint8_t sender, uint8_t target);

/* A frame arrives from a host; a few turns follow. */
void suppress_arrive(struct wire_scene *ws, unsigned host, const uint8_t *frame, uint32_t len);

/* Since the last such question, no guest but guest 0 got anything, and no host; or each other guest
 * of net[0] and each host of its list got one frame. */
void suppress_assert_nobody_was_asked(struct wire_scene *ws);
void suppress_assert_all_were_asked(struct wire_scene *ws);

#endif
