/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile VMs on the hand-made front end: connecting, and when to take which step. One table names
 * the attacks; what they do is in attack_steps.c and flood.c. An attack that the back end answers
 * by hanging up, or by leaving the ring alone, connects again: that is part of it.
 *
 * No call here takes long, since a victim's latency is measured in the same loop: setting a device
 * up is cut into stages of one or two messages. */
#include "bench/loadgen/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/loadgen/attack_impl.h"
#include "bench/loadgen/attack_steps.h"

#define MEM_SIZE   (8u << 20) /* area, sink, and two rings of up to 32768 */
#define BACK_OFF_S 0.001
#define STUCK_S    0.2 /* a ring that nothing was taken from for so long is taken for broken */

#define PATIENCE_MS 20000 /* for a back end that connects */
#define FEATURES                                                                               \
	(FE_F(FE_PROTOCOL) | FE_F(FE_VERSION_1) | FE_F(FE_INDIRECT) | FE_F(FE_NET_MRG_RXBUF) | \
	 FE_F(FE_NET_CSUM) | FE_F(FE_NET_GUEST_CSUM) | FE_F(FE_NET_HOST_TSO4) |                \
	 FE_F(FE_NET_GUEST_TSO4))

static const struct attack_kind kinds[] = {
	{"sink", flood_prepare_sink, flood_step_sink, "nothing: receives what its pair sends"},
	{"small", flood_prepare_small, flood_step, "64 B packets to its pair, without end"},
	{"mtu", flood_prepare_mtu, flood_step, "1500 B packets to its pair, without end"},
	{"large", flood_prepare_large, flood_step, "64 KiB packets to be segmented"},
	{"chain", flood_prepare_chain, flood_step, "packets in 256 descriptors each"},
	{"broadcast", flood_prepare_broadcast, flood_step, "64 B broadcasts"},
	{"unknown", flood_prepare_unknown, flood_step, "64 B packets to addresses nobody has"},
	{"macs", flood_prepare_macs, flood_step, "64 B packets to `macs` addresses in turn"},
	{"flows", flood_prepare_flows, flood_step_flows,
	 "64 B packets to its pair in `flows` flows; 0: each with random addresses and ports"},
	{"malformed", flood_prepare_malformed, flood_step, "descriptors wrong in five ways"},
	{"mixed", flood_prepare_mixed, flood_step, "small, large, long and broadcast in turn"},
	{"alternate", flood_prepare_alternate, flood_step_alternate,
	 "4096 cheap packets, then 64 dear ones"},
	{"bad_index", NULL, step_bad_index, "available entries that name no descriptor"},
	{"index_jump", NULL, step_index_jump, "an available index that runs ahead of the ring"},
	{"scribble", NULL, step_scribble, "random bytes all over the ring"},
	{"kick", NULL, step_kick, "kicks without packets"},
	{"notify", flood_prepare_notify, flood_step_one,
	 "64 B packets to its pair one at a time, with all interrupts wanted"},
	{"balloon", flood_prepare_balloon, flood_step_balloon,
	 "packets that end in pages which were given away"},
	{"balloon_sink", flood_prepare_sink, flood_step_balloon_sink,
	 "receives its pair's packets in pages which were given away"},
	{"mem_table", flood_prepare_small, step_mem_table, "new memory tables while it sends"},
	{"enable", flood_prepare_small, step_enable, "rings disabled and enabled while it sends"},
	{"reconnect", flood_prepare_small, step_reconnect, "disconnecting while it sends"},
	{"garbage", NULL, step_garbage, "random protocol messages"},
	{NULL, NULL, NULL, NULL},
};

uint32_t attack_random(struct attack *a)
{
	a->rng ^= a->rng << 13;
	a->rng ^= a->rng >> 17;
	a->rng ^= a->rng << 5;
	return a->rng;
}

