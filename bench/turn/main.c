/* SPDX-License-Identifier: BSD-3-Clause */
/* What a packet costs in whole turns of the loop, with everything in the cache and nothing else in
 * the process: guests in memory (tests/fake/scene.h), one sends the other packets of 64 bytes, 60
 * for each turn; then a guest and another host, beyond an uplink in memory
 * (tests/fake/wire_scene.h), whose TCP segments reach the guest one by one, and merged. It tells
 * changes of a cycle or two apart, which floods between processes do not. Prints cycles of the TSC:
 * the lowest but for a thousandth, and the median.
 *
 * UDP goes from guest to guest besides with a guard on the sender's port, and with both in security
 * groups, of an established connection (bench/scenarios/policy.py).
 *
 * A way that is named bare is the same way without the tunnel: vxlan_encap() and origin_unwrap(),
 * of which the linker makes calls of ours (mk/bench.mk), then leave the packet as it is. What both
 * differ by is what the tunnel adds (bench/scenarios/tunnel.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_net.h>

#include <netinet/in.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "pkt/compose.h"
#include "policy/conntrack.h"
#include "policy/filter.h"
#include "policy/guard.h"
#include "policy/security.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/scene.h"
#include "tests/fake/tcp_segment.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/loop.h"
#include "vswitch/origin.h"

#define MOST_LOADS   20000
#define PACKETS      60
#define PATIENCE     100 /* turns that one load of packets may take */
#define SLICE_US     20
#define SEGMENT      1400 /* bytes of payload of a bulk flow */
#define UDP_HEADERS  42   /* Ethernet, IPv4 and UDP */
#define OUTER_SUM_AT 40

#define UDP_PORT         1024
#define MOST_CONNECTIONS 64

static uint64_t cycles[MOST_LOADS]; /* of each load of packets */
static unsigned n_loads = MOST_LOADS;

