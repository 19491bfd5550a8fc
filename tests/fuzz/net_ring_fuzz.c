/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the ring engine: rings of all kinds in guest memory that is scribbled over, between
 * guards, while packets are taken from and put into them. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_mempool.h>

#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"
#include "tests/fuzz/input.h"
#include "vhost/net_lent.h"

#define REGION (1u << 13)

static struct rte_mempool *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	MUST(fake_eal_init("net_ring_fuzz") == 0);
	pool = fake_eal_pool("fuzz", 511);
	return 0;
}

static void read_conf(struct input *in, struct rig_conf *conf)
{
	static const uint16_t sizes[] = {1, 2, 4, 8, 16, 64, 128, 256};
	static const unsigned bits[] = {VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
					VIRTIO_NET_F_MRG_RXBUF,      VIRTIO_F_VERSION_1,
					VIRTIO_NET_F_CSUM,           VIRTIO_NET_F_HOST_TSO4,
					VIRTIO_NET_F_GUEST_CSUM,     VIRTIO_NET_F_GUEST_TSO4};
	uint8_t shape = input_u8(in), features = input_u8(in);

	*conf = (struct rig_conf){.size = sizes[shape & 7], .region_size = REGION};
	conf->regions = 1 + (shape >> 3 & 3);
	conf->adjacent = shape & 0x20;
	conf->lend = shape & 0x40;
	for (unsigned i = 0; i < 8; i++)
		conf->features |= features >> i & 1 ? RIG_F(bits[i]) : 0;
	if (shape & 0x80) {
		conf->features |= RIG_F(VIRTIO_F_RING_PACKED) | RIG_F(VIRTIO_F_VERSION_1);
		conf->start = 0x8000;
	}
	/* The rig's tables would take more room than there is: tables are scribbled. */
	conf->features &= ~RIG_F(VIRTIO_RING_F_INDIRECT_DESC);
}

static void put(struct rig *g, unsigned region, uint16_t at, const void *bytes, size_t n)
{
	uint8_t *to = g->mem.map.r[region % g->mem.map.n].hva;

	at %= REGION;
	memcpy(to + at, bytes, RTE_MIN(n, (size_t)REGION - at));
}

/* A descriptor that often makes sense: small offsets, some of the flags. */
static void write_desc(struct rig *g, struct input *in)
{
	struct driver_ring *r = &g->ring;
	uint8_t kind = input_u8(in);
	uint64_t gpa = DRIVER_GPA + input_u16(in);
	uint32_t len = kind & 0x40 ? (uint32_t)input_u16(in) << 8 : input_u16(in);
	uint16_t at = input_u8(in), flags = kind & 7, other = input_u8(in);
	void *to = r->packed ? (void *)&r->pdesc[at % r->size] : (void *)&r->desc[at % r->size];

	if (kind & 8)
		gpa += (uint64_t)input_u16(in) << 16;
	if (kind & 0x10)
		to = g->mem.map.r[at % g->mem.map.n].hva + 16 * other; /* for a table */
	if (r->packed)
		flags |= kind & 0x80 ? 1u << VRING_PACKED_DESC_F_AVAIL
				     : 1u << VRING_PACKED_DESC_F_USED;
	if (r->packed)
		*(struct vring_packed_desc *)to =
			(struct vring_packed_desc){gpa, len, other, flags};
	else
		*(struct vring_desc *)to = (struct vring_desc){gpa, len, flags, other};
}

static void make_available(struct rig *g, struct input *in)
{
	struct driver_ring *r = &g->ring;
	uint8_t n = input_u8(in);

	if (r->packed) {
		r->driver->flags = n & 3;
		r->driver->off_wrap = input_u16(in);
		return;
	}
	for (unsigned i = 0; i < (n & 0xfu); i++)
		r->avail->ring[(uint16_t)(r->avail->idx + i) % r->size] = input_u8(in);
	r->avail->idx += n & 0x80 ? input_u16(in) : n & 0xf;
}

/* As drivers do it: a chain of up to 16 buffers, well formed. */
static void add_chain(struct rig *g, struct input *in)
{
	struct driver_buf bufs[16];
	unsigned n = 1 + input_u8(in) % 16;

	for (unsigned i = 0; i < n; i++) {
		bufs[i].gpa = DRIVER_GPA + input_u16(in);
		bufs[i].len = input_u16(in) % 4096;
		bufs[i].device_writes = input_u8(in) & 1;
	}
	rig_add(g, bufs, n, false);
}