uint32_t attack_frame(const struct attack *a, uint8_t *at, const struct rte_ether_addr *to,
		      uint16_t to_vm, uint32_t len, bool tcp)
{
	uint32_t hdr_len = (uint32_t)vhost_fe_hdr_len(&a->fe);
	struct virtio_net_hdr v = {0};
	union frame_hdr h;

	if (tcp) {
		v.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		v.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		v.csum_start = sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr);
		v.csum_offset = 16; /* of the checksum in a TCP header */
		v.hdr_len = v.csum_start + sizeof(struct rte_tcp_hdr);
		v.gso_size = FRAME_MSS;
	}
	memset(at, 0, hdr_len);
	memcpy(at, &v, sizeof(v));
	frame_template(&h, a->vm, to, to_vm, UINT32_MAX, 0, tcp);
	frame_write_plain(at + hdr_len, &h, len, tcp);
	return hdr_len + len;
}

/* Stages of setting the device up; 2 and 3 are its rings. */
enum stage { STAGE_CONNECT, STAGE_FEATURES, STAGE_RING, STAGE_START = STAGE_RING + 2, STAGE_UP };

static int start_rings(struct attack *a)
{
	int rc = vhost_fe_ring_enable(&a->fe, 0, true);

	if (rc == 0)
		rc = vhost_fe_ring_enable(&a->fe, 1, true);
	flood_fill_rx(a);
	if (a->kind->prepare)
		a->kind->prepare(a);
	return rc;
}

/* Takes the next stage: no question is asked and no answer awaited, and what does not fit the
 * socket's buffer is not sent, so that the generator's loop goes on. */
static int set_up_stage(struct attack *a)
{
	unsigned int ring = a->stage - STAGE_RING;
	int rc;

	switch (a->stage) {
	case STAGE_CONNECT:
		rc = vhost_fe_connect(&a->fe, a->socket);
		a->connects++;
		if (rc == 0)
			fcntl(a->fe.fd, F_SETFL, O_NONBLOCK);
		break;
	case STAGE_FEATURES:
		a->fe.features = a->features;
		rc = vhost_fe_send(&a->fe, FE_SET_OWNER, NULL, 0, NULL, 0);
		if (rc == 0)
			rc = vhost_fe_set_u64(&a->fe, FE_SET_FEATURES, a->features);
		if (rc == 0)
			rc = vhost_fe_set_mem_table(&a->fe, 1);
		break;
	case STAGE_START:
		rc = start_rings(a);
		break;
	default:
		driver_ring_reset(&a->fe.ring[ring]);
		a->fe.ring[ring].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
		rc = vhost_fe_ring_start(&a->fe, ring);
	}
	a->stage++;
	return rc;
}

/* Who comes back at once is turned away: the back end has not noticed yet. */
static void hang_up(struct attack *a, uint64_t now)
{
	vhost_fe_disconnect(&a->fe);
	a->stage = STAGE_CONNECT;
	a->next_tsc = now + (uint64_t)(BACK_OFF_S * (double)a->hz);
}

/* The first connection asks what the back end offers. */
static int learn_features(struct attack *a, bool is_server)
{
	uint64_t offered = 0;
	int rc = is_server ? vhost_fe_accept(&a->fe, a->socket, PATIENCE_MS)
			   : vhost_fe_connect(&a->fe, a->socket);

	if (rc < 0)
		return rc;
	rc = vhost_fe_get_u64(&a->fe, FE_GET_FEATURES, &offered);
	fcntl(a->fe.fd, F_SETFL, O_NONBLOCK);
	a->connects = 1;
	a->features = offered & FEATURES;
	a->stage = STAGE_FEATURES;
	return rc;
}

/* Memory of huge pages loses whole ones only. */
static bool gives_pages_away(const struct attack_kind *k)
{
	return k->step == flood_step_balloon || k->step == flood_step_balloon_sink;
}

