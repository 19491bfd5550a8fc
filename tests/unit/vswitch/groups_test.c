/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups in whole turns: what ports send is judged by their worker, what they are sent by
 * the worker that has their ring; and a packet can be explained without doing either. */
#include "vswitch/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "pkt/compose.h"
#include "policy/conntrack.h"
#include "policy/filter.h"
#include "policy/security.h"
#include "vswitch/explain.h"
#include "vswitch/loop.h"

#define OPEN_PORT   7
#define CLOSED_PORT 8
#define MAX         64

/* Allows UDP to OPEN_PORT, and nothing else, in both directions. */
static const struct filter_rule only_open = {
	.is_allow = true,
	.protocol = IPPROTO_UDP,
	.first = OPEN_PORT,
	.last = OPEN_PORT,
	.group = FILTER_NO_GROUP,
};

static struct filter *filter;
static _Atomic(struct filter_groups *) no_members;

static struct security *put_into_group(struct scene *s, unsigned i)
{
	struct scene_guest *g = &s->guest[i];
	struct security *security = test_calloc(1, sizeof(*security));

	*security = (struct security){
		.egress = filter,
		.ingress = filter,
		.groups = &no_members,
		.generation = 1,
		.port = g->port.id,
	};
	g->vm.worker->service[g->vm.id].connections = conntrack_create(MAX);
	assert_non_null(g->vm.worker->service[g->vm.id].connections);
	atomic_store(&g->port.security, security);
	atomic_fetch_or(&g->port.stages, 1u << STAGE_POLICY);
	return security;
}

static void take_out_of_group(struct scene *s, unsigned i, struct security *security)
{
	struct scene_guest *g = &s->guest[i];
	struct service *service = &g->vm.worker->service[g->vm.id];

	atomic_store(&g->port.security, NULL);
	conntrack_destroy(service->connections);
	service->connections = NULL;
	test_free(security);
}

/* A UDP packet of guest `from` to another, or to all. Returns its length. */
static uint32_t compose(unsigned from, int to, uint16_t src_port, uint16_t dst_port,
			uint8_t frame[128])
{
	struct pkt_fields f = {
		.is_ip = true,
		.src.bytes = {10, 0, 0, (uint8_t)from},
		.dst.bytes = {10, 0, 0, (uint8_t)(to < 0 ? 255 : to)},
		.protocol = IPPROTO_UDP,
		.src_port = src_port,
		.dst_port = dst_port,
	};

	scene_mac(from, f.src_mac);
	memcpy(f.dst_mac, scene_all, 6);
	if (to >= 0)
		scene_mac((unsigned)to, f.dst_mac);
	return pkt_compose(&f, frame);
}

static void send_udp(struct scene *s, unsigned from, int to, uint16_t src_port, uint16_t dst_port)
{
	uint8_t frame[128];
	uint32_t len = compose(from, to, src_port, dst_port, frame);

	scene_send_bytes(&s->guest[from], frame, len);
}

static void introduce_all(struct scene *s)
{
	for (unsigned i = 0; i < 5; i++)
		scene_introduce(s, i);
}

static void test_what_a_port_sends(void **state)
{
	struct scene *s = *state;
	struct security *security;

	introduce_all(s);
	security = put_into_group(s, 0);
	send_udp(s, 0, 1, 1000, OPEN_PORT);
	send_udp(s, 0, 1, 1000, CLOSED_PORT);
	send_udp(s, 0, -1, 1000, CLOSED_PORT);
	/* Others may send what they want. */
	send_udp(s, 2, 1, 1000, CLOSED_PORT);
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 2);
	assert_int_equal(scene_received(s, 2), 0);
	assert_int_equal(scene_dropped(s, 0, DROP_SECURITY_GROUP), 2);
	take_out_of_group(s, 0, security);
}

static void test_what_a_port_is_sent(void **state)
{
	struct scene *s = *state;
	struct security *security;

	introduce_all(s);
	security = put_into_group(s, 1);
	send_udp(s, 0, 1, 1000, OPEN_PORT);
	send_udp(s, 0, 1, 1000, CLOSED_PORT);
	send_udp(s, 0, 1, 1001, OPEN_PORT);
	/* To all: the others get it. */
	send_udp(s, 0, -1, 1000, CLOSED_PORT);
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 2);
	assert_int_equal(scene_received(s, 2), 1);
	assert_int_equal(scene_dropped(s, 0, DROP_SECURITY_GROUP), 1);
	assert_int_equal(scene_counters(s, 1)->tx_drops[DROP_SECURITY_GROUP], 2);
	take_out_of_group(s, 1, security);
}

/* The answer to what the port was allowed to send needs no rule. */
static void test_answers_pass(void **state)
{
	struct scene *s = *state;
	struct security *security;

	introduce_all(s);
	security = put_into_group(s, 0);
	send_udp(s, 1, 0, OPEN_PORT, 1000);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 0), 0);
	send_udp(s, 0, 1, 1000, OPEN_PORT);
	scene_turns(s, 2);
	send_udp(s, 1, 0, OPEN_PORT, 1000);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 0), 1);
	/* From another station it is no answer. */
	send_udp(s, 2, 0, OPEN_PORT, 1000);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 0), 0);
	take_out_of_group(s, 0, security);
}