static uint64_t read_tsc(void)
{
	return rte_rdtsc();
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The lowest number of cycles a packet, but for a thousandth, and the median. */
static void print_figures(const char *what)
{
	uint64_t best, middle;

	qsort(cycles, n_loads, sizeof(cycles[0]), compare);
	best = cycles[n_loads / 1000];
	middle = cycles[n_loads / 2];
	printf("turn.%s.cycles_min %.1f cycles/packet\nturn.%s.cycles_p50 %.1f cycles/packet\n",
	       what, (double)best / PACKETS, what, (double)middle / PACKETS);
}

/* Has the first worker use the machine's clock, and a slice as large as in service. */
static void use_tsc(struct scene *s)
{
	sched_set_conf(s->w->sched, SCHED_MODE_TIME, SLICE_US);
	s->w->clock = read_tsc;
	s->w->deadline.clock = read_tsc;
}

/* Puts the ledger right, which counts from before the clock was changed. */
static void settle_ledger(struct scene *s)
{
	s->w->ledger.opened_tsc = s->w->ledger.last_tsc - ledger_sum(&s->w->ledger);
}

/* Runs turns until a counter has gone up by a load of packets; returns the cycles. */
static uint64_t run_turns(struct scene *s, const uint64_t *counter, uint64_t before)
{
	uint64_t start = s->w->ledger.last_tsc = rte_rdtsc(), passed;

	for (unsigned k = 0; k < PATIENCE && *counter < before + PACKETS; k++)
		loop_turn(s->w);
	passed = rte_rdtsc() - start;
	assert_int_equal(*counter, before + PACKETS);
	return passed;
}

static bool is_bare; /* the way that is measured */

/* A way of packets. */
struct way {
	const char *name;
	struct scene *s;
	struct wire_scene *ws; /* NULL: both ends are guests */
	bool is_bare;
	const uint64_t *counter; /* of the packets that are through */
	void (*send)(const struct way *way, uint8_t tag);
	void (*take)(const struct way *way); /* what came out, so that the next load finds room */
};

static void measure(const struct way *way)
{
	struct scene *s = way->s;
	size_t used = s->guest[0].fe.mem_used;

	use_tsc(s);
	is_bare = way->is_bare;
	for (unsigned i = 0; i < n_loads; i++) {
		uint64_t before = *way->counter;

		s->guest[0].fe.mem_used = used;
		for (unsigned k = 0; k < PACKETS; k++)
			way->send(way, (uint8_t)k);
		cycles[i] = run_turns(s, way->counter, before);
		way->take(way);
	}
	is_bare = false;
	settle_ledger(s);
	print_figures(way->name);
}

static void send_plain(const struct way *way, uint8_t tag)
{
	scene_send_to(way->s, 0, 1, tag);
}

static void take_plain(const struct way *way)
{
	scene_reclaim(way->s, 0);
	scene_offer_again(way->s, 1);
}

/* From guest to guest. */
static void measure_plain(void **state)
{
	struct scene *s = *state;
	const struct way way = {
		.name = "64",
		.s = s,
		.counter = &scene_counters(s, 0)->forwarded,
		.send = send_plain,
		.take = take_plain,
	};

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	take_plain(&way);
	measure(&way);
}

/* --- policy -------------------------------------------------------------------------------------
 */

static uint8_t udp[128]; /* what guest 0 sends to guest 1 */
static uint32_t udp_len;

/* A packet of the connection, from either end. */
static uint32_t write_udp(unsigned from, unsigned to, uint8_t bytes[128])
{
	struct pkt_fields f = {
		.is_ip = true,
		.src.bytes = {10, 0, 0, (uint8_t)from},
		.dst.bytes = {10, 0, 0, (uint8_t)to},
		.protocol = IPPROTO_UDP,
		.src_port = UDP_PORT,
		.dst_port = UDP_PORT,
	};

	scene_mac(from, f.src_mac);
	scene_mac(to, f.dst_mac);
	return pkt_compose(&f, bytes);
}

static void send_udp(const struct way *way, uint8_t tag)
{
	(void)tag;
	scene_send_bytes(&way->s->guest[0], udp, udp_len);
}

static void measure_udp(struct scene *s, const char *name)
{
	const struct way way = {
		.name = name,
		.s = s,
		.counter = &scene_counters(s, 0)->forwarded,
		.send = send_udp,
		.take = take_plain,
	};

	take_plain(&way);
	measure(&way);
}

static void introduce_both(struct scene *s)
{
	scene_introduce(s, 0);
	scene_introduce(s, 1);
	udp_len = write_udp(0, 1, udp);
}

static void measure_udp_plain(void **state)
{
	introduce_both(*state);
	measure_udp(*state, "udp");
}

/* A port that sends from its own MAC address only. */
static void guard_port(struct vport *port, const struct guard *guard)
{
	atomic_store(&port->guard, guard);
	atomic_fetch_or(&port->stages, 1u << STAGE_GUARD);
}

static void measure_udp_guarded(void **state)
{
	struct scene *s = *state;
	struct guard guard = {.allow = GUARD_ALLOW_USUAL};
	uint8_t mac[6];

	introduce_both(s);
	scene_mac(0, mac);
	guard_add_mac(&guard, fdb_mac(mac));
	guard_port(&s->guest[0].port, &guard);
	measure_udp(s, "udp_guarded");
	atomic_store(&s->guest[0].port.guard, NULL);
}

static void put_into_groups(struct scene_guest *g, struct security *security)
{
	struct service *service = &g->vm.worker->service[g->vm.id];

	service->connections = conntrack_create(MOST_CONNECTIONS);
	assert_non_null(service->connections);
	atomic_store(&g->port.security, security);
	atomic_fetch_or(&g->port.stages, 1u << STAGE_POLICY);
}

static void take_out_of_groups(struct scene_guest *g)
{
	struct service *service = &g->vm.worker->service[g->vm.id];

	atomic_store(&g->port.security, NULL);
	conntrack_destroy(service->connections);
	service->connections = NULL;
}

/* Packets go both ways once, so that the connection is established at both ends. */
static void establish(struct scene *s)
{
	uint8_t reply[128];
	uint32_t len = write_udp(1, 0, reply);
	uint64_t before[2] = {scene_counters(s, 0)->forwarded, scene_counters(s, 1)->forwarded};

	scene_send_bytes(&s->guest[0], udp, udp_len);
	scene_turns(s, 2);
	scene_send_bytes(&s->guest[1], reply, len);
	scene_turns(s, 2);
	assert_int_equal(scene_counters(s, 0)->forwarded, before[0] + 1);
	assert_int_equal(scene_counters(s, 1)->forwarded, before[1] + 1);
	scene_receive_all(s);
}

/* Both ports are in groups, which allow UDP. */
static void measure_udp_groups(void **state)
{
	static const struct filter_rule rule = {.is_allow = true,
						.protocol = IPPROTO_UDP,
						.last = UINT16_MAX,
						.group = FILTER_NO_GROUP};
	static _Atomic(struct filter_groups *) no_members;
	struct filter *f = filter_create(&rule, 1, NULL);
	struct scene *s = *state;
	struct security security[2];

	assert_non_null(f);
	introduce_both(s);
	for (unsigned i = 0; i < 2; i++) {
		security[i] = (struct security){.egress = f,
						.ingress = f,
						.groups = &no_members,
						.generation = 1,
						.port = s->guest[i].port.id};
		put_into_groups(&s->guest[i], &security[i]);
	}
	establish(s);
	measure_udp(s, "udp_groups");
	for (unsigned i = 0; i < 2; i++)
		take_out_of_groups(&s->guest[i]);
	filter_destroy(f);
}

/* --- without the tunnel -------------------------------------------------------------------------
 */

static struct bridge *bare_bridge; /* that packets from the wire are for */

struct wire_frame *__real_vxlan_encap(const struct vxlan_template *t, struct rte_mbuf *m,
				      uint32_t vni, uint32_t hash_key);
struct wire_frame *__wrap_vxlan_encap(const struct vxlan_template *t, struct rte_mbuf *m,
				      uint32_t vni, uint32_t hash_key);
enum wire_drop __real_origin_unwrap(struct worker *w, struct rte_mbuf *m, struct origin *from);
enum wire_drop __wrap_origin_unwrap(struct worker *w, struct rte_mbuf *m, struct origin *from);

struct wire_frame *__wrap_vxlan_encap(const struct vxlan_template *t, struct rte_mbuf *m,
				      uint32_t vni, uint32_t hash_key)
{
	return is_bare ? (struct wire_frame *)m : __real_vxlan_encap(t, m, vni, hash_key);
}

/* Bare packets are all of one network, and of a host that nobody knows. */
enum wire_drop __wrap_origin_unwrap(struct worker *w, struct rte_mbuf *m, struct origin *from)
{
	if (!is_bare)
		return __real_origin_unwrap(w, m, from);
	if (unlikely(!from->bridge))
		*from = (struct origin){.bridge = bare_bridge,
					.mtu = WIRE_MTU,
					.src = ORIGIN_NO_MAC,
					.dst = ORIGIN_NO_MAC};
	return WIRE_DROP_COUNT;
}

/* --- to and from the wire -----------------------------------------------------------------------
 */

static uint8_t frame[INNER_FRAME_MAX]; /* what is sent to the wire, or arrives there */
static uint32_t frame_len;

/* Makes it a UDP packet of so many bytes, with its checksum. */
static void write_frame(const uint8_t dst[6], const uint8_t src[6], uint32_t len)
{
	const struct inner_shape shape = {.proto = IPPROTO_UDP,
					  .sport = 1024,
					  .dport = 1024,
					  .len = (uint16_t)(len - UDP_HEADERS)};

	frame_len = inner_frame_write(frame, &shape);
	assert_int_equal(frame_len, len);
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
}

/* The same other host, but by IPv6, where the outer header has a checksum. */
static void move_to_ipv6(struct wire_scene *ws)
{
	struct adjacency *a = calloc(1, sizeof(*a));
	const struct vxlan_conf conf = {.src = {.is_v6 = true, .bytes = {0xfd, 9, [15] = 1}},
					.dst = {.is_v6 = true, .bytes = {0xfd, 9, [15] = 2}},
					.port = VXLAN_PORT,
					.ttl = 64,
					.sum = true};

	assert_non_null(a);
	*a = *atomic_load(&ws->tables->adjacency[0]);
	vxlan_template_init(&a->t, &conf);
	free(atomic_exchange(&ws->tables->adjacency[0], a));
}

static void send_to_wire(const struct way *way, uint8_t tag)
{
	(void)tag;
	scene_send_bytes(&way->s->guest[0], frame, frame_len);
}

static void take_to_wire(const struct way *way)
{
	unsigned n = 0;

	scene_reclaim(way->s, 0);
	for (void *m; rte_ring_dequeue(way->ws->ring[0], &m) == 0; n++)
		rte_pktmbuf_free(m);
	assert_int_equal(n, PACKETS);
}

struct to_wire {
	const char *name;
	uint32_t len;
	bool is_bare, is_v6;
};

/* From a guest to another host: encapsulated, and handed to a device in memory. */
static void measure_to_wire(struct wire_scene *ws, const struct to_wire *what)
{
	struct scene *s = ws->s;
	const struct way way = {
		.name = what->name,
		.s = s,
		.ws = ws,
		.is_bare = what->is_bare,
		.counter = &scene_counters(s, 0)->forwarded,
		.send = send_to_wire,
		.take = take_to_wire,
	};
	uint8_t dst[6], src[6];

	wire_host_mac(0, dst);
	scene_mac(0, src);
	write_frame(dst, src, what->len);
	scene_introduce(s, 0);
	wire_introduce(ws, 0);
	scene_reclaim(s, 0);
	wire_take_all(ws);
	if (what->is_v6)
		move_to_ipv6(ws);
	measure(&way);
}

static void to_wire(void **state)
{
	measure_to_wire(*state, &(struct to_wire){.name = "to_wire", .len = 64});
}

static void to_wire_bare(void **state)
{
	measure_to_wire(*state,
			&(struct to_wire){.name = "to_wire_bare", .len = 64, .is_bare = true});
}

static void to_wire_1400(void **state)
{
	measure_to_wire(*state, &(struct to_wire){.name = "to_wire_1400", .len = 1400});
}

static void to_wire_1400_v6(void **state)
{
	measure_to_wire(*state,
			&(struct to_wire){.name = "to_wire_1400_v6", .len = 1400, .is_v6 = true});
}

/* A bare packet arrives as it will be delivered. */
static struct rte_mbuf *bare_packet(struct wire_scene *ws)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(uplink_queue(ws->uplink, 1)->rx_pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)frame_len), frame, frame_len);
	return m;
}

