/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns what a front end set up into rings that a worker serves.
 *
 * A ring's parts are looked up in the mapped memory table, with their full length for the ring's
 * size, when it is opened and whenever the table or its addresses change. The vhost library's own
 * state of a ring is not used. A ring that the worker has is moved, not opened again: it goes on
 * where it stands. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_vhost.h>

#include "ring/guest_fd.h"
#include "ring/ring_state.h"
#include "ring/sigbus.h"
#include "vhost/memory_table.h"
#include "vhost/vdev_impl.h"

#define BIT(n) (1ULL << (n))

#define STATUS_DRIVER_OK 4u

/* What a change does on the worker. */
struct plan {
	struct vdev *dev;
	bool is_needed;
	bool close[VDEV_MAX_RINGS];
	bool move[VDEV_MAX_RINGS];
	struct virtq_conf to[VDEV_MAX_RINGS]; /* of those that move */
	struct vdev_use use[VDEV_MAX_RINGS];
	char misplaced[sizeof(
		((struct vdev *)NULL)->misplaced)]; /* the first misplaced ring, and why */
};

int vdev_check_eventfd(unsigned ring, const char *what, int fd, struct err *e)
{
	if (guest_fd_is_eventfd(fd))
		return 0;
	return err_set(e, ERR_INVALID, NULL, "ring %u: its %s descriptor is no eventfd", ring,
		       what);
}

/* --- where a ring is -----------------------------------------------------------------------------
 */

static uint8_t *part(const struct vdev *dev, unsigned i, const char *what, uint64_t at,
		     uint64_t size, uintptr_t align, struct err *e)
{
	uint8_t *hva = memory_table_at(&dev->memory, at, size);

	if (!hva) {
		err_set(e, ERR_INVALID, NULL,
			"ring %u: its %s, %llu bytes for %u entries, is not within one region of "
			"the shared memory",
			i, what, (unsigned long long)size, dev->ring[i].num);
	} else if ((uintptr_t)hva % align) {
		err_set(e, ERR_INVALID, NULL, "ring %u: its %s is not aligned to %u bytes", i, what,
			(unsigned)align);
		return NULL;
	}
	return hva;
}

/* Finds the three parts: their sizes and alignments are those of virtio 1.1, 2.6 and 2.7. */
static int find_parts(const struct vdev *dev, unsigned i, struct virtq_conf *conf, struct err *e)
{
	const struct vdev_ring *r = &dev->ring[i];
	uint64_t n = r->num, event = dev->features & BIT(VIRTIO_RING_F_EVENT_IDX) ? 2 : 0;

	if (dev->features & BIT(VIRTIO_F_RING_PACKED)) {
		conf->desc = part(dev, i, "ring", r->desc, 16 * n, 16, e);
		conf->avail = part(dev, i, "driver event", r->avail, 4, 4, e);
		conf->used = part(dev, i, "device event", r->used, 4, 4, e);
	} else {
		conf->desc = part(dev, i, "descriptor table", r->desc, 16 * n, 16, e);
		conf->avail = part(dev, i, "available ring", r->avail, 4 + 2 * n + event, 2, e);
		conf->used = part(dev, i, "used ring", r->used, 4 + 8 * n + event, 4, e);
	}
	conf->size = (uint16_t)n;
	conf->features = dev->features;
	conf->mem = &dev->mem[dev->mem_now];
	conf->call_fd = r->call_fd;
	return conf->desc && conf->avail && conf->used ? 0 : -EINVAL;
}

/* Finds where a ring goes on. A split ring that we did not stop goes on at its used index: a front
 * end that reconnects to a restarted switch may send the base that the ring had at first. */
static void find_position(const struct vdev *dev, unsigned i, struct virtq_conf *conf)
{
	const struct vdev_ring *r = &dev->ring[i];

	conf->last_avail = r->last_avail;
	conf->last_used = r->last_used;
	if (r->is_resumed || dev->features & BIT(VIRTIO_F_RING_PACKED))
		return;
	conf->last_used =
		__atomic_load_n(&((const struct vring_used *)conf->used)->idx, __ATOMIC_RELAXED);
	conf->last_avail = conf->last_used;
}

/* Opens a ring that the worker does not have. */
static int open_ring(struct vdev *dev, unsigned i, struct err *e)
{
	struct virtq_conf conf = {0};
	int ret = find_parts(dev, i, &conf, e);

	if (ret < 0)
		return ret;
	find_position(dev, i, &conf);
	if (dev->places)
		ring_state_resume(&dev->places[i], &conf);
	ret = dev->kind->open(dev, i, &conf);
	if (ret < 0)
		return err_set(e, ERR_INVALID, NULL,
			       "ring %u: %u entries, or where it is to go on, cannot be", i,
			       dev->ring[i].num);
	dev->ring[i].is_open = true;
	dev->ring[i].has_moved = false;
	return 0;
}

/* --- the plan ------------------------------------------------------------------------------------
 */

/* Whether rings may be used at all. */
static bool is_ready(const struct vdev *dev)
{
	bool has_status = dev->protocol & BIT(VHOST_USER_PROTOCOL_F_STATUS);

	return dev->lib && dev->has_features &&
	       (!has_status || dev->driver_status & STATUS_DRIVER_OK);
}

static bool is_wanted(struct vdev *dev, unsigned i)
{
	const struct vdev_ring *r = &dev->ring[i];

	if (!r->is_started || r->num == 0 || !r->has_addr || i >= dev->kind->usable_rings(dev))
		return false;
	/* A disabled ring goes on, and what it holds is discarded. If it is broken it is closed,
	 * since only opening it again can mend it. */
	return r->is_enabled || !r->is_open || !virtq_broken(dev->kind->queue(dev, i));
}

