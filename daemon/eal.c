/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment. */
#include "daemon/eal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/clock.h"
#include "base/core_list.h"
#include "base/log.h"
#include "base/pace.h"

/* Memory for rings, the heads of pools, and what the vhost library keeps of devices. Packets are
 * elsewhere (pkt/pool.h), so this need not be in hugepages, and only the part in use takes
 * memory. */
#define EAL_MEMORY_MIB "512"

#define DPDK_LINES_BURST    20
#define DPDK_LINES_INTERVAL CLOCK_NS_PER_S

/* Cores for workers that are being chosen. */
struct choice {
	const char *text; /* as it was written */
	cpu_set_t allowed;
	struct eal_conf *conf;
};

static int add_core(void *ctx, unsigned core, struct err *e)
{
	const struct choice *c = ctx;
	struct eal_conf *conf = c->conf;

	if (core >= CPU_SETSIZE || !CPU_ISSET(core, &c->allowed))
		return err_set(e, ERR_INVALID, "workers",
			       "workers '%s': core %u is not one that this process may use",
			       c->text, core);
	for (unsigned i = 0; i < conf->n_workers; i++)
		if (conf->worker_core[i] == core)
			return err_set(e, ERR_INVALID, "workers", "workers '%s': core %u twice",
				       c->text, core);
	if (conf->n_workers == MAX_WORKERS)
		return err_set(e, ERR_INVALID, "workers", "workers '%s': more than %d", c->text,
			       MAX_WORKERS);
	conf->worker_core[conf->n_workers++] = core;
	return 0;
}

int eal_parse_cores(const char *text, struct eal_conf *conf, struct err *e)
{
	struct choice c = {.text = text, .conf = conf};

	if (sched_getaffinity(0, sizeof(c.allowed), &c.allowed) < 0)
		return err_set(e, ERR_INTERNAL, "workers", "sched_getaffinity: %s",
			       strerror(errno));
	conf->n_workers = 0;
	return core_list_parse(text, "workers", add_core, &c, e);
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

/* Writes EAL's lcore map, "0@(0,2),1@1": the control thread on the cores that no worker has, or on
 * all when none is left. */
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

/* Puts DPDK's log into ours, line by line, with a rate limit. */
static ssize_t on_dpdk_line(void *cookie, const char *text, size_t size)
{
	static struct pace pace;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char others[48] = "";
	uint64_t more = 0;
	bool tell;

	(void)cookie;
	pthread_mutex_lock(&lock);
	if (pace.burst == 0)
		pace_init(&pace, DPDK_LINES_BURST, DPDK_LINES_INTERVAL);
	tell = pace_allows(&pace, clock_now_ns(), &more);
	pthread_mutex_unlock(&lock);
	if (more > 0)
		snprintf(others, sizeof(others), " (after %llu other lines)",
			 (unsigned long long)more);
	if (tell)
		log_warn("dpdk: %.*s%s", (int)strcspn(text, "\n"), text, others);
	return (ssize_t)size;
}

static void take_dpdk_log(void)
{
	const cookie_io_functions_t functions = {.write = on_dpdk_line};
	FILE *f = fopencookie(NULL, "w", functions);

	if (!f)
		return;
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	rte_openlog_stream(f);
}

/* Removes the folder that EAL makes for files shared with other processes, though it is told to
 * share none. */
static void remove_runtime_folder(void)
{
	const char *dir = rte_eal_get_runtime_dir();

	if (dir)
		rmdir(dir);
}

int eal_init(const struct eal_conf *conf, const char *program, struct err *e)
{
	char lcores[8192], prefix[32];
	const char *const args[] = {
		program,
		"--lcores",
		lcores,
		"--main-lcore",
		"0",
		"--no-pci",
		"--no-telemetry",
		"--no-shconf",
		"--no-huge",
		"-m",
		EAL_MEMORY_MIB,
		"--iova-mode=va",
		"--log-level=*:4",
		"--file-prefix",
		prefix,
	};
	const int n = (int)(sizeof(args) / sizeof(args[0]));
	char *argv[sizeof(args) / sizeof(args[0]) + 1] = {0};

	take_dpdk_log();
	lcores_text(conf, lcores, sizeof(lcores));
	snprintf(prefix, sizeof(prefix), "stint%d", getpid());
	for (int i = 0; i < n; i++)
		argv[i] = (char *)(uintptr_t)args[i];
	if (rte_eal_init(n, argv) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "DPDK's environment did not start: %s",
			       rte_strerror(rte_errno));
	remove_runtime_folder();
	return 0;
}

void eal_uninit(void)
{
	rte_eal_cleanup();
}