static void send_bare(const struct way *way, uint8_t tag)
{
	(void)tag;
	wire_put_packet(way->ws, bare_packet(way->ws));
}

/* With an outer checksum. */
static void send_with_sum(const struct way *way, uint8_t tag)
{
	(void)tag;
	wire_put_packet(way->ws, wire_packet(way->ws, 0, WIRE_VNI, frame, frame_len));
}

/* Without one, as is usual over IPv4. */
static void send_from_wire(const struct way *way, uint8_t tag)
{
	struct rte_mbuf *m = wire_packet(way->ws, 0, WIRE_VNI, frame, frame_len);

	(void)tag;
	memset(rte_pktmbuf_mtod_offset(m, uint8_t *, OUTER_SUM_AT), 0, 2);
	wire_put_packet(way->ws, m);
}

static void take_from_wire(const struct way *way)
{
	scene_offer_again(way->s, 1);
}

static void prepare_from_wire(const struct way *way)
{
	wire_introduce_guest(way->ws, 1);
	wire_introduce(way->ws, 0);
	scene_receive_all(way->s);
	wire_take_all(way->ws);
	take_from_wire(way);
	wire_listen(way->ws);
}

/* From another host to a guest. */
static void measure_from_wire(struct wire_scene *ws, const char *name,
			      void (*send)(const struct way *way, uint8_t tag))
{
	struct scene *s = ws->s;
	const struct way way = {
		.name = name,
		.s = s,
		.ws = ws,
		.is_bare = send == send_bare,
		.counter = &scene_counters(s, 1)->wire_delivered,
		.send = send,
		.take = take_from_wire,
	};
	uint8_t dst[6], src[6];

	scene_mac(1, dst);
	wire_host_mac(0, src);
	write_frame(dst, src, 64);
	bare_bridge = &s->net[0];
	prepare_from_wire(&way);
	measure(&way);
}

