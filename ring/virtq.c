/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening rings, and notifications in both directions. */
#include "ring/virtq.h"

#include <errno.h>
#include <string.h>
#include <linux/vhost.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>

#include "ring/guest_fd.h"
#include "ring/virtq_entry.h"

#define BIT(n) (1ULL << (n))

#define BASE_WRAP 0x8000u /* the wrap counter, in a packed ring's base and event offset */
#define BASE_AT   0x7fffu

static uint64_t no_clock(void)
{
	return 0;
}

struct deadline deadline_none = {
	.clock = no_clock,
	.until = UINT64_MAX,
	.faults = PAGE_FAULTS_NONE,
};

static const char *const break_texts[VIRTQ_BREAK_COUNT] = {
#define X(name, text) [VIRTQ_BREAK_##name] = text,
#include "ring/virtq_breaks.def"
#undef X
};

enum virtq_break virtq_broken(const struct virtq *q)
{
	return (enum virtq_break)__atomic_load_n(&q->broken, __ATOMIC_RELAXED);
}

const char *virtq_broken_text(enum virtq_break reason)
{
	return break_texts[reason];
}

/* --- open ----------------------------------------------------------------------------------------
 */

static bool is_aligned(const void *p, uintptr_t to)
{
	return p && (uintptr_t)p % to == 0;
}

static bool is_laid_out(const struct virtq_conf *conf, bool packed)
{
	if (conf->size == 0 || conf->size > VIRTQ_MAX_SIZE || !is_aligned(conf->desc, 16) ||
	    !is_aligned(conf->used, 4))
		return false;
	if (packed)
		return is_aligned(conf->avail, 4) && (conf->last_avail & BASE_AT) < conf->size &&
		       (conf->last_used & BASE_AT) < conf->size;
	return is_aligned(conf->avail, 2) && (conf->size & (conf->size - 1)) == 0;
}

static void set_start(struct virtq *q, const struct virtq_conf *conf)
{
	if (!q->packed) {
		q->avail_at = conf->last_avail;
		q->avail_seen = conf->last_avail;
		q->used_at = conf->last_used;
		return;
	}
	q->avail_at = conf->last_avail & BASE_AT;
	q->avail_wrap = conf->last_avail & BASE_WRAP;
	q->used_at = conf->last_used & BASE_AT;
	q->used_wrap = conf->last_used & BASE_WRAP;
}

int virtq_open(struct virtq *q, const struct virtq_conf *conf)
{
	bool packed = conf->features & BIT(VIRTIO_F_RING_PACKED);

	memset(q, 0, sizeof(*q));
	if (conf->features & (BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VHOST_F_LOG_ALL)))
		return -ENOTSUP;
	if (!is_laid_out(conf, packed))
		return -EINVAL;
	if (conf->call_fd >= 0 && !guest_fd_is_eventfd(conf->call_fd))
		return -EINVAL;

	q->desc = conf->desc;
	q->avail = conf->avail;
	q->used = conf->used;
	q->size = conf->size;
	q->packed = packed;
	q->mem = conf->mem;
	q->features = conf->features;
	q->call_fd = conf->call_fd < 0 ? -1 : conf->call_fd;
	q->place = conf->place;
	q->avail_idx = packed ? &q->packed_desc->flags : &q->avail->idx;
	q->indirect = conf->features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
	q->event_idx = conf->features & BIT(VIRTIO_RING_F_EVENT_IDX);
	set_start(q, conf);
	return 0;
}

void virtq_set_call(struct virtq *q, int call_fd)
{
	q->call_fd = call_fd < 0 ? -1 : call_fd;
}

void virtq_move(struct virtq *q, const struct virtq_conf *conf)
{
	q->desc = conf->desc;
	q->avail = conf->avail;
	q->used = conf->used;
	q->avail_idx = q->packed ? &q->packed_desc->flags : &q->avail->idx;
	q->mem = conf->mem;
	q->near = (struct guest_region){0};
}

void virtq_lose(struct virtq *q)
{
	virtq_break(q, VIRTQ_BREAK_MEMORY);
}

void virtq_get_base(const struct virtq *q, uint16_t *last_avail, uint16_t *last_used)
{
	*last_avail = q->avail_at;
	*last_used = q->used_at;
	if (q->packed) {
		*last_avail |= q->avail_wrap ? BASE_WRAP : 0;
		*last_used |= q->used_wrap ? BASE_WRAP : 0;
	}
}

/* --- to the guest --------------------------------------------------------------------------------
 */

/* Whether one of the last `n` slots used is the one that the driver of a packed ring wants to be
 * notified of. */
