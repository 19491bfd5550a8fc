/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of captured packets: pcapng (draft-ietf-opsawg-pcapng), version 1.0, in the machine's byte
 * order, times in nanoseconds. Blocks in, bytes out: nothing here knows files or packets' meaning.
 * [any] */
#ifndef CONTROL_PCAPNG_H
#define CONTROL_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where blocks are written to. A block that does not fit is left out as a whole. */
struct pcapng {
	uint8_t *to;
	size_t size;
	size_t used;
};

struct pcapng_interface {
	const char *name;
	const char *description;
	const char *filter; /* in libpcap's language, NULL: none */
	uint32_t snaplen;
};

struct pcapng_packet {
	uint32_t interface; /* number, in the order of their blocks */
	uint64_t ns;        /* since 1970 */
	uint32_t len;       /* of the packet, of which `kept` bytes are there */
	uint32_t kept;
	const uint8_t *bytes;
	bool is_sent;        /* by the interface, from the switch's point of view; else received */
	const char *comment; /* NULL: none */
};

struct pcapng_statistics {
	uint32_t interface;
	uint64_t ns;
	uint64_t received; /* packets in the file */
	uint64_t dropped;  /* by the interface: there was no time to take them */
	uint64_t missed;   /* by what is behind it: there was no room for them */
	const char *comment;
};

/* Each appends a block, and says whether there was room. A file begins with a section; an
 * interface's block comes before the packets that name it. Texts are cut after 300 bytes, but for
 * filters. */
bool pcapng_section(struct pcapng *f, const char *application);
bool pcapng_interface(struct pcapng *f, const struct pcapng_interface *i);
bool pcapng_packet(struct pcapng *f, const struct pcapng_packet *p);
bool pcapng_statistics(struct pcapng *f, const struct pcapng_statistics *s);

#define PCAPNG_MAX_TEXT 300
/* Most that a block takes besides a packet's bytes or a filter. */
#define PCAPNG_MAX_BLOCK 512

#endif
