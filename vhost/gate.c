/* SPDX-License-Identifier: BSD-3-Clause */
/* The gate.
 *
 * Owns the thread "vhost", its epoll set, and for each port a listening socket or an attempt to
 * connect, and one connection. Memory is a fixed struct per port. The loop handles one event at a
 * time, that of the port which used the least of the thread's time lately. epoll is
 * level-triggered, so it reports the other events again. Control's calls are run between two
 * events. */
#include "vhost/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd_limit.h"
#include "base/pace.h"
#include "vhost/unixsock.h"

#define MAX_EVENTS 512

/* The limit of connections to a port: a burst, as of a guest that is rebooted, then one per
 * interval. */
#define CONNECTS_BURST    10
#define CONNECTS_INTERVAL (100 * CLOCK_NS_PER_MS)

/* The pause between attempts to connect: it doubles each time that nothing came of one. */
#define RETRY_LEAST (100 * CLOCK_NS_PER_MS)
#define RETRY_MOST  (CLOCK_NS_PER_S)

/* A connection that lasts no longer than this counts as one that nothing came of. */
#define GOOD_CONNECTION (2 * (uint64_t)CLOCK_NS_PER_S)

/* The time limit for the rest of a message. QEMU sends each in one piece. */
#define MESSAGE_PATIENCE (5 * (uint64_t)CLOCK_NS_PER_S)

/* The interval after which each port's used time is halved, and its socket's file is checked. */
#define LOOK_INTERVAL ((uint64_t)CLOCK_NS_PER_S)

struct gate_port {
	struct gate *gate;
	struct gate_port_conf conf;
	const struct gate_ops *ops;
	void *ctx;

	int listener;   /* -1 for clients, and while its file is not there */
	ino_t inode;    /* of the listener's file */
	bool accepting; /* in the epoll set */
	bool lost;      /* its file is not there, and cannot be made */
	struct front_end fe;
	uint64_t connected_ns;
	struct pace connects;
	uint64_t retry_ns; /* clients: when to connect; servers: when to accept again; 0: now */
	uint64_t backoff_ns;
	uint64_t used_ns; /* of the thread's time, lately */
	LIST_ENTRY(gate_port) link;
};

struct call {
	void (*fn)(void *arg);
	void *arg;
	struct call *next;
	_Atomic bool done;
};

struct gate {
	pthread_t thread;
	int epoll;
	int wake; /* eventfd: there are calls */
	LIST_HEAD(gate_ports, gate_port) ports;
	uint64_t looked_ns;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t called;
	struct call *first_call;
	bool stopping;
};

/* The tag of an event: its port, and which of the port's two descriptors it is about. */
#define IS_LISTENER 1ULL

static uint64_t tag_of(struct gate_port *p, bool is_listener)
{
	return (uint64_t)(uintptr_t)p | (is_listener ? IS_LISTENER : 0);
}

static void watch(struct gate *g, int op, int fd, uint64_t tag)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = tag};

	epoll_ctl(g->epoll, op, fd, &ev);
}

/* --- connections ---------------------------------------------------------------------------------
 */

static void set_accepting(struct gate_port *p, bool on)
{
	if (p->listener < 0 || p->accepting == on)
		return;
	watch(p->gate, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, p->listener, tag_of(p, true));
	p->accepting = on;
}

static void enter(struct gate_port *p, int fd, uint64_t now)
{
	front_end_open(&p->fe, fd);
	p->connected_ns = now;
	watch(p->gate, EPOLL_CTL_ADD, fd, tag_of(p, false));
	p->ops->connected(p->ctx);
}

static void leave(struct gate_port *p, const char *why, uint64_t now)
{
	bool good = now - p->connected_ns > GOOD_CONNECTION;

	epoll_ctl(p->gate->epoll, EPOLL_CTL_DEL, p->fe.fd, NULL);
	front_end_close(&p->fe);
	p->ops->gone(p->ctx, why);
	if (!p->conf.is_client)
		return;
	p->backoff_ns = good || p->backoff_ns == 0 ? RETRY_LEAST : p->backoff_ns * 2;
	if (p->backoff_ns > RETRY_MOST)
		p->backoff_ns = RETRY_MOST;
	p->retry_ns = now + p->backoff_ns;
}

