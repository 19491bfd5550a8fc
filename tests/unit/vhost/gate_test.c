/* SPDX-License-Identifier: BSD-3-Clause */
/* The gate: whose turn it is, and how often one may come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/fake/vhost_fe.h"
#include "vhost/gate.h"

#define HOGS     20
#define MESSAGES 40 /* of each hog */
#define TRIES    5
#define FEW      10 /* of the quiet port */

static char folder[64];
static struct gate *gate;

/* What became of a port; `slow_us` is what a message of it takes. */
struct seen {
	char path[96];
	struct gate_port *port;
	unsigned slow_us;
	atomic_uint connected, messages, gone, turned_away;
	unsigned last; /* the how many-th message of all its last one was */
};

static atomic_uint handled; /* by the gate's thread */

static void on_connected(void *ctx)
{
	((struct seen *)ctx)->connected++;
}

static bool on_message(void *ctx, struct front_end *fe, struct err *e)
{
	struct seen *s = ctx;
	uint64_t until = clock_now_ns() + s->slow_us * 1000u;

	(void)e;
	while (clock_now_ns() < until)
		continue;
	s->last = ++handled;
	s->messages++;
	return front_end_answer_u64(fe, 7);
}

static void on_gone(void *ctx, const char *why)
{
	(void)why;
	((struct seen *)ctx)->gone++;
}

static void on_turned_away(void *ctx, bool no_descriptors)
{
	(void)no_descriptors;
	((struct seen *)ctx)->turned_away++;
}

static void on_file_lost(void *ctx, const char *why)
{
	(void)ctx;
	(void)why;
}

static const struct gate_ops ops = {on_connected, on_message, on_gone, on_turned_away,
				    on_file_lost};

static int setup(void **state)
{
	struct err e;

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/gate_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	gate = gate_create(&e);
	assert_non_null(gate);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gate_destroy(gate);
	return rmdir(folder);
}

static void open_port(struct seen *s, unsigned i, bool is_client, unsigned slow_us)
{
	struct gate_port_conf conf = {
		.is_client = is_client, .owner = (uid_t)-1, .group = (gid_t)-1};
	struct err e;

	memset(s, 0, sizeof(*s));
	s->slow_us = slow_us;
	snprintf(s->path, sizeof(s->path), "%s/s%u", folder, i);
	snprintf(conf.path, sizeof(conf.path), "%s", s->path);
	s->port = gate_open(gate, &conf, &ops, s, &e);
	assert_non_null(s->port);
}

static void wait_for(const atomic_uint *n, unsigned at_least)
{
	for (int i = 0; i < 60000 && *n < at_least; i++)
		poll(NULL, 0, 1);
	assert_true(*n >= at_least);
}

static void wait_for_byte(void *fds)
{
	char byte;

	assert_int_equal(read(((int *)fds)[0], &byte, 1), 1);
}

/* The gate's thread, kept from its work until a byte comes. */
static void *occupy(void *fds)
{
	gate_call(gate, wait_for_byte, fds);
	return NULL;
}

static void send_requests(struct vhost_fe *fe, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(vhost_fe_send_raw(fe, FE_GET_FEATURES, FE_FLAG_VERSION, 0, NULL, 0,
						   NULL, 0),
				 0);
}

static void connect_port(struct seen *s, struct vhost_fe *fe, unsigned i, unsigned slow_us)
{
	open_port(s, i, false, slow_us);
	vhost_fe_init(fe);
	assert_int_equal(vhost_fe_connect(fe, s->path), 0);
	wait_for(&s->connected, 1);
}

