/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile front ends: what is in their rings. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fake/bad_chain.h"
#include "tests/loop/fe_hostile_impl.h"

static int avail_index_jumps(void)
{
	if (open_fe(&split) < 0)
		return -1;
	fe.ring[TX].avail->idx = 0x7fff;
	driver_ring_kick(&fe.ring[TX]);
	rest_ms(100);
	return 0;
}

/* Breaks a ring, then goes on without it, then with it repaired, each when it is told to. */
static int broken_ring_comes_back(void)
{
	if (avail_index_jumps() < 0)
		return -1;
	await_line();
	if (vhost_fe_ring_enable(&fe, TX, false) < 0)
		return -1;
	await_line();
	fe.ring[TX].avail->idx = 0;
	if (vhost_fe_ring_enable(&fe, TX, true) < 0)
		return -1;
	await_line();
	return 0;
}

/* Not hostile, but no other front end that we have does it: tells its MTU, when it is told to. */
static int tells_its_mtu(void)
{
	struct fe_config conf = split;

	conf.features |= FE_F(FE_NET_MTU);
	conf.protocol_features |= FE_F(FE_P_NET_MTU);
	if (open_fe(&conf) < 0)
		return -1;
	await_line();
	if (vhost_fe_set_u64(&fe, FE_NET_SET_MTU, 1400) < 0)
		return -1;
	await_line();
	return 0;
}

/* Each is given back, and the ring goes on. */
static int bad_descriptors(void)
{
	struct bad_chain_places places = {.gpa = FE_GPA, .size = MEM_BYTES};
	struct driver_ring *r = &fe.ring[TX];

	if (open_fe(&split) < 0)
		return -1;
	places.good = vhost_fe_gpa(&fe, vhost_fe_alloc(&fe, BAD_CHAIN_GOOD, 64));
	places.table_at = vhost_fe_alloc(&fe, BAD_CHAIN_TABLE, 16);
	places.table = vhost_fe_gpa(&fe, places.table_at);
	for (enum bad_chain c = 0; c < BAD_CHAIN_COUNT; c++) {
		if (bad_chain_add(r, c, &places, false) < 0)
			return -1;
		driver_ring_publish(r);
		driver_ring_kick(r);
		if (wait_used(r) < 0) {
			fprintf(stderr, "%s\n", bad_chain_name(c));
			return -1;
		}
	}
	return 0;
}

static int longest_chains(const struct fe_config *conf)
{
	struct driver_buf bufs[200];
	size_t len;
	uint64_t gpa;

	if (open_fe(conf) < 0)
		return -1;
	gpa = frame(&len);
	for (unsigned i = 0; i < 200; i++)
		bufs[i] = (struct driver_buf){gpa, i == 0 ? (uint32_t)len : 7, false};
	for (int i = 0; i < 100; i++) {
		if (driver_ring_add(&fe.ring[TX], bufs, 200) < 0)
			return -1;
		driver_ring_publish(&fe.ring[TX]);
		driver_ring_kick(&fe.ring[TX]);
		if (wait_used(&fe.ring[TX]) < 0)
			return -1;
	}
	return 0;
}

static int long_chains_split(void)
{
	return longest_chains(&split);
}

static int long_chains_packed(void)
{
	return longest_chains(&packed);
}

/* Every descriptor says that it continues. */
static int endless_chain_packed(void)
{
	struct driver_ring *r = &fe.ring[TX];

	if (open_fe(&packed) < 0)
		return -1;
	for (unsigned i = 0; i < r->size; i++)
		r->pdesc[i] = (struct vring_packed_desc){FE_GPA, 64, (uint16_t)i,
							 VRING_DESC_F_NEXT |
								 1u << VRING_PACKED_DESC_F_AVAIL};
	driver_ring_kick(r);
	rest_ms(100);
	return 0;
}

/* Ring memory that changes all the time, from a seed that the caller can repeat. */
static int scribble(const struct fe_config *conf, unsigned seed)
{
	size_t words = MEM_BYTES / 4;
	uint32_t *mem;

	srand(seed);
	if (reopen_fe(conf) < 0)
		return -1;
	mem = (uint32_t *)(void *)fe.mem;
	for (int i = 0; i < 400000; i++) {
		/* Where the rings are: the first pages. */
		size_t at = (size_t)rand() % (i % 4 ? 8192 : words);

		__atomic_store_n(&mem[at], (uint32_t)rand() ^ (uint32_t)rand() << 16,
				 __ATOMIC_RELAXED);
		if (i % 256 == 0)
			driver_ring_kick(&fe.ring[TX]);
	}
	return 0;
}

static int scribble_split(void)
{
	for (unsigned seed = 1; seed <= 5; seed++) {
		if (scribble(&split, seed) < 0)
			return -1;
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	return 0;
}

static int scribble_packed(void)
{
	for (unsigned seed = 1; seed <= 5; seed++) {
		if (scribble(&packed, seed) < 0)
			return -1;
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
		rest_ms(10);
	}
	return 0;
}

const struct hostile_case ring_cases[] = {
	HOSTILE_CASE(avail_index_jumps),    HOSTILE_CASE(bad_descriptors),
	HOSTILE_CASE(long_chains_split),    HOSTILE_CASE(long_chains_packed),
	HOSTILE_CASE(endless_chain_packed), HOSTILE_CASE(scribble_split),
	HOSTILE_CASE(scribble_packed),      HOSTILE_CASE(broken_ring_comes_back),
	HOSTILE_CASE(tells_its_mtu),        {NULL, NULL},
};
