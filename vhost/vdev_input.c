/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vhost-user front end sends. */
#include "vhost/vdev_input.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "vhost/guest_fd.h"

/* The messages that matter here, numbered as in QEMU's docs/interop/vhost-user.rst. */
enum {
	SET_FEATURES = 2,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_LOG_BASE = 6,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	SET_INFLIGHT_FD = 32,
};

/* A message begins with its number. */
static uint32_t request_of(const void *msg)
{
	uint32_t request;

	memcpy(&request, msg, sizeof(request));
	return request;
}

bool vdev_input_changes_rings(const void *msg)
{
	switch (request_of(msg)) {
	case SET_FEATURES:
	case RESET_OWNER:
	case SET_MEM_TABLE:
	case SET_LOG_BASE:
	case SET_VRING_NUM:
	case SET_VRING_ADDR:
	case SET_VRING_BASE:
	case GET_VRING_BASE:
	case SET_VRING_KICK:
	case SET_VRING_CALL:
	case SET_VRING_ENABLE:
	case SET_INFLIGHT_FD:
		return true;
	default:
		return false;
	}
}

bool vdev_input_asks_queues(const void *msg)
{
	return request_of(msg) == GET_QUEUE_NUM;
}

void vdev_input_answer_queues(void *msg, uint16_t pairs)
{
	struct {
		uint32_t request, flags, size;
		uint64_t value;
	} __attribute__((packed)) *m = msg;

	m->size = sizeof(m->value);
	m->value = pairs;
}

/* Whether a page fault in the file is served from memory: only such files have seals. One on a disk
 * or in a FUSE file system would hold the worker, and all other VMs, for as long as that takes. */
static bool is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/* Whether a region lies within its file. A file that shrinks later is met by vhost/sigbus.h. */
static bool is_backed(const struct rte_vhost_mem_region *r)
{
	uint64_t offset = r->host_user_addr - (uint64_t)(uintptr_t)r->mmap_addr;
	struct stat st;

	return fstat(r->fd, &st) == 0 && (uint64_t)st.st_size >= offset &&
	       (uint64_t)st.st_size - offset >= r->size;
}

static int check_region(uint32_t i, const struct rte_vhost_mem_region *r, struct err *e)
{
	if (!is_memory(r->fd))
		return err_set(e, ERR_INVALID, NULL,
			       "memory region %u is a file that is not in memory (memfd, tmpfs "
			       "or hugetlbfs)",
			       i);
	if (!is_backed(r))
		return err_set(e, ERR_INVALID, NULL, "memory region %u reaches beyond its file", i);
	return 0;
}

int vdev_input_memory(const struct rte_vhost_memory *table, struct guest_mem *mem, struct err *e)
{
	mem->n = 0;
	for (uint32_t i = 0; i < table->nregions && i < GUEST_MEM_MAX_REGIONS; i++) {
		const struct rte_vhost_mem_region *r = &table->regions[i];
		int ret = check_region(i, r, e);

		if (ret < 0) {
			mem->n = 0;
			return ret;
		}
		mem->r[mem->n++] = (struct guest_region){
			.gpa = r->guest_phys_addr,
			.size = r->size,
			.hva = (uint8_t *)(uintptr_t)r->host_user_addr,
		};
	}
	return 0;
}

int vdev_input_eventfds(uint16_t queue, const struct rte_vhost_vring *vring, struct err *e)
{
	bool call = vring->callfd < 0 || guest_fd_is_eventfd(vring->callfd);
	bool kick = vring->kickfd < 0 || guest_fd_is_eventfd(vring->kickfd);

	if (call && kick)
		return 0;
	return err_set(e, ERR_INVALID, NULL, "ring %u: its %s descriptor is no eventfd", queue,
		       call ? "kick" : "call");
}
