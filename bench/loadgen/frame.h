/* SPDX-License-Identifier: BSD-3-Clause */
/* The generator's frames: Ethernet, IPv4, UDP (or TCP, to be segmented) and a tag that says which
 * flow, which number, when it was meant to leave, and a checksum of it all. A 64 B frame holds
 * exactly this. */
#ifndef LOADGEN_FRAME_H
#define LOADGEN_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define FRAME_MAGIC 0x53
#define FRAME_MSS   1448

enum frame_kind { FRAME_DATA, FRAME_REQUEST, FRAME_REPLY, FRAME_ANNOUNCE };

struct frame_tag {
	uint8_t magic;
	uint8_t kind;
	uint32_t flow;
	uint32_t seq;
	uint64_t tsc; /* when it was due, which for a late generator is before it left */
	uint32_t sum; /* last: covers all that is before it, and what follows */
} __attribute__((packed));

struct frame_udp {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	struct frame_tag tag;
} __attribute__((packed, aligned(2)));

struct frame_tcp {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_tcp_hdr tcp;
	struct frame_tag tag;
} __attribute__((packed, aligned(2)));

_Static_assert(sizeof(struct frame_udp) == 64, "a 64 B frame is headers and tag");

/* Both layouts share their first 34 bytes. */
union frame_hdr {
	struct frame_udp udp;
	struct frame_tcp tcp;
	uint8_t bytes[80];
};

/* The MAC address of VM number `vm`. */
struct rte_ether_addr frame_mac(uint16_t vm);

/* The number of the VM that has the address; UINT16_MAX when none has. */
uint16_t frame_vm(const struct rte_ether_addr *mac);

/* An address that no VM has, different for each n. */
struct rte_ether_addr frame_unknown_mac(uint32_t n);

/* Builds the headers of a flow's frames once; lengths and tag are filled in by frame_write. */
void frame_template(union frame_hdr *h, uint16_t from, const struct rte_ether_addr *to,
		    uint16_t to_vm, uint32_t flow, uint32_t flow_of_pair, bool tcp);

/* Fills a chain of mbufs, whose lengths are set, with the flow's headers and the tag. With `sum`
 * the end of the frame is marked with the number and everything is covered by the checksum. */
void frame_write(struct rte_mbuf *m, const union frame_hdr *h, enum frame_kind kind, uint32_t seq,
		 uint64_t tsc, bool tcp, bool sum);

/* Writes the headers of a frame of `len` bytes in plain memory; the payload stays what it is. */
void frame_write_plain(uint8_t *at, const union frame_hdr *h, uint32_t len, bool tcp);

/* The tag of a frame that we made; NULL for any other frame. */
struct frame_tag *frame_tag(struct rte_mbuf *m);

/* True when the checksum is right. */
bool frame_intact(struct rte_mbuf *m);

/* Turns a request round in place into its reply. */
void frame_reply(struct rte_mbuf *m, bool sum);

/* Fills an mbuf's whole data room with the pattern that payloads have. */
void frame_pattern(struct rte_mbuf *m);

#endif
