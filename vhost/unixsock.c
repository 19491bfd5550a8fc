/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost-user sockets. */
#include "vhost/unixsock.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that wait to be accepted: one front end, and some that are turned away. */
#define BACKLOG 8

int unixsock_connect(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static bool is_served(const char *path)
{
	int fd = unixsock_connect(path);

	if (fd < 0)
		return fd != -ECONNREFUSED; /* a full queue (EAGAIN) is served too */
	close(fd);
	return true;
}

static int make_folder(const char *path, struct err *e)
{
	char dir[PATH_MAX];
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", path);
	dirname(dir);
	/* Creates one level, since folders below /run are gone after each boot. The umask must not
	 * decide who can pass through it. */
	if (mkdir(dir, 0755) == 0)
		chmod(dir, 0755);
	else if (errno != EEXIST)
		return err_set(e, ERR_INVALID, "socket",
			       "socket '%s': cannot make its directory: %s", path, strerror(errno));
	if (stat(dir, &st) < 0)
		return err_set(e, ERR_INVALID, "socket", "socket '%s': its directory: %s", path,
			       strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "socket", "socket '%s': its parent is no directory",
			       path);
	return 0;
}

static int remove_stale(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_set(e, ERR_INVALID, "socket", "socket '%s': %s", path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_INVALID, "socket",
			       "socket '%s': a file that is not a socket is there", path);
	if (is_served(path))
		return err_set(e, ERR_BUSY, "socket", "socket '%s': another process serves it",
			       path);
	if (unlink(path) < 0)
		return err_set(e, ERR_INVALID, "socket",
			       "socket '%s': cannot remove the stale one: %s", path,
			       strerror(errno));
	return 0;
}

static int set_access(const char *path, const struct unixsock_access *access, struct err *e)
{
	if (chown(path, access->owner, access->group) < 0)
		return err_set(e, ERR_PERMISSION, access->owner == (uid_t)-1 ? "group" : "owner",
			       "socket '%s': its %s: %s", path,
			       access->owner == (uid_t)-1 ? "group" : "owner", strerror(errno));
	if (chmod(path, access->mode ? access->mode : 0600) < 0)
		return err_set(e, ERR_PERMISSION, "socket_mode", "socket '%s': its mode: %s", path,
			       strerror(errno));
	return 0;
}

int unixsock_listen(const char *path, const struct unixsock_access *access, struct err *e)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, ret;

	if (make_folder(path, e) < 0 || remove_stale(path, e) < 0)
		return -EINVAL;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, ERR_INTERNAL, "socket", "socket '%s': %s", path, strerror(errno));
	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		ret = err_set(e, ERR_INVALID, "socket", "socket '%s': %s", path, strerror(errno));
		close(fd);
		return ret;
	}
	ret = set_access(path, access, e);
	/* Connections are refused until here. */
	if (ret == 0 && listen(fd, BACKLOG) < 0)
		ret = err_set(e, ERR_INTERNAL, "socket", "socket '%s': %s", path, strerror(errno));
	if (ret == 0)
		return fd;
	close(fd);
	unlink(path);
	return ret;
}

ino_t unixsock_inode(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_ino;
}
