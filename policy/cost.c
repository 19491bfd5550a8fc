/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VM's packets cost. */
#include "policy/cost.h"

#define ONE (1u << COST_FRAC_BITS)

/* Coefficients before anything is known. */
#define FIRST_PACKET (600 * ONE)
#define FIRST_BYTE   ONE
#define FIRST_DESC   (150 * ONE)

/* Bounds of the coefficients. */
#define MIN_PACKET (20 * ONE)
#define MIN_BYTE   (ONE / 32)
#define MIN_DESC   (10 * ONE)
#define MAX_PACKET ((1u << 20) * ONE)
#define MAX_BYTE   (64 * ONE)
#define MAX_DESC   ((1u << 16) * ONE)

#define WARMUP       32 /* services */
#define SINK_SHIFT   8  /* a cheaper service lowers a coefficient by 1/256 of the excess, */
#define HASTY_SHIFT  4  /* by 1/16 in warm-up or below a quarter of the prediction */
#define HOLD         32 /* services, doubled by each surprise, the first one included */
#define MAX_RISE     4
#define MAX_SURPRISE 5

void cost_reset(struct cost *c)
{
	*c = (struct cost){
		.packet = FIRST_PACKET,
		.byte = FIRST_BYTE,
		.desc = FIRST_DESC,
		.bytes_per_packet = 256,
		.descs_per_packet = 1,
		.warmup = WARMUP,
	};
}

/* A coefficient of the model, how many of its units the service had, and its bounds. */
struct part {
	uint32_t *number;
	uint32_t units;
	uint32_t min;
	uint32_t max;
};

/* The coefficient that contributed most to a prediction. It is the one to correct. */
static struct part main_part(struct cost *c, uint32_t packets, uint32_t bytes, uint32_t descs)
{
	uint64_t p = (uint64_t)packets * c->packet;
	uint64_t b = (uint64_t)bytes * c->byte;
	uint64_t d = (uint64_t)descs * c->desc;

	if (p >= b && p >= d)
		return (struct part){&c->packet, packets, MIN_PACKET, MAX_PACKET};
	if (b >= d)
		return (struct part){&c->byte, bytes, MIN_BYTE, MAX_BYTE};
	return (struct part){&c->desc, descs, MIN_DESC, MAX_DESC};
}

static void rise(const struct part *part, uint64_t missing)
{
	uint64_t most = (uint64_t)*part->number * MAX_RISE;
	uint64_t x = *part->number + missing / part->units + 1;

	x = x < most ? x : most;
	*part->number = (uint32_t)(x < part->max ? x : part->max);
}

static void sink(const struct part *part, uint64_t excess, unsigned shift)
{
	uint64_t x = (excess / part->units) >> shift;

	*part->number = *part->number > x + part->min ? (uint32_t)(*part->number - x) : part->min;
}

static void distrust(struct cost *c)
{
	if (c->surprises < MAX_SURPRISE)
		c->surprises++;
	c->hold = (uint16_t)(HOLD << c->surprises);
}

static void calm_down(struct cost *c)
{
	if (c->warmup)
		c->warmup--;
	if (c->hold && --c->hold == 0 && --c->surprises)
		c->hold = (uint16_t)(HOLD << c->surprises);
}

/* Whether a service was a lone surprise: it took more than twice what was predicted, for the first
 * time in COST_LONE services. Keeps c->calm, which a surprise sets to 0. There are none in
 * warm-up. */
static bool is_lone_surprise(struct cost *c, uint64_t used, uint64_t predicted)
{
	uint8_t before = c->calm;

	if (used / 2 <= predicted || c->warmup) {
		c->calm += c->calm < COST_LONE;
		return false;
	}
	c->calm = 0;
	return before == COST_LONE;
}

static uint32_t average(uint32_t old, uint32_t now)
{
	if (now > old)
		return old + (now - old + 7) / 8;
	return old - (old - now) / 8;
}

void cost_learn(struct cost *c, uint64_t used_tsc, uint32_t packets, uint32_t bytes, uint32_t descs)
{
	uint64_t used = (used_tsc < 1u << 30 ? used_tsc : 1u << 30) << COST_FRAC_BITS;
	struct part part;
	uint64_t predicted;

	if (packets == 0)
		return; /* its time did not go into taking packets */
	predicted = (uint64_t)packets * c->packet + (uint64_t)bytes * c->byte +
		    (uint64_t)descs * c->desc;
	part = main_part(c, packets, bytes, descs);
	calm_down(c);
	if (is_lone_surprise(c, used, predicted))
		return;
	if (used > predicted) {
		if (c->calm == 0)
			distrust(c);
		rise(&part, used - predicted);
	} else if (c->hold == 0) {
		sink(&part, predicted - used,
		     c->warmup || predicted / 4 > used ? HASTY_SHIFT : SINK_SHIFT);
	}
	c->bytes_per_packet = average(c->bytes_per_packet, bytes / packets);
	c->descs_per_packet = average(c->descs_per_packet, descs / packets);
}

static uint64_t average_packet(const struct cost *c)
{
	return c->packet + (uint64_t)c->bytes_per_packet * c->byte +
	       (uint64_t)c->descs_per_packet * c->desc;
}

/* The time that bursts are planned with: what is left, halved for each recent surprise, at most
 * COST_MAX_DOUBT times. */
static uint64_t trusted(const struct cost *c, uint64_t left_tsc)
{
	unsigned doubt = c->surprises < COST_MAX_DOUBT ? c->surprises : COST_MAX_DOUBT;

	return (left_tsc < 1u << 30 ? left_tsc : 1u << 30) << COST_FRAC_BITS >> doubt;
}

bool cost_fits(const struct cost *c, uint64_t left_tsc)
{
	return average_packet(c) <= left_tsc << COST_FRAC_BITS;
}

/* The limits allow `n` packets of the average kind. Of the time that these leave, half is for
 * longer packets and half for more descriptors. */
struct cost_limits cost_limits(const struct cost *c, uint64_t left_tsc)
{
	uint64_t left = trusted(c, left_tsc), each = average_packet(c);
	uint64_t n = COST_MAX_PACKETS, spare, bytes, descs;

	if (n * each > left) {
		n = left / each;
		n = n ? n : 1;
	}
	spare = left > n * each ? (left - n * each) / 2 : 0;
	/* Mostly there is time for the bytes of a whole burst, which saves the division. */
	bytes = spare >= (uint64_t)COST_BURST_BYTES * c->byte ? COST_BURST_BYTES : spare / c->byte;
	bytes += n * c->bytes_per_packet;
	descs = n * c->descs_per_packet + spare / c->desc;
	return (struct cost_limits){
		.packets = n,
		.bytes = bytes < COST_BURST_BYTES ? bytes + 1 : COST_BURST_BYTES,
		.descs = descs < COST_MAX_DESCS ? descs + 1 : COST_MAX_DESCS,
	};
}
