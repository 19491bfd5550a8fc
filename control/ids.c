/* SPDX-License-Identifier: BSD-3-Clause */
/* User and group ids by name. */
#include "control/ids.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_KNOWN 64 /* names that are remembered; others are looked up each time */

/* Names that were found, of users or of groups. */
struct known {
	unsigned n;
	struct {
		char name[32];
		uint32_t id;
	} at[MOST_KNOWN];
};

static struct known users, groups;

static bool is_known(const struct known *k, const char *name, uint32_t *id)
{
	for (unsigned i = 0; i < k->n; i++) {
		if (strcmp(k->at[i].name, name) == 0) {
			*id = k->at[i].id;
			return true;
		}
	}
	return false;
}

static void remember(struct known *k, const char *name, uint32_t id)
{
	if (k->n == MOST_KNOWN || strlen(name) >= sizeof(k->at[0].name))
		return;
	snprintf(k->at[k->n].name, sizeof(k->at[0].name), "%s", name);
	k->at[k->n++].id = id;
}

/* Parses an id in decimal; `what`, for the error, is "user" or "group". */
static int parse_id(const char *field, const char *what, const char *text, uint32_t *id,
		    struct err *e)
{
	unsigned long n;

	if (text[strspn(text, "0123456789")])
		return err_set(e, ERR_INVALID, field, "%s '%s': no such %s", field, text, what);
	errno = 0;
	n = strtoul(text, NULL, 10);
	/* The highest number means "no change" to chown. */
	if (errno || n >= UINT32_MAX)
		return err_set(e, ERR_INVALID, field, "%s '%s': not a %s's number", field, text,
			       what);
	*id = (uint32_t)n;
	return 0;
}

int ids_find_user(const char *name, uid_t *uid, struct err *e)
{
	const struct passwd *pw;

	*uid = (uid_t)-1;
	if (!name || !name[0] || is_known(&users, name, uid))
		return 0;
	pw = getpwnam(name);
	if (!pw)
		return parse_id("owner", "user", name, uid, e);
	*uid = pw->pw_uid;
	remember(&users, name, *uid);
	return 0;
}

int ids_find_group(const char *name, gid_t *gid, struct err *e)
{
	const struct group *gr;

	*gid = (gid_t)-1;
	if (!name || !name[0] || is_known(&groups, name, gid))
		return 0;
	gr = getgrnam(name);
	if (!gr)
		return parse_id("group", "group", name, gid, e);
	*gid = gr->gr_gid;
	remember(&groups, name, *gid);
	return 0;
}
