/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters of captures: libpcap's language (pcap-filter(7)), compiled to classic BPF that a worker
 * may run on each packet: short, and without loops. */
#ifndef CONTROL_CAPTURE_FILTER_H
#define CONTROL_CAPTURE_FILTER_H

#include <stdint.h>

#include "base/err.h"

struct bpf_insn;

#define CAPTURE_FILTER_SIZE 1024 /* of the text, with its NUL */
#define CAPTURE_FILTER_MAX  256  /* instructions */

/* Has names of hosts and networks looked up in files only from now on: a name server that does not
 * answer would hold up control. [control] */
void capture_filter_init(void);

/* Compiles the filter for Ethernet frames. *program is the caller's, to be freed by free(); NULL
 * for a filter that matches everything. *reach is the number of a packet's first bytes that it may
 * look at. -EINVAL with *e filled: what libpcap says is passed on. [control] */
int capture_filter_compile(const char *text, struct bpf_insn **program, uint32_t *reach,
			   struct err *e);

#endif
