/* SPDX-License-Identifier: BSD-3-Clause */
/* From workers' rings to blocks of pcapng. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

#include "base/clock.h"
#include "control/capture.h"
#include "control/pcapng.h"
#include "control/tunnel.h"

/* Room that is kept for the end of a file. */
#define TRAILER_BYTES (2 * PCAPNG_MAX_BLOCK + CAPTURE_FILTER_SIZE)

/* Ports that have packets in one recording, gone ones included. */
#define MAX_PLACES 4096

/* Packets that seem this much older than one before are so: the clock was set. */
#define CLOCK_WAS_SET_NS CLOCK_NS_PER_MS

/* --- time --------------------------------------------------------------------------------------
 */

/* Moments closer to each other than this do not tell how fast the workers' clock runs. */
#define LEAST_SPAN_NS CLOCK_NS_PER_MS

#define MOMENT_TRIES 4

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The clocks are read between two looks at the TSC, and the reading is taken that was interrupted
 * for the shortest time. */
struct capture_moment capture_moment(void)
{
	struct capture_moment best = {0};
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < MOMENT_TRIES; i++) {
		uint64_t before = rte_rdtsc(), ns = clock_ns(CLOCK_MONOTONIC);
		uint64_t wall_ns = clock_ns(CLOCK_REALTIME), after = rte_rdtsc();

		if (after - before >= least)
			continue;
		least = after - before;
		best = (struct capture_moment){before + least / 2, ns, wall_ns};
	}
	return best;
}

/* The time of day of a packet. The TSC's frequency, which is known roughly only, is measured since
 * the recording began. That is done anew each time, and must not put packets out of order. */
static uint64_t packet_ns(const struct vswitch *sw, const struct recording *r,
			  const struct capture_moment *now, uint64_t tsc)
{
	uint64_t span_ns = now->ns - r->begun.ns, span_tsc = now->tsc - r->begun.tsc, ns;
	double ago_tsc = (double)(int64_t)(now->tsc - tsc);
	double ns_per_tsc = span_ns < LEAST_SPAN_NS ? 1e9 / (double)sw->sched.tsc_hz
						    : (double)span_ns / (double)span_tsc;

	ns = now->wall_ns - (uint64_t)(int64_t)(ago_tsc * ns_per_tsc);
	return ns < r->last_ns && r->last_ns - ns < CLOCK_WAS_SET_NS ? r->last_ns : ns;
}

/* --- interfaces --------------------------------------------------------------------------------
 */

static const struct port *find_port(const struct vswitch *sw, const struct recording_place *p)
{
	const struct port *port = sw->port_slot[p->place];

	return port && port->vport.first_epoch == p->first_epoch ? port : NULL;
}

static const struct uplink *find_uplink(const struct vswitch *sw, const struct recording_place *p)
{
	const struct uplink *u;

	if (!sw->tunnel)
		return NULL;
	TAILQ_FOREACH (u, &sw->tunnel->uplinks, link)
		if (uplink_queue(u->dev, 0)->port_id == p->place)
			return u;
	return NULL;
}

/* Appends the block of an interface. One that is gone has no name of its own any more. */
static bool put_interface(const struct vswitch *sw, const struct recording *r, struct pcapng *f,
			  const struct recording_place *p)
{
	const struct port *port = p->is_uplink ? NULL : find_port(sw, p);
	const struct uplink *u = p->is_uplink ? find_uplink(sw, p) : NULL;
	char name[NAME_SIZE], text[PCAPNG_MAX_TEXT] = "gone";

	snprintf(name, sizeof(name), "%s %u", p->is_uplink ? "uplink" : "port", p->place);
	if (port) {
		snprintf(name, sizeof(name), "%s", port->name);
		snprintf(text, sizeof(text), "port of vm %s in network %s", port->vm->name,
			 port->net->name);
	} else if (u) {
		snprintf(name, sizeof(name), "%s", u->name);
		snprintf(text, sizeof(text), "uplink %s", u->device);
	}
	return pcapng_interface(f, &(struct pcapng_interface){name, text,
							      r->filter[0] ? r->filter : NULL,
							      r->seen.snaplen});
}

static bool is_same(const struct recording_place *a, const struct recording_place *b)
{
	return a->is_uplink == b->is_uplink && a->place == b->place &&
	       a->first_epoch == b->first_epoch;
}

/* Appends the block of a place that is new, and notes it. */
static bool add_place(const struct vswitch *sw, struct recording *r, struct pcapng *f,
		      const struct recording_place *p)
{
	struct recording_place *more;

	if ((r->n_places & (r->n_places - 1)) == 0) {
		more = realloc(r->place, (r->n_places ? 2 * r->n_places : 1) * sizeof(*more));
		if (!more)
			return false;
		r->place = more;
	}
	if (!put_interface(sw, r, f, p))
		return false;
	r->place[r->n_places++] = *p;
	return true;
}

/* The number of the interface of a place, whose block is appended when it is a new one. False when
 * there is no room. */
