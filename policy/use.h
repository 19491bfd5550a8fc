/* SPDX-License-Identifier: BSD-3-Clause */
/* What a service used. */
#ifndef POLICY_USE_H
#define POLICY_USE_H

#include <stdint.h>

struct use {
	uint64_t tsc; /* cycles */
	uint32_t packets;
	uint32_t bytes;
	uint32_t descs;           /* descriptors */
	uint32_t unrated_packets; /* of all: not to be counted against rates, as they were not sent
				     by the VM, or counted when it sent them */
	uint32_t unrated_bytes;
	uint32_t header_bytes; /* that large packets get when they are cut into segments: they count
				  against rates, too */
};

#endif
