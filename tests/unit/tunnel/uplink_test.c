/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks on devices that are in memory only: what is refused and why, and what becomes of frames.
 */
#include "tunnel/uplink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "tests/fake/eal.h"

#define TSC_HZ  1000000000ULL
#define WAIT_US 1000
#define SIZE    100

static struct uplink_conf conf_of(const char *device)
{
	return (struct uplink_conf){
		.device = device,
		.n_queues = 2,
		.mtu = 1600,
		.tx_wait_us = WAIT_US,
		.may_block = true,
		.tsc_hz = TSC_HZ,
	};
}

/* The device is refused for this reason, and nothing is left of it. */
static void assert_refused(const struct uplink_conf *conf, enum err_code code, const char *field,
			   const char *why)
{
	struct err e = {0};

	assert_null(uplink_open(conf, &e));
	assert_int_equal(e.code, code);
	assert_string_equal(e.field, field);
	if (!strstr(e.text, why))
		fail_msg("'%s' is not in '%s'", why, e.text);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
}

/* --- opening ------------------------------------------------------------------------------------
 */

static void test_drivers_for_tests_need_an_option(void **state)
{
	static const struct {
		const char *device, *why;
	} cases[] = {
		{"net_af_packet0,iface=lo", "may block"},
		{"net_tap0", "a system call for each packet"},
		{"net_ring0", "in memory only"},
		{"net_null0", "leads nowhere"},
		{"net_pcap0,tx_pcap=/dev/null", "writes to files"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct uplink_conf conf = conf_of(cases[i].device);

		conf.may_block = false;
		assert_refused(&conf, ERR_INVALID, "device", cases[i].why);
		assert_refused(&conf, ERR_INVALID, "device", cases[i].device);
		assert_refused(&conf, ERR_INVALID, "device", "--allow-blocking-uplinks");
	}
}

/* Others are not accepted at all, by whatever name: some drivers run commands. */
static void test_other_devices_are_refused(void **state)
{
	static const char *const devices[] = {
		"",
		"net_nonsense0",
		"net_memif0,role=server",
		"net_failsafe0,exec(touch /nowhere/x)",
		"eth_af_packet0,iface=lo",
		"eth_tap0",
		"vdev:net_tap0",
		"bus=vdev,name=net_tap0",
		"net_ring",
		"net_ring0x",
		"net_ring0 ",
		"net_bonding0,slave=net_ring1",
		"0000:00:03.0",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		struct uplink_conf conf = conf_of(devices[i]);

		assert_refused(&conf, ERR_INVALID, "device", "net_af_xdp or net_virtio_user");
	}
}

/* The control thread would wait for a front end. */
static void test_a_device_that_listens_is_refused(void **state)
{
	struct uplink_conf conf = conf_of("net_virtio_user0,path=/nowhere/x,server=1");

	(void)state;
	assert_refused(&conf, ERR_INVALID, "device", "server=1");
}

static void test_a_device_that_is_not_there(void **state)
{
	struct uplink_conf conf = conf_of("net_virtio_user0,path=/nowhere/x");

	(void)state;
	assert_refused(&conf, ERR_INVALID, "device", "finds no such device");
}

/* An interface that is not there, and a program that is not ours. */
static void test_bad_arguments_of_af_xdp(void **state)
{
	struct uplink_conf conf = conf_of("net_af_xdp0");

	(void)state;
	assert_refused(&conf, ERR_INVALID, "device", "no interface ''");
	conf.device = "net_af_xdp0,iface=nowhere9";
	assert_refused(&conf, ERR_INVALID, "device", "no interface 'nowhere9'");
	conf.device = "net_af_xdp0,iface=lo,xdp_prog=/nowhere/x";
	assert_refused(&conf, ERR_INVALID, "device", "xdp_prog");
}

static void test_a_device_with_too_few_queues(void **state)
{
	struct uplink_conf conf = conf_of("net_pcap0,tx_pcap=/dev/null");

	(void)state;
	assert_refused(&conf, ERR_INVALID, "device",
		       "1 transmit and 1 receive queues, and the 2 workers");
}

/* What the driver itself refuses. */
static void test_a_configuration_that_does_not_fit(void **state)
{
	struct uplink_conf conf = conf_of("net_ring0");

	(void)state;
	conf.mtu = 10;
	assert_refused(&conf, ERR_INTERNAL, "device", "cannot configure it");
}

static void test_a_device_is_used_once(void **state)
{
	struct uplink_conf conf = conf_of("net_ring0");
	struct uplink_device *u = uplink_open(&conf, NULL);
	struct uplink_status st;
	struct err e = {0};

	(void)state;
	assert_non_null(u);
	assert_null(uplink_open(&conf, &e));
	assert_int_equal(e.code, ERR_EXISTS);
	assert_string_equal(e.field, "device");
	conf.device = "net_ring0,numa=0";
	assert_null(uplink_open(&conf, &e));
	assert_int_equal(e.code, ERR_EXISTS);
	/* It is as it was. */
	uplink_look(u, &st);
	assert_true(st.is_up);
	assert_int_equal(rte_eth_dev_count_avail(), 1);
	uplink_close(u);
	uplink_close(NULL);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
}

static void test_a_device_can_be_opened_again(void **state)
{
	struct uplink_conf conf = conf_of("net_ring0");

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct err e = {0};
		struct uplink_device *u = uplink_open(&conf, &e);

		assert_non_null(u);
		assert_int_equal(uplink_queue(u, 1)->queue, 1);
		assert_true(rte_mempool_full(uplink_queue(u, 1)->tx_pool));
		assert_true(rte_mempool_full(uplink_queue(u, 1)->rx_pool));
		uplink_close(u);
	}
}

