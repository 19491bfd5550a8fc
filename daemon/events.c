/* SPDX-License-Identifier: BSD-3-Clause */
/* Events, which clients get without asking. */
#include "daemon/events.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/capture.h"
#include "control/config.h"
#include "control/mailbox.h"
#include "control/refused.h"
#include "control/tunnel.h"
#include "control/uplink_rpc.h"
#include "control/watch.h"
#include "rpc/server.h"
#include "vhost/vdev_text.h"

#define TICK_US  1000000
#define WATCH_US (WATCH_INTERVAL_MS * 1000)

/* --- the configuration -------------------------------------------------------------------------
 */

int events_save(struct daemon *d, struct err *e)
{
	struct rpc_ctx *ctx = &d->ctx;
	bool was_unsaved = ctx->unsaved[0];
	int ret = config_commit(ctx, e);

	snprintf(ctx->unsaved, sizeof(ctx->unsaved), "%.*s", (int)sizeof(ctx->unsaved) - 1,
		 ret < 0 ? e->text : "");
	if (ret < 0 && !was_unsaved) {
		log_error("%s: changes are in force, but not saved", e->text);
		rpc_server_event(d->server, "config_unsaved", json_pack("{s:s}", "text", e->text));
	} else if (ret == 0 && was_unsaved) {
		log_info("configuration %s: saved again", ctx->config_file);
		rpc_server_event(d->server, "config_saved",
				 json_pack("{s:s}", "file", ctx->config_file));
	}
	return ret;
}

/* --- ports -------------------------------------------------------------------------------------
 */

/* The limit of events about a port's state, which a front end may change as often as it likes: a
 * burst, then one per interval. */
#define CHANGES_BURST    10
#define CHANGES_INTERVAL (5 * CLOCK_NS_PER_S)

static void tell_state(struct daemon *d, struct port *port, const struct vdev_status *st)
{
	uint64_t left_out = 0;
	char others[64] = "";
	json_t *fields;

	port->is_unreported = !pace_allows(&port->changes, clock_now_ns(), &left_out);
	if (port->is_unreported)
		return;
	port->reported = st->state;
	if (left_out > 0)
		snprintf(others, sizeof(others), " (after %llu other changes)",
			 (unsigned long long)left_out);
	log_info("port %s of vm %s: %s%s", port->name, port->vm->name, st->text, others);
	fields = json_pack("{s:s, s:s, s:s, s:s}", "port", port->name, "vm", port->vm->name,
			   "state", vdev_state_text(st->state), "state_text", st->text);
	if (left_out > 0)
		json_object_set_new(fields, "left_out", json_integer((json_int_t)left_out));
	rpc_server_event(d->server, "port_state", fields);
}

static void tell_broken(struct daemon *d, struct port *port, const struct vdev_status *st)
{
	bool is_broken = st->state == VDEV_DOWN && st->is_broken;
	bool is_news = is_broken && !port->was_broken;
	uint64_t left_out = 0;

	port->was_broken = is_broken;
	if (!is_news || !pace_allows(&port->breaks, clock_now_ns(), &left_out))
		return;
	rpc_server_event(d->server, "ring_broken",
			 json_pack("{s:s, s:s, s:s, s:I}", "port", port->name, "vm", port->vm->name,
				   "state_text", st->text, "left_out", (json_int_t)left_out));
}

/* Reports a port whose state has changed. The text may change within a state, while rings are set
 * up one by one: that is no event. */
static void on_change(struct daemon *d, struct port *port)
{
	struct vdev_status st;

	if (port->changes.burst == 0) {
		pace_init(&port->changes, CHANGES_BURST, CHANGES_INTERVAL);
		pace_init(&port->breaks, CHANGES_BURST, CHANGES_INTERVAL);
	}
	vdev_status(port->dev, &st);
	if (port->reported != st.state)
		tell_state(d, port, &st);
	tell_broken(d, port, &st);
}

/* Messages handled per wake-up, so that ports that change all the time do not keep control from its
 * other work. */
#define MAILS_AT_ONCE 64

static int on_mail(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct daemon *d = userdata;
	struct mail mail;

	(void)s;
	(void)fd;
	(void)revents;
	for (int i = 0; i < MAILS_AT_ONCE && mailbox_take(d->ctx.sw->mailbox, &mail); i++)
		if (d->ctx.sw->port_slot[mail.port])
			on_change(d, d->ctx.sw->port_slot[mail.port]);
	return 0;
}

/* --- uplinks -----------------------------------------------------------------------------------
 */

static void tell_uplink(void *ctx, const struct uplink *u)
{
	struct daemon *d = ctx;
	char text[64];

	uplink_state_text(u, text, sizeof(text));
	log_info("uplink %s: %s", u->name, text);
	rpc_server_event(d->server, u->status.is_up ? "uplink_up" : "uplink_down",
			 json_pack("{s:s, s:s}", "uplink", u->name, "state_text", text));
}

/* The kernel has told of changes to the underlay. */
static int on_underlay(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct daemon *d = userdata;

	(void)s;
	(void)fd;
	(void)revents;
	tunnel_read(d->ctx.sw);
	return 0;
}

