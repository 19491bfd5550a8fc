/* SPDX-License-Identifier: BSD-3-Clause */
/* What DPDK's AF_XDP driver opens for a device.
 *
 * Owns the files that were taken, once the device is removed. Called by the control thread. A file
 * is known by its number and by what the kernel says it is, so that nothing else is closed where
 * the driver has closed its files itself. Memory: MAX_FILES entries a device, and once more. */
#include "tunnel/xdp_files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/log.h"

#define MAX_FILES 512 /* of all devices, of which each has one a queue and a few more */

struct file {
	int fd;
	enum xdp_file_kind kind;
	uint64_t id;
};

struct xdp_files {
	unsigned n_before; /* files of other devices, */
	unsigned n;        /* which this device's follow */
	struct file file[MAX_FILES];
};

/* --- files of this process -------------------------------------------------------------------- */

/* Asks the kernel for the id of a BPF object; 0 when it does not tell. */
static uint64_t bpf_id(enum xdp_file_kind kind, int fd)
{
	union {
		struct bpf_prog_info program;
		struct bpf_map_info map;
		struct bpf_btf_info types;
	} info = {0};
	__u32 size;

	if (kind == XDP_FILE_PROGRAM) {
		size = sizeof(info.program);
		return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.program.id;
	}
	if (kind == XDP_FILE_MAP) {
		size = sizeof(info.map);
		return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.map.id;
	}
	size = sizeof(info.types);
	return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.types.id;
}

static struct file identify(int fd)
{
	static const char *const links[] = {
		[XDP_FILE_PROGRAM] = "anon_inode:bpf-prog",
		[XDP_FILE_MAP] = "anon_inode:bpf-map",
		[XDP_FILE_TYPES] = "anon_inode:btf",
	};
	struct file file = {.fd = fd, .kind = XDP_FILE_OTHER};
	char name[32], link[64];
	socklen_t size = sizeof(int);
	int domain = 0;
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	if (strncmp(link, "socket:[", 8) == 0) {
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_XDP)
			file.kind = XDP_FILE_SOCKET;
		file.id = strtoull(link + 8, NULL, 10);
		return file;
	}
	for (unsigned kind = XDP_FILE_PROGRAM; kind <= XDP_FILE_TYPES; kind++)
		if (strcmp(link, links[kind]) == 0)
			file.kind = kind;
	if (file.kind != XDP_FILE_OTHER)
		file.id = bpf_id(file.kind, fd);
	return file;
}

/* Lists AF_XDP sockets and BPF objects that this process has open. Returns their number. */
static unsigned list(struct file *file, unsigned max)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned n = 0;

	if (!dir) {
		log_warn("/proc/self/fd: %s", strerror(errno));
		return 0;
	}
	while (n < max && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		file[n] = identify((int)strtol(entry->d_name, NULL, 10));
		if (file[n].kind != XDP_FILE_OTHER)
			n++;
	}
	closedir(dir);
	return n;
}

static bool is_same(const struct file *a, const struct file *b)
{
	return a->fd == b->fd && a->kind == b->kind && a->id == b->id;
}

int xdp_files_find(enum xdp_file_kind kind, uint64_t id)
{
	static struct file now[MAX_FILES];
	unsigned n = list(now, MAX_FILES);

	for (unsigned i = 0; i < n; i++)
		if (now[i].kind == kind && now[i].id == id)
			return now[i].fd;
	return -ENOENT;
}

/* --- files of a device ------------------------------------------------------------------------ */

struct xdp_files *xdp_files_create(void)
{
	struct xdp_files *f = calloc(1, sizeof(*f));

	if (f)
		f->n = f->n_before = list(f->file, MAX_FILES);
	return f;
}

void xdp_files_take(struct xdp_files *f)
{
	static struct file now[MAX_FILES];
	unsigned n = list(now, MAX_FILES);

	for (unsigned i = 0; i < n && f->n < MAX_FILES; i++) {
		bool is_known = false;

		for (unsigned k = 0; k < f->n && !is_known; k++)
			is_known = is_same(&now[i], &f->file[k]);
		if (!is_known)
			f->file[f->n++] = now[i];
	}
}

int xdp_files_socket(const struct xdp_files *f, unsigned n)
{
	for (unsigned i = f->n_before; i < f->n; i++)
		if (f->file[i].kind == XDP_FILE_SOCKET && n-- == 0)
			return f->file[i].fd;
	return -1;
}

/* Finds a mapping of a socket's ring in /proc/self/maps, whose lines begin with its bounds. */
static bool find_ring(const struct file *socket, void **start, size_t *bytes)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], name[48], *end;
	uintptr_t from;
	bool is_found = false;

	if (!maps)
		return false;
	snprintf(name, sizeof(name), " socket:[%" PRIu64 "]\n", socket->id);
	while (!is_found && fgets(line, sizeof(line), maps)) {
		from = strtoul(line, &end, 16);
		is_found = *end == '-' && strstr(end, name);
		if (is_found) {
			*start = (void *)from;
			*bytes = strtoul(end + 1, NULL, 16) - from;
		}
	}
	fclose(maps);
	return is_found;
}

/* Unmaps a socket's rings, each of which keeps the socket open. */
static void unmap_rings(const struct file *socket)
{
	void *start;
	size_t bytes;

	while (find_ring(socket, &start, &bytes))
		if (munmap(start, bytes) < 0)
			break;
}

void xdp_files_destroy(struct xdp_files *f)
{
	struct file now;

	if (!f)
		return;
	for (unsigned i = f->n_before; i < f->n; i++) {
		if (f->file[i].kind == XDP_FILE_SOCKET)
			unmap_rings(&f->file[i]);
		now = identify(f->file[i].fd);
		if (is_same(&now, &f->file[i]))
			close(now.fd);
	}
	free(f);
}
