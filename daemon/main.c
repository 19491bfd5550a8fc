/* SPDX-License-Identifier: BSD-3-Clause */
/* stintd: an init ladder, the control thread's loop, and the ladder down again. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/fd_limit.h"
#include "base/log.h"
#include "base/wake_latency.h"
#include "pkt/pool.h"
#include "rpc/server.h"
#include "rpc_schema.h"
#include "vhost/gate.h"
#include "ring/ring_state.h"
#include "ring/guest_fd.h"
#include "ring/sigbus.h"
#include "vhost/vdev_text.h"
#include "vhost/vhost_lib.h"
#include "control/budget_watch.h"
#include "control/config.h"
#include "daemon/eal.h"
#include "control/mailbox.h"
#include "daemon/options.h"
#include "daemon/privileges.h"
#include "control/refused.h"
#include "control/ring_watch.h"

#define TICK_US  1000000
#define WATCH_US (WATCH_INTERVAL_MS * 1000)

struct daemon {
	struct options options;
	struct rpc_ctx ctx;
	sd_event *loop;
	struct rpc_server *server;
};

/* --- what the loop calls -----------------------------------------------------------------------
 */

/* Tries to save what could not be saved, or has changed. The first failure and the end of failing
 * are events. */
static int save(struct daemon *d, struct err *e)
{
	struct rpc_ctx *ctx = &d->ctx;
	bool was_unsaved = ctx->unsaved[0];
	unsigned calls;
	int ret;

	if (!ctx->config_file)
		return 0;
	ret = config_save(ctx, ctx->config_file, &calls, e);
	snprintf(ctx->unsaved, sizeof(ctx->unsaved), "%.*s", (int)sizeof(ctx->unsaved) - 1,
		 ret < 0 ? e->text : "");
	if (ret < 0 && !was_unsaved) {
		log_error("%s: in force, but not saved", e->text);
		rpc_server_event(d->server, "config_unsaved", json_pack("{s:s}", "text", e->text));
	} else if (ret == 0 && was_unsaved) {
		log_info("configuration %s: saved again", ctx->config_file);
		rpc_server_event(d->server, "config_saved",
				 json_pack("{s:s}", "file", ctx->config_file));
	}
	return ret;
}

/* After each change, before it is answered: the file holds what the answer says. */
static int on_mutation(struct rpc_ctx *ctx, struct err *e)
{
	return save((struct daemon *)((char *)ctx - offsetof(struct daemon, ctx)), e);
}

/* --- ports -------------------------------------------------------------------------------------
 */

/* A front end may change a port's state as often as it likes: a few changes are told at once, then
 * one in so much time. */
#define CHANGES_BURST    10
#define CHANGES_INTERVAL (5 * CLOCK_NS_PER_S)

