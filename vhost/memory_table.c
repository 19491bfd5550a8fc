/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory tables. */
#include "vhost/memory_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#define LEAST_MOST (64ULL << 30)

uint64_t memory_table_most(void)
{
	struct sysinfo si;
	uint64_t total;

	if (sysinfo(&si) < 0)
		return LEAST_MOST;
	total = (uint64_t)(si.totalram + si.totalswap) * si.mem_unit;
	return total > LEAST_MOST ? total : LEAST_MOST;
}

static bool wraps(uint64_t start, uint64_t size)
{
	return size == 0 || start + (size - 1) < start;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

static int refuse(uint32_t i, const char *why, struct err *e)
{
	return err_set(e, ERR_INVALID, NULL, "memory region %u %s", i, why);
}

static int check_numbers(const struct message_region *r, uint32_t i, struct err *e)
{
	if (r[i].size == 0)
		return refuse(i, "is empty", e);
	if (wraps(r[i].gpa, r[i].size) || wraps(r[i].user, r[i].size) ||
	    wraps(r[i].offset, r[i].size))
		return refuse(i, "reaches beyond the end of addresses", e);
	for (uint32_t j = 0; j < i; j++)
		if (overlap(r[i].gpa, r[i].size, r[j].gpa, r[j].size) ||
		    overlap(r[i].user, r[i].size, r[j].user, r[j].size))
			return refuse(i, "overlaps one before it", e);
	return 0;
}

/* Only files in memory have seals: memfd, tmpfs and hugetlbfs. */
static int check_file(const struct message_region *region, uint32_t i, int fd, struct err *e)
{
	const struct message_region *r = &region[i];
	int seals = fcntl(fd, F_GET_SEALS), flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (seals < 0 || fstat(fd, &st) < 0)
		return refuse(i, "is a file that is not in memory (memfd, tmpfs or hugetlbfs)", e);
	if ((flags & O_ACCMODE) != O_RDWR || (flags & O_PATH) ||
	    (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return refuse(i, "cannot be written", e);
	if ((uint64_t)st.st_size < r->offset || (uint64_t)st.st_size - r->offset < r->size)
		return refuse(i, "reaches beyond its file", e);
	return 0;
}

int memory_table_check(const struct message *m, struct err *e)
{
	struct message_region r[MESSAGE_MAX_REGIONS];
	uint64_t sum = 0, most = memory_table_most();

	memcpy(r, m->payload.bytes + 8, sizeof(r)); /* aligned */
	for (uint32_t i = 0; i < m->payload.memory.n; i++) {
		if (check_numbers(r, i, e) < 0 || check_file(r, i, m->fds[i], e) < 0)
			return -EINVAL;
		/* A mapping begins at the beginning of its file. */
		if (r[i].offset + r[i].size > most - sum)
			return err_set(e, ERR_INVALID, NULL,
				       "more memory than %llu GiB, the most that a guest of this "
				       "host may share",
				       (unsigned long long)(most >> 30));
		sum += r[i].offset + r[i].size;
	}
	return 0;
}

uint8_t *memory_table_at(const struct vhost_lib_memory *memory, uint64_t user, uint64_t size)
{
	for (uint32_t i = 0; i < memory->n; i++) {
		const struct vhost_lib_region *r = &memory->region[i];

		if (user - r->user < r->size && size <= r->size - (user - r->user))
			return r->hva + (user - r->user);
	}
	return NULL;
}
