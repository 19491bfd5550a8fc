/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user device: its life and its state.
 *
 * Owns its port at the gate, and what its front end set up. Messages are handled in
 * vhost/vdev_protocol.c, rings and memory in vhost/vdev_rings.c; the texts for the state are in
 * vhost/vdev_text.h. Runs on the gate's thread, but for alloc, open, destroy, status and
 * set_broken. Memory is one fixed struct per device, and what the vhost library takes for a memory
 * table. */
#include "vhost/vdev.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ring/ring_state.h"
#include "vhost/vdev_impl.h"
#include "vhost/vdev_text.h"

/* The limit of log lines about a port that its front end can provoke: a burst, then one per
 * interval. */
#define LINES_BURST    5
#define LINES_INTERVAL (10 * (uint64_t)CLOCK_NS_PER_S)

/* A guest should have booted by then: front ends share memory when the guest's driver starts. */
#define STUCK_S 30

/* --- state ---------------------------------------------------------------------------------------
 */

static void set_state(struct vdev *dev, enum vdev_state state, const char *text)
{
	bool changed;

	pthread_mutex_lock(&dev->lock);
	changed = dev->status.state != state || strcmp(dev->status.text, text) != 0;
	if (dev->status.state != state || dev->status.since_ns == 0)
		dev->status.since_ns = clock_now_ns();
	dev->status.state = state;
	snprintf(dev->status.text, sizeof(dev->status.text), "%s", text);
	/* The lock is held, so that the last state is reported last. */
	if (changed)
		dev->changed(dev->ctx, state, text);
	pthread_mutex_unlock(&dev->lock);
}

static void set_waiting(struct vdev *dev, const char *last)
{
	char text[VDEV_TEXT_SIZE];

	vdev_text_waiting(text, dev->socket.is_client, last);
	pthread_mutex_lock(&dev->lock);
	dev->status.features = 0;
	dev->status.usable = 0;
	dev->status.mtu = 0;
	dev->status.has_memory = false;
	dev->broken[0] = '\0';
	dev->misplaced[0] = '\0';
	dev->last_refused[0] = '\0';
	pthread_mutex_unlock(&dev->lock);
	set_state(dev, VDEV_WAITING, text);
}

static void describe_negotiation(const struct vdev *dev, char text[VDEV_TEXT_SIZE])
{
	unsigned known = 0, enabled = 0;

	for (unsigned i = 0; i < dev->n_rings; i++) {
		known += dev->ring[i].is_started;
		enabled += dev->ring[i].is_started && dev->ring[i].is_enabled;
	}
	vdev_text_negotiating(text, dev->lib != NULL, known, enabled);
}

void vdev_update_state(struct vdev *dev)
{
	char text[VDEV_TEXT_SIZE], refused[sizeof(dev->last_refused)];
	enum vdev_state state = VDEV_UP;
	uint16_t usable = dev->kind->describe(dev, text);

	pthread_mutex_lock(&dev->lock);
	dev->status.features = dev->features;
	dev->status.usable = usable;
	dev->status.has_memory = dev->lib != NULL;
	if (dev->broken[0] || dev->misplaced[0]) {
		state = VDEV_DOWN;
		vdev_text_down(text, dev->broken[0] ? dev->broken : dev->misplaced);
	}
	memcpy(refused, dev->last_refused, sizeof(refused));
	pthread_mutex_unlock(&dev->lock);

	if (state == VDEV_UP && usable > 0) {
		dev->was_up = true;
	} else if (state == VDEV_UP && dev->was_up) {
		state = VDEV_DOWN;
		vdev_text_down(text, "the guest is paused, or its driver stopped the rings");
	} else if (state == VDEV_UP && refused[0]) {
		state = VDEV_DOWN;
		vdev_text_down(text, "not set up yet");
	} else if (state == VDEV_UP) {
		state = VDEV_NEGOTIATING;
		describe_negotiation(dev, text);
	}
	vdev_text_add_refused(text, refused);
	set_state(dev, state, text);
}

/* --- the gate's calls ----------------------------------------------------------------------------
 */

static void on_connected(void *ctx)
{
	struct vdev *dev = ctx;

	dev->is_connected = true;
	pthread_mutex_lock(&dev->lock);
	dev->status.connects++;
	pthread_mutex_unlock(&dev->lock);
	vdev_update_state(dev);
}

static bool on_message(void *ctx, struct front_end *fe, struct err *e)
{
	return vdev_message(ctx, fe, e);
}

