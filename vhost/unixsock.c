/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost-user sockets. */
#include "vhost/unixsock.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static bool is_served(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served;

	if (fd < 0)
		return true;
	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	/* A full backlog (EAGAIN) is somebody too. */
	served = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 || errno != ECONNREFUSED;
	close(fd);
	return served;
}

int unixsock_prepare(const char *path, struct err *e)
{
	char dir[PATH_MAX];
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", path);
	dirname(dir);
	/* One level is made: folders below /run are gone after each boot. */
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, ERR_INVALID, "socket",
			       "socket '%s': cannot make its directory: %s", path, strerror(errno));
	if (stat(dir, &st) < 0)
		return err_set(e, ERR_INVALID, "socket", "socket '%s': its directory: %s", path,
			       strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "socket", "socket '%s': its parent is no directory",
			       path);
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

/* Whether fd is a connection of the socket at `path`: accepted from it, or connected to it. */
static bool is_connection_of(int fd, const char *path, bool is_client)
{
	struct sockaddr_un sun = {0};
	socklen_t len = sizeof(sun);
	int listening = 0;
	socklen_t opt_len = sizeof(listening);
	int got = is_client ? getpeername(fd, (struct sockaddr *)&sun, &len)
			    : getsockname(fd, (struct sockaddr *)&sun, &len);

	if (got < 0 || sun.sun_family != AF_UNIX ||
	    strncmp(sun.sun_path, path, sizeof(sun.sun_path)) != 0)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &opt_len) == 0 && !listening;
}

void unixsock_bound_blocking(const char *path, bool is_client, unsigned timeout_ms)
{
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (entry->d_name[0] == '.' || !is_connection_of(fd, path, is_client))
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	}
	closedir(dir);
}
