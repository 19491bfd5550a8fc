/* SPDX-License-Identifier: BSD-3-Clause */
/* What judging a packet by security groups costs: batches of 32 packets of the VM, of random
 * connections that are established, and of new ones; and what memory a connection takes. Prints
 * cycles of the TSC: the lowest but for a thousandth, and the median. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <rte_cycles.h>

#include "pkt/drops.h"
#include "policy/conntrack.h"
#include "policy/filter.h"
#include "policy/security.h"
#include "tests/fake/flow_packet.h"

#define BATCH   32
#define BATCHES 20000
#define RULES   1000

static uint64_t cycles[BATCHES];
static uint8_t frame[BATCH][FLOW_PACKET_MAX];
static struct rte_mbuf mbuf[BATCH], *packet[BATCH];
static struct judgement out[BATCH];

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void fail(const char *what)
{
	fprintf(stderr, "security: %s\n", what);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_figures(const char *what, unsigned n)
{
	unsigned lowest = n / 1000, median = n / 2;

	qsort(cycles, n, sizeof(cycles[0]), compare);
	printf("security.%s.cycles_min %.1f cycles/packet\nsecurity.%s.cycles_p50 %.1f "
	       "cycles/packet\n",
	       what, (double)cycles[lowest] / BATCH, what, (double)cycles[median] / BATCH);
}

/* Makes a packet of the batch one of connection n, from either end. */
static void set_packet(unsigned i, uint32_t n, enum flow_side side, uint8_t flags)
{
	uint16_t vm = (uint16_t)(1024 + n % 50000), peer = (uint16_t)(n / 50000 + 2);
	const struct flow_shape s = {
		.proto = IPPROTO_TCP,
		.src = side == FLOW_SENT ? 1 : peer,
		.dst = side == FLOW_SENT ? peer : 1,
		.sport = side == FLOW_SENT ? vm : 443,
		.dport = side == FLOW_SENT ? 443 : vm,
		.tcp_flags = flags,
	};

	packet[i] = &mbuf[i];
	flow_packet_attach(&mbuf[i], frame[i], flow_packet_write(frame[i], &s));
}

static void judge(const struct security *s, struct conntrack *ct, enum flow_side side,
		  uint32_t now_ms)
{
	security_judge(s, ct, side, packet, BATCH, now_ms, false, out);
	for (unsigned i = 0; i < BATCH; i++)
		if (out[i].reason != DROP_COUNT)
			fail(drop_reason_text((enum drop_reason)out[i].reason));
}

static void establish(const struct security *s, struct conntrack *ct, uint32_t n)
{
	for (uint32_t at = 0; at < n; at += BATCH) {
		for (unsigned k = 0; k < 3; k++) {
			enum flow_side side = k == 1 ? FLOW_RECEIVED : FLOW_SENT;

			for (unsigned i = 0; i < BATCH; i++)
				set_packet(i, (at + i) % n, side,
					   k == 0   ? TH_SYN
					   : k == 1 ? TH_SYN | TH_ACK
						    : TH_ACK);
			judge(s, ct, side, 0);
		}
	}
}

static void measure_established(const struct security *s, const char *name, uint32_t n)
{
	struct conntrack *ct = conntrack_create(n);

	if (!ct)
		fail("no memory");
	establish(s, ct, n);
	for (unsigned k = 0; k < BATCHES; k++) {
		enum flow_side side = k & 1 ? FLOW_RECEIVED : FLOW_SENT;
		uint64_t start;

		for (unsigned i = 0; i < BATCH; i++)
			set_packet(i, (uint32_t)(rnd() % n), side, TH_ACK);
		start = rte_rdtsc();
		security_judge(s, ct, side, packet, BATCH, k / 100, false, out);
		cycles[k] = rte_rdtsc() - start;
	}
	print_figures(name, BATCHES);
	conntrack_destroy(ct);
}

static void measure_new(const struct security *s)
{
	struct conntrack *ct = conntrack_create(BATCHES * BATCH);

	if (!ct)
		fail("no memory");
	for (unsigned k = 0; k < BATCHES; k++) {
		uint64_t start;

		for (unsigned i = 0; i < BATCH; i++)
			set_packet(i, k * BATCH + i, FLOW_SENT, TH_SYN);
		start = rte_rdtsc();
		security_judge(s, ct, FLOW_SENT, packet, BATCH, k / 100, false, out);
		cycles[k] = rte_rdtsc() - start;
	}
	print_figures("new_1000_rules", BATCHES);
	conntrack_destroy(ct);
}

/* Rules about other addresses and ports, and the last one, which allows the packets. */
static struct filter *make_filter(void)
{
	static struct filter_rule rule[RULES];

	for (unsigned i = 0; i < RULES; i++)
		rule[i] = (struct filter_rule){
			.is_allow = true,
			.protocol = IPPROTO_TCP,
			.first = (uint16_t)(i * 60),
			.last = (uint16_t)(i * 60 + 20),
			.remote = {172, 16, (uint8_t)(i >> 8), (uint8_t)i},
			.remote_bits = 32,
			.group = FILTER_NO_GROUP,
			.id = i,
		};
	rule[RULES - 1] = (struct filter_rule){.is_allow = true,
					       .protocol = IPPROTO_TCP,
					       .last = UINT16_MAX,
					       .group = FILTER_NO_GROUP};
	return filter_create(rule, RULES, NULL);
}

int main(void)
{
	struct filter *f = make_filter();
	const struct security s = {.egress = f, .ingress = f, .generation = 1};

	if (!f)
		fail("no memory");
	measure_established(&s, "established_10000", 10000);
	measure_established(&s, "established_1000000", 1000000);
	measure_new(&s);
	printf("security.connection %.1f bytes\n", (double)conntrack_size(4096) / 4096);
	filter_destroy(f);
	return 0;
}
