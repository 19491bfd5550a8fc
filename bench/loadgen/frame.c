/* SPDX-License-Identifier: BSD-3-Clause */
/* Building and checking frames. */
#include "bench/loadgen/frame.h"

#include <stddef.h>
#include <string.h>
#include <rte_hash_crc.h>

#define PORT_BASE 1024
#define MARK_SIZE 8 /* the end of a summed frame repeats flow and number */

struct rte_ether_addr frame_mac(uint16_t vm)
{
	return (struct rte_ether_addr){{0x02, 0x53, 0, 0, (uint8_t)(vm >> 8), (uint8_t)vm}};
}

uint16_t frame_vm(const struct rte_ether_addr *mac)
{
	const uint8_t *b = mac->addr_bytes;

	return b[0] == 0x02 && b[1] == 0x53 && b[2] == 0 && b[3] == 0 ? (uint16_t)(b[4] << 8 | b[5])
								      : UINT16_MAX;
}

struct rte_ether_addr frame_unknown_mac(uint32_t n)
{
	return (struct rte_ether_addr){{0x02, 0x99, (uint8_t)(n >> 24), (uint8_t)(n >> 16),
					(uint8_t)(n >> 8), (uint8_t)n}};
}

static rte_be32_t vm_ip(uint16_t vm)
{
	return rte_cpu_to_be_32(RTE_IPV4(10, 83, 0, 0) + vm + 1u);
}

void frame_template(union frame_hdr *h, uint16_t from, const struct rte_ether_addr *to,
		    uint16_t to_vm, uint32_t flow, uint32_t flow_of_pair, bool tcp)
{
	struct frame_tag *tag = tcp ? &h->tcp.tag : &h->udp.tag;
	rte_be16_t sport = rte_cpu_to_be_16((uint16_t)(PORT_BASE + flow_of_pair));
	rte_be16_t dport = rte_cpu_to_be_16((uint16_t)(PORT_BASE + flow_of_pair / 7));

	memset(h, 0, sizeof(*h));
	h->udp.eth.dst_addr = *to;
	h->udp.eth.src_addr = frame_mac(from);
	h->udp.eth.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	h->udp.ip.version_ihl = RTE_IPV4_VHL_DEF;
	h->udp.ip.time_to_live = 64;
	h->udp.ip.next_proto_id = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	h->udp.ip.src_addr = vm_ip(from);
	h->udp.ip.dst_addr = vm_ip(to_vm);
	if (tcp) {
		h->tcp.tcp.src_port = sport;
		h->tcp.tcp.dst_port = dport;
		h->tcp.tcp.data_off = (sizeof(struct rte_tcp_hdr) / 4) << 4;
		h->tcp.tcp.tcp_flags = RTE_TCP_ACK_FLAG;
		h->tcp.tcp.rx_win = 0xffff;
	} else {
		h->udp.udp.src_port = sport;
		h->udp.udp.dst_port = dport;
	}
	tag->magic = FRAME_MAGIC;
	tag->flow = flow;
}

/* The header's checksum for a template whose total_length and checksum fields are zero: only the
 * length differs from frame to frame, so it is added to the sum of the rest. */
static void finish_ip(struct rte_ipv4_hdr *ip, uint32_t len)
{
	ip->total_length = rte_cpu_to_be_16((uint16_t)(len - sizeof(struct rte_ether_hdr)));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static size_t tag_end(const struct frame_tag *tag, struct rte_mbuf *m)
{
	return (size_t)((const uint8_t *)(tag + 1) - rte_pktmbuf_mtod(m, const uint8_t *));
}

/* A checksum of bytes anywhere: rte_hash_crc() takes aligned ones. */
static uint32_t add_bytes(uint32_t sum, const uint8_t *at, size_t len)
{
	uint64_t word = 0;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = rte_hash_crc_8byte(word, sum);
	}
	word = 0;
	memcpy(&word, at, len);
	return len > 0 ? rte_hash_crc_8byte(word, sum) : sum;
}