static void take(struct rig *g, struct input *in)
{
	struct net_limits limits = {input_u8(in), input_u16(in), input_u8(in), NULL};
	struct rte_mbuf *m[NET_MAX_BURST];
	struct net_taken work = {0};
	uint16_t n = rig_dequeue(g, pool, m, &limits, &work);

	MUST(n <= NET_MAX_BURST && n <= RTE_MAX(limits.packets, 1));
	for (uint16_t i = 0; i < n; i++) {
		MUST(m[i]->pkt_len >= 14 && m[i]->pkt_len <= NET_MAX_PACKET);
		MUST(rte_mbuf_check(m[i], 1, &(const char *){NULL}) == 0);
	}
	rte_pktmbuf_free_bulk(m, n);
}

/* Takes packets on loan, and puts some of them back. */
static void take_and_return(struct rig *g, struct input *in)
{
	struct net_limits limits = {input_u8(in), UINT32_MAX, UINT32_MAX, NULL};
	struct pkt p[NET_MAX_BURST];
	struct net_taken work = {0};
	uint16_t n, back;

	if (!g->loan) {
		take(g, in);
		return;
	}
	n = net_dequeue(&g->net, pool, g->loan, p, &limits, &work);
	back = RTE_MIN(n, input_u8(in) % (NET_MAX_BURST + 1));
	back = RTE_MIN(back, g->loan->n);
	net_untake(&g->net, g->loan, back);
	net_give_back(&g->net, g->loan);
	for (uint16_t i = 0; i < n; i++)
		pkt_free(p[i].m);
}

static void give(struct rig *g, struct input *in)
{
	static uint8_t bytes[NET_MAX_PACKET];
	struct rte_mbuf *m[4];
	uint8_t fate[4], n = 1 + input_u8(in) % 4;
	uint16_t delivered;

	for (unsigned i = 0; i < n; i++) {
		uint32_t len = 14 + input_u16(in);

		m[i] = fake_eal_packet(pool, bytes, RTE_MIN(len, (uint32_t)NET_MAX_PACKET), 0);
		if (len % 8 == 0) {
			m[i]->l2_len = 14;
			m[i]->l3_len = 20;
			m[i]->l4_len = 20;
			m[i]->tso_segsz = 1000;
			m[i]->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM |
					 (len % 16 ? RTE_MBUF_F_TX_TCP_SEG : 0);
		}
	}
	net_prefetch_ring(&g->net);
	net_prefetch_entry(&g->net);
	net_prefetch_buffers(&g->net, m[0]);
	delivered = net_enqueue(&g->net, m, n, fate, NULL);
	MUST(delivered <= n);
	rte_pktmbuf_free_bulk(m, n);
}

static void step(struct rig *g, struct input *in)
{
	uint8_t bytes[32], n;

	switch (input_u8(in) % 9) {
	case 0:
		n = input_u8(in);
		input_bytes(in, bytes, sizeof(bytes));
		put(g, n >> 6, input_u16(in), bytes, n % sizeof(bytes));
		break;
	case 1:
		write_desc(g, in);
		break;
	case 2:
		make_available(g, in);
		break;
	case 3:
		add_chain(g, in);
		break;
	case 4:
		give(g, in);
		break;
	case 5:
		virtq_kick_enable(&g->net.q, input_u8(in) & 1);
		break;
	case 6:
		virtq_complete(&g->net.q);
		break;
	case 7:
		take_and_return(g, in);
		break;
	default:
		take(g, in);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct rig_conf conf;
	struct rig g;

	read_conf(&in, &conf);
	rig_open(&g, &conf);
	/* As if it had been agreed on: where tables are is the fuzzer's to say. */
	g.net.q.indirect = input_u8(&in) & 1;
	for (unsigned i = 0; in.left > 0 && i < 200; i++) {
		step(&g, &in);
		MUST(!g.net.q.packed ||
		     (g.net.q.avail_at < g.net.q.size && g.net.q.used_at < g.net.q.size));
	}
	virtq_complete(&g.net.q);
	rig_close(&g, pool);
	return 0;
}