static void tell_state(struct daemon *d, struct port *port, const struct vdev_status *st)
{
	uint64_t left_out = 0;
	char others[64] = "";
	json_t *fields;

	port->is_untold = !pace_allows(&port->changes, clock_now_ns(), &left_out);
	if (port->is_untold)
		return;
	port->told = st->state;
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

/* The words may change within a state, while rings are set up one by one: that is no event. */
static void on_change(struct daemon *d, struct port *port)
{
	struct vdev_status st;

	if (port->changes.burst == 0) {
		pace_init(&port->changes, CHANGES_BURST, CHANGES_INTERVAL);
		pace_init(&port->breaks, CHANGES_BURST, CHANGES_INTERVAL);
	}
	vdev_status(port->dev, &st);
	if (port->told != st.state)
		tell_state(d, port, &st);
	tell_broken(d, port, &st);
}

/* Control is not to be kept from its other work by ports that change all the time. */
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

/* A front end that shares no memory is nothing unusual for as long as a guest boots. */
#define NOT_READY_S 30

static void look_at_port(struct daemon *d, struct port *port)
{
	struct vdev_status st;
	uint64_t for_s;

	if (port->is_untold) {
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

/* A timer goes off once, unless it is told to again. */
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
			json_object_set_new(reasons, drop_reason_text(ring_watch_reason(i)),
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
	TAILQ_FOREACH (port, &d->ctx.sw->ports, link)
		look_at_port(d, port);
	if (d->ctx.unsaved[0])
		save(d, &e);
	ring_watch(d->ctx.sw, tell_hostile, d);
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
	budget_watch(d->ctx.sw, tell_budget, d);
	return again(s, WATCH_US);
}

/* Daemons reload on it: there is nothing that is read but at start. */
static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	(void)s;
	(void)si;
	(void)userdata;
	log_info("SIGHUP: nothing to reload");
	return 0;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	(void)userdata;
	log_info("stopping on signal %u", si->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

/* --- the ladder --------------------------------------------------------------------------------
 */

static int open_loop(struct daemon *d, struct err *e)
{
	sigset_t set;

	/* Blocked before any thread is made: only the loop takes them. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (sd_event_new(&d->loop) < 0 ||
	    sd_event_add_signal(d->loop, NULL, SIGTERM, on_signal, d) < 0 ||
	    sd_event_add_signal(d->loop, NULL, SIGINT, on_signal, d) < 0 ||
	    sd_event_add_signal(d->loop, NULL, SIGHUP, on_hangup, d) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "cannot make an event loop");
	return 0;
}

static int open_server(struct daemon *d, struct err *e)
{
	const struct rpc_server_conf conf = {
		.path = d->options.socket,
		.read_only_path = d->options.readonly_socket,
		.group = d->options.socket_group,
		.methods = rpc_methods,
		.n_methods = rpc_n_methods,
		.ctx = &d->ctx,
		.on_mutation = on_mutation,
	};

	d->server = rpc_server_create(d->loop, &conf, e);
	return d->server ? 0 : -1;
}

/* Held until the process ends, by whatever end. */
static int hold_wake_latency(const struct options *o, struct err *e)
{
	if (o->wake_latency_us < 0)
		return 0;
	if (wake_latency_hold((unsigned)o->wake_latency_us, e) < 0)
		return -1;
	log_info("idle cores of this machine wake up within %d us, while this process lives",
		 o->wake_latency_us);
	return 0;
}

static int open_switch(struct daemon *d, struct err *e)
{
	const struct sched_conf sched = {
		.tsc_hz = rte_get_tsc_hz(),
		.slice_us = SCHED_DEFAULT_SLICE_US,
		.mode = SCHED_DEFAULT_MODE,
	};
	const struct eal_conf *eal = &d->options.eal;

	d->ctx.sw = switch_create(eal->worker_core, eal->n_workers, &sched, e);
	if (!d->ctx.sw || vhost_lib_init(d->options.socket, e) < 0)
		return -1;
	d->ctx.sw->gate = gate_create(e);
	return d->ctx.sw->gate ? 0 : -1;
}

static int watch_switch(struct daemon *d, struct err *e)
{
	if (sd_event_add_io(d->loop, NULL, mailbox_fd(d->ctx.sw->mailbox), EPOLLIN, on_mail, d) <
		    0 ||
	    sd_event_add_time_relative(d->loop, NULL, CLOCK_MONOTONIC, TICK_US, 10000, on_tick, d) <
		    0 ||
	    sd_event_add_time_relative(d->loop, NULL, CLOCK_MONOTONIC, WATCH_US, 10000, on_watch,
				       d) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "cannot watch the switch");
	return 0;
}

static void tell_refused(void *ctx, const json_t *call, const char *why)
{
	struct daemon *d = ctx;
	const json_t *name = json_object_get(json_object_get(call, "params"), "name");

	rpc_server_event(d->server, "object_refused",
			 json_pack("{s:O?, s:O?, s:s}", "method", json_object_get(call, "method"),
				   "name", name, "text", why));
}

/* What of the configuration is not as it was asked for. */
static void tell_incomplete(struct daemon *d)
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

static int run(struct daemon *d, struct err *e)
{
	if (config_start(&d->ctx, e) < 0 || watch_switch(d, e) < 0)
		return -1;
	tell_incomplete(d);
	log_info("stintd " STINT_VERSION " is ready, JSON-RPC on %s", d->options.socket);
	sd_notify(0, "READY=1");
	sd_event_loop(d->loop);
	sd_notify(0, "STOPPING=1");
	return 0;
}

/* Beside the socket, where the lock keeps other instances out. Without it packed rings come to a
 * halt when this process ends and another one takes over; everything else works. */
static void open_ring_state(const char *socket)
{
	struct err e = {0};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s.rings", socket);
	if (ring_state_open(path, &e) < 0)
		log_warn("%s", e.text);
}

static int run_with_switch(struct daemon *d, struct err *e)
{
	int ret;

	open_ring_state(d->options.socket);
	if (open_switch(d, e) < 0)
		return -1;
	ret = switch_start(d->ctx.sw, e);
	return ret < 0 ? ret : run(d, e);
}

/* Guests take memory away, and what they are notified through. */
static int prepare_for_guests(struct err *e)
{
	int rc;

	if (sigbus_init() < 0)
		return err_set(e, ERR_INTERNAL, NULL, "cannot handle SIGBUS");
	rc = guest_fd_init();
	if (rc < 0)
		return err_set(e, ERR_INTERNAL, NULL,
			       "no asynchronous I/O to notify guests with (io_setup, see "
			       "fs.aio-max-nr): %s",
			       strerror(-rc));
	return 0;
}

static int run_with_server(struct daemon *d, struct err *e)
{
	int ret = -1;

	if (privileges_drop(e) < 0)
		ret = -1;
	else if (log_start() == 0 && eal_init(&d->options.eal, "stintd", e) == 0) {
		privileges_lock_memory();
		pool_configure(d->options.memory_mib << 20, d->options.no_huge);
		ret = prepare_for_guests(e);
		if (ret == 0)
			ret = run_with_switch(d, e);
		/* Clients are gone before what their requests work on. */
		rpc_server_destroy(d->server);
		d->server = NULL;
		switch_destroy(d->ctx.sw);
		vhost_lib_uninit();
		eal_uninit();
	}
	rpc_server_destroy(d->server);
	return ret;
}

int main(int argc, char **argv)
{
	struct daemon d = {0};
	struct err e = {0};
	int ret;

	switch (options_parse(argc, argv, &d.options, &e)) {
	case OPTIONS_EXIT:
		return 0;
	case OPTIONS_BAD:
		fprintf(stderr, "stintd: %s\n", e.text);
		return 2;
	case OPTIONS_RUN:
		break;
	}
	d.ctx.started_ns = clock_now_ns();
	d.ctx.refused = refused_create();
	d.ctx.config_file = d.options.config;
	fd_limit_raise();
	ret = open_loop(&d, &e);
	/* First of all the socket and its lock: a second instance ends here. */
	if (ret == 0)
		ret = open_server(&d, &e);
	if (ret == 0)
		ret = hold_wake_latency(&d.options, &e);
	if (ret == 0)
		ret = run_with_server(&d, &e);
	refused_destroy(d.ctx.refused);
	sd_event_unref(d.loop);
	if (ret < 0)
		log_error("%s", e.text);
	else
		log_info("stopped");
	log_stop();
	return ret < 0;
}
