/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user device.
 *
 * Owns: the registration of its path with the vhost library, its queue pairs and the snapshot of
 * guest memory that they use. What a front end sends is judged in vhost/vdev_input.h; the words for
 * the state are in vhost/vdev_text.h. Runs on the vhost library's event thread, but for create,
 * destroy and status. Memory is one fixed struct per device. */
#include "vhost/vdev.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_vhost.h>

#include "base/log.h"
#include "vhost/ring_state.h"
#include "vhost/unixsock.h"
#include "vhost/vdev_input.h"
#include "vhost/vdev_text.h"

#define READ_TIMEOUT_MS 100

/* Offered by the library but not by our rings: UFO and ECN segmentation, translated addresses,
 * dirty logging. */
#define FEATURES_MASKED                                                   \
	(1ULL << VIRTIO_NET_F_HOST_UFO | 1ULL << VIRTIO_NET_F_GUEST_UFO | \
	 1ULL << VIRTIO_NET_F_HOST_ECN | 1ULL << VIRTIO_NET_F_GUEST_ECN | \
	 1ULL << VIRTIO_F_IOMMU_PLATFORM | 1ULL << VHOST_F_LOG_ALL)

#define PROTOCOL_OFFERED                                                                \
	(1ULL << VHOST_USER_PROTOCOL_F_MQ | 1ULL << VHOST_USER_PROTOCOL_F_REPLY_ACK |   \
	 1ULL << VHOST_USER_PROTOCOL_F_NET_MTU | 1ULL << VHOST_USER_PROTOCOL_F_STATUS | \
	 1ULL << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD)

struct vdev {
	struct vdev_conf conf;
	struct vdev_ops ops;
	void *ctx;

	/* The vhost thread's, but for destroy. */
	int vid;      /* -1 while no front end is connected */
	bool running; /* between the library's new_device and destroy_device */
	bool with_worker;
	uint16_t used_pairs; /* pairs handed to the worker */
	bool enabled[2 * VDEV_MAX_PAIRS];
	struct ring_place *places; /* where packed rings stand, NULL when nobody keeps that */
	struct guest_mem mem;
	struct vdev_pair pair[VDEV_MAX_PAIRS];

	pthread_mutex_t lock; /* of what follows */
	struct vdev_status status;
	struct log_pace refusals;
	char broken[96];
};

/* Devices by vid and by path, for the library's callbacks, which know nothing else. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vdev *by_vid[RTE_MAX_VHOST_DEVICE];
static struct vdev *registered[RTE_MAX_VHOST_DEVICE];

static struct vdev *vdev_of(int vid)
{
	struct vdev *dev;

	pthread_mutex_lock(&table_lock);
	dev = vid >= 0 && vid < RTE_MAX_VHOST_DEVICE ? by_vid[vid] : NULL;
	pthread_mutex_unlock(&table_lock);
	return dev;
}

static int table_add(struct vdev *dev)
{
	int ret = -ENOSPC;

	pthread_mutex_lock(&table_lock);
	for (int i = 0; i < RTE_MAX_VHOST_DEVICE && ret < 0; i++) {
		if (!registered[i]) {
			registered[i] = dev;
			ret = 0;
		}
	}
	pthread_mutex_unlock(&table_lock);
	return ret;
}

static void table_remove(const struct vdev *dev)
{
	pthread_mutex_lock(&table_lock);
	for (int i = 0; i < RTE_MAX_VHOST_DEVICE; i++) {
		if (registered[i] == dev)
			registered[i] = NULL;
		if (by_vid[i] == dev)
			by_vid[i] = NULL;
	}
	pthread_mutex_unlock(&table_lock);
}

/* --- state ------------------------------------------------------------------------------------
 */

static void set_state(struct vdev *dev, enum vdev_state state, const char *text)
{
	bool changed;

	pthread_mutex_lock(&dev->lock);
	changed = dev->status.state != state || strcmp(dev->status.text, text) != 0;
	dev->status.state = state;
	snprintf(dev->status.text, sizeof(dev->status.text), "%s", text);
	/* With the lock, so that the last state is told last. */
	if (changed)
		dev->ops.changed(dev->ctx, state, text);
	pthread_mutex_unlock(&dev->lock);
}

static void set_waiting(struct vdev *dev, const char *last)
{
	char text[VDEV_TEXT_SIZE];

	vdev_text_waiting(text, dev->conf.is_client, last);
	pthread_mutex_lock(&dev->lock);
	dev->status.features = 0;
	dev->status.pairs = 0;
	dev->status.mtu = 0;
	pthread_mutex_unlock(&dev->lock);
	set_state(dev, VDEV_WAITING, text);
}

