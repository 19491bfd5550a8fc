/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's thread at rest: it sleeps also while a VM waits for its limit, and wakes by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/virtio_config.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "tests/fake/driver_mem.h"
#include "tests/fake/driver_ring.h"
#include "tests/fake/eal.h"
#include "vswitch/attach.h"
#include "vswitch/batch.h"
#include "vswitch/loop.h"
#include "vswitch/worker.h"

#define RING_SIZE 256
#define FRAME     64
#define HDR       12
#define PATIENCE  6000 /* looks, 10 ms apart */
#define PPS       5    /* of the VM that is held back */

/* A VM that only sends, to nobody. */
struct sender {
	struct driver_mem mem;
	struct driver_ring ring;
	struct vdev_pair pair;
	uint16_t vm;
	struct rte_mempool *pool;
	struct vport port;
};

static struct vport *ports[MAX_PORTS];
static struct bridge net;
static struct sender held, idle;
static struct worker *w;
static pthread_t thread;

static void sender_open(struct sender *s, uint16_t id, const struct budget *budget)
{
	struct virtq_conf conf;
	char name[16];

	memset(s, 0, sizeof(*s));
	driver_mem_init(&s->mem, 1, 1 << 20, false);
	driver_mem_ring(&s->mem, &s->ring, RING_SIZE, 1ULL << VIRTIO_F_VERSION_1, 0);
	conf = driver_ring_conf(&s->ring, &s->mem.map, -1);
	assert_int_equal(net_ring_open(&s->pair.tx, &conf), 0);
	s->pair.tx_on = true;
	s->pair.tx_kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(s->pair.tx_kick_fd >= 0);
	snprintf(name, sizeof(name), "sender%u", id);
	s->vm = id;
	s->pool = fake_eal_pool(name, 255);
	s->port.id = id;
	s->port.vm = id;
	s->port.bridge = &net;
	s->port.worker = w;
	s->port.mac_limit = 8;
	ports[id] = &s->port;
	assert_int_equal(sched_add_vm(w->sched, id, 0, budget), 0);
	attach_vm(w, id, s->pool);
	attach_change(w, &s->port, NULL, NULL, &s->pair, 1);
}

static void sender_close(struct sender *s)
{
	attach_change(w, &s->port, NULL, NULL, NULL, 0);
	detach_vm(w, s->vm);
	sched_remove_vm(w->sched, s->vm);
	ports[s->port.id] = NULL;
	assert_int_equal(rte_mempool_in_use_count(s->pool), 0);
	rte_mempool_free(s->pool);
	close(s->pair.tx_kick_fd);
	driver_ring_free(&s->ring);
	driver_mem_free(&s->mem);
}

static void send_frames(struct sender *s, unsigned n)
{
	uint8_t *p = driver_mem_alloc(&s->mem, 0, HDR + FRAME, 64);
	const struct driver_buf b = {driver_mem_gpa(&s->mem, p), HDR + FRAME, false};

	p[HDR] = p[HDR + 6] = 0x52;
	while (n-- > 0)
		assert_true(driver_ring_add(&s->ring, &b, 1) >= 0);
	driver_ring_publish(&s->ring);
}

/* --- looking at the worker ---------------------------------------------------------------------
 */

struct look {
	uint64_t sleeps;
	uint64_t taken; /* packets of the VM that is held back */
};

static void take_look(struct worker *worker, void *arg)
{
	struct look *l = arg;

	l->sleeps = worker->sleeps;
	l->taken = worker->counters[held.port.id].in;
}

/* Looking wakes the worker: only look when it is asleep, so that each look allows one sleep more.
 */
static struct look look_when_asleep(void)
{
	struct look l;

	for (unsigned i = 0; i < PATIENCE && !atomic_load(&w->asleep); i++)
		usleep(10000);
	assert_true(atomic_load(&w->asleep));
	worker_call(w, take_look, &l);
	return l;
}

static int setup(void **state)
{
	const struct worker_conf conf = {
		.ports = ports,
		.sched = {.tsc_hz = rte_get_tsc_hz(), .slice_us = 20, .mode = SCHED_MODE_TIME},
	};
	struct budget budget = budget_default();
	struct members *members = calloc(1, sizeof(*members));
	struct err e = {0};

	(void)state;
	w = worker_create(&conf, &e);
	assert_non_null(w);
	assert_int_equal(sched_add_tenant(w->sched, 0, &budget), 0);
	memset(&net, 0, sizeof(net));
	atomic_store(&net.members, members);
	atomic_store(&net.mtu, 1500);
	net.fdb = fdb_create(64);
	sender_open(&idle, 2, &budget);
	budget.rate_pps = PPS;
	sender_open(&held, 1, &budget);
	atomic_store(&w->running, true);
	return pthread_create(&thread, NULL, (void *(*)(void *))(void *)loop_main, w);
}

static int teardown(void **state)
{
	(void)state;
	atomic_store(&w->stop, true);
	worker_wake(w);
	pthread_join(thread, NULL);
	assert_int_equal(ledger_sum(&w->ledger), w->ledger.last_tsc - w->ledger.opened_tsc);
	sender_close(&held);
	sender_close(&idle);
	free(atomic_load(&net.members));
	fdb_destroy(net.fdb);
	worker_destroy(w);
	return 0;
}

/* --- tests -------------------------------------------------------------------------------------
 */

static void test_sleeps_without_work(void **state)
{
	struct look first = look_when_asleep();

	(void)state;
	assert_true(look_when_asleep().sleeps > first.sleeps);
}

/* What its ring has, it cannot send before a minute is over: a burst is saved up, then 5 a second.
 */
static void test_sleeps_while_a_vm_is_held_back(void **state)
{
	struct look l = {0};

	(void)state;
	send_frames(&held, RING_SIZE);
	for (unsigned i = 0; i < PATIENCE && l.taken < BATCH_MAX + 3; i++)
		l = look_when_asleep();
	assert_true(l.taken >= BATCH_MAX + 3);
	assert_true(l.taken < RING_SIZE);
	assert_true(l.sleeps >= 3);
	assert_true(w->ledger.sys[SYSROW_IDLE] > 0);
}

static bool wants_kicks(const struct sender *s)
{
	return !(__atomic_load_n(&s->ring.used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
}

/* Kicks of a VM that may not be served could only wake the worker for nothing. */
static void test_only_others_are_asked_to_kick(void **state)
{
	bool seen = false;

	(void)state;
	send_frames(&held, RING_SIZE);
	for (unsigned i = 0; i < PATIENCE && look_when_asleep().taken == 0; i++)
		continue;
	for (unsigned i = 0; i < PATIENCE && !seen; i++) {
		seen = atomic_load(&w->asleep) && wants_kicks(&idle) && !wants_kicks(&held);
		usleep(1000);
	}
	assert_true(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sleeps_without_work, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sleeps_while_a_vm_is_held_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_only_others_are_asked_to_kick, setup,
						teardown),
	};

	if (fake_eal_init("worker_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