static void test_two_devices_at_a_time(void **state)
{
	struct uplink_conf one = conf_of("net_ring0"), other = conf_of("net_null0");
	struct uplink_device *a = uplink_open(&one, NULL), *b = uplink_open(&other, NULL);
	struct rte_mbuf *m;

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	m = rte_pktmbuf_alloc(uplink_queue(a, 1)->rx_pool);
	assert_true(uplink_owns(a, m));
	assert_false(uplink_owns(b, m));
	rte_pktmbuf_free(m);
	uplink_close(a);
	/* The other one is as it was. */
	m = rte_pktmbuf_alloc(uplink_queue(b, 0)->rx_pool);
	assert_true(uplink_owns(b, m));
	rte_pktmbuf_free(m);
	uplink_close(b);
}

/* A driver that takes one buffer per packet gets such as hold a whole one. */
static void test_buffers_fit_the_driver(void **state)
{
	static const struct {
		const char *device;
		uint16_t mtu, least, most;
	} cases[] = {
		{"net_ring0", 1600, 2048, 2048},
		{"net_ring0", 9000, 2048, 2048},
		{"net_null0", 1600, 2048, 2048},
		{"net_null0", 9000, 9022, 9100},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct uplink_conf conf = conf_of(cases[i].device);
		struct uplink_device *u;
		struct rte_mbuf *m;

		conf.mtu = cases[i].mtu;
		conf.n_queues = 1;
		u = uplink_open(&conf, NULL);
		assert_non_null(u);
		assert_in_range(uplink_queue(u, 0)->room, cases[i].least, cases[i].most);
		m = rte_pktmbuf_alloc(uplink_queue(u, 0)->tx_pool);
		assert_int_equal(rte_pktmbuf_tailroom(m), uplink_queue(u, 0)->room);
		assert_true(rte_pktmbuf_headroom(m) >= VXLAN_HEADROOM);
		rte_pktmbuf_free(m);
		uplink_close(u);
	}
}

/* --- an open device -----------------------------------------------------------------------------
 */

struct open_uplink {
	struct uplink_device *u;
	struct uplink_queue *q;
	struct rte_ring *ring; /* of queue 0, what is sent by it comes in there */
};

static int setup(void **state)
{
	static struct open_uplink o;
	struct uplink_conf conf = conf_of("net_ring0");

	o.u = uplink_open(&conf, NULL);
	assert_non_null(o.u);
	o.q = uplink_queue(o.u, 0);
	o.ring = rte_ring_lookup("ETH_RXTX0_net_ring0");
	assert_non_null(o.ring);
	*state = &o;
	return 0;
}

