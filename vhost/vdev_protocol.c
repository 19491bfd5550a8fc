/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles a front end's messages, and answers them.
 *
 * message_check() has checked each message by itself; here it is checked against those before it.
 * Then its content is stored, and vdev_refresh() brings the worker's rings in line. A refused
 * message changes nothing. If the front end asked for a reply (NEED_REPLY) it is told and goes on,
 * otherwise the connection is closed, since it would take the message as done. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>

#include <rte_vhost.h>

#include "base/clock.h"
#include "base/fd_limit.h"
#include "base/log.h"
#include "vhost/vdev_impl.h"

#define BIT(n) (1ULL << (n))

enum vdev_handled vdev_answer(struct message *m, uint64_t value)
{
	m->payload.u64 = value;
	m->size = sizeof(value);
	return VDEV_ANSWER;
}

enum vdev_handled vdev_refuse(struct err *e, const char *why)
{
	err_set(e, ERR_INVALID, NULL, "%s", why);
	return VDEV_REFUSED;
}

/* The ring that a message is about; NULL with *e filled when there is none of that number. */
static struct vdev_ring *ring_of(struct vdev *dev, uint32_t i, struct err *e)
{
	if (i < dev->n_rings)
		return &dev->ring[i];
	err_set(e, ERR_INVALID, NULL, "ring %u, of %u", i, dev->n_rings);
	return NULL;
}

static struct vdev_ring *stopped_ring(struct vdev *dev, uint32_t i, struct err *e)
{
	struct vdev_ring *r = ring_of(dev, i, e);

	if (!r || !r->is_started)
		return r;
	err_set(e, ERR_INVALID, NULL, "ring %u is started", i);
	return NULL;
}

/* --- features and status -------------------------------------------------------------------------
 */

static uint64_t offered(const struct vdev *dev)
{
	return dev->kind->features() & ~dev->withheld;
}

static enum vdev_handled set_features(struct vdev *dev, const struct message *m, struct err *e)
{
	uint64_t features = m->payload.u64, unknown = features & ~offered(dev);

	if (unknown) {
		err_set(e, ERR_INVALID, NULL, "features 0x%llx are not offered",
			(unsigned long long)unknown);
		return VDEV_REFUSED;
	}
	if (dev->has_features && features != dev->features)
		for (unsigned i = 0; i < dev->n_rings; i++)
			if (dev->ring[i].is_started)
				return vdev_refuse(e, "other features than before, while rings are "
						      "started");
	dev->features = features;
	dev->has_features = true;
	return VDEV_DONE;
}

static enum vdev_handled set_protocol_features(struct vdev *dev, const struct message *m,
					       struct err *e)
{
	uint64_t unknown = m->payload.u64 & ~dev->kind->protocol;

	if (unknown) {
		err_set(e, ERR_INVALID, NULL, "protocol features 0x%llx are not offered",
			(unsigned long long)unknown);
		return VDEV_REFUSED;
	}
	dev->protocol = m->payload.u64;
	return VDEV_DONE;
}

static enum vdev_handled set_status(struct vdev *dev, const struct message *m, struct err *e)
{
	if (m->payload.u64 > UINT8_MAX)
		return vdev_refuse(e, "a status of more than 8 bits");
	dev->driver_status = (uint8_t)m->payload.u64;
	return VDEV_DONE;
}

static enum vdev_handled set_memory(struct vdev *dev, const struct message *m, struct err *e)
{
	return vdev_set_memory(dev, m, e) < 0 ? VDEV_REFUSED : VDEV_DONE;
}

/* --- rings ---------------------------------------------------------------------------------------
 */

static enum vdev_handled set_num(struct vdev *dev, const struct message *m, struct err *e)
{
	struct vdev_ring *r = stopped_ring(dev, m->payload.state.index, e);
	uint32_t num = m->payload.state.num;

	if (!r)
		return VDEV_REFUSED;
	if (num == 0 || num > VIRTQ_MAX_SIZE ||
	    (!(dev->features & BIT(VIRTIO_F_RING_PACKED)) && (num & (num - 1)) != 0)) {
		err_set(e, ERR_INVALID, NULL, "ring %u with %u entries", m->payload.state.index,
			num);
		return VDEV_REFUSED;
	}
	r->num = num;
	return VDEV_DONE;
}

static enum vdev_handled set_addr(struct vdev *dev, const struct message *m, struct err *e)
{
	struct vdev_ring *r = ring_of(dev, m->payload.addr.index, e);