static void set_negotiating(struct vdev *dev)
{
	unsigned ready = 0, vrings = rte_vhost_get_vring_num(dev->vid);
	char text[VDEV_TEXT_SIZE];

	for (unsigned i = 0; i < 2 * VDEV_MAX_PAIRS; i++)
		ready += dev->enabled[i];
	vdev_text_negotiating(text, vrings, ready);
	set_state(dev, VDEV_NEGOTIATING, text);
}

static void update_state(struct vdev *dev)
{
	uint64_t features = 0;
	char text[VDEV_TEXT_SIZE] = "";

	if (dev->vid < 0)
		return;
	rte_vhost_get_negotiated_features(dev->vid, &features);
	pthread_mutex_lock(&dev->lock);
	dev->status.features = features;
	dev->status.pairs = dev->used_pairs;
	if (dev->broken[0])
		snprintf(text, sizeof(text), "down: %s", dev->broken);
	pthread_mutex_unlock(&dev->lock);

	if (text[0]) {
		set_state(dev, VDEV_DOWN, text);
	} else if (dev->used_pairs > 0) {
		vdev_text_up(text, dev->used_pairs, features);
		set_state(dev, VDEV_UP, text);
	} else if (dev->status.state == VDEV_UP || dev->status.state == VDEV_DOWN) {
		set_state(dev, VDEV_DOWN, "down: the guest's driver stopped the rings");
	} else {
		set_negotiating(dev);
	}
}

/* --- rings to and from the worker --------------------------------------------------------------
 */

static void save_base(struct vdev *dev, uint16_t queue, const struct virtq *vring)
{
	uint16_t avail, used;

	vring_get_base(vring, &avail, &used);
	rte_vhost_set_vring_base(dev->vid, queue, avail, used);
}

static void take_back(struct vdev *dev)
{
	if (!dev->with_worker)
		return;
	dev->ops.pause(dev->ctx);
	dev->with_worker = false;
	for (uint16_t i = 0; i < dev->used_pairs; i++) {
		struct vdev_pair *p = &dev->pair[i];

		if (p->rx_on)
			save_base(dev, 2 * i, &p->rx);
		if (p->tx_on)
			save_base(dev, 2 * i + 1, &p->tx);
		p->rx_on = false;
		p->tx_on = false;
	}
	dev->used_pairs = 0;
}

/* What keeps a device from its worker until the front end says something else. */
static void note_broken(struct vdev *dev, const char *why)
{
	pthread_mutex_lock(&dev->lock);
	snprintf(dev->broken, sizeof(dev->broken), "%.*s", (int)sizeof(dev->broken) - 1, why);
	pthread_mutex_unlock(&dev->lock);
}

static bool snapshot_memory(struct vdev *dev)
{
	struct rte_vhost_memory *table = NULL;
	struct err e = {0};

	if (rte_vhost_get_mem_table(dev->vid, &table) < 0)
		return false;
	if (vdev_input_memory(table, &dev->mem, &e) < 0)
		note_broken(dev, e.text);
	free(table);
	return dev->mem.n > 0;
}

/* Opens one ring from what the library knows of it; false when it is not usable yet. */
static bool open_ring(struct vdev *dev, uint16_t queue, uint64_t features, struct virtq *vring,
		      int *kick_fd)
{
	struct rte_vhost_vring v;
	struct vring_conf conf = {.features = features, .mem = &dev->mem};
	struct err e = {0};

	if (!dev->enabled[queue] || rte_vhost_get_vhost_vring(dev->vid, queue, &v) < 0)
		return false;
	if (!v.desc || !v.avail || !v.used || v.size == 0)
		return false;
	if (vdev_input_eventfds(queue, &v, &e) < 0) {
		note_broken(dev, e.text);
		return false;
	}
	if (rte_vhost_get_vring_base(dev->vid, queue, &conf.last_avail, &conf.last_used) < 0)
		return false;
	conf.desc = v.desc; /* the library's unions: packed rings share these three */
	conf.avail = v.avail;
	conf.used = v.used;
	conf.size = v.size;
	conf.call_fd = v.callfd;
	if (dev->places)
		ring_state_resume(&dev->places[queue], &conf);
	if (vring_open(vring, &conf) < 0)
		return false;
	if (kick_fd)
		*kick_fd = v.kickfd >= 0 ? v.kickfd : -1;
	return true;
}