static void drain(struct rte_ring *ring)
{
	void *m;

	while (rte_ring_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
}

static int teardown(void **state)
{
	struct open_uplink *o = *state;

	drain(o->ring);
	assert_int_equal(rte_mempool_in_use_count(o->q->tx_pool), o->q->n_waiting);
	assert_true(rte_mempool_full(o->q->rx_pool));
	uplink_close(o->u);
	return 0;
}

/* A frame, whose first byte is `tag`. */
static struct wire_frame *make_frame(const struct open_uplink *o, uint8_t tag)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(o->q->tx_pool);

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, SIZE), tag, SIZE);
	return (struct wire_frame *)m;
}

/* Sends frames with tags from `first` on, at this time. */
static void send_frames(const struct open_uplink *o, uint8_t first, uint16_t n, uint64_t now)
{
	struct wire_frame *f[UPLINK_WAITING];

	for (uint16_t i = 0; i < n; i++)
		f[i] = make_frame(o, (uint8_t)(first + i));
	uplink_send(o->q, f, n, now);
}

/* The next frame on the wire has the tag. */
static void assert_next(const struct open_uplink *o, uint8_t tag)
{
	void *m = NULL;

	assert_int_equal(rte_ring_dequeue(o->ring, &m), 0);
	assert_int_equal(*rte_pktmbuf_mtod((struct rte_mbuf *)m, uint8_t *), tag);
	rte_pktmbuf_free(m);
}

/* Frames with tag 0, until there is room for so many more. */
static void fill(const struct open_uplink *o, unsigned room)
{
	while (rte_ring_free_count(o->ring) > room)
		assert_int_equal(rte_ring_enqueue(o->ring, wire_frame_mbuf(make_frame(o, 0))), 0);
}

static void test_frames_are_counted(void **state)
{
	struct open_uplink *o = *state;
	struct rte_mbuf *m[UPLINK_BURST];
	uint16_t n;

	send_frames(o, 1, 40, 0);
	assert_int_equal(o->q->n_waiting, 0);
	assert_true(uplink_flush(o->q, 0));
	assert_int_equal(o->q->counters.tx_packets, 40);
	assert_int_equal(o->q->counters.tx_bytes, 40 * SIZE);
	n = uplink_poll(o->q, m, UPLINK_BURST);
	assert_int_equal(n, UPLINK_BURST);
	for (uint16_t i = 0; i < n; i++)
		assert_int_equal(*rte_pktmbuf_mtod(m[i], uint8_t *), 1 + i);
	rte_pktmbuf_free_bulk(m, n);
	n = uplink_poll(o->q, m, UPLINK_BURST);
	assert_int_equal(n, 40 - UPLINK_BURST);
	rte_pktmbuf_free_bulk(m, n);
	assert_int_equal(uplink_poll(o->q, m, UPLINK_BURST), 0);
}

static void test_frames_wait_in_order(void **state)
{
	struct open_uplink *o = *state;

	fill(o, 5);
	send_frames(o, 1, UPLINK_WAITING, 0);
	assert_int_equal(o->q->n_waiting, UPLINK_WAITING - 5);
	assert_int_equal(o->q->counters.tx_packets, 5);
	assert_false(uplink_flush(o->q, 1));
	for (unsigned i = 0; i < 10; i++)
		assert_next(o, 0);
	assert_false(uplink_flush(o->q, 2));
	assert_int_equal(o->q->n_waiting, UPLINK_WAITING - 15);
	for (unsigned i = rte_ring_count(o->ring) - 15; i > 0; i--)
		assert_next(o, 0);
	assert_true(uplink_flush(o->q, 3));
	for (uint8_t i = 0; i < UPLINK_WAITING; i++)
		assert_next(o, 1 + i);
	assert_int_equal(o->q->counters.tx_packets, UPLINK_WAITING);
	assert_int_equal(o->q->counters.tx_bytes, UPLINK_WAITING * SIZE);
	assert_int_equal(o->q->counters.tx_full, 0);
}