static int watch_underlay(struct daemon *d)
{
	struct tunnel *t = d->ctx.sw->tunnel;

	return t ? sd_event_add_io(d->loop, NULL, underlay_fd(t->underlay), EPOLLIN, on_underlay, d)
		 : 0;
}

static int on_captures(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct daemon *d = userdata;

	(void)s;
	(void)fd;
	(void)revents;
	recordings_tick(d->ctx.sw);
	return 0;
}

/* Until a guest has booted, a front end that shares no memory is nothing unusual. */
#define NOT_READY_S 30

static void look_at_port(struct daemon *d, struct port *port)
{
	struct vdev_status st;
	uint64_t for_s;

	if (port->is_unreported) {
		vdev_status(port->dev, &st);
		tell_state(d, port, &st);
	}
	vdev_status(port->dev, &st);
	for_s = (clock_now_ns() - st.since_ns) / CLOCK_NS_PER_S;
	if (st.state != VDEV_NEGOTIATING || st.has_memory || for_s < NOT_READY_S ||
	    port->not_ready_since == st.since_ns)
		return;
	port->not_ready_since = st.since_ns;
	log_warn("port %s of vm %s: %s", port->name, port->vm->name, st.text);
	rpc_server_event(d->server, "port_not_ready",
			 json_pack("{s:s, s:s, s:I, s:s}", "port", port->name, "vm", port->vm->name,
				   "for_s", (json_int_t)for_s, "state_text", st.text));
}

/* Rearms a timer, which goes off only once. */
static int again(sd_event_source *s, uint64_t in_us)
{
	int ret = sd_event_source_set_time_relative(s, in_us);

	return ret < 0 ? ret : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static void tell_hostile(void *ctx, const struct port *port, const uint64_t *since)
{
	struct daemon *d = ctx;
	json_t *reasons = json_object();
	json_int_t count = 0;

	for (unsigned i = 0; i < HOSTILE_KINDS; i++) {
		count += (json_int_t)since[i];
		if (since[i])
			json_object_set_new(reasons, drop_reason_text(watch_ring_reason(i)),
					    json_integer((json_int_t)since[i]));
	}
	rpc_server_event(d->server, "ring_hostile",
			 json_pack("{s:s, s:s, s:I, s:o}", "port", port->name, "vm", port->vm->name,
				   "count", count, "reasons", reasons));
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct daemon *d = userdata;
	struct port *port;
	struct err e;

	(void)usec;
	switch_tick(d->ctx.sw);
	if (d->ctx.sw->tunnel)
		tunnel_tick(d->ctx.sw, tell_uplink, d);
	TAILQ_FOREACH (port, &d->ctx.sw->ports, link)
		look_at_port(d, port);
	if (d->ctx.unsaved[0])
		events_save(d, &e);
	watch_rings(d->ctx.sw, tell_hostile, d);
	return again(s, TICK_US);
}

static void tell_budget(void *ctx, const struct vm *vm)
{
	struct daemon *d = ctx;
	enum watch_reason reason = vm->watch.reason;

	if (reason == WATCH_NONE)
		rpc_server_event(
			d->server, "vm_within_budget",
			json_pack("{s:s, s:s}", "vm", vm->name, "tenant", vm->tenant->name));
	else
		rpc_server_event(d->server, "vm_over_budget",
				 json_pack("{s:s, s:s, s:s, s:s}", "vm", vm->name, "tenant",
					   vm->tenant->name, "reason", watch_reason_text(reason),
					   "text", watch_reason_help(reason)));
}

static int on_watch(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct daemon *d = userdata;

	(void)usec;
	watch_budgets(d->ctx.sw, tell_budget, d);
	return again(s, WATCH_US);
}

static void tell_refused(void *ctx, const json_t *call, const char *why)
{
	struct daemon *d = ctx;
	const json_t *name = json_object_get(json_object_get(call, "params"), "name");

	rpc_server_event(d->server, "object_refused",
			 json_pack("{s:O?, s:O?, s:s}", "method", json_object_get(call, "method"),
				   "name", name, "text", why));
}

void events_tell_incomplete(struct daemon *d)
{
	const struct vm *vm;

	refused_each(d->ctx.refused, tell_refused, d);
	TAILQ_FOREACH (vm, &d->ctx.sw->vms, link)
		if (vm_is_displaced(vm))
			rpc_server_event(d->server, "vm_displaced",
					 json_pack("{s:s, s:i, s:i}", "vm", vm->name, "worker",
						   (int)((struct worker *)vm->worker)->core,
						   "wanted_worker", vm->pinned_core));
}

int events_watch(struct daemon *d, struct err *e)
{
	if (watch_underlay(d) < 0 ||
	    sd_event_add_io(d->loop, NULL, recordings_fd(d->ctx.sw->recordings), EPOLLIN,
			    on_captures, d) < 0 ||
	    sd_event_add_io(d->loop, NULL, mailbox_fd(d->ctx.sw->mailbox), EPOLLIN, on_mail, d) <
		    0 ||
	    sd_event_add_time_relative(d->loop, NULL, CLOCK_MONOTONIC, TICK_US, 10000, on_tick, d) <
		    0 ||
	    sd_event_add_time_relative(d->loop, NULL, CLOCK_MONOTONIC, WATCH_US, 10000, on_watch,
				       d) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "cannot watch the switch");
	return 0;
}
