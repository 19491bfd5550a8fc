/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of vhost-user devices in words, as shown to operators. */
#ifndef VHOST_VDEV_TEXT_H
#define VHOST_VDEV_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/vdev.h"

/* The state's name. [any] */
const char *vdev_state_text(enum vdev_state state);

/* No front end is connected; `last`, which may be NULL, is what became of the one before. [any] */
void vdev_text_waiting(char text[VDEV_TEXT_SIZE], bool is_client, const char *last);

/* The number of rings that the front end started, and of those that are enabled. [any] */
void vdev_text_negotiating(char text[VDEV_TEXT_SIZE], bool has_memory, unsigned known,
			   unsigned enabled);

/* The same when that lasts so many seconds, without memory; `driver` is the guest's. [any] */
void vdev_text_stuck(char text[VDEV_TEXT_SIZE], uint64_t seconds, const char *driver);

/* Connected, and not usable. [any] */
void vdev_text_down(char text[VDEV_TEXT_SIZE], const char *why);

/* Adds what was refused last, if something was. [any] */
void vdev_text_add_refused(char text[VDEV_TEXT_SIZE], const char *refused);

#endif
