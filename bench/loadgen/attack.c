/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile VMs on the hand-made front end. One table names the attacks. An attack that the back end
 * answers by hanging up connects again: that is part of it. */
#include "bench/loadgen/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/loadgen/frame.h"
#include "tests/fake/vhost_fe.h"

#define RING       256
#define MEM_SIZE   (4u << 20)
#define BUF_SIZE   2048
#define STEPS_MAX  4 /* steps at one call, so that a late attacker does not flood the loop */
#define BACK_OFF_S 0.01

struct attack;

struct attack_kind {
	const char *name;
	void (*step)(struct attack *a);
	const char *help;
};

struct attack {
	const struct attack_kind *kind;
	char socket[100];
	struct vhost_fe fe;
	uint8_t *buf;
	struct vring_desc *table; /* for indirect attacks */
	uint64_t features;
	uint64_t steps, connects;
	uint64_t next_tsc, interval_tsc, hz;
	uint32_t rng;
	uint16_t vm;
	bool toggle;
};

static uint32_t random32(struct attack *a)
{
	a->rng ^= a->rng << 13;
	a->rng ^= a->rng >> 17;
	a->rng ^= a->rng << 5;
	return a->rng;
}

static struct fe_ring *tx_ring(struct attack *a)
{
	return &a->fe.ring[1];
}

/* Takes back what the device returned, so that there is room. */
static void reap(struct fe_ring *r)
{
	uint32_t len;

	for (int i = 0; i < RING; i++)
		if (fe_ring_poll(r, &len) < 0)
			return;
}

/* A valid broadcast frame of 64 B behind its virtio_net_hdr. */
static uint64_t good_frame(struct attack *a)
{
	union frame_hdr h;
	struct rte_ether_addr all;

	memset(&all, 0xff, sizeof(all));
	frame_template(&h, a->vm, &all, UINT16_MAX, UINT32_MAX, 0, false);
	memcpy(a->buf + vhost_fe_hdr_len(&a->fe), &h, sizeof(h.udp));
	return vhost_fe_gpa(&a->fe, a->buf);
}

static void push(struct attack *a, uint64_t gpa, uint32_t len, bool writable)
{
	struct fe_buf b = {gpa, len, writable};
	struct fe_ring *r = tx_ring(a);

	reap(r);
	if (fe_ring_add(r, &b, 1) < 0)
		fe_ring_reset(r); /* the device is stuck on what it was given: start over under its
				     feet */
	fe_ring_publish(r);
	fe_ring_kick(r);
}

static void step_bad_index(struct attack *a)
{
	struct fe_ring *r = tx_ring(a);

	r->split.avail->ring[r->avail % RING] = (uint16_t)(RING + random32(a) % 1000);
	r->avail++;
	fe_ring_publish(r);
}

static void step_bad_address(struct attack *a)
{
	push(a, (uint64_t)random32(a) << 32 | random32(a), 64 + (uint32_t)vhost_fe_hdr_len(&a->fe),
	     false);
}

static void step_huge_length(struct attack *a)
{
	push(a, good_frame(a), UINT32_MAX - random32(a) % 4096, false);
}

static void step_short(struct attack *a)
{
	push(a, good_frame(a), random32(a) % (uint32_t)vhost_fe_hdr_len(&a->fe), false);
}

static void step_writable(struct attack *a)
{
	push(a, good_frame(a), 64 + (uint32_t)vhost_fe_hdr_len(&a->fe), true);
}

/* A chain whose last descriptor leads back to its first. */
static void step_loop(struct attack *a)
{
	struct fe_ring *r = tx_ring(a);

	for (uint16_t i = 0; i < RING; i++) {
		r->split.desc[i].addr = vhost_fe_gpa(&a->fe, a->buf);
		r->split.desc[i].len = 16;
		r->split.desc[i].flags = VRING_DESC_F_NEXT;
		r->split.desc[i].next = (uint16_t)((i + 1) % RING);
	}
	r->split.avail->ring[r->avail % RING] = 0;
	r->avail++;
	fe_ring_publish(r);
}