static void hand_over(struct vdev *dev)
{
	uint64_t features = 0;
	uint16_t pairs, used = 0;

	if (dev->with_worker || !dev->running)
		return;
	/* What was wrong was about the rings and the memory that were there before. */
	pthread_mutex_lock(&dev->lock);
	dev->broken[0] = '\0';
	pthread_mutex_unlock(&dev->lock);
	pairs = rte_vhost_get_vring_num(dev->vid) / 2;
	if (pairs > dev->conf.max_pairs)
		pairs = dev->conf.max_pairs;
	rte_vhost_get_negotiated_features(dev->vid, &features);
	if (!snapshot_memory(dev))
		return;
	for (uint16_t i = 0; i < pairs; i++) {
		struct vdev_pair *p = &dev->pair[i];

		p->tx_kick_fd = -1;
		p->rx_on = open_ring(dev, 2 * i, features, &p->rx, NULL);
		p->tx_on = open_ring(dev, 2 * i + 1, features, &p->tx, &p->tx_kick_fd);
		if (p->rx_on || p->tx_on)
			used = i + 1;
	}
	if (dev->broken[0])
		return;
	dev->used_pairs = used;
	if (used > 0) {
		dev->with_worker = true;
		dev->ops.resume(dev->ctx, dev->pair, used);
	}
}

/* The library tells it once the device runs; front ends say it before or after. */
static void note_mtu(struct vdev *dev)
{
	uint16_t mtu;

	if (rte_vhost_get_mtu(dev->vid, &mtu) < 0)
		return;
	pthread_mutex_lock(&dev->lock);
	dev->status.mtu = mtu;
	pthread_mutex_unlock(&dev->lock);
}

/* --- the library's callbacks -------------------------------------------------------------------
 */

static int on_new_device(int vid)
{
	struct vdev *dev = vdev_of(vid);

	if (!dev)
		return -1;
	dev->running = true;
	hand_over(dev);
	note_mtu(dev);
	update_state(dev);
	return 0;
}

static void on_destroy_device(int vid)
{
	struct vdev *dev = vdev_of(vid);

	if (!dev)
		return;
	take_back(dev);
	dev->running = false;
	update_state(dev);
}

static int on_vring_state(int vid, uint16_t queue, int enable)
{
	struct vdev *dev = vdev_of(vid);

	if (!dev || queue >= 2 * VDEV_MAX_PAIRS || dev->enabled[queue] == !!enable)
		return 0;
	take_back(dev);
	dev->enabled[queue] = enable;
	hand_over(dev);
	update_state(dev);
	return 0;
}

static enum rte_vhost_msg_result before_message(int vid, void *msg)
{
	struct vdev *dev = vdev_of(vid);

	/* The library would say 128 whatever the port's limit. */
	if (dev && vdev_input_asks_queues(msg)) {
		vdev_input_answer_queues(msg, dev->conf.max_pairs);
		return RTE_VHOST_MSG_RESULT_REPLY;
	}
	if (dev && vdev_input_changes_rings(msg)) {
		take_back(dev);
		pthread_mutex_lock(&dev->lock);
		dev->status.messages++;
		pthread_mutex_unlock(&dev->lock);
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result after_message(int vid, void *msg)
{
	struct vdev *dev = vdev_of(vid);

	(void)msg;
	if (dev) {
		hand_over(dev);
		note_mtu(dev);
		update_state(dev);
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static void log_refusal(const char *path, struct log_pace *pace)
{
	char others[64] = "";
	struct timespec now;
	uint64_t more;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!log_pace_allows(pace, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
			     &more))
		return;
	if (more > 0)
		snprintf(others, sizeof(others), ", after %" PRIu64 " others", more);
	log_warn("port socket %s: refused a second front end%s", path, others);
}

static int on_new_connection(int vid)
{
	static const struct rte_vhost_user_extern_ops messages = {
		.pre_msg_handle = before_message,
		.post_msg_handle = after_message,
	};
	char path[PATH_MAX];
	struct vdev *dev = NULL;
	bool refused = false;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) < 0)
		return -1;
	pthread_mutex_lock(&table_lock);
	for (int i = 0; i < RTE_MAX_VHOST_DEVICE && !dev; i++)
		if (registered[i] && strcmp(registered[i]->conf.path, path) == 0)
			dev = registered[i];
	if (dev && dev->vid >= 0)
		refused = true;
	else if (dev) {
		dev->vid = vid;
		by_vid[vid] = dev;
	}
	pthread_mutex_unlock(&table_lock);
	if (!dev)
		return -1;

	pthread_mutex_lock(&dev->lock);
	if (refused) {
		dev->status.refused++;
		log_refusal(path, &dev->refusals);
	} else {
		dev->status.connects++;
	}
	pthread_mutex_unlock(&dev->lock);
	if (refused)
		return -1;
	unixsock_bound_blocking(path, dev->conf.is_client, READ_TIMEOUT_MS);
	rte_vhost_extern_callback_register(vid, &messages, NULL);
	memset(dev->enabled, 0, sizeof(dev->enabled));
	set_negotiating(dev);
	return 0;
}

static void on_destroy_connection(int vid)
{
	struct vdev *dev = vdev_of(vid);
	bool was_up;

	if (!dev)
		return;
	was_up = dev->running || dev->status.state == VDEV_DOWN;
	take_back(dev);
	dev->running = false;
	/* The next one's state is not about this one. */
	pthread_mutex_lock(&dev->lock);
	dev->broken[0] = '\0';
	pthread_mutex_unlock(&dev->lock);
	pthread_mutex_lock(&table_lock);
	by_vid[vid] = NULL;
	dev->vid = -1;
	pthread_mutex_unlock(&table_lock);
	set_waiting(dev, was_up ? "front end disconnected" : "front end hung up while negotiating");
}

static const struct rte_vhost_device_ops callbacks = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_vring_state,
	.new_connection = on_new_connection,
	.destroy_connection = on_destroy_connection,
};