static void on_gone(void *ctx, const char *why)
{
	struct vdev *dev = ctx;
	const char *last = dev->was_up ? "front end disconnected"
				       : "front end hung up while negotiating";
	char reason[VDEV_TEXT_SIZE / 2];

	if (why) {
		snprintf(reason, sizeof(reason), "%s", why);
		last = reason;
	}
	vdev_stop(dev);
	vdev_forget(dev);
	dev->is_connected = false;
	set_waiting(dev, last);
}

static void on_turned_away(void *ctx, bool no_descriptors)
{
	struct vdev *dev = ctx;
	char others[48] = "";
	uint64_t more = 0;
	bool tell;

	pthread_mutex_lock(&dev->lock);
	dev->status.turned_away++;
	tell = pace_allows(&dev->log_pace, clock_now_ns(), &more);
	pthread_mutex_unlock(&dev->lock);
	if (more > 0)
		snprintf(others, sizeof(others), ", after %" PRIu64 " others", more);
	if (tell)
		log_warn("port socket %s: refused a %s%s", dev->socket.path,
			 no_descriptors ? "front end: no descriptors to spare (RLIMIT_NOFILE)"
					: "second front end",
			 others);
	if (no_descriptors && !dev->is_connected)
		set_waiting(dev, "front end refused: no descriptors to spare (RLIMIT_NOFILE)");
}

static void on_file_lost(void *ctx, const char *why)
{
	struct vdev *dev = ctx;
	char last[VDEV_TEXT_SIZE / 2];
	bool tell;

	pthread_mutex_lock(&dev->lock);
	tell = pace_allows(&dev->log_pace, clock_now_ns(), NULL);
	pthread_mutex_unlock(&dev->lock);
	if (tell)
		log_warn("port socket %s: its file was removed%s%s", dev->socket.path,
			 why ? " and cannot be made again: " : ", and is made again",
			 why ? why : "");
	if (dev->is_connected)
		return;
	snprintf(last, sizeof(last), "its file was removed, and cannot be made: %.70s",
		 why ? why : "");
	set_waiting(dev, why ? last : NULL);
}

static const struct gate_ops gate_ops = {
	.connected = on_connected,
	.message = on_message,
	.gone = on_gone,
	.turned_away = on_turned_away,
	.file_lost = on_file_lost,
};

/* --- control -------------------------------------------------------------------------------------
 */

static void free_device(struct vdev *dev)
{
	ring_state_release(dev->places);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

void *vdev_alloc(size_t bytes, struct err *e)
{
	void *dev;

	bytes = (bytes + 63) & ~63UL;
	dev = aligned_alloc(64, bytes);
	if (dev)
		return memset(dev, 0, bytes);
	err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	return NULL;
}

struct vdev *vdev_open(struct vdev *dev, struct gate *gate, const struct gate_port_conf *socket,
		       struct err *e)
{
	dev->socket = *socket;
	pthread_mutex_init(&dev->lock, NULL);
	pace_init(&dev->log_pace, LINES_BURST, LINES_INTERVAL);
	for (unsigned i = 0; i < dev->n_rings; i++)
		dev->ring[i].kick_fd = dev->ring[i].call_fd = -1;
	dev->places = ring_state_claim(socket->path);
	set_waiting(dev, NULL);
	dev->port = gate_open(gate, socket, &gate_ops, dev, e);
	if (dev->port)
		return dev;
	free_device(dev);
	return NULL;
}

void vdev_destroy(struct vdev *dev)
{
	if (!dev)
		return;
	gate_close(dev->port);
	free_device(dev);
}

void vdev_status(struct vdev *dev, struct vdev_status *status)
{
	uint64_t for_s;

	pthread_mutex_lock(&dev->lock);
	*status = dev->status;
	for_s = (clock_now_ns() - status->since_ns) / CLOCK_NS_PER_S;
	if (status->state == VDEV_NEGOTIATING && !status->has_memory && for_s >= STUCK_S)
		vdev_text_stuck(status->text, for_s, dev->kind->driver);
	status->is_broken = dev->broken[0] != '\0';
	status->is_refused = dev->misplaced[0] != '\0';
	pthread_mutex_unlock(&dev->lock);
}

void vdev_set_broken(struct vdev *dev, const char *why)
{
	char text[VDEV_TEXT_SIZE];

	pthread_mutex_lock(&dev->lock);
	snprintf(dev->broken, sizeof(dev->broken), "%s", why);
	pthread_mutex_unlock(&dev->lock);
	vdev_text_down(text, why);
	set_state(dev, VDEV_DOWN, text);
}