static int set_up(struct attack *a, const struct vm_spec *spec, bool hugepages)
{
	int rc = learn_features(a, spec->server);

	a->fe.features = a->features;
	if (rc == 0)
		rc = vhost_fe_map(&a->fe, MEM_SIZE, hugepages && !gives_pages_away(a->kind));
	for (unsigned int i = 0; i < 2 && rc == 0; i++)
		rc = vhost_fe_ring_init(&a->fe, i, spec->ring);
	if (rc < 0)
		return rc;
	a->area = vhost_fe_alloc(&a->fe, ATTACK_AREA, FE_PAGE);
	a->sink = vhost_fe_alloc(&a->fe, ATTACK_SINK, FE_PAGE);
	if (!a->area || !a->sink)
		return -ENOMEM;
	while (rc == 0 && a->stage != STAGE_UP)
		rc = set_up_stage(a);
	return rc;
}

static const struct attack_kind *find_kind(const char *name)
{
	for (const struct attack_kind *k = kinds; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

struct attack *attack_open(const struct vm_spec *spec, uint16_t vm, uint64_t hz, bool hugepages)
{
	struct attack *a = calloc(1, sizeof(*a));
	int rc = -EINVAL;

	if (!a)
		return NULL;
	vhost_fe_init(&a->fe);
	a->hz = hz;
	a->vm = vm;
	a->rng = 2463534242u + vm;
	/* VMs attack in pairs. */
	a->peer = spec->peer < MAX_VMS ? spec->peer : vm ^ 1u;
	a->macs = spec->macs;
	a->flows = spec->flows;
	a->interval_tsc = spec->rate > 0 ? (uint64_t)((double)hz / spec->rate) : 0;
	strcpy(a->socket, spec->socket);
	a->kind = find_kind(spec->attack);
	/* Indices wrap at 2^16: rings of other sizes would not. */
	if (a->kind && (spec->ring & (spec->ring - 1)) == 0)
		rc = set_up(a, spec, hugepages);
	if (rc < 0) {
		fprintf(stderr, "loadgen: attack %s on %s, ring %u: %s\n", spec->attack,
			spec->socket, spec->ring, strerror(-rc));
		attack_close(a);
		return NULL;
	}
	return a;
}

void attack_close(struct attack *a)
{
	if (!a)
		return;
	vhost_fe_close(&a->fe);
	free(a);
}

/* Whether the device left the transmit ring alone although it has something for it. */
static bool is_stuck(struct attack *a, uint64_t now)
{
	const struct driver_ring *r = attack_tx(a);
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_RELAXED);

	if (used != a->progress || used == r->avail_at) {
		a->progress = used;
		a->progress_tsc = now;
		return false;
	}
	return now - a->progress_tsc > (uint64_t)(STUCK_S * (double)a->hz);
}

void attack_run(struct attack *a, uint64_t now)
{
	/* Of a time when we were stopped, perhaps with the device, nothing is known. */
	if (now - a->ran_tsc > (uint64_t)(STUCK_S * (double)a->hz) / 2)
		a->progress_tsc = now;
	a->ran_tsc = now;
	if (now < a->next_tsc)
		return;
	if (a->stage != STAGE_UP) {
		if (set_up_stage(a) < 0)
			hang_up(a, now);
		a->progress_tsc = now;
		return;
	}
	/* A late attacker does not make up for what it missed. */
	a->next_tsc = RTE_MAX(a->next_tsc + a->interval_tsc, now);
	flood_refill_rx(a);
	a->kind->step(a);
	a->steps++;
	if (a->fe.fd < 0 || (a->steps % 64 == 0 && (is_stuck(a, now) || vhost_fe_hung_up(&a->fe))))
		hang_up(a, now);
}

uint16_t attack_vm(const struct attack *a)
{
	return a->vm;
}

uint64_t attack_steps(const struct attack *a)
{
	return a->steps;
}

uint64_t attack_connects(const struct attack *a)
{
	return a->connects;
}

uint64_t attack_received(const struct attack *a)
{
	return a->received;
}

void attack_list(void)
{
	for (const struct attack_kind *k = kinds; k->name; k++)
		printf("  %-12s %s\n", k->name, k->help);
}
