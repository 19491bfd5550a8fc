/* SPDX-License-Identifier: BSD-3-Clause */
/* Network namespaces for tests, which need root. They go when the last descriptor and process
 * does. */
#ifndef FAKE_NETNS_H
#define FAKE_NETNS_H

/* Moves the calling thread into a new namespace. Returns its descriptor, or a negative errno. */
int netns_enter_new(void);

/* Runs a shell's command in a namespace. Returns its exit status, or a negative errno. */
int netns_run(int ns, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
