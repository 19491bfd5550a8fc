/* SPDX-License-Identifier: BSD-3-Clause */
/* Giving up privileges. */
#include "daemon/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

/* Whether the process has the capability now (capget(2)). libcap-ng's own state is what it is to
 * become. */
static bool is_permitted(int cap)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &hdr, data) < 0)
		return false;
	return data[cap / 32].permitted & (1u << (cap % 32));
}

/* The capabilities that are kept, and the cost of not having each. */
static const struct {
	int cap;
	const char *name;
	const char *cost;
	bool for_uplinks; /* without them it is given up */
} kept[] = {
	{CAP_CHOWN, "CAP_CHOWN", "ports' sockets cannot be given to other users", false},
	{CAP_FOWNER, "CAP_FOWNER", "sockets in other users' folders keep their mode", false},
	{CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "sockets in other users' folders cannot be made",
	 false},
	{CAP_IPC_LOCK, "CAP_IPC_LOCK", "memory may be swapped out, which holds up all VMs", false},
	{CAP_PERFMON, "CAP_PERFMON",
	 "a guest's missing memory holds its worker up for longer than a packet", false},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN", "no VTEP can be made, and no AF_XDP device be an uplink",
	 true},
	{CAP_NET_RAW, "CAP_NET_RAW", "devices of the kernel cannot be uplinks", true},
	{CAP_BPF, "CAP_BPF", "no VTEP can be made, and no AF_XDP device be an uplink", true},
};

int privileges_drop(bool has_uplinks, struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
	if (geteuid() != 0 && capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
		return 0;
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (kept[i].for_uplinks && !has_uplinks)
			continue;
		if (prctl(PR_CAPBSET_READ, kept[i].cap, 0, 0, 0) == 1 && is_permitted(kept[i].cap))
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				     (unsigned)kept[i].cap);
		else
			log_warn("without %s %s", kept[i].name, kept[i].cost);
	}
	if (capng_apply(CAPNG_SELECT_BOTH) < 0 && capng_apply(CAPNG_SELECT_CAPS) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "cannot drop capabilities");
	return 0;
}

void privileges_lock_memory(void)
{
	struct rlimit r;

	if (!is_permitted(CAP_IPC_LOCK) &&
	    (getrlimit(RLIMIT_MEMLOCK, &r) < 0 || r.rlim_cur != RLIM_INFINITY))
		return;
	/* Pages are locked when they are touched, not before, since guests' memory is mapped
	 * too. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_warn("memory may be swapped out, which holds up all VMs: mlockall: %s",
			 strerror(errno));
}