/* Checksum of the head up to the sum field, and of what follows the tag, over all segments. */
static uint32_t frame_sum(struct rte_mbuf *m, const struct frame_tag *tag)
{
	size_t end = tag_end(tag, m);
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t sum = add_bytes(0, data, end - sizeof(tag->sum));

	sum = add_bytes(sum, data + end, m->data_len - end);
	for (m = m->next; m; m = m->next)
		sum = add_bytes(sum, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	return sum;
}

/* Marks the last bytes, so that two frames whose payloads were mixed up differ at both ends. */
static void mark_end(struct rte_mbuf *m, const struct frame_tag *tag)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(m);
	size_t used = last == m ? tag_end(tag, m) : 0;
	uint32_t mark[2] = {tag->flow, tag->seq};

	if (last->data_len >= used + MARK_SIZE)
		memcpy(rte_pktmbuf_mtod_offset(last, void *, last->data_len - MARK_SIZE), mark,
		       MARK_SIZE);
}

static void write_tcp(struct rte_mbuf *m, struct frame_tcp *f)
{
	f->tcp.sent_seq = rte_cpu_to_be_32(f->tag.seq * 1000003u);
	m->l2_len = sizeof(f->eth);
	m->l3_len = sizeof(f->ip);
	m->l4_len = sizeof(f->tcp);
	m->tso_segsz = FRAME_MSS;
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	if (m->pkt_len > FRAME_MSS + offsetof(struct frame_tcp, tag))
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	f->tcp.cksum = rte_ipv4_phdr_cksum(&f->ip, 0);
}

void frame_write(struct rte_mbuf *m, const union frame_hdr *h, enum frame_kind kind, uint32_t seq,
		 uint64_t tsc, bool tcp, bool sum)
{
	union frame_hdr *to = rte_pktmbuf_mtod(m, union frame_hdr *);
	struct frame_tag *tag = tcp ? &to->tcp.tag : &to->udp.tag;

	memcpy(to, h, tcp ? sizeof(struct frame_tcp) : sizeof(struct frame_udp));
	finish_ip(&to->udp.ip, m->pkt_len);
	tag->kind = (uint8_t)kind;
	tag->seq = seq;
	tag->tsc = tsc;
	if (tcp)
		write_tcp(m, &to->tcp);
	else
		to->udp.udp.dgram_len =
			rte_cpu_to_be_16((uint16_t)(m->pkt_len - sizeof(struct rte_ether_hdr) -
						    sizeof(struct rte_ipv4_hdr)));
	if (sum) {
		mark_end(m, tag);
		tag->sum = frame_sum(m, tag);
	}
}

void frame_write_plain(uint8_t *at, const union frame_hdr *h, uint32_t len, bool tcp)
{
	union frame_hdr to = *h;

	finish_ip(&to.udp.ip, len);
	if (tcp)
		to.tcp.tcp.cksum = rte_ipv4_phdr_cksum(&to.tcp.ip, RTE_MBUF_F_TX_TCP_SEG);
	else
		to.udp.udp.dgram_len =
			rte_cpu_to_be_16((uint16_t)(len - sizeof(struct rte_ether_hdr) -
						    sizeof(struct rte_ipv4_hdr)));
	memcpy(at, &to, tcp ? sizeof(to.tcp) : sizeof(to.udp));
}

struct frame_tag *frame_tag(struct rte_mbuf *m)
{
	union frame_hdr *h = rte_pktmbuf_mtod(m, union frame_hdr *);
	struct frame_tag *tag;

	if (m->data_len < sizeof(struct frame_udp))
		return NULL;
	tag = h->udp.ip.next_proto_id == IPPROTO_TCP ? &h->tcp.tag : &h->udp.tag;
	if (tag_end(tag, m) > m->data_len || tag->magic != FRAME_MAGIC)
		return NULL;
	return tag;
}

bool frame_intact(struct rte_mbuf *m)
{
	const struct frame_tag *tag = frame_tag(m);

	return tag && tag->sum == frame_sum(m, tag);
}

void frame_reply(struct rte_mbuf *m, bool sum)
{
	struct frame_udp *f = rte_pktmbuf_mtod(m, struct frame_udp *);
	struct rte_ether_addr mac = f->eth.src_addr;
	rte_be32_t ip = f->ip.src_addr;

	f->eth.src_addr = f->eth.dst_addr;
	f->eth.dst_addr = mac;
	f->ip.src_addr = f->ip.dst_addr;
	f->ip.dst_addr = ip;
	f->tag.kind = FRAME_REPLY;
	m->ol_flags = 0;
	if (sum)
		f->tag.sum = frame_sum(m, &f->tag);
}

void frame_pattern(struct rte_mbuf *m)
{
	uint8_t *p = m->buf_addr;

	for (uint32_t i = 0; i < m->buf_len; i++)
		p[i] = (uint8_t)(i * 7 + 13);
}