static bool crosses_event(const struct virtq *q, uint16_t off_wrap, uint32_t n)
{
	uint32_t round = 2u * q->size, here, event;

	if ((off_wrap & BASE_AT) >= q->size)
		return true;
	/* Positions count over two rounds, the first with wrap counter 1, the second with 0. */
	here = q->used_at + (q->used_wrap ? 0 : q->size);
	event = (off_wrap & BASE_AT) + (off_wrap & BASE_WRAP ? 0u : q->size);
	return (here + round - event - 1) % round < n;
}

static bool wants_packed(const struct virtq *q, uint32_t n)
{
	uint16_t flags = __atomic_load_n(&q->driver_event->flags, __ATOMIC_ACQUIRE);

	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !q->event_idx || !q->event_valid)
		return true;
	return crosses_event(q, __atomic_load_n(&q->driver_event->off_wrap, __ATOMIC_RELAXED), n);
}

static bool wants_split(const struct virtq *q, uint32_t n)
{
	uint16_t event;

	if (!q->event_idx)
		return !(__atomic_load_n(&q->avail->flags, __ATOMIC_RELAXED) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	if (!q->event_valid)
		return true;
	event = __atomic_load_n(&q->avail->ring[q->size], __ATOMIC_RELAXED);
	return (uint16_t)(q->used_at - event - 1) < n;
}

static bool notify(struct virtq *q)
{
	if (guest_fd_signal(q->call_fd) < 0)
		virtq_break(q, VIRTQ_BREAK_CALL_FD);
	return true;
}

/* Publishes used descriptors of a packed ring by writing the flags of the first. The position is
 * noted before and after, so that a successor can tell whether the guest saw them, whenever this
 * process is killed (ring/ring_state.h). */
static void publish_packed(struct virtq *q)
{
	uint16_t avail, used;
	uint32_t next = 0;

	if (q->place) {
		virtq_get_base(q, &avail, &used);
		next = avail | (uint32_t)used << 16;
		__atomic_store_n(&q->place->next, next, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&q->packed_desc[q->held_at].flags, q->held_flags, __ATOMIC_RELEASE);
	if (q->place)
		__atomic_store_n(&q->place->at, next, __ATOMIC_RELEASE);
}

bool virtq_publish(struct virtq *q)
{
	bool is_first = q->unnotified == 0;

	if (q->unpublished == 0 || unlikely(q->broken))
		return false;
	if (q->packed)
		publish_packed(q);
	else
		__atomic_store_n(&q->used->idx, q->used_at, __ATOMIC_RELEASE);
	if (q->call_fd >= 0)
		q->unnotified += q->unpublished;
	q->unpublished = 0;
	return is_first && q->unnotified > 0;
}

bool virtq_notify(struct virtq *q)
{
	uint32_t n = q->unnotified;
	bool wanted;

	q->unnotified = 0;
	if (n == 0 || unlikely(q->broken))
		return false;
	wanted = q->packed ? wants_packed(q, n) : wants_split(q, n);
	q->event_valid = true;
	q->notifies = wanted;
	return wanted && notify(q);
}

bool virtq_complete(struct virtq *q)
{
	virtq_publish(q);
	virtq_fence();
	return virtq_notify(q);
}

/* --- from the guest ------------------------------------------------------------------------------
 */

static void set_kick_split(struct virtq *q, bool on)
{
	/* With VIRTIO_F_EVENT_IDX a kick is requested at an index; an index already passed
	 * suppresses kicks. */
	uint16_t event = on ? q->avail_at : (uint16_t)(q->avail_at - 1);

	if (q->event_idx)
		__atomic_store_n((uint16_t *)(void *)&q->used->ring[q->size], event,
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->used->flags, on ? 0 : VRING_USED_F_NO_NOTIFY,
				 __ATOMIC_RELAXED);
}

static void set_kick_packed(struct virtq *q, bool on)
{
	uint16_t flags = VRING_PACKED_EVENT_FLAG_DISABLE;

	if (on && q->event_idx) {
		__atomic_store_n(&q->device_event->off_wrap,
				 q->avail_at | (q->avail_wrap ? BASE_WRAP : 0), __ATOMIC_RELAXED);
		flags = VRING_PACKED_EVENT_FLAG_DESC;
	} else if (on) {
		flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	__atomic_store_n(&q->device_event->flags, flags, __ATOMIC_RELEASE);
}

bool virtq_kick_enable(struct virtq *q, bool on)
{
	if (unlikely(q->broken))
		return false;
	if (q->packed)
		set_kick_packed(q, on);
	else
		set_kick_split(q, on);
	virtq_fence();
	return on && virtq_pending(q) > 0;
}
