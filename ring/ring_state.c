/* SPDX-License-Identifier: BSD-3-Clause */
/* Positions of packed rings, kept across the daemon's death. */
#include "ring/ring_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#define MAGIC       0x53525031u /* "SRP1": another layout gets another number */
#define MAX_DEVICES 1024
#define PATH_SIZE   108
#define BASE_AT     0x7fffu
#define BASE_WRAP   0x8000u

struct device_state {
	char socket[PATH_SIZE];
	uint32_t unused;
	struct ring_place ring[RING_STATE_RINGS];
};

struct state_file {
	uint32_t magic;
	uint32_t unused[3];
	struct device_state dev[MAX_DEVICES];
};

static struct state_file *kept;
static bool claimed[MAX_DEVICES];

int ring_state_open(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct state_file *f = MAP_FAILED;
	int error;

	if (fd >= 0 && ftruncate(fd, sizeof(*f)) == 0)
		f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	error = errno;
	if (fd >= 0)
		close(fd);
	if (f == MAP_FAILED)
		return err_set(e, ERR_INTERNAL, NULL, "%s: cannot keep ring positions: %s", path,
			       strerror(error));
	if (f->magic != MAGIC) {
		memset(f, 0, sizeof(*f));
		f->magic = MAGIC;
	}
	kept = f;
	return 0;
}

static struct device_state *find(const char *socket)
{
	if (!kept)
		return NULL;
	for (unsigned i = 0; i < MAX_DEVICES; i++)
		if (strncmp(kept->dev[i].socket, socket, PATH_SIZE) == 0)
			return &kept->dev[i];
	return NULL;
}

/* An entry for a new device: one never used, else one that no device has claimed. */
static struct device_state *find_room(void)
{
	struct device_state *dev = find("");

	for (unsigned i = 0; !dev && i < MAX_DEVICES; i++)
		if (!claimed[i])
			dev = &kept->dev[i];
	return dev;
}

struct ring_place *ring_state_claim(const char *socket)
{
	struct device_state *dev = find(socket);

	if (!kept)
		return NULL;
	if (!dev) {
		dev = find_room();
		if (!dev)
			return NULL;
		memset(dev, 0, sizeof(*dev));
		snprintf(dev->socket, sizeof(dev->socket), "%s", socket);
	}
	claimed[dev - kept->dev] = true;
	return dev->ring;
}

void ring_state_release(struct ring_place *places)
{
	for (unsigned i = 0; places && i < MAX_DEVICES; i++)
		if (kept->dev[i].ring == places)
			claimed[i] = false;
}

/* Whether a device has used this ring. The driver starts with a ring of zeros, in which the device
 * is the first to set a USED flag; later the flags stay set or are set again within two rounds. */
static bool was_used(const struct virtq_conf *conf)
{
	const struct vring_packed_desc *ring = conf->desc;

	for (unsigned i = 0; i < conf->size; i++)
		if (__atomic_load_n(&ring[i].flags, __ATOMIC_RELAXED) &
		    (1u << VRING_PACKED_DESC_F_USED))
			return true;
	return false;
}

/* The position where the ring stands. If the daemon died between the two notes of publish_packed,
 * this is `next` only if the guest saw what was published. The flags of the first used descriptor,
 * which are written last, tell. */
static uint32_t settle(const struct ring_place *place, const struct virtq_conf *conf)
{
	const struct vring_packed_desc *ring = conf->desc;
	uint32_t used = place->at >> 16;
	uint16_t flags, bits = 1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED;

	if (place->at == place->next || (used & BASE_AT) >= conf->size)
		return place->at;
	flags = __atomic_load_n(&ring[used & BASE_AT].flags, __ATOMIC_ACQUIRE);
	return (flags & bits) == (used & BASE_WRAP ? bits : 0) ? place->next : place->at;
}

void ring_state_resume(struct ring_place *place, struct virtq_conf *conf)
{
	uint32_t given = conf->last_avail | (uint32_t)conf->last_used << 16;

	if (!place || !(conf->features & (1ULL << VIRTIO_F_RING_PACKED)))
		return;
	if (place->is_valid && (given == place->given || given == place->at) && was_used(conf)) {
		uint32_t at = settle(place, conf);

		if ((at & BASE_AT) < conf->size && (at >> 16 & BASE_AT) < conf->size) {
			conf->last_avail = (uint16_t)at;
			conf->last_used = (uint16_t)(at >> 16);
		}
	}
	place->given = given;
	place->at = conf->last_avail | (uint32_t)conf->last_used << 16;
	place->next = place->at;
	place->is_valid = 1;
	conf->place = place;
}
