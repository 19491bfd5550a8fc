/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's tun device. */
#include "tests/fake/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* In the kernel's list of devices. */
#define TUN_MAJOR 10
#define TUN_MINOR 200

#define FLAGS (O_RDWR | O_NONBLOCK | O_CLOEXEC)

/* By a node of the test's own. */
static int open_own(void)
{
	char folder[] = "/tmp/stint-tun.XXXXXX", node[64];
	int fd = -1;

	if (!mkdtemp(folder))
		return -errno;
	snprintf(node, sizeof(node), "%s/tun", folder);
	if (mknod(node, S_IFCHR | 0600, makedev(TUN_MAJOR, TUN_MINOR)) == 0)
		fd = open(node, FLAGS);
	if (fd < 0)
		fd = -errno;
	unlink(node);
	rmdir(folder);
	return fd;
}

int fake_tun_open(void)
{
	int fd = open("/dev/net/tun", FLAGS);

	return fd >= 0 ? fd : open_own();
}
