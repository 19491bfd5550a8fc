/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of split and packed virtqueues (virtio 1.1, 2.6 and 2.7). What the device wrote
 * is read once and checked; what is needed later is kept in private memory. */
#include "tests/fake/vhost_fe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DESC_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define DESC_USED  (1u << VRING_PACKED_DESC_F_USED)

static int layout_split(struct vhost_fe *fe, struct fe_ring *r)
{
	void *p = vhost_fe_alloc(fe, vring_size(r->num, FE_PAGE), FE_PAGE);

	if (!p)
		return -ENOMEM;
	vring_init(&r->split, r->num, p, FE_PAGE);
	return 0;
}

static int layout_packed(struct vhost_fe *fe, struct fe_ring *r)
{
	r->pk.desc = vhost_fe_alloc(fe, sizeof(*r->pk.desc) * r->num, FE_PAGE);
	r->pk.driver = vhost_fe_alloc(fe, sizeof(*r->pk.driver), FE_PAGE);
	r->pk.device = vhost_fe_alloc(fe, sizeof(*r->pk.device), FE_PAGE);
	return r->pk.desc && r->pk.driver && r->pk.device ? 0 : -ENOMEM;
}

int fe_ring_init(struct vhost_fe *fe, unsigned int index, uint16_t num)
{
	struct fe_ring *r;
	int rc;

	if (index >= FE_MAX_RINGS || num == 0 || fe->ring[index].num)
		return -EINVAL;
	r = &fe->ring[index];
	r->packed = fe->features & FE_F(FE_PACKED);
	r->event_idx = fe->features & FE_F(FE_EVENT_IDX);
	r->num = num;
	rc = r->packed ? layout_packed(fe, r) : layout_split(fe, r);
	if (rc < 0)
		return rc;
	r->link = calloc(num, sizeof(*r->link));
	r->chain = calloc(num, sizeof(*r->chain));
	if (!r->link || !r->chain)
		return -ENOMEM;
	fe_ring_reset(r);
	return 0;
}

void fe_ring_reset(struct fe_ring *r)
{
	if (r->packed) {
		memset(r->pk.desc, 0, sizeof(*r->pk.desc) * r->num);
		memset(r->pk.driver, 0, sizeof(*r->pk.driver));
		memset(r->pk.device, 0, sizeof(*r->pk.device));
	} else {
		memset(r->split.desc, 0, vring_size(r->num, FE_PAGE));
	}
	for (uint16_t i = 0; i < r->num; i++)
		r->link[i] = (uint16_t)(i + 1);
	memset(r->chain, 0, sizeof(*r->chain) * r->num);
	r->free = r->num;
	r->next = 0;
	r->next_id = 0;
	r->used = 0;
	r->avail = 0;
	r->event_from = 0;
	r->wrap_avail = true;
	r->wrap_used = true;
	r->held = false;
}

static int add_split(struct fe_ring *r, const struct fe_buf *bufs, unsigned int n, uint16_t extra)
{
	uint16_t head = r->next, at = head;

	for (unsigned int i = 0; i < n; i++) {
		struct vring_desc *d = &r->split.desc[at];

		d->addr = bufs[i].gpa;
		d->len = bufs[i].len;
		d->next = r->link[at];
		d->flags = (uint16_t)((i + 1 < n ? VRING_DESC_F_NEXT : 0) |
				      (bufs[i].device_writes ? VRING_DESC_F_WRITE : 0) | extra);
		at = r->link[at];
	}
	r->next = at;
	r->chain[head] = (uint16_t)n;
	r->split.avail->ring[r->avail % r->num] = head;
	r->avail++;
	r->free = (uint16_t)(r->free - n);
	return head;
}

/* The first descriptor that was not published yet keeps its old flags until fe_ring_publish: the
 * device stops there and sees nothing of what follows. */
static int add_packed(struct fe_ring *r, const struct fe_buf *bufs, unsigned int n, uint16_t extra)
{
	uint16_t id = r->next_id;

	for (unsigned int i = 0; i < n; i++) {
		struct vring_packed_desc *d = &r->pk.desc[r->next];
		uint16_t flags = (uint16_t)((r->wrap_avail ? DESC_AVAIL : DESC_USED) | extra |
					    (i + 1 < n ? VRING_DESC_F_NEXT : 0) |
					    (bufs[i].device_writes ? VRING_DESC_F_WRITE : 0));

		d->addr = bufs[i].gpa;
		d->len = bufs[i].len;
		d->id = id;
		if (r->held) {
			d->flags = flags;
		} else {
			r->held = true;
			r->held_slot = r->next;
			r->held_flags = flags;
		}
		if (++r->next == r->num) {
			r->next = 0;
			r->wrap_avail = !r->wrap_avail;
		}
	}
	r->next_id = r->link[id];
	r->chain[id] = (uint16_t)n;
	r->avail = (uint16_t)(r->avail + n);
	r->free = (uint16_t)(r->free - n);
	return id;
}

