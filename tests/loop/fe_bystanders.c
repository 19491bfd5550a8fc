/* SPDX-License-Identifier: BSD-3-Clause */
/* Two front ends that mind their own business, and one that does not.
 *
 * The first sends numbered packets to the second, which counts them; between two lots of packets
 * the second, or a third one, sends messages of a kind. Ends with one line of JSON: what was sent,
 * received and refused. One thread, and no clock: each lot is sent when the one before it was
 * taken, so that nothing is lost for want of speed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/loop/fe_bystanders.h"

#define RING   1024
#define LOT    64
#define FRAME  64
#define BUFFER 256
#define MEMORY (8u << 20)

static struct vhost_fe sender, receiver;
static uint8_t *frames; /* of the sender, one per descriptor */
static uint64_t sent, received, strange;

static const struct fe_config plain = {
	.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_NET_MTU) |
		    FE_F(FE_NET_MQ),
	.protocol_features = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ) | FE_F(FE_P_NET_MTU),
	.pairs = 1,
	.ring_size = RING,
	.mem_size = MEMORY,
};

static void die(const char *what, int rc)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(1);
}

static void must(const char *what, int rc)
{
	if (rc < 0)
		die(what, rc);
}

/* --- traffic -------------------------------------------------------------------------------------
 */

static void offer_buffers(void)
{
	struct driver_ring *r = &receiver.ring[0];

	for (unsigned i = 0; i < RING; i++) {
		struct driver_buf b = {
			vhost_fe_gpa(&receiver, vhost_fe_alloc(&receiver, BUFFER, 64)), BUFFER,
			true};

		must("offer", driver_ring_add(r, &b, 1));
	}
	driver_ring_publish(r);
}

/* Takes what arrived, and offers the same buffers again. */
static void receive(void)
{
	struct driver_ring *r = &receiver.ring[0];
	uint32_t len;
	int head;

	while ((head = driver_ring_poll(r, &len)) >= 0) {
		struct driver_buf b = {r->desc[head].addr, BUFFER, true};
		const uint8_t *p = receiver.mem + (b.gpa - FE_GPA) + 12;

		if (len == 12 + FRAME && p[12] == 0x88 && p[13] == 0xb5)
			received++;
		else
			strange++;
		must("offer again", driver_ring_add(r, &b, 1));
	}
	driver_ring_publish(r);
}

/* Sends up to n packets, and no more than the receiver has buffers for. Returns how many. */
static unsigned send_some(unsigned n)
{
	static const uint8_t header[14] = {0x52, 0x54, 0, 0, 0, 2,    0x52,
					   0x54, 0,    0, 0, 1, 0x88, 0xb5};
	struct driver_ring *r = &sender.ring[1];
	uint32_t len;
	unsigned i;

	while (driver_ring_poll(r, &len) >= 0)
		continue;
	for (i = 0; i < n && sent - received < RING; i++) {
		uint8_t *p = frames + (sent % RING) * 128;
		struct driver_buf b = {vhost_fe_gpa(&sender, p), 12 + FRAME, false};

		memset(p, 0, 12);
		memcpy(p + 12, header, sizeof(header));
		if (driver_ring_add(r, &b, 1) < 0)
			break;
		sent++;
	}
	driver_ring_publish(r);
	driver_ring_kick(r);
	return i;
}

/* Sends one at the least, however long the switch or the receiver has not run. */
static void send_lot(unsigned n)
{
	for (int i = 0; i < 20000 && send_some(n) == 0; i++) {
		receive();
		poll(NULL, 0, 1);
	}
}

/* Until all that was sent has arrived; false when that takes for ever. */
static bool settle(void)
{
	for (int i = 0; i < 20000 && received < sent; i++) {
		receive();
		if (received < sent)
			poll(NULL, 0, 1);
	}
	return received == sent;
}

/* A lot of packets, all of which arrive. */
void pump(void)
{
	send_lot(LOT);
	for (int i = 0; i < 1000 && received < sent; i++)
		receive();
}

/* Says who it is, so that packets to it are not flooded. */
static void introduce_receiver(void)
{
	uint8_t *p = vhost_fe_alloc(&receiver, 12 + FRAME, 64);
	struct driver_buf b = {vhost_fe_gpa(&receiver, p), 12 + FRAME, false};
	static const uint8_t header[14] = {0x52, 0x54, 0, 0, 0, 1,    0x52,
					   0x54, 0,    0, 0, 2, 0x88, 0xb6};

	memcpy(p + 12, header, sizeof(header));
	must("introduce", driver_ring_add(&receiver.ring[1], &b, 1));
	driver_ring_publish(&receiver.ring[1]);
	driver_ring_kick(&receiver.ring[1]);
	for (uint32_t len; driver_ring_poll(&receiver.ring[1], &len) < 0;)
		poll(NULL, 0, 1);
}

