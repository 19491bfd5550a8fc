/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment. */
#include "vswitch/eal.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/log.h"

#define LEAST_HUGE_MIB 64 /* room for a dozen VMs */
#define MAX_ARGS       20

static int add_core(const char *text, unsigned core, const cpu_set_t *allowed,
		    struct eal_conf *conf, struct err *e)
{
	if (core >= CPU_SETSIZE || !CPU_ISSET(core, allowed))
		return err_set(e, ERR_INVALID, "workers",
			       "workers '%s': core %u is not one that this process may use", text,
			       core);
	for (unsigned i = 0; i < conf->n_workers; i++)
		if (conf->worker_core[i] == core)
			return err_set(e, ERR_INVALID, "workers", "workers '%s': core %u twice",
				       text, core);
	if (conf->n_workers == MAX_WORKERS)
		return err_set(e, ERR_INVALID, "workers", "workers '%s': more than %d", text,
			       MAX_WORKERS);
	conf->worker_core[conf->n_workers++] = core;
	return 0;
}

int eal_parse_cores(const char *text, struct eal_conf *conf, struct err *e)
{
	const char *at = text;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return err_set(e, ERR_INTERNAL, "workers", "sched_getaffinity: %s",
			       strerror(errno));
	conf->n_workers = 0;
	do {
		unsigned long first, last;
		char *end;

		first = last = strtoul(at, &end, 10);
		if (end != at && *end == '-') {
			at = end + 1;
			last = strtoul(at, &end, 10);
		}
		if (end == at || at[0] == '-' || at[0] == '+' || (*end && *end != ',') ||
		    last < first || last >= CPU_SETSIZE)
			return err_set(e, ERR_INVALID, "workers",
				       "workers '%s': not a list of cores such as 1 or 1,3-5",
				       text);
		for (unsigned long core = first; core <= last; core++)
			if (add_core(text, (unsigned)core, &allowed, conf, e) < 0)
				return -EINVAL;
		at = *end ? end + 1 : end;
		if (*end && !*at)
			return err_set(e, ERR_INVALID, "workers", "workers '%s': ends in a comma",
				       text);
	} while (*at);
	return 0;
}

void eal_default_core(struct eal_conf *conf)
{
	cpu_set_t allowed;

	conf->n_workers = 1;
	conf->worker_core[0] = 0;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return;
	for (unsigned core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &allowed))
			conf->worker_core[0] = core;
}

/* The number in a file of /sys, 0 when there is none. */
static unsigned long read_number(const char *path)
{
	char text[32] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strtoul(text, NULL, 10);
}

/* Bytes in free hugepages of all sizes: /sys/kernel/mm/hugepages/hugepages-2048kB/ and so on. */
static unsigned long free_huge_bytes(void)
{
	static const char prefix[] = "hugepages-";
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	unsigned long total = 0;
	struct dirent *entry;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		char path[512];

		if (strncmp(entry->d_name, prefix, sizeof(prefix) - 1) != 0)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages",
			 entry->d_name);
		total += read_number(path) * 1024 *
			 strtoul(entry->d_name + sizeof(prefix) - 1, NULL, 10);
	}
	closedir(dir);
	return total;
}

/* "0@(0,2),1@1": the control thread on the cores that no worker has, or on all when none is left.
 */
static void lcores_text(const struct eal_conf *conf, char *text, size_t size)
{
	cpu_set_t allowed, rest;
	size_t used;
	bool first = true;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	rest = allowed;
	for (unsigned i = 0; i < conf->n_workers; i++)
		CPU_CLR(conf->worker_core[i], &rest);
	if (CPU_COUNT(&rest) == 0)
		rest = allowed;
	used = (size_t)snprintf(text, size, "0@(");
	for (unsigned core = 0; core < CPU_SETSIZE && used < size; core++) {
		if (!CPU_ISSET(core, &rest))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%u", first ? "" : ",", core);
		first = false;
	}
	used += (size_t)snprintf(text + used, size - used, ")");
	for (unsigned i = 0; i < conf->n_workers; i++)
		used += (size_t)snprintf(text + used, size - used, ",%u@%u", i + 1,
					 conf->worker_core[i]);
}

int eal_init(const struct eal_conf *conf, const char *program, struct err *e)
{
	unsigned long huge_mib = conf->no_huge ? 0 : free_huge_bytes() >> 20;
	char lcores[8192], memory[16], prefix[32];
	char *argv[MAX_ARGS];
	int argc = 0;

	lcores_text(conf, lcores, sizeof(lcores));
	snprintf(memory, sizeof(memory), "%u", conf->memory_mb);
	snprintf(prefix, sizeof(prefix), "stint%d", getpid());
	argv[argc++] = (char *)(uintptr_t)program;
	argv[argc++] = (char *)"--lcores";
	argv[argc++] = lcores;
	argv[argc++] = (char *)"--main-lcore";
	argv[argc++] = (char *)"0";
	argv[argc++] = (char *)"--no-pci";
	argv[argc++] = (char *)"--no-telemetry";
	argv[argc++] = (char *)"--iova-mode=va";
	argv[argc++] = (char *)"--log-level=*:4";
	if (huge_mib >= LEAST_HUGE_MIB) {
		log_info("memory: hugepages, %lu MiB of them free", huge_mib);
		argv[argc++] = (char *)"--in-memory";
	} else {
		if (huge_mib > 0)
			log_warn("memory: only %lu MiB of hugepages are free, less than %u",
				 huge_mib, LEAST_HUGE_MIB);
		log_info("memory: no hugepages%s, running on %u MiB of ordinary pages",
			 conf->no_huge ? " wanted" : "", conf->memory_mb);
		argv[argc++] = (char *)"--no-huge";
		argv[argc++] = (char *)"--no-shconf";
		argv[argc++] = (char *)"-m";
		argv[argc++] = memory;
		argv[argc++] = (char *)"--file-prefix";
		argv[argc++] = prefix;
	}
	argv[argc] = NULL;
	if (rte_eal_init(argc, argv) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "DPDK's environment did not start: %s",
			       rte_strerror(rte_errno));
	return 0;
}

void eal_uninit(void)
{
	rte_eal_cleanup();
}
