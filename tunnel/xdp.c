/* SPDX-License-Identifier: BSD-3-Clause */
/* The XDP program of an uplink.
 *
 * Owns nothing: the program and its maps live in the kernel, as long as the interface has the
 * program, and are asked for by their ids. Called by the control thread. Memory: the path of the
 * object file. */
#include "tunnel/xdp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "tunnel/xdp_record.h"
#include "tunnel/xdp/uplink.h"
#include "tunnel/xdp_files.h"

#define OBJECT   "xdp/uplink.o"
#define MAX_MAPS 8 /* that a program of ours may have */

/* --- libbpf's messages ------------------------------------------------------------------------ */

static int on_libbpf_line(enum libbpf_print_level level, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static int on_libbpf_line(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[512];
	int n = vsnprintf(text, sizeof(text), fmt, args);

	text[strcspn(text, "\n")] = '\0';
	log_write(level == LIBBPF_WARN ? LOG_WARN : LOG_DEBUG, "%s", text);
	return n;
}

void xdp_init(void)
{
	libbpf_set_print(on_libbpf_line);
}

/* --- the object file -------------------------------------------------------------------------- */

const char *xdp_object_path(struct err *e)
{
	static const char *const places[] = {"", "../lib/stint/"};
	static char path[PATH_MAX + sizeof("../lib/stint/" OBJECT)];
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (n < 0) {
		err_set(e, ERR_INTERNAL, NULL, "/proc/self/exe: %s", strerror(errno));
		return NULL;
	}
	program[n] = '\0';
	/* The folder alone, so it does not matter that " (deleted)" follows after an upgrade. */
	strrchr(program, '/')[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s%s" OBJECT, program, places[i]);
		if (access(path, R_OK) == 0)
			return path;
	}
	err_set(e, ERR_NOT_FOUND, NULL,
		"no XDP program: neither %.80s" OBJECT " nor %.80s%s" OBJECT, program, program,
		places[1]);
	return NULL;
}

/* --- objects of the kernel -------------------------------------------------------------------- */

/* Opens a program or map. The kernel allows that to those with CAP_SYS_ADMIN only; others have what
 * DPDK's driver has loaded in this process, and keeps open. Negative errno. */
static int open_object(enum xdp_file_kind kind, uint32_t id)
{
	int fd = kind == XDP_FILE_MAP ? bpf_map_get_fd_by_id(id) : bpf_prog_get_fd_by_id(id);

	if (fd >= 0 || errno != EPERM)
		return fd >= 0 ? fd : -errno;
	fd = xdp_files_find(kind, id);
	if (fd < 0)
		return -EPERM;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 ? fd : -errno;
}

/* --- the attached program --------------------------------------------------------------------- */

/* Opens an attached program and has it described, its name and maps above all. Returns its
 * descriptor, -ENOENT when it is gone, negative errno with *e filled otherwise. */
static int open_program(uint32_t id, const char *ifname, struct bpf_prog_info *info, struct err *e)
{
	__u32 size = sizeof(*info);
	int fd = open_object(XDP_FILE_PROGRAM, id);

	if (fd == -EPERM)
		return err_set(e, ERR_PERMISSION, NULL,
			       "%s has an XDP program (id %u), whose owner cannot be told without "
			       "CAP_SYS_ADMIN",
			       ifname, id);
	if (fd == -ENOENT)
		return err_set(e, ERR_NOT_FOUND, NULL, "%s: XDP program %u is gone", ifname, id);
	if (fd < 0)
		return err_set(e, ERR_INTERNAL, NULL, "%s: XDP program %u: %s", ifname, id,
			       strerror(-fd));
	if (bpf_obj_get_info_by_fd(fd, info, &size) < 0) {
		err_set(e, ERR_INTERNAL, NULL, "%s: XDP program %u: %s", ifname, id,
			strerror(errno));
		close(fd);
		return -EIO;
	}
	return fd;
}

/* The ids of what is attached to the interface. For a device that is not there libbpf has none. */
static int query(unsigned ifindex, const char *ifname, struct bpf_xdp_query_opts *q, struct err *e)
{
	char name[IF_NAMESIZE];
	int rc;

	*q = (struct bpf_xdp_query_opts){.sz = sizeof(*q)};
	if (!if_indextoname(ifindex, name))
		return err_set(e, ERR_NOT_FOUND, NULL, "%s: no such device", ifname);
	rc = bpf_xdp_query((int)ifindex, 0, q);
	if (rc < 0)
		return err_set(e, ERR_INTERNAL, NULL, "%s: XDP query: %s", ifname, strerror(-rc));
	return 0;
}

/* Detaches a program, of which `only` may say more, from a hook. */
static int detach(unsigned ifindex, const char *ifname, uint32_t id, uint32_t hook,
		  const struct bpf_xdp_attach_opts *only, struct err *e)
{
	int rc = bpf_xdp_detach((int)ifindex, hook, only);

	if (rc < 0)
		return err_set(e, ERR_INTERNAL, NULL, "%s: cannot detach XDP program %u: %s",
			       ifname, id, strerror(-rc));
	log_info("%s: detached the XDP program of an earlier process (id %u)", ifname, id);
	return 0;
}

/* Detaches the program with that id from one of the interface's hooks if it is ours. */
static int clear_hook(unsigned ifindex, const char *ifname, uint32_t id, uint32_t hook,
		      struct err *e)
{
	struct bpf_prog_info info = {0};
	struct bpf_xdp_attach_opts only = {.sz = sizeof(only)};
	int fd, rc;

	if (id == 0)
		return 0;
	if (xdp_record_has(ifindex, id))
		return detach(ifindex, ifname, id, hook, NULL, e);
	fd = open_program(id, ifname, &info, e);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (strcmp(info.name, XDP_PROGRAM) != 0) {
		close(fd);
		return err_set(e, ERR_BUSY, NULL, "%s has another's XDP program: %s (id %u)",
			       ifname, info.name[0] ? info.name : "one without a name", id);
	}
	only.old_prog_fd = fd;
	rc = detach(ifindex, ifname, id, hook, &only, e);
	close(fd);
	return rc;
}

int xdp_clear(unsigned ifindex, const char *ifname, struct err *e)
{
	struct bpf_xdp_query_opts q;
	int rc = query(ifindex, ifname, &q, e);

	if (rc == 0)
		rc = clear_hook(ifindex, ifname, q.hw_prog_id, XDP_FLAGS_HW_MODE, e);
	if (rc == 0)
		rc = clear_hook(ifindex, ifname, q.drv_prog_id, XDP_FLAGS_DRV_MODE, e);
	if (rc == 0)
		rc = clear_hook(ifindex, ifname, q.skb_prog_id, XDP_FLAGS_SKB_MODE, e);
	return rc;
}

int xdp_drop_all(unsigned ifindex)
{
	/* return XDP_DROP */
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "stint_drop", "BSD", program,
			       sizeof(program) / sizeof(program[0]), NULL);
	int rc;

	if (fd < 0)
		return fd;
	rc = bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_SKB_MODE, NULL);
	close(fd);
	return rc;
}

