/* SPDX-License-Identifier: BSD-3-Clause */
/* Events, which clients get without asking, and what the daemon does periodically. All of it is the
 * control thread's. */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include "daemon/daemon.h"

/* Watches ports, budgets and rings from now on, whenever the loop runs. */
int events_watch(struct daemon *d, struct err *e);

/* Sends events for objects of the configuration that were refused, and for VMs that another worker
 * serves than the one asked for. */
void events_tell_incomplete(struct daemon *d);

/* Saves changes, also those that could not be saved before. The first failure is an event, and so
 * is the first success after it. */
int events_save(struct daemon *d, struct err *e);

#endif