static void open_traffic(const char *from, const char *to)
{
	vhost_fe_init(&sender);
	vhost_fe_init(&receiver);
	must(from, vhost_fe_open(&sender, from, &plain));
	must(to, vhost_fe_open(&receiver, to, &plain));
	frames = vhost_fe_alloc(&sender, RING * 128, 64);
	offer_buffers();
	introduce_receiver();
}

/* --- messages that cost nothing ------------------------------------------------------------------
 */

static int ring_fd(uint32_t request, unsigned ring, int *kept)
{
	uint64_t value = ring;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), rc;

	rc = vhost_fe_send(&receiver, request, &value, sizeof(value), &fd, 1);
	if (kept) {
		close(*kept);
		*kept = fd;
	} else {
		close(fd);
	}
	return rc;
}

static int enable(unsigned ring, bool on)
{
	return vhost_fe_ring_enable(&receiver, ring, on);
}

static int play_call(unsigned i)
{
	return ring_fd(FE_SET_VRING_CALL, i % 2, &receiver.ring[i % 2].callfd);
}

static int play_kick(unsigned i)
{
	return ring_fd(FE_SET_VRING_KICK, i % 2, &receiver.ring[i % 2].kickfd);
}

static int play_err(unsigned i)
{
	return ring_fd(FE_SET_VRING_ERR, i % 2, NULL);
}

static int play_mtu(unsigned i)
{
	return vhost_fe_set_u64(&receiver, FE_NET_SET_MTU, 1280 + i % 200);
}

static int play_get(unsigned i)
{
	static const uint32_t requests[] = {FE_GET_FEATURES, FE_GET_PROTOCOL_FEATURES,
					    FE_GET_QUEUE_NUM, FE_GET_STATUS};
	uint64_t value;

	return vhost_fe_get_u64(&receiver, requests[i % 4], &value);
}

static int play_status(unsigned i)
{
	return vhost_fe_set_u64(&receiver, FE_SET_STATUS, i % 2 ? 15 : 7);
}

static int play_rarp(unsigned i)
{
	return vhost_fe_set_u64(&receiver, FE_SEND_RARP, i);
}

static int play_mem_table(unsigned i)
{
	return vhost_fe_set_mem_table(&receiver, 1 + (int)(i % 2) * 3);
}

/* The transmit ring only: who disables its receive ring wants no packets. */
static int play_enable(unsigned i)
{
	return enable(i % 4 < 2 ? 1 : 0, i % 4 < 2 ? i % 2 : true);
}

static const struct {
	const char *name;
	int (*play)(unsigned i);
} kinds[] = {
	{"call", play_call},     {"kick", play_kick},
	{"err", play_err},       {"mtu", play_mtu},
	{"get", play_get},       {"status", play_status},
	{"rarp", play_rarp},     {"mem_table", play_mem_table},
	{"enable", play_enable},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int play_kind(const char *name, unsigned n)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		if (strcmp(kinds[k].name, name) != 0)
			continue;
		for (unsigned i = 0; i < n; i++) {
			send_lot(LOT);
			must(name, kinds[k].play(i));
			receive();
		}
		return 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	int rc;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t k = 0; k < N_KINDS; k++)
			puts(kinds[k].name);
		return 0;
	}
	if (argc < 5) {
		fprintf(stderr, "usage: fe_bystanders FROM TO KIND N | FROM TO misdeeds SOCKET... "
				"| --list\n");
		return 2;
	}
	open_traffic(argv[1], argv[2]);
	pump();
	if (strcmp(argv[3], "misdeeds") == 0)
		rc = play_misdeeds(&argv[4], (unsigned)argc - 4);
	else
		rc = play_kind(argv[3], (unsigned)atoi(argv[4]));
	if (rc < 0) {
		fprintf(stderr, "%s: cannot be played\n", argv[3]);
		return 2;
	}
	settle();
	printf("{\"sent\": %llu, \"received\": %llu, \"strange\": %llu, \"misdeeds\": %llu, "
	       "\"refused\": "
	       "%llu, \"hung_up\": %llu}\n",
	       (unsigned long long)sent, (unsigned long long)received, (unsigned long long)strange,
	       (unsigned long long)misdeeds.n, (unsigned long long)misdeeds.refused,
	       (unsigned long long)misdeeds.hung_up);
	vhost_fe_close(&sender);
	vhost_fe_close(&receiver);
	return 0;
}
