/* SPDX-License-Identifier: BSD-3-Clause */
/* Wrong things that a guest or its front end can do, one at a time. */
#include "bench/loadgen/attack_steps.h"

#include "bench/loadgen/attack_impl.h"

void step_bad_index(struct attack *a)
{
	struct driver_ring *r = attack_tx(a);

	r->avail->ring[r->avail_at % r->size] = (uint16_t)(r->size + attack_random(a) % 1000);
	r->avail_at++;
	driver_ring_publish(r);
}

/* The available index runs ahead by more than the ring holds. */
void step_index_jump(struct attack *a)
{
	struct driver_ring *r = attack_tx(a);

	r->avail_at = (uint16_t)(r->avail_at + r->size + attack_random(a) % 30000);
	driver_ring_publish(r);
}

/* Anything at all, anywhere in the rings. */
void step_scribble(struct attack *a)
{
	struct driver_ring *r = attack_tx(a);
	uint8_t *p = (uint8_t *)r->desc;

	for (int i = 0; i < 64; i++)
		p[attack_random(a) % r->bytes] = (uint8_t)attack_random(a);
	driver_ring_kick(r);
}

void step_kick(struct attack *a)
{
	for (unsigned int i = 0; i < 2; i++)
		driver_ring_kick(&a->fe.ring[i]);
}

void step_mem_table(struct attack *a)
{
	flood_step(a);
	a->toggle = !a->toggle;
	vhost_fe_set_mem_table(&a->fe, a->toggle ? 8 : 1);
}

void step_enable(struct attack *a)
{
	flood_step(a);
	a->toggle = !a->toggle;
	vhost_fe_ring_enable(&a->fe, 0, a->toggle);
	vhost_fe_ring_enable(&a->fe, 1, a->toggle);
}

void step_reconnect(struct attack *a)
{
	vhost_fe_disconnect(&a->fe);
}

void step_garbage(struct attack *a)
{
	uint32_t junk[16];

	for (unsigned int i = 0; i < 16; i++)
		junk[i] = attack_random(a);
	vhost_fe_send_raw(&a->fe, attack_random(a) % 48, FE_FLAG_VERSION, attack_random(a) % 64,
			  junk, attack_random(a) % 64, NULL, 0);
}