/* Whether one that says little waited for one message of each of many that say a lot. */
static bool quiet_goes_first(void)
{
	static struct seen hog[HOGS], quiet;
	struct vhost_fe fe[HOGS], q;
	pthread_t other;
	bool did;
	int fds[2];

	memset(hog, 0, sizeof(hog));
	memset(&quiet, 0, sizeof(quiet));
	connect_port(&quiet, &q, HOGS, 0);
	for (unsigned i = 0; i < HOGS; i++)
		connect_port(&hog[i], &fe[i], i, 1000);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pthread_create(&other, NULL, occupy, fds), 0);
	for (unsigned i = 0; i < HOGS; i++)
		send_requests(&fe[i], MESSAGES);
	send_requests(&q, FEW);
	handled = 0;
	assert_int_equal(write(fds[1], "", 1), 1);
	pthread_join(other, NULL);
	wait_for(&quiet.messages, FEW);
	did = quiet.last <= HOGS + FEW;
	/* They are all heard in the end. */
	for (unsigned i = 0; i < HOGS; i++) {
		wait_for(&hog[i].messages, MESSAGES);
		vhost_fe_close(&fe[i]);
		gate_close(hog[i].port);
	}
	vhost_fe_close(&q);
	gate_close(quiet.port);
	close(fds[0]);
	close(fds[1]);
	return did;
}

/* However many ports have however much to say. Where the machine takes the core away while a port
 * is heard, that counts as the port's time: whom it hits is chance, so there are some tries. */
static void who_used_least_goes_first(void **state)
{
	bool did = false;

	(void)state;
	for (unsigned i = 0; i < TRIES && !did; i++)
		did = quiet_goes_first();
	assert_true(did);
}

/* Connections that a port may have had in the time since `begin`. */
static unsigned most_connects(uint64_t begin)
{
	return 10 + (unsigned)((clock_now_ns() - begin) / (100 * CLOCK_NS_PER_MS)) + 1;
}

static void a_front_end_comes_back_so_often(void **state)
{
	static struct seen seen;
	uint64_t begin = clock_now_ns();
	struct vhost_fe fe;

	(void)state;
	open_port(&seen, 0, false, 0);
	vhost_fe_init(&fe);
	while (clock_now_ns() - begin < CLOCK_NS_PER_S) {
		vhost_fe_connect(&fe, seen.path); /* or the queue is full */
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
		poll(NULL, 0, 1);
	}
	assert_true(seen.connected + seen.turned_away <= most_connects(begin));
	/* It is served again. */
	begin = seen.connected;
	for (int i = 0; i < 60000 && seen.connected == begin; i++) {
		vhost_fe_connect(&fe, seen.path);
		poll(NULL, 0, 10);
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	assert_true(seen.connected > begin);
	gate_close(seen.port);
}

static int listen_at(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

/* A server that accepts and hangs up is tried less and less often, up to once a second. */
static void a_server_that_hangs_up_is_left_in_peace(void **state)
{
	static struct seen seen;
	uint64_t begin;
	char path[96];
	int server;

	(void)state;
	snprintf(path, sizeof(path), "%s/s0", folder);
	server = listen_at(path);
	open_port(&seen, 0, true, 0);
	begin = clock_now_ns();
	while (clock_now_ns() - begin < 3 * CLOCK_NS_PER_S) {
		struct pollfd p = {.fd = server, .events = POLLIN};

		if (poll(&p, 1, 10) == 1)
			close(accept(server, NULL, NULL));
	}
	/* After 0, 0.1, 0.3, 0.7, 1.5, 2.5 s ... */
	assert_true(seen.connected >= 2);
	assert_true(seen.connected <= 6 + (clock_now_ns() - begin) / CLOCK_NS_PER_S);
	gate_close(seen.port);
	close(server);
	unlink(path);
}

static void a_client_finds_its_server(void **state)
{
	static struct seen seen;
	char path[96];
	int server, fd;

	(void)state;
	open_port(&seen, 0, true, 0);
	poll(NULL, 0, 50);
	assert_int_equal(seen.connected, 0);
	snprintf(path, sizeof(path), "%s/s0", folder);
	server = listen_at(path);
	fd = accept(server, NULL, NULL);
	wait_for(&seen.connected, 1);
	close(fd);
	wait_for(&seen.gone, 1);
	fd = accept(server, NULL, NULL);
	wait_for(&seen.connected, 2);
	gate_close(seen.port);
	assert_int_equal(seen.gone, 2);
	close(fd);
	close(server);
	unlink(path);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_used_least_goes_first),
		TEST(a_front_end_comes_back_so_often),
		TEST(a_server_that_hangs_up_is_left_in_peace),
		TEST(a_client_finds_its_server),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
