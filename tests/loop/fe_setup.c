/* SPDX-License-Identifier: BSD-3-Clause */
/* Front ends that come and go.
 *
 *   fe_setup SOCKET N          sets a device up N times, each message acknowledged; prints the
 * microseconds that each took, a line each fe_setup --half SOCKET...  sends half messages to these
 * ports and comes back, until it is killed fe_setup --crowd PREFIX N  sets up one device at each of
 * PREFIX0 to PREFIX(N-1), says "ready", and holds them until its standard input ends */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/fake/vhost_fe.h"

static const struct fe_config conf = {
	.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF),
	.protocol_features = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ),
	.pairs = 1,
	.ring_size = 256,
	.mem_size = 256 << 10,
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int set_up(const char *path, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct vhost_fe fe;
		double begin;
		int rc;

		vhost_fe_init(&fe);
		begin = now_us();
		rc = vhost_fe_open(&fe, path, &conf);
		if (rc < 0) {
			fprintf(stderr, "%s: %s\n", path, strerror(-rc));
			return 1;
		}
		printf("%.0f\n", now_us() - begin);
		vhost_fe_close(&fe);
		/* So that it is not paced as one that comes back too often. */
		poll(NULL, 0, 110);
	}
	return 0;
}

static int half_messages(char **paths, unsigned n)
{
	static const uint32_t header[3] = {FE_SET_MEM_TABLE, FE_FLAG_VERSION, 200};
	struct vhost_fe *fe = calloc(n, sizeof(*fe));

	for (unsigned i = 0; i < n; i++)
		vhost_fe_init(&fe[i]);
	for (unsigned round = 0;; round++) {
		for (unsigned i = 0; i < n; i++) {
			vhost_fe_close(&fe[i]);
			if (vhost_fe_connect(&fe[i], paths[i]) == 0 &&
			    send(fe[i].fd, header, round % 2 ? 12 : 5, MSG_NOSIGNAL) < 0)
				continue;
		}
		poll(NULL, 0, 1);
	}
	return 0;
}

static int crowd(const char *prefix, unsigned n)
{
	const struct rlimit many = {65536, 65536};
	struct vhost_fe *fe = calloc(n, sizeof(*fe));

	setrlimit(RLIMIT_NOFILE, &many);
	for (unsigned i = 0; i < n; i++) {
		char path[128];
		int rc;

		snprintf(path, sizeof(path), "%s%u", prefix, i);
		vhost_fe_init(&fe[i]);
		rc = vhost_fe_open(&fe[i], path, &conf);
		if (rc < 0) {
			fprintf(stderr, "%s: %s\n", path, strerror(-rc));
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "--half") == 0)
		return half_messages(&argv[2], (unsigned)argc - 2);
	if (argc == 4 && strcmp(argv[1], "--crowd") == 0)
		return crowd(argv[2], (unsigned)atoi(argv[3]));
	if (argc == 3)
		return set_up(argv[1], (unsigned)atoi(argv[2]));
	fprintf(stderr, "usage: fe_setup SOCKET N | --half SOCKET... | --crowd PREFIX N\n");
	return 2;
}