/* The available index runs ahead by more than the ring holds. */
static void step_index_jump(struct attack *a)
{
	struct fe_ring *r = tx_ring(a);

	r->avail = (uint16_t)(r->avail + RING + random32(a) % 30000);
	fe_ring_publish(r);
}

/* Indirect tables: as long as they can be, in bytes that cost a copy each. */
static void step_indirect(struct attack *a)
{
	struct fe_ring *r = tx_ring(a);
	uint32_t n = 256;

	for (uint32_t i = 0; i < n; i++) {
		a->table[i].addr = good_frame(a) + i % 64;
		a->table[i].len = i == 0 ? 76 : 1;
		a->table[i].flags = i + 1 < n ? VRING_DESC_F_NEXT : 0;
		a->table[i].next = (uint16_t)(i + 1);
	}
	reap(r);
	while (fe_ring_add_indirect(r, vhost_fe_gpa(&a->fe, a->table), n) >= 0)
		continue;
	fe_ring_publish(r);
	fe_ring_kick(r);
}

/* Anything at all, anywhere in the rings. */
static void step_scribble(struct attack *a)
{
	struct fe_ring *r = tx_ring(a);
	uint8_t *p = (uint8_t *)r->split.desc;
	size_t size = vring_size(RING, FE_PAGE);

	for (int i = 0; i < 64; i++)
		p[random32(a) % size] = (uint8_t)random32(a);
	fe_ring_kick(r);
}

static void step_kick(struct attack *a)
{
	for (unsigned int i = 0; i < 2; i++)
		fe_ring_kick(&a->fe.ring[i]);
}

/* One packet at a time, each to be told of. */
static void step_notify(struct attack *a)
{
	uint64_t gpa = good_frame(a);

	tx_ring(a)->split.avail->flags = 0;
	push(a, gpa, 64 + (uint32_t)vhost_fe_hdr_len(&a->fe), false);
}

static void step_mem_table(struct attack *a)
{
	a->toggle = !a->toggle;
	vhost_fe_set_mem_table(&a->fe, a->toggle ? 8 : 1);
}

static void step_enable(struct attack *a)
{
	a->toggle = !a->toggle;
	vhost_fe_ring_enable(&a->fe, 0, a->toggle);
	vhost_fe_ring_enable(&a->fe, 1, a->toggle);
}

static void step_reconnect(struct attack *a)
{
	vhost_fe_disconnect(&a->fe);
}

static void step_garbage(struct attack *a)
{
	uint32_t junk[16];

	for (unsigned int i = 0; i < 16; i++)
		junk[i] = random32(a);
	vhost_fe_send_raw(&a->fe, random32(a) % 48, FE_FLAG_VERSION, random32(a) % 64, junk,
			  random32(a) % 64, NULL, 0);
}

static const struct attack_kind kinds[] = {
	{"bad_index", step_bad_index, "available entries that name no descriptor"},
	{"bad_address", step_bad_address, "descriptors outside of guest memory"},
	{"huge_length", step_huge_length, "descriptors of nearly 4 GiB"},
	{"short", step_short, "packets shorter than their virtio_net_hdr"},
	{"writable", step_writable, "packets to send in buffers that the device should write"},
	{"loop", step_loop, "descriptor chains without end"},
	{"index_jump", step_index_jump, "an available index that runs ahead of the ring"},
	{"indirect", step_indirect, "indirect tables of 256 descriptors of a byte each"},
	{"scribble", step_scribble, "random bytes all over the ring"},
	{"kick", step_kick, "kicks without packets"},
	{"notify", step_notify, "broadcasts one at a time, each with an interrupt wanted"},
	{"mem_table", step_mem_table, "new memory tables"},
	{"enable", step_enable, "rings enabled and disabled"},
	{"reconnect", step_reconnect, "disconnecting and connecting"},
	{"garbage", step_garbage, "random protocol messages"},
	{NULL, NULL, NULL},
};

/* Sets the device up as fast as it can be done: no question is asked and no answer awaited, and
 * what does not fit the socket's buffer is not sent, so that the generator's loop goes on. */
