/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of cores. */
#include "base/core_list.h"

#include <errno.h>
#include <stdlib.h>

static int refuse(const char *text, const char *field, const char *why, struct err *e)
{
	return err_set(e, ERR_INVALID, field, "%s '%.80s': %s", field, text, why);
}

int core_list_parse(const char *text, const char *field,
		    int (*add)(void *ctx, unsigned core, struct err *e), void *ctx, struct err *e)
{
	const char *at = text;

	do {
		unsigned long first, last;
		char *end;

		first = last = strtoul(at, &end, 10);
		if (end != at && *end == '-') {
			at = end + 1;
			last = strtoul(at, &end, 10);
		}
		if (end == at || at[0] < '0' || at[0] > '9' || (*end && *end != ',') ||
		    last < first || last >= CORE_LIST_MAX)
			return refuse(text, field, "not a list of cores such as 1 or 1,3-5", e);
		for (unsigned long core = first; core <= last; core++) {
			int rc = add(ctx, (unsigned)core, e);

			if (rc < 0)
				return rc;
		}
		at = *end ? end + 1 : end;
		if (*end && !*at)
			return refuse(text, field, "ends in a comma", e);
	} while (*at);
	return 0;
}
