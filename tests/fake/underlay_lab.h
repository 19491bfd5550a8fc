/* SPDX-License-Identifier: BSD-3-Clause */
/* A host and a peer for tests of the underlay, in namespaces of their own: the caller's has the
 * device "va" with 10.0.0.1 and fd00::1, the peer's "vb" with 10.0.0.2 and fd00::2. */
#ifndef FAKE_UNDERLAY_LAB_H
#define FAKE_UNDERLAY_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include "tunnel/underlay.h"

struct nlmsghdr;

#define LAB_VA_MAC "02:00:00:00:00:a1"
#define LAB_VB_MAC "02:00:00:00:00:b1"

struct lab {
	int first, here, there; /* namespaces: the test's own before, the host's, the peer's */
	unsigned ifindex;       /* of va */
	struct underlay *u;
	unsigned changes; /* calls of `changed` */
	bool remove;      /* whether that removes the path */
};

/* A cmocka test, whose state is a struct lab. */
#define LAB_TEST(fn) cmocka_unit_test_setup_teardown(fn, lab_open, lab_close)
int lab_open(void **state);
int lab_close(void **state);

/* Run a command, which must succeed, in the host's namespace and in the peer's. */
void lab_here(struct lab *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lab_there(struct lab *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether a command in the host's namespace succeeds. */
bool lab_is(struct lab *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct ip_addr lab_addr(const char *text);

/* Adds a path between two addresses by va. */
struct underlay_path *lab_add(struct lab *l, const char *src, const char *dst);

/* Reads notifications until a path's text is this one. There are no ticks meanwhile, so the kernel
 * has told of the change. */
void lab_expect(struct lab *l, const struct underlay_path *p, const char *text);

/* Handles what there is, for a moment at most; true until a minute after *deadline was 0. */
bool lab_wait(struct lab *l, uint64_t *deadline);

/* Fails unless it is this MAC. */
void lab_check_mac(const uint8_t *mac, const char *text);

/* Changes so many routes, LAB_ROUTES, that the kernel cannot keep the news for who does not read
 * them. */
#define LAB_ROUTES 30000
void lab_change_routes(struct lab *l);

/* Says in a message about a device that it is a VLAN's. */
void lab_put_vlan(struct nlmsghdr *m, uint16_t id, uint16_t protocol);

#endif