static int connect_anew(struct attack *a)
{
	int rc = vhost_fe_connect(&a->fe, a->socket);

	a->connects++;
	if (rc < 0)
		return rc;
	fcntl(a->fe.fd, F_SETFL, O_NONBLOCK);
	a->fe.features = a->features;
	rc = vhost_fe_send(&a->fe, FE_SET_OWNER, NULL, 0, NULL, 0);
	if (rc == 0)
		rc = vhost_fe_set_u64(&a->fe, FE_SET_FEATURES, a->features);
	if (rc == 0)
		rc = vhost_fe_set_mem_table(&a->fe, 1);
	for (unsigned int i = 0; i < 2 && rc == 0; i++) {
		fe_ring_reset(&a->fe.ring[i]);
		a->fe.ring[i].split.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
		rc = vhost_fe_ring_start(&a->fe, i);
		if (rc == 0)
			rc = vhost_fe_ring_enable(&a->fe, i, true);
	}
	return rc;
}

/* The first connection asks what the back end offers. */
static int learn_features(struct attack *a)
{
	uint64_t offered = 0;
	int rc = vhost_fe_connect(&a->fe, a->socket);

	if (rc == 0)
		rc = vhost_fe_get_u64(&a->fe, FE_GET_FEATURES, &offered);
	vhost_fe_disconnect(&a->fe);
	a->features = offered & (FE_F(FE_PROTOCOL) | FE_F(FE_VERSION_1) | FE_F(FE_INDIRECT));
	return rc;
}

static int set_up(struct attack *a)
{
	int rc = learn_features(a);

	a->fe.features = a->features;
	if (rc == 0)
		rc = vhost_fe_map(&a->fe, MEM_SIZE, false);
	for (unsigned int i = 0; i < 2 && rc == 0; i++)
		rc = fe_ring_init(&a->fe, i, RING);
	if (rc < 0)
		return rc;
	a->buf = vhost_fe_alloc(&a->fe, BUF_SIZE, 64);
	a->table = vhost_fe_alloc(&a->fe, RING * sizeof(*a->table), 64);
	return connect_anew(a);
}

static const struct attack_kind *find_kind(const char *name)
{
	for (const struct attack_kind *k = kinds; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

struct attack *attack_open(const struct vm_spec *spec, uint16_t vm, uint64_t hz)
{
	struct attack *a = calloc(1, sizeof(*a));
	int rc = -EINVAL;

	if (!a)
		return NULL;
	vhost_fe_init(&a->fe);
	a->hz = hz;
	a->vm = vm;
	a->rng = 2463534242u + vm;
	a->interval_tsc = spec->rate > 0 ? (uint64_t)((double)hz / spec->rate) : 0;
	strcpy(a->socket, spec->socket);
	a->kind = find_kind(spec->attack);
	if (a->kind)
		rc = set_up(a);
	if (rc < 0) {
		fprintf(stderr, "loadgen: attack %s on %s: %s\n", spec->attack, spec->socket,
			strerror(-rc));
		attack_close(a);
		return NULL;
	}
	return a;
}

void attack_close(struct attack *a)
{
	if (!a)
		return;
	vhost_fe_close(&a->fe);
	free(a);
}

void attack_run(struct attack *a, uint64_t now)
{
	for (int i = 0; i < STEPS_MAX && now >= a->next_tsc; i++) {
		a->next_tsc = RTE_MAX(a->next_tsc + a->interval_tsc, now - 8 * a->interval_tsc);
		if (a->fe.fd < 0 && connect_anew(a) < 0) {
			vhost_fe_disconnect(&a->fe);
			a->next_tsc = now + (uint64_t)(BACK_OFF_S * (double)a->hz);
			return;
		}
		a->kind->step(a);
		a->steps++;
		if (a->steps % 64 == 0 && a->fe.fd >= 0 && vhost_fe_hung_up(&a->fe))
			vhost_fe_disconnect(&a->fe);
	}
}

uint64_t attack_steps(const struct attack *a)
{
	return a->steps;
}

uint64_t attack_connects(const struct attack *a)
{
	return a->connects;
}

void attack_list(void)
{
	for (const struct attack_kind *k = kinds; k->name; k++)
		printf("  %-12s %s\n", k->name, k->help);
}
