/* SPDX-License-Identifier: BSD-3-Clause */
/* Coalescing of TCP segments.
 *
 * Packets are merged by linking their mbufs, with the headers of all but the first cut off. These
 * are still in their buffers, and so is all that is needed to take a large packet apart. Only
 * coalesce_end() writes into a packet. [worker], and memory is the caller's. */
#include "tcp/coalesce.h"

#include <stddef.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "pkt/checksum.h"
#include "pkt/parse.h"
#include "tcp/headers.h"

#define MAX_IP_LEN 65535 /* of a datagram, header included */

/* Where both addresses are in an IP header. */
#define IPV4_ADDRS offsetof(struct rte_ipv4_hdr, src_addr)
#define IPV6_ADDRS offsetof(struct rte_ipv6_hdr, src_addr)

/* A packet that is offered. */
struct offered {
	struct rte_mbuf *m;
	struct pkt_info info;
	const uint8_t *l2, *l3, *l4;
	uint32_t ports;
	uint32_t payload; /* bytes */
	bool is_v6;
};

static const struct rte_tcp_hdr *tcp_of(const uint8_t *l4)
{
	return (const struct rte_tcp_hdr *)l4;
}

static const struct rte_ipv4_hdr *ipv4_of(const uint8_t *l3)
{
	return (const struct rte_ipv4_hdr *)l3;
}

static const struct rte_ipv6_hdr *ipv6_of(const uint8_t *l3)
{
	return (const struct rte_ipv6_hdr *)l3;
}

static uint8_t *l3_of(const struct coalesced *r)
{
	return rte_pktmbuf_mtod_offset(r->head, uint8_t *, r->l2_len);
}

static uint8_t *l4_of(const struct coalesced *r)
{
	return l3_of(r) + r->l3_len;
}

/* --- what is offered ---------------------------------------------------------------------------
 */

enum kind {
	KIND_TCP,     /* of a flow that is known */
	KIND_OTHER,   /* of no flow of TCP's */
	KIND_UNKNOWN, /* perhaps of one, but its headers do not tell */
};

static enum kind classify(struct offered *o)
{
	struct pkt_info *info = &o->info;
	uint8_t depth = (uint8_t)pkt_parse(o->m, info);

	if (info->ether_type != RTE_ETHER_TYPE_IPV4 && info->ether_type != RTE_ETHER_TYPE_IPV6)
		return KIND_OTHER;
	if (depth >= PKT_L3 && info->ip_proto != IPPROTO_TCP && !(info->flags & PKT_IP_OPTIONS))
		return KIND_OTHER;
	if (depth < PKT_L4 || info->ip_proto != IPPROTO_TCP || (info->flags & PKT_FRAGMENT))
		return KIND_UNKNOWN;
	o->is_v6 = info->flags & PKT_IPV6;
	o->l2 = rte_pktmbuf_mtod(o->m, const uint8_t *);
	o->l3 = o->l2 + info->l2_len;
	o->l4 = o->l3 + info->l3_len;
	o->payload = (uint32_t)info->ip_len - info->l3_len - info->l4_len;
	memcpy(&o->ports, o->l4, sizeof(o->ports));
	return KIND_TCP;
}

/* Whether an IPv4 header is right, and that of a whole datagram. */
static bool is_sound_ipv4(const struct offered *o)
{
	return !(ipv4_of(o->l3)->fragment_offset & ~RTE_BE16(RTE_IPV4_HDR_DF_FLAG)) &&
	       rte_raw_cksum(o->l3, o->info.l3_len) == UINT16_MAX;
}

/* Whether others refer to any part of the packet. All parts are looked at: one that lets go of a
 * packet gives up its first part before it has read where the next one is. */
static bool is_shared(const struct rte_mbuf *m)
{
	for (; m; m = m->next)
		if (RTE_MBUF_CLONED(m) || rte_mbuf_refcnt_read(m) != 1)
			return true;
	return false;
}

/* Whether a packet can be part of a large one at all. */
static bool is_mergeable(const struct offered *o)
{
	const struct rte_tcp_hdr *tcp = tcp_of(o->l4);

	if ((tcp->tcp_flags & (uint8_t)~RTE_TCP_PSH_FLAG) != RTE_TCP_ACK_FLAG ||
	    (tcp->data_off & 0xf) || tcp->tcp_urp || o->payload == 0)
		return false;
	if ((o->info.flags & PKT_IP_OPTIONS) ||
	    o->m->pkt_len != (uint32_t)o->info.l2_len + o->info.ip_len)
		return false;
	/* Others see the bytes of what is referred to more than once. */
	if (is_shared(o->m))
		return false;
	return o->is_v6 || is_sound_ipv4(o);
}

static bool is_sum_right(const struct rte_mbuf *m, const uint8_t *l3, bool is_v6, uint32_t l4_at)
{
	const uint16_t rest = pkt_sum(m, l4_at);
	struct checksum c = {0};

	headers_add_pseudo(&c, l3, is_v6, m->pkt_len - l4_at);
	checksum_add(&c, &rest, sizeof(rest));
	return checksum_fold(&c) == UINT16_MAX;
}

