/* SPDX-License-Identifier: BSD-3-Clause */
/* stintd: an init ladder, the control thread's loop, and the ladder down again. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/fd_limit.h"
#include "base/log.h"
#include "base/wake_latency.h"
#include "control/capture.h"
#include "control/config.h"
#include "control/refused.h"
#include "control/security.h"
#include "control/tunnel.h"
#include "daemon/daemon.h"
#include "daemon/eal.h"
#include "daemon/events.h"
#include "daemon/privileges.h"
#include "pkt/pool.h"
#include "ring/guest_fd.h"
#include "ring/ring_state.h"
#include "ring/sigbus.h"
#include "rpc/server.h"
#include "rpc_schema.h"
#include "tunnel/xdp.h"
#include "tunnel/xdp_record.h"
#include "vhost/gate.h"
#include "vhost/vhost_lib.h"

/* --- what the loop calls -----------------------------------------------------------------------
 */

/* Saves changes before they are answered, so that the disk holds what the answers say. */
static int on_save(struct rpc_ctx *ctx, struct err *e)
{
	return events_save((struct daemon *)((char *)ctx - offsetof(struct daemon, ctx)), e);
}

/* SIGHUP reloads other daemons. This one reads its configuration at start only. */
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

	/* Signals are blocked before any thread is created, so that only the loop gets them. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* When the configuration exceeds the file size limit, saving it is to fail, not to end the
	 * process. */
	signal(SIGXFSZ, SIG_IGN);
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
		.changed = config_note,
		.save = on_save,
	};

	d->server = rpc_server_create(d->loop, &conf, e);
	return d->server ? 0 : -1;
}

/* Sets the wake-up latency limit, which lasts until the process ends, however it ends. */
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

/* Makes uplinks possible. The record of XDP programs is beside the socket, as the file of rings. */
static int open_tunnel(struct daemon *d, struct err *e)
{
	char path[PATH_MAX];

	if (!d->options.uplinks)
		return 0;
	snprintf(path, sizeof(path), "%s.xdp", d->options.socket);
	xdp_init();
	xdp_record_open(path);
	d->ctx.sw->tunnel = tunnel_create(d->options.blocking_uplinks, e);
	return d->ctx.sw->tunnel ? 0 : -1;
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
	security_set_memory(d->ctx.sw, d->options.connections_mib << 20);
	d->ctx.sw->recordings = recordings_create(d->options.capture_dir, e);
	if (!d->ctx.sw->recordings)
		return -1;
	d->ctx.sw->gate = gate_create(e);
	return d->ctx.sw->gate ? open_tunnel(d, e) : -1;
}

/* Opens the file of packed rings' positions. It is beside the socket, whose lock keeps other
 * instances out. Without it, packed rings stall when another process takes over from this one;
 * everything else works. */
static void open_ring_state(const char *socket)
{
	struct err e = {0};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s.rings", socket);
	if (ring_state_open(path, &e) < 0)
		log_warn("%s", e.text);
}

/* Prepares for guests that take away their memory, or block what they are notified through. */
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

/* Serves until a signal ends it. */
static int run(struct daemon *d, struct err *e)
{
	struct err unsaved;

	if (config_start(&d->ctx, e) < 0 || events_watch(d, e) < 0)
		return -1;
	events_save(d, &unsaved); /* a failure is logged there */
	events_tell_incomplete(d);
	log_info("stintd " STINT_VERSION " is ready, JSON-RPC on %s", d->options.socket);
	sd_notify(0, "READY=1");
	sd_event_loop(d->loop);
	sd_notify(0, "STOPPING=1");
	if (config_close(&d->ctx, &unsaved) < 0)
		log_error("%s", unsaved.text);
	return 0;
}

/* Starts everything, from the socket, whose lock turns a second instance away, up to the switch;
 * runs; and takes it all down again. */
static int run_ladder(struct daemon *d, struct err *e)
{
	bool has_eal = false;
	int ret = -1;

	if (open_loop(d, e) < 0 || open_server(d, e) < 0 || hold_wake_latency(&d->options, e) < 0 ||
	    privileges_drop(d->options.uplinks, e) < 0 || log_start() < 0 ||
	    eal_init(&d->options.eal, "stintd", e) < 0)
		goto down;
	has_eal = true;
	privileges_lock_memory();
	pool_configure(d->options.memory_mib << 20, d->options.no_huge);
	open_ring_state(d->options.socket);
	if (prepare_for_guests(e) < 0 || open_switch(d, e) < 0 || switch_start(d->ctx.sw, e) < 0)
		goto down;
	ret = run(d, e);
down:
	/* Clients are disconnected before the objects that their requests use are freed. */
	rpc_server_destroy(d->server);
	if (has_eal) {
		switch_destroy(d->ctx.sw);
		vhost_lib_uninit();
		eal_uninit();
	}
	sd_event_unref(d->loop);
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
	d.ctx.config_file = d.options.config;
	d.ctx.refused = refused_create();
	fd_limit_raise();
	ret = run_ladder(&d, &e);
	refused_destroy(d.ctx.refused);
	if (ret < 0)
		log_error("%s", e.text);
	else
		log_info("stopped");
	log_stop();
	return ret < 0;
}