/* --- control -----------------------------------------------------------------------------------
 */

static int register_device(struct vdev *dev, struct err *e)
{
	const char *path = dev->conf.path;
	uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;
	uint64_t protocol = 0;

	if (dev->conf.is_client)
		flags |= RTE_VHOST_USER_CLIENT;
	if (rte_vhost_driver_register(path, flags) < 0)
		return err_set(e, ERR_INTERNAL, "socket",
			       "socket '%s': the vhost library refused it", path);
	if (rte_vhost_driver_get_protocol_features(path, &protocol) < 0 ||
	    rte_vhost_driver_set_protocol_features(
		    path, (protocol | 1ULL << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) &
				  PROTOCOL_OFFERED) < 0 ||
	    rte_vhost_driver_disable_features(path, FEATURES_MASKED) < 0 ||
	    rte_vhost_driver_callback_register(path, &callbacks) < 0 ||
	    rte_vhost_driver_start(path) < 0) {
		rte_vhost_driver_unregister(path);
		return err_set(e, ERR_INVALID, "socket", "socket '%s': cannot %s", path,
			       dev->conf.is_client ? "connect" : "listen");
	}
	return 0;
}

static int set_access(const struct vdev_conf *conf, struct err *e)
{
	if (conf->is_client)
		return 0;
	if (chown(conf->path, conf->owner, conf->group) < 0)
		return err_set(e, ERR_PERMISSION, "owner", "socket '%s': chown: %s", conf->path,
			       strerror(errno));
	if (conf->mode && chmod(conf->path, conf->mode) < 0)
		return err_set(e, ERR_PERMISSION, "socket_mode", "socket '%s': chmod: %s",
			       conf->path, strerror(errno));
	return 0;
}

static void free_device(struct vdev *dev)
{
	ring_state_release(dev->places);
	table_remove(dev);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

struct vdev *vdev_create(const struct vdev_conf *conf, const struct vdev_ops *ops, void *ctx,
			 struct err *e)
{
	struct vdev *dev;
	mode_t old_mask;
	int ret;

	if (!conf->is_client && unixsock_prepare(conf->path, e) < 0)
		return NULL;
	dev = aligned_alloc(64, (sizeof(*dev) + 63) & ~63UL);
	if (!dev) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	memset(dev, 0, sizeof(*dev));
	dev->conf = *conf;
	dev->ops = *ops;
	dev->ctx = ctx;
	dev->vid = -1;
	pthread_mutex_init(&dev->lock, NULL);
	if (table_add(dev) < 0) {
		err_set(e, ERR_NO_SPACE, "socket", "no room for another vhost-user device");
		free(dev);
		return NULL;
	}
	dev->places = ring_state_claim(conf->path);
	set_waiting(dev, NULL);
	/* Nobody may connect before owner and mode are what was asked for. */
	old_mask = umask(0177);
	ret = register_device(dev, e);
	umask(old_mask);
	if (ret < 0) {
		free_device(dev);
		return NULL;
	}
	if (set_access(conf, e) < 0) {
		vdev_destroy(dev);
		return NULL;
	}
	return dev;
}

void vdev_destroy(struct vdev *dev)
{
	if (!dev)
		return;
	rte_vhost_driver_unregister(dev->conf.path);
	free_device(dev);
}

void vdev_status(struct vdev *dev, struct vdev_status *status)
{
	pthread_mutex_lock(&dev->lock);
	*status = dev->status;
	status->is_broken = dev->broken[0] != '\0';
	pthread_mutex_unlock(&dev->lock);
}

void vdev_set_broken(struct vdev *dev, const char *why)
{
	char text[VDEV_TEXT_SIZE];

	note_broken(dev, why);
	snprintf(text, sizeof(text), "down: %s", why);
	set_state(dev, VDEV_DOWN, text);
}
