/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole switch with six workers, as control sees it: real threads, the real gate and the vhost
 * library, and guests in a process of their own which send to one another without end. Meanwhile
 * VMs move, ports go and come back, networks and budgets change; then all of it is stopped, and has
 * to add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mempool.h>

#include "pkt/pool.h"
#include "tests/fake/eal.h"
#include "tests/fake/vhost_fe.h"
#include "vhost/gate.h"
#include "ring/guest_fd.h"
#include "vhost/vhost_lib.h"
#include "control/switch.h"
#include "vswitch/loop.h"

#define WORKERS  6
#define GUESTS   12
#define RING     256
#define BUFFER   256
#define FRAME    64
#define PATIENCE 60000 /* ms */

/* ThreadSanitizer takes ten times as long. */
#ifdef __SANITIZE_THREAD__
#define ROUNDS   24
#define RECEIVED 4096
#else
#define ROUNDS   60
#define RECEIVED 20480
#endif

static char folder[64];

/* --- guests, in a process of their own -----------------------------------------------------------
 */

static void socket_of(unsigned i, char *path, size_t size)
{
	snprintf(path, size, "%s/s%u", folder, i);
}

static void offer(struct vhost_fe *fe, uint64_t gpa)
{
	struct driver_buf b = {gpa, BUFFER, true};

	driver_ring_add(&fe->ring[0], &b, 1);
}

static bool open_guest(struct vhost_fe *fe, unsigned i)
{
	static const struct fe_config conf = {
		.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF),
		.protocol_features = FE_F(FE_P_REPLY_ACK),
		.pairs = 1,
		.ring_size = RING,
		.mem_size = 1 << 20,
	};
	char path[96];

	socket_of(i, path, sizeof(path));
	vhost_fe_init(fe);
	if (vhost_fe_open(fe, path, &conf) < 0) {
		vhost_fe_close(fe);
		return false;
	}
	for (unsigned b = 0; b < RING; b++)
		offer(fe, vhost_fe_gpa(fe, vhost_fe_alloc(fe, BUFFER, 64)));
	driver_ring_publish(&fe->ring[0]);
	return true;
}

/* To a guest that changes with each packet, or to all. */
static void send_one(struct vhost_fe *fe, unsigned from, unsigned n, uint8_t *frame)
{
	struct driver_buf b = {vhost_fe_gpa(fe, frame), 12 + FRAME, false};
	uint8_t src[6] = {0x52, 0x54, 0, 0, 0, (uint8_t)from};
	uint8_t dst[6] = {0x52, 0x54, 0, 0, 0, (uint8_t)(n % GUESTS)};

	if (n % 16 == 0)
		memset(dst, 0xff, sizeof(dst));
	memcpy(frame + 12, dst, 6);
	memcpy(frame + 18, src, 6);
	driver_ring_add(&fe->ring[1], &b, 1);
}

static void play_guest(struct vhost_fe *fe, unsigned i, unsigned *n)
{
	uint32_t len;
	int head;

	while ((head = driver_ring_poll(&fe->ring[0], &len)) >= 0)
		offer(fe, fe->ring[0].desc[head].addr);
	driver_ring_publish(&fe->ring[0]);
	while (driver_ring_poll(&fe->ring[1], &len) >= 0)
		continue;
	for (unsigned k = 0; k < 8; k++, ++*n) {
		/* Frames lie behind the buffers: their memory is used again all the time. */
		uint8_t *frame = fe->mem + fe->mem_size - (1 + *n % 64) * 128;

		send_one(fe, i, *n, frame);
	}
	driver_ring_publish(&fe->ring[1]);
	if (driver_ring_wants_kick(&fe->ring[1]))
		driver_ring_kick(&fe->ring[1]);
}

/* Plays all guests until the pipe is closed; those that are hung up come back. */
static void play_guests(int stop_fd)
{
	static struct vhost_fe fe[GUESTS];
	bool is_open[GUESTS] = {false};
	unsigned n[GUESTS] = {0};
	struct pollfd p = {.fd = stop_fd, .events = POLLIN};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (poll(&p, 1, 0) == 0) {
		for (unsigned i = 0; i < GUESTS; i++) {
			if (is_open[i] && vhost_fe_hung_up(&fe[i])) {
				vhost_fe_close(&fe[i]);
				is_open[i] = false;
			}
			if (!is_open[i])
				is_open[i] = open_guest(&fe[i], i);
			if (is_open[i])
				play_guest(&fe[i], i, &n[i]);
		}
	}
	_exit(0);
}

