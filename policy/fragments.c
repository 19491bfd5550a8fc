/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdicts on first fragments. The directions have places of their own, so that a flood of
 * fragments from outside does not cut off what the VM sends. */
#include "policy/fragments.h"

#include <stddef.h>
#include <string.h>

#include "pkt/drops.h"

static void set_key(struct fragment_key *key, const struct flow *f)
{
	memcpy(key->local, f->key.local, sizeof(key->local));
	memcpy(key->remote, f->key.remote, sizeof(key->remote));
	key->id = f->fragment_id;
	key->port = f->key.port;
	key->proto = f->is_v6 ? 0 : f->key.proto;
	key->is_v6 = f->is_v6;
}

static bool is_live(const struct fragment *e, uint32_t now_ms)
{
	return e->is_used && now_ms - e->at_ms < FRAGMENTS_TIMEOUT_MS;
}

static bool has_passed(const struct fragment *e)
{
	return e->verdict.reason == DROP_COUNT;
}

/* How soon an entry has to go: the higher, the sooner. */
static uint64_t weight(const struct fragment *e, uint32_t now_ms)
{
	if (!is_live(e, now_ms))
		return UINT64_MAX;
	return (uint64_t)!has_passed(e) << 32 | (now_ms - e->at_ms);
}

void fragments_keep(struct fragments *s, const struct flow *f,
		    const struct fragment_verdict *verdict, uint32_t now_ms)
{
	struct fragment *all = s->side[f->side], *victim = &all[0];
	struct fragment_key key;

	set_key(&key, f);
	for (unsigned i = 0; i < FRAGMENTS_A_SIDE; i++) {
		if (all[i].is_used && memcmp(&all[i].key, &key, sizeof(key)) == 0) {
			victim = &all[i];
			break;
		}
		if (weight(&all[i], now_ms) > weight(victim, now_ms))
			victim = &all[i];
	}
	if (is_live(victim, now_ms) && has_passed(victim) && verdict->reason != DROP_COUNT &&
	    memcmp(&victim->key, &key, sizeof(key)) != 0)
		return;
	*victim = (struct fragment){
		.key = key, .verdict = *verdict, .at_ms = now_ms, .is_used = true};
}

const struct fragment_verdict *fragments_find(const struct fragments *s, const struct flow *f,
					      uint32_t now_ms)
{
	struct fragment_key key;

	set_key(&key, f);
	for (unsigned i = 0; i < FRAGMENTS_A_SIDE; i++) {
		const struct fragment *e = &s->side[f->side][i];

		if (e->is_used && memcmp(&e->key, &key, sizeof(key)) == 0)
			return is_live(e, now_ms) ? &e->verdict : NULL;
	}
	return NULL;
}