void xdp_note(unsigned ifindex)
{
	struct bpf_xdp_query_opts q = {.sz = sizeof(q)};
	uint32_t id = 0;

	if (bpf_xdp_query((int)ifindex, 0, &q) == 0)
		id = q.drv_prog_id ? q.drv_prog_id : q.skb_prog_id;
	xdp_record_set(ifindex, id);
}

/* --- ports ------------------------------------------------------------------------------------ */

static int fill_ports(struct xdp_ports *to, const char *ifname, const uint16_t *ports, unsigned n,
		      struct err *e)
{
	*to = (struct xdp_ports){0};
	if (n > XDP_MAX_PORTS)
		return err_set(e, ERR_INVALID, "port", "%s: %u UDP ports, of %d at most", ifname, n,
			       XDP_MAX_PORTS);
	for (unsigned i = 0; i < n; i++) {
		if (ports[i] == 0)
			return err_set(e, ERR_INVALID, "port", "%s: UDP port 0", ifname);
		to->port[i] = htons(ports[i]);
	}
	return 0;
}

/* Opens the map of ports among a program's maps. Negative errno. */
static int open_ports(const __u32 *ids, unsigned n)
{
	int fd;

	for (unsigned i = 0; i < n; i++) {
		struct bpf_map_info info = {0};
		__u32 size = sizeof(info);

		fd = open_object(XDP_FILE_MAP, ids[i]);
		if (fd < 0)
			return fd;
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
		    strcmp(info.name, XDP_PORTS_MAP) == 0 &&
		    info.value_size == sizeof(struct xdp_ports))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

int xdp_set_ports(unsigned ifindex, const uint16_t *ports, unsigned n, struct err *e)
{
	__u32 maps[MAX_MAPS] = {0}, first = 0;
	struct bpf_prog_info info = {.nr_map_ids = MAX_MAPS, .map_ids = (uintptr_t)maps};
	char ifname[IF_NAMESIZE];
	struct bpf_xdp_query_opts q;
	struct xdp_ports value;
	uint32_t id;
	int fd, rc;

	if (!if_indextoname(ifindex, ifname))
		return err_set(e, ERR_NOT_FOUND, NULL, "no device has index %u", ifindex);
	rc = fill_ports(&value, ifname, ports, n, e);
	if (rc < 0)
		return rc;
	rc = query(ifindex, ifname, &q, e);
	if (rc < 0)
		return rc;
	id = q.drv_prog_id ?: q.skb_prog_id;
	if (id == 0)
		return err_set(e, ERR_NOT_FOUND, NULL, "%s has no XDP program", ifname);
	fd = open_program(id, ifname, &info, e);
	if (fd < 0)
		return fd;
	close(fd);
	if (strcmp(info.name, XDP_PROGRAM) != 0)
		return err_set(e, ERR_NOT_FOUND, NULL, "%s has another's XDP program: %s (id %u)",
			       ifname, info.name, id);
	fd = open_ports(maps, info.nr_map_ids < MAX_MAPS ? info.nr_map_ids : MAX_MAPS);
	rc = fd < 0 ? fd : bpf_map_update_elem(fd, &first, &value, BPF_ANY);
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return err_set(e, ERR_INTERNAL, NULL, "%s: cannot set the XDP program's ports: %s",
			       ifname, strerror(-rc));
	return 0;
}