static int ring_add(struct fe_ring *r, const struct fe_buf *bufs, unsigned int n, uint16_t extra)
{
	if (n == 0 || n > FE_MAX_CHAIN || n > r->free)
		return -ENOSPC;
	return r->packed ? add_packed(r, bufs, n, extra) : add_split(r, bufs, n, extra);
}

int fe_ring_add(struct fe_ring *r, const struct fe_buf *bufs, unsigned int n)
{
	return ring_add(r, bufs, n, 0);
}

int fe_ring_add_indirect(struct fe_ring *r, uint64_t table_gpa, unsigned int n)
{
	struct fe_buf table = {.gpa = table_gpa, .len = n * (uint32_t)sizeof(struct vring_desc)};

	return ring_add(r, &table, 1, VRING_DESC_F_INDIRECT);
}

void fe_ring_publish(struct fe_ring *r)
{
	if (!r->packed) {
		__atomic_store_n(&r->split.avail->idx, r->avail, __ATOMIC_RELEASE);
	} else if (r->held) {
		__atomic_store_n(&r->pk.desc[r->held_slot].flags, r->held_flags, __ATOMIC_RELEASE);
		r->held = false;
	}
}

bool fe_ring_wants_kick(struct fe_ring *r)
{
	uint16_t from = r->event_from, event;

	/* What was published must be seen before the device's wish is read, or both sides sleep. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	r->event_from = r->avail;
	if (r->packed)
		return r->pk.device->flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (!r->event_idx)
		return !(r->split.used->flags & VRING_USED_F_NO_NOTIFY);
	event = __atomic_load_n((uint16_t *)&r->split.used->ring[r->num], __ATOMIC_RELAXED);
	return vring_need_event(event, r->avail, from);
}

void fe_ring_kick(struct fe_ring *r)
{
	uint64_t one = 1;
	ssize_t done = write(r->kickfd, &one, sizeof(one));

	(void)done; /* a full eventfd already holds a kick */
}

/* Returns the descriptors of a used chain to the free list. */
static void free_split(struct fe_ring *r, uint16_t head)
{
	uint16_t n = r->chain[head], last = head;

	for (uint16_t i = 1; i < n; i++)
		last = r->link[last];
	r->link[last] = r->next;
	r->next = head;
	r->chain[head] = 0;
	r->free = (uint16_t)(r->free + n);
}

static int poll_split(struct fe_ring *r, uint32_t *len)
{
	struct vring_used_elem e;

	if (__atomic_load_n(&r->split.used->idx, __ATOMIC_ACQUIRE) == r->used)
		return -EAGAIN;
	e = r->split.used->ring[r->used % r->num];
	r->used++;
	if (e.id >= r->num || r->chain[e.id] == 0)
		return -EPROTO;
	free_split(r, (uint16_t)e.id);
	*len = e.len;
	return (int)e.id;
}

static int poll_packed(struct fe_ring *r, uint32_t *len)
{
	struct vring_packed_desc *d = &r->pk.desc[r->used];
	uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);
	uint16_t id, n;

	if (!!(flags & DESC_USED) != r->wrap_used || !!(flags & DESC_AVAIL) != r->wrap_used)
		return -EAGAIN;
	id = d->id;
	*len = d->len;
	if (id >= r->num || r->chain[id] == 0)
		return -EPROTO;
	n = r->chain[id];
	r->chain[id] = 0;
	r->link[id] = r->next_id;
	r->next_id = id;
	r->free = (uint16_t)(r->free + n);
	r->used = (uint16_t)(r->used + n);
	if (r->used >= r->num) {
		r->used = (uint16_t)(r->used - r->num);
		r->wrap_used = !r->wrap_used;
	}
	return id;
}

int fe_ring_poll(struct fe_ring *r, uint32_t *len)
{
	return r->packed ? poll_packed(r, len) : poll_split(r, len);
}