static void from_wire(void **state)
{
	measure_from_wire(*state, "from_wire", send_from_wire);
}

static void from_wire_sum(void **state)
{
	measure_from_wire(*state, "from_wire_sum", send_with_sum);
}

static void from_wire_bare(void **state)
{
	measure_from_wire(*state, "from_wire_bare", send_bare);
}

/* The next segment of the flow whose packets come from the wire. */
static struct tcp_segment segment;

static void send_bulk(const struct way *way, uint8_t tag)
{
	static uint8_t bytes[TCP_SEGMENT_MAX];
	uint32_t len = tcp_segment_write(bytes, &segment);

	(void)tag;
	segment = tcp_segment_next(&segment);
	wire_put_packet(way->ws, wire_packet(way->ws, 0, WIRE_VNI, bytes, len));
}

/* Segments of one flow from another host to a guest, which takes large packets with these features.
 */
static void measure_bulk(struct wire_scene *ws, const char *name, uint64_t features)
{
	struct scene *s = ws->s;
	const struct way way = {
		.name = name,
		.s = s,
		.ws = ws,
		.counter = &scene_counters(s, 1)->wire_delivered,
		.send = send_bulk,
		.take = take_from_wire,
	};

	segment = tcp_segment_plain(1, SEGMENT);
	scene_mac(1, segment.dst_mac);
	wire_host_mac(0, segment.src_mac);
	s->guest[1].port.coalesces = true;
	s->guest[1].pair.rx.q.features |= features;
	prepare_from_wire(&way);
	measure(&way);
}