/* --- whom it may join --------------------------------------------------------------------------
 */

static bool is_same_flow(const struct coalesced *r, const struct offered *o)
{
	const uint8_t *l3 = l3_of(r);

	if (r->ports != o->ports || r->is_v6 != o->is_v6)
		return false;
	return o->is_v6 ? memcmp(l3 + IPV6_ADDRS, o->l3 + IPV6_ADDRS, 32) == 0
			: memcmp(l3 + IPV4_ADDRS, o->l3 + IPV4_ADDRS, 8) == 0;
}

/* The last packet of the flow that others could join; NULL when there is none. */
static struct coalesced *find_last(struct coalescer *c, const struct offered *o, uint16_t lane)
{
	uint16_t end = c->n > COALESCE_WINDOW ? c->n - COALESCE_WINDOW : 0;

	for (uint16_t i = c->n; i > RTE_MAX(end, c->first); i--) {
		struct coalesced *r = &c->at[i - 1];

		if (r->lane == lane && is_same_flow(r, o))
			return r;
	}
	return NULL;
}

static bool goes_on_in_ipv4(const struct coalesced *r, const struct offered *o)
{
	const struct rte_ipv4_hdr *a = ipv4_of(l3_of(r)), *b = ipv4_of(o->l3);

	return a->type_of_service == b->type_of_service && a->time_to_live == b->time_to_live &&
	       a->fragment_offset == b->fragment_offset &&
	       (b->fragment_offset || rte_be_to_cpu_16(b->packet_id) == r->next_id);
}

static bool goes_on_in_ipv6(const struct coalesced *r, const struct offered *o)
{
	const struct rte_ipv6_hdr *a = ipv6_of(l3_of(r)), *b = ipv6_of(o->l3);

	return a->vtc_flow == b->vtc_flow && a->hop_limits == b->hop_limits;
}

static bool goes_on_in_tcp(const struct coalesced *r, const struct offered *o)
{
	const struct rte_tcp_hdr *a = tcp_of(l4_of(r)), *b = tcp_of(o->l4);

	return rte_be_to_cpu_32(b->sent_seq) == r->next_seq && a->recv_ack == b->recv_ack &&
	       a->rx_win == b->rx_win && r->l4_len == o->info.l4_len &&
	       memcmp(a + 1, b + 1, r->l4_len - sizeof(*a)) == 0;
}

/* Whether a packet goes on where a large one ends. */
static bool goes_on(const struct coalesced *r, const struct offered *o)
{
	if (!r->is_open || o->payload > r->mss || r->n >= COALESCE_MAX_SEGMENTS ||
	    r->head->pkt_len - r->l2_len + o->payload > MAX_IP_LEN)
		return false;
	if (r->l2_len != o->info.l2_len ||
	    memcmp(rte_pktmbuf_mtod(r->head, const void *), o->l2, r->l2_len) != 0)
		return false;
	return (o->is_v6 ? goes_on_in_ipv6(r, o) : goes_on_in_ipv4(r, o)) && goes_on_in_tcp(r, o);
}

/* --- merging -----------------------------------------------------------------------------------
 */

/* Has others join a packet from now on. One with PSH ends what it begins. */
static void begin(struct coalescer *c, const struct offered *o, uint16_t lane, uint16_t index)
{
	const struct rte_tcp_hdr *tcp = tcp_of(o->l4);
	struct rte_mbuf *m = o->m;
	struct coalesced *r;

	if ((tcp->tcp_flags & RTE_TCP_PSH_FLAG) || o->payload < COALESCE_LEAST_PAYLOAD)
		return;
	if (unlikely(c->n == COALESCE_MAX_PACKETS)) {
		c->first = c->n;
		return;
	}
	r = &c->at[c->n++];
	*r = (struct coalesced){
		.head = m,
		.last = rte_pktmbuf_lastseg(m),
		.ports = o->ports,
		.next_seq = rte_be_to_cpu_32(tcp->sent_seq) + o->payload,
		.lane = lane,
		.index = index,
		.n = 1,
		.mss = (uint16_t)o->payload,
		.l2_len = o->info.l2_len,
		.l3_len = (uint8_t)o->info.l3_len,
		.l4_len = o->info.l4_len,
		.is_v6 = o->is_v6,
		.is_open = true,
		.flags = tcp->tcp_flags,
		.n_mbufs = m->nb_segs,
		.tcp_sum = tcp->cksum,
		.len = m->pkt_len,
		.ol_flags = m->ol_flags,
	};
	if (r->is_v6) {
		r->ip_len = ipv6_of(o->l3)->payload_len;
		return;
	}
	r->ip_len = ipv4_of(o->l3)->total_length;
	r->ip_sum = ipv4_of(o->l3)->hdr_checksum;
	r->next_id = (uint16_t)(rte_be_to_cpu_16(ipv4_of(o->l3)->packet_id) + 1);
}

