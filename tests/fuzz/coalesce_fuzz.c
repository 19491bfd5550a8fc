/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes coalescing: whatever comes from the wire, each packet is left as it was, or is merged with
 * others of its flow; segmented again, these are the packets that came. A guest could hand each
 * large packet on. Taken apart, all is as it was. */
#include <netinet/in.h>

#include <rte_mbuf.h>

#include "pkt/parse.h"
#include "tcp/coalesce.h"
#include "tcp/segment.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/tcp_segment.h"
#include "tests/fuzz/input.h"
#include "vhost/net_hdr.h"

#define MOST    24
#define FLOWS   3
#define F(name) (1ULL << VIRTIO_NET_F_##name)
#define GUEST   (F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6))
#define SENDER  (F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6))

/* What the byte before a packet says about it. */
enum how {
	RAW = 1,        /* the bytes that follow, not a segment of a flow */
	CHANGED = 2,    /* some of a segment's bytes differ, */
	WITH_SUMS = 4,  /* but its sums are right all the same */
	SKIPPED = 8,    /* the one before it is missing */
	IN_PIECES = 16, /* of several mbufs */
	OTHER_LANE = 32,
};

struct came {
	struct rte_mbuf *m;
	uint8_t bytes[2048];
	uint32_t len;
	uint16_t lane;
	int in; /* the packet that it is a part of, or itself */
};

static struct rte_mempool *pool;
static struct came came[MOST];
static unsigned n_came;

static void flatten(const struct rte_mbuf *m, uint8_t *to)
{
	for (; m; to += m->data_len, m = m->next)
		memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
}

static bool is_same(const struct rte_mbuf *m, const uint8_t *bytes, uint32_t len)
{
	static uint8_t flat[65536];

	MUST(rte_mbuf_check(m, 1, NULL) == 0);
	if (m->pkt_len != len)
		return false;
	flatten(m, flat);
	return memcmp(flat, bytes, len) == 0;
}

/* The headers of a TCP packet. */
struct headers {
	uint8_t *l3, *l4, *addrs;
	uint32_t l3_len, l4_len, addrs_len;
	bool v6;
};

/* False when it is none. */
static bool find_headers(uint8_t *frame, uint32_t len, struct headers *h)
{
	struct pkt_info info;

	if (pkt_parse_bytes(frame, len, len, &info) != PKT_L4 || info.ip_proto != IPPROTO_TCP)
		return false;
	h->v6 = info.flags & PKT_IPV6;
	h->l3 = frame + info.l2_len;
	h->l3_len = info.l3_len;
	h->l4 = h->l3 + info.l3_len;
	h->l4_len = (uint32_t)info.ip_len - info.l3_len;
	h->addrs = h->l3 + (h->v6 ? 8 : 12);
	h->addrs_len = h->v6 ? 32 : 8;
	return true;
}

static bool are_sums_right(const struct headers *h)
{
	return (h->v6 || plain_sum(h->l3, h->l3_len, 0) == 0xffff) &&
	       plain_l4_sum(h->addrs, h->v6, IPPROTO_TCP, h->l4, h->l4_len) == 0xffff;
}

static void set_sums(const struct headers *h)
{
	if (!h->v6) {
		plain_put16(h->l3 + 10, 0);
		plain_put16(h->l3 + 10, (uint16_t)~plain_sum(h->l3, h->l3_len, 0));
	}
	plain_put16(h->l4 + 16, 0);
	plain_put16(h->l4 + 16,
		    (uint16_t)~plain_l4_sum(h->addrs, h->v6, IPPROTO_TCP, h->l4, h->l4_len));
}

/* Writes the next packet of the input. Returns its length. */
static uint32_t write_packet(struct input *in, uint8_t how, struct tcp_segment flows[FLOWS],
			     uint8_t *frame)
{
	static uint8_t whole[TCP_SEGMENT_MAX];
	uint8_t which = input_u8(in);
	struct tcp_segment *s = &flows[which % FLOWS];
	struct headers h;
	uint32_t len;

	if (how & RAW)
		return 14 + (uint32_t)input_bytes(in, frame, which) % 242;
	if (how & SKIPPED)
		*s = tcp_segment_next(s);
	len = tcp_segment_write(whole, s);
	*s = tcp_segment_next(s);
	memcpy(frame, whole, len);
	if (!(how & CHANGED))
		return len;
	for (unsigned i = which >> 6; i < 4; i++)
		frame[input_u8(in) % len] = input_u8(in);
	if ((how & WITH_SUMS) && find_headers(frame, len, &h))
		set_sums(&h);
	return len;
}

static void offer(struct input *in, struct tcp_segment flows[FLOWS], struct coalescer *c)
{
	uint8_t how = input_u8(in);
	struct came *p = &came[n_came];

	memset(p->bytes, 0, sizeof(p->bytes));
	p->len = write_packet(in, how, flows, p->bytes);
	p->m = fake_eal_packet(pool, p->bytes, p->len, how & IN_PIECES ? 150 : 0);
	p->lane = how & OTHER_LANE ? 1 : 0;
	p->in = coalesce_add(c, p->m, p->lane, COALESCE_IPV4 | COALESCE_IPV6, (uint16_t)n_came);
	if (p->in < 0)
		p->in = (int)n_came;
	MUST(p->in <= (int)n_came && came[p->in].in == p->in);
	n_came++;
}

