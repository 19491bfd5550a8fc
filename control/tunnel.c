/* SPDX-License-Identifier: BSD-3-Clause */
/* The tunnel as control sees it: its creation and once-a-second chores. */
#include "control/tunnel.h"

#include <stdlib.h>
#include <string.h>

#include <rte_tailq.h>

#include "control/switch.h"

static void on_change(void *ctx, struct underlay_path *path)
{
	struct tunnel *t = ctx;
	struct remote *r = underlay_conf_of(path)->owner;

	r->is_changed = true;
	t->has_changes = true;
}

static void free_tables(struct tunnel *t)
{
	tunnel_tables_destroy(t->tables);
	free(t->spare_vnis);
}

/* The tables. Two of those by VNI, which take turns, have room for all networks. */
static int make_tables(struct tunnel *t, struct err *e)
{
	struct vni_table *vnis = vni_table_create(MAX_NETWORKS);

	t->spare_vnis = vni_table_create(MAX_NETWORKS);
	t->tables = tunnel_tables_create();
	if (vnis && t->spare_vnis && t->tables) {
		free(atomic_exchange(&t->tables->vnis, vnis));
		return 0;
	}
	free(vnis);
	free_tables(t);
	return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
}

struct tunnel *tunnel_create(bool may_block, struct err *e)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	if (make_tables(t, e) < 0) {
		free(t);
		return NULL;
	}
	TAILQ_INIT(&t->uplinks);
	TAILQ_INIT(&t->vteps);
	TAILQ_INIT(&t->remotes);
	TAILQ_INIT(&t->gone);
	t->may_block = may_block;
	t->underlay = underlay_create(on_change, t, e);
	if (!t->underlay) {
		free_tables(t);
		free(t);
		return NULL;
	}
	return t;
}

void tunnel_destroy(struct vswitch *sw)
{
	struct tunnel *t = sw->tunnel;
	struct uplink *u;
	struct vtep *v;
	void *next;

	if (!t)
		return;
	RTE_TAILQ_FOREACH_SAFE (v, &t->vteps, link, next)
		vtep_delete(sw, v, NULL);
	RTE_TAILQ_FOREACH_SAFE (u, &t->uplinks, link, next)
		uplink_delete(sw, u, NULL);
	for (unsigned i = 0; i < sw->n_workers; i++) {
		wire_destroy(sw->worker[i]->wire);
		sw->worker[i]->wire = NULL;
	}
	underlay_destroy(t->underlay);
	free_tables(t);
	free(t);
	sw->tunnel = NULL;
}

void tunnel_read(struct vswitch *sw)
{
	underlay_read(sw->tunnel->underlay);
	remotes_publish(sw);
}

/* Hosts that workers got packets from and do not know. */
struct unknown_hosts {
	unsigned n;
	struct unknown_host at[WIRE_UNKNOWN_HOSTS];
};

static void take_unknown_hosts(struct worker *w, void *arg)
{
	struct unknown_hosts *s = arg;

	s->n = w->wire->n_unknown;
	memcpy(s->at, w->wire->unknown, s->n * sizeof(s->at[0]));
	w->wire->n_unknown = 0;
}

static void learn_remotes(struct vswitch *sw)
{
	for (unsigned i = 0; i < sw->n_workers; i++) {
		struct unknown_hosts s = {0};

		if (!sw->worker[i]->wire || sw->worker[i]->wire->n_unknown == 0)
			continue;
		worker_call(sw->worker[i], take_unknown_hosts, &s);
		for (unsigned k = 0; k < s.n; k++)
			if (sw->tunnel->vtep_slot[s.at[k].vtep])
				remote_learn(sw, sw->tunnel->vtep_slot[s.at[k].vtep],
					     &s.at[k].address);
	}
}

void tunnel_tick(struct vswitch *sw, void (*tell)(void *ctx, const struct uplink *u), void *ctx)
{
	struct tunnel *t = sw->tunnel;
	struct uplink *u;
	struct remote *r;

	TAILQ_FOREACH (u, &t->uplinks, link) {
		bool was_up = u->status.is_up;

		uplink_look(u->dev, &u->status);
		if (u->status.is_up == was_up)
			continue;
		TAILQ_FOREACH (r, &t->remotes, link)
			if (r->vtep->uplink == u)
				remote_mark(sw, r);
		tell(ctx, u);
	}
	learn_remotes(sw);
	remotes_forget(sw);
	remotes_rejoin(sw);
	underlay_tick(t->underlay);
	remotes_publish(sw);
}