/* The lengths of a segment's own mbufs stay noted in it, for coalesce_undo(). */
static void join(struct coalesced *r, const struct offered *o)
{
	bool has_push = tcp_of(o->l4)->tcp_flags & RTE_TCP_PSH_FLAG;
	struct rte_mbuf *m = o->m;
	uint16_t hdr_len = (uint16_t)(m->pkt_len - o->payload);

	m->data_off += hdr_len;
	m->data_len -= hdr_len;
	r->last->next = m;
	r->last = rte_pktmbuf_lastseg(m);
	r->head->nb_segs += m->nb_segs;
	r->head->pkt_len += o->payload;
	r->next_seq += o->payload;
	r->next_id++;
	r->n++;
	r->has_push = has_push;
	r->is_open = !has_push && o->payload == r->mss;
}

/* Whether what has been merged with a packet so far is right, and what is offered as well. */
static bool are_sums_right(struct coalesced *r, const struct offered *o)
{
	uint32_t l4_at = (uint32_t)r->l2_len + r->l3_len;

	if (!r->is_verified)
		r->is_verified = is_sum_right(r->head, l3_of(r), r->is_v6, l4_at);
	return r->is_verified && is_sum_right(o->m, o->l3, o->is_v6, l4_at);
}

int coalesce_add(struct coalescer *c, struct rte_mbuf *m, uint16_t lane, uint8_t families,
		 uint16_t index)
{
	struct offered o = {.m = m};
	struct coalesced *r;
	bool may_merge;

	switch (classify(&o)) {
	case KIND_OTHER:
		return -1;
	case KIND_UNKNOWN:
		c->first = c->n;
		return -1;
	case KIND_TCP:
		break;
	}
	may_merge = (families & (o.is_v6 ? COALESCE_IPV6 : COALESCE_IPV4)) && is_mergeable(&o);
	r = find_last(c, &o, lane);
	if (r && may_merge && goes_on(r, &o)) {
		if (likely(are_sums_right(r, &o))) {
			join(r, &o);
			return r->index;
		}
		may_merge = !r->is_verified;
	}
	if (r)
		r->is_open = false;
	if (may_merge)
		begin(c, &o, lane, index);
	return -1;
}

static void complete(const struct coalesced *r)
{
	struct rte_mbuf *m = r->head;
	uint8_t *l3 = l3_of(r), *l4 = l3 + r->l3_len;
	uint32_t l4_len = m->pkt_len - r->l2_len - r->l3_len;
	struct checksum sum = {0};
	struct rte_tcp_hdr tcp;

	headers_set_len(l3, r->is_v6, r->l3_len, l4_len);
	headers_add_pseudo(&sum, l3, r->is_v6, l4_len);
	memcpy(&tcp, l4, sizeof(tcp));
	tcp.cksum = checksum_fold(&sum);
	if (r->has_push)
		tcp.tcp_flags |= RTE_TCP_PSH_FLAG;
	memcpy(l4, &tcp, sizeof(tcp));
	m->tx_offload = 0;
	m->l2_len = r->l2_len;
	m->l3_len = r->l3_len;
	m->l4_len = r->l4_len;
	m->tso_segsz = r->mss;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM |
		       (r->is_v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
}

void coalesce_end(struct coalescer *c)
{
	for (uint16_t i = 0; i < c->n; i++)
		if (c->at[i].n > 1)
			complete(&c->at[i]);
	c->first = c->n;
}

/* --- taking apart ------------------------------------------------------------------------------
 */

/* Puts the first segment's header back as it was. */
static void restore_header(const struct coalesced *r)
{
	uint8_t *l3 = l3_of(r), *l4 = l3 + r->l3_len;

	if (r->is_v6) {
		memcpy(l3 + offsetof(struct rte_ipv6_hdr, payload_len), &r->ip_len, 2);
	} else {
		memcpy(l3 + offsetof(struct rte_ipv4_hdr, total_length), &r->ip_len, 2);
		memcpy(l3 + offsetof(struct rte_ipv4_hdr, hdr_checksum), &r->ip_sum, 2);
	}
	l4[offsetof(struct rte_tcp_hdr, tcp_flags)] = r->flags;
	memcpy(l4 + offsetof(struct rte_tcp_hdr, cksum), &r->tcp_sum, 2);
}

/* Ends a segment of so many mbufs. Returns the first mbuf of the next one. */
static struct rte_mbuf *cut_off(struct rte_mbuf *m, uint16_t n_mbufs)
{
	struct rte_mbuf *next;

	while (n_mbufs-- > 1)
		m = m->next;
	next = m->next;
	m->next = NULL;
	return next;
}

static void take_apart(struct coalesced *r)
{
	uint16_t hdr_len = (uint16_t)(r->l2_len + r->l3_len + r->l4_len);
	struct rte_mbuf *m;

	restore_header(r);
	r->head->pkt_len = r->len;
	r->head->nb_segs = r->n_mbufs;
	r->head->ol_flags = r->ol_flags;
	for (m = cut_off(r->head, r->n_mbufs); m; m = cut_off(m, m->nb_segs)) {
		m->data_off -= hdr_len;
		m->data_len += hdr_len;
	}
	r->n = 1;
}

void coalesce_undo(struct coalescer *c, uint16_t index)
{
	for (uint16_t i = 0; i < c->n; i++)
		if (c->at[i].n > 1 && c->at[i].index == index)
			take_apart(&c->at[i]);
}
