/* SPDX-License-Identifier: BSD-3-Clause */
/* Giving up privileges. */
#include "vswitch/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

int privileges_drop(struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
	if (capng_get_caps_process() < 0 ||
	    capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
		return 0;
	capng_clear(CAPNG_SELECT_BOTH);
	/* The sockets get the owner and mode configured, in directories that may be another
	 * user's; hugepages are locked memory; workers watch their page faults. */
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_CHOWN, CAP_FOWNER,
		      CAP_DAC_OVERRIDE, CAP_IPC_LOCK, CAP_PERFMON, -1);
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "cannot drop capabilities");
	return 0;
}
