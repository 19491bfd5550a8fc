/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients are told without having asked: events, and what the daemon does once in a while. All
 * of it is the control thread's. */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include "daemon/daemon.h"

/* Watches ports, budgets and rings from now on, whenever the loop runs. */
int events_watch(struct daemon *d, struct err *e);

/* Tells what of the configuration is not as it was asked for. */
void events_tell_incomplete(struct daemon *d);

/* Saves what has changed, or could not be saved before. The first failure and the end of failing
 * are events. */
int events_save(struct daemon *d, struct err *e);

#endif
