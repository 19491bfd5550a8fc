/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers look up about the tunnel. Tables are hashed by open addressing and at most half
 * full. */
#include "tunnel/tables.h"

#include <stdlib.h>
#include <sys/random.h>

static uint32_t size_for(uint32_t n)
{
	uint32_t size = 8;

	while (size < 2 * n)
		size *= 2;
	return size;
}

/* A number that others do not know; `owner` is where it goes to. */
static uint32_t random_word(const void *owner)
{
	uint32_t word = 0;

	if (getrandom(&word, sizeof(word), 0) != sizeof(word))
		word = (uint32_t)((uintptr_t)owner >> 4);
	return word;
}

static uint32_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(h >> 32);
}

struct tunnel_tables *tunnel_tables_create(void)
{
	struct tunnel_tables *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->hash_key = random_word(t);
	atomic_store(&t->vteps, calloc(1, sizeof(struct vtep_table)));
	atomic_store(&t->vnis, vni_table_create(0));
	atomic_store(&t->sources, source_table_create(0));
	if (!atomic_load(&t->vteps) || !atomic_load(&t->vnis) || !atomic_load(&t->sources)) {
		tunnel_tables_destroy(t);
		return NULL;
	}
	return t;
}

void tunnel_tables_destroy(struct tunnel_tables *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < REMOTE_MAX; i++)
		free(atomic_load(&t->adjacency[i]));
	free(atomic_load(&t->vteps));
	free(atomic_load(&t->vnis));
	free(atomic_load(&t->sources));
	free(t);
}

struct vni_table *vni_table_create(uint32_t n)
{
	uint32_t size = size_for(n);
	struct vni_table *t = calloc(1, sizeof(*t) + size * sizeof(t->at[0]));

	if (t)
		t->mask = size - 1;
	return t;
}

void vni_table_add(struct vni_table *t, uint32_t vni, void *network)
{
	uint32_t i = mix(vni) & t->mask;

	while (t->at[i].network)
		i = (i + 1) & t->mask;
	t->at[i].vni = vni;
	t->at[i].network = network;
}

void *vni_table_find(const struct vni_table *t, uint32_t vni)
{
	uint32_t i = mix(vni) & t->mask;

	while (t->at[i].network && t->at[i].vni != vni)
		i = (i + 1) & t->mask;
	return t->at[i].network;
}

static uint32_t hash_address(const struct source_table *t, const struct ip_addr *a, uint8_t vtep)
{
	uint64_t low, high;

	memcpy(&low, a->bytes, sizeof(low));
	memcpy(&high, a->bytes + sizeof(low), sizeof(high));
	return mix((low + t->seed) * 0xff51afd7ed558ccdULL ^ mix(high ^ t->seed) ^ vtep);
}

struct source_table *source_table_create(uint32_t n)
{
	uint32_t size = size_for(n);
	struct source_table *t = calloc(1, sizeof(*t) + size * sizeof(t->at[0]));

	if (!t)
		return NULL;
	t->mask = size - 1;
	t->seed = random_word(t);
	for (uint32_t i = 0; i < size; i++)
		t->at[i].remote = REMOTE_NONE;
	return t;
}

void source_table_add(struct source_table *t, const struct ip_addr *a, uint8_t vtep,
		      uint16_t remote)
{
	uint32_t i = hash_address(t, a, vtep) & t->mask;

	while (t->at[i].remote != REMOTE_NONE)
		i = (i + 1) & t->mask;
	t->at[i].address = *a;
	t->at[i].vtep = vtep;
	t->at[i].remote = remote;
}

uint16_t source_table_find(const struct source_table *t, const struct ip_addr *a, uint8_t vtep)
{
	uint32_t i = hash_address(t, a, vtep) & t->mask;

	while (t->at[i].remote != REMOTE_NONE &&
	       !(t->at[i].vtep == vtep && ip_addr_equal(&t->at[i].address, a)))
		i = (i + 1) & t->mask;
	return t->at[i].remote;
}

const struct vtep_entry *vtep_table_find(const struct vtep_table *t, const struct ip_addr *a,
					 uint16_t port)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->at[i].port == port && ip_addr_equal(&t->at[i].address, a))
			return &t->at[i];
	return NULL;
}

const struct vtep_entry *vtep_table_find_id(const struct vtep_table *t, uint8_t id)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->at[i].id == id)
			return &t->at[i];
	return NULL;
}
