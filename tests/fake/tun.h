/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's tun device, for tests that are the other end of a network device. */
#ifndef FAKE_TUN_H
#define FAKE_TUN_H

/* Opens it, not blocking: where /dev is small through a node of the test's own, which no folder can
 * have that is mounted without devices. Negative errno. */
int fake_tun_open(void);

#endif