static bool hung_up(const struct front_end *fe)
{
	char byte;
	ssize_t got = recv(fe->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

/* Whether a descriptor is from the reserve for management. The lowest free number is given out, so
 * then all others are taken. */
static bool is_reserved(int fd)
{
	return fd >= fd_limit_for_guests();
}

static void accept_one(struct gate_port *p, uint64_t now)
{
	int fd;

	if (!pace_allows(&p->connects, now, NULL)) {
		set_accepting(p, false);
		p->retry_ns = pace_next_ns(&p->connects, now);
		return;
	}
	/* The new connection may be of the same front end, after it hung up. */
	if (p->fe.fd >= 0 && hung_up(&p->fe))
		leave(p, NULL, now);
	fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && p->fe.fd < 0 && !is_reserved(fd)) {
		enter(p, fd, now);
		return;
	}
	if (fd >= 0) {
		close(fd);
		p->ops->turned_away(p->ctx, p->fe.fd < 0);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
		/* The connection stays in the queue: trying again at once would spin. */
		p->ops->turned_away(p->ctx, true);
		set_accepting(p, false);
		p->retry_ns = now + RETRY_MOST;
	}
}

static void connect_one(struct gate_port *p, uint64_t now)
{
	int fd = unixsock_connect(p->conf.path);

	if (fd >= 0 && !is_reserved(fd)) {
		p->retry_ns = 0;
		enter(p, fd, now);
		return;
	}
	if (fd >= 0) {
		close(fd);
		p->ops->turned_away(p->ctx, true);
	}
	p->backoff_ns = p->backoff_ns == 0 ? RETRY_LEAST : p->backoff_ns * 2;
	if (p->backoff_ns > RETRY_MOST)
		p->backoff_ns = RETRY_MOST;
	p->retry_ns = now + p->backoff_ns;
}

static void read_one(struct gate_port *p, uint64_t now)
{
	struct err e = {0};

	switch (front_end_read(&p->fe, now, &e)) {
	case FRONT_END_NOTHING:
		return;
	case FRONT_END_MESSAGE:
		if (!p->ops->message(p->ctx, &p->fe, &e))
			break;
		message_close_fds(&p->fe.msg);
		return;
	case FRONT_END_GONE:
	case FRONT_END_BAD:
		break;
	}
	leave(p, e.text[0] ? e.text : NULL, clock_now_ns());
}

/* --- once a second -------------------------------------------------------------------------------
 */

static int listen_again(struct gate_port *p, struct err *e)
{
	const struct unixsock_access access = {p->conf.owner, p->conf.group, p->conf.mode};
	int fd = unixsock_listen(p->conf.path, &access, e);

	if (fd < 0)
		return fd;
	p->listener = fd;
	p->inode = unixsock_inode(p->conf.path);
	set_accepting(p, true);
	return 0;
}

/* Creates the socket's file again after it, or its folder, was removed: without it nobody finds the
 * port. */
static void look_after_file(struct gate_port *p)
{
	struct err e = {0};

	if (p->conf.is_client || (p->listener >= 0 && unixsock_inode(p->conf.path) == p->inode))
		return;
	set_accepting(p, false);
	if (p->listener >= 0)
		close(p->listener);
	p->listener = -1;
	p->lost = listen_again(p, &e) < 0;
	p->ops->file_lost(p->ctx, p->lost ? e.text : NULL);
}

static void look(struct gate *g, uint64_t now)
{
	struct gate_port *p;

	g->looked_ns = now;
	LIST_FOREACH (p, &g->ports, link) {
		p->used_ns /= 2;
		look_after_file(p);
	}
}

/* --- the loop ------------------------------------------------------------------------------------
 */

/* Does what is due by time. Returns when more will be due. */
static uint64_t do_what_is_due(struct gate *g, uint64_t now)
{
	uint64_t next;
	struct gate_port *p;

	if (now - g->looked_ns >= LOOK_INTERVAL)
		look(g, now);
	next = g->looked_ns + LOOK_INTERVAL;
	LIST_FOREACH (p, &g->ports, link) {
		if (p->fe.fd >= 0 && p->fe.have > 0 && now - p->fe.begun_ns >= MESSAGE_PATIENCE)
			leave(p, "front end sent half a message and no more", now);
		if (p->conf.is_client && p->fe.fd < 0 && now >= p->retry_ns)
			connect_one(p, now);
		if (!p->conf.is_client && !p->accepting && now >= p->retry_ns)
			set_accepting(p, true);
		if (p->retry_ns > now && p->retry_ns < next)
			next = p->retry_ns;
	}
	return next;
}

static struct gate_port *port_of(const struct epoll_event *ev)
{
	return (struct gate_port *)(uintptr_t)(ev->data.u64 & ~IS_LISTENER);
}

/* The event whose port used the least time lately; -1 when no event is a port's. */
static int choose(const struct epoll_event *ev, int n)
{
	int best = -1;

	for (int i = 0; i < n; i++)
		if (ev[i].data.u64 != 0 &&
		    (best < 0 || port_of(&ev[i])->used_ns < port_of(&ev[best])->used_ns))
			best = i;
	return best;
}

static void handle(const struct epoll_event *ev)
{
	struct gate_port *p = port_of(ev);
	uint64_t begin = clock_now_ns();

	if (ev->data.u64 & IS_LISTENER)
		accept_one(p, begin);
	else
		read_one(p, begin);
	p->used_ns += clock_now_ns() - begin;
}

/* Runs control's calls. False when the gate is to end. */
static bool take_calls(struct gate *g)
{
	struct call *c;
	bool stopping;

	pthread_mutex_lock(&g->lock);
	while ((c = g->first_call) != NULL) {
		g->first_call = c->next;
		pthread_mutex_unlock(&g->lock);
		c->fn(c->arg);
		pthread_mutex_lock(&g->lock);
		c->done = true;
		pthread_cond_broadcast(&g->called);
	}
	stopping = g->stopping;
	pthread_mutex_unlock(&g->lock);
	return !stopping;
}

static int timeout_ms(uint64_t next, uint64_t now)
{
	return next <= now ? 0 : (int)((next - now) / CLOCK_NS_PER_MS) + 1;
}

static void *run(void *gate)
{
	struct gate *g = gate;
	struct epoll_event ev[MAX_EVENTS];
	uint64_t now = clock_now_ns(), count;

	for (;;) {
		uint64_t next = do_what_is_due(g, now);
		int n = epoll_wait(g->epoll, ev, MAX_EVENTS, timeout_ms(next, now));
		int i;

		for (i = 0; i < n; i++)
			if (ev[i].data.u64 == 0 && read(g->wake, &count, sizeof(count)) < 0)
				count = 0; /* somebody else's call was taken already */
		i = choose(ev, n);
		if (i >= 0)
			handle(&ev[i]);
		/* Calls come after the event, since one may remove the event's port. */
		if (!take_calls(g))
			return NULL;
		now = clock_now_ns();
	}
}

/* --- control -------------------------------------------------------------------------------------
 */

static void wake(struct gate *g)
{
	static const uint64_t one = 1;

	if (write(g->wake, &one, sizeof(one)) < 0)
		return; /* a full counter wakes it up all the same */
}

void gate_call(struct gate *g, void (*fn)(void *arg), void *arg)
{
	struct call c = {.fn = fn, .arg = arg}, **last;

	pthread_mutex_lock(&g->lock);
	for (last = &g->first_call; *last; last = &(*last)->next)
		continue;
	*last = &c;
	wake(g);
	while (!c.done)
		pthread_cond_wait(&g->called, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

struct gate *gate_create(struct err *e)
{
	struct gate *g = calloc(1, sizeof(*g));
	int ret;

	if (!g) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	LIST_INIT(&g->ports);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->called, NULL);
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = g->epoll < 0 || g->wake < 0 ? errno : 0;
	if (ret == 0) {
		watch(g, EPOLL_CTL_ADD, g->wake, 0);
		ret = pthread_create(&g->thread, NULL, run, g);
	}
	if (ret == 0) {
		pthread_setname_np(g->thread, "vhost");
		return g;
	}
	err_set(e, ERR_INTERNAL, NULL, "cannot serve vhost-user sockets: %s", strerror(ret));
	close(g->epoll);
	close(g->wake);
	free(g);
	return NULL;
}

void gate_destroy(struct gate *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	g->stopping = true;
	wake(g);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->thread, NULL);
	close(g->epoll);
	close(g->wake);
	pthread_cond_destroy(&g->called);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

struct open_call {
	struct gate_port *port;
	int ret;
	struct err *e;
};

static void open_port(void *arg)
{
	struct open_call *c = arg;
	struct gate_port *p = c->port;

	c->ret = p->conf.is_client ? 0 : listen_again(p, c->e);
	if (c->ret == 0)
		LIST_INSERT_HEAD(&p->gate->ports, p, link);
}

static void close_port(void *arg)
{
	struct gate_port *p = arg;

	LIST_REMOVE(p, link);
	if (p->fe.fd >= 0)
		leave(p, NULL, clock_now_ns());
	set_accepting(p, false);
	if (p->listener < 0)
		return;
	close(p->listener);
	if (unixsock_inode(p->conf.path) == p->inode)
		unlink(p->conf.path);
}

struct gate_port *gate_open(struct gate *g, const struct gate_port_conf *conf,
			    const struct gate_ops *ops, void *ctx, struct err *e)
{
	struct gate_port *p = calloc(1, sizeof(*p));
	struct open_call c = {.port = p, .e = e};

	if (!p) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	p->gate = g;
	p->conf = *conf;
	p->ops = ops;
	p->ctx = ctx;
	p->listener = -1;
	p->fe.fd = -1;
	pace_init(&p->connects, CONNECTS_BURST, CONNECTS_INTERVAL);
	gate_call(g, open_port, &c);
	if (c.ret == 0)
		return p;
	free(p);
	return NULL;
}

void gate_close(struct gate_port *p)
{
	if (!p)
		return;
	gate_call(p->gate, close_port, p);
	free(p);
}