/* --- the switch ----------------------------------------------------------------------------------
 */

static struct vswitch *sw;
static pthread_t thread[WORKERS];
static pid_t guests;
static int stop_guests;
static struct err e;

#define DO(call)                                \
	do {                                    \
		if (!(call))                    \
			fail_msg("%s", e.text); \
	} while (0)

static void *work(void *worker)
{
	loop_main(worker);
	return NULL;
}

static void create_switch(void)
{
	const struct sched_conf sched = {
		.tsc_hz = rte_get_tsc_hz(), .slice_us = 20, .mode = SCHED_MODE_TIME};
	unsigned cores[WORKERS];
	char path[96];

	for (unsigned i = 0; i < WORKERS; i++)
		cores[i] = i; /* names, here: nobody is bound to one */
	DO(sw = switch_create(cores, WORKERS, &sched, &e));
	snprintf(path, sizeof(path), "%s/rpc", folder);
	DO(vhost_lib_init(path, &e) == 0);
	DO(sw->gate = gate_create(&e));
	for (unsigned i = 0; i < WORKERS; i++) {
		worker_start(sw->worker[i]);
		assert_int_equal(pthread_create(&thread[i], NULL, work, sw->worker[i]), 0);
	}
}

static struct port *create_port(unsigned i, const char *network)
{
	char name[16], vm[16], path[96];
	struct port_conf conf = {.name = name,
				 .vm = vm,
				 .network = network,
				 .socket = path,
				 .queue_pairs = 1,
				 .mac_limit = 64};
	struct port *port;

	snprintf(name, sizeof(name), "p%u", i);
	snprintf(vm, sizeof(vm), "v%u", i);
	socket_of(i, path, sizeof(path));
	DO(port = port_create(sw, &conf, &e));
	return port;
}

static struct vm *create_vm(unsigned i)
{
	char name[16];
	struct vm_conf conf = {.name = name,
			       .tenant = "t",
			       .worker_core = (int)(i % WORKERS),
			       .budget = budget_default()};
	struct vm *vm;

	snprintf(name, sizeof(name), "v%u", i);
	DO(vm = vm_create(sw, &conf, &e));
	return vm;
}

static void create_objects(void)
{
	struct budget b = budget_default();
	struct network_conf net = {
		.tenant = "t", .mtu = 1500, .mac_ageing_s = 300, .mac_table_size = 256};

	DO(tenant_create(sw, "t", &b, &e));
	for (unsigned i = 0; i < 2; i++) {
		net.name = i ? "apart" : "n";
		net.vni = i + 1;
		DO(network_create(sw, &net, &e));
	}
	for (unsigned i = 0; i < GUESTS; i++) {
		create_vm(i);
		create_port(i, "n");
	}
}

static struct port *port(unsigned i)
{
	char name[16];

	snprintf(name, sizeof(name), "p%u", i);
	return port_find(sw, name);
}

static struct vm *vm(unsigned i)
{
	char name[16];

	snprintf(name, sizeof(name), "v%u", i);
	return vm_find(sw, name);
}

static uint64_t received(unsigned i)
{
	struct port_counters c;
	uint64_t sum = 0;

	port_count(sw, port(i), &c);
	for (unsigned k = 0; k < MAX_PAIRS; k++)
		sum += c.queue[k].tx_packets;
	return sum;
}

/* Every guest receives more than it has by now. */
static void expect_traffic(void)
{
	uint64_t before[GUESTS];

	for (unsigned i = 0; i < GUESTS; i++)
		before[i] = received(i);
	for (unsigned i = 0; i < GUESTS; i++) {
		for (int ms = 0; ms < PATIENCE && received(i) <= before[i] + 20; ms++)
			poll(NULL, 0, 1);
		if (received(i) <= before[i] + 20) {
			struct vdev_status st;

			vdev_status(port(i)->dev, &st);
			fail_msg("guest %u receives nothing: %s", i, st.text);
		}
	}
}