	if (!r)
		return VDEV_REFUSED;
	if (m->payload.addr.flags != 0)
		return vdev_refuse(e, "logging, which is not offered");
	r->has_moved |= r->has_addr &&
			(r->desc != m->payload.addr.desc || r->avail != m->payload.addr.avail ||
			 r->used != m->payload.addr.used);
	r->has_addr = true;
	r->desc = m->payload.addr.desc;
	r->avail = m->payload.addr.avail;
	r->used = m->payload.addr.used;
	return VDEV_DONE;
}

static enum vdev_handled set_base(struct vdev *dev, const struct message *m, struct err *e)
{
	struct vdev_ring *r = stopped_ring(dev, m->payload.state.index, e);
	uint32_t base = m->payload.state.num;
	bool packed = dev->features & BIT(VIRTIO_F_RING_PACKED);

	if (!r)
		return VDEV_REFUSED;
	if (!packed && base > UINT16_MAX) {
		err_set(e, ERR_INVALID, NULL, "ring %u at index %u", m->payload.state.index, base);
		return VDEV_REFUSED;
	}
	/* The base of a packed ring has the available position in its lower half and the used
	 * position in its upper. The ring was empty when it was stopped, so they are the same, and
	 * not all front ends fill in the upper. */
	r->last_avail = r->last_used = (uint16_t)base;
	r->is_resumed = false;
	return VDEV_DONE;
}

static enum vdev_handled get_base(struct vdev *dev, struct message *m, struct err *e)
{
	unsigned i = m->payload.state.index;
	struct vdev_ring *r = ring_of(dev, i, e);
	int old[2];

	if (!r)
		return VDEV_REFUSED;
	vdev_stop_ring(dev, i);
	old[0] = r->kick_fd;
	old[1] = r->call_fd;
	r->kick_fd = r->call_fd = -1;
	for (int k = 0; k < 2; k++)
		if (old[k] >= 0)
			close(old[k]);
	m->payload.state.num = r->last_avail;
	if (dev->features & BIT(VIRTIO_F_RING_PACKED))
		m->payload.state.num |= (uint32_t)r->last_used << 16;
	return VDEV_ANSWER;
}

static enum vdev_handled set_kick(struct vdev *dev, struct message *m, struct err *e)
{
	uint32_t i = m->payload.u64 & MESSAGE_RING_MASK;
	struct vdev_ring *r = ring_of(dev, i, e);
	int old;