/* The next packet behind `i` that is part of packet `in`. */
static unsigned next_of(int in, unsigned i)
{
	while (i < n_came && came[i].in != in)
		i++;
	return i;
}

/* Compares a segment with the packet that came, whose sums were right. Either may have the other
 * zero in a checksum, and where DF is set an identification means nothing. */
static void check_segment(struct rte_mbuf *part, const struct came *p)
{
	static uint8_t bytes[sizeof(p->bytes)], flat[TCP_SEGMENT_MAX];
	struct headers h, theirs;

	memcpy(bytes, p->bytes, sizeof(bytes));
	MUST(part->pkt_len == p->len);
	flatten(part, flat);
	MUST(find_headers(bytes, p->len, &h) && are_sums_right(&h));
	MUST(find_headers(flat, p->len, &theirs) && are_sums_right(&theirs));
	if (!h.v6 && (h.l3[6] & 0x40))
		memcpy(h.l3 + 4, theirs.l3 + 4, 2);
	set_sums(&h);
	set_sums(&theirs);
	MUST(memcmp(bytes, flat, p->len) == 0);
}

/* Who gets a large packet may hand it on, and what it asks for then is granted. */
static void check_header(struct rte_mbuf *m)
{
	uint64_t flags = m->ol_flags;
	struct net_hdr_sums sums;
	struct virtio_net_hdr h;
	struct rte_mbuf *again;

	MUST(net_hdr_from_mbuf(m, GUEST, &h, &sums) == 0);
	MUST(sums.ip_at == 0 && sums.l4_at == 0);
	again = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	MUST(again);
	again->ol_flags = 0;
	again->tx_offload = 0;
	MUST(net_hdr_to_mbuf(&h, SENDER, again) == 0);
	MUST(again->ol_flags == flags && again->tx_offload == m->tx_offload);
	rte_pktmbuf_free(again);
}

static void check_large(struct rte_mbuf *m, unsigned head)
{
	unsigned i = head;
	struct rte_mbuf *part;
	struct segmenter s;

	MUST(rte_mbuf_check(m, 1, NULL) == 0);
	check_header(m);
	MUST(segment_begin(&s, m) == 0);
	while ((part = segment_next(&s, pool))) {
		MUST(i < n_came);
		check_segment(part, &came[i]);
		rte_pktmbuf_free(part);
		i = next_of((int)head, i + 1);
	}
	MUST(segment_count(&s) == 0 && i == n_came);
}

/* Whether two packets are of one flow. */
static bool is_same_flow(struct came *a, struct came *b)
{
	struct headers x, y;

	return a->lane == b->lane && find_headers(a->bytes, a->len, &x) &&
	       find_headers(b->bytes, b->len, &y) && x.v6 == y.v6 &&
	       memcmp(x.addrs, y.addrs, x.addrs_len) == 0 && memcmp(x.l4, y.l4, 4) == 0;
}

/* Of one flow, none is in a packet that leaves before one that came earlier. */
static void check_order(void)
{
	for (unsigned i = 0; i < n_came; i++)
		for (unsigned k = i + 1; k < n_came; k++)
			if (is_same_flow(&came[i], &came[k]))
				MUST(came[i].in <= came[k].in);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (fake_eal_init("coalesce_fuzz") < 0)
		return -1;
	pool = fake_eal_pool("coalesce", 1023);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct coalescer c;
	struct input in = {data, size};
	struct tcp_segment flows[FLOWS];
	uint8_t is_undone = input_u8(&in) & 1;

	n_came = 0;
	coalesce_begin(&c);
	for (unsigned i = 0; i < FLOWS; i++) {
		flows[i] = tcp_segment_plain(0xfffffe00u, 1 + input_u8(&in));
		flows[i].v6 = i == 1;
		flows[i].vlan = i == 2;
		flows[i].frag = i == 2 ? 0 : 0x4000;
	}
	while (n_came < MOST && in.left > 0)
		offer(&in, flows, &c);
	check_order();
	coalesce_end(&c);
	for (unsigned i = 0; i < n_came; i++)
		if (came[i].in == (int)i && next_of((int)i, i + 1) < n_came)
			check_large(came[i].m, i);
	for (unsigned i = 0; is_undone && i < n_came; i++)
		coalesce_undo(&c, (uint16_t)i);
	for (unsigned i = 0; i < n_came; i++) {
		bool is_alone = came[i].in == (int)i && next_of((int)i, i + 1) == n_came;

		if (is_undone || is_alone)
			MUST(is_same(came[i].m, came[i].bytes, came[i].len));
	}
	for (unsigned i = 0; i < n_came; i++)
		if (is_undone || came[i].in == (int)i)
			rte_pktmbuf_free(came[i].m);
	MUST(rte_mempool_full(pool));
	return 0;
}
