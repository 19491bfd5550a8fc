/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual queues. */
#include "policy/vqueue.h"

#include "policy/cost.h"

#define PACKET_BITS ((int64_t)(64u << 10) * 8)
#define MILLION     1000000u

/* What a rate sends in that time, at least one. */
static int64_t in_time(uint64_t per_second, uint32_t us)
{
	uint64_t n = per_second * us / MILLION;

	return n > 0 ? (int64_t)n : 1;
}

void vqueue_set(struct vqueue *q, const struct rates_conf *conf, uint64_t tsc_hz, uint64_t now)
{
	q->mark.bits = in_time(conf->bps, VQUEUE_MARK_US);
	q->mark.packets = in_time(conf->pps, VQUEUE_MARK_US);
	q->burst.bits = in_time(conf->bps, VQUEUE_BURST_US);
	q->burst.packets = in_time(conf->pps, VQUEUE_BURST_US);
	/* The queue is checked before a packet comes, so it gets longer by one, which may become
	 * twice as long in segments; or by what comes at once when all fits. */
	rate_set(&q->rates.bits, conf->bps, tsc_hz, 0, -(q->burst.bits + 2 * PACKET_BITS), now);
	rate_set(&q->rates.packets, conf->pps, tsc_hz, 0, -(q->burst.packets + COST_MAX_PACKETS),
		 now);
}

void vqueue_drain(struct vqueue *q, uint64_t now)
{
	rates_wait(&q->rates, now, 0);
}

static bool has_room(const struct rate *r, int64_t most, uint64_t n)
{
	return !rate_in_use(r) || (int64_t)n - r->level < most;
}

bool vqueue_has_room(const struct vqueue *q, uint64_t packets, uint64_t bits)
{
	return has_room(&q->rates.bits, q->mark.bits, bits) &&
	       has_room(&q->rates.packets, q->mark.packets, packets);
}

enum vqueue_verdict vqueue_judge(const struct vqueue *q)
{
	if (!has_room(&q->rates.bits, q->burst.bits, 0) ||
	    !has_room(&q->rates.packets, q->burst.packets, 0))
		return VQUEUE_DROP;
	return vqueue_has_room(q, 0, 0) ? VQUEUE_PASS : VQUEUE_MARK;
}

/* Whether less waits, with `n` more, than what the rate sends in that time. */
static bool shared_has_room(const struct shared_rate *r, uint32_t us, uint64_t n, uint64_t now)
{
	uint64_t rate = shared_rate_of(r);

	return rate == 0 || shared_rate_queued(r, now) + n < (uint64_t)in_time(rate, us);
}

bool vqueue_shared_has_room(const struct shared_rates *r, uint64_t packets, uint64_t bits,
			    uint64_t now)
{
	return shared_has_room(&r->bits, VQUEUE_MARK_US, bits, now) &&
	       shared_has_room(&r->packets, VQUEUE_MARK_US, packets, now);
}

enum vqueue_verdict vqueue_shared_judge(const struct shared_rates *r, uint64_t now)
{
	if (!shared_has_room(&r->bits, VQUEUE_BURST_US, 0, now) ||
	    !shared_has_room(&r->packets, VQUEUE_BURST_US, 0, now))
		return VQUEUE_DROP;
	return vqueue_shared_has_room(r, 0, 0, now) ? VQUEUE_PASS : VQUEUE_MARK;
}

void vqueue_shared_add(struct shared_rates *r, uint64_t packets, uint64_t bits, uint64_t now)
{
	shared_rate_queue(&r->bits, bits, now);
	shared_rate_queue(&r->packets, packets, now);
}

void vqueue_shared_return(struct shared_rates *r, uint64_t packets, uint64_t bits)
{
	shared_rate_give(&r->bits, bits);
	shared_rate_give(&r->packets, packets);
}