static void test_the_receivers_worker_judges(void **state)
{
	struct scene *s = *state;
	struct security *security;

	introduce_all(s);
	scene_move(s, 1);
	security = put_into_group(s, 1);
	send_udp(s, 0, 1, 1000, OPEN_PORT);
	send_udp(s, 0, 1, 1000, CLOSED_PORT);
	scene_turns(s, 3);
	for (unsigned i = 0; i < 3; i++)
		loop_turn(s->w2);
	assert_int_equal(scene_received(s, 1), 1);
	assert_int_equal(s->w2->counters[s->guest[1].port.id].tx_drops[DROP_SECURITY_GROUP], 1);
	take_out_of_group(s, 1, security);
}

/* --- explaining --------------------------------------------------------------------------------
 */

static uint64_t connections_of(const struct scene *s, unsigned i)
{
	const struct scene_guest *g = &s->guest[i];
	struct conntrack_stats stats;

	conntrack_get_stats(g->vm.worker->service[g->vm.id].connections, &stats);
	return stats.used;
}

static void attach_frame(struct rte_mbuf *m, uint8_t *frame, uint32_t len)
{
	memset(m, 0, sizeof(*m));
	m->buf_addr = frame;
	m->nb_segs = 1;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

static void test_explaining_changes_nothing(void **state)
{
	struct scene *s = *state;
	struct security *sender, *receiver;
	struct explained_judgement judged;
	struct port_counters before;
	struct explained x;
	struct rte_mbuf m;
	uint8_t frame[128];

	introduce_all(s);
	sender = put_into_group(s, 0);
	receiver = put_into_group(s, 1);
	before = *scene_counters(s, 0);
	attach_frame(&m, frame, compose(0, 1, 1000, OPEN_PORT, frame));
	explain_sent(s->w, &s->guest[0].port, &m, &x);
	assert_int_equal(x.n_stages, 2);
	assert_int_equal(x.stage[0].stage, STAGE_CLASSIFY);
	assert_int_equal(x.stage[1].stage, STAGE_POLICY);
	assert_int_equal(x.stage[1].p.verdict, PKT_FORWARD);
	assert_int_equal(x.stage[1].p.dest, s->guest[1].port.id);
	assert_int_equal(x.egress.j.reason, DROP_COUNT);
	assert_int_equal(explain_received(s->w, &s->guest[1].port, &m, &judged), DROP_COUNT);
	assert_int_equal(judged.j.rule, 0);
	assert_int_equal(connections_of(s, 0) + connections_of(s, 1), 0);
	assert_memory_equal(&before, scene_counters(s, 0), sizeof(before));
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 1), 0);
	take_out_of_group(s, 0, sender);
	take_out_of_group(s, 1, receiver);
}

static void test_explaining_says_what_is_counted(void **state)
{
	struct scene *s = *state;
	struct security *security;
	struct explained_judgement judged;
	struct explained x;
	struct rte_mbuf m;
	uint8_t frame[128];

	introduce_all(s);
	security = put_into_group(s, 0);
	attach_frame(&m, frame, compose(0, 1, 1000, CLOSED_PORT, frame));
	explain_sent(s->w, &s->guest[0].port, &m, &x);
	assert_int_equal(x.stage[1].p.verdict, PKT_DROP);
	assert_int_equal(x.stage[1].p.reason, DROP_SECURITY_GROUP);
	assert_int_equal(x.egress.j.reason, DROP_SECURITY_GROUP);
	assert_int_equal(x.egress.j.rule, FILTER_NO_RULE);
	attach_frame(&m, frame, compose(1, 0, 1000, CLOSED_PORT, frame));
	assert_int_equal(explain_received(s->w, &s->guest[0].port, &m, &judged),
			 DROP_SECURITY_GROUP);
	scene_enable(&s->guest[0], false);
	assert_int_equal(explain_received(s->w, &s->guest[0].port, &m, &judged), DROP_PORT_DOWN);
	take_out_of_group(s, 0, security);
}

static int make_filter(void **state)
{
	struct err e;

	(void)state;
	filter = filter_create(&only_open, 1, &e);
	return filter ? 0 : -1;
}

static int destroy_filter(void **state)
{
	(void)state;
	filter_destroy(filter);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_what_a_port_sends),
		SCENE_CASE(test_what_a_port_is_sent),
		SCENE_CASE(test_answers_pass),
		SCENE_CASE(test_the_receivers_worker_judges),
		SCENE_CASE(test_explaining_changes_nothing),
		SCENE_CASE(test_explaining_says_what_is_counted),
	};

	if (fake_eal_init("groups_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("groups", tests, make_filter, destroy_filter);
}
