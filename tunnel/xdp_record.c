/* SPDX-License-Identifier: BSD-3-Clause */
/* A record of the XDP programs that this daemon has attached. The file has the boot's id, then a
 * line for each program: the interface's index, and the program's id. */
#include "tunnel/xdp_record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define MAX_PROGRAMS 16
#define BOOT_ID      "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE 64

static char file[PATH_MAX];
static unsigned n_programs;
static struct {
	unsigned ifindex;
	uint32_t id;
} program[MAX_PROGRAMS];

static void read_boot_id(char id[BOOT_ID_SIZE])
{
	FILE *f = fopen(BOOT_ID, "re");

	if (!f || !fgets(id, BOOT_ID_SIZE, f))
		id[0] = '\0';
	if (f)
		fclose(f);
}

void xdp_record_open(const char *path)
{
	char now[BOOT_ID_SIZE], line[BOOT_ID_SIZE];
	FILE *f = fopen(path, "re");

	snprintf(file, sizeof(file), "%s", path);
	n_programs = 0;
	read_boot_id(now);
	if (!f)
		return;
	if (fgets(line, sizeof(line), f) && strcmp(now, line) == 0)
		while (n_programs < MAX_PROGRAMS && fgets(line, sizeof(line), f)) {
			char *rest;

			program[n_programs].ifindex = (unsigned)strtoul(line, &rest, 10);
			program[n_programs++].id = (uint32_t)strtoul(rest, NULL, 10);
		}
	fclose(f);
}

static void save(void)
{
	char boot[BOOT_ID_SIZE];
	FILE *f = fopen(file, "we");

	if (!f) {
		log_warn("%s: %s: after a crash, uplinks of AF_XDP need their program detached by "
			 "hand",
			 file, strerror(errno));
		return;
	}
	read_boot_id(boot);
	fputs(boot, f);
	for (unsigned i = 0; i < n_programs; i++)
		fprintf(f, "%u %u\n", program[i].ifindex, program[i].id);
	fclose(f);
}

void xdp_record_set(unsigned ifindex, uint32_t id)
{
	unsigned i = 0;

	if (!file[0])
		return;
	while (i < n_programs && program[i].ifindex != ifindex)
		i++;
	if (i == MAX_PROGRAMS || (i == n_programs && id == 0))
		return;
	if (i == n_programs)
		n_programs++;
	program[i].ifindex = ifindex;
	program[i].id = id;
	if (id == 0)
		program[i] = program[--n_programs];
	save();
}

bool xdp_record_has(unsigned ifindex, uint32_t id)
{
	for (unsigned i = 0; i < n_programs; i++)
		if (program[i].ifindex == ifindex && program[i].id == id)
			return true;
	return false;
}