/* Patience starts anew with each frame that the device takes. */
static void test_patience_ends(void **state)
{
	struct open_uplink *o = *state;
	uint64_t patience = TSC_HZ / 1000000 * WAIT_US, now = 5000;

	fill(o, 0);
	send_frames(o, 1, 3, now);
	assert_false(uplink_flush(o->q, now + patience));
	assert_next(o, 0);
	now += patience;
	assert_false(uplink_flush(o->q, now));
	assert_int_equal(o->q->n_waiting, 2);
	assert_false(uplink_flush(o->q, now + patience));
	assert_true(uplink_flush(o->q, now + patience + 1));
	assert_int_equal(o->q->counters.tx_full, 2);
	assert_int_equal(o->q->counters.tx_packets, 1);
	assert_int_equal(o->q->counters.tx_down, 0);
}

static void test_a_link_that_is_down(void **state)
{
	struct open_uplink *o = *state;
	struct uplink_status st;

	uplink_look(o->u, &st);
	assert_true(st.is_up);
	assert_false(st.is_gone);
	assert_string_equal(st.driver, "net_ring");
	assert_int_equal(st.ifindex, 0);
	fill(o, 0);
	send_frames(o, 1, 3, 0);
	assert_int_equal(rte_eth_dev_set_link_down(o->q->port_id), 0);
	/* Workers know when control has looked. */
	assert_false(uplink_flush(o->q, 1));
	uplink_look(o->u, &st);
	assert_false(st.is_up);
	assert_true(uplink_flush(o->q, 2));
	assert_int_equal(o->q->counters.tx_down, 3);
	assert_int_equal(rte_eth_dev_set_link_up(o->q->port_id), 0);
	uplink_look(o->u, &st);
	assert_true(st.is_up);
	drain(o->ring);
	send_frames(o, 1, 3, 3);
	assert_true(uplink_flush(o->q, 3));
	assert_int_equal(rte_ring_count(o->ring), 3);
}

/* Frames that wait are freed with the device; teardown closes it. */
static void test_a_device_closes_with_frames_that_wait(void **state)
{
	struct open_uplink *o = *state;

	fill(o, 0);
	send_frames(o, 1, 10, 0);
	assert_int_equal(o->q->n_waiting, 10);
}

static void test_whose_buffers_packets_are_in(void **state)
{
	struct open_uplink *o = *state;
	struct rte_mempool *pool = fake_eal_pool("other", 1);
	struct rte_mbuf *mine = rte_pktmbuf_alloc(o->q->rx_pool), *other = rte_pktmbuf_alloc(pool);

	assert_true(uplink_owns(o->u, mine));
	assert_false(uplink_owns(o->u, other));
	rte_pktmbuf_free(mine);
	rte_pktmbuf_free(other);
	rte_mempool_free(pool);
}

/* Drivers that leave nothing to the kernel need not be told. */
static void test_ports_are_for_drivers_that_ask(void **state)
{
	const uint16_t port = VXLAN_PORT;
	struct open_uplink *o = *state;
	struct err e = {0};

	assert_int_equal(uplink_set_ports(o->u, &port, 1, &e), 0);
	uplink_set_multicast(o->u, true);
	uplink_set_multicast(o->u, false);
}

#define OPEN_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drivers_for_tests_need_an_option),
		cmocka_unit_test(test_other_devices_are_refused),
		cmocka_unit_test(test_a_device_that_listens_is_refused),
		cmocka_unit_test(test_bad_arguments_of_af_xdp),
		cmocka_unit_test(test_a_device_that_is_not_there),
		cmocka_unit_test(test_a_device_with_too_few_queues),
		cmocka_unit_test(test_a_configuration_that_does_not_fit),
		cmocka_unit_test(test_a_device_is_used_once),
		cmocka_unit_test(test_a_device_can_be_opened_again),
		cmocka_unit_test(test_two_devices_at_a_time),
		cmocka_unit_test(test_buffers_fit_the_driver),
		OPEN_CASE(test_frames_are_counted),
		OPEN_CASE(test_frames_wait_in_order),
		OPEN_CASE(test_patience_ends),
		OPEN_CASE(test_a_link_that_is_down),
		OPEN_CASE(test_a_device_closes_with_frames_that_wait),
		OPEN_CASE(test_whose_buffers_packets_are_in),
		OPEN_CASE(test_ports_are_for_drivers_that_ask),
	};

	if (fake_eal_init("uplink_test") < 0)
		return 1;
	/* Devices that cannot be had, and rings that are there already, are what is tested. */
	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests_name("uplink", tests, NULL, NULL);
}
