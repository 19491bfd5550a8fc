/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user device: its life and its state.
 *
 * Owns its port at the gate, what its front end said, and its queue pairs. What a front end says is
 * handled in vhost/vdev_protocol.c, rings and memory are in vhost/vdev_rings.c; the words for the
 * state are in vhost/vdev_text.h. Runs on the gate's thread, but for create, destroy and status.
 * Memory is one fixed struct per device, and what the vhost library takes for a memory table. */
#include "vhost/vdev.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_vhost.h>

#include "base/clock.h"
#include "base/log.h"
#include "ring/ring_state.h"
#include "vhost/vdev_impl.h"
#include "vhost/vdev_text.h"

#define BIT(n) (1ULL << (n))

/* Lines about one port that its front end can provoke: a few at once, then one in so much time. */
#define LINES_BURST    5
#define LINES_INTERVAL (10 * (uint64_t)CLOCK_NS_PER_S)

/* Front ends share memory when the guest's driver starts: by then it should have booted. */
#define STUCK_S 30

/* Offered by the library but not by our rings: UFO and ECN segmentation, translated addresses,
 * dirty logging. */
#define FEATURES_MASKED                                                                          \
	(BIT(VIRTIO_NET_F_HOST_UFO) | BIT(VIRTIO_NET_F_GUEST_UFO) | BIT(VIRTIO_NET_F_HOST_ECN) | \
	 BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VHOST_F_LOG_ALL))

uint64_t vdev_offered_features(void)
{
	return vhost_lib_net_features() & ~FEATURES_MASKED;
}

uint64_t vdev_offered_protocol(void)
{
	return BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
	       BIT(VHOST_USER_PROTOCOL_F_NET_MTU) | BIT(VHOST_USER_PROTOCOL_F_STATUS);
}

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
	/* With the lock, so that the last state is told last. */
	if (changed)
		dev->ops->changed(dev->ctx, state, text);
	pthread_mutex_unlock(&dev->lock);
}

static void set_waiting(struct vdev *dev, const char *last)
{
	char text[VDEV_TEXT_SIZE];

	vdev_text_waiting(text, dev->conf.socket.is_client, last);
	pthread_mutex_lock(&dev->lock);
	dev->status.features = 0;
	dev->status.pairs = 0;
	dev->status.mtu = 0;
	dev->status.has_memory = false;
	dev->broken[0] = '\0';
	dev->misplaced[0] = '\0';
	dev->last_refused[0] = '\0';
	pthread_mutex_unlock(&dev->lock);
	set_state(dev, VDEV_WAITING, text);
}

static uint16_t usable_pairs(const struct vdev *dev)
{
	uint16_t n = 0;

	for (uint16_t k = 0; k < dev->n_used; k++)
		n += dev->pair[k].rx_on || (dev->pair[k].tx_on && !dev->pair[k].tx_discard);
	return n;
}

static void describe_negotiation(const struct vdev *dev, char text[VDEV_TEXT_SIZE])
{
	unsigned known = 0, enabled = 0;

	for (unsigned i = 0; i < VDEV_MAX_RINGS; i++) {
		known += dev->ring[i].is_started;
		enabled += dev->ring[i].is_started && dev->ring[i].is_enabled;
	}
	vdev_text_negotiating(text, dev->lib != NULL, known, enabled);
}

void vdev_update_state(struct vdev *dev)
{
	char text[VDEV_TEXT_SIZE] = "", refused[sizeof(dev->last_refused)];
	enum vdev_state state;
	uint16_t pairs = usable_pairs(dev);

	pthread_mutex_lock(&dev->lock);
	dev->status.features = dev->features;
	dev->status.pairs = pairs;
	dev->status.has_memory = dev->lib != NULL;
	if (dev->broken[0] || dev->misplaced[0])
		vdev_text_down(text, dev->broken[0] ? dev->broken : dev->misplaced);
	memcpy(refused, dev->last_refused, sizeof(refused));
	pthread_mutex_unlock(&dev->lock);

	state = text[0] ? VDEV_DOWN : VDEV_UP;
	if (!text[0] && pairs > 0) {
		dev->was_up = true;
		vdev_text_up(text, pairs, dev->features);
	} else if (!text[0] && dev->was_up) {
		state = VDEV_DOWN;
		vdev_text_down(text, "the guest is paused, or its driver stopped the rings");
	} else if (!text[0] && refused[0]) {
		state = VDEV_DOWN;
		vdev_text_down(text, "not set up yet");
	} else if (!text[0]) {
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
	tell = pace_allows(&dev->told, clock_now_ns(), &more);
	pthread_mutex_unlock(&dev->lock);
	if (more > 0)
		snprintf(others, sizeof(others), ", after %" PRIu64 " others", more);
	if (tell)
		log_warn("port socket %s: refused a %s%s", dev->conf.socket.path,
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
	tell = pace_allows(&dev->told, clock_now_ns(), NULL);
	pthread_mutex_unlock(&dev->lock);
	if (tell)
		log_warn("port socket %s: its file was removed%s%s", dev->conf.socket.path,
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

struct vdev *vdev_create(struct gate *gate, const struct vdev_conf *conf,
			 const struct vdev_ops *ops, void *ctx, struct err *e)
{
	struct vdev *dev = aligned_alloc(64, (sizeof(*dev) + 63) & ~63UL);

	if (!dev) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	memset(dev, 0, sizeof(*dev));
	dev->conf = *conf;
	dev->ops = ops;
	dev->ctx = ctx;
	pthread_mutex_init(&dev->lock, NULL);
	pace_init(&dev->told, LINES_BURST, LINES_INTERVAL);
	for (unsigned i = 0; i < VDEV_MAX_RINGS; i++)
		dev->ring[i].kick_fd = dev->ring[i].call_fd = -1;
	dev->places = ring_state_claim(conf->socket.path);
	set_waiting(dev, NULL);
	dev->port = gate_open(gate, &conf->socket, &gate_ops, dev, e);
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
		vdev_text_stuck(status->text, for_s);
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