static bool find_interface(const struct vswitch *sw, struct recording *r, struct pcapng *f,
			   const struct capture_record *rec, uint32_t *number)
{
	const struct recording_place p = {rec->is_uplink, rec->place, rec->first_epoch};

	for (uint32_t i = 0; i < r->n_places; i++) {
		if (is_same(&r->place[i], &p)) {
			*number = i;
			return true;
		}
	}
	*number = r->n_places;
	return add_place(sw, r, f, &p);
}

/* --- blocks ------------------------------------------------------------------------------------
 */

/* Says why a packet was dropped. What more there is to say, as the rule that decided, belongs
 * behind the reason. */
static void describe_drop(const struct capture_record *rec, char *text, size_t size)
{
	snprintf(text, size, "dropped: %s",
		 rec->is_uplink ? wire_drop_text(rec->reason) : drop_reason_text(rec->reason));
}

static bool put_packet(const struct vswitch *sw, struct recording *r, struct pcapng *f,
		       const struct capture_moment *now, const struct capture_record *rec)
{
	struct pcapng_packet p = {
		.ns = packet_ns(sw, r, now, rec->tsc),
		.len = rec->len,
		.kept = rec->kept,
		.bytes = (const uint8_t *)(rec + 1),
		.is_sent = rec->is_sent,
	};
	char text[PCAPNG_MAX_TEXT];

	if (rec->is_drop) {
		describe_drop(rec, text, sizeof(text));
		p.comment = text;
	}
	if (!find_interface(sw, r, f, rec, &p.interface) || !pcapng_packet(f, &p))
		return false;
	r->last_ns = p.ns;
	return true;
}

/* Appends the beginning of the file. The only port or uplink of a recording is in it whether there
 * are packets or not. */
static void put_beginning(const struct vswitch *sw, struct recording *r, struct pcapng *f)
{
	pcapng_section(f, "stintd " STINT_VERSION);
	if (r->seen.kind == CAPTURE_OF_PORT || r->seen.kind == CAPTURE_OF_UPLINK)
		add_place(sw, r, f, &r->only);
}

/* Appends the end of the file: how many packets it has and has not, at its first interface. */
static void put_end(const struct recording *r, struct pcapng *f)
{
	struct pcapng_statistics s = {.ns = clock_ns(CLOCK_REALTIME), .received = r->packets};
	struct pcapng_interface none = {r->of, "no packets", NULL, r->seen.snaplen};
	char text[PCAPNG_MAX_TEXT];
	uint64_t undecided;

	if (r->n_places == 0)
		pcapng_interface(f, &none);
	recording_lost(r, &s.dropped, &s.missed, &undecided);
	snprintf(text, sizeof(text),
		 "of all interfaces: %llu skipped for lack of time, %llu for lack of room; ended: "
		 "%s",
		 (unsigned long long)s.dropped, (unsigned long long)s.missed, r->why);
	s.comment = text;
	pcapng_statistics(f, &s);
}

/* The ring with the oldest packet; NULL when there are none. */
static struct capture_ring *find_oldest(const struct vswitch *sw, struct recording *r)
{
	struct capture_ring *oldest = NULL;
	uint64_t tsc = UINT64_MAX;

	for (unsigned i = 0; i < sw->n_workers; i++) {
		const struct capture_record *rec = capture_ring_first(r->seen.ring[i]);

		if (rec && rec->tsc < tsc) {
			oldest = r->seen.ring[i];
			tsc = rec->tsc;
		}
	}
	return oldest;
}

/* Ends the recording here: what is still in the rings came too late. */
static void cut(struct vswitch *sw, struct recording *r, const char *why)
{
	recording_stop(sw, r, why);
	r->is_cut = true;
}

/* Appends the oldest packet. False when there is none, no room for it, or a limit is reached. */
static bool put_next(struct vswitch *sw, struct recording *r, struct pcapng *f,
		     const struct capture_moment *now)
{
	struct capture_ring *ring = find_oldest(sw, r);
	size_t before = f->used;
	uint32_t n_places = r->n_places;

	if (!ring)
		return false;
	if (!put_packet(sw, r, f, now, capture_ring_first(ring))) {
		f->used = before;
		r->n_places = n_places;
		return false;
	}
	if (r->bytes + f->used + TRAILER_BYTES > r->max_bytes || r->n_places > MAX_PLACES) {
		f->used = before;
		r->n_places = n_places;
		cut(sw, r, r->n_places < MAX_PLACES ? "max_bytes" : "too many ports");
		return false;
	}
	capture_ring_pop(ring);
	if (++r->packets == r->max_packets)
		cut(sw, r, "max_packets");
	return !r->is_cut;
}

void recording_drain(struct vswitch *sw, struct recording *r, struct pcapng *f, size_t limit)
{
	const struct capture_moment now = capture_moment();

	if (r->bytes == 0)
		put_beginning(sw, r, f);
	while (!r->is_cut && f->used < limit && put_next(sw, r, f, &now))
		;
	if (!r->is_running && (r->is_cut || !find_oldest(sw, r)) &&
	    f->size - f->used >= TRAILER_BYTES) {
		put_end(r, f);
		r->is_finished = true;
	}
	r->bytes += f->used;
}