static int setup(void **state)
{
	int fds[2];

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/switch_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(pipe(fds), 0);
	/* Before there are threads. */
	guests = fork();
	assert_true(guests >= 0);
	if (guests == 0) {
		close(fds[1]);
		play_guests(fds[0]);
	}
	close(fds[0]);
	stop_guests = fds[1];
	create_switch();
	create_objects();
	expect_traffic();
	return 0;
}

static void stop_sending(void)
{
	if (guests > 0) {
		close(stop_guests);
		assert_int_equal(waitpid(guests, NULL, 0), guests);
	}
	guests = 0;
}

static int teardown(void **state)
{
	(void)state;
	stop_sending();
	switch_destroy(sw);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	vhost_lib_uninit();
	return rmdir(folder);
}

/* --- what happens meanwhile ----------------------------------------------------------------------
 */

static void vms_move(void **state)
{
	struct budget b = budget_default();

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = round % GUESTS;

		DO(vm_move(sw, vm(i), (i + round / GUESTS + 1) % WORKERS, &b, &e) == 0);
		if (round % 12 == 11)
			expect_traffic();
	}
}

static void ports_come_and_go(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 24; round++) {
		unsigned i = round % GUESTS;

		DO(port_delete(sw, port(i), &e) == 0);
		if (round % 3 == 0) {
			DO(vm_delete(sw, vm(i), &e) == 0);
			create_vm(i);
		}
		create_port(i, "n");
	}
	expect_traffic();
}

static void networks_and_budgets_change(void **state)
{
	struct network *apart = network_find(sw, "apart"), *n = network_find(sw, "n");
	struct budget b = budget_default();

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct port *p = port(round % GUESTS);

		DO(port_set_network(sw, p, apart, &e) == 0);
		b.weight = 1 + round;
		DO(vm_set_budget(sw, p->vm, &b, &e) == 0);
		network_set(n, 1400 + round, 300);
		switch_tick(sw);
		DO(port_set_network(sw, p, n, &e) == 0);
	}
	expect_traffic();
}

/* Its rings are given up, and all that it sent has come to its end. */
static void expect_rest(unsigned i)
{
	struct vdev_status st = {.state = VDEV_UP};

	for (int ms = 0; ms < PATIENCE && st.state != VDEV_WAITING; ms++) {
		vdev_status(port(i)->dev, &st);
		poll(NULL, 0, 1);
	}
	assert_int_equal(st.state, VDEV_WAITING);
	for (int ms = 0; ms < PATIENCE && rte_mempool_in_use_count(vm(i)->pool) > 0; ms++)
		poll(NULL, 0, 1);
	assert_int_equal(rte_mempool_in_use_count(vm(i)->pool), 0);
}

/* Several times as many buffers as a VM has go through other workers: none of them stays in some
 * worker's hands. */
static void all_adds_up_in_the_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GUESTS; i++)
		for (int ms = 0; ms < PATIENCE && received(i) < RECEIVED; ms++)
			poll(NULL, 0, 1);
	stop_sending();
	for (unsigned i = 0; i < GUESTS; i++) {
		struct port_counters c;
		uint64_t drops = 0;

		assert_true(received(i) >= RECEIVED);
		expect_rest(i);
		port_count(sw, port(i), &c);
		for (int r = 0; r < DROP_COUNT; r++)
			drops += c.drops[r];
		assert_int_equal(c.in, c.forwarded + c.consumed + drops);
		assert_int_equal(c.drops[DROP_NO_BUFFER], 0);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vms_move),
		TEST(ports_come_and_go),
		TEST(networks_and_budgets_change),
		TEST(all_adds_up_in_the_end),
	};

	signal(SIGPIPE, SIG_IGN);
	if (fake_eal_init("switch_test") < 0 || guest_fd_init() < 0)
		return 1;
	pool_configure(UINT64_MAX, true);
	return cmocka_run_group_tests_name("switch", tests, NULL, NULL);
}