static void bulk_from_wire(void **state)
{
	measure_bulk(*state, "bulk_from_wire", 0);
}

static void bulk_from_wire_merged(void **state)
{
	measure_bulk(*state, "bulk_from_wire_merged",
		     1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {
		SCENE_CASE(measure_plain),
		SCENE_CASE(measure_udp_plain),
		SCENE_CASE(measure_udp_guarded),
		SCENE_CASE(measure_udp_groups),
		WIRE_CASE(to_wire),
		WIRE_CASE(to_wire_bare),
		WIRE_CASE(to_wire_1400),
		WIRE_CASE(to_wire_1400_v6),
		WIRE_CASE(from_wire),
		WIRE_CASE(from_wire_sum),
		WIRE_CASE(from_wire_bare),
		WIRE_CASE(bulk_from_wire),
		WIRE_CASE(bulk_from_wire_merged),
	};
	unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 10) : MOST_LOADS;

	if (argc > 2 || n == 0 || n > MOST_LOADS) {
		fprintf(stderr, "usage: turn [LOADS], of %d packets each, at most %d\n", PACKETS,
			MOST_LOADS);
		return 2;
	}
	n_loads = (unsigned)n;

	if (fake_eal_init("turn") < 0)
		return 1;
	return cmocka_run_group_tests(all, NULL, NULL);
}
