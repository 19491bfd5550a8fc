/* SPDX-License-Identifier: BSD-3-Clause */
/* A hostile front end: plays one named case against a port's socket. Exits 0 when it could do what
 * the case is about; whether the switch survived is for the caller to see. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/loop/fe_hostile_impl.h"

const struct fe_config split = {
	.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_INDIRECT),
	.protocol_features = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ),
	.pairs = 1,
	.ring_size = RING_SIZE,
	.mem_size = MEM_BYTES,
};

const struct fe_config packed = {
	.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_INDIRECT) |
		    FE_F(FE_PACKED),
	.protocol_features = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ),
	.pairs = 1,
	.ring_size = RING_SIZE,
	.mem_size = MEM_BYTES,
};

struct vhost_fe fe;
const char *path;

void rest_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

int open_fe(const struct fe_config *conf)
{
	int rc = vhost_fe_open(&fe, path, conf);

	if (rc < 0)
		fprintf(stderr, "cannot open a front end: %s\n", strerror(-rc));
	return rc;
}

int reopen_fe(const struct fe_config *conf)
{
	int rc = -1;

	for (int tries = 0; tries < 500; tries++) {
		rc = vhost_fe_open(&fe, path, conf);
		if (rc >= 0)
			return rc;
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
		rest_ms(10);
	}
	fprintf(stderr, "cannot reconnect: %s\n", strerror(-rc));
	return rc;
}

int wait_used(struct driver_ring *r)
{
	uint32_t len;

	for (int i = 0; i < 1000; i++) {
		if (driver_ring_poll(r, &len) >= 0)
			return 0;
		rest_ms(1);
	}
	fprintf(stderr, "the chain never came back\n");
	return -ETIMEDOUT;
}

void await_line(void)
{
	int c;

	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

uint64_t frame(size_t *len)
{
	size_t hdr = vhost_fe_hdr_len(&fe);
	uint8_t *p = vhost_fe_alloc(&fe, hdr + 64, 64);

	memset(p + hdr, 0x02, 64);
	p[hdr + 11] = 0x77;
	*len = hdr + 64;
	return vhost_fe_gpa(&fe, p);
}

void send_frame(void)
{
	size_t len;
	uint64_t gpa = frame(&len);
	struct driver_buf b = {gpa, (uint32_t)len, false};

	driver_ring_add(&fe.ring[TX], &b, 1);
	driver_ring_publish(&fe.ring[TX]);
	driver_ring_kick(&fe.ring[TX]);
}

int start_rings(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (vhost_fe_ring_init(&fe, i, RING_SIZE) < 0)
			return -1;
		vhost_fe_ring_start(&fe, i);
		vhost_fe_ring_enable(&fe, i, true);
	}
	return 0;
}

static const struct hostile_case *const tables[] = {protocol_cases, ring_cases};

#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

static void list_cases(void)
{
	for (size_t i = 0; i < N_TABLES; i++)
		for (const struct hostile_case *c = tables[i]; c->name; c++)
			puts(c->name);
}

static const struct hostile_case *find_case(const char *name)
{
	for (size_t i = 0; i < N_TABLES; i++)
		for (const struct hostile_case *c = tables[i]; c->name; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

int main(int argc, char **argv)
{
	const struct hostile_case *c;
	int rc;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list_cases();
		return 0;
	}
	if (argc != 3) {
		fprintf(stderr, "usage: fe_hostile SOCKET CASE | --list\n");
		return 2;
	}
	path = argv[1];
	c = find_case(argv[2]);
	if (!c) {
		fprintf(stderr, "no such case: %s\n", argv[2]);
		return 2;
	}
	vhost_fe_init(&fe);
	rc = c->run();
	vhost_fe_close(&fe);
	return rc < 0 ? 1 : 0;
}