	if (!r || (m->n_fds > 0 && vdev_check_eventfd(i, "kick", m->fds[0], e) < 0))
		return VDEV_REFUSED;
	old = r->kick_fd;
	r->kick_fd = m->n_fds > 0 ? message_take_fd(m, 0) : -1;
	r->is_started = true;
	/* With protocol features, SET_VRING_ENABLE enables the ring. */
	if (!(dev->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		r->is_enabled = true;
	vdev_refresh(dev);
	if (old >= 0)
		close(old);
	return VDEV_DONE;
}

static enum vdev_handled set_call(struct vdev *dev, struct message *m, struct err *e)
{
	uint32_t i = m->payload.u64 & MESSAGE_RING_MASK;
	struct vdev_ring *r = ring_of(dev, i, e);
	int old;

	if (!r || (m->n_fds > 0 && vdev_check_eventfd(i, "call", m->fds[0], e) < 0))
		return VDEV_REFUSED;
	old = r->call_fd;
	r->call_fd = m->n_fds > 0 ? message_take_fd(m, 0) : -1;
	vdev_refresh(dev);
	if (old >= 0)
		close(old);
	return VDEV_DONE;
}

static enum vdev_handled set_enable(struct vdev *dev, const struct message *m, struct err *e)
{
	struct vdev_ring *r = ring_of(dev, m->payload.state.index, e);

	if (!r)
		return VDEV_REFUSED;
	if (m->payload.state.num > 1)
		return vdev_refuse(e, "neither on nor off");
	r->is_enabled = m->payload.state.num;
	return VDEV_DONE;
}

/* RESET_OWNER once meant to disable all rings, and is recommended to be treated so. */
static enum vdev_handled disable_all(struct vdev *dev)
{
	for (unsigned i = 0; i < dev->n_rings; i++)
		dev->ring[i].is_enabled = false;
	return VDEV_DONE;
}

/* --- all -----------------------------------------------------------------------------------------
 */

static enum vdev_handled handle(struct vdev *dev, struct message *m, struct err *e)
{
	switch ((enum request)m->request) {
	case REQUEST_GET_FEATURES:
		return vdev_answer(m, offered(dev));
	case REQUEST_SET_FEATURES:
		return set_features(dev, m, e);
	case REQUEST_GET_PROTOCOL_FEATURES:
		return vdev_answer(m, dev->kind->protocol);
	case REQUEST_SET_PROTOCOL_FEATURES:
		return set_protocol_features(dev, m, e);
	case REQUEST_GET_STATUS:
		return vdev_answer(m, dev->driver_status);
	case REQUEST_SET_STATUS:
		return set_status(dev, m, e);
	case REQUEST_SET_MEM_TABLE:
		return set_memory(dev, m, e);
	case REQUEST_SET_VRING_NUM:
		return set_num(dev, m, e);
	case REQUEST_SET_VRING_ADDR:
		return set_addr(dev, m, e);
	case REQUEST_SET_VRING_BASE:
		return set_base(dev, m, e);
	case REQUEST_GET_VRING_BASE:
		return get_base(dev, m, e);
	case REQUEST_SET_VRING_KICK:
		return set_kick(dev, m, e);
	case REQUEST_SET_VRING_CALL:
		return set_call(dev, m, e);
	case REQUEST_SET_VRING_ENABLE:
		return set_enable(dev, m, e);
	case REQUEST_RESET_OWNER:
		return disable_all(dev);
	case REQUEST_SET_OWNER:
	case REQUEST_SET_VRING_ERR: /* what is wrong with a ring is said in the port's state */
		return VDEV_DONE;
	default:
		return dev->kind->request(dev, m, e);
	}
}

/* Whether a descriptor of the message is from the reserve for management. */
static bool has_reserved_fds(const struct message *m)
{
	for (int i = 0; i < m->n_fds; i++)
		if (m->fds[i] >= fd_limit_for_guests())
			return true;
	return false;
}

static void note_refused(struct vdev *dev, uint32_t request, const struct err *e)
{
	const char *name = message_name(request);
	char others[48] = "";
	uint64_t more = 0;
	bool tell;

	pthread_mutex_lock(&dev->lock);
	dev->status.refused++;
	dev->refused_request = request;
	/* A text of message_check() begins with the message's name. */
	if (!name || strncmp(e->text, name, strlen(name)) == 0)
		snprintf(dev->last_refused, sizeof(dev->last_refused), "%.120s", e->text);
	else
		snprintf(dev->last_refused, sizeof(dev->last_refused), "%s: %.90s", name, e->text);
	tell = pace_allows(&dev->log_pace, clock_now_ns(), &more);
	pthread_mutex_unlock(&dev->lock);
	if (more > 0)
		snprintf(others, sizeof(others), ", after %llu others", (unsigned long long)more);
	if (tell)
		log_warn("port socket %s: refused %s%s", dev->socket.path, dev->last_refused,
			 others);
}

static void note_done(struct vdev *dev, uint32_t request)
{
	pthread_mutex_lock(&dev->lock);
	if (dev->refused_request == request)
		dev->last_refused[0] = '\0';
	pthread_mutex_unlock(&dev->lock);
}

bool vdev_message(struct vdev *dev, struct front_end *fe, struct err *e)
{
	bool wants_to_know = fe->msg.flags & MESSAGE_NEED_REPLY;
	uint32_t request = fe->msg.request;
	enum vdev_handled h = VDEV_REFUSED;

	if (has_reserved_fds(&fe->msg))
		err_set(e, ERR_NO_SPACE, NULL, "this process has no descriptors to spare");
	else if (message_check(&fe->msg, e) == 0)
		h = handle(dev, &fe->msg, e);
	if (h == VDEV_DONE)
		vdev_refresh(dev);
	if (h == VDEV_REFUSED)
		note_refused(dev, request, e);
	else
		note_done(dev, request);
	if (h == VDEV_REFUSED && !wants_to_know) {
		snprintf(e->text, sizeof(e->text), "refused %.200s", dev->last_refused);
		return false;
	}
	/* What the answer acknowledges is in force by now, and in the port's state. */
	vdev_update_state(dev);
	if (h == VDEV_ANSWER ? front_end_answer(fe, fe->msg.size)
			     : !wants_to_know || front_end_answer_u64(fe, h == VDEV_REFUSED))
		return true;
	err_set(e, ERR_INVALID, NULL, "front end does not read its answers");
	return false;
}

void vdev_forget(struct vdev *dev)
{
	for (unsigned i = 0; i < dev->n_rings; i++) {
		if (dev->ring[i].kick_fd >= 0)
			close(dev->ring[i].kick_fd);
		if (dev->ring[i].call_fd >= 0)
			close(dev->ring[i].call_fd);
		dev->ring[i] = (struct vdev_ring){.kick_fd = -1, .call_fd = -1};
	}
	dev->features = 0;
	dev->has_features = false;
	dev->protocol = 0;
	dev->driver_status = 0;
	dev->was_up = false;
}
