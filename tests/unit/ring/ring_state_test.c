/* SPDX-License-Identifier: BSD-3-Clause */
/* Where packed rings go on after the daemon died. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "ring/ring_state.h"

#define SIZE      256
#define START     0x8000u
#define AVAILABLE (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED      (1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED)

static char path[] = "/tmp/stint-ring-state.XXXXXX";
static struct vring_packed_desc ring[SIZE] __attribute__((aligned(16)));

static uint32_t both(uint32_t at)
{
	return at | at << 16;
}

static struct virtq_conf conf_at(uint16_t base)
{
	return (struct virtq_conf){.desc = ring,
				   .size = SIZE,
				   .last_avail = base,
				   .last_used = base,
				   .features = 1ULL << VIRTIO_F_RING_PACKED};
}

static void expect(struct ring_place *place, uint16_t given, uint16_t wanted)
{
	struct virtq_conf conf = conf_at(given);

	ring_state_resume(place, &conf);
	assert_ptr_equal(conf.place, place);
	assert_int_equal(conf.last_avail, wanted);
	assert_int_equal(conf.last_used, wanted);
	assert_int_equal(place->at, both(wanted));
}

static int setup(void **state)
{
	struct err e;
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	memset(ring, 0, sizeof(ring));
	return ring_state_open(path, &e);
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	return 0;
}

static struct ring_place *used_up_to(uint32_t at)
{
	struct ring_place *place = ring_state_claim("/a");

	expect(place, START, START);
	for (unsigned i = 0; i < (at & 0x7fff); i++)
		ring[i].flags = USED;
	place->next = place->at = both(at);
	return place;
}

static void a_new_ring_begins_where_the_front_end_says(void **state)
{
	(void)state;
	expect(ring_state_claim("/a"), START, START);
	expect(ring_state_claim("/a") + 1, 17 | START, 17 | START);
}

static void a_ring_in_use_goes_on(void **state)
{
	struct err e;

	(void)state;
	used_up_to(40 | START);
	/* A new process: all that it knows is the file. */
	assert_int_equal(ring_state_open(path, &e), 0);
	expect(ring_state_claim("/a"), START, 40 | START);
	/* And once more: the front end still repeats what it gave at first. */
	expect(ring_state_claim("/a"), START, 40 | START);
}

static void a_driver_that_began_anew_is_believed(void **state)
{
	struct ring_place *place = used_up_to(40 | START);

	(void)state;
	memset(ring, 0, sizeof(ring));
	ring[0].flags = AVAILABLE;
	expect(place, START, START);
}

static void another_position_is_believed(void **state)
{
	(void)state;
	expect(used_up_to(40 | START), 30, 30);
}

static void death_between_the_notes(void **state)
{
	struct ring_place *place = used_up_to(40 | START);

	(void)state;
	place->next = both(44 | START);
	ring[40].flags = AVAILABLE; /* the guest saw nothing */
	expect(place, START, 40 | START);
	place->next = both(44 | START);
	ring[40].flags = USED; /* the guest saw it */
	expect(place, START, 44 | START);
	place->at = both(44); /* the round after, where the bits mean the opposite */
	place->next = both(45);
	ring[44].flags = USED;
	expect(place, START, 44);
	place->next = both(45);
	ring[44].flags = 0;
	expect(place, START, 45);
}

static void a_smaller_ring_is_not_entered_beyond_its_end(void **state)
{
	struct ring_place *place = used_up_to(40 | START);
	struct virtq_conf conf = conf_at(START);

	(void)state;
	conf.size = 32;
	ring_state_resume(place, &conf);
	assert_int_equal(conf.last_avail, START);
}

static void split_rings_need_no_notes(void **state)
{
	struct virtq_conf conf = conf_at(7);

	(void)state;
	conf.features = 0;
	ring_state_resume(ring_state_claim("/a"), &conf);
	assert_null(conf.place);
	ring_state_resume(NULL, &conf);
	assert_int_equal(conf.last_avail, 7);
}

static void places_of_devices_that_are_gone_are_taken(void **state)
{
	struct ring_place *gone = ring_state_claim("/gone");
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 1023; i++) {
		snprintf(name, sizeof(name), "/%u", i);
		assert_non_null(ring_state_claim(name));
	}
	assert_null(ring_state_claim("/one-more"));
	ring_state_release(gone);
	assert_ptr_equal(ring_state_claim("/gone"), gone);
	ring_state_release(gone);
	assert_ptr_equal(ring_state_claim("/one-more"), gone);
	ring_state_release(NULL);
}

static void a_file_that_cannot_be_made_is_named(void **state)
{
	struct err e;

	(void)state;
	assert_true(ring_state_open("/nowhere/at/all", &e) < 0);
	assert_non_null(strstr(e.text, "/nowhere/at/all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_ring_begins_where_the_front_end_says, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_ring_in_use_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_driver_that_began_anew_is_believed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_position_is_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(death_between_the_notes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_smaller_ring_is_not_entered_beyond_its_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(split_rings_need_no_notes, setup, teardown),
		cmocka_unit_test_setup_teardown(places_of_devices_that_are_gone_are_taken, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_that_cannot_be_made_is_named, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
