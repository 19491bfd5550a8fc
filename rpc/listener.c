/* SPDX-License-Identifier: BSD-3-Clause */
/* The listening socket and its lock file. */
#include "rpc/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

/* Whether the locked file is still the one at the path. Its last owner removes it at its end. */
static int lock_is_current(const struct rpc_listener *l)
{
	struct stat ours, there;

	return fstat(l->lock_fd, &ours) == 0 && stat(l->lock_path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static void write_pid(int fd)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	/* The process id is for people to read only: a full disk is no reason not to start. */
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)len, 0) != len)
		return;
}

static int refuse_busy(const struct rpc_listener *l, struct err *e)
{
	char pid[16] = "";
	ssize_t n = pread(l->lock_fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	return err_set(e, ERR_BUSY, "socket", "another instance%s%s is running on %s",
		       *pid ? ", process " : "", pid, l->path);
}

static int refuse_place(const struct rpc_listener *l, int error, struct err *e)
{
	char folder[sizeof(l->path)];

	if (error != ENOENT)
		return err_set(e, ERR_PERMISSION, "socket", "cannot open %s: %s", l->lock_path,
			       strerror(error));
	memcpy(folder, l->path, sizeof(folder));
	return err_set(e, ERR_NOT_FOUND, "socket", "cannot make %s: folder %s does not exist",
		       l->path, dirname(folder));
}

static int take_lock(struct rpc_listener *l, struct err *e)
{
	for (;;) {
		l->lock_fd = open(l->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (l->lock_fd < 0)
			return refuse_place(l, errno, e);
		if (flock(l->lock_fd, LOCK_EX | LOCK_NB)) {
			int rc = errno == EWOULDBLOCK
					 ? refuse_busy(l, e)
					 : err_set(e, ERR_INTERNAL, "socket", "cannot lock %s: %s",
						   l->lock_path, strerror(errno));
			close(l->lock_fd);
			return rc;
		}
		if (lock_is_current(l)) {
			write_pid(l->lock_fd);
			return 0;
		}
		close(l->lock_fd);
	}
}

/* Removes the socket of a process that ended without removing it. */
static int remove_stale(const struct rpc_listener *l, const struct sockaddr_un *address,
			struct err *e)
{
	struct stat st;
	int fd, rc;

	if (lstat(l->path, &st))
		return errno == ENOENT ? 0
				       : err_set(e, ERR_PERMISSION, "socket",
						 "cannot look at %s: %s", l->path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_EXISTS, "socket", "%s is there and is no socket", l->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, ERR_INTERNAL, "socket", "socket: %s", strerror(errno));
	rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	if (rc != ECONNREFUSED && rc != ENOENT)
		return err_set(e, ERR_BUSY, "socket", "another program listens on %s", l->path);
	if (unlink(l->path) && errno != ENOENT)
		return err_set(e, ERR_PERMISSION, "socket", "cannot remove the stale %s: %s",
			       l->path, strerror(errno));
	return 0;
}

static int group_id(const char *name, gid_t *gid, struct err *e)
{
	const struct group *group = getgrnam(name);

	if (!group)
		return err_set(e, ERR_INVALID, "group", "there is no group '%s'", name);
	*gid = group->gr_gid;
	return 0;
}

static int bind_and_listen(struct rpc_listener *l, const struct sockaddr_un *address, gid_t gid,
			   mode_t mode, struct err *e)
{
	/* The file inherits this mode: nobody else may connect until owner and mode are right. */
	if (fchmod(l->fd, 0600) || bind(l->fd, (const struct sockaddr *)address, sizeof(*address)))
		return err_set(e, ERR_PERMISSION, "socket", "cannot make %s: %s", l->path,
			       strerror(errno));
	if ((gid != (gid_t)-1 && chown(l->path, (uid_t)-1, gid)) || chmod(l->path, mode) ||
	    listen(l->fd, BACKLOG)) {
		int rc = err_set(e, ERR_PERMISSION, "socket", "cannot set up %s: %s", l->path,
				 strerror(errno));

		unlink(l->path);
		return rc;
	}
	return 0;
}

int rpc_listener_open(struct rpc_listener *l, const char *path, const char *group, mode_t mode,
		      struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	gid_t gid = (gid_t)-1;
	int rc;

	l->fd = l->lock_fd = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, ERR_INVALID, "socket", "%s is longer than %zu bytes", path,
			       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	snprintf(l->path, sizeof(l->path), "%s", path);
	snprintf(l->lock_path, sizeof(l->lock_path), "%s.lock", path);
	rc = group ? group_id(group, &gid, e) : 0;
	if (rc == 0)
		rc = take_lock(l, e);
	if (rc)
		return rc;
	rc = remove_stale(l, &address, e);
	if (rc == 0) {
		l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (l->fd < 0)
			rc = err_set(e, ERR_INTERNAL, "socket", "socket: %s", strerror(errno));
		else
			rc = bind_and_listen(l, &address, gid, mode, e);
	}
	if (rc) {
		if (l->fd >= 0)
			close(l->fd);
		unlink(l->lock_path);
		close(l->lock_fd);
		l->fd = l->lock_fd = -1;
	}
	return rc;
}

void rpc_listener_close(struct rpc_listener *l)
{
	if (l->fd < 0)
		return;
	unlink(l->path);
	close(l->fd);
	/* The lock is still held, so whoever locks this file next sees that it is gone. */
	unlink(l->lock_path);
	close(l->lock_fd);
	l->fd = l->lock_fd = -1;
}