static void note_misplaced(struct plan *plan, const struct err *e)
{
	if (!plan->misplaced[0])
		snprintf(plan->misplaced, sizeof(plan->misplaced), "%.*s",
			 (int)sizeof(plan->misplaced) - 1, e->text);
}

/* Opens, or prepares to move, a ring that is wanted. */
static void plan_ring(struct vdev *dev, unsigned i, bool memory_changed, struct plan *plan)
{
	struct vdev_ring *r = &dev->ring[i];
	struct err e = {0};

	if (!r->is_open) {
		if (open_ring(dev, i, &e) < 0)
			note_misplaced(plan, &e);
		else
			plan->is_needed = true;
	} else if (memory_changed || r->has_moved) {
		if (find_parts(dev, i, &plan->to[i], &e) < 0) {
			note_misplaced(plan, &e);
			plan->close[i] = true;
		} else {
			plan->move[i] = true;
			r->has_moved = false;
		}
	}
	if (r->is_open && !plan->close[i])
		plan->use[i] = (struct vdev_use){true, r->is_enabled, r->kick_fd, r->call_fd};
}

/* On the worker. */
static void close_ring(struct vdev *dev, unsigned i)
{
	struct vdev_ring *r = &dev->ring[i];

	virtq_get_base(dev->kind->queue(dev, i), &r->last_avail, &r->last_used);
	r->is_resumed = true;
	r->is_open = false;
}

/* On the worker. */
static void carry_out(void *arg)
{
	const struct plan *plan = arg;
	struct vdev *dev = plan->dev;

	for (unsigned i = 0; i < dev->n_rings; i++) {
		if (plan->close[i])
			close_ring(dev, i);
		else if (plan->move[i])
			virtq_move(dev->kind->queue(dev, i), &plan->to[i]);
		if (plan->use[i].is_on)
			virtq_set_call(dev->kind->queue(dev, i), plan->use[i].call_fd);
	}
	dev->kind->apply(dev);
}

static bool is_used_so(const struct vdev_use *now, const struct vdev_use *planned)
{
	return now->is_on == planned->is_on &&
	       (!now->is_on ||
		(now->is_enabled == planned->is_enabled && now->kick_fd == planned->kick_fd &&
		 now->call_fd == planned->call_fd));
}

static void note_change(struct vdev *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->status.changes++;
	/* The reason was about the rings before this change; control checks those of now. */
	dev->broken[0] = '\0';
	pthread_mutex_unlock(&dev->lock);
}

static void refresh(struct vdev *dev, bool memory_changed)
{
	struct plan plan = {.dev = dev};
	bool ready = is_ready(dev);

	for (unsigned i = 0; i < dev->n_rings; i++) {
		if (ready && is_wanted(dev, i))
			plan_ring(dev, i, memory_changed, &plan);
		else
			plan.close[i] = dev->ring[i].is_open;
		plan.is_needed |= plan.close[i] || plan.move[i] ||
				  !is_used_so(&dev->use[i], &plan.use[i]);
	}
	pthread_mutex_lock(&dev->lock);
	memcpy(dev->misplaced, plan.misplaced, sizeof(dev->misplaced));
	pthread_mutex_unlock(&dev->lock);
	if (!plan.is_needed)
		return;
	memcpy(dev->use, plan.use, sizeof(dev->use));
	dev->kind->change(dev, carry_out, &plan);
	note_change(dev);
}

void vdev_refresh(struct vdev *dev)
{
	refresh(dev, false);
}

void vdev_stop_ring(struct vdev *dev, unsigned i)
{
	dev->ring[i].is_started = false;
	refresh(dev, false);
}

/* --- memory --------------------------------------------------------------------------------------
 */

static void snapshot(struct guest_mem *mem, const struct vhost_lib_memory *memory)
{
	mem->n = 0;
	atomic_store(&mem->is_lost, false);
	for (uint32_t i = 0; i < memory->n; i++)
		mem->r[mem->n++] = (struct guest_region){
			.gpa = memory->region[i].gpa,
			.size = memory->region[i].size,
			.hva = memory->region[i].hva,
		};
}

static void watch_memory(const struct vhost_lib_memory *memory, struct guest_mem *mem)
{
	for (uint32_t i = 0; i < memory->n; i++)
		sigbus_watch(memory->region[i].mapped, memory->region[i].mapped_size,
			     memory->region[i].fd, &mem->is_lost);
}

static void give_up(struct vhost_lib *lib, const struct vhost_lib_memory *memory)
{
	for (uint32_t i = 0; i < memory->n; i++)
		sigbus_forget(memory->region[i].mapped);
	vhost_lib_close(lib);
}

int vdev_set_memory(struct vdev *dev, const struct message *m, struct err *e)
{
	struct vhost_lib_memory memory = {0}, before = dev->memory;
	struct vhost_lib *lib, *lib_before = dev->lib;

	if (memory_table_check(m, e) < 0)
		return -EINVAL;
	lib = vhost_lib_open(dev->features, m, &memory, e);
	if (!lib)
		return -EIO;
	dev->lib = lib;
	dev->memory = memory;
	dev->mem_now ^= 1;
	snapshot(&dev->mem[dev->mem_now], &memory);
	watch_memory(&memory, &dev->mem[dev->mem_now]);
	refresh(dev, true);
	if (lib_before)
		give_up(lib_before, &before);
	return 0;
}

void vdev_stop(struct vdev *dev)
{
	struct vhost_lib *lib = dev->lib;

	dev->lib = NULL;
	refresh(dev, false);
	if (lib)
		give_up(lib, &dev->memory);
	dev->memory.n = 0;
}
