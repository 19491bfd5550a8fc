/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages from other threads to the control thread, about device changes. Bounded, one per port: a
 * device that changes faster than control reads replaces its own last message. */
#ifndef CONTROL_MAILBOX_H
#define CONTROL_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/vdev.h"

struct mail {
	uint16_t port; /* id */
	enum vdev_state state;
	char text[VDEV_TEXT_SIZE];
};

struct mailbox;

struct mailbox *mailbox_create(void);
void mailbox_destroy(struct mailbox *m);

/* Leaves a message; one of the same port that was not read yet is replaced. [any] */
void mailbox_put(struct mailbox *m, uint16_t port, enum vdev_state state, const char *text);

/* Takes the oldest message; false when there is none. [control] */
bool mailbox_take(struct mailbox *m, struct mail *mail);

/* Forgets a port's messages. [control] */
void mailbox_forget(struct mailbox *m, uint16_t port);

/* Readable when there are messages; mailbox_take() resets it when it finds none. */
int mailbox_fd(const struct mailbox *m);

#endif
